/// Object storage as this program sees it: keys are byte strings, objects are immutable blobs that
/// appear and disappear as a whole. A directory of a disk, a bucket of an S3 service and a map in
/// memory all keep the promises below; tests/conformance holds them to it.
///
/// A Backend owns its connections. Every call may run concurrently with every other, blocks the
/// calling thread (but for those that start on a loop) and starts none. Deadlines and cancellation
/// come from the CallContext alone: when `ctx.stop` was requested before a call, nothing is sent or
/// changed and kCancelled is returned.
#pragma once

#include "milvus_backup/base/bytes.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace milvus_backup::net {
class HttpLoop;
}

namespace milvus_backup::storage {

/// Complete in milvus_backup/storage/request_loop.h.
using RequestLoop = net::HttpLoop;

struct ObjectInfo {
  std::string key;
  uint64_t size = 0;
  /// Opaque version mark of the service, without quotes; may be empty. Not a hash.
  std::string etag;
  std::chrono::system_clock::time_point modified;
  /// Whole-object CRC32C where the service stores one and the call could see it.
  std::optional<uint32_t> crc32c;
};

struct ReadOptions {
  uint64_t offset = 0;
  /// Bytes wanted; none means to the end.
  std::optional<uint64_t> length;
  /// Fail with kAborted when the object's ETag is another one by now.
  std::string if_match;
  /// Bytes the caller expects where no length is given; chooses the size of buffers and nothing
  /// else. 0 means unknown.
  uint64_t expected_bytes = 0;
};

struct ReadInfo {
  /// Size of the whole object, bytes.
  uint64_t object_size = 0;
  std::string etag;
  /// CRC32C of the whole object as the service stores it, when it told.
  std::optional<uint32_t> crc32c;
  /// The ETag is the MD5 of the whole object. False where the reply leaves a doubt.
  bool etag_is_md5 = false;
};

/// Receives the bytes of a Read in order, on the caller's thread, no byte twice. An error stops the
/// read and is returned unchanged. `info` is complete before the first call.
using Sink = std::function<Status(const ReadInfo& info, ByteView chunk)>;
/// Ends a call that was started on a loop.
using ReadDone = std::function<void(Result<ReadInfo>)>;
using PutDone = std::function<void(Result<ObjectInfo>)>;

struct ListRequest {
  std::string prefix;
  /// "/" groups keys below the next slash into `prefixes`; empty lists everything.
  std::string delimiter;
  /// Only keys greater than this one.
  std::string start_after;
  /// Token of the page before; empty asks for the first page.
  std::string token;
  /// Most keys and prefixes wanted on a page; the service may return fewer.
  uint32_t max_keys = 1000;
  /// List what Delete would remove: a symbolic link that otherwise could not be listed is an object
  /// of 0 bytes. Means nothing where there are no links.
  bool links_as_objects = false;
  /// Fill ListPage::passed_over.
  bool names_passed_over = false;
};

struct ListPage {
  /// Ascending by the bytes of the key.
  std::vector<ObjectInfo> objects;
  /// Ascending; each ends with the delimiter.
  std::vector<std::string> prefixes;
  /// What a disk has that is neither an object nor a directory: pipes, sockets, devices. Ascending,
  /// each on one page; at most as many as keys are wanted.
  std::vector<std::string> passed_over{};
  /// Opaque; empty means this was the last page. A page may be empty and still have a token.
  std::string next_token;
};

struct PutOptions {
  /// Fail with kAlreadyExists when the key exists; kUnimplemented where the service cannot tell.
  bool if_absent = false;
  /// CRC32C of the body when the caller knows it; saves computing it again.
  std::optional<uint32_t> crc32c;
  /// Called at most once, on the thread of the call, when the body is not needed any more: its
  /// memory may be used for something else while the service answers. A try that fails afterwards
  /// is not repeated by the layers below. Storages that need the body to the end never call it.
  std::function<void()> on_sent{};
};

struct StartUploadOptions {
  bool if_absent = false;
  /// Size of every part but the last, bytes.
  uint64_t part_size = 0;
  /// Parts will come from CopyPart. Needed where the service cannot mix copied parts with
  /// checksummed ones (MinIO refuses a part copy otherwise).
  bool copies_parts = false;
};

struct ByteRange {
  uint64_t offset = 0;
  uint64_t length = 0;
};

/// Status::service_code of a disk that cannot read or write a file it has.
inline constexpr char kDiskError[] = "EIO";

/// Whether a kUnavailable that is left after all tries may concern the one object only: an answer
/// of the service or the disk, or a body that breaks off, as that of a damaged object does. False
/// where the service cannot be reached or stalls.
bool MayConcernOneObject(const Status& status);

struct PartInfo {
  /// From 1.
  uint32_t number = 0;
  uint64_t size = 0;
  std::string etag;
  std::optional<uint32_t> crc32c;
  /// Whether the service has shown that what it holds is what was sent. Of a part that was listed:
  /// its ETag and checksum are the service's own.
  bool proved = true;
};

struct UploadInfo {
  std::string key;
  std::string upload_id;
  std::chrono::system_clock::time_point initiated;
};

struct DeleteFailure {
  std::string key;
  Status status;
};

class Backend;

/// Where a server-side copy reads. `backend` is one for which CanCopyFrom said yes.
struct CopySource {
  const Backend* backend = nullptr;
  std::string key;
  uint64_t size = 0;
  /// Fail with kAborted when the source's ETag is another one by now; empty means any.
  std::string if_match;
};

/// Limits and optional powers of a backend. Sizes in bytes.
struct Capabilities {
  /// CopyObject and part copy run on the server.
  bool server_copy = false;
  /// PutOptions::if_absent works.
  bool conditional_put = false;
  /// A service that compares uploaded bytes with their CRC32C repeats it in its reply. Where it
  /// does not, nothing is known of them.
  bool repeats_checksums = false;
  uint64_t min_part = 5 * kMiB;
  uint64_t max_part = 5 * kGiB;
  uint32_t max_parts = 10000;
  uint64_t max_put = 5 * kGiB;
  uint64_t max_copy = 5 * kGiB;
  uint32_t delete_batch = 1000;
};

/// A multipart upload. Parts may be uploaded from any thread, in any order; repeating a number
/// replaces that part. Nothing is visible before Complete. The destructor aborts an upload that was
/// neither completed nor detached; it never publishes.
class Upload {
 public:
  Upload() = default;
  Upload(const Upload&) = delete;
  Upload& operator=(const Upload&) = delete;
  virtual ~Upload() = default;

  virtual const std::string& upload_id() const = 0;
  virtual Result<PartInfo> UploadPart(const CallContext& ctx, uint32_t number, ByteView body,
                                      std::optional<uint32_t> crc32c) = 0;
  virtual Result<PartInfo> CopyPart(const CallContext& ctx, uint32_t number,
                                    const CopySource& source, const ByteRange& range) = 0;
  /// Parts the service holds, ascending by number.
  virtual Result<std::vector<PartInfo>> ListParts(const CallContext& ctx) = 0;
  /// The only commit. `parts` ascending by number, without gaps.
  virtual Result<ObjectInfo> Complete(const CallContext& ctx,
                                      const std::vector<PartInfo>& parts) = 0;
  /// Idempotent; an upload that is already gone is a success.
  virtual Status Abort(const CallContext& ctx) = 0;
  /// Leave the upload on the server to be resumed by ResumeUpload.
  virtual void Detach() = 0;
};

class Backend {
 public:
  Backend() = default;
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;
  virtual ~Backend() = default;

  /// For people and logs, such as `s3://bucket at 127.0.0.1:9000`; never contains secrets.
  virtual std::string Describe() const = 0;
  virtual const Capabilities& caps() const = 0;
  /// The backend inside a wrapper, else null.
  virtual const Backend* Unwrap() const { return nullptr; }
  /// What Unwrap() calls the object that is `key` here; a sub-tree view adds its prefix.
  virtual std::string UnwrapKey(const std::string& key) const { return key; }

  /// The cheapest call that proves endpoint, credentials and bucket: list one key.
  virtual Status CheckAccess(const CallContext& ctx) = 0;
  /// Create the bucket or directory; one that is already ours is a success.
  virtual Status CreateContainer(const CallContext& ctx) = 0;

  /// kNotFound when the key is absent.
  virtual Result<ObjectInfo> Stat(const CallContext& ctx, const std::string& key) = 0;
  /// kNotFound when absent; kOutOfRange when `offset` is past the end (or at the end of a
  /// non-empty request); a length past the end is cut. An empty object read from 0 calls the sink
  /// never and succeeds.
  virtual Result<ReadInfo> Read(const CallContext& ctx, const std::string& key,
                                const ReadOptions& options, const Sink& sink) = 0;
  /// Bytes of the first part of an object that was uploaded in parts. kAborted when its ETag is not
  /// `if_match` any more (unless that is empty), kUnimplemented where the service does not tell.
  virtual Result<uint64_t> FirstPartSize(const CallContext& ctx, const std::string& key,
                                         const std::string& if_match);
  virtual Result<ListPage> List(const CallContext& ctx, const ListRequest& request) = 0;
  /// Atomic: readers see the old or the new object. At most caps().max_put bytes.
  virtual Result<ObjectInfo> Put(const CallContext& ctx, const std::string& key, ByteView body,
                                 const PutOptions& options) = 0;
  /// Whether StartRead and StartPut may be called.
  virtual bool starts_calls() const { return false; }
  /// Begin a Read or a Put on a loop, by the loop's thread, which calls the sink, `on_sent` and,
  /// once and last, `done` when it is turned; the body of a Put must be valid until one of the
  /// latter. The call is made once: where Read or Put would try again the error is kTransient or
  /// kThrottled, and they may be called. The pacer of the context is not asked.
  virtual void StartRead(RequestLoop& loop, const CallContext& ctx, const std::string& key,
                         const ReadOptions& options, Sink sink, ReadDone done);
  virtual void StartPut(RequestLoop& loop, const CallContext& ctx, const std::string& key,
                        ByteView body, const PutOptions& options, PutDone done);
  virtual Result<std::unique_ptr<Upload>> StartUpload(const CallContext& ctx,
                                                      const std::string& key,
                                                      const StartUploadOptions& options) = 0;
  /// Unfinished uploads of exactly this key (MinIO answers for exact keys only).
  virtual Result<std::vector<UploadInfo>> ListUploads(const CallContext& ctx,
                                                      const std::string& key) = 0;
  virtual Result<std::unique_ptr<Upload>> ResumeUpload(const CallContext& ctx,
                                                       const std::string& key,
                                                       const std::string& upload_id) = 0;
  /// Whether Copy and CopyPart may name `source`: same service, so no byte passes through us.
  virtual bool CanCopyFrom(const Backend& source) const = 0;
  /// Server-side copy of a whole object of at most caps().max_copy bytes.
  virtual Result<ObjectInfo> Copy(const CallContext& ctx, const CopySource& source,
                                  const std::string& key) = 0;
  /// A missing key is a success.
  virtual Status Delete(const CallContext& ctx, const std::string& key) = 0;
  /// Any number of keys, batched inside; returns the keys that could not be deleted.
  virtual Result<std::vector<DeleteFailure>> DeleteMany(const CallContext& ctx,
                                                        const std::vector<std::string>& keys) = 0;
  /// Whether Delete can come to what is under `prefix` (which ends with a slash): on a disk a
  /// symbolic link on the way is an error that names it. What is missing is no hindrance, and
  /// rights are not looked at. Sends nothing.
  virtual Status CheckDeletable(const CallContext& ctx, const std::string& prefix);
  /// After the objects under `prefix` (which ends with a slash) have been deleted: remove what is
  /// no object but takes room there, such as empty directories and what writers that died left
  /// behind, then directories above that have become empty. Nobody may be writing under `prefix`.
  /// Nothing happens where there are no directories.
  virtual Status RemoveRemains(const CallContext& ctx, const std::string& prefix);
  /// Remove what writers that died left behind below `prefix` (which ends with a slash, or is empty
  /// for everything), and nothing else: others may be writing there. Nothing happens where a writer
  /// that dies leaves nothing.
  virtual Status RemoveDeadWrites(const CallContext& ctx, const std::string& prefix);
};

/// The backend at the heart of any stack of wrappers.
const Backend& Innermost(const Backend& backend);

/// A stretch of a listing: keys that start with `prefix`, are greater than `after` and not greater
/// than `last`. An empty bound is none.
struct KeyRange {
  std::string prefix;
  std::string after{};
  std::string last{};
  /// As ListRequest::links_as_objects.
  bool links_as_objects = false;
  /// Called, on the thread that reads the listing, for what ListPage::passed_over has, in any order
  /// with the objects of the page.
  std::function<void(const std::string& key)> passed_over{};
};

/// Call `visit` for every object of the range in key order, page by page, fetching the next page
/// while `visit` works on the current one. Stops at the first error of either.
Status ForEachObject(const CallContext& ctx, Backend& backend, const KeyRange& range,
                     const std::function<Status(const ObjectInfo&)>& visit);
/// The same for every object under `prefix`.
Status ForEachObject(const CallContext& ctx, Backend& backend, const std::string& prefix,
                     const std::function<Status(const ObjectInfo&)>& visit);

/// Abort the unfinished uploads of exactly `key`, but the one with the id `kept`.
Status AbortUploads(const CallContext& ctx, Backend& backend, const std::string& key,
                    const std::string& kept = "");

/// Read a whole object of at most `max_bytes` into memory; kOutOfRange when it is larger.
Result<std::string> ReadAll(const CallContext& ctx, Backend& backend, const std::string& key,
                            size_t max_bytes);

}  // namespace milvus_backup::storage
