#include "s3_object_internal.h"
#include "s3_time_internal.h"
#include "s3_upload_internal.h"
#include "s3_xml_internal.h"

#include "milvus_backup/base/checksum.h"
#include "milvus_backup/base/encoding.h"

#include <charconv>
#include <optional>
#include <utility>

namespace milvus_backup::storage {
namespace {

constexpr size_t kStreamBuffer = 128 * kKiB;
/// With hundreds of small objects on their way, large buffers would be most of the memory.
constexpr size_t kSmallObject = 64 * kKiB;
constexpr size_t kSmallBuffer = 32 * kKiB;

std::optional<uint64_t> Number(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// `bytes 5-9/100`
struct ContentRange {
  uint64_t first = 0;
  uint64_t last = 0;
  uint64_t total = 0;
};

std::optional<ContentRange> ParseContentRange(std::string_view text) {
  if (!text.starts_with("bytes ")) return std::nullopt;
  text.remove_prefix(6);
  const size_t dash = text.find('-');
  const size_t slash = text.find('/');
  if (dash == text.npos || slash == text.npos || dash > slash) return std::nullopt;
  const auto first = Number(text.substr(0, dash));
  const auto last = Number(text.substr(dash + 1, slash - dash - 1));
  const auto total = Number(text.substr(slash + 1));
  if (!first || !last || !total || *first > *last || *last >= *total) return std::nullopt;
  return ContentRange{*first, *last, *total};
}

/// The checksum of the whole object, when that is what the reply carries.
std::optional<uint32_t> WholeCrc32c(const net::HttpResponse& response) {
  if (!ComputesCrc32c(response)) return std::nullopt;
  const std::string_view type = response.Header("x-amz-checksum-type");
  // Servers without types (MinIO before 2025) have composite values for objects made of parts.
  const bool of_parts = response.Header("etag").find('-') != std::string_view::npos;
  if (type.empty() ? of_parts : type != "FULL_OBJECT") return std::nullopt;
  return DecodeCrc32c(response.Header("x-amz-checksum-crc32c"));
}

/// Whether the ETag is the MD5 of the object: in the form of one, and nothing of the reply speaks
/// of an encryption under which it is another value (S3 API reference, "Object": ETag; encryption
/// with the service's own key, AES256, leaves it an MD5).
bool StatesMd5(const net::HttpResponse& response) {
  constexpr size_t kMd5Digits = 32;
  const std::string_view etag = response.Header("etag");
  const std::string plain = StripQuotes(etag);
  if (plain.size() != kMd5Digits || !HexDecode(plain)) return false;
  for (const char* vendor : {"x-amz-", "x-oss-", "x-cos-", "x-obs-"}) {
    const std::string name = std::string(vendor) + "server-side-encryption";
    const std::string_view kind = response.Header(name);
    if (!kind.empty() && kind != "AES256") return false;
    if (!response.Header(name + "-customer-algorithm").empty()) return false;
  }
  return response.Header("x-goog-encryption-kms-key-name").empty() &&
         response.Header("x-goog-encryption-algorithm").empty();
}

Status Unusable(const S3Place& place, const std::string& what) {
  return InternalError("bucket " + place.bucket + " at " + place.endpoint + ": " + what)
      .WithOrigin(Origin::kStorage);
}

bool WantsRange(const ReadOptions& options) {
  return options.offset > 0 || options.length.has_value();
}

/// Check that the reply is the range asked for and learn the object's size from it.
Result<ReadInfo> CheckHead(const S3Place& place, const ReadOptions& options,
                           const net::HttpResponse& head) {
  ReadInfo info;
  info.etag = StripQuotes(head.Header("etag"));
  info.etag_is_md5 = StatesMd5(head);
  const auto length = Number(head.Header("content-length"));
  if (!WantsRange(options)) {
    if (head.status != 200 || !length) {
      return Unusable(place, "a read was answered without Content-Length");
    }
    info.object_size = *length;
    info.crc32c = WholeCrc32c(head);
    return info;
  }
  if (head.status != 206) return Unusable(place, "the service ignored the Range of a read");
  const auto range = ParseContentRange(head.Header("content-range"));
  if (!range) return Unusable(place, "a ranged read was answered without a usable Content-Range");
  const uint64_t wanted_end =
      options.length ? std::min(options.offset + *options.length, range->total) : range->total;
  if (range->first != options.offset || range->last + 1 != wanted_end) {
    return Unusable(place, "a ranged read was answered with another range");
  }
  info.object_size = range->total;
  return info;
}

/// A range that starts at the end of the object: fine for an empty read and for an empty object.
Result<ReadInfo> ReadNothing(const CallContext& ctx, S3Client& client, const std::string& key,
                             const ReadOptions& options) {
  MB_ASSIGN_OR_RETURN(const ObjectInfo info, HeadObject(ctx, client, key));
  if (!options.if_match.empty() && options.if_match != info.etag) {
    return Status(Code::kAborted, "the object has changed").WithOrigin(Origin::kStorage);
  }
  const bool empty_read = options.length && *options.length == 0;
  if (options.offset > info.size || (!empty_read && info.size > 0)) {
    return Status(Code::kOutOfRange, "offset " + std::to_string(options.offset) +
                                         " is past the end of " + std::to_string(info.size) +
                                         " bytes")
        .WithOrigin(Origin::kStorage);
  }
  return ReadInfo{info.size, info.etag, info.crc32c};
}

S3Call HeadCall(const S3Client& client, const std::string& key) {
  S3Call call;
  call.method = "HEAD";
  call.path = client.endpoint().ObjectPath(key);
  if (client.dialect().checksum_header) {
    call.headers.push_back({"x-amz-checksum-mode", "ENABLED"});
  }
  return call;
}

/// A GET of one byte tells what a HEAD was refused for, and brings about the same corrections.
Status ReasonOfRefusal(const CallContext& ctx, S3Client& client, const std::string& key) {
  S3Call call;
  call.path = client.endpoint().ObjectPath(key);
  call.headers.push_back({"range", "bytes=0-0"});
  Result<net::HttpResponse> reply = client.Send(ctx, call);
  if (reply.ok() || reply.status().code() == Code::kOutOfRange) return Status::Ok();
  return std::move(reply).status();
}

std::string Reading(const std::string& key) { return "reading " + key; }

/// A GET with the check of its reply.
class Getting {
 public:
  /// Borrows the client.
  Getting(const S3Client& client, const std::string& key, const ReadOptions& options, Sink sink)
      : client_(client), key_(key), options_(options), sink_(std::move(sink)) {}

  S3Call Call() const;
  Status Take(const net::HttpResponse& head, ByteView chunk);
  Result<ReadInfo> End(Result<net::HttpResponse> reply);
  bool sink_failed() const { return sink_failed_; }

 private:
  Status TakeHead(const net::HttpResponse& head) {
    MB_ASSIGN_OR_RETURN(info_, CheckHead(client_.place(), options_, head));
    return Status::Ok();
  }

  const S3Client& client_;
  const std::string key_;
  const ReadOptions options_;
  const Sink sink_;
  std::optional<ReadInfo> info_;
  bool sink_failed_ = false;
};

S3Call Getting::Call() const {
  S3Call call;
  call.path = client_.endpoint().ObjectPath(key_);
  const uint64_t expected = options_.length.value_or(options_.expected_bytes);
  call.receive_buffer = expected > 0 && expected <= kSmallObject ? kSmallBuffer : kStreamBuffer;
  if (WantsRange(options_)) {
    std::string range = "bytes=" + std::to_string(options_.offset) + "-";
    if (options_.length) range += std::to_string(options_.offset + *options_.length - 1);
    call.headers.push_back({"range", std::move(range)});
  } else if (client_.dialect().checksum_header) {
    call.headers.push_back({"x-amz-checksum-mode", "ENABLED"});
  }
  if (!options_.if_match.empty()) {
    call.headers.push_back({"if-match", "\"" + options_.if_match + "\""});
  }
  return call;
}

Status Getting::Take(const net::HttpResponse& head, ByteView chunk) {
  if (!info_) MB_RETURN_IF_ERROR(TakeHead(head));
  Status status = sink_(*info_, chunk);
  sink_failed_ = !status.ok();
  return status;
}

Result<ReadInfo> Getting::End(Result<net::HttpResponse> reply) {
  if (!reply.ok()) {
    Status status = std::move(reply).status();
    if (sink_failed_) return status;
    status = std::move(status).Annotate(Reading(key_));
    return options_.if_match.empty() ? status : AsChanged(key_, std::move(status));
  }
  if (!info_) {
    if (Status status = TakeHead(*reply); !status.ok()) {
      return std::move(status).Annotate(Reading(key_));
    }
  }
  return *std::move(info_);
}

/// A PUT with the check of its reply.
class Putting {
 public:
  /// Borrows the client and the body.
  Putting(const S3Client& client, const std::string& key, ByteView body, const PutOptions& options)
      : client_(client), key_(key), body_(body), options_(options) {}

  Status CheckPossible() const {
    if (!options_.if_absent || !client_.dialect().if_absent_header.empty()) return Status::Ok();
    return UnimplementedError("the service cannot create an object only if it is absent")
        .WithOrigin(Origin::kStorage);
  }
  S3Call Call();
  Result<ObjectInfo> End(Result<net::HttpResponse> reply) const;

 private:
  const S3Client& client_;
  const std::string key_;
  const ByteView body_;
  const PutOptions options_;
  std::optional<uint32_t> crc32c_;
};

S3Call Putting::Call() {
  const S3Dialect& dialect = client_.dialect();
  S3Call call;
  call.method = "PUT";
  call.path = client_.endpoint().ObjectPath(key_);
  call.body = body_;
  call.on_body_sent = options_.on_sent;
  if (options_.if_absent) {
    call.headers.push_back({dialect.if_absent_header, dialect.if_absent_value});
  }
  crc32c_ = AddChecksum(dialect.checksum_header, body_, options_.crc32c, call.headers).crc32c;
  return call;
}

Result<ObjectInfo> Putting::End(Result<net::HttpResponse> reply) const {
  if (!reply.ok()) {
    if (options_.if_absent && reply.status().code() == Code::kAborted) {
      return AlreadyExists(client_.place(), key_, reply.status());
    }
    return std::move(reply).status().Annotate("writing " + key_);
  }
  ObjectInfo info{key_, body_.size(), StripQuotes(reply->Header("etag")), ServerTime(*reply),
                  std::nullopt};
  // Whoever repeats the checksum has compared it; others may have passed it by.
  if (crc32c_ && DecodeCrc32c(reply->Header("x-amz-checksum-crc32c")) == crc32c_ &&
      ComputesCrc32c(*reply)) {
    info.crc32c = crc32c_;
  }
  return info;
}

}  // namespace

std::chrono::system_clock::time_point ServerTime(const net::HttpResponse& response) {
  return ParseHttpDate(response.Header("date")).value_or(std::chrono::system_clock::time_point());
}

bool ComputesCrc32c(const net::HttpResponse& response) {
  return !response.Header("server").starts_with("Werkzeug");
}

Status AlreadyExists(const S3Place& place, const std::string& key, const Status& refused) {
  return AlreadyExistsError("bucket " + place.bucket + " at " + place.endpoint + ": " + key +
                            " exists already")
      .WithService(refused.service_code(), refused.http_status(), refused.request_id())
      .WithOrigin(Origin::kStorage);
}

Result<ObjectInfo> HeadObject(const CallContext& ctx, S3Client& client, const std::string& key) {
  Result<net::HttpResponse> reply = client.Send(ctx, HeadCall(client, key));
  if (!reply.ok()) {
    const Status& refused = reply.status();
    const int status = refused.http_status();
    const bool unexplained = refused.service_code().empty() &&
                             (status == 301 || status == 307 || status == 400 || status == 403);
    if (unexplained) {
      MB_RETURN_IF_ERROR(ReasonOfRefusal(ctx, client, key).Annotate("looking at " + key));
      reply = client.Send(ctx, HeadCall(client, key));
    }
  }
  if (!reply.ok()) return std::move(reply).status().Annotate("looking at " + key);
  const auto size = Number(reply->Header("content-length"));
  if (!size) {
    return Unusable(client.place(), "no Content-Length").Annotate("looking at " + key);
  }
  ObjectInfo info;
  info.key = key;
  info.size = *size;
  info.etag = StripQuotes(reply->Header("etag"));
  info.modified = ParseHttpDate(reply->Header("last-modified"))
                      .value_or(std::chrono::system_clock::time_point());
  info.crc32c = WholeCrc32c(*reply);
  return info;
}

Result<uint64_t> HeadFirstPart(const CallContext& ctx, S3Client& client, const std::string& key,
                               const std::string& if_match) {
  S3Call call;
  call.method = "HEAD";
  call.path = client.endpoint().ObjectPath(key);
  call.query = {{"partNumber", "1"}};
  if (!if_match.empty()) call.headers.push_back({"if-match", "\"" + if_match + "\""});
  const std::string doing = "looking at part 1 of " + key;
  Result<net::HttpResponse> reply = client.Send(ctx, call);
  if (!reply.ok()) return std::move(reply).status().Annotate(doing);
  const auto size = Number(reply->Header("content-length"));
  if (reply->status != 206 || !size) {
    return UnimplementedError("the service does not tell its parts")
        .WithOrigin(Origin::kStorage)
        .Annotate(doing);
  }
  return *size;
}

Result<ReadInfo> GetObject(const CallContext& ctx, S3Client& client, const std::string& key,
                           const ReadOptions& options, const Sink& sink) {
  if (options.length && *options.length == 0) {
    Result<ReadInfo> nothing = ReadNothing(ctx, client, key, options);
    if (!nothing.ok()) return std::move(nothing).status().Annotate(Reading(key));
    return nothing;
  }
  Getting getting(client, key, options, sink);
  Result<net::HttpResponse> reply = client.Send(
      ctx, getting.Call(),
      [&](const net::HttpResponse& head, ByteView chunk) { return getting.Take(head, chunk); });
  if (reply.status().code() == Code::kOutOfRange && options.offset == 0 && !getting.sink_failed()) {
    Result<ReadInfo> nothing = ReadNothing(ctx, client, key, options);
    if (nothing.ok()) return nothing;
    return std::move(nothing).status().Annotate(Reading(key));
  }
  return getting.End(std::move(reply));
}

void StartGetObject(RequestLoop& loop, const CallContext& ctx, S3Client& client,
                    const std::string& key, const ReadOptions& options, Sink sink, ReadDone done) {
  auto getting = std::make_shared<Getting>(client, key, options, std::move(sink));
  client.Start(
      loop, ctx, getting->Call(),
      [getting](const net::HttpResponse& head, ByteView chunk) {
        return getting->Take(head, chunk);
      },
      [getting, done = std::move(done)](Result<net::HttpResponse> reply) {
        done(getting->End(std::move(reply)));
      });
}

Result<ObjectInfo> PutObject(const CallContext& ctx, S3Client& client, const std::string& key,
                             ByteView body, const PutOptions& options) {
  Putting putting(client, key, body, options);
  MB_RETURN_IF_ERROR(putting.CheckPossible());
  return putting.End(client.Send(ctx, putting.Call()));
}

void StartPutObject(RequestLoop& loop, const CallContext& ctx, S3Client& client,
                    const std::string& key, ByteView body, const PutOptions& options,
                    PutDone done) {
  auto putting = std::make_shared<Putting>(client, key, body, options);
  // Without the condition the call is made in no case.
  MB_CHECK(putting->CheckPossible().ok());
  client.Start(loop, ctx, putting->Call(), nullptr,
               [putting, done = std::move(done)](Result<net::HttpResponse> reply) {
                 done(putting->End(std::move(reply)));
               });
}

Result<ObjectInfo> CopyObject(const CallContext& ctx, S3Client& client, const CopySource& source,
                              const std::string& key) {
  MB_ASSIGN_OR_RETURN(const auto from, ResolveS3Source(source));
  S3Call call;
  call.method = "PUT";
  call.path = client.endpoint().ObjectPath(key);
  call.headers.push_back({"x-amz-copy-source", CopySourceHeader(from.first, from.second)});
  if (!source.if_match.empty()) {
    call.headers.push_back({"x-amz-copy-source-if-match", "\"" + source.if_match + "\""});
  }
  if (client.dialect().checksum_header) {
    call.headers.push_back({"x-amz-checksum-algorithm", "CRC32C"});
  }
  call.error_in_success = true;
  call.stall_timeout = kLongStall;
  // What the service moves cannot be measured, so the whole counts before it begins.
  if (ctx.pacer != nullptr) MB_RETURN_IF_ERROR(ctx.pacer->BeforeBytes(ctx, source.size));
  Result<net::HttpResponse> reply = client.Send(ctx, call);
  const std::string doing = "copying " + from.first + "/" + from.second + " to " + key;
  if (!reply.ok()) return std::move(reply).status().Annotate(doing);
  Result<S3ObjectReply> copied = ParseObjectReply(reply->body);
  if (!copied.ok()) {
    return std::move(copied).status().WithOrigin(Origin::kStorage).Annotate(doing);
  }
  ObjectInfo info{key, source.size, copied->etag, copied->modified, std::nullopt};
  if (copied->checksum_type != "COMPOSITE" && ComputesCrc32c(*reply)) info.crc32c = copied->crc32c;
  return info;
}

}  // namespace milvus_backup::storage
