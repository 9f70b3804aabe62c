/// An S3 server in this process: objects in memory, signatures and checksums verified by code of
/// its own, refusals as real servers word them, and faults on order. Thread-safe.
#pragma once

#include "support/fake_http.h"

#include "milvus_backup/storage/s3_options.h"

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace milvus_backup::testing {

/// What goes wrong with requests that match. Everything that is set happens.
struct FakeFault {
  /// Empty matches every method.
  std::string method;
  /// Part of the target as it came (path and query); empty matches every target.
  std::string target;
  uint32_t times = 1;
  /// Matching requests let through before.
  uint32_t skip = 0;
  /// Called before the request is looked at.
  std::function<void()> before;
  /// Change the request before it is looked at, as a bad wire would.
  std::function<void(FakeRequest& request)> damage;
  /// Answer this instead of serving the request; a text body gets an XML error if `code` is set.
  std::optional<FakeReply> instead;
  /// Change the honest answer, after the request has been served.
  std::function<void(FakeReply& reply)> change;
};

/// `<Error>` with this code; `extra` goes into it as it stands, such as `<Region>x</Region>`.
FakeReply ErrorReply(int status, const std::string& code, const std::string& message = "",
                     const std::string& extra = "");

struct FakeS3Options {
  std::string access_key = "fakekey";
  std::string secret_key = "fakesecret/with+signs";
  std::string session_token = "";
  std::string region = "us-east-1";
  /// How far the server's clock is ahead of ours.
  std::chrono::seconds clock_ahead{0};
  /// Allow requests without signature.
  bool anonymous = false;
  uint64_t min_part = 5 * kMiB;
  /// As some gateways do: headers with checksums are neither compared nor stored nor repeated.
  bool ignores_checksums = false;
  /// ETags are no hashes of the bytes.
  bool opaque_etags = false;
  /// Keep every request for requests() and log(); off where there are millions.
  bool record_requests = true;
};

class FakeS3 {
 public:
  explicit FakeS3(FakeS3Options options = {});

  uint16_t port() const { return server_.port(); }
  /// Options of a client that this server accepts.
  storage::S3Options OptionsFor(const std::string& bucket) const;

  void Plan(FakeFault fault);
  /// Forget what is planned.
  void ClearPlan();
  /// Targets of planned faults that have not happened as often as planned.
  std::string NotHit() const;

  /// `METHOD target` of every request so far.
  std::vector<std::string> log() const;
  std::vector<FakeRequest> requests() const;
  uint64_t connections() const { return server_.connections(); }

  void Put(const std::string& bucket, const std::string& key, std::string bytes);
  void CreateBucket(const std::string& bucket);
  std::optional<std::string> Get(const std::string& bucket, const std::string& key) const;
  size_t unfinished_uploads() const;

 private:
  struct Object {
    std::shared_ptr<const std::string> bytes;
    std::string etag;
    std::chrono::system_clock::time_point modified;
    /// Base64; empty when the server was never told nor asked.
    std::string crc32c;
    /// Bytes of the first part; 0 when the object was not uploaded in parts.
    uint64_t first_part = 0;
  };
  struct UploadState {
    std::string bucket;
    std::string key;
    std::map<uint32_t, Object> parts;
  };
  using Query = std::map<std::string, std::string>;
  using Bucket = std::map<std::string, Object>;

  FakeReply Handle(const FakeRequest& request);
  FakeReply Serve(const FakeRequest& request);
  FakeReply Answer(const FakeRequest& request);
  FakeReply ServeBucket(const FakeRequest& request, const std::string& bucket, const Query& query);
  FakeReply ServeObject(const FakeRequest& request, const std::string& bucket,
                        const std::string& key, const Query& query);
  FakeReply List(const Bucket& objects, const Query& query) const;
  FakeReply ListUploads(const std::string& bucket, const Query& query) const;
  FakeReply DeleteMany(Bucket& objects, const std::string& body) const;
  FakeReply GetObject(const FakeRequest& request, const Object& object) const;
  FakeReply PutObject(const FakeRequest& request, Bucket& objects, const std::string& key);
  FakeReply CopyObject(const FakeRequest& request, Bucket& objects, const std::string& key);
  FakeReply StartUpload(const FakeRequest& request, const std::string& bucket,
                        const std::string& key);
  FakeReply PutPart(const FakeRequest& request, UploadState& upload, const Query& query);
  FakeReply ListParts(const UploadState& upload) const;
  FakeReply Complete(const FakeRequest& request, const std::string& id, UploadState& upload);
  /// The object named by x-amz-copy-source, or the refusal.
  std::optional<FakeReply> FindSource(const FakeRequest& request, Object& source) const;
  std::optional<FakeReply> CheckBody(const FakeRequest& request) const;
  Object MakeObject(std::string bytes, std::string crc32c) const;
  static FakeReply StoredReply(const Object& object);

  const FakeS3Options options_;
  mutable std::mutex mutex_;
  std::map<std::string, Bucket> buckets_;
  std::map<std::string, UploadState> uploads_;
  uint64_t next_upload_ = 1;
  struct Planned {
    FakeFault fault;
    uint32_t hits = 0;
  };
  std::deque<Planned> plan_;
  std::vector<FakeRequest> requests_;
  FakeHttpServer server_;
};

/// The refusal a request earns for its signature, or none. Written from the documentation of
/// Signature Version 4, sharing nothing with the client's signer.
std::optional<FakeReply> CheckSignature(const FakeRequest& request, const FakeS3Options& options);

}  // namespace milvus_backup::testing
