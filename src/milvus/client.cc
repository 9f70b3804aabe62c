#include "milvus_backup/milvus/client.h"

#include "milvus/channel_internal.h"
#include "milvus/convert_internal.h"
#include "milvus/rpc_internal.h"

#include "milvus_backup/base/clock.h"
#include "milvus_backup/base/process.h"
#include "milvus_backup/milvus/version.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

namespace milvus_backup::milvus {
namespace {

namespace api = proto::milvus;
using std::chrono::milliseconds;

constexpr std::string_view kDefaultDatabase = "default";

/// A request about one collection.
template <typename Request>
Request About(const std::string& db, const std::string& collection) {
  Request request;
  request.set_db_name(db);
  request.set_collection_name(collection);
  return request;
}

/// A busy server answers a flush only when it has sealed and described every segment.
constexpr std::chrono::minutes kFlushTimeout{10};
/// Nobody knows what has become of rows whose answer was not waited for.
constexpr std::chrono::minutes kWriteTimeout{2};

FlushTicket TicketOf(const api::FlushResponse& reply, const std::string& collection) {
  FlushTicket ticket;
  if (const auto ids = reply.coll_segids().find(collection); ids != reply.coll_segids().end()) {
    ticket.segment_ids.assign(ids->second.data().begin(), ids->second.data().end());
  }
  const auto& times = reply.coll_flush_ts();
  if (const auto ts = times.find(collection); ts != times.end()) ticket.flush_ts = ts->second;
  const auto& seals = reply.coll_seal_times();
  if (const auto seal = seals.find(collection); seal != seals.end()) {
    ticket.seal_time = seal->second;
  }
  ticket.channel_checkpoints.insert(reply.channel_cps().begin(), reply.channel_cps().end());
  return ticket;
}

class GrpcClient final : public Client {
 public:
  explicit GrpcClient(std::unique_ptr<Rpc> rpc) : rpc_(std::move(rpc)) {}

  /// Learn version, identifier and features.
  Status Greet(const CallContext& ctx, const ClientOptions& options);

  const std::string& endpoint() const override { return rpc_->endpoint(); }
  const std::string& server_version() const override { return server_version_; }
  bool has_databases() const override { return has_databases_; }

  Result<uint64_t> CurrentTimestamp(const CallContext& ctx) override;

  Result<std::vector<std::string>> ListDatabases(const CallContext& ctx) override;
  Result<Database> DescribeDatabase(const CallContext& ctx, const std::string& db) override;
  Status CreateDatabase(const CallContext& ctx, const std::string& db) override;

  Result<std::vector<std::string>> ListCollections(const CallContext& ctx,
                                                   const std::string& db) override;
  Result<bool> HasCollection(const CallContext& ctx, const std::string& db,
                             const std::string& collection) override;
  Result<Collection> DescribeCollection(const CallContext& ctx, const std::string& db,
                                        const std::string& collection) override;
  Status CreateCollection(const CallContext& ctx, const CreateCollectionRequest& request) override;
  Status DropCollection(const CallContext& ctx, const std::string& db,
                        const std::string& collection) override;
  Status RenameCollection(const CallContext& ctx, const std::string& db, const std::string& from,
                          const std::string& to) override;

  Result<std::vector<Partition>> ListPartitions(const CallContext& ctx, const std::string& db,
                                                const std::string& collection) override;
  Status CreatePartition(const CallContext& ctx, const std::string& db,
                         const std::string& collection, const std::string& partition) override;
  Status DropPartition(const CallContext& ctx, const std::string& db, const std::string& collection,
                       const std::string& partition) override;

  Result<std::vector<Index>> ListIndexes(const CallContext& ctx, const std::string& db,
                                         const std::string& collection) override;
  Status CreateIndex(const CallContext& ctx, const std::string& db, const std::string& collection,
                     const Index& index) override;
  Status DropIndex(const CallContext& ctx, const std::string& db, const std::string& collection,
                   const std::string& field, const std::string& index) override;
  Status CreateAlias(const CallContext& ctx, const std::string& db, const std::string& collection,
                     const std::string& alias) override;
  Status AlterAlias(const CallContext& ctx, const std::string& db, const std::string& collection,
                    const std::string& alias) override;
  Status DropAlias(const CallContext& ctx, const std::string& db,
                   const std::string& alias) override;

  Result<LoadState> GetLoadState(const CallContext& ctx, const std::string& db,
                                 const std::string& collection) override;
  Result<LoadState> GetPartitionLoadState(const CallContext& ctx, const std::string& db,
                                          const std::string& collection,
                                          const std::string& partition) override;
  Status LoadCollection(const CallContext& ctx, const std::string& db,
                        const std::string& collection) override;
  Status ReleaseCollection(const CallContext& ctx, const std::string& db,
                           const std::string& collection) override;

  Result<FlushTicket> Flush(const CallContext& ctx, const std::string& db,
                            const std::string& collection) override;
  Result<std::vector<FlushTicket>> FlushTogether(
      const CallContext& ctx, const std::string& db,
      const std::vector<std::string>& collections) override;
  Result<bool> IsFlushed(const CallContext& ctx, const std::string& db,
                         const std::string& collection, const FlushTicket& ticket) override;
  Result<FlushAllTicket> FlushAll(const CallContext& ctx) override;
  Result<bool> IsAllFlushed(const CallContext& ctx, const FlushAllTicket& ticket) override;
  Result<int64_t> CountStoredRows(const CallContext& ctx, const std::string& db,
                                  const std::string& collection) override;
  Result<std::vector<Segment>> ListPersistentSegments(const CallContext& ctx, const std::string& db,
                                                      const std::string& collection) override;

  Result<int64_t> Insert(const CallContext& ctx, const InsertRequest& request) override;
  Result<int64_t> Upsert(const CallContext& ctx, const InsertRequest& request) override;

  Result<std::vector<Column>> Query(const CallContext& ctx, const QueryRequest& request) override;
  Result<int64_t> Import(const CallContext& ctx, const ImportRequest& request) override;
  Result<ImportTask> GetImportTask(const CallContext& ctx, const std::string& db,
                                   int64_t task_id) override;
  Result<std::vector<ImportTask>> ListImportTasks(const CallContext& ctx, const std::string& db,
                                                  const std::string& collection) override;
  Result<Rbac> BackupRbac(const CallContext& ctx) override;
  Status RestoreRbac(const CallContext& ctx, const Rbac& rbac) override;

 private:
  template <typename Request, typename Reply>
  Result<Reply> Call(const CallContext& ctx, std::string_view name, const std::string& db,
                     const std::string& object, Rpc::Method<Request, Reply> method,
                     const Request& request, Repeat repeat = Repeat::kAlways) {
    return Send(ctx, {.what = std::string(name), .db = db, .repeat = repeat}, object, method,
                request);
  }

  /// For calls whose outcome must be known, to clean up after them, and for the calls about
  /// imports: Milvus 2.3.5 dies when GetImportState is cancelled while it runs (its proxy reads
  /// from the reply it does not have).
  template <typename Request, typename Reply>
  Result<Reply> CallToItsEnd(const CallContext& ctx, std::string_view name, const std::string& db,
                             const std::string& object, Rpc::Method<Request, Reply> method,
                             const Request& request, Repeat repeat = Repeat::kAlways) {
    return Send(ctx,
                {.what = std::string(name), .db = db, .repeat = repeat, .runs_to_its_end = true},
                object, method, request);
  }

  template <typename Request, typename Reply>
  Result<Reply> Send(const CallContext& ctx, CallPlan plan, const std::string& object,
                     Rpc::Method<Request, Reply> method, const Request& request) {
    MB_RETURN_IF_ERROR(CheckDatabase(plan.db));
    if (!object.empty()) plan.what += " " + (plan.db.empty() ? object : plan.db + "." + object);
    return rpc_->Call(ctx, plan, method, request);
  }

  Result<LoadState> LoadStateOf(const CallContext& ctx,
                                const api::GetLoadingProgressRequest& request);
  Result<api::MutationResult> Write(const CallContext& ctx, std::string_view name,
                                    Rpc::Method<api::InsertRequest, api::MutationResult> method,
                                    const InsertRequest& request, Repeat repeat);

  /// A server without databases ignores the name and would take the default one.
  Status CheckDatabase(const std::string& db) const;

  std::unique_ptr<Rpc> rpc_;
  std::string server_version_;
  bool has_databases_ = true;
};

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
          .WithAdvice("check milvus.address and milvus.port");
    } else if (version.status().code() != Code::kUnimplemented) {
      return std::move(version).status();
    }
  }

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
  if (reply.partition_names_size() != reply.partitionids_size()) {
    return InternalError("ShowPartitions " + db + "." + collection + ": the server answered with " +
                         std::to_string(reply.partition_names_size()) + " names and " +
                         std::to_string(reply.partitionids_size()) + " ids")
        .WithOrigin(Origin::kMilvus);
  }
  std::vector<Partition> partitions;
  partitions.reserve(static_cast<size_t>(reply.partition_names_size()));
  for (int i = 0; i < reply.partition_names_size(); ++i) {
    partitions.push_back({.id = reply.partitionids(i), .name = reply.partition_names(i)});
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

Result<FlushTicket> GrpcClient::Flush(const CallContext& ctx, const std::string& db,
                                      const std::string& collection) {
  MB_ASSIGN_OR_RETURN(std::vector<FlushTicket> tickets, FlushTogether(ctx, db, {collection}));
  return std::move(tickets.front());
}

Result<std::vector<FlushTicket>> GrpcClient::FlushTogether(
    const CallContext& ctx, const std::string& db, const std::vector<std::string>& collections) {
  api::FlushRequest request;
  request.set_db_name(db);
  std::string what;
  for (const std::string& collection : collections) {
    request.add_collection_names(collection);
    what += (what.empty() ? "" : ",") + collection;
  }
  MB_ASSIGN_OR_RETURN(const auto reply,
                      Send(ctx, {.what = "Flush", .db = db, .timeout = kFlushTimeout}, what,
                           &Stub::Flush, request));
  std::vector<FlushTicket> tickets;
  tickets.reserve(collections.size());
  for (const std::string& collection : collections) {
    tickets.push_back(TicketOf(reply, collection));
  }
  return tickets;
}

Result<bool> GrpcClient::IsFlushed(const CallContext& ctx, const std::string& db,
                                   const std::string& collection, const FlushTicket& ticket) {
  auto request = About<api::GetFlushStateRequest>(db, collection);
  request.set_flush_ts(ticket.flush_ts);
  for (const int64_t id : ticket.segment_ids) request.add_segmentids(id);
  MB_ASSIGN_OR_RETURN(const auto reply,
                      Call(ctx, "GetFlushState", db, collection, &Stub::GetFlushState, request));
  return reply.flushed();
}

Result<FlushAllTicket> GrpcClient::FlushAll(const CallContext& ctx) {
  MB_ASSIGN_OR_RETURN(const auto reply, Send(ctx, {.what = "FlushAll", .timeout = kFlushTimeout},
                                             "", &Stub::FlushAll, api::FlushAllRequest()));
  return FromProto(reply);
}

Result<bool> GrpcClient::IsAllFlushed(const CallContext& ctx, const FlushAllTicket& ticket) {
  api::GetFlushAllStateRequest request;
  request.mutable_flush_all_tss()->insert(ticket.timestamps.begin(), ticket.timestamps.end());
  MB_ASSIGN_OR_RETURN(const auto reply,
                      Call(ctx, "GetFlushAllState", "", "", &Stub::GetFlushAllState, request));
  return reply.flushed();
}

Result<int64_t> GrpcClient::CountStoredRows(const CallContext& ctx, const std::string& db,
                                            const std::string& collection) {
  const auto request = About<api::GetCollectionStatisticsRequest>(db, collection);
  MB_ASSIGN_OR_RETURN(const auto reply, Call(ctx, "GetCollectionStatistics", db, collection,
                                             &Stub::GetCollectionStatistics, request));
  for (const auto& stat : reply.stats()) {
    int64_t rows = 0;
    const char* end = stat.value().data() + stat.value().size();
    if (stat.key() != "row_count") continue;
    if (std::from_chars(stat.value().data(), end, rows).ptr == end) return rows;
  }
  return InternalError("GetCollectionStatistics " + db + "." + collection +
                       ": the server answered without a row_count")
      .WithOrigin(Origin::kMilvus);
}

Result<std::vector<Segment>> GrpcClient::ListPersistentSegments(const CallContext& ctx,
                                                                const std::string& db,
                                                                const std::string& collection) {
  constexpr int kAttempts = 50;
  constexpr milliseconds kMaxPause{400};
  api::GetPersistentSegmentInfoRequest request;
  request.set_dbname(db);
  request.set_collectionname(collection);
  milliseconds pause{100};
  for (int attempt = 1;; ++attempt) {
    auto reply = Call(ctx, "GetPersistentSegmentInfo", db, collection,
                      &Stub::GetPersistentSegmentInfo, request);
    if (reply.ok()) {
      std::vector<Segment> segments;
      for (const auto& info : reply->infos()) {
        segments.push_back({.id = info.segmentid(),
                            .collection_id = info.collectionid(),
                            .partition_id = info.partitionid(),
                            .num_rows = info.num_rows(),
                            .state = info.state(),
                            .level = info.level(),
                            .storage_version = info.storage_version()});
      }
      return segments;
    }
    if (!IsSegmentNotFound(reply.status())) return std::move(reply).status();
    if (attempt == kAttempts) {
      return std::move(reply).status().WithRetry(RetryClass::kExhausted);
    }
    if (!Clock::Real().SleepFor(pause, ctx.stop)) return CancelledError();
    pause = std::min(pause * 2, kMaxPause);
  }
}

Result<int64_t> GrpcClient::Insert(const CallContext& ctx, const InsertRequest& request) {
  MB_ASSIGN_OR_RETURN(const auto reply,
                      Write(ctx, "Insert", &Stub::Insert, request, Repeat::kIfRefused));
  return reply.insert_cnt();
}

Result<int64_t> GrpcClient::Upsert(const CallContext& ctx, const InsertRequest& request) {
  MB_ASSIGN_OR_RETURN(const auto reply,
                      Write(ctx, "Upsert", &Stub::Upsert, request, Repeat::kAlways));
  return reply.upsert_cnt();
}

Result<api::MutationResult> GrpcClient::Write(
    const CallContext& ctx, std::string_view name,
    Rpc::Method<api::InsertRequest, api::MutationResult> method, const InsertRequest& request,
    Repeat repeat) {
  return Send(ctx,
              {.what = std::string(name),
               .db = request.db_name,
               .repeat = repeat,
               .runs_to_its_end = true,
               .timeout = kWriteTimeout},
              request.collection_name + "/" + request.partition_name, method, ToProto(request));
}

Result<std::vector<Column>> GrpcClient::Query(const CallContext& ctx, const QueryRequest& request) {
  MB_ASSIGN_OR_RETURN(const auto reply, Call(ctx, "Query", request.db_name, request.collection_name,
                                             &Stub::Query, ToProto(request)));
  return FromProto(reply);
}

Result<int64_t> GrpcClient::Import(const CallContext& ctx, const ImportRequest& request) {
  const std::string what = request.collection_name + "/" + request.partition_name;
  MB_ASSIGN_OR_RETURN(const auto reply,
                      CallToItsEnd(ctx, "Import", request.db_name, what, &Stub::Import,
                                   ToProto(request), Repeat::kIfRefused));
  if (reply.tasks_size() == 0) {
    return InternalError("Import " + request.db_name + "." + what +
                         ": the server answered without a task")
        .WithOrigin(Origin::kMilvus);
  }
  return reply.tasks(0);
}

Result<ImportTask> GrpcClient::GetImportTask(const CallContext& ctx, const std::string& db,
                                             int64_t task_id) {
  api::GetImportStateRequest request;
  request.set_task(task_id);
  MB_ASSIGN_OR_RETURN(const auto reply,
                      CallToItsEnd(ctx, "GetImportState", db, "task " + std::to_string(task_id),
                                   &Stub::GetImportState, request));
  ImportTask task = FromProto(reply);
  task.id = task_id;
  return task;
}

Result<std::vector<ImportTask>> GrpcClient::ListImportTasks(const CallContext& ctx,
                                                            const std::string& db,
                                                            const std::string& collection) {
  const auto request = About<api::ListImportTasksRequest>(db, collection);
  MB_ASSIGN_OR_RETURN(const auto reply, CallToItsEnd(ctx, "ListImportTasks", db, collection,
                                                     &Stub::ListImportTasks, request));
  std::vector<ImportTask> tasks;
  for (const auto& task : reply.tasks()) tasks.push_back(FromProto(task));
  return tasks;
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

}  // namespace

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
