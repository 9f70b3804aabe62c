#include "milvus/status_internal.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace milvus_backup::milvus {
namespace {

struct Meaning {
  Code code;
  /// None: as the reply's `retriable` says.
  std::optional<RetryClass> retry;
};

struct NumberMeaning {
  int number;
  Meaning meaning;
};

struct TextMeaning {
  std::string_view part;
  Meaning meaning;
};

constexpr Meaning kThrottling{Code::kResourceExhausted, RetryClass::kThrottled};
constexpr Meaning kComingUp{Code::kUnavailable, RetryClass::kTransient};
/// After a restart Milvus counts on nodes that are gone, for about half a minute.
constexpr Meaning kRestarted{Code::kAborted, RetryClass::kTransient};
constexpr Meaning kAbsent{Code::kNotFound, RetryClass::kNever};
constexpr Meaning kOutOfQuota{Code::kResourceExhausted, RetryClass::kNever};
constexpr Meaning kBadLogin{Code::kUnauthenticated, RetryClass::kNever};
constexpr Meaning kForbidden{Code::kPermissionDenied, RetryClass::kNever};
constexpr Meaning kBadRequest{Code::kInvalidArgument, RetryClass::kNever};

// `code`, filled since 2.3: the error table in pkg/util/merr of Milvus 2.5.
constexpr std::array kCodes = std::to_array<NumberMeaning>({
    {1, kComingUp},
    {2, kComingUp},
    {3, kOutOfQuota},
    {4, kThrottling},
    {5, {Code::kInternal, std::nullopt}},
    {7, kOutOfQuota},
    {8, kThrottling},
    {9, kOutOfQuota},
    {10, {Code::kUnimplemented, RetryClass::kNever}},
    {12, {Code::kResourceExhausted, std::nullopt}},
    {100, kAbsent},
    {101, {Code::kFailedPrecondition, std::nullopt}},
    {105, kBadRequest},
    {106, kComingUp},
    {200, kAbsent},
    {600, kAbsent},
    {700, kAbsent},
    {800, kAbsent},
    {901, kRestarted},
    {1000, kAbsent},
    {1100, kBadRequest},
    {1101, kBadRequest},
    {1400, kBadLogin},
    {1401, kForbidden},
    {1600, kAbsent},
    {1601, {Code::kAlreadyExists, RetryClass::kNever}},
    {1602, {Code::kAlreadyExists, RetryClass::kNever}},
    {1800, kBadLogin},
    {1801, kBadRequest},
    {1802, kBadRequest},
    {1807, kThrottling},
    {2100, {Code::kFailedPrecondition, RetryClass::kNever}},
    {3000, {Code::kFailedPrecondition, RetryClass::kNever}},
    {10000, {Code::kAborted, RetryClass::kTransient}},
    {10001, {Code::kDeadlineExceeded, RetryClass::kTransient}},
});

// `error_code`, the only number before 2.3: commonpb.ErrorCode.
constexpr std::array kLegacyCodes = std::to_array<NumberMeaning>({
    {3, kForbidden},
    {4, kAbsent},
    {5, kBadRequest},
    {25, kAbsent},
    {28, kAbsent},
    {48, kOutOfQuota},
    {49, kThrottling},
    {53, kOutOfQuota},
    {54, kOutOfQuota},
    {56, kComingUp},
    {57, kComingUp},
});

// For the catch-all numbers (1 and 65535) and for plain Go errors, which arrive as gRPC UNKNOWN.
constexpr std::array kTexts = std::to_array<TextMeaning>({
    {"auth check failure", kBadLogin},
    {"missing authorization in header", kBadLogin},
    {"invalid credential", kBadLogin},
    {"unauthenticated", kBadLogin},
    {"PrivilegeNotPermitted", kForbidden},
    {"permission deny", kForbidden},
    {"privilege not permitted", kForbidden},
    {"collection not found", kAbsent},
    {"can't find collection", kAbsent},
    {"partition not found", kAbsent},
    {"segment not found", kAbsent},
    {"index not found", kAbsent},
    {"index doesn't exist", kAbsent},
    {"database not found", kAbsent},
    {"already exist", {Code::kAlreadyExists, RetryClass::kNever}},
    {"create duplicate collection", {Code::kAlreadyExists, RetryClass::kNever}},
    {"node not found[node=", kRestarted},
    {"is not ready", kComingUp},
    {"service unavailable", kComingUp},
    // gRPC's own word for a connection that broke under a call.
    {"Stream removed", kComingUp},
});

constexpr std::string_view kGrpcPrefix = "grpc-";
constexpr std::string_view kLegacyCollectionNotExists = "4";
constexpr std::string_view kLegacyIndexNotExist = "25";
constexpr std::string_view kCollectionNotFound = "100";
constexpr std::string_view kSegmentNotFound = "600";
constexpr std::string_view kIndexNotFound = "700";

bool Has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

std::optional<Meaning> Find(std::span<const NumberMeaning> table, int number) {
  const auto found = std::ranges::find(table, number, &NumberMeaning::number);
  return found == table.end() ? std::nullopt : std::optional(found->meaning);
}

std::optional<Meaning> FindText(std::string_view text) {
  if (Has(text, "rate limit exceeded")) return kThrottling;
  for (const TextMeaning& entry : kTexts) {
    if (Has(text, entry.part)) return entry.meaning;
  }
  return std::nullopt;
}

Status Make(Meaning meaning, RetryClass fallback, std::string message, std::string service_code) {
  return Status(meaning.code, std::move(message))
      .WithRetry(meaning.retry.value_or(fallback))
      .WithOrigin(Origin::kMilvus)
      .WithService(std::move(service_code), 0, "");
}

std::string AdviceFor(const Status& status, const ClientOptions::KeyNames& keys) {
  switch (status.code()) {
    case Code::kUnauthenticated:
      return fmt::format("check {} and {}", keys.user, keys.password);
    case Code::kPermissionDenied:
      return fmt::format("give the user of {} this privilege or configure another user", keys.user);
    case Code::kUnavailable:
      // A TLS mismatch shows as a failed handshake on one side, a closed connection on the other.
      for (const std::string_view part :
           {"andshake", "SSL", "CERTIFICATE", "certificate", "Socket closed", "Connection reset"}) {
        if (keys.tls.empty() || !Has(status.message(), part)) continue;
        return fmt::format("check that {} fit the server", keys.tls);
      }
      return fmt::format("check {}, and that Milvus is running", keys.address);
    default:
      return {};
  }
}

Meaning MeaningOf(const grpc::Status& status) {
  const std::string& text = status.error_message();
  switch (status.error_code()) {
    case grpc::StatusCode::UNAVAILABLE:
      return kComingUp;
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
      // A message above the limit is refused by our own side; repeating it cannot help.
      return Has(text, "larger than max") ? kOutOfQuota : kThrottling;
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return {Code::kDeadlineExceeded, RetryClass::kTransient};
    case grpc::StatusCode::CANCELLED:
      // Our own stop is answered before this is asked: here the server gave up.
      return {Code::kAborted, RetryClass::kTransient};
    case grpc::StatusCode::UNKNOWN:
      return FindText(text).value_or(Meaning{Code::kUnknown, RetryClass::kNever});
    default:
      return {static_cast<Code>(status.error_code()), RetryClass::kNever};
  }
}

}  // namespace

Status FromReply(const proto::common::Status& reply) {
  if (reply.code() == 0 && reply.error_code() == 0) return Status::Ok();
  const int number = reply.code() != 0 ? reply.code() : reply.error_code();
  std::string message = reply.reason().empty() ? reply.detail() : reply.reason();
  if (message.empty()) message = "error " + std::to_string(number) + " without a reason";

  std::optional<Meaning> meaning;
  if (Has(message, "rate limit exceeded")) meaning = kThrottling;
  if (!meaning) meaning = Find(kCodes, reply.code());
  if (!meaning) meaning = Find(kLegacyCodes, reply.error_code());
  if (!meaning) meaning = FindText(message);
  const RetryClass fallback = reply.retriable() ? RetryClass::kTransient : RetryClass::kNever;
  return Make(meaning.value_or(Meaning{Code::kUnknown, std::nullopt}), fallback, std::move(message),
              std::to_string(number));
}

Status FromGrpc(const grpc::Status& status, const std::string& endpoint) {
  if (status.ok()) return Status::Ok();
  const Meaning meaning = MeaningOf(status);
  std::string message = status.error_message();
  if (meaning.code == Code::kUnavailable) {
    message = "Milvus at " + endpoint + " cannot be reached: " + message;
  } else if (meaning.code == Code::kDeadlineExceeded) {
    message = "Milvus at " + endpoint + " did not answer in time";
  }
  return Make(meaning, RetryClass::kNever, std::move(message),
              std::string(kGrpcPrefix) + std::to_string(status.error_code()));
}

Status Advised(Status status, const ClientOptions::KeyNames& keys) {
  std::string advice = AdviceFor(status, keys);
  return advice.empty() ? status : std::move(status).WithAdvice(std::move(advice));
}

bool IsFromReply(const Status& status) {
  return status.origin() == Origin::kMilvus && !status.service_code().empty() &&
         !status.service_code().starts_with(kGrpcPrefix);
}

bool IsCollectionNotFound(const Status& status) {
  if (!IsFromReply(status) || status.code() != Code::kNotFound) return false;
  return status.service_code() == kCollectionNotFound ||
         status.service_code() == kLegacyCollectionNotExists ||
         Has(status.message(), "collection not found") ||
         Has(status.message(), "can't find collection");
}

bool IsIndexNotFound(const Status& status) {
  if (!IsFromReply(status)) return false;
  return status.service_code() == kIndexNotFound || status.service_code() == kLegacyIndexNotExist ||
         Has(status.message(), "index not found") || Has(status.message(), "index doesn't exist");
}

bool IsSegmentNotFound(const Status& status) {
  if (!IsFromReply(status)) return false;
  return status.service_code() == kSegmentNotFound || Has(status.message(), "segment not found");
}

}  // namespace milvus_backup::milvus
