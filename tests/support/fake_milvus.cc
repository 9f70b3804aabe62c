#include "support/fake_milvus.h"

#include "support/fake_milvus_service.h"

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <utility>

namespace milvus_backup::testing {
namespace {

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
  FakeMilvusService service;
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
  // proxy.grpc.serverMaxRecvSize.
  builder.SetMaxReceiveMessageSize(64 << 20);
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
  // Sanitizers on a busy machine are slow.
  options.connect_timeout = std::chrono::seconds(20);
  return options;
}

void FakeMilvus::AddDatabase(const std::string& db, std::vector<milvus::KeyValue> properties) {
  impl_->service.Locked(
      [&](FakeMilvusState& state) { state.AddDatabase(db, std::move(properties)); });
}

void FakeMilvus::SetRbac(milvus::Rbac rbac) {
  impl_->service.Locked([&](FakeMilvusState& state) { state.SetRbac(std::move(rbac)); });
}

milvus::Rbac FakeMilvus::rbac() const {
  return impl_->service.Locked([](const FakeMilvusState& state) { return state.rbac(); });
}

void FakeMilvus::Drop(const std::string& db, const std::string& name) {
  impl_->service.Locked([&](FakeMilvusState& state) { state.DropCollection(db, name); });
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

void FakeMilvus::Change(const std::string& db, const std::string& name,
                        const std::function<void(FakeCollection&)>& change) {
  impl_->service.Locked([&](FakeMilvusState& state) {
    FakeCollection* found = state.Find(db, name);
    MB_CHECK(found != nullptr);
    change(*found);
  });
}

void FakeMilvus::Plan(const std::string& method, const FakeAnswer& answer, int times) {
  impl_->service.Plan(method, answer, times);
}

size_t FakeMilvus::unused_plans() const { return impl_->service.unused_plans(); }

void FakeMilvus::PlanImport(FakeImport outcome, const std::string& reason) {
  impl_->service.Locked([&](FakeMilvusState& state) { state.PlanImport(outcome, reason); });
}

void FakeMilvus::SetQuery(
    std::function<std::vector<milvus::Column>(const milvus::QueryRequest&)> answer) {
  impl_->service.Locked([&](FakeMilvusState&) { impl_->service.set_query(std::move(answer)); });
}

void FakeMilvus::AlterAnswers(
    std::function<void(const milvus::QueryRequest&, std::vector<milvus::Column>&)> alter) {
  impl_->service.Locked([&](FakeMilvusState&) { impl_->service.set_alter(std::move(alter)); });
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
