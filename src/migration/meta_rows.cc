#include "meta_rows.h"

#include "table_check.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>
#include <string_view>
#include <utility>

namespace milvus_backup::migration {
namespace {

Table ToTable(TableRow row) {
  Table table{.id = std::move(row.table_id),
              // An impossible number is told by CheckTable.
              .metric = static_cast<Metric>(std::clamp<int64_t>(row.metric_type, -1, 1000)),
              .dim = row.dimension,
              .owner = std::move(row.owner_table),
              .partition_tag = std::move(row.partition_tag),
              .index_type = row.engine_type,
              .index_params = std::move(row.index_params),
              .flag = row.flag,
              .index_file_size = row.index_file_size,
              .version = std::move(row.version)};
  return table;
}

/// Without regard to case: a MySQL that folds names tells them in lower case.
bool Has(const std::vector<std::string>& tables, std::string_view name) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::ranges::any_of(tables, [&](const std::string& table) {
    return std::ranges::equal(table, name, {}, lower, lower);
  });
}

/// Also partitions of partitions that are left out.
void LeaveOutOrphans(std::vector<Table>& tables, std::vector<std::string>& warnings) {
  std::set<std::string> ids;
  const auto is_orphan = [&](const Table& table) {
    if (table.owner.empty() || ids.contains(table.owner)) return false;
    warnings.push_back(
        fmt::format("partition '{}' ({}) is left out: its collection '{}' was dropped",
                    table.partition_tag, table.id, table.owner));
    return true;
  };
  do {
    ids.clear();
    for (const Table& table : tables) ids.insert(table.id);
  } while (std::erase_if(tables, is_orphan) > 0);
}

/// Partitions that have no segment are named by their collection, or where that has none of its own
/// by the first partition that has, so that they can be made again.
void LeaveOutEmptyTables(std::vector<Table>& tables) {
  std::map<std::string, std::vector<std::string>> empty;
  for (const Table& table : tables) {
    if (table.owner.empty() || !table.segments.empty()) continue;
    empty[table.owner].push_back(table.partition_tag);
  }
  std::erase_if(tables, [](const Table& table) { return table.segments.empty(); });
  for (const bool are_partitions : {false, true}) {
    for (Table& table : tables) {
      if (table.owner.empty() == are_partitions) continue;
      const auto named = empty.extract(table.collection());
      if (!named.empty()) table.empty_partitions = named.mapped();
    }
  }
}

}  // namespace

Status CheckGeneration(const std::vector<std::string>& tables, const std::string& what) {
  if (Has(tables, "Tables") && Has(tables, "TableFiles")) return Status::Ok();
  if (Has(tables, "Collections") || Has(tables, "Segments")) {
    return FailedPreconditionError(what +
                                   " is the meta of a Milvus 0.11 or 0.12, which keeps its "
                                   "data in another form")
        .WithAdvice("bring that Milvus to 1.x first: its own migration tool writes this form");
  }
  if (tables.empty()) {
    return FailedPreconditionError(what + " is no meta of Milvus 0.9 to 1.x: it has no tables");
  }
  return FailedPreconditionError(
      fmt::format("{} is no meta of Milvus 0.9 to 1.x: of its tables ({}) none are called Tables "
                  "and TableFiles",
                  what, fmt::join(tables, ", ")));
}

Result<BuiltMeta> BuildMeta(MetaRows rows, EmptyTables empty) {
  if (rows.tables.empty())
    return FailedPreconditionError("empty collections, pls check meta config");
  BuiltMeta built;
  std::map<std::string, size_t> index;
  std::vector<Table> tables;
  for (TableRow& row : rows.tables) {
    index[row.table_id] = tables.size();
    tables.push_back(ToTable(std::move(row)));
  }
  std::set<std::pair<size_t, std::string>> known;
  for (FileRow& file : rows.files) {
    const auto table = index.find(file.table_id);
    if (table == index.end()) continue;  // of a dropped table
    if (!known.insert({table->second, file.segment_id}).second) continue;
    tables[table->second].segments.push_back(
        {.id = std::move(file.segment_id), .rows = file.row_count, .file_size = file.file_size});
  }
  LeaveOutOrphans(tables, built.warnings);
  if (empty == EmptyTables::kLeftOut) LeaveOutEmptyTables(tables);
  if (tables.empty()) return FailedPreconditionError("empty segments, pls check meta config");
  for (const Table& table : tables) {
    // Nothing is made of a table without rows, so it may say what it likes.
    if (!table.segments.empty()) MB_RETURN_IF_ERROR(CheckTable(table));
  }
  built.meta.tables = std::move(tables);
  MB_RETURN_IF_ERROR(CheckUnique(built.meta));
  return built;
}

}  // namespace milvus_backup::migration
