/// Delta logs: which primary keys were deleted, and when. All forms: texts of Milvus 2.0, JSON
/// since 2.1, two Parquet columns, and a bare Parquet file.
#pragma once

#include "milvus_backup/base/status.h"
#include "milvus_backup/binlog/byte_source.h"
#include "milvus_backup/binlog/container.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace milvus_backup::binlog {

/// A primary key. `text` belongs to whoever handed it out.
struct Key {
  bool is_text = false;
  int64_t number = 0;
  std::string_view text{};
};

struct Delete {
  Key key{};
  /// Hybrid.
  uint64_t timestamp = 0;
};

struct DeltaLog {
  /// None for a bare Parquet file.
  std::optional<Descriptor> descriptor{};
  uint64_t row_count = 0;
};

/// Call `visit` for every delete in order; its text lasts until `visit` returns. An error of
/// `visit` is returned unchanged.
Result<DeltaLog> ReadDeltaLog(ByteSource& source, const Limits& limits,
                              const std::function<Status(const Delete&)>& visit);

/// The deletes that apply to some rows. Takes 16 bytes per number, about 24 and its length per
/// text; only the latest delete of a key is kept.
class DeleteSet {
 public:
  void Add(const Delete& record);
  /// Whether a row of this key and timestamp is gone: deleted strictly later. An upsert writes
  /// insert and delete with one timestamp, and that row stays.
  bool IsDead(const Key& key, uint64_t row_timestamp);
  bool empty() const { return numbers_.empty() && texts_.empty(); }

 private:
  struct Text {
    size_t offset;
    size_t length;
    uint64_t timestamp;
  };
  std::string_view View(const Text& text) const {
    return std::string_view(arena_).substr(text.offset, text.length);
  }
  void Sort();

  std::vector<std::pair<int64_t, uint64_t>> numbers_;
  std::vector<Text> texts_;
  std::string arena_;
  bool sorted_ = true;
};

}  // namespace milvus_backup::binlog
