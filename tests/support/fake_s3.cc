#include "support/fake_s3.h"

#include "milvus_backup/base/checksum.h"
#include "milvus_backup/base/clock.h"
#include "milvus_backup/base/encoding.h"

#include <algorithm>
#include <charconv>
#include <ctime>
#include <utility>

namespace milvus_backup::testing {
namespace {

std::string Escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const std::string_view special = "&<>\"'";
    const std::string_view names[] = {"&amp;", "&lt;", "&gt;", "&#34;", "&#39;"};
    const size_t found = special.find(c);
    out += found == std::string_view::npos ? std::string(1, c) : std::string(names[found]);
  }
  return out;
}

std::string Unescaped(std::string text) {
  const std::pair<std::string_view, std::string_view> entities[] = {
      {"&lt;", "<"}, {"&gt;", ">"}, {"&quot;", "\""}, {"&apos;", "'"}, {"&amp;", "&"}};
  for (const auto& [from, to] : entities) {
    for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
      text.replace(at, from.size(), to);
    }
  }
  return text;
}

/// As Go's url.QueryEscape, which MinIO lists with.
std::string FormEncoded(std::string_view text) {
  std::string encoded = PercentEncode(text, true);
  for (size_t at = 0; (at = encoded.find("%20", at)) != std::string::npos;) {
    encoded.replace(at, 3, "+");
  }
  return encoded;
}

/// Contents of every `<tag>` in order.
std::vector<std::string> Tags(const std::string& xml, const std::string& tag) {
  std::vector<std::string> found;
  const std::string open = "<" + tag + ">";
  const std::string close = "</" + tag + ">";
  for (size_t at = 0; (at = xml.find(open, at)) != std::string::npos;) {
    const size_t from = at + open.size();
    const size_t to = xml.find(close, from);
    found.push_back(xml.substr(from, to - from));
    at = to;
  }
  return found;
}

std::string HttpDate(std::chrono::system_clock::time_point time) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[64];
  return {text, std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts)};
}

uint64_t Number(const std::string& text, uint64_t otherwise) {
  uint64_t value = otherwise;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::string Quoted(const std::string& etag) { return "\"" + etag + "\""; }

FakeReply Xml(const std::string& body) {
  FakeReply reply;
  reply.headers.push_back({"Content-Type", "application/xml"});
  reply.body = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" + body;
  return reply;
}

}  // namespace

FakeReply ErrorReply(int status, const std::string& code, const std::string& message,
                     const std::string& extra) {
  FakeReply reply = Xml("<Error><Code>" + code + "</Code><Message>" + message + "</Message>" +
                        extra + "<RequestId>FAKE1</RequestId></Error>");
  reply.status = status;
  return reply;
}

FakeS3::FakeS3(FakeS3Options options)
    : options_(std::move(options)),
      server_([this](const FakeRequest& request) { return Handle(request); }) {}

storage::S3Options FakeS3::OptionsFor(const std::string& bucket) const {
  storage::S3Options client;
  client.address = "127.0.0.1";
  client.port = port();
  client.bucket = bucket;
  client.access_key = Secret(options_.access_key);
  client.secret_key = Secret(options_.secret_key);
  client.session_token = Secret(options_.session_token);
  return client;
}

void FakeS3::ClearPlan() {
  const std::scoped_lock lock(mutex_);
  plan_.clear();
}

void FakeS3::Plan(FakeFault fault) {
  const std::scoped_lock lock(mutex_);
  plan_.push_back({std::move(fault), 0});
}

std::string FakeS3::NotHit() const {
  const std::scoped_lock lock(mutex_);
  std::string text;
  for (const Planned& planned : plan_) {
    if (planned.hits != planned.fault.times) {
      text += planned.fault.method + " " + planned.fault.target + "; ";
    }
  }
  return text;
}

std::vector<FakeRequest> FakeS3::requests() const {
  const std::scoped_lock lock(mutex_);
  return requests_;
}

std::vector<std::string> FakeS3::log() const {
  std::vector<std::string> lines;
  for (const FakeRequest& request : requests()) {
    lines.push_back(request.method + " " + request.target);
  }
  return lines;
}

void FakeS3::CreateBucket(const std::string& bucket) {
  const std::scoped_lock lock(mutex_);
  buckets_[bucket];
}

void FakeS3::Put(const std::string& bucket, const std::string& key, std::string bytes) {
  const std::scoped_lock lock(mutex_);
  buckets_[bucket][key] = MakeObject(std::move(bytes), "");
}

std::optional<std::string> FakeS3::Get(const std::string& bucket, const std::string& key) const {
  const std::scoped_lock lock(mutex_);
  const auto objects = buckets_.find(bucket);
  if (objects == buckets_.end()) return std::nullopt;
  const auto object = objects->second.find(key);
  if (object == objects->second.end()) return std::nullopt;
  return *object->second.bytes;
}

size_t FakeS3::unfinished_uploads() const {
  const std::scoped_lock lock(mutex_);
  return uploads_.size();
}

FakeS3::Object FakeS3::MakeObject(std::string bytes, std::string crc32c) const {
  Object object;
  object.etag = (options_.opaque_etags ? "opaque-" : "") + HexEncode(Md5(AsBytes(bytes)));
  object.bytes = std::make_shared<const std::string>(std::move(bytes));
  object.modified = std::chrono::system_clock::now() + options_.clock_ahead;
  object.crc32c = std::move(crc32c);
  return object;
}

FakeReply FakeS3::Handle(const FakeRequest& request) {
  std::optional<FakeFault> fault;
  {
    const std::scoped_lock lock(mutex_);
    if (options_.record_requests) {
      FakeRequest entry = request;
      entry.body.clear();
      requests_.push_back(std::move(entry));
    }
    for (Planned& planned : plan_) {
      const FakeFault& plan = planned.fault;
      if (planned.hits >= plan.times) continue;
      if (!plan.method.empty() && plan.method != request.method) continue;
      if (request.target.find(plan.target) == std::string::npos) continue;
      if (plan.skip > 0) {
        --planned.fault.skip;
        break;
      }
      ++planned.hits;
      fault = plan;
      break;
    }
  }
  if (fault && fault->before) fault->before();
  FakeRequest seen = fault && fault->damage ? request : FakeRequest();
  if (fault && fault->damage) fault->damage(seen);
  const FakeRequest& arrived = fault && fault->damage ? seen : request;
  FakeReply reply = fault && fault->instead ? *fault->instead : Serve(arrived);
  if (fault && fault->change) fault->change(reply);
  reply.headers.push_back(
      {"Date", HttpDate(std::chrono::system_clock::now() + options_.clock_ahead)});
  return reply;
}

FakeReply FakeS3::Serve(const FakeRequest& request) {
  if (auto refusal = CheckSignature(request, options_)) return *refusal;
  if (!options_.ignores_checksums) return Answer(request);
  FakeRequest seen = request;
  std::erase_if(seen.headers, [](const net::HttpHeader& header) {
    return header.name.starts_with("x-amz-checksum") || header.name == "content-md5";
  });
  return Answer(seen);
}

FakeReply FakeS3::Answer(const FakeRequest& request) {
  if (auto refusal = CheckBody(request)) return *refusal;
  const size_t mark = std::min(request.target.find('?'), request.target.size());
  const std::string path = request.target.substr(1, mark - 1);
  Query query;
  for (size_t at = mark + 1; at < request.target.size();) {
    const size_t end = std::min(request.target.find('&', at), request.target.size());
    const std::string pair = request.target.substr(at, end - at);
    const size_t equals = std::min(pair.find('='), pair.size());
    query[PercentDecode(pair.substr(0, equals))] =
        equals < pair.size() ? PercentDecode(pair.substr(equals + 1)) : "";
    at = end + 1;
  }
  const size_t slash = path.find('/');
  const std::string bucket = path.substr(0, slash);
  const std::string key = slash == std::string::npos ? "" : PercentDecode(path.substr(slash + 1));
  const std::scoped_lock lock(mutex_);
  if (key.empty()) return ServeBucket(request, bucket, query);
  return ServeObject(request, bucket, key, query);
}

std::optional<FakeReply> FakeS3::CheckBody(const FakeRequest& request) const {
  const std::string hash = request.Header("x-amz-content-sha256");
  if (request.Has("authorization") && hash != "UNSIGNED-PAYLOAD" &&
      hash != HexEncode(Sha256(AsBytes(request.body)))) {
    return ErrorReply(400, "XAmzContentSHA256Mismatch", "the body hash is wrong");
  }
  if (request.Has("content-md5") &&
      request.Header("content-md5") != Base64Encode(Md5(AsBytes(request.body)))) {
    return ErrorReply(400, "BadDigest", "the Content-MD5 is wrong");
  }
  const bool complete = request.method == "POST";
  if (!complete && request.Has("x-amz-checksum-crc32c") &&
      request.Header("x-amz-checksum-crc32c") != EncodeCrc32c(Crc32c(AsBytes(request.body)))) {
    return ErrorReply(400, "XAmzContentChecksumMismatch", "the checksum is wrong");
  }
  if ((request.method == "PUT" || request.method == "POST") && !request.Has("content-length")) {
    return ErrorReply(411, "MissingContentLength");
  }
  return std::nullopt;
}

FakeReply FakeS3::ServeBucket(const FakeRequest& request, const std::string& bucket,
                              const Query& query) {
  if (request.method == "PUT") {
    if (buckets_.contains(bucket)) return ErrorReply(409, "BucketAlreadyOwnedByYou");
    buckets_[bucket];
    return {};
  }
  const auto found = buckets_.find(bucket);
  if (found == buckets_.end()) {
    return ErrorReply(404, "NoSuchBucket", "The specified bucket does not exist");
  }
  if (request.method == "POST" && query.contains("delete")) {
    if (!request.Has("content-md5")) return ErrorReply(400, "InvalidRequest", "no Content-MD5");
    return DeleteMany(found->second, request.body);
  }
  if (request.method == "GET" && query.contains("uploads")) return ListUploads(bucket, query);
  if (request.method == "GET") return List(found->second, query);
  return ErrorReply(405, "MethodNotAllowed");
}

FakeReply FakeS3::List(const Bucket& objects, const Query& query) const {
  const auto value = [&query](const std::string& name) {
    const auto found = query.find(name);
    return found == query.end() ? std::string() : found->second;
  };
  const bool v2 = value("list-type") == "2";
  const std::string prefix = value("prefix");
  const std::string delimiter = value("delimiter");
  const std::string token = value("continuation-token");
  // The token is not a key as it stands, so that nobody gets away with making one up.
  std::string after = v2 ? value("start-after") : value("marker");
  if (!token.empty()) {
    if (!token.starts_with("tok+/=")) return ErrorReply(400, "InvalidArgument", "bad token");
    after = token.substr(6);
  }
  const uint64_t limit = Number(value("max-keys"), 1000);
  const bool encode = value("encoding-type") == "url";
  const auto name_of = [encode](const std::string& name) {
    return encode ? FormEncoded(name) : Escaped(name);
  };
  std::string entries;
  std::string last;
  uint64_t count = 0;
  bool truncated = false;
  for (auto it = objects.lower_bound(std::max(prefix, after)); it != objects.end(); ++it) {
    const auto& [key, object] = *it;
    if (!key.starts_with(prefix)) break;
    if (key == after) continue;
    const size_t end = delimiter.empty() ? std::string::npos : key.find(delimiter, prefix.size());
    const std::string name = end == std::string::npos ? key : key.substr(0, end + 1);
    if (name != key && (name == last || after.starts_with(name))) continue;
    if (count++ == limit) {
      truncated = true;
      break;
    }
    last = name;
    if (end != std::string::npos) {
      entries += "<CommonPrefixes><Prefix>" + name_of(name) + "</Prefix></CommonPrefixes>";
      continue;
    }
    entries += "<Contents><Key>" + name_of(key) + "</Key><LastModified>" +
               FormatIso8601(object.modified) + "</LastModified><ETag>&quot;" + object.etag +
               "&quot;</ETag><Size>" + std::to_string(object.bytes->size()) + "</Size></Contents>";
  }
  std::string head = "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
  if (encode) head += "<EncodingType>url</EncodingType>";
  head += std::string("<IsTruncated>") + (truncated ? "true" : "false") + "</IsTruncated>";
  if (truncated && v2) {
    head += "<NextContinuationToken>" + Escaped("tok+/=" + last) + "</NextContinuationToken>";
  } else if (truncated && !delimiter.empty()) {
    head += "<NextMarker>" + name_of(last) + "</NextMarker>";
  }
  return Xml(head + entries + "</ListBucketResult>");
}

FakeReply FakeS3::ListUploads(const std::string& bucket, const Query& query) const {
  const auto prefix = query.find("prefix");
  std::string entries;
  for (const auto& [id, upload] : uploads_) {
    if (upload.bucket != bucket) continue;
    if (prefix != query.end() && !upload.key.starts_with(prefix->second)) continue;
    entries += "<Upload><Key>" + FormEncoded(upload.key) + "</Key><UploadId>" + Escaped(id) +
               "</UploadId><Initiated>2026-01-02T03:04:05.000Z</Initiated></Upload>";
  }
  return Xml(
      "<ListMultipartUploadsResult><EncodingType>url</EncodingType><IsTruncated>false"
      "</IsTruncated>" +
      entries + "</ListMultipartUploadsResult>");
}

FakeReply FakeS3::DeleteMany(Bucket& objects, const std::string& body) const {
  const std::vector<std::string> keys = Tags(body, "Key");
  if (keys.empty() || keys.size() > 1000) return ErrorReply(400, "MalformedXML");
  for (const std::string& key : keys) objects.erase(Unescaped(key));
  return Xml("<DeleteResult></DeleteResult>");
}

FakeReply FakeS3::ServeObject(const FakeRequest& request, const std::string& bucket,
                              const std::string& key, const Query& query) {
  const auto found = buckets_.find(bucket);
  if (found == buckets_.end()) {
    return ErrorReply(404, "NoSuchBucket", "The specified bucket does not exist");
  }
  Bucket& objects = found->second;
  if (key.size() > 1024) return ErrorReply(400, "KeyTooLongError");
  if (query.contains("uploads")) return StartUpload(request, bucket, key);
  if (const auto id = query.find("uploadId"); id != query.end()) {
    const auto upload = uploads_.find(id->second);
    if (upload == uploads_.end() || upload->second.key != key) {
      return ErrorReply(404, "NoSuchUpload", "The specified multipart upload does not exist.");
    }
    if (request.method == "PUT") return PutPart(request, upload->second, query);
    if (request.method == "GET") return ListParts(upload->second);
    if (request.method == "POST") return Complete(request, id->second, upload->second);
    uploads_.erase(upload);
    FakeReply gone;
    gone.status = 204;
    return gone;
  }
  if (request.method == "PUT") {
    if (request.Has("x-amz-copy-source")) return CopyObject(request, objects, key);
    return PutObject(request, objects, key);
  }
  if (request.method == "DELETE") {
    objects.erase(key);
    FakeReply gone;
    gone.status = 204;
    return gone;
  }
  const auto object = objects.find(key);
  if (object == objects.end()) {
    return ErrorReply(404, "NoSuchKey", "The specified key does not exist.");
  }
  FakeReply reply = GetObject(request, object->second);
  const uint64_t first_part = object->second.first_part;
  if (request.method == "HEAD" && query.contains("partNumber") && first_part > 0) {
    reply.status = 206;
    std::erase_if(reply.headers,
                  [](const auto& header) { return header.name == "Content-Length"; });
    reply.headers.push_back({"Content-Length", std::to_string(first_part)});
  }
  return reply;
}

FakeReply FakeS3::GetObject(const FakeRequest& request, const Object& object) const {
  FakeReply reply;
  const std::string match = request.Header("if-match");
  if (!match.empty() && match != Quoted(object.etag)) {
    return ErrorReply(412, "PreconditionFailed");
  }
  reply.headers = {{"ETag", Quoted(object.etag)},
                   {"Last-Modified", HttpDate(object.modified)},
                   {"Accept-Ranges", "bytes"}};
  if (request.Header("x-amz-checksum-mode") == "ENABLED" && !object.crc32c.empty()) {
    reply.headers.push_back({"x-amz-checksum-crc32c", object.crc32c});
    reply.headers.push_back({"x-amz-checksum-type", "FULL_OBJECT"});
  }
  const std::string& bytes = *object.bytes;
  const std::string range = request.Header("range");
  if (range.empty()) {
    reply.body = bytes;
    if (request.method == "HEAD") {
      reply.headers.push_back({"Content-Length", std::to_string(bytes.size())});
    }
    return reply;
  }
  const uint64_t first = Number(range.substr(6), 0);
  if (first >= bytes.size()) return ErrorReply(416, "InvalidRange", "not satisfiable");
  uint64_t last = Number(range.substr(range.find('-') + 1), bytes.size() - 1);
  last = std::min<uint64_t>(last, bytes.size() - 1);
  reply.status = 206;
  reply.body = bytes.substr(first, last - first + 1);
  reply.headers.push_back({"Content-Range", "bytes " + std::to_string(first) + "-" +
                                                std::to_string(last) + "/" +
                                                std::to_string(bytes.size())});
  return reply;
}

FakeReply FakeS3::PutObject(const FakeRequest& request, Bucket& objects, const std::string& key) {
  if (request.Header("if-none-match") == "*" && objects.contains(key)) {
    return ErrorReply(412, "PreconditionFailed", "At least one precondition did not hold");
  }
  const Object object = MakeObject(request.body, request.Header("x-amz-checksum-crc32c"));
  objects[key] = object;
  return StoredReply(object);
}

// A checksum that was sent is repeated once it has been compared.
FakeReply FakeS3::StoredReply(const Object& object) {
  FakeReply reply;
  reply.headers = {{"ETag", Quoted(object.etag)}};
  if (!object.crc32c.empty()) {
    reply.headers.push_back({"x-amz-checksum-crc32c", object.crc32c});
  }
  return reply;
}

std::optional<FakeReply> FakeS3::FindSource(const FakeRequest& request, Object& source) const {
  std::string name = PercentDecode(request.Header("x-amz-copy-source"));
  if (name.starts_with("/")) name.erase(0, 1);
  const size_t slash = name.find('/');
  const auto bucket = buckets_.find(name.substr(0, slash));
  if (bucket == buckets_.end()) return ErrorReply(404, "NoSuchBucket");
  const auto object = bucket->second.find(name.substr(slash + 1));
  if (object == bucket->second.end()) return ErrorReply(404, "NoSuchKey");
  const std::string match = request.Header("x-amz-copy-source-if-match");
  if (!match.empty() && match != Quoted(object->second.etag)) {
    return ErrorReply(412, "PreconditionFailed");
  }
  source = object->second;
  return std::nullopt;
}

FakeReply FakeS3::CopyObject(const FakeRequest& request, Bucket& objects, const std::string& key) {
  Object source;
  if (auto refusal = FindSource(request, source)) return *refusal;
  if (request.Header("x-amz-checksum-algorithm") == "CRC32C") {
    source.crc32c = EncodeCrc32c(Crc32c(AsBytes(*source.bytes)));
  }
  source.modified = std::chrono::system_clock::now() + options_.clock_ahead;
  objects[key] = source;
  return Xml("<CopyObjectResult><ETag>&#34;" + source.etag + "&#34;</ETag><LastModified>" +
             FormatIso8601(source.modified) + "</LastModified></CopyObjectResult>");
}

FakeReply FakeS3::StartUpload(const FakeRequest& request, const std::string& bucket,
                              const std::string& key) {
  const std::string id = "id+/=" + std::to_string(next_upload_++);
  uploads_[id] = {bucket, key, {}};
  FakeReply reply = Xml("<InitiateMultipartUploadResult><UploadId>" + id +
                        "</UploadId></InitiateMultipartUploadResult>");
  for (const char* name : {"x-amz-checksum-algorithm", "x-amz-checksum-type"}) {
    if (request.Has(name)) reply.headers.push_back({name, request.Header(name)});
  }
  return reply;
}

FakeReply FakeS3::PutPart(const FakeRequest& request, UploadState& upload, const Query& query) {
  const auto number = query.find("partNumber");
  const uint64_t part = number == query.end() ? 0 : Number(number->second, 0);
  if (part < 1 || part > 10000) return ErrorReply(400, "InvalidArgument", "bad part number");
  if (!request.Has("x-amz-copy-source")) {
    const Object object = MakeObject(request.body, request.Header("x-amz-checksum-crc32c"));
    upload.parts[static_cast<uint32_t>(part)] = object;
    return StoredReply(object);
  }
  Object source;
  if (auto refusal = FindSource(request, source)) return *refusal;
  const std::string range = request.Header("x-amz-copy-source-range");
  const uint64_t first = Number(range.substr(6), 0);
  const uint64_t last = Number(range.substr(range.find('-') + 1), 0);
  if (last >= source.bytes->size() || last < first) return ErrorReply(400, "InvalidArgument");
  std::string bytes = source.bytes->substr(first, last - first + 1);
  const std::string crc = EncodeCrc32c(Crc32c(AsBytes(bytes)));
  const Object object = MakeObject(std::move(bytes), crc);
  upload.parts[static_cast<uint32_t>(part)] = object;
  return Xml("<CopyPartResult><ETag>&quot;" + object.etag + "&quot;</ETag><ChecksumCRC32C>" +
             object.crc32c + "</ChecksumCRC32C></CopyPartResult>");
}

FakeReply FakeS3::ListParts(const UploadState& upload) const {
  std::string entries;
  for (const auto& [number, part] : upload.parts) {
    entries += "<Part><PartNumber>" + std::to_string(number) + "</PartNumber><ETag>&quot;" +
               part.etag + "&quot;</ETag><Size>" + std::to_string(part.bytes->size()) + "</Size>";
    if (!part.crc32c.empty()) entries += "<ChecksumCRC32C>" + part.crc32c + "</ChecksumCRC32C>";
    entries += "</Part>";
  }
  const std::string kind =
      options_.ignores_checksums
          ? ""
          : "<ChecksumAlgorithm>CRC32C</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType>";
  return Xml("<ListPartsResult>" + kind + "<IsTruncated>false</IsTruncated>" + entries +
             "</ListPartsResult>");
}

FakeReply FakeS3::Complete(const FakeRequest& request, const std::string& id, UploadState& upload) {
  Bucket& objects = buckets_[upload.bucket];
  if (request.Header("if-none-match") == "*" && objects.contains(upload.key)) {
    return ErrorReply(412, "PreconditionFailed");
  }
  std::string bytes;
  std::string digests;
  uint64_t before = 0;
  const std::vector<std::string> parts = Tags(request.body, "Part");
  for (size_t i = 0; i < parts.size(); ++i) {
    const uint64_t number = Number(Tags(parts[i], "PartNumber").at(0), 0);
    const auto part = upload.parts.find(static_cast<uint32_t>(number));
    if (number <= before) return ErrorReply(400, "InvalidPartOrder");
    before = number;
    if (part == upload.parts.end() ||
        Unescaped(Tags(parts[i], "ETag").at(0)) != Quoted(part->second.etag)) {
      return ErrorReply(400, "InvalidPart", "a part could not be found");
    }
    if (i + 1 < parts.size() && part->second.bytes->size() < options_.min_part) {
      return ErrorReply(400, "EntityTooSmall");
    }
    bytes += *part->second.bytes;
    digests += AsText(Md5(AsBytes(*part->second.bytes)));
  }
  if (parts.empty()) return ErrorReply(400, "MalformedXML");
  const std::string crc = EncodeCrc32c(Crc32c(AsBytes(bytes)));
  if (request.Has("x-amz-checksum-crc32c") && request.Header("x-amz-checksum-crc32c") != crc) {
    return ErrorReply(400, "BadDigest", "the checksum of the whole object is wrong");
  }
  Object object = MakeObject(std::move(bytes), options_.ignores_checksums ? "" : crc);
  object.etag = (options_.opaque_etags ? "opaque-" : "") + HexEncode(Md5(AsBytes(digests))) + "-" +
                std::to_string(parts.size());
  object.first_part = upload.parts.begin()->second.bytes->size();
  objects[upload.key] = object;
  uploads_.erase(id);
  return Xml("<CompleteMultipartUploadResult><ETag>&quot;" + object.etag +
             "&quot;</ETag></CompleteMultipartUploadResult>");
}

}  // namespace milvus_backup::testing
