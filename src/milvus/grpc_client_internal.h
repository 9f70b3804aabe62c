/// The Client over gRPC: client.cc has what is about the server and its collections, client_rows.cc
/// what is about the rows in them. Thread-safe after Greet.
#pragma once

#include "milvus/rpc_internal.h"

#include "milvus_backup/milvus/client.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace milvus_backup::milvus {

namespace api = proto::milvus;

/// A request about one collection.
template <typename Request>
Request About(const std::string& db, const std::string& collection) {
  Request request;
  request.set_db_name(db);
  request.set_collection_name(collection);
  return request;
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
  Result<std::vector<Segment>> ListLoadedSegments(const CallContext& ctx, const std::string& db,
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

}  // namespace milvus_backup::milvus
