/// Work that a server does in the background: what is known of it, and how it is written down.
/// Plain data and pure functions.
#pragma once

#include "milvus_backup/base/status.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace milvus_backup::service {

enum class JobState {
  kQueued,
  kRunning,
  kSucceeded,
  kFailed,
  kCancelled,    ///< by a request
  kInterrupted,  ///< the server ended first, in good order or not
};

/// `queued`, `running`, `succeeded`, `failed`, `cancelled` or `interrupted`.
std::string_view NameOf(JobState state);
/// Whether the job has ended.
inline bool IsFinal(JobState state) { return state > JobState::kRunning; }

/// A part of a job that is shown by itself, such as a collection of a restore. Times are unix
/// seconds, 0 while unknown.
struct JobItem {
  std::string id;
  std::string name;
  JobState state = JobState::kQueued;
  int64_t started = 0;
  int64_t ended = 0;
  friend bool operator==(const JobItem&, const JobItem&) = default;
};

/// Times are unix seconds, 0 while unknown.
struct JobRecord {
  std::string id;
  /// `create`, `restore`, …
  std::string kind;
  /// What it works on, such as the name of a backup.
  std::string subject;
  /// Names of storages that it works from and to, and what the copy is called; empty where there
  /// are none.
  std::string from;
  std::string to;
  std::string as;
  /// What it was asked for besides, as a digest; empty in records of kinds and versions without.
  std::string request;
  JobState state = JobState::kQueued;
  /// Why it did not succeed, with what to do.
  std::string error;
  /// Of a job that has not succeeded: how to go on with it.
  std::string advice;
  /// Percent; 100 only once it has succeeded.
  int32_t progress = 0;
  /// Of the jobs of a state directory the one with the greater number was submitted later, whatever
  /// clocks said. 0 in records of the first versions.
  uint64_t number = 0;
  int64_t created = 0;
  int64_t started = 0;
  int64_t ended = 0;
  std::vector<JobItem> items;
  /// Segments to dump and imports to make, as far as they are known; 0 for jobs without.
  int64_t parts = 0;
  int64_t parts_done = 0;
  /// What the user should know although it did not fail.
  std::vector<std::string> warnings;
  friend bool operator==(const JobRecord&, const JobRecord&) = default;
};

inline constexpr size_t kMaxJobIdLength = 128;

/// Ids are file names: letters, digits, `_`, `-` and `.`, not at the start, at most
/// kMaxJobIdLength. kInvalidArgument otherwise.
Status ValidateJobId(std::string_view id);

/// One JSON object, as docs/server.md describes it.
std::string EncodeJob(const JobRecord& job);
/// kDataLoss naming `what` when the text is no such object. Unknown keys are ignored.
Result<JobRecord> DecodeJob(std::string_view text, std::string_view what);

}  // namespace milvus_backup::service
