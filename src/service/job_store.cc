#include "job_store.h"

#include "milvus_backup/base/log.h"
#include "milvus_backup/storage/open.h"

#include <fmt/format.h>

#include <filesystem>
#include <system_error>
#include <utility>

namespace milvus_backup::service {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMaxRecordBytes = 4 * kMiB;
constexpr std::string_view kSuffix = ".json";

Result<FileLock> Lock(const std::string& directory) {
  auto lock = FileLock::TryTake(directory + "/.lock");
  if (lock.ok()) return lock;
  if (lock.status().code() == Code::kAlreadyExists) {
    return AlreadyExistsError(directory + " is the state directory of a server that is running")
        .WithAdvice("stop that one, or name another with server.stateDir or --state-dir");
  }
  return Status(lock.status())
      .WithAdvice("name another directory with server.stateDir or --state-dir");
}

/// What Load reads again: of a record that is too large the last items are left out, then the last
/// warnings, then the ends of the texts.
std::string EncodeToFit(const JobRecord& job) {
  std::string text = EncodeJob(job);
  if (text.size() <= kMaxRecordBytes) return text;
  JobRecord shorter = job;
  const std::string kept =
      "this record was too large: a part of its items and warnings is left out";
  shorter.warnings.insert(shorter.warnings.begin(), kept);
  while (text.size() > kMaxRecordBytes) {
    if (!shorter.items.empty()) {
      shorter.items.resize(shorter.items.size() / 2);
    } else if (shorter.warnings.size() > 1) {
      shorter.warnings.resize((shorter.warnings.size() + 1) / 2);
    } else if (!shorter.error.empty() || !shorter.advice.empty()) {
      shorter.error.resize(shorter.error.size() / 2);
      shorter.advice.resize(shorter.advice.size() / 2);
    } else {
      break;
    }
    text = EncodeJob(shorter);
  }
  return text;
}

}  // namespace

Status MakeStateDirectory(const std::string& directory) {
  std::error_code error;
  const bool is_new = fs::create_directories(directory, error);
  // Records name collections and repeat errors of servers.
  if (!error && is_new) fs::permissions(directory, fs::perms::owner_all, error);
  if (!error) return Status::Ok();
  return FailedPreconditionError(fmt::format("{}: {}", directory, error.message()))
      .WithAdvice("name another directory with server.stateDir or --state-dir");
}

Result<std::unique_ptr<JobStore>> JobStore::Open(const std::string& directory) {
  MB_RETURN_IF_ERROR(MakeStateDirectory(directory));
  MB_ASSIGN_OR_RETURN(FileLock lock, Lock(directory));
  // NOLINTNEXTLINE(cppcoreguidelines-owning-memory): the constructor is private
  std::unique_ptr<JobStore> store(new JobStore(directory, std::move(lock)));
  MB_ASSIGN_OR_RETURN(store->files_, storage::OpenLocal({.root = directory}));
  return store;
}

JobStore::JobStore(std::string directory, FileLock lock)
    : directory_(std::move(directory)), lock_(std::move(lock)) {}

Result<std::vector<JobRecord>> JobStore::Load() {
  std::vector<JobRecord> jobs;
  const auto take = [&](const storage::ObjectInfo& object) -> Status {
    if (!object.key.ends_with(kSuffix) || object.key.find('/') != std::string::npos) {
      return Status::Ok();
    }
    const auto text = storage::ReadAll({}, *files_, object.key, kMaxRecordBytes);
    if (text.status().code() == Code::kOutOfRange) {
      log::Warn("passed over: {}/{}: no record of a task is as large", directory_, object.key);
      return Status::Ok();
    }
    MB_RETURN_IF_ERROR(text.status());
    auto job = DecodeJob(*text, directory_ + "/" + object.key);
    if (job.ok() && job->id + std::string(kSuffix) == object.key) {
      jobs.push_back(*std::move(job));
    } else {
      log::Warn("passed over: {}",
                job.ok() ? object.key + " has another task's id in it" : job.status().ToString());
    }
    return Status::Ok();
  };
  MB_RETURN_IF_ERROR(storage::ForEachObject({}, *files_, "", take));
  return jobs;
}

Result<JobRecord> JobStore::Read(const std::string& id) {
  const std::string key = id + std::string(kSuffix);
  MB_ASSIGN_OR_RETURN(const std::string text, storage::ReadAll({}, *files_, key, kMaxRecordBytes));
  return DecodeJob(text, directory_ + "/" + key);
}

Status JobStore::Save(const JobRecord& job) {
  const std::string text = EncodeToFit(job);
  return files_->Put({}, job.id + std::string(kSuffix), AsBytes(text), {})
      .status()
      .Annotate("writing down the state of task " + job.id);
}

Status JobStore::Remove(const std::string& id) {
  return files_->Delete({}, id + std::string(kSuffix));
}

}  // namespace milvus_backup::service
