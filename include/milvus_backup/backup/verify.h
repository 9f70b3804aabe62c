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
  /// Where the others show values of rows: the collection, and the field if one is meant. Empty
  /// where they show none.
  std::string place_of_values = {};
};

struct VerifyOptions {
  std::string name;
  /// Read the logs too, hash them, and check what they say.
  bool deep = false;
  /// With `deep`: the share of the logs to read, above 0 and up to 1, chosen by `seed`.
  double sample = 1;
  uint32_t seed = 0;
  /// With `deep` and all logs: write a manifest when there is none and no problem was found.
  bool seal = false;
  /// Called for every problem as it is found, never by two threads at once; may be empty.
  std::function<void(const VerifyProblem&)> on_problem{};
  /// The same for what sound backups of some writers have too.
  std::function<void(const VerifyProblem&)> on_oddity{};
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
  /// Objects whose hash was found equal to the manifest's, by the listing or by reading.
  uint64_t hashes = 0;
  uint64_t problems = 0;
  uint64_t oddities = 0;
  /// Of a deep check: objects read, and their bytes.
  uint64_t read_objects = 0;
  uint64_t read_bytes = 0;
  /// A manifest was written.
  bool sealed_now = false;
  /// What is no damage but worth knowing, one sentence each.
  std::vector<std::string> warnings;
  double seconds = 0;
};

/// The quick check, which reads metas and manifest and lists the directory once: the metas can be
/// read and agree with each other, the manifest is the header's and whole, and metas, manifest and
/// listing name the same objects with the same sizes; hashes are compared where the listing gives
/// them (ETags that are MD5s). Memory is that of the metas, about 30 bytes per log.
///
/// The deep check also reads every object, or a sample of the logs: its hash must be the
/// manifest's, logs must say what binlog::CheckInsertLog and CheckDeltaLog ask of them, and the
/// leveled metas what full_meta.json says (meta::CompareLevels). Memory is 40 bytes per object
/// more. Sealing locks the backup and writes a manifest and then the header
/// again, with nothing added but the manifest's hash; a run that dies in between leaves a marker,
/// and the next one begins anew.
///
/// Damage is no error but reported as problems; errors are what kept the check from being made:
/// kNotFound (no such backup), kFailedPrecondition (an unfinished one), kAlreadyExists (another run
/// works on the backup that is to be sealed), or a storage that fails.
Result<VerifyReport> VerifyBackup(const CallContext& ctx, const Place& place,
                                  const VerifyOptions& options);

}  // namespace milvus_backup::backup
