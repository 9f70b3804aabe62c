/// Reads every log of a backup: hashes its bytes, and checks what they say against its key, its
/// meta and the other logs of its segment. Writes nothing.
#pragma once

#include "milvus_backup/backup/inspect.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/base/encoding.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/meta/backup_info.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace milvus_backup::backup {

/// What the bytes of an object are.
struct ObjectDigest {
  /// Relative to the backup directory.
  std::string path;
  uint64_t size = 0;
  uint32_t crc32c = 0;
  /// Only when asked for.
  std::optional<Md5Digest> md5{};
};

/// One problem of one object, or of a segment.
struct VerifyFinding {
  /// Warnings are things that sound backups of some writers have; they do not make one damaged.
  bool is_error = true;
  /// Relative to the backup directory; of a segment, its directory.
  std::string path{};
  /// What was looked at, such as `segment id`.
  std::string what{};
  std::string expected{};
  std::string found{};
  /// What to do about it.
  std::string advice{};
};

struct VerifyDeepOptions {
  /// Whose MD5 is wanted too, by path relative to the backup directory; none: nobody's. Called from
  /// several threads.
  std::function<bool(const std::string& path)> needs_md5{};
  /// Logs read at once. Each takes `window_bytes`, one unpacked page and a dictionary.
  size_t parallel = 4;
  size_t window_bytes = 2 * kMiB;
  /// Which logs to read, by their path relative to the backup directory; none reads all. Sums over
  /// a segment are compared only when all its logs were read.
  std::function<bool(const std::string& path)> wanted{};
};

struct VerifyDeepReport {
  uint64_t objects = 0;
  uint64_t bytes = 0;
  uint64_t errors = 0;
  uint64_t warnings = 0;
};

/// Both are called from several threads, but never at once. An error ends the run.
struct VerifyDeepSinks {
  /// Once for every object that could be read to its end, sound or not.
  std::function<Status(const ObjectDigest&)> on_object{};
  std::function<Status(const VerifyFinding&)> on_finding{};
};

/// Read the logs that `info` lists. Objects that are missing or damaged, or cannot be read although
/// the storage answers, are findings; an error means that the storage as a whole could not be read,
/// or is a sink's.
Result<VerifyDeepReport> VerifyDeep(const CallContext& ctx, const BackupLocation& backup,
                                    const meta::BackupInfo& info, const VerifyDeepOptions& options,
                                    const VerifyDeepSinks& sinks);

}  // namespace milvus_backup::backup
