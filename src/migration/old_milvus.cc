#include "old_milvus.h"

#include "segment_rows.h"

#include "milvus_backup/migration/export.h"
#include "milvus_backup/migration/store.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace milvus_backup::migration {
namespace {

Status Unknown(const std::string& what, const std::vector<std::string>& known) {
  return InvalidArgumentError(what)
      .WithOrigin(Origin::kConfig)
      .WithAdvice(fmt::format("correct source_collection; there are: {}", fmt::join(known, ", ")));
}

OldPartition DefaultPartition(const Meta& meta, const std::string& collection, const Table& any) {
  OldPartition partition{.collection = collection, .table = any};
  const auto own = std::ranges::find(meta.tables, collection, &Table::id);
  if (own != meta.tables.end() && own->owner.empty()) {
    partition.table = *own;
  } else {
    // All of its rows are in partitions.
    partition.table.segments.clear();
  }
  return partition;
}

Result<std::vector<OldPartition>> PartitionsOf(const Meta& meta,
                                               const OldMilvus::Selected& selected) {
  const std::string& name = selected.collection;
  std::vector<std::string> known;
  std::vector<OldPartition> all;
  const Table* any = nullptr;
  for (const Table& table : meta.tables) {
    if (table.owner.empty()) known.push_back("'" + table.id + "'");
    if (table.collection() == name) any = &table;
  }
  if (any == nullptr) {
    return Unknown(fmt::format("no required collection exist, col={}", name), known);
  }
  all.push_back(DefaultPartition(meta, name, *any));
  for (const Table& table : meta.tables) {
    if (table.collection() != name || table.owner.empty()) continue;
    all.push_back({.collection = name, .tag = table.partition_tag, .table = table});
  }
  if (selected.partitions.empty()) return all;
  std::vector<OldPartition> listed;
  for (const std::string& tag : selected.partitions) {
    const std::string wanted = tag == "_default" ? "" : tag;
    const auto found = std::ranges::find(all, wanted, &OldPartition::tag);
    if (found == all.end()) {
      std::vector<std::string> tags;
      tags.reserve(all.size());
      for (const OldPartition& each : all) tags.push_back("'" + each.tag + "'");
      return Unknown(fmt::format("collection '{}' has no partition '{}'", name, tag), tags);
    }
    if (std::ranges::count(listed, wanted, &OldPartition::tag) == 0) listed.push_back(*found);
  }
  // Overwriting the default partition drops the others, so it comes first.
  std::stable_partition(listed.begin(), listed.end(),
                        [](const OldPartition& one) { return one.tag.empty(); });
  return listed;
}

/// What the openers of a partition share.
struct OpenedTables {
  OpenedStore store;
  Table table;
};

}  // namespace

Result<OldPartitions> SelectPartitions(const CallContext& ctx, const OldMilvus& source) {
  auto read = source.mysql_dsn.empty()
                  ? ReadMetaFromSqlite(ctx, source.path + "/db/meta.sqlite", EmptyTables::kKept)
                  : ReadMetaFromMysql(ctx, source.mysql_dsn, EmptyTables::kKept);
  if (!read.ok()) {
    return read.status().Annotate(source.mysql_dsn.empty() ? "source_milvus_path"
                                                           : "mysql_parameter");
  }
  OldPartitions all{.warnings = std::move(read->warnings)};
  for (const OldMilvus::Selected& selected : source.collections) {
    MB_ASSIGN_OR_RETURN(std::vector<OldPartition> partitions, PartitionsOf(read->meta, selected));
    std::ranges::move(partitions, std::back_inserter(all.partitions));
  }
  return all;
}

Result<std::vector<DmInput>> InputsOf(const OldMilvus& source, const OldPartition& partition) {
  auto opened = std::make_shared<OpenedTables>();
  opened->table = partition.table;
  MB_ASSIGN_OR_RETURN(opened->store, OpenSource({.directory = source.path + "/db/tables",
                                                 .key = "source_milvus_path"}));
  std::vector<DmInput> inputs;
  for (const Segment& segment : partition.table.segments) {
    inputs.push_back({.open = [opened, segment](const CallContext& ctx) {
      return OpenSegmentRows(ctx, opened->store.store, opened->table, segment);
    }});
  }
  return inputs;
}

}  // namespace milvus_backup::migration
