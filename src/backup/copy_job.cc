#include "copy_job.h"

#include "copy_merge.h"
#include "copy_survey.h"

#include "milvus_backup/base/log.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/meta/run_record.h"
#include "milvus_backup/storage/location.h"

#include <fmt/format.h>

#include <set>
#include <string>
#include <utility>
#include <vector>

namespace milvus_backup::backup {
namespace {

/// As many as one request can delete.
constexpr size_t kDeleteBatch = 1000;

/// Below the destination's tree, where a directory of backups keeps its locks.
constexpr std::string_view kProbeDir = ".locks/copy/";

std::string_view WithoutSlash(std::string_view dir) {
  if (dir.ends_with('/')) dir.remove_suffix(1);
  return dir;
}

std::string ParentOf(const std::string& dir) {
  const std::string_view path = WithoutSlash(dir);
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? "" : std::string(path.substr(0, slash));
}

/// Two names, addresses or mounts may lead to one storage: whoever reads at the source what was
/// written at the destination has the same one on both sides.
Status CheckIsElsewhere(const CopyJob& job, const RunLock& lock) {
  if (!job.source.backend->Stat(job.ctx, lock.key()).ok()) return Status::Ok();
  const auto spot = [](const Tree& tree) {
    return storage::Spot{tree.backend->Describe(), std::string(WithoutSlash(tree.dir))};
  };
  storage::Spot source = spot(job.source);
  const storage::Spot destination = spot(job.destination);
  source.container = destination.container;
  return storage::CheckApart(source, destination);
}

/// What errors call a tree that is locked.
std::string Subject(const Tree& tree) {
  return (tree.dir.empty() ? "" : "the tree ") + tree.Describe();
}

Result<std::unique_ptr<RunLock>> Lock(const CopyJob& job, const std::string& dir,
                                      std::string subject) {
  MB_ASSIGN_OR_RETURN(std::unique_ptr<RunLock> lock,
                      RunLock::Acquire(job.ctx, *job.destination.backend, CopyLockDir(dir),
                                       meta::NewRunRecord("copy", CopyLockName(dir)),
                                       {.subject = std::move(subject)}));
  MB_RETURN_IF_ERROR(CheckIsElsewhere(job, *lock));
  return lock;
}

/// Deletes in batches, and keeps account of it in the job's report.
class Remover {
 public:
  explicit Remover(CopyJob& job) : job_(job) {}

  Status Add(const std::string& key) {
    keys_.push_back(key);
    return keys_.size() < kDeleteBatch ? Status::Ok() : Flush();
  }
  Status Flush() {
    if (keys_.empty()) return Status::Ok();
    auto failures = job_.destination.backend->DeleteMany(job_.ctx, keys_);
    MB_RETURN_IF_ERROR(failures.status().Annotate("removing what the source does not have"));
    job_.report.deleted_objects += keys_.size() - failures->size();
    keys_.clear();
    for (storage::DeleteFailure& failure : *failures) {
      job_.AddFailure(std::move(failure.key), std::move(failure.status).Annotate("removing it"));
    }
    return Status::Ok();
  }

 private:
  CopyJob& job_;
  std::vector<std::string> keys_;
};

Status SettleAll(CopyJob& job, const Settlement& settlement) {
  std::set<std::string> named;
  if (settlement.after_failures) {
    for (const FailedObject& failure : job.report.failures) named.insert(failure.key);
  }
  MergedListing pairs(job.ctx, job.source, job.destination, settlement.below);
  Remover remover(job);
  for (;;) {
    MB_ASSIGN_OR_RETURN(KeyPair pair, pairs.Next());
    if (pair.source == nullptr && pair.destination == nullptr) return remover.Flush();
    if (settlement.leaves_out && settlement.leaves_out(pair.key)) {
      if (pair.destination == nullptr) continue;
      pair.source = nullptr;
    }
    if (IsLockKey(pair.key) || !job.Takes(pair.key) || !settlement.concerns(pair.key)) continue;
    if (pair.source == nullptr) {
      if (settlement.after_failures) continue;
      MB_ASSIGN_OR_RETURN(const bool goes, settlement.may_remove(pair.key));
      if (goes) {
        MB_RETURN_IF_ERROR(remover.Add(pair.destination->key));
      }
    } else if (!settlement.compares || named.contains(pair.source->key)) {
      continue;
    } else if (pair.destination == nullptr) {
      job.AddFailure(pair.source->key,
                     DataLossError("it is not at the destination, or came after the listing"));
    } else if (pair.source->size != pair.destination->size) {
      job.AddFailure(pair.source->key,
                     DataLossError(fmt::format("it has {} bytes, its copy {}", pair.source->size,
                                               pair.destination->size)));
    }
  }
}

}  // namespace

bool EndsTheCopy(const Status& status) {
  switch (status.code()) {
    case Code::kCancelled:
    case Code::kDeadlineExceeded:
    case Code::kUnauthenticated:
    case Code::kUnavailable:
    case Code::kResourceExhausted:
      return true;
    default:
      return status.service_code() == "NoSuchBucket";
  }
}

std::string CopyLockName(const std::string& dir) {
  return dir.empty() ? ".tree" : meta::BackupName(dir);
}

std::string CopyLockDir(const std::string& dir) {
  return BackupLockDir(ParentOf(dir), CopyLockName(dir));
}

std::string LocksDirOf(const std::string& dir) {
  return meta::JoinPath(ParentOf(dir), ".locks") + "/";
}

std::string TreeMarkerKey(const std::string& dir) {
  return LocksDirOf(dir) + CopyLockName(dir) + ".run.json";
}

Status RemoveDeadWrites(CopyJob& job, const std::string& dir) {
  if (!job.destination.is_disk) return Status::Ok();
  const Status removed = job.destination.backend->RemoveDeadWrites(job.ctx, dir);
  if (removed.ok()) return Status::Ok();
  MB_RETURN_IF_ERROR(job.ctx.Check());
  job.report.warnings.push_back(fmt::format("what killed runs were writing is left in {}: {}",
                                            Tree{job.destination.backend, dir}.Describe(),
                                            removed.ToString()));
  return Status::Ok();
}

Result<std::unique_ptr<RunLock>> LockDestination(const CopyJob& job, const std::string& dir) {
  return Lock(job, dir, "");
}

Result<std::unique_ptr<RunLock>> LockTree(const CopyJob& job) {
  return Lock(job, job.destination.dir, Subject(job.destination));
}

Status SamePlace(const Tree& source, const Tree& destination) {
  return InvalidArgumentError(
             fmt::format("source and destination are the same place: what is written into {} is "
                         "found in {}",
                         destination.Describe(), source.Describe()))
      .WithAdvice("copy to another place");
}

Status CheckTreesApart(const CopyJob& job) {
  const std::string& dir = job.destination.dir;
  MB_ASSIGN_OR_RETURN(
      const std::unique_ptr<RunLock> probe,
      RunLock::Acquire(job.ctx, *job.destination.backend, dir + std::string(kProbeDir),
                       meta::NewRunRecord("copy", CopyLockName(dir)),
                       {.subject = Subject(job.destination)}));
  const std::string written = probe->key().substr(dir.size());
  const auto has_it = [&](const std::string& at) {
    return job.source.backend->Stat(job.ctx, at + written).ok();
  };
  if (has_it(job.source.dir)) return SamePlace(job.source, job.destination);
  for (std::string above = job.source.dir; !above.empty();) {
    above = ParentOf(above);
    if (!above.empty()) above += '/';
    if (!has_it(above)) continue;
    return InvalidArgumentError(fmt::format("the source, {}, lies inside the destination, {}",
                                            job.source.Describe(), job.destination.Describe()))
        .WithAdvice("copy to another place");
  }
  return job.ctx.Check();
}

Result<std::unique_ptr<RunLock>> LockForReading(const CallContext& ctx, storage::Backend& backend,
                                                const std::string& dir) {
  auto lock = RunLock::Acquire(ctx, backend, CopyLockDir(dir),
                               meta::NewRunRecord("read", CopyLockName(dir)));
  const Code code = lock.status().code();
  if (lock.ok() || code == Code::kAlreadyExists) return lock;
  // Reading is all that is needed of a storage, which may be full.
  if (EndsTheCopy(lock.status()) && code != Code::kResourceExhausted) return lock;
  log::Info("source={} is not locked against changes: {}", dir, lock.status().ToString());
  return std::unique_ptr<RunLock>();
}

Status Settle(CopyJob& job, const Settlement& settlement) {
  Status settled = SettleAll(job, settlement);
  if (settled.ok() || !settlement.after_failures) return settled;
  MB_RETURN_IF_ERROR(job.ctx.Check());
  job.report.warnings.push_back("what arrived was not compared with the source: " +
                                settled.ToString());
  return Status::Ok();
}

}  // namespace milvus_backup::backup
