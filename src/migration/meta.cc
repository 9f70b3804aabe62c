#include "milvus_backup/migration/meta.h"

#include "table_check.h"

#include "milvus_backup/base/json_number.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

namespace milvus_backup::migration {
namespace {

using nlohmann::json;

std::string Quoted(const std::string& text) {
  return json(text).dump(-1, ' ', false, json::error_handler_t::replace);
}

void AppendSegment(std::string& out, const Table& table, const Segment& segment) {
  fmt::format_to(std::back_inserter(out), R"({{"collection":{},"segment":{},"dim":{})",
                 Quoted(table.id), Quoted(segment.id), table.dim);
  if (segment.rows) fmt::format_to(std::back_inserter(out), R"(,"rows":{})", *segment.rows);
  if (segment.file_size) {
    fmt::format_to(std::back_inserter(out), R"(,"fileSize":{})", *segment.file_size);
  }
  out += '}';
}

void AppendOwnKeys(std::string& out, const Table& table) {
  if (!table.owner.empty()) {
    fmt::format_to(std::back_inserter(out), R"(,"owner":{},"partitionTag":{})", Quoted(table.owner),
                   Quoted(table.partition_tag));
  }
  if (table.index_type) {
    fmt::format_to(std::back_inserter(out), R"(,"indexType":{},"indexParams":{})",
                   *table.index_type, Quoted(table.index_params));
  }
  if (table.flag) fmt::format_to(std::back_inserter(out), R"(,"flag":{})", *table.flag);
  if (!table.empty_partitions.empty()) {
    out += R"(,"emptyPartitions":)" +
           json(table.empty_partitions).dump(-1, ' ', false, json::error_handler_t::replace);
  }
}

/// Of an object that may lack the key; throws when the value is of another kind.
template <typename T>
std::optional<T> Optional(const json& object, const char* key) {
  const auto it = object.find(key);
  if (it == object.end() || it->is_null()) return std::nullopt;
  return it->get<T>();
}

Table DecodeTable(const json& entry) {
  Table table;
  table.id = entry.at("collection").get<std::string>();
  table.metric = static_cast<Metric>(WholeNumber<int>(entry.at("metric")));
  table.dim = WholeNumber<int64_t>(entry.at("dim"));
  for (const json& one : entry.at("segments")) {
    table.segments.push_back({.id = one.at("segment").get<std::string>(),
                              .rows = Optional<int64_t>(one, "rows"),
                              .file_size = Optional<int64_t>(one, "fileSize")});
  }
  table.owner = Optional<std::string>(entry, "owner").value_or("");
  table.partition_tag = Optional<std::string>(entry, "partitionTag").value_or("");
  table.index_type = Optional<int64_t>(entry, "indexType");
  table.index_params = Optional<std::string>(entry, "indexParams").value_or("");
  table.flag = Optional<int64_t>(entry, "flag");
  table.empty_partitions =
      Optional<std::vector<std::string>>(entry, "emptyPartitions").value_or(table.empty_partitions);
  return table;
}

}  // namespace

int64_t RowsOf(const Table& table) {
  int64_t rows = 0;
  for (const Segment& segment : table.segments) rows += segment.rows.value_or(0);
  return rows;
}

int64_t Meta::rows() const {
  int64_t sum = 0;
  for (const Table& table : tables) sum += RowsOf(table);
  return sum;
}

std::string EncodeMeta(const Meta& meta) {
  std::string out = R"({"collections":[)";
  for (const Table& table : meta.tables) {
    if (&table != &meta.tables.front()) out += ',';
    fmt::format_to(std::back_inserter(out), R"({{"collection":{},"metric":{},"rows":{},"dim":{})",
                   Quoted(table.id), static_cast<int>(table.metric), RowsOf(table), table.dim);
    out += R"(,"segments":[)";
    for (const Segment& segment : table.segments) {
      if (&segment != &table.segments.front()) out += ',';
      AppendSegment(out, table, segment);
    }
    out += ']';
    AppendOwnKeys(out, table);
    out += '}';
  }
  fmt::format_to(std::back_inserter(out), R"(],"rows":{}}})", meta.rows());
  return out;
}

Result<Meta> DecodeMeta(std::string_view text, const std::string& what) {
  Meta meta;
  try {
    const json document = json::parse(text);
    for (const json& entry : document.at("collections")) {
      meta.tables.push_back(DecodeTable(entry));
      const Table& table = meta.tables.back();
      if (const Status status = CheckTable(table); !status.ok()) return status.Annotate(what);
    }
  } catch (const json::exception& error) {
    return DataLossError(fmt::format("{} is no meta.json: {}", what, error.what()))
        .WithAdvice("write it with milvus-migration export");
  }
  if (const Status status = CheckUnique(meta); !status.ok()) return status.Annotate(what);
  return meta;
}

Result<Meta> SelectCollections(Meta meta, const std::vector<std::string>& collections) {
  if (collections.empty()) return meta;
  for (const std::string& name : collections) {
    const bool found = std::ranges::any_of(
        meta.tables, [&](const Table& table) { return table.collection() == name; });
    if (!found) return InvalidArgumentError("no required collection exist, col=" + name);
  }
  std::erase_if(meta.tables, [&](const Table& table) {
    return std::ranges::find(collections, table.collection()) == collections.end();
  });
  return meta;
}

}  // namespace milvus_backup::migration
