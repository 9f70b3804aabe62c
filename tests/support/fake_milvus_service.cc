#include "support/fake_milvus_service.h"

#include "milvus/convert_internal.h"

#include <algorithm>

namespace milvus_backup::testing {
namespace {

using milvus::AppendTo;
using milvus::ToProto;

std::string Join(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : ",") + part;
  return "[" + text + "]";
}

std::string Join(const std::vector<milvus::KeyValue>& values) {
  std::vector<std::string> parts;
  for (const milvus::KeyValue& value : values) parts.push_back(value.key + "=" + value.value);
  return Join(parts);
}

milvus::ImportRequest FromProto(const api::ImportRequest& request, const std::string& db) {
  return {.db_name = db,
          .collection_name = request.collection_name(),
          .partition_name = request.partition_name(),
          .files = {request.files().begin(), request.files().end()},
          .options = milvus::FromProto(request.options())};
}

void ToReply(const milvus::ImportTask& task, api::GetImportStateResponse& reply) {
  reply.set_id(task.id);
  reply.set_state(static_cast<int32_t>(task.state));
  reply.set_row_count(task.row_count);
  reply.set_collection_id(task.collection_id);
  for (const auto& [key, value] : task.infos) {
    AppendTo(*reply.mutable_infos(), {{.key = key, .value = value}});
  }
}

/// common.SegmentState, as queries tell of whatever is loaded.
constexpr int kSealedState = 3;

}  // namespace

grpc::Status FakeMilvusService::Connect(grpc::ServerContext* context,
                                        const api::ConnectRequest* request,
                                        api::ConnectResponse* reply) {
  return Serve(context, "Connect", request->client_info().user(), reply, [&] {
    reply->mutable_server_info()->set_build_tags(options_.version);
    reply->set_identifier(4711);
    return Refusal();
  });
}

grpc::Status FakeMilvusService::GetVersion(grpc::ServerContext* context,
                                           const api::GetVersionRequest* /*request*/,
                                           api::GetVersionResponse* reply) {
  return Serve(context, "GetVersion", "", reply, [&] {
    reply->set_version(options_.version);
    return Refusal();
  });
}

grpc::Status FakeMilvusService::AllocTimestamp(grpc::ServerContext* context,
                                               const api::AllocTimestampRequest* /*request*/,
                                               api::AllocTimestampResponse* reply) {
  return Serve(context, "AllocTimestamp", "", reply, [&] {
    reply->set_timestamp(state_.NewTimestamp());
    return Refusal();
  });
}

grpc::Status FakeMilvusService::ListDatabases(grpc::ServerContext* context,
                                              const api::ListDatabasesRequest* /*request*/,
                                              api::ListDatabasesResponse* reply) {
  return Serve(context, "ListDatabases", "", reply, [&] {
    for (const std::string& name : state_.ListDatabases()) reply->add_db_names(name);
    return Refusal();
  });
}

grpc::Status FakeMilvusService::CreateDatabase(grpc::ServerContext* context,
                                               const api::CreateDatabaseRequest* request,
                                               proto::common::Status* reply) {
  return Serve(context, "CreateDatabase", request->db_name(), reply,
               [&] { return state_.CreateDatabase(request->db_name()); });
}

grpc::Status FakeMilvusService::ShowCollections(grpc::ServerContext* context,
                                                const api::ShowCollectionsRequest* request,
                                                api::ShowCollectionsResponse* reply) {
  const std::string db = DatabaseOf(*context, request->db_name());
  return Serve(context, "ShowCollections", db, reply, [&] {
    if (!state_.HasDatabase(db)) return DatabaseNotFound(db);
    for (const std::string& name : state_.ListCollections(db)) {
      reply->add_collection_names(name);
    }
    return Refusal();
  });
}

grpc::Status FakeMilvusService::HasCollection(grpc::ServerContext* context,
                                              const api::HasCollectionRequest* request,
                                              api::BoolResponse* reply) {
  const std::string db = DatabaseOf(*context, request->db_name());
  const std::string& name = request->collection_name();
  return Serve(context, "HasCollection", db + "." + name, reply, [&] {
    reply->set_value(state_.Find(db, name) != nullptr);
    return Refusal();
  });
}

grpc::Status FakeMilvusService::DescribeCollection(grpc::ServerContext* context,
                                                   const api::DescribeCollectionRequest* request,
                                                   api::DescribeCollectionResponse* reply) {
  return ServeCollection(context, "DescribeCollection", request, reply, "",
                         [&](const FakeCollection& collection) {
                           const milvus::Collection& info = collection.info;
                           *reply->mutable_schema() = ToProto(info.schema);
                           reply->set_collectionid(info.id);
                           reply->set_created_timestamp(info.created_timestamp);
                           reply->set_shards_num(info.shards_num);
                           reply->set_consistency_level(info.consistency_level);
                           if (options_.has_databases) reply->set_db_name(info.db_name);
                           reply->set_db_id(info.db_id);
                           for (const auto& name : info.virtual_channel_names) {
                             reply->add_virtual_channel_names(name);
                           }
                           for (const auto& name : info.physical_channel_names) {
                             reply->add_physical_channel_names(name);
                           }
                           for (const auto& alias : info.aliases) reply->add_aliases(alias);
                           AppendTo(*reply->mutable_properties(), info.properties);
                           return Refusal();
                         });
}

grpc::Status FakeMilvusService::CreateCollection(grpc::ServerContext* context,
                                                 const api::CreateCollectionRequest* request,
                                                 proto::common::Status* reply) {
  const std::string db = DatabaseOf(*context, request->db_name());
  proto::schema::CollectionSchema schema;
  const bool is_schema = schema.ParseFromString(request->schema());
  FakeCollection collection;
  collection.info.schema = milvus::FromProto(schema);
  for (milvus::FieldSchema& field : collection.info.schema.fields) {
    field.nullable = field.nullable && options_.knows_nullable;
    field.is_function_output = field.is_function_output && options_.knows_nullable;
  }
  collection.info.shards_num = request->shards_num();
  collection.info.consistency_level = request->consistency_level();
  collection.info.properties = milvus::FromProto(request->properties());
  const std::string text = db + "." + request->collection_name() +
                           " shards=" + std::to_string(request->shards_num()) +
                           " fields=" + std::to_string(schema.fields_size());
  return Serve(context, "CreateCollection", text, reply, [&]() -> Refusal {
    if (!state_.HasDatabase(db)) return DatabaseNotFound(db);
    if (!is_schema || schema.name() != request->collection_name()) {
      return {.code = 1100, .error_code = 5, .reason = "collection name matches schema name"};
    }
    return state_.CreateCollection(db, std::move(collection), request->num_partitions());
  });
}

grpc::Status FakeMilvusService::DropCollection(grpc::ServerContext* context,
                                               const api::DropCollectionRequest* request,
                                               proto::common::Status* reply) {
  const std::string db = DatabaseOf(*context, request->db_name());
  return Serve(context, "DropCollection", db + "." + request->collection_name(), reply,
               [&] { return state_.DropCollection(db, request->collection_name()); });
}

grpc::Status FakeMilvusService::RenameCollection(grpc::ServerContext* context,
                                                 const api::RenameCollectionRequest* request,
                                                 proto::common::Status* reply) {
  const std::string db = DatabaseOf(*context, request->db_name());
  const std::string text = db + "." + request->oldname() + " to " + request->newname();
  return Serve(context, "RenameCollection", text, reply, [&]() -> Refusal {
    if (!state_.HasDatabase(db)) return DatabaseNotFound(db);
    return state_.RenameCollection(db, request->oldname(), request->newname());
  });
}

grpc::Status FakeMilvusService::CreateAlias(grpc::ServerContext* context,
                                            const api::CreateAliasRequest* request,
                                            proto::common::Status* reply) {
  const std::string db = DatabaseOf(*context, request->db_name());
  return ServeCollection(context, "CreateAlias", request, reply, "/" + request->alias(),
                         [&](FakeCollection& collection) {
                           return state_.CreateAlias(db, collection, request->alias());
                         });
}

grpc::Status FakeMilvusService::AlterAlias(grpc::ServerContext* context,
                                           const api::AlterAliasRequest* request,
                                           proto::common::Status* reply) {
  const std::string db = DatabaseOf(*context, request->db_name());
  return ServeCollection(context, "AlterAlias", request, reply, "/" + request->alias(),
                         [&](FakeCollection& collection) {
                           return state_.AlterAlias(db, collection, request->alias());
                         });
}

grpc::Status FakeMilvusService::DropAlias(grpc::ServerContext* context,
                                          const api::DropAliasRequest* request,
                                          proto::common::Status* reply) {
  const std::string db = DatabaseOf(*context, request->db_name());
  return Serve(context, "DropAlias", db + "." + request->alias(), reply,
               [&] { return state_.DropAlias(db, request->alias()); });
}

grpc::Status FakeMilvusService::ShowPartitions(grpc::ServerContext* context,
                                               const api::ShowPartitionsRequest* request,
                                               api::ShowPartitionsResponse* reply) {
  return ServeCollection(context, "ShowPartitions", request, reply, "",
                         [&](const FakeCollection& collection) {
                           for (const milvus::Partition& partition : collection.partitions) {
                             reply->add_partition_names(partition.name);
                             if (options_.tells_partition_ids) {
                               reply->add_partitionids(partition.id);
                             }
                           }
                           return Refusal();
                         });
}

grpc::Status FakeMilvusService::CreatePartition(grpc::ServerContext* context,
                                                const api::CreatePartitionRequest* request,
                                                proto::common::Status* reply) {
  const std::string& partition = request->partition_name();
  return ServeCollection(
      context, "CreatePartition", request, reply, "/" + partition,
      [&](FakeCollection& collection) { return state_.CreatePartition(collection, partition); });
}

grpc::Status FakeMilvusService::DropPartition(grpc::ServerContext* context,
                                              const api::DropPartitionRequest* request,
                                              proto::common::Status* reply) {
  const std::string& partition = request->partition_name();
  return ServeCollection(
      context, "DropPartition", request, reply, "/" + partition,
      [&](FakeCollection& collection) { return state_.DropPartition(collection, partition); });
}

grpc::Status FakeMilvusService::DescribeIndex(grpc::ServerContext* context,
                                              const api::DescribeIndexRequest* request,
                                              api::DescribeIndexResponse* reply) {
  return ServeCollection(
      context, "DescribeIndex", request, reply, "",
      [&](const FakeCollection& collection) -> Refusal {
        if (collection.indexes.empty()) {
          return {.code = 700,
                  .error_code = 25,
                  .reason = "index not found[collection=" + request->collection_name() + "]"};
        }
        for (const milvus::Index& index : collection.indexes) {
          auto& description = *reply->add_index_descriptions();
          description.set_index_name(index.name);
          description.set_indexid(index.id);
          description.set_field_name(index.field_name);
          AppendTo(*description.mutable_params(), index.params);
        }
        return {};
      });
}

grpc::Status FakeMilvusService::CreateIndex(grpc::ServerContext* context,
                                            const api::CreateIndexRequest* request,
                                            proto::common::Status* reply) {
  milvus::Index index{.field_name = request->field_name(),
                      .name = request->index_name(),
                      .id = 0,
                      .params = milvus::FromProto(request->extra_params())};
  const std::string text =
      "/" + index.field_name + " name=" + index.name + " params=" + Join(index.params);
  return ServeCollection(
      context, "CreateIndex", request, reply, text,
      [&](FakeCollection& collection) { return state_.CreateIndex(collection, std::move(index)); });
}

grpc::Status FakeMilvusService::DropIndex(grpc::ServerContext* context,
                                          const api::DropIndexRequest* request,
                                          proto::common::Status* reply) {
  const std::string& name = request->index_name();
  return ServeCollection(
      context, "DropIndex", request, reply, "/" + name,
      [&](FakeCollection& collection) { return FakeMilvusState::DropIndex(collection, name); });
}

grpc::Status FakeMilvusService::GetLoadingProgress(grpc::ServerContext* context,
                                                   const api::GetLoadingProgressRequest* request,
                                                   api::GetLoadingProgressResponse* reply) {
  const bool is_partition = request->partition_names_size() == 1;
  const std::string partition = is_partition ? request->partition_names(0) : "";
  return ServeCollection(
      context, "GetLoadingProgress", request, reply, is_partition ? "/" + partition : "",
      [&](const FakeCollection& collection) -> Refusal {
        if (is_partition && collection.loaded_partitions.contains(partition)) {
          reply->set_progress(100);
          return {};
        }
        if (collection.load_state == milvus::LoadState::kNotLoad) {
          return {.code = 101,
                  .error_code = 1,
                  .reason = "collection not loaded[collection=" +
                            std::to_string(collection.info.id) + "]"};
        }
        reply->set_progress(collection.load_state == milvus::LoadState::kLoaded ? 100 : 50);
        return {};
      });
}

grpc::Status FakeMilvusService::LoadCollection(grpc::ServerContext* context,
                                               const api::LoadCollectionRequest* request,
                                               proto::common::Status* reply) {
  return ServeCollection(context, "LoadCollection", request, reply, "", FakeMilvusState::Load);
}

grpc::Status FakeMilvusService::ReleaseCollection(grpc::ServerContext* context,
                                                  const api::ReleaseCollectionRequest* request,
                                                  proto::common::Status* reply) {
  return ServeCollection(context, "ReleaseCollection", request, reply, "",
                         [&](FakeCollection& collection) {
                           collection.load_state = milvus::LoadState::kNotLoad;
                           return Refusal();
                         });
}

grpc::Status FakeMilvusService::Flush(grpc::ServerContext* context,
                                      const api::FlushRequest* request, api::FlushResponse* reply) {
  const std::string db = DatabaseOf(*context, request->db_name());
  std::string names;
  for (const std::string& name : request->collection_names()) {
    names += (names.empty() ? "" : ",") + name;
  }
  return Serve(context, "Flush", db + "." + names, reply, [&]() -> Refusal {
    for (const std::string& name : request->collection_names()) {
      FakeCollection* collection = state_.Find(db, name);
      if (collection == nullptr) return CollectionNotFound(db, name);
      const milvus::FlushTicket ticket = state_.Flush(*collection);
      auto& ids = (*reply->mutable_coll_segids())[name];
      for (const int64_t id : ticket.segment_ids) ids.add_data(id);
      (*reply->mutable_coll_flush_ts())[name] = ticket.flush_ts;
      (*reply->mutable_coll_seal_times())[name] = ticket.seal_time;
      for (const auto& [channel, position] : ticket.channel_checkpoints) {
        (*reply->mutable_channel_cps())[channel] = position;
      }
    }
    return {};
  });
}

grpc::Status FakeMilvusService::GetFlushState(grpc::ServerContext* context,
                                              const api::GetFlushStateRequest* request,
                                              api::GetFlushStateResponse* reply) {
  const std::string text = " segments=" + std::to_string(request->segmentids_size());
  return ServeCollection(context, "GetFlushState", request, reply, text,
                         [&](const FakeCollection& /*collection*/) {
                           reply->set_flushed(state_.IsFlushed());
                           return Refusal();
                         });
}

grpc::Status FakeMilvusService::GetPersistentSegmentInfo(
    grpc::ServerContext* context, const api::GetPersistentSegmentInfoRequest* request,
    api::GetPersistentSegmentInfoResponse* reply) {
  const std::string db = DatabaseOf(*context, request->dbname());
  const std::string& name = request->collectionname();
  return Serve(context, "GetPersistentSegmentInfo", db + "." + name, reply, [&] {
    state_.ListTasks(0);
    FakeCollection* collection = state_.Find(db, name);
    if (collection == nullptr) return CollectionNotFound(db, name);
    for (const milvus::Segment& segment : state_.ListPersistent(*collection)) {
      auto& info = *reply->add_infos();
      info.set_segmentid(segment.id);
      info.set_collectionid(segment.collection_id);
      info.set_partitionid(segment.partition_id);
      info.set_num_rows(segment.num_rows);
      info.set_state(segment.state);
      info.set_level(segment.level);
      info.set_storage_version(segment.storage_version);
    }
    return Refusal();
  });
}

grpc::Status FakeMilvusService::GetQuerySegmentInfo(grpc::ServerContext* context,
                                                    const api::GetQuerySegmentInfoRequest* request,
                                                    api::GetQuerySegmentInfoResponse* reply) {
  const std::string db = DatabaseOf(*context, request->dbname());
  const std::string& name = request->collectionname();
  return Serve(context, "GetQuerySegmentInfo", db + "." + name, reply, [&] {
    FakeCollection* collection = state_.Find(db, name);
    if (collection == nullptr) return CollectionNotFound(db, name);
    if (collection->load_state != milvus::LoadState::kLoaded) {
      return Refusal{.code = 101, .error_code = 1, .reason = "collection not loaded"};
    }
    std::vector<milvus::Segment> seen = FakeMilvusState::Flushed(*collection);
    if (options_.late_listings > 0 && !seen.empty()) {
      --options_.late_listings;
      seen.pop_back();
    }
    for (const milvus::Segment& segment : seen) {
      auto& info = *reply->add_infos();
      info.set_segmentid(segment.id);
      info.set_collectionid(segment.collection_id);
      info.set_partitionid(segment.partition_id);
      info.set_num_rows(segment.num_rows);
      info.set_state(kSealedState);
    }
    return Refusal();
  });
}

grpc::Status FakeMilvusService::GetCollectionStatistics(
    grpc::ServerContext* context, const api::GetCollectionStatisticsRequest* request,
    api::GetCollectionStatisticsResponse* reply) {
  return ServeCollection(context, "GetCollectionStatistics", request, reply, "",
                         [&](const FakeCollection& collection) {
                           state_.ListTasks(0);
                           int64_t rows = 0;
                           for (const auto& segment : FakeMilvusState::Flushed(collection))
                             rows += segment.num_rows;
                           AppendTo(*reply->mutable_stats(),
                                    {{.key = "row_count", .value = std::to_string(rows)}});
                           return Refusal();
                         });
}

grpc::Status FakeMilvusService::Import(grpc::ServerContext* context,
                                       const api::ImportRequest* request,
                                       api::ImportResponse* reply) {
  const std::string db = DatabaseOf(*context, request->db_name());
  const milvus::ImportRequest import = FromProto(*request, db);
  const std::string text = db + "." + import.collection_name + "/" + import.partition_name +
                           " files=" + Join(import.files) + " options=" + Join(import.options);
  return Serve(context, "Import", text, reply, [&] {
    int64_t task_id = 0;
    Refusal refusal = state_.Import(import, task_id);
    if (refusal.ok()) reply->add_tasks(task_id);
    return refusal;
  });
}

grpc::Status FakeMilvusService::GetImportState(grpc::ServerContext* context,
                                               const api::GetImportStateRequest* request,
                                               api::GetImportStateResponse* reply) {
  const std::string id = std::to_string(request->task());
  return Serve(context, "GetImportState", id, reply, [&]() -> Refusal {
    const milvus::ImportTask* task = state_.FindTask(request->task());
    if (task == nullptr) {
      return {.code = 1000,
              .error_code = 1,
              .reason = "key not found[key=by-dev/meta/importtask/" + id + "]"};
    }
    ToReply(*task, *reply);
    return {};
  });
}

grpc::Status FakeMilvusService::ListImportTasks(grpc::ServerContext* context,
                                                const api::ListImportTasksRequest* request,
                                                api::ListImportTasksResponse* reply) {
  const std::string db = DatabaseOf(*context, request->db_name());
  const std::string& name = request->collection_name();
  return Serve(context, "ListImportTasks", db + "." + name, reply, [&] {
    const FakeCollection* collection = state_.Find(db, name);
    if (collection == nullptr && !name.empty()) return CollectionNotFound(db, name);
    const int64_t id = collection == nullptr ? 0 : collection->info.id;
    for (const milvus::ImportTask& task : state_.ListTasks(id)) {
      ToReply(task, *reply->add_tasks());
    }
    return Refusal();
  });
}

}  // namespace milvus_backup::testing
