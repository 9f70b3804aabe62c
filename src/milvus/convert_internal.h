/// Between the wire format and types.h. Pure functions, thread-safe.
#pragma once

#include "proto/milvus.pb.h"

#include "milvus_backup/base/status.h"
#include "milvus_backup/milvus/types.h"

#include <vector>

namespace milvus_backup::milvus {

namespace proto = ::milvus::proto;

std::vector<KeyValue> FromProto(
    const google::protobuf::RepeatedPtrField<proto::common::KeyValuePair>& pairs);
void AppendTo(google::protobuf::RepeatedPtrField<proto::common::KeyValuePair>& pairs,
              const std::vector<KeyValue>& values);

CollectionSchema FromProto(const proto::schema::CollectionSchema& schema);
proto::schema::CollectionSchema ToProto(const CollectionSchema& schema);

Collection FromProto(const proto::milvus::DescribeCollectionResponse& reply);
/// kUnimplemented when the reply of an older server names nothing to wait for.
Result<FlushAllTicket> FromProto(const proto::milvus::FlushAllResponse& reply);
Rbac FromProto(const proto::milvus::RBACMeta& meta);
proto::milvus::RBACMeta ToProto(const Rbac& rbac);
ImportTask FromProto(const proto::milvus::GetImportStateResponse& reply);
proto::milvus::CreateCollectionRequest ToProto(const CreateCollectionRequest& request);
proto::milvus::InsertRequest ToProto(const InsertRequest& request);

proto::milvus::QueryRequest ToProto(const QueryRequest& request);
/// With only the values that are not null, as servers want it.
proto::schema::FieldData ToProto(const Column& column);
/// kInternal when the values do not fit the rows.
Result<Column> FromProto(proto::schema::FieldData field);
/// kInternal when columns have different numbers of rows.
Result<std::vector<Column>> FromProto(proto::milvus::QueryResults reply);
proto::milvus::ImportRequest ToProto(const ImportRequest& request);

}  // namespace milvus_backup::milvus
