#include "copy_section.h"

#include "claim.h"
#include "copy_extra.h"

#include "milvus_backup/base/log.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/meta/run_record.h"
#include "milvus_backup/meta/tags.h"
#include "milvus_backup/meta/tombstone.h"
#include "milvus_backup/meta/writer.h"
#include "milvus_backup/storage/object_stream.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

namespace milvus_backup::backup {
namespace {

using namespace std::chrono_literals;

/// A header is small: larger ones are not compared and so not taken for equal.
constexpr size_t kMaxHeaderBytes = 64 * kMiB;

/// The first key below `dir` that is no lock and not `but`; empty when there is none.
Result<std::string> FirstKey(const CallContext& ctx, storage::Backend& backend,
                             const std::string& dir, const std::string& but) {
  storage::ObjectStream stream(ctx, backend, {.prefix = dir});
  for (;;) {
    MB_ASSIGN_OR_RETURN(const storage::ObjectInfo* object, stream.Next());
    if (object == nullptr) return std::string();
    const std::string_view key = std::string_view(object->key).substr(dir.size());
    if (!IsLockKey(key) && object->key != but) return object->key;
  }
}

/// Only directories that belong to backups are emptied of what the source does not have.
bool IsPartOfBackup(std::string_view key) {
  return key.starts_with("meta/") || key.starts_with("binlogs/") || key.starts_with("bundle/");
}

}  // namespace

BackupCopy::BackupCopy(CopyJob& job, BackupInTree& backup)
    : job_(job),
      backup_(backup),
      source_dir_(job.source.dir + backup.dir),
      destination_dir_(job.destination.dir + backup.dir),
      marker_(*job.destination.backend, meta::MarkerKey(destination_dir_), destination_dir_,
              meta::NewRunRecord("copy", CopyLockName(destination_dir_))) {}

bool BackupCopy::IsHeader(std::string_view key) const {
  return std::ranges::find(backup_.headers, key) != backup_.headers.end();
}

bool BackupCopy::IsMarker(std::string_view key) const {
  const std::string_view path = key.substr(backup_.dir.size());
  return path == meta::MarkerKey("") || path == meta::TombstoneKey("");
}

bool BackupCopy::IsTags(std::string_view key) const {
  return key.substr(backup_.dir.size()) == meta::TagsKey("");
}

Status BackupCopy::Fail(Status status) {
  if (EndsTheCopy(status)) return status;
  mode_ = Mode::kFails;
  failure_ = std::move(status);
  return Status::Ok();
}

Status BackupCopy::Open() {
  MB_RETURN_IF_ERROR(LookAround());
  if (mode_ == Mode::kWrites) {
    if (Status damaged = CheckSource(); !damaged.ok()) return Fail(std::move(damaged));
  }
  if (mode_ == Mode::kWrites && resumes_) {
    // Marker and header could be written there and never be removed.
    Status removable =
        job_.destination.backend->CheckDeletable(job_.ctx, meta::MetaDir(destination_dir_));
    if (!removable.ok()) return Fail(std::move(removable));
  }
  if (mode_ == Mode::kWrites && !job_.rules.dry_run) {
    Status taken = TakeRight();
    // That both sides are one place concerns everything.
    if (taken.code() == Code::kInvalidArgument) return taken;
    if (!taken.ok()) MB_RETURN_IF_ERROR(Fail(taken));
  }
  if (mode_ != Mode::kWrites) return Status::Ok();
  if (Status unknown = OpenManifest(); !unknown.ok()) return Fail(std::move(unknown));
  if (!job_.rules.dry_run) MB_RETURN_IF_ERROR(BeginWriting());
  objects_.emplace(job_, marker_, resumes_ || job_.rules.overwrite);
  return Status::Ok();
}

Status BackupCopy::CheckSource() {
  if (!backup_.checked) {
    backup_.checked = backup::CheckSource(job_.ctx, job_.source, backup_);
  }
  return *backup_.checked;
}

Status BackupCopy::OpenManifest() {
  for (size_t i = 0; i < backup_.headers.size(); ++i) {
    if (backup_.headers[i] != meta::MetaKey(backup_.dir, meta::MetaFile::kHeader)) continue;
    if (backup_.manifests[i].empty()) return Status::Ok();
    MB_ASSIGN_OR_RETURN(manifest_, ManifestWalk::Open(job_.ctx, *job_.source.backend, source_dir_,
                                                      backup_.manifests[i], "at the source"));
  }
  return Status::Ok();
}

Status BackupCopy::LookAround() {
  if (job_.destination_is_missing) return Status::Ok();
  storage::Backend& backend = *job_.destination.backend;
  const std::string header = meta::MetaKey(destination_dir_, meta::MetaFile::kHeader);
  auto left = marker_.ReadLeft(job_.ctx);
  if (!left.ok()) return Fail(std::move(left).status());
  left_ = *std::move(left);
  const auto there = backend.Stat(job_.ctx, header);
  if (!there.ok() && there.status().code() != Code::kNotFound) return there.status();
  header_is_there_ = there.ok();
  resumes_ = left_ || header_is_there_;
  if (job_.rules.overwrite) {
    mode_ = Mode::kWrites;
    resumes_ = true;
    return Status::Ok();
  }
  if (header_is_there_) {
    mode_ = Mode::kCompares;
    return Status::Ok();
  }
  if (Status pruned = CheckNotPruned(job_.ctx, backend, destination_dir_); !pruned.ok()) {
    return Fail(std::move(pruned));
  }
  if (left_ && left_->operation != "copy") {
    return Fail(AlreadyExistsError(fmt::format("an unfinished backup is at {}: {}",
                                               destination_dir_, left_->ToString()))
                    .WithAdvice("remove it with `delete`, or copy over it with --overwrite"));
  }
  if (left_) return Status::Ok();
  MB_ASSIGN_OR_RETURN(const std::string key, FirstKey(job_.ctx, backend, destination_dir_, ""));
  if (key.empty()) return Status::Ok();
  return Fail(AlreadyExistsError("something that no copy has left is in the way: " + key)
                  .WithAdvice("choose another place, or copy over it with --overwrite"));
}

Status BackupCopy::TakeRight() {
  MB_ASSIGN_OR_RETURN(lock_, LockDestination(job_, destination_dir_));
  MB_ASSIGN_OR_RETURN(source_lock_, LockForReading(job_.ctx, *job_.source.backend, source_dir_));
  // Another run may have come and gone before the lock.
  return LookAround();
}

Status BackupCopy::BeginWriting() {
  storage::Backend& backend = *job_.destination.backend;
  if (left_) {
    log::Info("going on with the unfinished copy at {} ({})", destination_dir_, left_->ToString());
    job_.report.resumed = true;
    MB_RETURN_IF_ERROR(marker_.TakeOver(job_.ctx, *left_));
  }
  MB_RETURN_IF_ERROR(marker_.Write(job_.ctx));
  MB_RETURN_IF_ERROR(CheckMarkerIsElsewhere());
  if (!resumes_) return Status::Ok();
  // It would speak for what is there now.
  MB_RETURN_IF_ERROR(backend.Delete(job_.ctx, meta::TombstoneKey(destination_dir_)));
  for (const std::string& header : backup_.headers) {
    MB_RETURN_IF_ERROR(backend.Delete(job_.ctx, job_.destination.dir + header));
  }
  return Status::Ok();
}

Status BackupCopy::CheckMarkerIsElsewhere() {
  const auto seen =
      meta::ReadRunRecord(job_.ctx, *job_.source.backend, meta::MarkerKey(source_dir_));
  if (!seen.ok() || !*seen || (*seen)->run_id != marker_.run_id()) return job_.ctx.Check();
  MB_RETURN_IF_ERROR(marker_.End(job_.ctx));
  return SamePlace({job_.source.backend, source_dir_},
                   {job_.destination.backend, destination_dir_});
}

Status BackupCopy::Take(const KeyPair& listed) {
  if (mode_ == Mode::kFails || IsMarker(listed.key)) return Status::Ok();
  // Either side has its own, once there are some.
  const bool brings_tags =
      mode_ == Mode::kWrites && listed.source != nullptr && listed.destination == nullptr;
  if (IsTags(listed.key) && !brings_tags) return Status::Ok();
  KeyPair pair = listed;
  if (pair.source != nullptr && IsStrayManifest(backup_, pair.key)) {
    ++stray_;
    pair.source = nullptr;
    if (pair.destination == nullptr) return Status::Ok();
  }
  if (mode_ == Mode::kCompares) {
    Compare(pair);
    return Status::Ok();
  }
  if (pair.source == nullptr) {
    const bool goes =
        job_.rules.delete_extra || IsPartOfBackup(pair.key.substr(backup_.dir.size()));
    if (job_.rules.dry_run && goes) ++job_.report.deleted_objects;
    return Status::Ok();
  }
  if (IsHeader(pair.key) && !job_.rules.dry_run) {
    held_.push_back({.source_key = pair.source->key,
                     .destination_key = job_.destination.dir + std::string(pair.key),
                     .size = pair.source->size,
                     .etag = pair.source->etag});
    return Status::Ok();
  }
  return TakeObject(pair);
}

Status BackupCopy::TakeObject(const KeyPair& pair) {
  std::optional<meta::ManifestEntry> entry;
  if (manifest_ != nullptr && !meta::IsFolderMark(*pair.source)) {
    auto taken = manifest_->Take(job_.ctx, pair.key.substr(backup_.dir.size()));
    if (!taken.ok()) {
      MB_RETURN_IF_ERROR(objects_->Finish());
      return Fail(std::move(taken).status());
    }
    entry = *std::move(taken);
  }
  return objects_->Take(pair, entry ? &entry->hash : nullptr);
}

void BackupCopy::Compare(const KeyPair& pair) {
  const bool equal = pair.source != nullptr && pair.destination != nullptr &&
                     pair.source->size == pair.destination->size;
  ++(equal ? equal_ : differences_);
}

Status BackupCopy::Close() {
  if (mode_ == Mode::kCompares) MB_RETURN_IF_ERROR(CloseComparison());
  if (mode_ == Mode::kWrites) MB_RETURN_IF_ERROR(CloseWriting());
  std::string dir = backup_.dir;
  if (!dir.empty()) dir.pop_back();
  using Outcome = CopiedBackup::Outcome;
  const Outcome outcome = mode_ == Mode::kFails      ? Outcome::kFailed
                          : mode_ == Mode::kCompares ? Outcome::kAlreadyThere
                                                     : Outcome::kCopied;
  if (mode_ == Mode::kFails) LeaveUnfinished();
  job_.report.backups.push_back({std::move(dir), outcome, std::move(failure_)});
  lock_.reset();
  source_lock_.reset();
  return Status::Ok();
}

Result<bool> BackupCopy::HasEqualHeaders() {
  for (const std::string& header : backup_.headers) {
    MB_ASSIGN_OR_RETURN(const std::string source,
                        storage::ReadAll(job_.ctx, *job_.source.backend, job_.source.dir + header,
                                         kMaxHeaderBytes));
    MB_ASSIGN_OR_RETURN(const std::string copy,
                        storage::ReadAll(job_.ctx, *job_.destination.backend,
                                         job_.destination.dir + header, kMaxHeaderBytes));
    if (source != copy) return false;
  }
  return true;
}

Status BackupCopy::CloseComparison() {
  if (differences_ == 0) {
    const auto equal = HasEqualHeaders();
    if (!equal.ok()) return Fail(equal.status());
    differences_ = *equal ? 0 : backup_.headers.size();
  }
  if (differences_ > 0) {
    return Fail(AlreadyExistsError(
                    fmt::format("a backup is at {} already, and {} of its objects are not those "
                                "of the source",
                                destination_dir_, differences_))
                    .WithAdvice("copy to another name with --as, or over it with --overwrite"));
  }
  job_.report.kept_objects += equal_;
  return job_.rules.dry_run ? Status::Ok() : ClearAfterFinishedRun();
}

/// The run that copied it may have got as far as the header and no further.
Status BackupCopy::ClearAfterFinishedRun() {
  const bool has_marker = left_ && left_->operation == "copy";
  const auto locks = job_.destination.backend->List(
      job_.ctx, {.prefix = CopyLockDir(destination_dir_), .max_keys = 1});
  if (!has_marker && (!locks.ok() || locks->objects.empty())) return Status::Ok();
  // Taking the lock removes dead ones.
  const auto lock = LockDestination(job_, destination_dir_);
  if (!lock.ok()) return has_marker ? Fail(lock.status()) : Status::Ok();
  if (!has_marker) return Status::Ok();
  MB_RETURN_IF_ERROR(marker_.TakeOver(job_.ctx, *left_));
  MB_RETURN_IF_ERROR(marker_.EndUploads(job_.ctx));
  return marker_.End(job_.ctx);
}

Status BackupCopy::CloseWriting() {
  MB_RETURN_IF_ERROR(objects_->Finish());
  if (objects_->failed()) {
    if (!job_.rules.dry_run) MB_RETURN_IF_ERROR(SettleBackup());
    return Fail(DataLossError("some of its objects were not copied, so its header was not written")
                    .WithOrigin(Origin::kStorage));
  }
  if (manifest_ != nullptr) {
    if (Status missing = manifest_->End(); !missing.ok()) return Fail(std::move(missing));
  }
  if (stray_ > 0) {
    job_.report.warnings.push_back(fmt::format(
        "{}: the manifest is left out, for its header does not speak of it; `verify --seal` gives "
        "the copy a new one",
        source_dir_));
  }
  if (job_.rules.dry_run) return Status::Ok();
  const uint64_t failures = job_.report.failure_count;
  MB_RETURN_IF_ERROR(SettleBackup());
  if (job_.report.failure_count > failures) {
    return Fail(DataLossError("what arrived is not what the source has, so its header was not "
                              "written")
                    .WithOrigin(Origin::kStorage));
  }
  MB_RETURN_IF_ERROR(marker_.EndUploads(job_.ctx));
  if (resumes_) {
    MB_RETURN_IF_ERROR(meta::RemoveRemains(job_.ctx, *job_.destination.backend, destination_dir_));
    MB_RETURN_IF_ERROR(RemoveDeadWrites(job_, LocksDirOf(destination_dir_)));
  }
  MB_RETURN_IF_ERROR(job_.ctx.Check());
  if (Status lost = lock_->Check(job_.ctx); !lost.ok()) return Fail(std::move(lost));
  if (Status written = WriteHeaders(); !written.ok()) return Fail(std::move(written));
  if (const Status ended = marker_.End(job_.ctx); !ended.ok()) {
    log::Warn("the copy at {} is finished, but {}", destination_dir_, ended.ToString());
  }
  return Status::Ok();
}

Status BackupCopy::SettleBackup() {
  const bool failed = objects_->failed();
  const bool compares = job_.rules.check && objects_->names_all_failures();
  const bool removes = !failed && (resumes_ || job_.rules.delete_extra);
  if (!compares && !removes) return Status::Ok();
  const size_t length = backup_.dir.size();
  LooseKeys loose(job_, backup_.dir);
  return Settle(
      job_, {.below = backup_.dir,
             .compares = compares,
             .after_failures = failed,
             .concerns =
                 [this](std::string_view key) {
                   return !IsMarker(key) && !IsTags(key) && !IsHeader(key);
                 },
             .leaves_out = [this](std::string_view key) { return IsStrayManifest(backup_, key); },
             .may_remove = [&](std::string_view key) -> Result<bool> {
               if (IsPartOfBackup(key.substr(length))) return true;
               if (!job_.rules.delete_extra) return false;
               return loose.Contain(key);
             }});
}

Status BackupCopy::WriteHeaders() {
  if (held_.size() != backup_.headers.size()) {
    return Status(Code::kAborted, "the header vanished from the source while it was copied")
        .WithOrigin(Origin::kStorage);
  }
  transfer::CopySummary summary;
  // Inner backups first: the outer one holds them.
  std::ranges::reverse(held_);
  for (transfer::CopyItem& item : held_) {
    MB_ASSIGN_OR_RETURN(const storage::ObjectInfo now,
                        job_.source.backend->Stat(job_.ctx, item.source_key));
    if (now.etag != item.etag || now.size != item.size) {
      return Status(Code::kAborted, item.source_key + " changed while the backup was copied")
          .WithOrigin(Origin::kStorage)
          .WithAdvice("run the same command again");
    }
    transfer::CopyBatch batch(job_.engine, *job_.source.backend, *job_.destination.backend,
                              job_.ctx.stop);
    MB_RETURN_IF_ERROR(batch.Add(item));
    const transfer::CopySummary written = batch.Wait();
    MB_RETURN_IF_ERROR(written.ToStatus());
    summary.objects += written.objects;
    summary.bytes += written.bytes;
    summary.server_side_objects += written.server_side_objects;
    summary.second_reads += written.second_reads;
  }
  job_.report.objects += summary.objects;
  job_.report.bytes += summary.bytes;
  job_.report.server_side_objects += summary.server_side_objects;
  job_.report.second_reads += summary.second_reads;
  return Status::Ok();
}

void BackupCopy::LeaveUnfinished() {
  if (lock_ == nullptr) return;
  // The command's own context may have been cancelled.
  const CallContext ctx{{}, std::chrono::steady_clock::now() + 60s};
  const std::string marker = meta::MarkerKey(destination_dir_);
  const auto key = FirstKey(ctx, *job_.destination.backend, destination_dir_, marker);
  if (key.ok() && key->empty() && marker_.EndUploads(ctx).ok() && marker_.End(ctx).ok()) return;
  log::Warn("the copy at {} is unfinished: the same command goes on with it", destination_dir_);
}

}  // namespace milvus_backup::backup
