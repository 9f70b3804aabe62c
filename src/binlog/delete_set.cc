#include "milvus_backup/binlog/delta_log.h"

#include <algorithm>

namespace milvus_backup::binlog {

void DeleteSet::Add(const Delete& record) {
  sorted_ = false;
  if (!record.key.is_text) {
    numbers_.emplace_back(record.key.number, record.timestamp);
    return;
  }
  texts_.push_back({arena_.size(), record.key.text.size(), record.timestamp});
  arena_ += record.key.text;
}

// By key, the latest delete of a key first; the others go.
void DeleteSet::Sort() {
  if (sorted_) return;
  std::sort(numbers_.begin(), numbers_.end(), [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first < b.first : a.second > b.second;
  });
  numbers_.erase(std::unique(numbers_.begin(), numbers_.end(),
                             [](const auto& a, const auto& b) { return a.first == b.first; }),
                 numbers_.end());
  std::sort(texts_.begin(), texts_.end(), [this](const Text& a, const Text& b) {
    const int order = View(a).compare(View(b));
    return order != 0 ? order < 0 : a.timestamp > b.timestamp;
  });
  texts_.erase(std::unique(texts_.begin(), texts_.end(),
                           [this](const Text& a, const Text& b) { return View(a) == View(b); }),
               texts_.end());
  sorted_ = true;
}

bool DeleteSet::IsDead(const Key& key, uint64_t row_timestamp) {
  Sort();
  if (!key.is_text) {
    const auto found = std::ranges::lower_bound(numbers_, key.number, {},
                                                [](const auto& each) { return each.first; });
    return found != numbers_.end() && found->first == key.number && row_timestamp < found->second;
  }
  const auto found = std::ranges::lower_bound(texts_, key.text, {},
                                              [this](const Text& each) { return View(each); });
  return found != texts_.end() && View(*found) == key.text && row_timestamp < found->timestamp;
}

}  // namespace milvus_backup::binlog
