#include "milvus_backup/storage/s3_backend.h"

#include "s3_client_internal.h"
#include "s3_error_internal.h"
#include "s3_object_internal.h"
#include "s3_upload_internal.h"
#include "s3_xml_internal.h"

#include "milvus_backup/base/encoding.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace milvus_backup::storage {
namespace {

/// Where a listing goes on: the greatest name seen so far, to prove that the next page advances,
/// and the service's token, or none where only the name can be used.
struct ListCursor {
  std::string last;
  std::string token;
};

std::string EncodeCursor(const ListCursor& cursor) {
  return std::to_string(cursor.last.size()) + ":" + cursor.last + cursor.token;
}

Result<ListCursor> DecodeCursor(const std::string& text) {
  if (text.empty()) return ListCursor{};
  size_t length = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, length);
  if (error != std::errc() || rest == end || *rest != ':' ||
      length > static_cast<size_t>(end - rest - 1)) {
    return InvalidArgumentError("not a token of this listing");
  }
  return ListCursor{std::string(rest + 1, length), std::string(rest + 1 + length, end)};
}

/// Greater than every key that starts with `prefix` and is valid UTF-8.
std::string AfterPrefix(const std::string& prefix) { return prefix + "\xf4\x8f\xbf\xbf"; }

class S3Backend final : public Backend {
 public:
  explicit S3Backend(std::unique_ptr<S3Client> client) : client_(std::move(client)) {}

  std::string Describe() const override {
    return "s3://" + client_->options().bucket + " at " + client_->endpoint().ToString();
  }
  const Capabilities& caps() const override { return client_->dialect().caps; }

  Status CheckAccess(const CallContext& ctx) override;
  Status CreateContainer(const CallContext& ctx) override;
  Result<ObjectInfo> Stat(const CallContext& ctx, const std::string& key) override {
    return HeadObject(ctx, *client_, key);
  }
  Result<ReadInfo> Read(const CallContext& ctx, const std::string& key, const ReadOptions& options,
                        const Sink& sink) override {
    return GetObject(ctx, *client_, key, options, sink);
  }
  Result<uint64_t> FirstPartSize(const CallContext& ctx, const std::string& key,
                                 const std::string& if_match) override {
    Result<uint64_t> size = HeadFirstPart(ctx, *client_, key, if_match);
    if (size.ok() || if_match.empty()) return size;
    return AsChanged(key, std::move(size).status());
  }
  Result<ListPage> List(const CallContext& ctx, const ListRequest& request) override;
  Result<ObjectInfo> Put(const CallContext& ctx, const std::string& key, ByteView body,
                         const PutOptions& options) override {
    return PutObject(ctx, *client_, key, body, options);
  }
  bool starts_calls() const override { return true; }
  void StartRead(RequestLoop& loop, const CallContext& ctx, const std::string& key,
                 const ReadOptions& options, Sink sink, ReadDone done) override {
    StartGetObject(loop, ctx, *client_, key, options, std::move(sink), std::move(done));
  }
  void StartPut(RequestLoop& loop, const CallContext& ctx, const std::string& key, ByteView body,
                const PutOptions& options, PutDone done) override {
    StartPutObject(loop, ctx, *client_, key, body, options, std::move(done));
  }
  Result<std::unique_ptr<Upload>> StartUpload(const CallContext& ctx, const std::string& key,
                                              const StartUploadOptions& options) override {
    return S3Upload::Start(ctx, *client_, key, options);
  }
  Result<std::vector<UploadInfo>> ListUploads(const CallContext& ctx,
                                              const std::string& key) override;
  Result<std::unique_ptr<Upload>> ResumeUpload(const CallContext& ctx, const std::string& key,
                                               const std::string& upload_id) override {
    return S3Upload::Resume(ctx, *client_, key, upload_id);
  }
  bool CanCopyFrom(const Backend& source) const override;
  Result<ObjectInfo> Copy(const CallContext& ctx, const CopySource& source,
                          const std::string& key) override {
    Result<ObjectInfo> copied = CopyObject(ctx, *client_, source, key);
    if (copied.ok() || source.if_match.empty()) return copied;
    return AsChanged(source.key, std::move(copied).status());
  }
  Status Delete(const CallContext& ctx, const std::string& key) override;
  Result<std::vector<DeleteFailure>> DeleteMany(const CallContext& ctx,
                                                const std::vector<std::string>& keys) override;

  const std::string& bucket() const { return client_->options().bucket; }

 private:
  S3Call ListCall(const ListRequest& request, const ListCursor& cursor) const;
  Status CheckAdvance(const ListPage& page, const ListCursor& before) const;
  Result<std::vector<DeleteFailure>> DeleteBatch(const CallContext& ctx,
                                                 const std::vector<std::string>& keys);
  Status DeleteSingly(const CallContext& ctx, const std::vector<std::string>& keys,
                      std::vector<DeleteFailure>& failures);

  const std::unique_ptr<S3Client> client_;
};

Status S3Backend::CheckAccess(const CallContext& ctx) {
  ListRequest request;
  request.max_keys = 1;
  const Result<ListPage> page = List(ctx, request);
  return page.ok() ? Status::Ok() : page.status();
}

Status S3Backend::CreateContainer(const CallContext& ctx) {
  // Asking first needs fewer rights, and a name that others own is not ours to try.
  Status access = CheckAccess(ctx);
  if (access.ok() || access.service_code() != "NoSuchBucket") return access;
  S3Call call;
  call.method = "PUT";
  call.path = client_->endpoint().BucketPath();
  std::string body;
  const std::string region = client_->region();
  if (client_->dialect().location_constraint && region != "us-east-1") {
    body = CreateBucketBody(region);
    call.body = AsBytes(body);
    call.hash_body = true;
  }
  Result<net::HttpResponse> reply = client_->Send(ctx, call);
  if (reply.ok() || reply.status().service_code() == "BucketAlreadyOwnedByYou") {
    return Status::Ok();
  }
  return std::move(reply).status().Annotate("creating the bucket");
}

S3Call S3Backend::ListCall(const ListRequest& request, const ListCursor& cursor) const {
  S3Call call;
  call.path = client_->endpoint().BucketPath();
  call.receive_buffer = 64 * kKiB;
  call.query = {{"encoding-type", "url"},
                {"max-keys", std::to_string(std::clamp<uint32_t>(request.max_keys, 1, 1000))},
                {"prefix", request.prefix}};
  if (!request.delimiter.empty()) call.query.emplace_back("delimiter", request.delimiter);
  const std::string& after = cursor.last.empty() ? request.start_after : cursor.last;
  if (client_->dialect().list_v2) {
    call.query.emplace_back("list-type", "2");
    if (!cursor.token.empty()) {
      call.query.emplace_back("continuation-token", cursor.token);
    } else if (!after.empty()) {
      call.query.emplace_back("start-after", after);
    }
  } else {
    const std::string& marker = cursor.token.empty() ? after : cursor.token;
    if (!marker.empty()) call.query.emplace_back("marker", marker);
  }
  return call;
}

Status S3Backend::CheckAdvance(const ListPage& page, const ListCursor& before) const {
  const auto fail = [this](const std::string& name) {
    return InternalError(Describe() + ": the listing goes in circles or out of order at " + name)
        .WithOrigin(Origin::kStorage);
  };
  const std::string* last = &before.last;
  for (const ObjectInfo& object : page.objects) {
    if (!last->empty() && object.key <= *last) return fail(object.key);
    last = &object.key;
  }
  last = &before.last;
  for (const std::string& prefix : page.prefixes) {
    if (!last->empty() && prefix <= *last) return fail(prefix);
    last = &prefix;
  }
  return Status::Ok();
}

Result<ListPage> S3Backend::List(const CallContext& ctx, const ListRequest& request) {
  const std::string doing = "listing " + (request.prefix.empty() ? "the bucket" : request.prefix);
  MB_ASSIGN_OR_RETURN(const ListCursor cursor, DecodeCursor(request.token));
  Result<net::HttpResponse> reply = client_->Send(ctx, ListCall(request, cursor));
  if (!reply.ok()) return std::move(reply).status().Annotate(doing);
  Result<S3ListReply> parsed = ParseListReply(reply->body);
  if (!parsed.ok()) {
    return std::move(parsed).status().WithOrigin(Origin::kStorage).Annotate(doing);
  }
  ListPage page = std::move(parsed->page);
  MB_RETURN_IF_ERROR(CheckAdvance(page, cursor).Annotate(doing));
  if (!parsed->truncated) return page;

  ListCursor next{cursor.last,
                  client_->dialect().list_v2 ? parsed->next_token : parsed->next_marker};
  if (!page.objects.empty()) next.last = std::max(next.last, page.objects.back().key);
  if (!page.prefixes.empty()) {
    // Only a plain name has to be put past what the prefix stands for; tokens know by themselves.
    const std::string& prefix = page.prefixes.back();
    next.last = std::max(next.last, next.token.empty() ? AfterPrefix(prefix) : prefix);
  }
  if (next.last == cursor.last && next.token == cursor.token) {
    return InternalError(Describe() + ": the listing does not advance")
        .WithOrigin(Origin::kStorage)
        .Annotate(doing);
  }
  page.next_token = EncodeCursor(next);
  return page;
}

Result<std::vector<UploadInfo>> S3Backend::ListUploads(const CallContext& ctx,
                                                       const std::string& key) {
  std::vector<UploadInfo> uploads;
  std::string key_marker;
  std::string id_marker;
  for (;;) {
    S3Call call;
    call.path = client_->endpoint().BucketPath();
    call.query = {{"uploads", ""}, {"prefix", key}, {"encoding-type", "url"}};
    if (!key_marker.empty()) {
      call.query.emplace_back("key-marker", key_marker);
      call.query.emplace_back("upload-id-marker", id_marker);
    }
    Result<net::HttpResponse> reply = client_->Send(ctx, call);
    if (!reply.ok()) return std::move(reply).status().Annotate("listing uploads of " + key);
    Result<S3UploadsReply> page = ParseUploadsReply(reply->body);
    if (!page.ok()) {
      return std::move(page)
          .status()
          .WithOrigin(Origin::kStorage)
          .Annotate("listing uploads of " + key);
    }
    for (UploadInfo& upload : page->uploads) {
      if (upload.key == key) uploads.push_back(std::move(upload));
    }
    const bool advances = page->next_key != key_marker || page->next_upload_id != id_marker;
    if (!page->truncated || !advances) return uploads;
    key_marker = page->next_key;
    id_marker = page->next_upload_id;
  }
}

bool S3Backend::CanCopyFrom(const Backend& source) const {
  const auto* other = dynamic_cast<const S3Backend*>(&Innermost(source));
  if (other == nullptr || !caps().server_copy) return false;
  const S3Endpoint& mine = client_->endpoint();
  const S3Endpoint& theirs = other->client_->endpoint();
  if (mine.scheme != theirs.scheme || mine.host != theirs.host ||
      mine.port_suffix != theirs.port_suffix ||
      client_->options().provider != other->client_->options().provider) {
    return false;
  }
  return client_->options().provider == S3Provider::kAws ||
         client_->region() == other->client_->region();
}

Status S3Backend::Delete(const CallContext& ctx, const std::string& key) {
  S3Call call;
  call.method = "DELETE";
  call.path = client_->endpoint().ObjectPath(key);
  Result<net::HttpResponse> reply = client_->Send(ctx, call);
  // Google answers 404 for a key that is not there.
  if (reply.ok() || reply.status().service_code() == "NoSuchKey") return Status::Ok();
  return std::move(reply).status().Annotate("deleting " + key);
}

Result<std::vector<DeleteFailure>> S3Backend::DeleteMany(const CallContext& ctx,
                                                         const std::vector<std::string>& keys) {
  MB_RETURN_IF_ERROR(ctx.Check());
  std::vector<DeleteFailure> failures;
  std::vector<std::string> singles;
  std::vector<std::string> batch;
  const auto send_batch = [&]() -> Status {
    if (batch.empty()) return Status::Ok();
    MB_ASSIGN_OR_RETURN(std::vector<DeleteFailure> failed, DeleteBatch(ctx, batch));
    std::move(failed.begin(), failed.end(), std::back_inserter(failures));
    batch.clear();
    return Status::Ok();
  };
  for (const std::string& key : keys) {
    if (caps().delete_batch <= 1 || !FitsXml(key)) {
      singles.push_back(key);
      continue;
    }
    batch.push_back(key);
    if (batch.size() == caps().delete_batch) MB_RETURN_IF_ERROR(send_batch());
  }
  MB_RETURN_IF_ERROR(send_batch());
  MB_RETURN_IF_ERROR(DeleteSingly(ctx, singles, failures));
  return failures;
}

Status S3Backend::DeleteSingly(const CallContext& ctx, const std::vector<std::string>& keys,
                               std::vector<DeleteFailure>& failures) {
  for (const std::string& key : keys) {
    MB_RETURN_IF_ERROR(ctx.Check());
    if (Status status = Delete(ctx, key); !status.ok()) {
      failures.push_back({key, std::move(status)});
    }
  }
  return Status::Ok();
}

Result<std::vector<DeleteFailure>> S3Backend::DeleteBatch(const CallContext& ctx,
                                                          const std::vector<std::string>& keys) {
  const std::string body = DeleteBody(keys);
  S3Call call;
  call.method = "POST";
  call.path = client_->endpoint().BucketPath();
  call.query = {{"delete", ""}};
  call.headers = {{"content-md5", Base64Encode(Md5(AsBytes(body)))},
                  {"content-type", "application/xml"}};
  call.body = AsBytes(body);
  call.hash_body = true;
  Result<net::HttpResponse> reply = client_->Send(ctx, call);
  std::vector<DeleteFailure> failures;
  if (!reply.ok()) {
    if (reply.status().code() == Code::kUnimplemented) {
      MB_RETURN_IF_ERROR(DeleteSingly(ctx, keys, failures));
      return failures;
    }
    return std::move(reply).status().Annotate("deleting " + std::to_string(keys.size()) + " keys");
  }
  MB_ASSIGN_OR_RETURN(const std::vector<S3DeleteError> errors, ParseDeleteReply(reply->body));
  for (const S3DeleteError& error : errors) {
    if (error.code == "NoSuchKey") continue;
    const S3ErrorBody reason{error.code, error.message, {}, {}};
    failures.push_back(
        {error.key, S3Error(client_->place(), reason, 500).Annotate("deleting " + error.key)});
  }
  return failures;
}

}  // namespace

Result<std::pair<std::string, std::string>> ResolveS3Source(const CopySource& source) {
  if (source.backend == nullptr) return InvalidArgumentError("a copy without source");
  std::string key = source.key;
  const Backend* backend = source.backend;
  while (const Backend* inner = backend->Unwrap()) {
    key = backend->UnwrapKey(key);
    backend = inner;
  }
  const auto* s3 = dynamic_cast<const S3Backend*>(backend);
  if (s3 == nullptr) return InvalidArgumentError("the source of a copy is not an S3 bucket");
  return std::pair(s3->bucket(), std::move(key));
}

Result<std::unique_ptr<Backend>> CreateS3Backend(S3Options options, Clock& clock) {
  MB_ASSIGN_OR_RETURN(std::unique_ptr<S3Client> client,
                      S3Client::Create(std::move(options), clock));
  return std::unique_ptr<Backend>(std::make_unique<S3Backend>(std::move(client)));
}

}  // namespace milvus_backup::storage
