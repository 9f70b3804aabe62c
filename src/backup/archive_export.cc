#include "archive_path.h"
#include "archive_stream.h"
#include "content_check.h"
#include "copy_job.h"
#include "copy_source.h"
#include "copy_survey.h"
#include "read_ahead.h"
#include "seal.h"

#include "milvus_backup/backup/archive.h"
#include "milvus_backup/base/encoding.h"
#include "milvus_backup/meta/archive.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/meta/manifest.h"
#include "milvus_backup/storage/object_stream.h"

#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <optional>
#include <utility>

namespace milvus_backup::backup {
namespace {

/// As much of the manifest as is held at once: its index, and what the format allows of a part.
constexpr size_t kMaxManifestObject = 64 * kMiB;

class Export {
 public:
  Export(const CallContext& ctx, const Place& place, const ExportOptions& options)
      : ctx_(ctx), place_(place), options_(options) {
    report_.name = options.name;
  }

  Result<ExportReport> Run(const ByteSink& sink) {
    const auto start = std::chrono::steady_clock::now();
    MB_RETURN_IF_ERROR(Prepare());
    MB_ASSIGN_OR_RETURN(writer_, ArchiveWriter::Create(options_.compression, sink));
    MB_RETURN_IF_ERROR(WriteAll());
    MB_RETURN_IF_ERROR(writer_->Finish());
    report_.archive_bytes = writer_->bytes_written();
    report_.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return std::move(report_);
  }

 private:
  /// Everything that can be refused before the first byte is written.
  Status Prepare() {
    Enter("look");
    MB_ASSIGN_OR_RETURN(dir_, meta::BackupDir(place_.root, options_.name));
    source_ = {.backend = place_.backend, .dir = dir_};
    // Looked at first: there is nothing to lock in a storage that does not have the backup.
    MB_RETURN_IF_ERROR(SurveyBackup(ctx_, source_).status());
    MB_ASSIGN_OR_RETURN(lock_, LockForReading(ctx_, *place_.backend, dir_));
    const std::string key = meta::MetaKey(dir_, meta::MetaFile::kHeader);
    MB_ASSIGN_OR_RETURN(header_, place_.backend->Stat(ctx_, key));
    MB_ASSIGN_OR_RETURN(std::vector<BackupInTree> backups, SurveyBackup(ctx_, source_));
    backup_ = std::move(backups.front());
    MB_RETURN_IF_ERROR(CheckSource(ctx_, source_, backup_));
    MB_ASSIGN_OR_RETURN(header_text_,
                        storage::ReadAll(ctx_, *place_.backend, key, kMaxHeaderBytes));
    report_.has_manifest = !manifest_sha256().empty();
    if (!report_.has_manifest) {
      report_.warnings.push_back(
          fmt::format("{} has no manifest, so nothing proves its bytes, here or after an import; "
                      "`verify --seal` gives it one",
                      options_.name));
    }
    return Count();
  }

  const std::string& manifest_sha256() const { return backup_.manifests.front(); }

  /// Whether an object is no part of the backup.
  bool Skips(const storage::ObjectInfo& object, std::string_view path) const {
    std::string_view dir;
    return meta::IsFolderMark(object) || IsLockKey(path) || IsMarkerKey(path, dir) ||
           IsTombstoneKey(path, dir) || IsTagsKey(path, dir) || IsStrayManifest(backup_, path);
  }

  Status Count() {
    return storage::ForEachObject(
        ctx_, *place_.backend, dir_, [this](const storage::ObjectInfo& object) {
          const std::string_view path = std::string_view(object.key).substr(dir_.size());
          if (Skips(object, path)) return Status::Ok();
          if (const Status status = CheckArchivePath(path); !status.ok()) {
            return FailedPreconditionError(
                       fmt::format("{} cannot be exported: {}", options_.name, status.message()))
                .WithAdvice("`copy` takes a backup with such an object");
          }
          ++report_.objects;
          report_.bytes += object.size;
          return Status::Ok();
        });
  }

  Status WriteAll() {
    Enter("export");
    if (options_.progress != nullptr) {
      options_.progress->objects_planned += report_.objects;
      options_.progress->bytes_planned += report_.bytes;
    }
    const std::string preface =
        meta::EncodeArchivePreface({.tool = MB_VERSION,
                                    .name = options_.name,
                                    .header_sha256 = HexEncode(Sha256(AsBytes(header_text_))),
                                    .manifest_sha256 = manifest_sha256(),
                                    .objects = report_.objects,
                                    .bytes = report_.bytes});
    MB_RETURN_IF_ERROR(writer_->Begin(
        {.name = meta::kArchivePrefaceName, .size = preface.size(), .modified = header_.modified}));
    MB_RETURN_IF_ERROR(writer_->Write(AsBytes(preface)));
    if (report_.has_manifest) MB_RETURN_IF_ERROR(WriteManifest());
    MB_RETURN_IF_ERROR(WriteObjects());
    return WriteHeader();
  }

  /// Index and parts, each proved by what has proved the one before.
  Status WriteManifest() {
    const std::string key = meta::ManifestKey(dir_);
    MB_ASSIGN_OR_RETURN(const std::string text,
                        storage::ReadAll(ctx_, *place_.backend, key, kMaxManifestObject));
    if (HexEncode(Sha256(AsBytes(text))) != manifest_sha256()) return Changed(key);
    MB_ASSIGN_OR_RETURN(const meta::ManifestIndex index, meta::DecodeManifestIndex(text, key));
    MB_RETURN_IF_ERROR(WriteText(meta::ManifestKey(""), text));
    for (const meta::ManifestPart& part : index.parts) {
      MB_ASSIGN_OR_RETURN(
          const std::string bytes,
          storage::ReadAll(ctx_, *place_.backend, dir_ + part.path, kMaxManifestObject));
      if (bytes.size() != part.size || HexEncode(Sha256(AsBytes(bytes))) != part.sha256) {
        return Changed(dir_ + part.path);
      }
      MB_RETURN_IF_ERROR(WriteText(part.path, bytes));
    }
    MB_ASSIGN_OR_RETURN(manifest_, ManifestWalk::Open(ctx_, *place_.backend, dir_,
                                                      manifest_sha256(), "in the storage"));
    return Status::Ok();
  }

  Status WriteObjects() {
    storage::ObjectStream listing(ctx_, *place_.backend, {.prefix = dir_});
    ReadAhead ahead(ctx_, *place_.backend, options_.memory_bytes);
    MB_ASSIGN_OR_RETURN(const storage::ObjectInfo* next, NextObject(listing));
    while (next != nullptr || !ahead.empty()) {
      while (next != nullptr && ahead.HasRoom(next->size)) {
        ahead.Add(*next);
        MB_ASSIGN_OR_RETURN(next, NextObject(listing));
      }
      MB_RETURN_IF_ERROR(WriteObject(ahead));
    }
    return manifest_ != nullptr ? manifest_->End() : Status::Ok();
  }

  /// The next one that neither manifest nor header is; null after the last.
  Result<const storage::ObjectInfo*> NextObject(storage::ObjectStream& listing) {
    while (true) {
      MB_ASSIGN_OR_RETURN(const storage::ObjectInfo* object, listing.Next());
      if (object == nullptr) return object;
      const std::string_view path = std::string_view(object->key).substr(dir_.size());
      if (!Skips(*object, path) && path != meta::MetaKey("", meta::MetaFile::kHeader) &&
          !IsOfManifest(path)) {
        return object;
      }
    }
  }

  Status WriteObject(ReadAhead& ahead) {
    const storage::ObjectInfo object = ahead.front();
    const std::string path = object.key.substr(dir_.size());
    meta::ContentHash expected;
    if (manifest_ != nullptr) {
      MB_ASSIGN_OR_RETURN(const std::optional<meta::ManifestEntry> entry,
                          manifest_->Take(ctx_, path));
      if (entry && entry->size != object.size) return Changed(object.key);
      if (entry) expected = entry->hash;
    }
    MB_RETURN_IF_ERROR(Begin(path, object.size, object.modified));
    ContentCheck check(expected);
    MB_RETURN_IF_ERROR(ahead.Take([&](ByteView bytes) {
      check.Add(bytes);
      return writer_->Write(bytes);
    }));
    if (!check.IsRight()) {
      return DataLossError(object.key + " has other bytes than the manifest says")
          .WithOrigin(Origin::kStorage)
          .WithAdvice("`verify --deep` lists all such objects; export another copy of this backup");
    }
    CountDone(object.size);
    return Status::Ok();
  }

  Status WriteHeader() {
    MB_ASSIGN_OR_RETURN(const storage::ObjectInfo now, place_.backend->Stat(ctx_, header_.key));
    if (now.etag != header_.etag || now.size != header_text_.size()) return Changed(header_.key);
    if (lock_ != nullptr) MB_RETURN_IF_ERROR(lock_->Check(ctx_));
    if (written_objects_ + 1 != report_.objects ||
        written_bytes_ + header_text_.size() != report_.bytes) {
      return Changed(dir_);
    }
    return WriteText(meta::MetaKey("", meta::MetaFile::kHeader), header_text_);
  }

  Status WriteText(const std::string& path, std::string_view text) {
    MB_RETURN_IF_ERROR(Begin(path, text.size(), header_.modified));
    MB_RETURN_IF_ERROR(writer_->Write(AsBytes(text)));
    CountDone(text.size());
    return Status::Ok();
  }

  Status Begin(const std::string& path, uint64_t size,
               std::chrono::system_clock::time_point modified) {
    MB_RETURN_IF_ERROR(ctx_.Check());
    return writer_->Begin(
        {.name = fmt::format("{}/{}", options_.name, path), .size = size, .modified = modified});
  }

  void CountDone(uint64_t size) {
    ++written_objects_;
    written_bytes_ += size;
    if (options_.progress == nullptr) return;
    ++options_.progress->objects_done;
    options_.progress->bytes_done += size;
  }

  static Status Changed(const std::string& key) {
    return Status(Code::kAborted, key + " changed while the backup was exported")
        .WithOrigin(Origin::kStorage)
        .WithAdvice("run the same command again");
  }

  void Enter(const char* phase) {
    if (options_.progress != nullptr) options_.progress->SetPhase(phase);
  }

  const CallContext& ctx_;
  const Place& place_;
  const ExportOptions& options_;
  ExportReport report_;
  std::string dir_;
  Tree source_;
  BackupInTree backup_;
  std::unique_ptr<RunLock> lock_;
  storage::ObjectInfo header_;
  std::string header_text_;
  std::unique_ptr<ManifestWalk> manifest_;
  std::unique_ptr<ArchiveWriter> writer_;
  uint64_t written_objects_ = 0;
  uint64_t written_bytes_ = 0;
};

}  // namespace

Result<ExportReport> ExportBackup(const CallContext& ctx, const Place& place,
                                  const ExportOptions& options, const ByteSink& sink) {
  return Export(ctx, place, options).Run(sink);
}

}  // namespace milvus_backup::backup
