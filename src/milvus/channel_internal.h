/// The connection under a Client. Channels are thread-safe.
#pragma once

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/milvus/client.h"

#include <grpcpp/channel.h>

#include <chrono>
#include <memory>
#include <string>

namespace milvus_backup::milvus {

/// `host:port`, with brackets around an IPv6 address.
std::string EndpointOf(const ClientOptions& options);

/// Nothing is sent yet. Fails when a PEM file cannot be read (Origin::kConfig).
/// shared_ptr as gRPC wants it: the stub is the other owner.
Result<std::shared_ptr<grpc::Channel>> OpenChannel(const ClientOptions& options);

enum class Readiness { kReady, kBroken, kPending };

/// Wait until the channel is connected; with `until_first_failure` also return when an attempt to
/// connect has failed (kBroken), so that a call can say why. kPending when `deadline` came first.
/// Fails only when the context ends.
Result<Readiness> AwaitConnection(const CallContext& ctx, grpc::Channel& channel,
                                  std::chrono::steady_clock::time_point deadline,
                                  bool until_first_failure);

}  // namespace milvus_backup::milvus
