/// Errors as values: Status (no value) and Result<T> (value or Status). Value types; distinct
/// objects may be used from different threads, one object may not.
#pragma once

#include <chrono>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace milvus_backup {

/// What went wrong, with the numbers of the gRPC status codes.
enum class Code {
  kOk = 0,
  kCancelled = 1,
  kUnknown = 2,
  kInvalidArgument = 3,
  kDeadlineExceeded = 4,
  kNotFound = 5,
  kAlreadyExists = 6,
  kPermissionDenied = 7,
  kResourceExhausted = 8,
  kFailedPrecondition = 9,
  kAborted = 10,
  kOutOfRange = 11,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
  kDataLoss = 15,
  kUnauthenticated = 16,
};

std::string_view CodeName(Code code);

/// Whether repeating the failed call may help. Set where the error is born, never guessed later.
enum class RetryClass {
  kNever,      ///< repeating cannot help
  kTransient,  ///< the same call may succeed soon
  kThrottled,  ///< the service asks for fewer calls
  kExhausted,  ///< was transient; every allowed attempt has been made
};

/// Which neighbour of ours an error came from; decides the exit code of the program.
enum class Origin { kSelf, kConfig, kStorage, kMilvus };

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Code code, std::string message);
  Status(const Status& other);
  Status& operator=(const Status& other);
  Status(Status&&) noexcept = default;
  Status& operator=(Status&&) noexcept = default;
  ~Status() = default;

  static Status Ok() { return {}; }

  bool ok() const { return rep_ == nullptr; }
  Code code() const;
  RetryClass retry_class() const;
  Origin origin() const;
  /// The error's own text, without what was being done.
  const std::string& message() const;
  /// The service's own code, such as `SlowDown`; empty when there is none.
  const std::string& service_code() const;
  /// HTTP status of the reply that carried the error; 0 when there was none.
  int http_status() const;
  const std::string& request_id() const;
  /// How long the service asked to wait, when it did.
  std::optional<std::chrono::milliseconds> retry_after() const;
  /// What to check or do about it, one sentence for the user; may be empty.
  const std::string& advice() const;

  Status&& WithRetry(RetryClass retry_class) &&;
  Status&& WithRetryAfter(std::chrono::milliseconds delay) &&;
  Status&& WithService(std::string code, int http_status, std::string request_id) &&;
  Status&& WithOrigin(Origin origin) &&;
  Status&& WithAdvice(std::string advice) &&;
  /// Put `doing: ` in front, unless it is there already. No effect on an OK status.
  Status&& Annotate(std::string_view doing) &&;
  Status Annotate(std::string_view doing) const&;

  /// One line for people: what was being done, message, service code and request id, advice.
  std::string ToString() const;

  /// Drop an error on purpose; `reason` is for the reader of the code.
  void IgnoreError(std::string_view reason) const { static_cast<void>(reason); }

 private:
  struct Rep;
  struct RepDeleter {
    void operator()(Rep* rep) const;
  };
  Rep& MutableRep();

  std::unique_ptr<Rep, RepDeleter> rep_;
};

Status CancelledError(std::string_view doing = "interrupted");
Status InvalidArgumentError(std::string message);
Status NotFoundError(std::string message);
Status AlreadyExistsError(std::string message);
Status FailedPreconditionError(std::string message);
Status InternalError(std::string message);
Status DataLossError(std::string message);
Status UnimplementedError(std::string message);

/// A value or the reason why there is none.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}         // NOLINT(google-explicit-constructor)
  Result(Status status) : status_(std::move(status)) {  // NOLINT(google-explicit-constructor)
    if (status_.ok()) status_ = InternalError("a Result was made from an OK status");
  }
  template <typename U>
  requires(std::is_convertible_v<U&&, T> && !std::is_same_v<std::remove_cvref_t<U>, T> &&
           !std::is_same_v<std::remove_cvref_t<U>, Status> &&
           !std::is_same_v<std::remove_cvref_t<U>,
                           Result<T>>) Result(U&& value)  // NOLINT(google-explicit-constructor)
      : value_(std::forward<U>(value)) {}

  bool ok() const { return value_.has_value(); }
  const Status& status() const& { return status_; }
  Status status() && { return std::move(status_); }

  T& value() & { return Checked(), *value_; }
  const T& value() const& { return Checked(), *value_; }
  T&& value() && { return Checked(), *std::move(value_); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  void Checked() const {
    if (!value_.has_value()) std::abort();
  }

  std::optional<T> value_;
  Status status_;
};

}  // namespace milvus_backup

#define MB_CONCAT_INNER(a, b) a##b
#define MB_CONCAT(a, b) MB_CONCAT_INNER(a, b)

/// Return from the enclosing function when `expr` (a Status) is an error.
#define MB_RETURN_IF_ERROR(expr)                                         \
  do {                                                                   \
    if (::milvus_backup::Status mb_status_ = (expr); !mb_status_.ok()) { \
      return mb_status_;                                                 \
    }                                                                    \
  } while (false)

/// Evaluate `expr` (a Result); return its error or assign its value to `lhs`.
#define MB_ASSIGN_OR_RETURN(lhs, expr) \
  MB_ASSIGN_OR_RETURN_IMPL(MB_CONCAT(mb_result_, __LINE__), lhs, expr)
#define MB_ASSIGN_OR_RETURN_IMPL(result, lhs, expr)    \
  auto result = (expr);                                \
  if (!result.ok()) return std::move(result).status(); \
  lhs = *std::move(result)

/// Always-on check for programmer errors; prints the place and aborts.
#define MB_CHECK(condition)           \
  ((condition) ? static_cast<void>(0) \
               : ::milvus_backup::CheckFailed(#condition, __FILE__, __LINE__))

namespace milvus_backup {
[[noreturn]] void CheckFailed(const char* condition, const char* file, int line);
}  // namespace milvus_backup
