/// The objects of one backup, or of a tree around backups, on their way.
#pragma once

#include "copy_job.h"
#include "copy_marker.h"
#include "copy_merge.h"

#include "milvus_backup/meta/manifest.h"
#include "milvus_backup/transfer/copy_engine.h"

#include <cstddef>
#include <vector>

namespace milvus_backup::backup {

/// Sorts the keys of both trees into what is copied, compared and kept. Used by one thread.
class ObjectCopies {
 public:
  /// `marker` is where uploads are recorded. `replaces`: objects with other bytes are replaced, and
  /// not failures. Both references must outlive this object.
  ObjectCopies(CopyJob& job, CopyMarker& marker, bool replaces);

  /// Take in one key that the source has; waits while many are under way. `known` is what a
  /// manifest says of its bytes; may be null. An error ends the run.
  Status Take(const KeyPair& pair, const meta::ContentHash* known = nullptr);
  /// Wait for everything taken in. What failed is in the job's report, and `failed()` tells that
  /// something has; an error ends the run.
  Status Finish();
  bool failed() const { return failed_; }
  /// Whether the report names everything that failed, so that a comparison can tell what else is
  /// not as it should be.
  bool names_all_failures() const;

 private:
  void Count(const KeyPair& pair);
  Status Queue(const KeyPair& pair, bool compares, const meta::ContentHash* known);
  Status Flush();
  Status Collect(const transfer::CopySummary& summary);

  CopyJob& job_;
  CopyMarker& marker_;
  const bool replaces_;
  bool failed_ = false;
  /// Objects that were not tried count for nothing and are not named.
  bool gave_up_ = false;
  bool ended_early_ = false;
  struct Waiting {
    transfer::CopyItem item;
    bool compares = false;
  };
  std::vector<Waiting> waiting_;
  transfer::CopyBatch absent_;
  transfer::CopyBatch present_;
};

}  // namespace milvus_backup::backup
