/// The directory that a server keeps the records of its jobs in: `<id>.json` each.
#pragma once

#include "file_lock.h"

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/service/job.h"
#include "milvus_backup/storage/backend.h"

#include <memory>
#include <string>
#include <vector>

namespace milvus_backup::service {

/// Make the directory where it is missing, readable by its owner only. kFailedPrecondition naming
/// it when that is not possible.
Status MakeStateDirectory(const std::string& directory);

/// One process at a time has a directory. Thread-safe.
class JobStore {
 public:
  /// Make the directory where it is missing, readable by its owner only, and take it.
  /// kAlreadyExists when another server has it.
  static Result<std::unique_ptr<JobStore>> Open(const std::string& directory);
  JobStore(const JobStore&) = delete;
  JobStore& operator=(const JobStore&) = delete;
  ~JobStore() = default;

  /// Every record. What is none, and what is larger than one can be, is named in the log and left
  /// alone.
  Result<std::vector<JobRecord>> Load();
  /// kNotFound when there is no such record, kDataLoss when it is damaged.
  Result<JobRecord> Read(const std::string& id);
  /// Write atomically, and to the disk before it returns. Items and warnings beyond 16 MiB are left
  /// out.
  Status Save(const JobRecord& job);
  Status Remove(const std::string& id);

  const std::string& directory() const { return directory_; }

 private:
  JobStore(std::string directory, FileLock lock);

  const std::string directory_;
  const FileLock lock_;
  std::unique_ptr<storage::Backend> files_;
};

}  // namespace milvus_backup::service
