#include "row_key.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

namespace milvus_backup::migration {
namespace {

/// Milvus 2.3 reads the digits of this number before the sign and finds them too large.
constexpr int64_t kUnwritable = std::numeric_limits<int64_t>::min();

/// As a string literal of Go, which is how Milvus reads one.
std::string Quoted(const std::string& text) {
  std::string quoted = "\"";
  for (const char each : text) {
    const auto byte = static_cast<unsigned char>(each);
    if (each == '"' || each == '\\') {
      quoted += '\\';
      quoted += each;
    } else if (byte < 0x20 || byte == 0x7f) {
      quoted += fmt::format("\\x{:02x}", byte);
    } else {
      quoted += each;
    }
  }
  return quoted + "\"";
}

bool Touch(const KeyRange& first, const KeyRange& second) {
  return !second.after || *second.after <= first.upto;
}

}  // namespace

RowKey KeyField::At(const milvus::Column& column, size_t row) const {
  if (is_text_) return {.text = column.texts[row]};
  RowKey key;
  std::memcpy(&key.number, column.fixed.data() + row * sizeof(key.number), sizeof(key.number));
  return key;
}

std::string KeyField::Literal(const RowKey& key) const {
  return is_text_ ? Quoted(key.text) : std::to_string(key.number);
}

std::string KeyField::After(const std::optional<RowKey>& key) const {
  if (!key) return "";
  if (!is_text_ && key->number == kUnwritable)
    return fmt::format("{} >= {}", name_, kUnwritable + 1);
  return fmt::format("{} > {}", name_, Literal(*key));
}

std::string KeyField::In(const KeyRange& range) const {
  const std::string upto = !is_text_ && range.upto.number == kUnwritable
                               ? fmt::format("{} < {}", name_, kUnwritable + 1)
                               : fmt::format("{} <= {}", name_, Literal(range.upto));
  return range.after ? fmt::format("{} && {}", After(range.after), upto) : upto;
}

std::string KeyField::AmongThese(const std::vector<RowKey>& keys) const {
  std::string list;
  for (const RowKey& key : keys) {
    if (!is_text_ && key.number == kUnwritable) continue;
    list += (list.empty() ? "" : ",") + Literal(key);
  }
  return fmt::format("{} in [{}]", name_, list);
}

void RangeSet::Add(const KeyRange& range) {
  KeyRange joined = range;
  std::vector<KeyRange> others;
  for (KeyRange& each : ranges_) {
    if (!Touch(each, joined) || !Touch(joined, each)) {
      others.push_back(std::move(each));
      continue;
    }
    joined.upto = std::max(joined.upto, each.upto);
    joined.after = !joined.after || !each.after ? std::nullopt : std::min(joined.after, each.after);
  }
  others.push_back(std::move(joined));
  std::ranges::sort(others, {}, &KeyRange::upto);
  ranges_ = std::move(others);
}

bool RangeSet::Contains(const RowKey& key) const {
  return std::ranges::any_of(ranges_, [&](const KeyRange& range) {
    return key <= range.upto && (!range.after || key > *range.after);
  });
}

std::optional<RowKey> RangeSet::contiguous_end() const {
  if (ranges_.empty() || ranges_.front().after) return std::nullopt;
  return ranges_.front().upto;
}

}  // namespace milvus_backup::migration
