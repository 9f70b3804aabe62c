#include "milvus/channel_internal.h"
#include "milvus/rpc_internal.h"

#include "milvus_backup/base/clock.h"
#include "milvus_backup/base/encoding.h"
#include "milvus_backup/base/log.h"

#include <algorithm>
#include <random>
#include <stop_token>

namespace milvus_backup::milvus {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kFirstDelay{100};
constexpr milliseconds kMaxDelay{3000};

/// Between half and all of `delay`, so that many workers do not come back at once.
milliseconds Jittered(milliseconds delay) {
  thread_local std::minstd_rand random{std::random_device{}()};
  std::uniform_int_distribution<int64_t> pick(delay.count() / 2, delay.count());
  return milliseconds(pick(random));
}

std::string MakeAuthorization(const ClientOptions& options) {
  if (options.user.empty() && options.password.empty()) return {};
  return Base64Encode(AsBytes(options.user + ":" + options.password.Reveal()));
}

/// gRPC counts on the system clock.
std::chrono::system_clock::time_point ToSystemClock(steady_clock::time_point time) {
  return std::chrono::system_clock::now() +
         std::chrono::duration_cast<std::chrono::system_clock::duration>(time -
                                                                         steady_clock::now());
}

}  // namespace

Rpc::Rpc(ClientOptions options, std::shared_ptr<grpc::Channel> channel)
    : options_(std::move(options)),
      endpoint_(EndpointOf(options_)),
      authorization_(MakeAuthorization(options_)),
      channel_(std::move(channel)),
      stub_(proto::milvus::MilvusService::NewStub(channel_)) {}

Status Rpc::Open(const CallContext& ctx) {
  MB_RETURN_IF_ERROR(ctx.Check());
  const auto deadline = steady_clock::now() + options_.connect_timeout;
  MB_ASSIGN_OR_RETURN(const Readiness readiness,
                      AwaitConnection(ctx, *channel_, deadline, /*until_first_failure=*/true));
  if (readiness == Readiness::kReady) return Status::Ok();
  if (readiness == Readiness::kPending) {
    const std::string limit = std::to_string(options_.connect_timeout.count());
    return Advised(
        FromGrpc({grpc::StatusCode::UNAVAILABLE, "no connection within " + limit + " ms"},
                 endpoint_),
        options_.key_names);
  }
  // Only a call is told why the connection failed.
  CallContext hurried = ctx;
  hurried.deadline = std::min(ctx.deadline.value_or(deadline), deadline);
  return Call(hurried, {.what = "connecting", .db = "", .repeat = Repeat::kIfRefused},
              &Stub::GetVersion, proto::milvus::GetVersionRequest())
      .status();
}

milliseconds Rpc::PatienceFor(const Status& status, const CallPlan& plan) const {
  if (status.retry_class() == RetryClass::kThrottled) return options_.throttle_patience;
  if (status.retry_class() != RetryClass::kTransient || plan.repeat != Repeat::kAlways) return {};
  if (!has_answered_) return {};
  return options_.retry_patience;
}

Status Rpc::Run(const CallContext& ctx, const CallPlan& plan, const Attempt& attempt) {
  const auto begun = steady_clock::now();
  for (milliseconds delay = kFirstDelay;; delay = std::min(delay * 2, kMaxDelay)) {
    Status status = RunOnce(ctx, plan, attempt);
    if (status.ok()) return status;
    const milliseconds patience = PatienceFor(status, plan);
    if (patience == milliseconds::zero()) return std::move(status).Annotate(plan.what);
    const milliseconds pause = Jittered(delay);
    const auto wake = steady_clock::now() + pause;
    if (wake - begun > patience || (ctx.deadline && wake >= *ctx.deadline)) {
      return std::move(status).WithRetry(RetryClass::kExhausted).Annotate(plan.what);
    }
    log::Debug("msg=\"repeating a Milvus call\" call=\"{}\" pause_ms={} error=\"{}\"", plan.what,
               pause.count(), status.ToString());
    if (!Clock::Real().SleepFor(pause, ctx.stop)) return CancelledError().Annotate(plan.what);
  }
}

Status Rpc::RunOnce(const CallContext& ctx, const CallPlan& plan, const Attempt& attempt) {
  MB_RETURN_IF_ERROR(ctx.Check());
  if (plan.repeat == Repeat::kIfRefused && has_answered_) {
    // Not to be sent twice, so send it only once there is somebody to take it.
    const auto deadline = steady_clock::now() + options_.retry_patience;
    MB_ASSIGN_OR_RETURN(
        const Readiness readiness,
        AwaitConnection(ctx, *channel_, std::min(ctx.deadline.value_or(deadline), deadline),
                        /*until_first_failure=*/false));
    static_cast<void>(readiness);  // Without a connection the call itself says why.
  }
  grpc::ClientContext context;
  auto deadline = steady_clock::now() + plan.timeout.value_or(options_.call_timeout);
  if (!plan.runs_to_its_end) deadline = std::min(ctx.deadline.value_or(deadline), deadline);
  context.set_deadline(ToSystemClock(deadline));
  if (!authorization_.empty()) context.AddMetadata("authorization", authorization_);
  if (!identifier_.empty()) context.AddMetadata("identifier", identifier_);
  if (!plan.db.empty()) context.AddMetadata("dbname", plan.db);

  Status status;
  {
    const std::stop_token never;
    const std::stop_callback on_stop(plan.runs_to_its_end ? never : ctx.stop,
                                     [&context] { context.TryCancel(); });
    status = attempt(context);
  }
  if (status.ok() || IsFromReply(status)) has_answered_ = true;
  if (status.ok() || plan.runs_to_its_end || !ctx.stop.stop_requested()) {
    return ctx.deadline && status.code() == Code::kDeadlineExceeded
               ? std::move(status).WithRetry(RetryClass::kNever)
               : status;
  }
  return CancelledError();
}

}  // namespace milvus_backup::milvus
