/// Primary keys, and conditions about them. Values and pure functions, thread-safe.
#pragma once

#include "milvus_backup/milvus/types.h"

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace milvus_backup::migration {

/// Of one collection only one member is used, so the order is Milvus': by number, or by bytes.
struct RowKey {
  int64_t number = 0;
  std::string text;
  // clang-tidy 14 takes the defaulted comparison for a null pointer.
  // NOLINTNEXTLINE(modernize-use-nullptr)
  friend auto operator<=>(const RowKey&, const RowKey&) = default;
  friend bool operator==(const RowKey&, const RowKey&) = default;
};

/// Keys above `after`, if there is one, up to and with `upto`.
struct KeyRange {
  std::optional<RowKey> after;
  RowKey upto;
  friend bool operator==(const KeyRange&, const KeyRange&) = default;
};

class KeyField {
 public:
  KeyField(std::string name, bool is_text) : name_(std::move(name)), is_text_(is_text) {}

  const std::string& name() const { return name_; }
  bool is_text() const { return is_text_; }

  /// The key of a row of the column of this field.
  RowKey At(const milvus::Column& column, size_t row) const;

  /// Conditions as Milvus 2.3 parses them. Without a bound the condition is empty.
  std::string After(const std::optional<RowKey>& key) const;
  std::string In(const KeyRange& range) const;
  std::string AmongThese(const std::vector<RowKey>& keys) const;

 private:
  std::string Literal(const RowKey& key) const;

  std::string name_;
  bool is_text_;
};

/// Ranges that were dealt with, joined where they touch.
class RangeSet {
 public:
  void Add(const KeyRange& range);
  bool Contains(const RowKey& key) const;
  /// Everything up to and with this key is in the set; none when the smallest keys are not.
  std::optional<RowKey> contiguous_end() const;
  /// In the order of keys.
  const std::vector<KeyRange>& ranges() const { return ranges_; }

 private:
  std::vector<KeyRange> ranges_;
};

}  // namespace milvus_backup::migration
