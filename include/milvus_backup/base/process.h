/// What there is to know of processes: whether one that left its mark somewhere still runs, and how
/// much memory this one has. Thread-safe.
#pragma once

#include <cstdint>
#include <string>

namespace milvus_backup {

struct ProcessMark {
  /// Boot and pid namespace of the machine: processes with equal marks can see each other. Empty
  /// where the system does not tell.
  std::string machine;
  int64_t pid = 0;
  /// Start of the process in clock ticks after boot; a later process with the same pid has another.
  uint64_t start = 0;
  friend bool operator==(const ProcessMark&, const ProcessMark&) = default;
};

/// This process.
ProcessMark ThisProcess();

/// True only when `mark` belongs to this machine and its process has ended: one of another machine
/// may run for all we know, and so may one that `proc` hides from this user. `proc` is where the
/// process file system is mounted.
bool HasEnded(const ProcessMark& mark, const std::string& proc = "/proc");

/// Memory of this process now and the most it has had, bytes; 0 where the system does not tell.
uint64_t ResidentMemory();
uint64_t PeakMemory();

/// Give memory that is free back to the system, where the C library can: it keeps what lies between
/// pieces that are in use, in a heap for every few threads.
void ReleaseFreeMemory();

/// Name of this host, for people.
std::string HostName();

}  // namespace milvus_backup
