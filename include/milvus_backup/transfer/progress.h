/// Counters of a running command, written by workers and sampled by whoever shows them.
/// Thread-safe; totals grow while the work is still being planned.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>

namespace milvus_backup::transfer {

class Progress {
 public:
  std::atomic<uint64_t> objects_planned{0};
  std::atomic<uint64_t> objects_done{0};
  std::atomic<uint64_t> bytes_planned{0};
  std::atomic<uint64_t> bytes_done{0};
  /// Of a backup or restore.
  std::atomic<uint64_t> collections_planned{0};
  std::atomic<uint64_t> collections_done{0};
  /// Of a migration that reads and writes rows.
  std::atomic<uint64_t> rows_planned{0};
  std::atomic<uint64_t> rows_done{0};
  /// Of a dump of Milvus 1.x or Faiss; backups of a verify.
  std::atomic<uint64_t> segments_planned{0};
  std::atomic<uint64_t> segments_done{0};
  /// Import tasks of a restore or of a load.
  std::atomic<uint64_t> imports_planned{0};
  std::atomic<uint64_t> imports_done{0};

  /// What is being done now, such as `copy`; shown to people.
  void SetPhase(std::string phase);
  std::string phase() const;

 private:
  mutable std::mutex mutex_;
  std::string phase_;
};

}  // namespace milvus_backup::transfer
