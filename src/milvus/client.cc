#include "milvus_backup/milvus/client.h"

#include "milvus/channel_internal.h"
#include "milvus/convert_internal.h"
#include "milvus/grpc_client_internal.h"

#include "milvus_backup/base/clock.h"
#include "milvus_backup/base/process.h"
#include "milvus_backup/milvus/version.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace milvus_backup::milvus {
namespace {

constexpr std::string_view kDefaultDatabase = "default";

}  // namespace

Status GrpcClient::Greet(const CallContext& ctx, const ClientOptions& options) {
  api::ConnectRequest hello;
  auto& info = *hello.mutable_client_info();
  info.set_sdk_type("BackupToolCustomSDK");
  info.set_sdk_version(MB_VERSION);
  info.set_local_time(FormatIso8601(Clock::Real().WallNow()));
  info.set_user(options.user);
  info.set_host(HostName());
  auto connected = rpc_->Call(ctx, {.what = "Connect", .db = ""}, &Stub::Connect, hello);
  if (connected.ok()) {
    rpc_->set_identifier(connected->identifier());
    server_version_ = connected->server_info().build_tags();
  } else if (connected.status().code() != Code::kUnimplemented) {
    return std::move(connected).status();
  }

  if (!ParseVersion(server_version_).known) {
    auto version = rpc_->Call(ctx, {.what = "GetVersion", .db = ""}, &Stub::GetVersion,
                              api::GetVersionRequest());
    if (version.ok()) {
      server_version_ = version->version();
    } else if (!connected.ok() && version.status().code() == Code::kUnimplemented) {
      return FailedPreconditionError("what answers at " + endpoint() + " is not Milvus")
          .WithOrigin(Origin::kMilvus)
          .WithAdvice("check " + options.key_names.address);
    } else if (version.status().code() != Code::kUnimplemented) {
      return std::move(version).status();
    }
  }

  if (!options.server_version.empty()) server_version_ = options.server_version;

  auto databases = ListDatabases(ctx);
  if (databases.ok()) return Status::Ok();
  if (databases.status().code() != Code::kUnimplemented) return std::move(databases).status();
  has_databases_ = false;
  // The first call that old servers ask a password for.
  return ListCollections(ctx, std::string(kDefaultDatabase)).status();
}

Status GrpcClient::CheckDatabase(const std::string& db) const {
  if (has_databases_ || db.empty() || db == kDefaultDatabase) return Status::Ok();
  return NotFoundError("database " + db + " not found: Milvus " + server_version_ +
                       " knows only the database default")
      .WithOrigin(Origin::kMilvus);
}

Result<uint64_t> GrpcClient::CurrentTimestamp(const CallContext& ctx) {
  MB_ASSIGN_OR_RETURN(const auto reply, Call(ctx, "AllocTimestamp", "", "", &Stub::AllocTimestamp,
                                             api::AllocTimestampRequest()));
  return reply.timestamp();
}

Result<std::vector<std::string>> GrpcClient::ListDatabases(const CallContext& ctx) {
  if (!has_databases_) return std::vector<std::string>{std::string(kDefaultDatabase)};
  MB_ASSIGN_OR_RETURN(const auto reply, Call(ctx, "ListDatabases", "", "", &Stub::ListDatabases,
                                             api::ListDatabasesRequest()));
  return std::vector<std::string>(reply.db_names().begin(), reply.db_names().end());
}

Result<Database> GrpcClient::DescribeDatabase(const CallContext& ctx, const std::string& db) {
  api::DescribeDatabaseRequest request;
  request.set_db_name(db);
  MB_ASSIGN_OR_RETURN(const auto reply,
                      Call(ctx, "DescribeDatabase", "", db, &Stub::DescribeDatabase, request));
  return Database{.id = reply.dbid(), .name = db, .properties = FromProto(reply.properties())};
}

Status GrpcClient::CreateDatabase(const CallContext& ctx, const std::string& db) {
  api::CreateDatabaseRequest request;
  request.set_db_name(db);
  return Call(ctx, "CreateDatabase", "", db, &Stub::CreateDatabase, request, Repeat::kIfRefused)
      .status();
}

Result<std::vector<std::string>> GrpcClient::ListCollections(const CallContext& ctx,
                                                             const std::string& db) {
  api::ShowCollectionsRequest request;
  request.set_db_name(db);
  MB_ASSIGN_OR_RETURN(const auto reply,
                      Call(ctx, "ShowCollections", db, "*", &Stub::ShowCollections, request));
  return std::vector<std::string>(reply.collection_names().begin(), reply.collection_names().end());
}

Result<bool> GrpcClient::HasCollection(const CallContext& ctx, const std::string& db,
                                       const std::string& collection) {
  const auto request = About<api::HasCollectionRequest>(db, collection);
  auto reply = Call(ctx, "HasCollection", db, collection, &Stub::HasCollection, request);
  if (reply.ok()) return reply->value();
  // Some servers answer the question with an error.
  if (IsCollectionNotFound(reply.status())) return false;
  return std::move(reply).status();
}

Result<Collection> GrpcClient::DescribeCollection(const CallContext& ctx, const std::string& db,
                                                  const std::string& collection) {
  const auto request = About<api::DescribeCollectionRequest>(db, collection);
  MB_ASSIGN_OR_RETURN(const auto reply, Call(ctx, "DescribeCollection", db, collection,
                                             &Stub::DescribeCollection, request));
  Collection described = FromProto(reply);
  if (described.db_name.empty()) described.db_name = db;
  return described;
}

Status GrpcClient::CreateCollection(const CallContext& ctx,
                                    const CreateCollectionRequest& request) {
  return CallToItsEnd(ctx, "CreateCollection", request.db_name, request.schema.name,
                      &Stub::CreateCollection, ToProto(request), Repeat::kIfRefused)
      .status();
}

Status GrpcClient::DropCollection(const CallContext& ctx, const std::string& db,
                                  const std::string& collection) {
  const auto request = About<api::DropCollectionRequest>(db, collection);
  return Call(ctx, "DropCollection", db, collection, &Stub::DropCollection, request).status();
}

Status GrpcClient::RenameCollection(const CallContext& ctx, const std::string& db,
                                    const std::string& from, const std::string& to) {
  api::RenameCollectionRequest request;
  request.set_db_name(db);
  request.set_oldname(from);
  request.set_newname(to);
  return Call(ctx, "RenameCollection", db, from + " to " + to, &Stub::RenameCollection, request,
              Repeat::kIfRefused)
      .status();
}

Result<std::vector<Partition>> GrpcClient::ListPartitions(const CallContext& ctx,
                                                          const std::string& db,
                                                          const std::string& collection) {
  const auto request = About<api::ShowPartitionsRequest>(db, collection);
  MB_ASSIGN_OR_RETURN(const auto reply,
                      Call(ctx, "ShowPartitions", db, collection, &Stub::ShowPartitions, request));
  // Milvus Lite tells no ids.
  const bool tells_ids = reply.partitionids_size() != 0;
  if (tells_ids && reply.partition_names_size() != reply.partitionids_size()) {
    return InternalError("ShowPartitions " + db + "." + collection + ": the server answered with " +
                         std::to_string(reply.partition_names_size()) + " names and " +
                         std::to_string(reply.partitionids_size()) + " ids")
        .WithOrigin(Origin::kMilvus);
  }
  std::vector<Partition> partitions;
  partitions.reserve(static_cast<size_t>(reply.partition_names_size()));
  for (int i = 0; i < reply.partition_names_size(); ++i) {
    partitions.push_back(
        {.id = tells_ids ? reply.partitionids(i) : 0, .name = reply.partition_names(i)});
  }
  return partitions;
}

Status GrpcClient::CreatePartition(const CallContext& ctx, const std::string& db,
                                   const std::string& collection, const std::string& partition) {
  auto request = About<api::CreatePartitionRequest>(db, collection);
  request.set_partition_name(partition);
  return Call(ctx, "CreatePartition", db, collection + "/" + partition, &Stub::CreatePartition,
              request, Repeat::kIfRefused)
      .status();
}

Status GrpcClient::DropPartition(const CallContext& ctx, const std::string& db,
                                 const std::string& collection, const std::string& partition) {
  auto request = About<api::DropPartitionRequest>(db, collection);
  request.set_partition_name(partition);
  return Call(ctx, "DropPartition", db, collection + "/" + partition, &Stub::DropPartition, request)
      .status();
}

Result<std::vector<Index>> GrpcClient::ListIndexes(const CallContext& ctx, const std::string& db,
                                                   const std::string& collection) {
  const auto request = About<api::DescribeIndexRequest>(db, collection);
  auto reply = Call(ctx, "DescribeIndex", db, collection, &Stub::DescribeIndex, request);
  if (!reply.ok() && IsIndexNotFound(reply.status())) return std::vector<Index>();
  if (!reply.ok()) return std::move(reply).status();
  std::vector<Index> indexes;
  for (const auto& description : reply->index_descriptions()) {
    indexes.push_back({.field_name = description.field_name(),
                       .name = description.index_name(),
                       .id = description.indexid(),
                       .params = FromProto(description.params())});
  }
  return indexes;
}

Status GrpcClient::CreateIndex(const CallContext& ctx, const std::string& db,
                               const std::string& collection, const Index& index) {
  auto request = About<api::CreateIndexRequest>(db, collection);
  request.set_field_name(index.field_name);
  request.set_index_name(index.name);
  AppendTo(*request.mutable_extra_params(), index.params);
  return Call(ctx, "CreateIndex", db, collection + "/" + index.field_name, &Stub::CreateIndex,
              request, Repeat::kIfRefused)
      .status();
}

Status GrpcClient::DropIndex(const CallContext& ctx, const std::string& db,
                             const std::string& collection, const std::string& field,
                             const std::string& index) {
  auto request = About<api::DropIndexRequest>(db, collection);
  request.set_field_name(field);
  request.set_index_name(index);
  return Call(ctx, "DropIndex", db, collection + "/" + index, &Stub::DropIndex, request).status();
}

Status GrpcClient::CreateAlias(const CallContext& ctx, const std::string& db,
                               const std::string& collection, const std::string& alias) {
  auto request = About<api::CreateAliasRequest>(db, collection);
  request.set_alias(alias);
  return Call(ctx, "CreateAlias", db, collection + "/" + alias, &Stub::CreateAlias, request,
              Repeat::kIfRefused)
      .status();
}

Status GrpcClient::AlterAlias(const CallContext& ctx, const std::string& db,
                              const std::string& collection, const std::string& alias) {
  auto request = About<api::AlterAliasRequest>(db, collection);
  request.set_alias(alias);
  return Call(ctx, "AlterAlias", db, collection + "/" + alias, &Stub::AlterAlias, request).status();
}

Status GrpcClient::DropAlias(const CallContext& ctx, const std::string& db,
                             const std::string& alias) {
  api::DropAliasRequest request;
  request.set_db_name(db);
  request.set_alias(alias);
  return Call(ctx, "DropAlias", db, alias, &Stub::DropAlias, request).status();
}

Result<LoadState> GrpcClient::GetLoadState(const CallContext& ctx, const std::string& db,
                                           const std::string& collection) {
  return LoadStateOf(ctx, About<api::GetLoadingProgressRequest>(db, collection));
}

Result<LoadState> GrpcClient::GetPartitionLoadState(const CallContext& ctx, const std::string& db,
                                                    const std::string& collection,
                                                    const std::string& partition) {
  auto request = About<api::GetLoadingProgressRequest>(db, collection);
  request.add_partition_names(partition);
  return LoadStateOf(ctx, request);
}

Result<LoadState> GrpcClient::LoadStateOf(const CallContext& ctx,
                                          const api::GetLoadingProgressRequest& request) {
  auto reply = Call(ctx, "GetLoadingProgress", request.db_name(), request.collection_name(),
                    &Stub::GetLoadingProgress, request);
  if (reply.ok()) {
    if (reply->progress() == 0) return LoadState::kNotLoad;
    return reply->progress() == 100 ? LoadState::kLoaded : LoadState::kLoading;
  }
  // A collection that is not loaded is answered with an error whose number differs by version.
  const bool is_answer = IsFromReply(reply.status()) &&
                         reply.status().retry_class() == RetryClass::kNever &&
                         reply.status().code() != Code::kUnauthenticated &&
                         reply.status().code() != Code::kPermissionDenied;
  if (is_answer) return LoadState::kNotLoad;
  return std::move(reply).status();
}

Status GrpcClient::LoadCollection(const CallContext& ctx, const std::string& db,
                                  const std::string& collection) {
  auto request = About<api::LoadCollectionRequest>(db, collection);
  request.set_replica_number(1);
  return Call(ctx, "LoadCollection", db, collection, &Stub::LoadCollection, request).status();
}

Status GrpcClient::ReleaseCollection(const CallContext& ctx, const std::string& db,
                                     const std::string& collection) {
  const auto request = About<api::ReleaseCollectionRequest>(db, collection);
  return Call(ctx, "ReleaseCollection", db, collection, &Stub::ReleaseCollection, request).status();
}

Result<Rbac> GrpcClient::BackupRbac(const CallContext& ctx) {
  MB_ASSIGN_OR_RETURN(const auto reply, Call(ctx, "BackupRBAC", "", "", &Stub::BackupRBAC,
                                             api::BackupRBACMetaRequest()));
  return FromProto(reply.rbac_meta());
}

Status GrpcClient::RestoreRbac(const CallContext& ctx, const Rbac& rbac) {
  api::RestoreRBACMetaRequest request;
  *request.mutable_rbac_meta() = ToProto(rbac);
  return Call(ctx, "RestoreRBAC", "", "", &Stub::RestoreRBAC, request, Repeat::kIfRefused).status();
}

Result<std::unique_ptr<Client>> Connect(const CallContext& ctx, const ClientOptions& options) {
  MB_RETURN_IF_ERROR(options.Validate());
  MB_ASSIGN_OR_RETURN(auto channel, OpenChannel(options));
  auto rpc = std::make_unique<Rpc>(options, std::move(channel));
  MB_RETURN_IF_ERROR(rpc->Open(ctx));
  auto client = std::make_unique<GrpcClient>(std::move(rpc));
  MB_RETURN_IF_ERROR(client->Greet(ctx, options));
  return std::unique_ptr<Client>(std::move(client));
}

}  // namespace milvus_backup::milvus
