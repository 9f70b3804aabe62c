/// Prove that a backup is whole.
#pragma once

#include "milvus_backup/backup/site.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace milvus_backup::backup {

/// Something that is not as it must be.
struct VerifyProblem {
  /// Of the object, in its storage.
  std::string key;
  std::string expected;
  std::string found;
  /// What to do.
  std::string advice;
};

struct VerifyOptions {
  std::string name;
  /// Called for every problem as it is found, on the caller's thread; may be empty.
  std::function<void(const VerifyProblem&)> on_problem;
};

struct VerifyReport {
  std::string name;
  /// Whether there is a manifest to compare with. Without one nothing is known of the bytes.
  bool has_manifest = false;
  /// When `verify --seal` wrote it; empty for one written with the backup.
  std::string sealed;
  /// Collections are missing, as the backup says itself.
  bool partial = false;
  /// Objects listed in the backup's directory, and their bytes.
  uint64_t objects = 0;
  uint64_t bytes = 0;
  /// Objects whose hash the listing gives, equal to the manifest's.
  uint64_t hashes = 0;
  uint64_t problems = 0;
  /// What is no damage but worth knowing, one sentence each.
  std::vector<std::string> warnings;
  double seconds = 0;
};

/// The quick check, which reads metas and manifest and lists the directory once: the metas can be
/// read and agree with each other, the manifest is the header's and whole, and metas, manifest and
/// listing name the same objects with the same sizes; hashes are compared where the listing gives
/// them (ETags that are MD5s). Memory is that of the metas, about 30 bytes per log.
///
/// Damage is no error but reported as problems; errors are what kept the check from being made:
/// kNotFound (no such backup), kFailedPrecondition (an unfinished one), or a storage that fails.
Result<VerifyReport> VerifyBackup(const CallContext& ctx, const Place& place,
                                  const VerifyOptions& options);

}  // namespace milvus_backup::backup
