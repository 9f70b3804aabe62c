#include "s3_error_internal.h"
#include "s3_object_internal.h"
#include "s3_upload_internal.h"
#include "s3_xml_internal.h"

#include "milvus_backup/base/checksum.h"
#include "milvus_backup/base/encoding.h"
#include "milvus_backup/base/log.h"

#include <algorithm>
#include <utility>

namespace milvus_backup::storage {
namespace {

constexpr std::chrono::seconds kAbortTime{5};

uint64_t TotalSize(const std::vector<PartInfo>& parts) {
  uint64_t total = 0;
  for (const PartInfo& part : parts) total += part.size;
  return total;
}

/// CRC32C of the whole object, when every part's is known.
std::optional<uint32_t> CombinedCrc32c(const std::vector<PartInfo>& parts) {
  uint32_t crc = 0;
  for (const PartInfo& part : parts) {
    if (!part.crc32c) return std::nullopt;
    crc = CombineCrc32c(crc, *part.crc32c, part.size);
  }
  return crc;
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/// The ETag AWS, MinIO and Ceph give a multipart object: MD5 of the parts' MD5s, then their number.
std::string MultipartEtag(const std::vector<PartInfo>& parts) {
  std::string digests;
  for (const PartInfo& part : parts) {
    if (part.etag.size() != 32) return {};
    for (size_t i = 0; i < part.etag.size(); i += 2) {
      const int high = HexDigit(part.etag[i]);
      const int low = HexDigit(part.etag[i + 1]);
      if (high < 0 || low < 0) return {};
      digests.push_back(static_cast<char>(high * 16 + low));
    }
  }
  return HexEncode(Md5(AsBytes(digests))) + "-" + std::to_string(parts.size());
}

bool LooksLikeMd5(std::string_view etag) {
  return etag.size() == 2 * Md5Digest().size() &&
         std::ranges::all_of(etag, [](char c) { return HexDigit(c) >= 0; });
}

/// Whether the reply to a part shows that the service holds these bytes.
bool IsProved(const net::HttpResponse& reply, const std::string& etag, const SentHash& sent,
              ByteView body) {
  // Whoever repeats the checksum has compared it; others may have passed it by.
  if (sent.crc32c && DecodeCrc32c(reply.Header("x-amz-checksum-crc32c")) == sent.crc32c &&
      ComputesCrc32c(reply)) {
    return true;
  }
  // Content-MD5 is as old as S3 and verified by all who are told of it.
  if (sent.md5) return true;
  return LooksLikeMd5(etag) && etag == HexEncode(Md5(body));
}

}  // namespace

std::string CopySourceHeader(const std::string& bucket, const std::string& key) {
  return "/" + PercentEncode(bucket, false) + "/" + PercentEncode(key, true);
}

SentHash AddChecksum(bool as_crc32c, ByteView body, std::optional<uint32_t> known,
                     net::HttpHeaders& headers) {
  SentHash sent;
  if (as_crc32c) {
    sent.crc32c = known ? *known : Crc32c(body);
    headers.push_back({"x-amz-checksum-crc32c", EncodeCrc32c(*sent.crc32c)});
  } else {
    sent.md5 = Md5(body);
    headers.push_back({"content-md5", Base64Encode(*sent.md5)});
  }
  return sent;
}

Result<std::unique_ptr<Upload>> S3Upload::Start(const CallContext& ctx, S3Client& client,
                                                const std::string& key,
                                                const StartUploadOptions& options) {
  const S3Dialect& dialect = client.dialect();
  S3Call call;
  call.method = "POST";
  call.path = client.endpoint().ObjectPath(key);
  call.query = {{"uploads", ""}};
  // Each one starts an upload.
  call.repeatable = false;
  const bool checksums =
      dialect.checksum_header && (dialect.part_copy_checksum || !options.copies_parts);
  if (checksums) {
    call.headers.push_back({"x-amz-checksum-algorithm", "CRC32C"});
    call.headers.push_back({"x-amz-checksum-type", "FULL_OBJECT"});
  }
  const bool vendor_header = !dialect.if_absent_header.starts_with("if-");
  if (options.if_absent) {
    if (dialect.if_absent_header.empty()) {
      return UnimplementedError("the service cannot create an object only if it is absent")
          .WithOrigin(Origin::kStorage);
    }
    if (vendor_header) {
      call.headers.push_back({dialect.if_absent_header, dialect.if_absent_value});
    }
  }
  Result<net::HttpResponse> reply = client.Send(ctx, call);
  if (!reply.ok()) return std::move(reply).status().Annotate("starting the upload of " + key);
  Result<std::string> id = ParseUploadId(reply->body);
  if (!id.ok()) return std::move(id).status().WithOrigin(Origin::kStorage).Annotate(key);
  S3UploadState state{key, *std::move(id), options.if_absent, checksums,
                      reply->Header("x-amz-checksum-type") == "FULL_OBJECT"};
  return std::unique_ptr<Upload>(new S3Upload(client, std::move(state)));
}

Result<std::unique_ptr<Upload>> S3Upload::Resume(const CallContext& ctx, S3Client& client,
                                                 const std::string& key,
                                                 const std::string& upload_id) {
  S3Call call;
  call.path = client.endpoint().ObjectPath(key);
  call.query = {{"uploadId", upload_id}, {"max-parts", "1"}};
  Result<net::HttpResponse> reply = client.Send(ctx, call);
  if (!reply.ok()) return std::move(reply).status().Annotate("resuming the upload of " + key);
  MB_ASSIGN_OR_RETURN(const S3PartsReply found, ParsePartsReply(reply->body));
  S3UploadState state{key, upload_id, false, found.checksum_algorithm == "CRC32C",
                      found.checksum_type == "FULL_OBJECT"};
  return std::unique_ptr<Upload>(new S3Upload(client, std::move(state)));
}

S3Upload::~S3Upload() {
  if (finished_) return;
  CallContext ctx;
  ctx.deadline = std::chrono::steady_clock::now() + kAbortTime;
  if (const Status status = Abort(ctx); !status.ok()) {
    log::Warn("storage abort key={} upload_id={} error={}", state_.key, state_.upload_id,
              status.ToString());
  }
}

S3Call S3Upload::CallFor(std::string method) const {
  S3Call call;
  call.method = std::move(method);
  call.path = client_.endpoint().ObjectPath(state_.key);
  call.query = {{"uploadId", state_.upload_id}};
  return call;
}

std::string S3Upload::Doing(const char* what) const {
  return std::string(what) + " of the upload of " + state_.key;
}

Result<PartInfo> S3Upload::UploadPart(const CallContext& ctx, uint32_t number, ByteView body,
                                      std::optional<uint32_t> crc32c) {
  S3Call call = CallFor("PUT");
  call.query.emplace_back("partNumber", std::to_string(number));
  call.body = body;
  // Of another algorithm than the upload's a part would be refused.
  const SentHash sent = AddChecksum(state_.crc32c, body, crc32c, call.headers);
  Result<net::HttpResponse> reply = client_.Send(ctx, call);
  const std::string part = "part " + std::to_string(number);
  if (!reply.ok()) return std::move(reply).status().Annotate(Doing(part.c_str()));
  PartInfo info{number, body.size(), StripQuotes(reply->Header("etag")),
                sent.crc32c ? sent.crc32c : crc32c};
  if (info.etag.empty()) {
    return InternalError("the service gave the part no ETag")
        .WithOrigin(Origin::kStorage)
        .Annotate(Doing(part.c_str()));
  }
  info.proved = IsProved(*reply, info.etag, sent, body);
  return info;
}

Result<PartInfo> S3Upload::CopyPart(const CallContext& ctx, uint32_t number,
                                    const CopySource& source, const ByteRange& range) {
  if (!client_.dialect().part_copy) {
    return UnimplementedError("the service cannot copy parts").WithOrigin(Origin::kStorage);
  }
  if (range.length == 0) return InvalidArgumentError("a copied part must not be empty");
  MB_ASSIGN_OR_RETURN(const auto from, ResolveS3Source(source));
  S3Call call = CallFor("PUT");
  call.query.emplace_back("partNumber", std::to_string(number));
  call.headers.push_back({"x-amz-copy-source", CopySourceHeader(from.first, from.second)});
  call.headers.push_back(
      {"x-amz-copy-source-range", "bytes=" + std::to_string(range.offset) + "-" +
                                      std::to_string(range.offset + range.length - 1)});
  if (!source.if_match.empty()) {
    call.headers.push_back({"x-amz-copy-source-if-match", "\"" + source.if_match + "\""});
  }
  call.error_in_success = true;
  call.stall_timeout = kLongStall;
  if (ctx.pacer != nullptr) MB_RETURN_IF_ERROR(ctx.pacer->BeforeBytes(ctx, range.length));
  const std::string part = "copied part " + std::to_string(number);
  Result<net::HttpResponse> reply = client_.Send(ctx, call);
  if (!reply.ok()) {
    Status error = std::move(reply).status();
    if (!source.if_match.empty()) error = AsChanged(source.key, std::move(error));
    return std::move(error).Annotate(Doing(part.c_str()));
  }
  Result<S3ObjectReply> copied = ParseObjectReply(reply->body);
  if (!copied.ok()) {
    return std::move(copied).status().WithOrigin(Origin::kStorage).Annotate(Doing(part.c_str()));
  }
  PartInfo info{number, range.length, copied->etag, std::nullopt};
  if (state_.crc32c && ComputesCrc32c(*reply)) info.crc32c = copied->crc32c;
  return info;
}

Result<std::vector<PartInfo>> S3Upload::ListParts(const CallContext& ctx) {
  std::vector<PartInfo> parts;
  for (uint32_t marker = 0;;) {
    S3Call call = CallFor("GET");
    if (marker > 0) call.query.emplace_back("part-number-marker", std::to_string(marker));
    Result<net::HttpResponse> reply = client_.Send(ctx, call);
    if (!reply.ok()) return std::move(reply).status().Annotate(Doing("listing parts"));
    Result<S3PartsReply> page = ParsePartsReply(reply->body);
    if (!page.ok()) {
      return std::move(page).status().WithOrigin(Origin::kStorage).Annotate(Doing("listing parts"));
    }
    const uint32_t before = marker;
    for (PartInfo& part : page->parts) {
      if (!ComputesCrc32c(*reply)) part.crc32c.reset();
      marker = std::max(marker, part.number);
      parts.push_back(std::move(part));
    }
    if (!page->truncated) break;
    marker = std::max(marker, page->next_marker);
    if (marker == before) return InternalError(Doing("the list of parts does not advance: parts"));
  }
  std::sort(parts.begin(), parts.end(),
            [](const PartInfo& a, const PartInfo& b) { return a.number < b.number; });
  return parts;
}

Result<ObjectInfo> S3Upload::Complete(const CallContext& ctx, const std::vector<PartInfo>& parts) {
  const std::string body = CompleteBody(parts, state_.crc32c);
  const std::optional<uint32_t> crc = CombinedCrc32c(parts);
  S3Call call = CallFor("POST");
  call.body = AsBytes(body);
  call.hash_body = true;
  call.error_in_success = true;
  call.stall_timeout = kLongStall;
  call.headers.push_back({"content-type", "application/xml"});
  if (state_.if_absent) {
    call.headers.push_back({client_.dialect().if_absent_header, client_.dialect().if_absent_value});
  }
  if (state_.full_object) {
    call.headers.push_back({"x-amz-checksum-type", "FULL_OBJECT"});
    if (crc) call.headers.push_back({"x-amz-checksum-crc32c", EncodeCrc32c(*crc)});
  }
  Result<net::HttpResponse> reply = client_.Send(ctx, call);
  if (!reply.ok()) {
    Status error = std::move(reply).status();
    const bool exists = state_.if_absent && error.code() == Code::kAborted;
    if (exists) error = AlreadyExists(client_.place(), state_.key, error);
    // A completed upload is gone too, and whoever stands between us and the service may have sent
    // the request twice.
    if (error.service_code() == "NoSuchUpload" || (uncertain_ && exists)) {
      return CheckCommitted(ctx, parts, std::move(error));
    }
    // Whatever was not refused by the service may have been done by it.
    if (error.http_status() == 0 || error.retry_class() != RetryClass::kNever) uncertain_ = true;
    return std::move(error).Annotate(Doing("completion"));
  }
  Result<S3ObjectReply> done = ParseObjectReply(reply->body);
  if (!done.ok()) {
    uncertain_ = true;
    return std::move(done).status().WithOrigin(Origin::kStorage).Annotate(Doing("completion"));
  }
  finished_ = true;
  ObjectInfo info;
  info.key = state_.key;
  info.size = TotalSize(parts);
  info.etag = done->etag;
  info.modified = ServerTime(*reply);
  if (state_.full_object && ComputesCrc32c(*reply)) info.crc32c = crc ? crc : done->crc32c;
  return info;
}

Result<ObjectInfo> S3Upload::CheckCommitted(const CallContext& ctx,
                                            const std::vector<PartInfo>& parts, Status error) {
  Result<ObjectInfo> found = HeadObject(ctx, client_, state_.key);
  if (!found.ok()) {
    const bool is_missing = found.status().code() == Code::kNotFound;
    return (is_missing ? std::move(error) : std::move(found).status())
        .Annotate(Doing("completion"));
  }
  const std::optional<uint32_t> crc = CombinedCrc32c(parts);
  const bool same_crc = crc && found->crc32c && *crc == *found->crc32c;
  const bool same_etag = !found->etag.empty() && found->etag == MultipartEtag(parts);
  if (found->size != TotalSize(parts) || !(same_crc || same_etag)) {
    return std::move(error).Annotate(Doing("another object has appeared during the completion"));
  }
  finished_ = true;
  return found;
}

Status S3Upload::Abort(const CallContext& ctx) {
  Result<net::HttpResponse> reply = client_.Send(ctx, CallFor("DELETE"));
  if (!reply.ok() && reply.status().code() != Code::kNotFound) {
    return std::move(reply).status().Annotate(Doing("abort"));
  }
  finished_ = true;
  return Status::Ok();
}

}  // namespace milvus_backup::storage
