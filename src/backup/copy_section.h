/// One backup inside a tree that is copied.
#pragma once

#include "copy_job.h"
#include "copy_marker.h"
#include "copy_merge.h"
#include "copy_objects.h"
#include "copy_source.h"
#include "copy_survey.h"

#include "milvus_backup/backup/run_lock.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace milvus_backup::backup {

/// Marker, objects, check, headers: in this order a directory at the destination is no backup
/// before it is whole. Used by one thread: Open, Take for every key, Close.
class BackupCopy {
 public:
  /// All arguments must outlive this object.
  BackupCopy(CopyJob& job, BackupInTree& backup);

  bool Holds(std::string_view key) const { return key.starts_with(backup_.dir); }

  /// Look what is at the destination and take the right to write there. What stands in the way of
  /// this backup alone is kept for the report; an error ends the run.
  Status Open();
  /// Take in a key below the backup's directory, in the order of keys. An error ends the run.
  Status Take(const KeyPair& pair);
  /// Finish and report. An error ends the run.
  Status Close();
  /// The run ends before Close: remove the marker if nothing else was written.
  void LeaveUnfinished();

 private:
  enum class Mode {
    kFails,     ///< nothing is written
    kCompares,  ///< a backup is there, which may be this one
    kWrites,
  };

  Status LookAround();
  /// That the source is whole, before anything is written for it.
  Status CheckSource();
  Status TakeRight();
  Status BeginWriting();
  /// The marker that was just written must not be at the source.
  Status CheckMarkerIsElsewhere();
  Status OpenManifest();
  Status TakeObject(const KeyPair& pair);
  bool IsHeader(std::string_view key) const;
  /// Also a tombstone.
  bool IsMarker(std::string_view key) const;
  bool IsTags(std::string_view key) const;
  void Compare(const KeyPair& pair);
  Status CloseComparison();
  Status ClearAfterFinishedRun();
  Result<bool> HasEqualHeaders();
  Status CloseWriting();
  Status SettleBackup();
  Status WriteHeaders();
  Status Fail(Status status);

  CopyJob& job_;
  BackupInTree& backup_;
  const std::string source_dir_;
  const std::string destination_dir_;
  Mode mode_ = Mode::kWrites;
  Status failure_;
  /// What an earlier run left.
  std::optional<meta::RunRecord> left_;
  bool header_is_there_ = false;
  /// Objects of some earlier run lie in the directory.
  bool resumes_ = false;
  std::unique_ptr<RunLock> source_lock_;
  std::unique_ptr<RunLock> lock_;
  CopyMarker marker_;
  std::optional<ObjectCopies> objects_;
  /// Of the source; null when its header speaks of none.
  std::unique_ptr<ManifestWalk> manifest_;
  /// Objects of a manifest that no header speaks of.
  uint64_t stray_ = 0;
  /// Headers at the source, held back.
  std::vector<transfer::CopyItem> held_;
  uint64_t differences_ = 0;
  uint64_t equal_ = 0;
};

}  // namespace milvus_backup::backup
