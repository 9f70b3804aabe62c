#include "support/fake_milvus.h"

#include "milvus/convert_internal.h"
#include "proto/milvus.grpc.pb.h"
#include "support/fake_milvus_state.h"

#include "milvus_backup/base/encoding.h"

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <atomic>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

namespace milvus_backup::testing {
namespace {

namespace proto = ::milvus::proto;
namespace api = proto::milvus;
using milvus::AppendTo;
using milvus::FromProto;
using milvus::ToProto;

proto::common::Status& StatusOf(proto::common::Status* reply) { return *reply; }
template <typename Reply>
proto::common::Status& StatusOf(Reply* reply) {
  return *reply->mutable_status();
}

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

class Service final : public api::MilvusService::Service {
 public:
  explicit Service(const FakeMilvusOptions& options) : options_(options), state_(options) {
    if (!options.has_databases) {
      options_.unimplemented.insert({"ListDatabases", "CreateDatabase", "Connect"});
    }
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

  St Connect(Ctx context, const api::ConnectRequest* request,
             api::ConnectResponse* reply) override {
    return Serve(context, "Connect", request->client_info().user(), reply, [&] {
      reply->mutable_server_info()->set_build_tags(options_.version);
      reply->set_identifier(4711);
      return Refusal();
    });
  }
  St GetVersion(Ctx context, const api::GetVersionRequest* /*request*/,
                api::GetVersionResponse* reply) override {
    return Serve(context, "GetVersion", "", reply, [&] {
      reply->set_version(options_.version);
      return Refusal();
    });
  }

  St ListDatabases(Ctx context, const api::ListDatabasesRequest* /*request*/,
                   api::ListDatabasesResponse* reply) override {
    return Serve(context, "ListDatabases", "", reply, [&] {
      for (const std::string& name : state_.ListDatabases()) reply->add_db_names(name);
      return Refusal();
    });
  }
  St CreateDatabase(Ctx context, const api::CreateDatabaseRequest* request,
                    proto::common::Status* reply) override {
    return Serve(context, "CreateDatabase", request->db_name(), reply,
                 [&] { return state_.CreateDatabase(request->db_name()); });
  }

  St ShowCollections(Ctx context, const api::ShowCollectionsRequest* request,
                     api::ShowCollectionsResponse* reply) override {
    const std::string db = DatabaseOf(*context, request->db_name());
    return Serve(context, "ShowCollections", db, reply, [&] {
      if (!state_.HasDatabase(db)) return DatabaseNotFound(db);
      for (const std::string& name : state_.ListCollections(db)) {
        reply->add_collection_names(name);
      }
      return Refusal();
    });
  }
  St HasCollection(Ctx context, const api::HasCollectionRequest* request,
                   api::BoolResponse* reply) override {
    const std::string db = DatabaseOf(*context, request->db_name());
    const std::string& name = request->collection_name();
    return Serve(context, "HasCollection", db + "." + name, reply, [&] {
      reply->set_value(state_.Find(db, name) != nullptr);
      return Refusal();
    });
  }
  St DescribeCollection(Ctx context, const api::DescribeCollectionRequest* request,
                        api::DescribeCollectionResponse* reply) override {
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
  St CreateCollection(Ctx context, const api::CreateCollectionRequest* request,
                      proto::common::Status* reply) override {
    const std::string db = DatabaseOf(*context, request->db_name());
    proto::schema::CollectionSchema schema;
    const bool is_schema = schema.ParseFromString(request->schema());
    FakeCollection collection;
    collection.info.schema = milvus::FromProto(schema);
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
  St DropCollection(Ctx context, const api::DropCollectionRequest* request,
                    proto::common::Status* reply) override {
    const std::string db = DatabaseOf(*context, request->db_name());
    return Serve(context, "DropCollection", db + "." + request->collection_name(), reply, [&] {
      state_.DropCollection(db, request->collection_name());
      return Refusal();
    });
  }
  St CreateAlias(Ctx context, const api::CreateAliasRequest* request,
                 proto::common::Status* reply) override {
    const std::string db = DatabaseOf(*context, request->db_name());
    return ServeCollection(context, "CreateAlias", request, reply, "/" + request->alias(),
                           [&](FakeCollection& collection) {
                             return state_.CreateAlias(db, collection, request->alias());
                           });
  }

  St ShowPartitions(Ctx context, const api::ShowPartitionsRequest* request,
                    api::ShowPartitionsResponse* reply) override {
    return ServeCollection(context, "ShowPartitions", request, reply, "",
                           [&](const FakeCollection& collection) {
                             for (const milvus::Partition& partition : collection.partitions) {
                               reply->add_partition_names(partition.name);
                               reply->add_partitionids(partition.id);
                             }
                             return Refusal();
                           });
  }
  St CreatePartition(Ctx context, const api::CreatePartitionRequest* request,
                     proto::common::Status* reply) override {
    const std::string& partition = request->partition_name();
    return ServeCollection(
        context, "CreatePartition", request, reply, "/" + partition,
        [&](FakeCollection& collection) { return state_.CreatePartition(collection, partition); });
  }

  St DescribeIndex(Ctx context, const api::DescribeIndexRequest* request,
                   api::DescribeIndexResponse* reply) override {
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
  St CreateIndex(Ctx context, const api::CreateIndexRequest* request,
                 proto::common::Status* reply) override {
    milvus::Index index{.field_name = request->field_name(),
                        .name = request->index_name(),
                        .id = 0,
                        .params = milvus::FromProto(request->extra_params())};
    const std::string text =
        "/" + index.field_name + " name=" + index.name + " params=" + Join(index.params);
    return ServeCollection(context, "CreateIndex", request, reply, text,
                           [&](FakeCollection& collection) {
                             return state_.CreateIndex(collection, std::move(index));
                           });
  }
  St DropIndex(Ctx context, const api::DropIndexRequest* request,
               proto::common::Status* reply) override {
    const std::string& name = request->index_name();
    return ServeCollection(
        context, "DropIndex", request, reply, "/" + name, [&](FakeCollection& collection) {
          std::erase_if(collection.indexes,
                        [&](const milvus::Index& index) { return index.name == name; });
          return Refusal();
        });
  }

  St GetLoadingProgress(Ctx context, const api::GetLoadingProgressRequest* request,
                        api::GetLoadingProgressResponse* reply) override {
    return ServeCollection(
        context, "GetLoadingProgress", request, reply, "",
        [&](const FakeCollection& collection) -> Refusal {
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
  St LoadCollection(Ctx context, const api::LoadCollectionRequest* request,
                    proto::common::Status* reply) override {
    return ServeCollection(context, "LoadCollection", request, reply, "", FakeMilvusState::Load);
  }
  St ReleaseCollection(Ctx context, const api::ReleaseCollectionRequest* request,
                       proto::common::Status* reply) override {
    return ServeCollection(context, "ReleaseCollection", request, reply, "",
                           [&](FakeCollection& collection) {
                             collection.load_state = milvus::LoadState::kNotLoad;
                             return Refusal();
                           });
  }

  St Flush(Ctx context, const api::FlushRequest* request, api::FlushResponse* reply) override {
    const std::string db = DatabaseOf(*context, request->db_name());
    const std::string name =
        request->collection_names_size() == 1 ? request->collection_names(0) : "?";
    return Serve(context, "Flush", db + "." + name, reply, [&] {
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
      return Refusal();
    });
  }
  St GetFlushState(Ctx context, const api::GetFlushStateRequest* request,
                   api::GetFlushStateResponse* reply) override {
    const std::string text = " segments=" + std::to_string(request->segmentids_size());
    return ServeCollection(context, "GetFlushState", request, reply, text,
                           [&](const FakeCollection& /*collection*/) {
                             reply->set_flushed(state_.IsFlushed());
                             return Refusal();
                           });
  }
  St GetPersistentSegmentInfo(Ctx context, const api::GetPersistentSegmentInfoRequest* request,
                              api::GetPersistentSegmentInfoResponse* reply) override {
    const std::string db = DatabaseOf(*context, request->dbname());
    const std::string& name = request->collectionname();
    return Serve(context, "GetPersistentSegmentInfo", db + "." + name, reply, [&] {
      state_.ListTasks(0);
      const FakeCollection* collection = state_.Find(db, name);
      if (collection == nullptr) return CollectionNotFound(db, name);
      for (const milvus::Segment& segment : FakeMilvusState::Flushed(*collection)) {
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
  St GetCollectionStatistics(Ctx context, const api::GetCollectionStatisticsRequest* request,
                             api::GetCollectionStatisticsResponse* reply) override {
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

  St Import(Ctx context, const api::ImportRequest* request, api::ImportResponse* reply) override {
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
  St GetImportState(Ctx context, const api::GetImportStateRequest* request,
                    api::GetImportStateResponse* reply) override {
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
  St ListImportTasks(Ctx context, const api::ListImportTasksRequest* request,
                     api::ListImportTasksResponse* reply) override {
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

  FakeMilvusOptions options_;
  std::atomic<bool> is_stopping_ = false;
  std::mutex mutex_;
  FakeMilvusState state_;
  std::map<std::string, std::deque<FakeAnswer>> plans_;
  std::vector<FakeCall> calls_;
};

std::shared_ptr<grpc::ServerCredentials> MakeCredentials(const FakeMilvusOptions& options) {
  if (options.tls_certificate.empty()) return grpc::InsecureServerCredentials();
  grpc::SslServerCredentialsOptions ssl;
  ssl.pem_key_cert_pairs.push_back({options.tls_key, options.tls_certificate});
  if (!options.tls_client_authority.empty()) {
    ssl.pem_root_certs = options.tls_client_authority;
    ssl.client_certificate_request = GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY;
  }
  return grpc::SslServerCredentials(ssl);
}

}  // namespace

struct FakeMilvus::Impl {
  explicit Impl(FakeMilvusOptions given) : options(std::move(given)), service(options) {}

  const FakeMilvusOptions options;
  Service service;
  int port = 0;
  std::unique_ptr<grpc::Server> server;
};

FakeMilvus::FakeMilvus(FakeMilvusOptions options)
    : impl_(std::make_unique<Impl>(std::move(options))) {
  Start();
}

FakeMilvus::~FakeMilvus() { Stop(); }

void FakeMilvus::Start() {
  if (impl_->server != nullptr) return;
  impl_->service.set_stopping(false);
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:" + std::to_string(impl_->port),
                           MakeCredentials(impl_->options), &impl_->port);
  builder.RegisterService(&impl_->service);
  impl_->server = builder.BuildAndStart();
  MB_CHECK(impl_->server != nullptr);
}

void FakeMilvus::Stop() {
  if (impl_->server == nullptr) return;
  impl_->service.set_stopping(true);
  impl_->server->Shutdown(std::chrono::system_clock::now());
  impl_->server->Wait();
  impl_->server.reset();
}

int FakeMilvus::port() const { return impl_->port; }

milvus::ClientOptions FakeMilvus::client_options() const {
  milvus::ClientOptions options;
  options.address = "127.0.0.1";
  options.port = port();
  options.user = impl_->options.user;
  options.password = Secret(impl_->options.password);
  return options;
}

void FakeMilvus::AddDatabase(const std::string& db) {
  impl_->service.Locked([&](FakeMilvusState& state) { state.AddDatabase(db); });
}

int64_t FakeMilvus::Add(const std::string& db, FakeCollection collection) {
  return impl_->service.Locked(
      [&](FakeMilvusState& state) { return state.Add(db, std::move(collection)); });
}

std::optional<FakeCollection> FakeMilvus::Find(const std::string& db,
                                               const std::string& name) const {
  return impl_->service.Locked([&](FakeMilvusState& state) -> std::optional<FakeCollection> {
    const FakeCollection* found = state.Find(db, name);
    return found == nullptr ? std::nullopt : std::optional(*found);
  });
}

void FakeMilvus::Plan(const std::string& method, const FakeAnswer& answer, int times) {
  impl_->service.Plan(method, answer, times);
}

size_t FakeMilvus::unused_plans() const { return impl_->service.unused_plans(); }

void FakeMilvus::PlanImport(FakeImport outcome, const std::string& reason) {
  impl_->service.Locked([&](FakeMilvusState& state) { state.PlanImport(outcome, reason); });
}

void FakeMilvus::SetImportRows(std::function<int64_t(const milvus::ImportRequest&)> rows) {
  impl_->service.Locked([&](FakeMilvusState& state) { state.SetImportRows(std::move(rows)); });
}

std::vector<FakeCall> FakeMilvus::calls() const { return impl_->service.calls(); }

std::vector<std::string> FakeMilvus::texts(const std::string& method) const {
  std::vector<std::string> out;
  for (const FakeCall& call : calls()) {
    if (method.empty() || call.method == method) out.push_back(call.text);
  }
  return out;
}

}  // namespace milvus_backup::testing
