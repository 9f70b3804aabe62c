/// The logs of a segment in few bytes. A backup may have a million logs, and most of what its meta
/// says about each follows from the log before it; a LogList keeps the rest, about ten bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <vector>

namespace milvus_backup::meta {

/// One log file.
struct Binlog {
  /// Not written since 0.5; kept when read.
  int64_t entries_num = 0;
  uint64_t timestamp_from = 0;
  uint64_t timestamp_to = 0;
  /// Key of the source in Milvus' bucket. For information only: the key inside the backup follows
  /// from the ids.
  std::string log_path{};
  /// Bytes.
  int64_t log_size = 0;
  /// Last element of the key; 0 in files before 0.5.4 until ReadBackup fills it in.
  int64_t log_id = 0;
  friend bool operator==(const Binlog&, const Binlog&) = default;
};

/// The logs of one field (or column group, or, with id 0 among deltalogs, of the deletes).
struct FieldBinlog {
  int64_t field_id = 0;
  std::vector<Binlog> binlogs{};
  friend bool operator==(const FieldBinlog&, const FieldBinlog&) = default;
};

/// What finds and checks a log; the other members of Binlog are only handed on.
struct LogEntry {
  int64_t field_id = 0;
  int64_t log_id = 0;
  /// Bytes.
  int64_t log_size = 0;
  friend bool operator==(const LogEntry&, const LogEntry&) = default;
};

/// An immutable list of FieldBinlog that unpacks to exactly what it was made of, order and repeated
/// fields included. Plain value; equal lists hold equal fields.
class LogList {
 public:
  LogList() = default;
  LogList(std::initializer_list<FieldBinlog> fields)
      : LogList(std::span<const FieldBinlog>(fields.begin(), fields.size())) {}
  explicit LogList(std::span<const FieldBinlog> fields);

  /// No field is listed; a field may still be listed without logs.
  bool empty() const { return packed_.empty(); }
  size_t log_count() const;
  /// Every log in order, without what costs memory.
  std::vector<LogEntry> Entries() const;
  std::vector<FieldBinlog> Unpack() const;

  friend bool operator==(const LogList&, const LogList&) = default;

 private:
  /// log_list.cc says how.
  std::string packed_;
};

}  // namespace milvus_backup::meta
