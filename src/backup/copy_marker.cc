#include "copy_marker.h"

#include <utility>

namespace milvus_backup::backup {
CopyMarker::CopyMarker(storage::Backend& backend, std::string key, std::string dir,
                       meta::RunRecord record)
    : backend_(backend), key_(std::move(key)), dir_(std::move(dir)), record_(std::move(record)) {}

Result<std::optional<meta::RunRecord>> CopyMarker::ReadLeft(const CallContext& ctx) const {
  return meta::ReadRunRecord(ctx, backend_, key_);
}

Status CopyMarker::TakeOver(const CallContext& ctx, const meta::RunRecord& left) {
  std::map<std::string, meta::OpenUpload> uploads;
  for (const meta::OpenUpload& upload : left.open_uploads) uploads[upload.key] = upload;
  for (const std::string& key : left.uploads)
    uploads.try_emplace(key, meta::OpenUpload{.key = key});
  for (const auto& [key, upload] : uploads) {
    MB_RETURN_IF_ERROR(storage::AbortUploads(ctx, backend_, dir_ + key, upload.upload_id));
  }
  std::erase_if(uploads, [](const auto& entry) { return entry.second.upload_id.empty(); });
  const std::scoped_lock lock(mutex_);
  uploads_ = std::move(uploads);
  is_there_ = true;
  ++version_;
  return Status::Ok();
}

Status CopyMarker::Write(const CallContext& ctx) {
  std::unique_lock lock(mutex_);
  ++version_;
  return Save(ctx, lock);
}

Status CopyMarker::Announce(const CallContext& ctx, const std::vector<std::string>& keys) {
  std::unique_lock lock(mutex_);
  bool is_new = false;
  for (const std::string& key : keys) {
    is_new = uploads_.try_emplace(Relative(key), meta::OpenUpload{.key = Relative(key)}).second ||
             is_new;
  }
  if (!is_new) return Status::Ok();
  ++version_;
  return Save(ctx, lock);
}

std::optional<transfer::UploadLedger::Entry> CopyMarker::Find(const std::string& key) {
  const std::scoped_lock lock(mutex_);
  const auto it = uploads_.find(Relative(key));
  if (it == uploads_.end() || it->second.upload_id.empty()) return std::nullopt;
  const meta::OpenUpload& upload = it->second;
  return Entry{.key = key,
               .upload_id = upload.upload_id,
               .source_etag = upload.source_etag,
               .source_size = upload.source_size,
               .part_size = upload.part_size};
}

Status CopyMarker::Note(const CallContext& ctx, const Entry& entry) {
  std::unique_lock lock(mutex_);
  std::string key = Relative(entry.key);
  uploads_[key] = {.key = key,
                   .upload_id = entry.upload_id,
                   .source_etag = entry.source_etag,
                   .source_size = entry.source_size,
                   .part_size = entry.part_size};
  ++version_;
  return Save(ctx, lock);
}

Status CopyMarker::Forget(const CallContext& ctx, const std::string& key) {
  static_cast<void>(ctx);
  const std::scoped_lock lock(mutex_);
  if (uploads_.erase(Relative(key)) > 0) ++version_;
  return Status::Ok();
}

Status CopyMarker::Save(const CallContext& ctx, std::unique_lock<std::mutex>& lock) {
  const uint64_t wanted = version_;
  saved_.wait(lock, [&] { return !saving_ || written_version_ >= wanted; });
  if (written_version_ >= wanted) return Status::Ok();
  saving_ = true;
  is_there_ = true;  // a failed request may have been carried out
  const uint64_t version = version_;
  meta::RunRecord record = record_;
  for (const auto& [key, upload] : uploads_) record.open_uploads.push_back(upload);
  lock.unlock();
  Status status = meta::WriteRunRecord(ctx, backend_, key_, record);
  lock.lock();
  saving_ = false;
  if (status.ok()) written_version_ = version;
  saved_.notify_all();
  return status;
}

Status CopyMarker::EndUploads(const CallContext& ctx) {
  std::map<std::string, meta::OpenUpload> left;
  {
    const std::scoped_lock lock(mutex_);
    left = uploads_;
  }
  for (const auto& [key, upload] : left) {
    MB_RETURN_IF_ERROR(storage::AbortUploads(ctx, backend_, dir_ + key)
                           .Annotate("ending the unfinished upload of " + dir_ + key));
  }
  const std::scoped_lock lock(mutex_);
  for (const auto& [key, upload] : left) uploads_.erase(key);
  return Status::Ok();
}

bool CopyMarker::has_uploads() const {
  const std::scoped_lock lock(mutex_);
  return !uploads_.empty();
}

Status CopyMarker::End(const CallContext& ctx) {
  {
    const std::scoped_lock lock(mutex_);
    if (!is_there_) return Status::Ok();
    is_there_ = false;
  }
  return backend_.Delete(ctx, key_).Annotate("removing the marker " + key_);
}

}  // namespace milvus_backup::backup
