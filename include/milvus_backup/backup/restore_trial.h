/// Prove that a backup can be restored by restoring it.
#pragma once

#include "milvus_backup/backup/site.h"
#include "milvus_backup/backup/verify.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace milvus_backup::backup {

struct TrialOptions {
  std::string name;
  /// Of each collection, spread evenly over it.
  uint64_t rows = 100;
  /// Called for every difference as it is found, never by two threads at once; may be empty.
  std::function<void(const VerifyProblem&)> on_problem{};
};

struct TrialCollection {
  /// `db.coll` in the backup.
  std::string name;
  /// Rows of the backup that deletes leave, and what the server counts.
  uint64_t rows = 0;
  uint64_t restored_rows = 0;
  /// Rows of which every value was compared.
  uint64_t compared_rows = 0;
};

struct TrialReport {
  std::vector<TrialCollection> collections;
  /// Differences: a count, a row that is missing, a value.
  uint64_t problems = 0;
  double seconds = 0;
};

/// Restore every collection of a backup under a name of its own, `mbtest_<8 hex digits>_<number>`
/// in the database `default`, build the plainest index on its vectors, load it, and compare the
/// number of rows and the values of some with what the logs of the backup say. Nothing else of the
/// backup is restored: no aliases, databases or users. The collections are dropped again, also
/// after an error or a stop; those that a killed trial has left are dropped by the next one, of
/// whatever backup. One trial at a time works on a Milvus: kAlreadyExists names the other one.
///
/// Differences are no error but reported as problems. Errors are those of RestoreBackup.
Result<TrialReport> TryRestore(const CallContext& ctx, Site& site, const TrialOptions& options);

}  // namespace milvus_backup::backup
