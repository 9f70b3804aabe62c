#include "milvus/convert_internal.h"
#include "milvus/grpc_client_internal.h"

#include "milvus_backup/base/clock.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace milvus_backup::milvus {
namespace {

using std::chrono::milliseconds;

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

}  // namespace

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

Result<std::vector<Segment>> GrpcClient::ListLoadedSegments(const CallContext& ctx,
                                                            const std::string& db,
                                                            const std::string& collection) {
  api::GetQuerySegmentInfoRequest request;
  request.set_dbname(db);
  request.set_collectionname(collection);
  MB_ASSIGN_OR_RETURN(const auto reply, Call(ctx, "GetQuerySegmentInfo", db, collection,
                                             &Stub::GetQuerySegmentInfo, request));
  std::vector<Segment> segments;
  for (const auto& info : reply.infos()) {
    segments.push_back({.id = info.segmentid(),
                        .collection_id = info.collectionid(),
                        .partition_id = info.partitionid(),
                        .num_rows = info.num_rows(),
                        .state = info.state()});
  }
  return segments;
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
  MB_ASSIGN_OR_RETURN(auto reply, Call(ctx, "Query", request.db_name, request.collection_name,
                                       &Stub::Query, ToProto(request)));
  return FromProto(std::move(reply));
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

}  // namespace milvus_backup::milvus
