/// One call to Milvus: metadata, deadline, cancellation and retries. Thread-safe once connected.
#pragma once

#include "milvus/status_internal.h"
#include "proto/milvus.grpc.pb.h"

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/milvus/client.h"

#include <grpcpp/client_context.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace milvus_backup::milvus {

using Stub = proto::milvus::MilvusService::Stub;

/// Which failures may be answered by sending the call again.
enum class Repeat {
  kAlways,     ///< reading, or harmless to do twice
  kIfRefused,  ///< only what was refused before it was done: rate limits
};

struct CallPlan {
  /// For messages: the method and what it is about.
  std::string what;
  /// Database the call is about; empty for calls outside databases.
  std::string db;
  Repeat repeat = Repeat::kAlways;
  /// Once sent, wait for the reply whatever the caller's context says.
  bool runs_to_its_end = false;
  /// Instead of ClientOptions::call_timeout.
  std::optional<std::chrono::milliseconds> timeout{};
};

class Rpc {
 public:
  Rpc(ClientOptions options, std::shared_ptr<grpc::Channel> channel);

  const std::string& endpoint() const { return endpoint_; }
  /// Sent as metadata from now on. Call before the client is shared between threads.
  void set_identifier(int64_t identifier) { identifier_ = std::to_string(identifier); }

  /// Make the first connection. kUnavailable says why there is none.
  Status Open(const CallContext& ctx);

  template <typename Request, typename Reply>
  using Method = grpc::Status (Stub::*)(grpc::ClientContext*, const Request&, Reply*);

  template <typename Request, typename Reply>
  Result<Reply> Call(const CallContext& ctx, const CallPlan& plan, Method<Request, Reply> method,
                     const Request& request) {
    Reply reply;
    MB_RETURN_IF_ERROR(Run(ctx, plan, [&](grpc::ClientContext& context) {
      reply.Clear();
      const grpc::Status status = (stub_.get()->*method)(&context, request, &reply);
      return Advised(status.ok() ? FromReply(StatusOf(reply)) : FromGrpc(status, endpoint_),
                     options_.key_names);
    }));
    return reply;
  }

 private:
  using Attempt = std::function<Status(grpc::ClientContext&)>;

  static const proto::common::Status& StatusOf(const proto::common::Status& reply) { return reply; }
  template <typename Reply>
  static const proto::common::Status& StatusOf(const Reply& reply) {
    return reply.status();
  }

  Status Run(const CallContext& ctx, const CallPlan& plan, const Attempt& attempt);
  Status RunOnce(const CallContext& ctx, const CallPlan& plan, const Attempt& attempt);
  /// How long the call may be repeated after this error; zero means not at all.
  std::chrono::milliseconds PatienceFor(const Status& status, const CallPlan& plan) const;

  const ClientOptions options_;
  const std::string endpoint_;
  const std::string authorization_;
  std::string identifier_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<Stub> stub_;
  /// Before the first answer a refused connection means a wrong address, later a restart.
  std::atomic<bool> has_answered_ = false;
};

}  // namespace milvus_backup::milvus
