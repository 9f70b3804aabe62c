#include "milvus_backup/base/status.h"

#include <cstdio>

namespace milvus_backup {

struct Status::Rep {
  Code code = Code::kUnknown;
  RetryClass retry_class = RetryClass::kNever;
  Origin origin = Origin::kSelf;
  int http_status = 0;
  std::string message;
  std::string doing;
  std::string service_code;
  std::string request_id;
  std::string advice;
  std::optional<std::chrono::milliseconds> retry_after;
};

namespace {
const std::string kEmpty;
}  // namespace

void Status::RepDeleter::operator()(Rep* rep) const { delete rep; }

std::string_view CodeName(Code code) {
  switch (code) {
    case Code::kOk:
      return "ok";
    case Code::kCancelled:
      return "cancelled";
    case Code::kUnknown:
      return "unknown";
    case Code::kInvalidArgument:
      return "invalid_argument";
    case Code::kDeadlineExceeded:
      return "deadline_exceeded";
    case Code::kNotFound:
      return "not_found";
    case Code::kAlreadyExists:
      return "already_exists";
    case Code::kPermissionDenied:
      return "permission_denied";
    case Code::kResourceExhausted:
      return "resource_exhausted";
    case Code::kFailedPrecondition:
      return "failed_precondition";
    case Code::kAborted:
      return "aborted";
    case Code::kOutOfRange:
      return "out_of_range";
    case Code::kUnimplemented:
      return "unimplemented";
    case Code::kInternal:
      return "internal";
    case Code::kUnavailable:
      return "unavailable";
    case Code::kDataLoss:
      return "data_loss";
    case Code::kUnauthenticated:
      return "unauthenticated";
  }
  return "unknown";
}

Status::Status(Code code, std::string message) {
  if (code == Code::kOk) return;
  rep_.reset(new Rep);
  rep_->code = code;
  rep_->message = std::move(message);
}

Status::Status(const Status& other) : rep_(other.rep_ ? new Rep(*other.rep_) : nullptr) {}

Status& Status::operator=(const Status& other) {
  if (this != &other) rep_.reset(other.rep_ ? new Rep(*other.rep_) : nullptr);
  return *this;
}

Code Status::code() const { return rep_ ? rep_->code : Code::kOk; }
RetryClass Status::retry_class() const { return rep_ ? rep_->retry_class : RetryClass::kNever; }
Origin Status::origin() const { return rep_ ? rep_->origin : Origin::kSelf; }
const std::string& Status::message() const { return rep_ ? rep_->message : kEmpty; }
const std::string& Status::service_code() const { return rep_ ? rep_->service_code : kEmpty; }
int Status::http_status() const { return rep_ ? rep_->http_status : 0; }
const std::string& Status::request_id() const { return rep_ ? rep_->request_id : kEmpty; }
const std::string& Status::advice() const { return rep_ ? rep_->advice : kEmpty; }
std::optional<std::chrono::milliseconds> Status::retry_after() const {
  return rep_ ? rep_->retry_after : std::nullopt;
}

Status::Rep& Status::MutableRep() {
  MB_CHECK(rep_ != nullptr);
  return *rep_;
}

Status&& Status::WithRetry(RetryClass retry_class) && {
  MutableRep().retry_class = retry_class;
  return std::move(*this);
}

Status&& Status::WithRetryAfter(std::chrono::milliseconds delay) && {
  MutableRep().retry_after = delay;
  return std::move(*this);
}

Status&& Status::WithService(std::string code, int http_status, std::string request_id) && {
  Rep& rep = MutableRep();
  rep.service_code = std::move(code);
  rep.http_status = http_status;
  rep.request_id = std::move(request_id);
  return std::move(*this);
}

Status&& Status::WithOrigin(Origin origin) && {
  MutableRep().origin = origin;
  return std::move(*this);
}

Status&& Status::WithAdvice(std::string advice) && {
  MutableRep().advice = std::move(advice);
  return std::move(*this);
}

Status&& Status::Annotate(std::string_view doing) && {
  if (!rep_) return std::move(*this);
  const std::string first = std::string(doing) + ": ";
  const std::string chain = ": " + rep_->doing + ": ";
  // Several layers may know the same.
  if (chain.find(": " + first) != std::string::npos || rep_->message.starts_with(first)) {
    return std::move(*this);
  }
  rep_->doing = rep_->doing.empty() ? std::string(doing) : first + rep_->doing;
  return std::move(*this);
}

Status Status::Annotate(std::string_view doing) const& { return Status(*this).Annotate(doing); }

std::string Status::ToString() const {
  if (!rep_) return "ok";
  std::string text = rep_->doing.empty() ? rep_->message : rep_->doing + ": " + rep_->message;
  if (!rep_->service_code.empty() && text.find(rep_->service_code) == std::string::npos) {
    text += " (" + rep_->service_code + ")";
  }
  if (!rep_->request_id.empty()) text += " [request id " + rep_->request_id + "]";
  if (!rep_->advice.empty()) text += "; " + rep_->advice;
  return text;
}

Status CancelledError(std::string_view doing) { return {Code::kCancelled, std::string(doing)}; }
Status InvalidArgumentError(std::string message) {
  return {Code::kInvalidArgument, std::move(message)};
}
Status NotFoundError(std::string message) { return {Code::kNotFound, std::move(message)}; }
Status AlreadyExistsError(std::string message) {
  return {Code::kAlreadyExists, std::move(message)};
}
Status FailedPreconditionError(std::string message) {
  return {Code::kFailedPrecondition, std::move(message)};
}
Status InternalError(std::string message) { return {Code::kInternal, std::move(message)}; }
Status DataLossError(std::string message) { return {Code::kDataLoss, std::move(message)}; }
Status UnimplementedError(std::string message) {
  return {Code::kUnimplemented, std::move(message)};
}

void CheckFailed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "check failed: %s at %s:%d\n", condition, file, line);
  std::abort();
}

}  // namespace milvus_backup
