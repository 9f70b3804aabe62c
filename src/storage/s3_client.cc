#include "s3_client_internal.h"
#include "s3_time_internal.h"

#include "milvus_backup/base/log.h"

#include <cstdlib>
#include <utility>

namespace milvus_backup::storage {
namespace {

/// SHA-256 of nothing.
constexpr std::string_view kEmptyHash =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
constexpr int kMaxSends = 4;

std::string FromEnvironment(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): read at creation only
  return value == nullptr ? std::string() : std::string(value);
}

Status TakeEnvironment(S3Options& options) {
  options.access_key = Secret(FromEnvironment("AWS_ACCESS_KEY_ID"));
  options.secret_key = Secret(FromEnvironment("AWS_SECRET_ACCESS_KEY"));
  options.session_token = Secret(FromEnvironment("AWS_SESSION_TOKEN"));
  if (options.region.empty()) options.region = FromEnvironment("AWS_REGION");
  if (options.region.empty()) options.region = FromEnvironment("AWS_DEFAULT_REGION");
  if (options.access_key.empty() || options.secret_key.empty()) {
    return InvalidArgumentError("AWS_ACCESS_KEY_ID or AWS_SECRET_ACCESS_KEY is not set")
        .WithOrigin(Origin::kConfig)
        .WithAdvice("useIAM takes keys from these variables; roles are not built yet");
  }
  return Status::Ok();
}

std::string StartRegion(const S3Options& options) {
  if (!options.region.empty()) return options.region;
  return options.provider == S3Provider::kGcs ? "auto" : "us-east-1";
}

std::string PayloadHash(const S3Call& call, PayloadSigning signing) {
  if (call.body.empty()) return std::string(kEmptyHash);
  if (call.hash_body || signing == PayloadSigning::kAlways) return HexEncode(Sha256(call.body));
  return std::string(kUnsignedPayload);
}

}  // namespace

Result<std::unique_ptr<S3Client>> S3Client::Create(S3Options options, Clock& clock) {
  MB_RETURN_IF_ERROR(options.Validate());
  if (options.credentials_from_environment && !options.anonymous) {
    MB_RETURN_IF_ERROR(TakeEnvironment(options));
  }
  net::HttpOptions http_options;
  http_options.ca_file = options.ca_file;
  Result<std::unique_ptr<net::HttpClient>> http = net::HttpClient::Create(http_options);
  if (!http.ok()) {
    return std::move(http).status().WithOrigin(Origin::kConfig).Annotate(options.key_names.ca_file);
  }
  return std::unique_ptr<S3Client>(new S3Client(std::move(options), *std::move(http), clock));
}

S3Client::S3Client(S3Options options, std::unique_ptr<net::HttpClient> http, Clock& clock)
    : options_(std::move(options)),
      dialect_(DialectOf(options_.provider)),
      endpoint_(EndpointFor(options_)),
      place_{options_.provider, options_.bucket, endpoint_.ToString(), options_.key_names,
             options_.anonymous},
      http_(std::move(http)),
      signer_(options_.access_key, options_.secret_key),
      clock_(clock),
      route_{StartRegion(options_), {}} {}

S3Client::Route S3Client::route() const {
  const std::scoped_lock lock(mutex_);
  return route_;
}

std::string S3Client::region() const { return route().region; }

net::HttpRequest S3Client::Build(const S3Call& call, const Route& route) const {
  const std::string authority = endpoint_.Authority(route.host);
  const std::string query = CanonicalQuery(call.query);
  net::HttpRequest request;
  request.method = call.method;
  request.url = endpoint_.scheme + "://" + authority + call.path;
  if (!query.empty()) request.url += "?" + query;
  request.body = call.body;
  request.receive_buffer = call.receive_buffer;
  request.stall_timeout = call.stall_timeout;
  request.repeatable = call.repeatable;
  request.headers.reserve(call.headers.size() + 5);
  request.headers = call.headers;
  if (options_.anonymous) return request;

  const std::string date = AmzDate(clock_.WallNow() + clock_offset_.load());
  const std::string hash = PayloadHash(call, options_.payload_signing);
  request.headers.push_back({"x-amz-content-sha256", hash});
  request.headers.push_back({"x-amz-date", date});
  if (!options_.session_token.empty()) {
    request.headers.push_back({"x-amz-security-token", options_.session_token.Reveal()});
  }
  request.headers.push_back({"host", authority});
  std::string authorization = signer_.Authorization({.method = call.method,
                                                     .path = call.path,
                                                     .query = query,
                                                     .headers = &request.headers,
                                                     .payload_hash = hash},
                                                    date, route.region);
  request.headers.push_back({"authorization", std::move(authorization)});
  return request;
}

Result<net::HttpResponse> S3Client::Send(const CallContext& ctx, const S3Call& call,
                                         const net::BodySink& sink) {
  Corrections done;
  bool body_is_gone = false;
  for (int sends = 1;; ++sends) {
    const Route used = route();
    // What the sink says is the caller's own and must come back as it is.
    bool sink_failed = false;
    net::BodySink guarded;
    if (sink) {
      guarded = [&](const net::HttpResponse& head, ByteView chunk) {
        Status status = sink(head, chunk);
        sink_failed = !status.ok();
        return status;
      };
    }
    net::HttpRequest request = Build(call, used);
    if (call.on_body_sent) {
      request.on_body_sent = [&] {
        body_is_gone = true;
        call.on_body_sent();
      };
    }
    Result<net::HttpResponse> reply = http_->Send(ctx, request, guarded);
    if (!reply.ok()) {
      if (sink_failed) return std::move(reply).status();
      return S3NetworkError(place_, std::move(reply).status());
    }
    const net::HttpResponse& response = *reply;
    const int status = StatusOf(call, response);
    if (status >= 200 && status < 300) return reply;
    const S3ErrorBody error = ErrorOf(response);
    if (sends < kMaxSends && Correct(response, error, used, done)) {
      if (!body_is_gone) continue;
      return ErrorFrom(response, error, status).WithRetry(RetryClass::kTransient);
    }
    return ErrorFrom(response, error, status);
  }
}

int S3Client::StatusOf(const S3Call& call, const net::HttpResponse& response) {
  const bool is_error = response.status >= 200 && response.status < 300 && call.error_in_success &&
                        ParseErrorBody(response.body);
  return is_error ? 500 : response.status;
}

void S3Client::Start(net::HttpLoop& loop, const CallContext& ctx, const S3Call& call,
                     net::BodySink sink, net::HttpLoop::Done done) {
  MB_CHECK(!call.error_in_success);
  Route used = route();
  net::HttpRequest request = Build(call, used);
  request.on_body_sent = call.on_body_sent;
  // What the sink says is the caller's own and must come back as it is.
  auto sink_failed = std::make_shared<bool>(false);
  net::BodySink guarded;
  if (sink) {
    guarded = [sink = std::move(sink), sink_failed](const net::HttpResponse& head, ByteView chunk) {
      Status status = sink(head, chunk);
      *sink_failed = !status.ok();
      return status;
    };
  }
  loop.Start(*http_, ctx, std::move(request), std::move(guarded),
             [this, sink_failed, used = std::move(used),
              done = std::move(done)](Result<net::HttpResponse> reply) {
               if (!reply.ok()) {
                 if (*sink_failed) return done(std::move(reply));
                 return done(S3NetworkError(place_, std::move(reply).status()));
               }
               if (reply->status >= 200 && reply->status < 300) return done(std::move(reply));
               const S3ErrorBody error = ErrorOf(*reply);
               Status status = ErrorFrom(*reply, error, reply->status);
               Corrections corrections;
               if (Correct(*reply, error, used, corrections)) {
                 status = std::move(status).WithRetry(RetryClass::kTransient);
               }
               done(std::move(status));
             });
}

bool S3Client::Correct(const net::HttpResponse& response, const S3ErrorBody& error,
                       const Route& used, Corrections& done) {
  if (error.code == "RequestTimeTooSkewed" && !done.clock) {
    done.clock = true;
    return AdoptServerTime(response);
  }
  const bool about_region = response.status == 301 || response.status == 307 ||
                            (response.status == 400 &&
                             (error.code.empty() || error.code == "AuthorizationHeaderMalformed" ||
                              error.code == "IllegalLocationConstraintException"));
  if (about_region && !error.region.empty() && !done.region) {
    done.region = true;
    return AdoptRegion(error.region, used);
  }
  return false;
}

bool S3Client::AdoptRegion(const std::string& region, const Route& used) {
  const std::string host = AwsHostForRegion(endpoint_.host, region);
  const std::scoped_lock lock(mutex_);
  // Another thread may have been faster; then this request only has to be signed again.
  if (route_.region == region && route_.host == host) {
    return used.region != region || used.host != host;
  }
  log::Debug("storage region endpoint={} bucket={} region={}", place_.endpoint, place_.bucket,
             region);
  route_ = {region, host};
  return true;
}

bool S3Client::AdoptServerTime(const net::HttpResponse& response) {
  const auto server = ParseHttpDate(response.Header("date"));
  if (!server) return false;
  const auto offset = std::chrono::round<std::chrono::seconds>(*server - clock_.WallNow());
  clock_offset_.store(offset);
  log::Warn("storage clock endpoint={} offset_s={}", place_.endpoint, offset.count());
  return true;
}

Status S3Client::ErrorFrom(const net::HttpResponse& response, const S3ErrorBody& error,
                           int status) const {
  return S3Error(place_, error, status, RetryAfter(response, options_.provider, clock_.WallNow()));
}

}  // namespace milvus_backup::storage
