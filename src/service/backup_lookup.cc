#include "backup_lookup.h"

#include "envelope.h"

#include "milvus_backup/meta/codec.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/meta/partial.h"
#include "milvus_backup/meta/reader.h"
#include "milvus_backup/service/backup_view.h"
#include "milvus_backup/service/services.h"

#include <fmt/format.h>

#include <memory>
#include <utility>

namespace milvus_backup::service {
namespace {

std::string Brief(const meta::BackupInfo& info, const meta::BriefOptions& options) {
  return meta::EncodeToString(
      [&](const meta::TextSink& sink) { return meta::EncodeBrief(info, options, sink); });
}

/// A backup that the storage does not have, or not yet.
std::string OfTask(const JobRecord& job) {
  const meta::BackupInfo info{.name = job.subject};
  return Brief(info, {.id = job.id,
                      .state_code = StateCode(job.state),
                      .task = {.error_message = job.error,
                               .start_time = job.started,
                               .end_time = job.ended,
                               .progress = job.progress}});
}

/// A backup of the storage; `job` made it, when that is known.
std::string OfStorage(const StoredBackup& stored, const std::optional<JobRecord>& job) {
  const meta::BackupInfo& info = stored.info;
  meta::BriefOptions options{.id = info.id,
                             .state_code = StateCode(JobState::kSucceeded),
                             .task = {.progress = 100, .meta_size = stored.meta_size},
                             .tags = stored.tags};
  if (job && job->id == info.id) {
    options.task.start_time = job->started;
    options.task.end_time = job->ended;
  }
  if (info.partial) {
    options.state_code = StateCode(JobState::kFailed);
    options.task.error_message =
        "the backup is partial: it lacks " + meta::MissingText(info.failed_collections);
  }
  return Brief(info, options);
}

bool IsMissing(const Status& status) {
  return status.code() == Code::kNotFound && status.origin() == Origin::kSelf;
}

}  // namespace

Status CheckBackupExists(const CallContext& ctx, const config::Config& config,
                         const std::string& name) {
  MB_ASSIGN_OR_RETURN(const std::unique_ptr<Services> services,
                      Services::Create(ctx, config, Services::Needs::kBackupStorage));
  const backup::Place& place = services->site().backup_storage;
  MB_ASSIGN_OR_RETURN(const std::string backup_dir, meta::BackupDir(place.root, name));
  return meta::ReadHeader(ctx, *place.backend, backup_dir).status();
}

Result<std::string> BackupLookup::ByName(const std::string& name) const {
  const std::optional<JobRecord> job = jobs_.FindLatest(kCreateKind, name);
  if (job && !IsFinal(job->state)) return OfTask(*job);
  MB_ASSIGN_OR_RETURN(const std::unique_ptr<Services> services,
                      Services::Create(ctx_, config_, Services::Needs::kBackupStorage));
  const auto stored = ReadStored(ctx_, services->site().backup_storage, name);
  if (stored.ok()) return OfStorage(*stored, job);
  // A task that succeeded is no answer: the backup was deleted since.
  const bool tells_why = job && job->state != JobState::kSucceeded;
  if (IsMissing(stored.status()) && tells_why) return OfTask(*job);
  return stored.status();
}

Result<std::string> BackupLookup::ById(const std::string& id) const {
  const std::optional<JobRecord> job = jobs_.Find(id);
  if (job && job->kind == kCreateKind) {
    if (job->state == JobState::kSucceeded) return ByName(job->subject);
    if (!IsFinal(job->state)) return OfTask(*job);
    // The server may have ended between the backup's completion and its note of that, and another
    // task may have completed it.
    MB_ASSIGN_OR_RETURN(const std::unique_ptr<Services> services,
                        Services::Create(ctx_, config_, Services::Needs::kBackupStorage));
    const auto stored = ReadStored(ctx_, services->site().backup_storage, job->subject);
    const bool is_its = stored.ok() && stored->info.id == id;
    return is_its ? OfStorage(*stored, job) : OfTask(*job);
  }
  MB_ASSIGN_OR_RETURN(const std::unique_ptr<Services> services,
                      Services::Create(ctx_, config_, Services::Needs::kBackupStorage));
  const backup::Place& place = services->site().backup_storage;
  MB_ASSIGN_OR_RETURN(const meta::BackupList list,
                      meta::ListBackups(ctx_, *place.backend, place.root));
  for (const meta::ListedBackup& backup : list.backups) {
    if (backup.header.id == id) return ByName(backup.name);
  }
  return NotFoundError(fmt::format("backup id {} not found", id));
}

}  // namespace milvus_backup::service
