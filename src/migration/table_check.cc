#include "table_check.h"

#include "milvus_backup/base/encoding.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>

namespace milvus_backup::migration {
namespace {

/// Milvus 2.x takes no more (Milvus 1.x itself stopped at 32768 as well); of binary vectors eight
/// times as many bits.
constexpr int64_t kMaxDim = 32768;

/// Names become directories below the tables directory and below the target.
bool IsPathElement(std::string_view name) {
  if (name.empty() || name.size() > 255 || name == "." || name == "..") return false;
  return std::ranges::none_of(name, [](char c) {
    return c == '/' || c == '\\' || static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
  });
}

Status Fault(const Table& table, std::string_view what) {
  return DataLossError(fmt::format("collection '{}': {}", Printable(table.id), what));
}

}  // namespace

Status CheckTable(const Table& table) {
  if (!IsPathElement(table.id)) return Fault(table, "the name is not that of a directory");
  const int metric = static_cast<int>(table.metric);
  if (metric < 1 || metric > static_cast<int>(Metric::kSuperstructure)) {
    return Fault(table, fmt::format("metric {} is none of 1 to 7", metric));
  }
  const int64_t max_dim = IsBinary(table.metric) ? kMaxDim * 8 : kMaxDim;
  if (table.dim < 1 || table.dim > max_dim) {
    return Fault(table, fmt::format("dimension {} is not between 1 and {}", table.dim, max_dim));
  }
  if (IsBinary(table.metric) && table.dim % 8 != 0) {
    return Fault(table,
                 fmt::format("dimension {} of binary vectors is no multiple of 8", table.dim));
  }
  for (const Segment& segment : table.segments) {
    if (!IsPathElement(segment.id)) {
      return Fault(
          table, fmt::format("segment '{}' is not the name of a directory", Printable(segment.id)));
    }
    if (segment.rows.value_or(0) < 0 || segment.file_size.value_or(0) < 0) {
      return Fault(table, fmt::format("segment {} has a negative size", segment.id));
    }
  }
  if (table.owner.empty() != table.partition_tag.empty()) {
    return Fault(table, "a partition needs both an owner and a partition tag");
  }
  // Milvus has a partition of that name in every collection.
  constexpr std::string_view kDefault = "_default";
  if (table.partition_tag == kDefault) {
    return Fault(table,
                 "partitionTag must not be '_default': rows of the default partition belong to the "
                 "collection itself, without owner and partitionTag");
  }
  if (std::ranges::count(table.empty_partitions, kDefault) > 0) {
    return Fault(table, "emptyPartitions must not name '_default', which is always there");
  }
  return Status::Ok();
}

Status CheckUnique(const Meta& meta) {
  std::set<std::string_view> ids;
  std::map<std::string_view, const Table*> collections;
  std::set<std::pair<std::string_view, std::string_view>> tags;
  for (const Table& table : meta.tables) {
    if (!ids.insert(table.id).second) return Fault(table, "is there twice");
    std::set<std::string_view> segments;
    for (const Segment& segment : table.segments) {
      if (!segments.insert(segment.id).second) {
        return Fault(table, fmt::format("segment {} is there twice", segment.id));
      }
    }
    const Table* first = collections.try_emplace(table.collection(), &table).first->second;
    if (first->metric != table.metric || first->dim != table.dim) {
      return Fault(table, fmt::format("metric or dimension differ from those of '{}'", first->id));
    }
    bool is_new = tags.insert({table.collection(), table.partition_tag}).second;
    for (const std::string& tag : table.empty_partitions) {
      is_new = is_new && tags.insert({table.collection(), tag}).second;
    }
    if (!is_new)
      return Fault(table, fmt::format("a partition of '{}' is there twice", table.collection()));
  }
  return Status::Ok();
}

}  // namespace milvus_backup::migration
