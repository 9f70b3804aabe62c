/// What Milvus and gRPC say went wrong, as our Status. Pure functions, thread-safe.
#pragma once

#include "proto/common.pb.h"

#include "milvus_backup/base/status.h"
#include "milvus_backup/milvus/options.h"

#include <grpcpp/support/status.h>

#include <string>

namespace milvus_backup::milvus {

namespace proto = ::milvus::proto;

/// OK when both codes are 0 (servers before 2.3 fill only `error_code`).
Status FromReply(const proto::common::Status& reply);

/// `endpoint` is for the message, `host:port`.
Status FromGrpc(const grpc::Status& status, const std::string& endpoint);

/// With what to do about it, as far as it is a matter of these keys.
Status Advised(Status status, const ClientOptions::KeyNames& keys);

/// True for an error that a reply carried, false for a failure to get a reply.
bool IsFromReply(const Status& status);
/// HasCollection is answered with this error by some servers.
bool IsCollectionNotFound(const Status& status);
/// A collection without an index is answered with an error.
bool IsIndexNotFound(const Status& status);
/// Compaction can drop a segment while the server collects the answer.
bool IsSegmentNotFound(const Status& status);

}  // namespace milvus_backup::milvus
