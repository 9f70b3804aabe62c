/// Sends single S3 requests: builds and signs them, turns error replies into Status, and follows
/// what a service says about region and clock. Thread-safe; retries nothing else.
#pragma once

#include "s3_dialect_internal.h"
#include "s3_error_internal.h"
#include "s3_signer_internal.h"

#include "milvus_backup/base/clock.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/net/http_client.h"
#include "milvus_backup/net/http_loop.h"
#include "milvus_backup/storage/s3_options.h"

#include <atomic>
#include <memory>
#include <mutex>
#include <string>

namespace milvus_backup::storage {

struct S3Call {
  std::string method = "GET";
  /// Encoded; from S3Endpoint.
  std::string path;
  S3Query query;
  /// Sent and signed; names in lower case.
  net::HttpHeaders headers;
  /// Must stay valid until `on_body_sent`, or else during the call.
  ByteView body;
  /// As net::HttpRequest::on_body_sent.
  std::function<void()> on_body_sent{};
  /// Sign the body's SHA-256 whatever the options say; for small control bodies.
  bool hash_body = false;
  /// A 200 reply may hold an `<Error>` (copies and completions).
  bool error_in_success = false;
  size_t receive_buffer = 16 * kKiB;
  std::chrono::seconds stall_timeout{60};
  /// As net::HttpRequest::repeatable.
  bool repeatable = true;
};

class S3Client {
 public:
  static Result<std::unique_ptr<S3Client>> Create(S3Options options, Clock& clock);

  /// A reply with a 2xx status; its body went to `sink` when there is one.
  Result<net::HttpResponse> Send(const CallContext& ctx, const S3Call& call,
                                 const net::BodySink& sink = nullptr);

  /// Begin the same on a loop, whose thread calls `sink` and `done`. Made once: what Send would
  /// send again, corrected, is kTransient.
  void Start(net::HttpLoop& loop, const CallContext& ctx, const S3Call& call, net::BodySink sink,
             net::HttpLoop::Done done);

  const S3Options& options() const { return options_; }
  const S3Dialect& dialect() const { return dialect_; }
  const S3Endpoint& endpoint() const { return endpoint_; }
  const S3Place& place() const { return place_; }
  std::string region() const;

 private:
  /// Where requests go now; changes when the service names another region.
  struct Route {
    std::string region;
    /// Replaces the endpoint's host when not empty.
    std::string host;
  };
  /// What has been corrected during one Send; each correction is made once.
  struct Corrections {
    bool region = false;
    bool clock = false;
  };

  S3Client(S3Options options, std::unique_ptr<net::HttpClient> http, Clock& clock);

  net::HttpRequest Build(const S3Call& call, const Route& route) const;
  /// Status of a reply as it counts: a 2xx one may hold an error.
  static int StatusOf(const S3Call& call, const net::HttpResponse& response);
  /// Whether the request should be sent again.
  bool Correct(const net::HttpResponse& response, const S3ErrorBody& error, const Route& used,
               Corrections& done);
  bool AdoptRegion(const std::string& region, const Route& used);
  bool AdoptServerTime(const net::HttpResponse& response);
  Status ErrorFrom(const net::HttpResponse& response, const S3ErrorBody& error, int status) const;
  Route route() const;

  const S3Options options_;
  const S3Dialect dialect_;
  const S3Endpoint endpoint_;
  const S3Place place_;
  const std::unique_ptr<net::HttpClient> http_;
  const S3Signer signer_;
  Clock& clock_;
  std::atomic<std::chrono::seconds> clock_offset_{std::chrono::seconds(0)};
  mutable std::mutex mutex_;
  Route route_;
};

}  // namespace milvus_backup::storage
