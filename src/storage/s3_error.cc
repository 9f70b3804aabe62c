#include "s3_error_internal.h"
#include "s3_time_internal.h"

#include <algorithm>
#include <charconv>
#include <unordered_map>

namespace milvus_backup::storage {
namespace {

enum class Kind {
  kKeyMissing,
  kBucketMissing,
  kBucketName,
  kExists,
  kChanged,
  kRace,
  kRange,
  kForbidden,
  kWrongKeys,
  kExpired,
  kClock,
  kRegion,
  kThrottled,
  kTransient,
  kIntegrity,
  kRequest,
  kParts,
  kUnimplemented,
  kFull,
  kArchived,
  kOther,
};

const std::unordered_map<std::string_view, Kind>& KindsByCode() {
  static const std::unordered_map<std::string_view, Kind> kinds = {
      {"NoSuchKey", Kind::kKeyMissing},
      {"NoSuchUpload", Kind::kKeyMissing},
      {"NoSuchVersion", Kind::kKeyMissing},
      {"SymlinkTargetNotExist", Kind::kKeyMissing},
      {"NoSuchBucket", Kind::kBucketMissing},
      {"InvalidBucketName", Kind::kBucketName},
      {"BucketAlreadyOwnedByYou", Kind::kExists},
      {"BucketAlreadyExists", Kind::kExists},
      {"BucketNameUnavailable", Kind::kExists},
      {"FileAlreadyExists", Kind::kExists},
      {"PreconditionFailed", Kind::kChanged},
      {"ConditionalRequestConflict", Kind::kRace},
      {"OperationAborted", Kind::kRace},
      {"InvalidRange", Kind::kRange},
      {"AccessDenied", Kind::kForbidden},
      {"AccountProblem", Kind::kForbidden},
      {"AllAccessDisabled", Kind::kForbidden},
      {"InvalidSecurity", Kind::kForbidden},
      {"SecurityTokenNotSupported", Kind::kForbidden},
      {"UserDisable", Kind::kForbidden},
      {"SecondLevelDomainForbidden", Kind::kForbidden},
      {"InvalidAccessKeyId", Kind::kWrongKeys},
      // versitygw, with status 404.
      {"XAdminUserNotFound", Kind::kWrongKeys},
      {"SignatureDoesNotMatch", Kind::kWrongKeys},
      {"InvalidToken", Kind::kWrongKeys},
      {"InvalidTokenId", Kind::kWrongKeys},
      {"ExpiredToken", Kind::kExpired},
      {"ExpiredTokenException", Kind::kExpired},
      {"TokenRefreshRequired", Kind::kExpired},
      {"RequestExpired", Kind::kExpired},
      {"SecurityTokenExpired", Kind::kExpired},
      {"InvalidSecurityToken", Kind::kExpired},
      {"RequestTimeTooSkewed", Kind::kClock},
      {"PermanentRedirect", Kind::kRegion},
      {"TemporaryRedirect", Kind::kRegion},
      {"AuthorizationHeaderMalformed", Kind::kRegion},
      {"IllegalLocationConstraintException", Kind::kRegion},
      {"SlowDown", Kind::kThrottled},
      {"SlowDownRead", Kind::kThrottled},
      {"SlowDownWrite", Kind::kThrottled},
      {"ServerBusy", Kind::kThrottled},
      {"TooManyRequests", Kind::kThrottled},
      {"RequestLimitExceeded", Kind::kThrottled},
      {"BandwidthLimitExceeded", Kind::kThrottled},
      {"DownloadTrafficRateLimitExceeded", Kind::kThrottled},
      {"UploadTrafficRateLimitExceeded", Kind::kThrottled},
      {"TotalQpsLimitExceeded", Kind::kThrottled},
      {"FlowLimit", Kind::kThrottled},
      {"ExceedAccountQPSLimit", Kind::kThrottled},
      {"ExceedBucketQPSLimit", Kind::kThrottled},
      {"InternalError", Kind::kTransient},
      {"ServiceUnavailable", Kind::kTransient},
      {"XMinioServerNotInitialized", Kind::kTransient},
      {"RequestTimeout", Kind::kTransient},
      {"IncompleteBody", Kind::kTransient},
      {"PriorRequestNotComplete", Kind::kTransient},
      {"ClientDisconnected", Kind::kTransient},
      {"BadDigest", Kind::kIntegrity},
      {"XAmzContentSHA256Mismatch", Kind::kIntegrity},
      {"XAmzContentChecksumMismatch", Kind::kIntegrity},
      {"InvalidDigest", Kind::kRequest},
      {"InvalidArgument", Kind::kRequest},
      {"MalformedXML", Kind::kRequest},
      {"EntityTooLarge", Kind::kRequest},
      {"EntityTooSmall", Kind::kRequest},
      {"KeyTooLongError", Kind::kRequest},
      {"MetadataTooLarge", Kind::kRequest},
      {"MissingContentLength", Kind::kRequest},
      {"InvalidPart", Kind::kParts},
      {"InvalidPartOrder", Kind::kParts},
      {"MethodNotAllowed", Kind::kUnimplemented},
      {"NotImplemented", Kind::kUnimplemented},
      {"XMinioStorageFull", Kind::kFull},
      {"XMinioAdminBucketQuotaExceeded", Kind::kFull},
      {"QuotaExceeded", Kind::kFull},
      {"TooManyBuckets", Kind::kFull},
      {"InvalidObjectState", Kind::kArchived},
  };
  return kinds;
}

Kind KindByStatus(int status) {
  switch (status) {
    case 301:
    case 307:
      return Kind::kRegion;
    case 304:
    case 412:
      return Kind::kChanged;
    case 401:
      return Kind::kWrongKeys;
    case 403:
      return Kind::kForbidden;
    case 404:
      return Kind::kKeyMissing;
    case 408:
    case 499:
      return Kind::kTransient;
    case 416:
      return Kind::kRange;
    case 429:
      return Kind::kThrottled;
    case 405:
    case 501:
      return Kind::kUnimplemented;
    case 507:
      return Kind::kFull;
    default:
      if (status >= 500) return Kind::kTransient;
      return status == 400 ? Kind::kRequest : Kind::kOther;
  }
}

Kind KindOf(const S3ErrorBody& error, int status) {
  const auto& kinds = KindsByCode();
  if (const auto found = kinds.find(error.code); found != kinds.end()) return found->second;
  if (error.code.starts_with("Throttling") || error.code.ends_with("RateLimit")) {
    return Kind::kThrottled;
  }
  return KindByStatus(status);
}

Code CodeFor(Kind kind) {
  switch (kind) {
    case Kind::kKeyMissing:
    case Kind::kBucketMissing:
      return Code::kNotFound;
    case Kind::kExists:
      return Code::kAlreadyExists;
    case Kind::kChanged:
      return Code::kAborted;
    case Kind::kRange:
      return Code::kOutOfRange;
    case Kind::kForbidden:
      return Code::kPermissionDenied;
    case Kind::kWrongKeys:
    case Kind::kExpired:
      return Code::kUnauthenticated;
    case Kind::kRace:
    case Kind::kThrottled:
    case Kind::kTransient:
      return Code::kUnavailable;
    case Kind::kIntegrity:
      return Code::kDataLoss;
    case Kind::kBucketName:
    case Kind::kRequest:
      return Code::kInvalidArgument;
    case Kind::kUnimplemented:
      return Code::kUnimplemented;
    case Kind::kFull:
      return Code::kResourceExhausted;
    case Kind::kClock:
    case Kind::kRegion:
    case Kind::kParts:
    case Kind::kArchived:
    case Kind::kOther:
      return Code::kFailedPrecondition;
  }
  return Code::kUnknown;
}

RetryClass RetryFor(Kind kind) {
  switch (kind) {
    case Kind::kThrottled:
      return RetryClass::kThrottled;
    case Kind::kRace:
    case Kind::kTransient:
    case Kind::kIntegrity:
      return RetryClass::kTransient;
    default:
      return RetryClass::kNever;
  }
}

std::string AdviceFor(Kind kind, const S3Place& place) {
  const S3KeyNames& keys = place.keys;
  if (place.anonymous && (kind == Kind::kForbidden || kind == Kind::kWrongKeys)) {
    return "requests are not signed, for " + keys.access_key + " or " + keys.secret_key +
           " is empty";
  }
  switch (kind) {
    case Kind::kBucketMissing:
      return "check " + keys.bucket + " and that " + keys.address + " is the right service";
    case Kind::kBucketName:
      return "check " + keys.bucket;
    case Kind::kForbidden:
      return "check that the user of " + keys.access_key + " may do this in bucket " +
             place.bucket + " (" + keys.bucket + ")";
    case Kind::kWrongKeys:
      return "check " + keys.access_key + " and " + keys.secret_key;
    case Kind::kExpired:
      return "the temporary credentials have expired: get new ones for " + keys.access_key + ", " +
             keys.secret_key + " and the session token";
    case Kind::kClock:
      return "check the clocks of this machine and of the storage service";
    case Kind::kRegion:
      return "check " + keys.region + " and " + keys.address;
    case Kind::kFull:
      return "free space or raise the quota of the storage";
    case Kind::kArchived:
      return "the object lies in an archive tier: restore it there first";
    default:
      return {};
  }
}

/// What Go's and nginx' servers say to plain HTTP on their TLS port.
bool SaysTlsWanted(std::string_view body) {
  return body.find("HTTPS server") != std::string_view::npos ||
         body.find("HTTPS port") != std::string_view::npos;
}

std::string At(const S3Place& place) { return "bucket " + place.bucket + " at " + place.endpoint; }

}  // namespace

S3ErrorBody ErrorOf(const net::HttpResponse& response) {
  S3ErrorBody error;
  if (std::optional<S3ErrorBody> parsed = ParseErrorBody(response.body)) {
    error = *std::move(parsed);
  } else if (!response.body.empty()) {
    // Proxies answer in HTML or plain text; the start is what a person needs to see.
    error.message = response.body.substr(0, 200);
    std::replace_if(
        error.message.begin(), error.message.end(),
        [](char c) { return static_cast<unsigned char>(c) < 0x20; }, ' ');
  }
  // MinIO names the error of a HEAD in a header of its own.
  if (error.code.empty()) error.code = response.Header("x-minio-error-code");
  if (error.message.empty()) error.message = response.Header("x-minio-error-desc");
  if (error.request_id.empty()) error.request_id = response.Header("x-amz-request-id");
  if (const std::string_view region = response.Header("x-amz-bucket-region"); !region.empty()) {
    error.region = region;
  }
  return error;
}

Status S3Error(const S3Place& place, const S3ErrorBody& error, int http_status,
               std::optional<std::chrono::milliseconds> retry_after) {
  const Kind kind = KindOf(error, http_status);
  std::string message = At(place) + ": ";
  if (!error.message.empty()) {
    message += error.message;
  } else if (!error.code.empty()) {
    message += error.code;
  } else {
    message += "HTTP status " + std::to_string(http_status);
  }
  std::string advice = AdviceFor(kind, place);
  if (error.code.empty() && SaysTlsWanted(error.message)) {
    advice = "the port expects TLS: set " + place.keys.use_ssl + " to true";
  }
  Status status = Status(CodeFor(kind), std::move(message))
                      .WithRetry(RetryFor(kind))
                      .WithService(error.code, http_status, error.request_id)
                      .WithOrigin(Origin::kStorage)
                      .WithAdvice(std::move(advice));
  if (retry_after) return std::move(status).WithRetryAfter(*retry_after);
  return status;
}

Status AsChanged(const std::string& key, Status status) {
  if (status.code() != Code::kAborted || status.http_status() == 0) return status;
  return Status(Code::kAborted, key + " changed while it was read").WithOrigin(Origin::kStorage);
}

Status S3NetworkError(const S3Place& place, Status status) {
  if (status.code() == Code::kCancelled || status.code() == Code::kDeadlineExceeded) {
    return std::move(status).WithOrigin(Origin::kStorage);
  }
  const S3KeyNames& keys = place.keys;
  const std::string& what = status.service_code();
  std::string advice;
  if (what == net::kNameNotResolved) {
    advice = "check " + keys.address;
  } else if (what == net::kConnectFailed) {
    advice =
        "check " + keys.address + " and " + keys.port + ", and that the storage service is running";
  } else if (what == net::kTlsOnPlainPort) {
    advice = "the port speaks plain HTTP: set " + keys.use_ssl + " to false or check " + keys.port;
  } else if (what == net::kPlainOnTlsPort) {
    advice = "the port expects TLS: set " + keys.use_ssl + " to true or check " + keys.port;
  } else if (what == net::kCertificateRefused) {
    advice = "check " + keys.address + ", or name the authority's PEM file in " + keys.ca_file;
  }
  if (!advice.empty()) status = std::move(status).WithAdvice(std::move(advice));
  return std::move(status).WithOrigin(Origin::kStorage).Annotate("bucket " + place.bucket);
}

std::optional<std::chrono::milliseconds> RetryAfter(const net::HttpResponse& response,
                                                    S3Provider provider,
                                                    std::chrono::system_clock::time_point now) {
  using std::chrono::milliseconds;
  const milliseconds cap(provider == S3Provider::kMinio ? 5'000 : 30'000);
  const auto number = [](std::string_view text) -> std::optional<int64_t> {
    int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || value < 0) return std::nullopt;
    return std::min<int64_t>(value, 86'400'000);
  };
  if (const auto ms = number(response.Header("retry-after-ms"))) {
    return std::min(milliseconds(*ms), cap);
  }
  const std::string_view text = response.Header("retry-after");
  if (const auto seconds = number(text)) return std::min(milliseconds(*seconds * 1000), cap);
  if (const auto date = ParseHttpDate(text)) {
    const auto wait = std::chrono::duration_cast<milliseconds>(*date - now);
    return std::clamp(wait, milliseconds(0), cap);
  }
  return std::nullopt;
}

}  // namespace milvus_backup::storage
