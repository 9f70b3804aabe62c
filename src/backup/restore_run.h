/// What the collections of one restore share.
#pragma once

#include "phase_clock.h"
#include "restore_ledger.h"
#include "restore_proof.h"
#include "seats.h"
#include "warnings.h"

#include "milvus_backup/backup/import_watch.h"
#include "milvus_backup/backup/restore.h"
#include "milvus_backup/backup/run_lock.h"
#include "milvus_backup/backup/site.h"
#include "milvus_backup/transfer/copy_engine.h"

#include <string>

namespace milvus_backup::backup {

/// Refers to objects that outlive the run.
struct RestoreRun {
  Site& site;
  const RestoreOptions& options;
  const std::string& backup_dir;
  transfer::CopyEngine& engine;
  ImportQueue& imports;
  PhaseClock& clock;
  Warnings& warnings;
  /// For collections that are worked on; one that only waits for Milvus' imports has none.
  Seats& seats;
  /// Set before collections are worked on.
  RestoreLedger* ledger = nullptr;
  /// None where two restores are not kept apart.
  RunLock* lock = nullptr;
  /// Set before collections are worked on.
  const RestoreProof* proof = nullptr;

  /// To be asked before anything that another restore into the same targets would suffer from:
  /// kAborted when this run was taken for dead, which happens to one that was suspended for long.
  Status CheckLock(const CallContext& ctx) const {
    return lock == nullptr ? Status::Ok() : lock->Check(ctx);
  }

  /// Whether data is copied into Milvus' own storage first.
  bool stages() const { return !options.meta_only && !site.backup_visible_to_milvus; }
  /// Tell the terminal what is being done.
  void Enter(const std::string& phase) const {
    if (site.progress != nullptr) site.progress->SetPhase(phase);
  }
};

}  // namespace milvus_backup::backup
