/// The gRPC service of a FakeMilvus: records calls, gives planned answers, else asks the state.
/// Thread-safe.
#pragma once

#include "proto/milvus.grpc.pb.h"
#include "support/fake_milvus_state.h"

#include "milvus_backup/base/encoding.h"
#include "milvus_backup/milvus/version.h"

#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace milvus_backup::testing {

namespace proto = ::milvus::proto;
namespace api = proto::milvus;

class FakeMilvusService final : public ::milvus::proto::milvus::MilvusService::Service {
 public:
  explicit FakeMilvusService(const FakeMilvusOptions& options)
      : options_(options), state_(options) {
    if (!options.has_databases) {
      options_.unimplemented.insert({"ListDatabases", "CreateDatabase", "Connect"});
    }
    if (!IsAtLeast({2, 4, 3})) options_.unimplemented.insert("DescribeDatabase");
    if (!IsAtLeast({2, 4, 10})) options_.unimplemented.insert({"BackupRBAC", "RestoreRBAC"});
  }

  template <typename Read>
  auto Locked(Read read) {
    const std::scoped_lock lock(mutex_);
    return read(state_);
  }
  void Plan(const std::string& method, const FakeAnswer& answer, int times) {
    const std::scoped_lock lock(mutex_);
    auto& queue = plans_[method];
    queue.insert(queue.end(), static_cast<size_t>(times), answer);
  }
  size_t unused_plans() {
    const std::scoped_lock lock(mutex_);
    size_t count = 0;
    for (const auto& [method, queue] : plans_) count += queue.size();
    return count;
  }
  std::vector<FakeCall> calls() {
    const std::scoped_lock lock(mutex_);
    return calls_;
  }
  using QueryAnswer = std::function<std::vector<milvus::Column>(const milvus::QueryRequest&)>;
  /// Call under the lock.
  void set_query(QueryAnswer answer) { query_ = std::move(answer); }
  using QueryChange =
      std::function<void(const milvus::QueryRequest&, std::vector<milvus::Column>&)>;
  void set_alter(QueryChange alter) { alter_ = std::move(alter); }
  void set_stopping(bool is_stopping) { is_stopping_ = is_stopping; }

 private:
  using Ctx = grpc::ServerContext*;
  using St = grpc::Status;

  /// Record the call, give the planned answer or refuse the login, else run `body` under the lock.
  template <typename Reply, typename Body>
  St Serve(Ctx context, const std::string& method, const std::string& text, Reply* reply,
           Body body) {
    const FakeAnswer planned = Record(context, method, text);
    for (auto left = planned.delay; left.count() > 0; left -= std::chrono::milliseconds(5)) {
      if (context->IsCancelled() || is_stopping_) return St::CANCELLED;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    if (options_.unimplemented.contains(method)) {
      return {grpc::StatusCode::UNIMPLEMENTED, "unknown method " + method};
    }
    if (planned.grpc_code != 0) {
      return {static_cast<grpc::StatusCode>(planned.grpc_code), planned.reason};
    }
    if (planned.code != 0 || planned.error_code != 0) {
      return Refuse(reply, {.code = planned.code,
                            .error_code = planned.error_code,
                            .reason = planned.reason,
                            .retriable = planned.retriable});
    }
    if (!MayEnter(*context)) {
      return {grpc::StatusCode::UNAUTHENTICATED,
              "auth check failure, please check username and password are correct"};
    }
    const std::scoped_lock lock(mutex_);
    return Refuse(reply, body());
  }

  /// As Serve, for a method about one collection.
  template <typename Request, typename Reply, typename Body>
  St ServeCollection(Ctx context, const std::string& method, const Request* request, Reply* reply,
                     const std::string& more, Body body) {
    const std::string db = DatabaseOf(*context, request->db_name());
    const std::string& name = request->collection_name();
    return Serve(context, method, db + "." + name + more, reply, [&]() -> Refusal {
      if (!state_.HasDatabase(db)) return DatabaseNotFound(db);
      FakeCollection* collection = state_.Find(db, name);
      return collection == nullptr ? CollectionNotFound(db, name) : body(*collection);
    });
  }

  static proto::common::Status& StatusOf(proto::common::Status* reply) { return *reply; }
  template <typename Reply>
  static proto::common::Status& StatusOf(Reply* reply) {
    return *reply->mutable_status();
  }

  template <typename Reply>
  static St Refuse(Reply* reply, const Refusal& refusal) {
    proto::common::Status& status = StatusOf(reply);
    status.set_code(refusal.code);
    status.set_error_code(refusal.error_code);
    status.set_reason(refusal.reason);
    status.set_retriable(refusal.retriable);
    return St::OK;
  }

  static Refusal DatabaseNotFound(const std::string& db) {
    return {.code = 800, .error_code = 1, .reason = "database not found[database=" + db + "]"};
  }

  bool IsAtLeast(const milvus::Version& version) const {
    const auto parsed = milvus::ParseVersion(options_.version);
    return parsed.known && parsed.version >= version;
  }

  FakeAnswer Record(Ctx context, const std::string& method, const std::string& text) {
    FakeCall call{.method = method,
                  .text = text.empty() ? method : method + " " + text,
                  .metadata = {},
                  .at = std::chrono::steady_clock::now()};
    for (const auto& [key, value] : context->client_metadata()) {
      call.metadata[{key.data(), key.size()}] = {value.data(), value.size()};
    }
    const std::scoped_lock lock(mutex_);
    calls_.push_back(std::move(call));
    auto& queue = plans_[method];
    if (queue.empty()) return {};
    FakeAnswer planned = queue.front();
    queue.pop_front();
    return planned;
  }

  bool MayEnter(const grpc::ServerContext& context) const {
    if (options_.user.empty()) return true;
    const auto found = context.client_metadata().find("authorization");
    if (found == context.client_metadata().end()) return false;
    return std::string(found->second.data(), found->second.size()) ==
           Base64Encode(AsBytes(options_.user + ":" + options_.password));
  }

  /// The field of the request, else the header `dbname`.
  std::string DatabaseOf(const grpc::ServerContext& context, const std::string& field) const {
    if (!options_.has_databases) return "default";
    if (!field.empty()) return field;
    const auto found = context.client_metadata().find("dbname");
    if (found == context.client_metadata().end()) return "default";
    return {found->second.data(), found->second.size()};
  }

  St Connect(Ctx context, const api::ConnectRequest* request, api::ConnectResponse* reply) override;
  St GetVersion(Ctx context, const api::GetVersionRequest* /*request*/,
                api::GetVersionResponse* reply) override;
  St AllocTimestamp(Ctx context, const api::AllocTimestampRequest* /*request*/,
                    api::AllocTimestampResponse* reply) override;
  St ListDatabases(Ctx context, const api::ListDatabasesRequest* /*request*/,
                   api::ListDatabasesResponse* reply) override;
  St CreateDatabase(Ctx context, const api::CreateDatabaseRequest* request,
                    proto::common::Status* reply) override;
  St ShowCollections(Ctx context, const api::ShowCollectionsRequest* request,
                     api::ShowCollectionsResponse* reply) override;
  St HasCollection(Ctx context, const api::HasCollectionRequest* request,
                   api::BoolResponse* reply) override;
  St DescribeCollection(Ctx context, const api::DescribeCollectionRequest* request,
                        api::DescribeCollectionResponse* reply) override;
  St CreateCollection(Ctx context, const api::CreateCollectionRequest* request,
                      proto::common::Status* reply) override;
  St DropCollection(Ctx context, const api::DropCollectionRequest* request,
                    proto::common::Status* reply) override;
  St RenameCollection(Ctx context, const api::RenameCollectionRequest* request,
                      proto::common::Status* reply) override;
  St CreateAlias(Ctx context, const api::CreateAliasRequest* request,
                 proto::common::Status* reply) override;
  St AlterAlias(Ctx context, const api::AlterAliasRequest* request,
                proto::common::Status* reply) override;
  St DropAlias(Ctx context, const api::DropAliasRequest* request,
               proto::common::Status* reply) override;
  St ShowPartitions(Ctx context, const api::ShowPartitionsRequest* request,
                    api::ShowPartitionsResponse* reply) override;
  St CreatePartition(Ctx context, const api::CreatePartitionRequest* request,
                     proto::common::Status* reply) override;
  St DropPartition(Ctx context, const api::DropPartitionRequest* request,
                   proto::common::Status* reply) override;
  St DescribeIndex(Ctx context, const api::DescribeIndexRequest* request,
                   api::DescribeIndexResponse* reply) override;
  St CreateIndex(Ctx context, const api::CreateIndexRequest* request,
                 proto::common::Status* reply) override;
  St DropIndex(Ctx context, const api::DropIndexRequest* request,
               proto::common::Status* reply) override;
  St GetLoadingProgress(Ctx context, const api::GetLoadingProgressRequest* request,
                        api::GetLoadingProgressResponse* reply) override;
  St LoadCollection(Ctx context, const api::LoadCollectionRequest* request,
                    proto::common::Status* reply) override;
  St ReleaseCollection(Ctx context, const api::ReleaseCollectionRequest* request,
                       proto::common::Status* reply) override;
  St Flush(Ctx context, const api::FlushRequest* request, api::FlushResponse* reply) override;
  St GetFlushState(Ctx context, const api::GetFlushStateRequest* request,
                   api::GetFlushStateResponse* reply) override;
  St GetPersistentSegmentInfo(Ctx context, const api::GetPersistentSegmentInfoRequest* request,
                              api::GetPersistentSegmentInfoResponse* reply) override;
  St GetQuerySegmentInfo(Ctx context, const api::GetQuerySegmentInfoRequest* request,
                         api::GetQuerySegmentInfoResponse* reply) override;
  St GetCollectionStatistics(Ctx context, const api::GetCollectionStatisticsRequest* request,
                             api::GetCollectionStatisticsResponse* reply) override;
  St Insert(Ctx context, const api::InsertRequest* request, api::MutationResult* reply) override;
  St Upsert(Ctx context, const api::InsertRequest* request, api::MutationResult* reply) override;
  St Import(Ctx context, const api::ImportRequest* request, api::ImportResponse* reply) override;
  St GetImportState(Ctx context, const api::GetImportStateRequest* request,
                    api::GetImportStateResponse* reply) override;
  St ListImportTasks(Ctx context, const api::ListImportTasksRequest* request,
                     api::ListImportTasksResponse* reply) override;

  // Calls about the whole server, in fake_milvus_server_wide.cc.
  St DescribeDatabase(Ctx context, const api::DescribeDatabaseRequest* request,
                      api::DescribeDatabaseResponse* reply) override;
  St FlushAll(Ctx context, const api::FlushAllRequest* /*request*/,
              api::FlushAllResponse* reply) override;
  St GetFlushAllState(Ctx context, const api::GetFlushAllStateRequest* request,
                      api::GetFlushAllStateResponse* reply) override;
  St RestoreRBAC(Ctx context, const api::RestoreRBACMetaRequest* request,
                 proto::common::Status* reply) override;
  St Query(Ctx context, const api::QueryRequest* request, api::QueryResults* reply) override;
  St BackupRBAC(Ctx context, const api::BackupRBACMetaRequest* /*request*/,
                api::BackupRBACMetaResponse* reply) override;

  St Write(Ctx context, const api::InsertRequest* request, api::MutationResult* reply,
           bool is_upsert);

  FakeMilvusOptions options_;
  std::atomic<bool> is_stopping_ = false;
  std::mutex mutex_;
  FakeMilvusState state_;
  std::map<std::string, std::deque<FakeAnswer>> plans_;
  std::vector<FakeCall> calls_;
  QueryAnswer query_;
  QueryChange alter_;
};

}  // namespace milvus_backup::testing
