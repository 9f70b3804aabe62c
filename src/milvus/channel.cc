#include "milvus/channel_internal.h"

#include "milvus_backup/base/log.h"

#include <grpc/support/log.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <limits>
#include <mutex>

namespace milvus_backup::milvus {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

/// gRPC prints to stderr by itself; a program whose stderr is read by people keeps that for -v.
void SilenceGrpc() {
  static std::once_flag once;
  std::call_once(once, [] {
    gpr_set_log_verbosity(GPR_LOG_SEVERITY_ERROR);
    gpr_set_log_function([](gpr_log_func_args* args) { log::Debug("grpc={}", args->message); });
  });
}

bool IsLoopback(const std::string& address) {
  return address == "localhost" || address == "::1" || address.starts_with("127.");
}

Result<std::string> ReadPem(const std::string& path, std::string_view key) {
  if (path.empty()) return std::string();
  std::ifstream file(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (!file.is_open() || file.bad() || text.find("-----BEGIN") == std::string::npos) {
    return InvalidArgumentError(std::string(key) + ": " + path +
                                (file.is_open() ? " is not a PEM file" : " cannot be read"))
        .WithOrigin(Origin::kConfig);
  }
  return text;
}

Result<std::shared_ptr<grpc::ChannelCredentials>> MakeCredentials(const ClientOptions& options) {
  if (options.tls_mode == TlsMode::kDisabled) return grpc::InsecureChannelCredentials();
  grpc::SslCredentialsOptions ssl;
  MB_ASSIGN_OR_RETURN(ssl.pem_root_certs, ReadPem(options.ca_cert_path, "milvus.caCertPath"));
  if (options.tls_mode == TlsMode::kMutual && !options.mtls_cert_path.empty() &&
      !options.mtls_key_path.empty()) {
    MB_ASSIGN_OR_RETURN(ssl.pem_cert_chain, ReadPem(options.mtls_cert_path, "milvus.mtlsCertPath"));
    MB_ASSIGN_OR_RETURN(ssl.pem_private_key, ReadPem(options.mtls_key_path, "milvus.mtlsKeyPath"));
  }
  return grpc::SslCredentials(ssl);
}

grpc::ChannelArguments MakeArguments(const ClientOptions& options) {
  grpc::ChannelArguments args;
  // Milvus' proxy tolerates a ping every 5 s, also without calls; twice that leaves room for jitter
  // (internal/proxy/service.go, keepalive.EnforcementPolicy).
  constexpr int kPingMs = 10000;
  args.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kPingMs);
  args.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10000);
  args.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  args.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  args.SetInt(GRPC_ARG_HTTP2_MIN_SENT_PING_INTERVAL_WITHOUT_DATA_MS, kPingMs);
  args.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  // Time for one attempt, in spite of the name; the first one is cut by connect_timeout.
  args.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 10000);
  args.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 3000);
  args.SetMaxReceiveMessageSize(options.max_receive_bytes > 0 ? options.max_receive_bytes
                                                              : std::numeric_limits<int>::max());
  args.SetMaxSendMessageSize(-1);
  // Retries are ours, and nobody reads gRPC's own accounting.
  args.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  args.SetInt(GRPC_ARG_ENABLE_CENSUS, 0);
  args.SetInt(GRPC_ARG_ENABLE_CHANNELZ, 0);
  args.SetInt(GRPC_ARG_MAX_CHANNEL_TRACE_EVENT_MEMORY_PER_NODE, 0);
  args.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  // Another client's failed attempts must not delay this one.
  args.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  if (IsLoopback(options.address)) args.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  if (options.tls_mode != TlsMode::kDisabled && !options.server_name.empty()) {
    args.SetSslTargetNameOverride(options.server_name);
  }
  return args;
}

}  // namespace

std::string EndpointOf(const ClientOptions& options) {
  const bool is_ipv6 = options.address.find(':') != std::string::npos;
  return (is_ipv6 ? "[" + options.address + "]" : options.address) + ":" +
         std::to_string(options.port);
}

Result<std::shared_ptr<grpc::Channel>> OpenChannel(const ClientOptions& options) {
  SilenceGrpc();
  MB_ASSIGN_OR_RETURN(const auto credentials, MakeCredentials(options));
  return grpc::CreateCustomChannel(EndpointOf(options), credentials, MakeArguments(options));
}

Result<Readiness> AwaitConnection(const CallContext& ctx, grpc::Channel& channel,
                                  steady_clock::time_point deadline, bool until_first_failure) {
  // WaitForStateChange knows no stop token: wait in slices short enough for Ctrl-C.
  constexpr milliseconds kSlice{20};
  for (;;) {
    const grpc_connectivity_state state = channel.GetState(/*try_to_connect=*/true);
    if (state == GRPC_CHANNEL_READY) return Readiness::kReady;
    if (state == GRPC_CHANNEL_SHUTDOWN) return Readiness::kBroken;
    if (state == GRPC_CHANNEL_TRANSIENT_FAILURE && until_first_failure) return Readiness::kBroken;
    MB_RETURN_IF_ERROR(ctx.Check());
    const auto now = steady_clock::now();
    if (now >= deadline) return Readiness::kPending;
    const auto slice = std::min<steady_clock::duration>(kSlice, deadline - now);
    const auto wake = std::chrono::system_clock::now() +
                      std::chrono::duration_cast<std::chrono::system_clock::duration>(slice);
    channel.WaitForStateChange(state, wake);
  }
}

}  // namespace milvus_backup::milvus
