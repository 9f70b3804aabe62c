#include "load_plan.h"

#include "milvus_names.h"
#include "npy.h"

#include "milvus_backup/base/task_group.h"

#include <fmt/format.h>

#include <algorithm>
#include <stop_token>
#include <utility>

namespace milvus_backup::migration {
namespace {

constexpr size_t kMaxRecordBytes = kMiB;
/// Requests at the same time, each of which only waits for a service.
constexpr size_t kParallelLooks = 16;

struct NpyFile {
  NpyHeader header;
  uint64_t size = 0;
};

Result<NpyFile> OpenNpy(const CallContext& ctx, const Store& store, const std::string& key) {
  std::string begin;
  const auto read = store.backend->Read(ctx, key, {.offset = 0, .length = kMaxNpyHeaderBytes},
                                        [&](const storage::ReadInfo&, ByteView chunk) {
                                          begin += AsText(chunk);
                                          return Status::Ok();
                                        });
  MB_RETURN_IF_ERROR(read.status());
  auto header = DecodeNpyHeader(AsBytes(begin));
  if (!header.ok()) return header.status().Annotate(key);
  return NpyFile{*std::move(header), read->object_size};
}

/// The vectors of a piece must be what the meta says, and exactly as many as the header says.
Status CheckVectors(const NpyFile& file, const Table& table, uint64_t rows) {
  const auto dim = static_cast<uint64_t>(table.dim);
  const bool binary = IsBinary(table.metric);
  const std::vector<uint64_t> shape = {rows, binary ? dim / 8 : dim};
  if (file.header.descr != (binary ? kUint8 : kFloat32) || file.header.shape != shape) {
    return DataLossError(fmt::format("does not hold {} vectors of dimension {}", rows, table.dim));
  }
  const uint64_t size = file.header.bytes + rows * table.vector_bytes();
  if (file.size == size) return Status::Ok();
  return DataLossError(fmt::format("has {} bytes, but its header is that of {}", file.size, size));
}

/// Rows of a piece. 0 for the scalar that the Go tool writes for a segment without rows.
Result<uint64_t> CheckPiece(const CallContext& ctx, const Store& store, const Table& table,
                            const std::string& dir, const std::string& vectors_name) {
  const std::string ids_key = store.prefix + dir + kIdsName;
  const std::string vectors_key = store.prefix + dir + vectors_name;
  MB_ASSIGN_OR_RETURN(const NpyFile ids, OpenNpy(ctx, store, ids_key));
  MB_ASSIGN_OR_RETURN(const NpyFile vectors, OpenNpy(ctx, store, vectors_key));
  if (ids.header.descr == kInt64 && ids.header.shape.empty()) return 0;
  if (ids.header.descr != kInt64 || ids.header.shape.size() != 1 ||
      ids.size != ids.header.bytes + ids.header.shape[0] * kIdBytes) {
    return DataLossError(ids_key + " does not hold as many ids as its header says");
  }
  const uint64_t rows = ids.header.shape[0];
  const Status status = CheckVectors(vectors, table, rows);
  if (!status.ok()) return status.Annotate(vectors_key);
  return rows;
}

struct DumpedPieces {
  std::vector<std::string> dirs;
  std::vector<uint64_t> rows;
};

/// What was dumped to `dir` for `table`: as recorded, or the one pair of files of the Go tool.
Result<DumpedPieces> FindPieces(const CallContext& ctx, const Store& store, const Table& table,
                                const std::string& from, const std::string& vectors_name) {
  const std::string key = store.prefix + RecordKey(from);
  const auto text = storage::ReadAll(ctx, *store.backend, key, kMaxRecordBytes);
  DumpedPieces pieces;
  size_t count = 1;
  if (text.ok()) {
    MB_ASSIGN_OR_RETURN(const DumpRecord record, DecodeDumpRecord(*text, key));
    count = record.piece_rows.size();
    pieces.rows = record.piece_rows;
  } else if (text.status().code() != Code::kNotFound) {
    return text.status();
  }
  for (size_t i = 0; i < count; ++i) {
    const std::string dir = PieceDir(from, i, count);
    const auto rows = CheckPiece(ctx, store, table, dir, vectors_name);
    if (rows.status().code() == Code::kNotFound) {
      return FailedPreconditionError(fmt::format("the dump of collection '{}' is not finished: {}",
                                                 table.collection(), rows.status().message()))
          .WithAdvice("run dump again: it goes on where it ended");
    }
    MB_RETURN_IF_ERROR(rows.status());
    if (text.ok() && *rows != pieces.rows[i]) {
      return DataLossError(fmt::format("{} has {} rows and not the {} that were recorded",
                                       store.prefix + dir, *rows, pieces.rows[i]))
          .WithAdvice("run dump again");
    }
    if (!text.ok()) pieces.rows.push_back(*rows);
    pieces.dirs.push_back(dir);
  }
  return pieces;
}

void AddPieces(const DumpedPieces& pieces, const std::string& partition,
               PlannedCollection& collection) {
  for (size_t piece = 0; piece < pieces.dirs.size(); ++piece) {
    if (pieces.rows[piece] == 0) continue;
    collection.pieces.push_back(
        {.partition = partition, .dir = pieces.dirs[piece], .rows = pieces.rows[piece]});
  }
}

std::vector<PlannedCollection> GroupTables(const Meta& meta) {
  std::vector<PlannedCollection> collections;
  std::map<std::string, size_t> index;
  std::vector<std::string> names;
  for (const Table& table : meta.tables) {
    const auto [at, is_new] = index.try_emplace(table.collection(), collections.size());
    if (is_new) {
      names.push_back(table.collection());
      collections.push_back({.number = collections.size(), .source = table.collection()});
    }
    PlannedCollection& collection = collections[at->second];
    if (is_new || table.owner.empty()) collection.table = table;
  }
  const std::map<std::string, std::string> renamed = MilvusNames(names);
  for (PlannedCollection& collection : collections) {
    collection.name = renamed.at(collection.source);
    // The default partition's name is taken.
    std::vector<std::string> tags = {"_default"};
    for (const Table& table : meta.tables) {
      if (table.collection() != collection.source) continue;
      if (!table.owner.empty()) tags.push_back(table.partition_tag);
      tags.insert(tags.end(), table.empty_partitions.begin(), table.empty_partitions.end());
    }
    collection.partitions = MilvusNames(tags);
    collection.partitions.erase("_default");
  }
  return collections;
}

/// The name in Milvus of the partition that the rows of `table` belong to.
std::string PartitionOf(const Table& table, const PlannedCollection& collection) {
  return table.owner.empty() ? "_default" : collection.partitions.at(table.partition_tag);
}

Result<Meta> ReadDumpedMeta(const CallContext& ctx, const Store& target) {
  const std::string key = target.prefix + kMetaName;
  const auto text = storage::ReadAll(ctx, *target.backend, key, kMaxMetaBytes);
  if (text.status().code() == Code::kNotFound) {
    return FailedPreconditionError(fmt::format("there is no dump at {} of {}", target.prefix,
                                               target.backend->Describe()))
        .WithAdvice("run dump first; a load that has been verified removes it");
  }
  MB_RETURN_IF_ERROR(text.status());
  return DecodeMeta(*text, key);
}

}  // namespace

uint64_t PlannedCollection::rows() const {
  uint64_t sum = 0;
  for (const PlannedPiece& piece : pieces) sum += piece.rows;
  return sum;
}

Result<LoadPlan> PlanLoad(const CallContext& ctx, const Store& target,
                          const std::vector<std::string>& collections) {
  MB_ASSIGN_OR_RETURN(const Meta whole, ReadDumpedMeta(ctx, target));
  // Names depend on those of all collections.
  LoadPlan plan{.collections = GroupTables(whole)};
  MB_ASSIGN_OR_RETURN(const Meta meta, SelectCollections(whole, collections));
  std::erase_if(plan.collections, [&](const PlannedCollection& collection) {
    return std::ranges::none_of(
        meta.tables, [&](const Table& table) { return table.collection() == collection.source; });
  });
  plan.is_partial = meta.tables.size() < whole.tables.size();
  std::vector<std::vector<DumpedPieces>> found(meta.tables.size());
  TaskGroup group(kParallelLooks, ctx.stop);
  for (size_t table = 0; table < meta.tables.size(); ++table) {
    found[table].resize(meta.tables[table].segments.size());
    for (size_t segment = 0; segment < found[table].size(); ++segment) {
      const bool taken = group.Submit([&, table, segment](const std::stop_token& stop) -> Status {
        const Table& of = meta.tables[table];
        MB_ASSIGN_OR_RETURN(found[table][segment],
                            FindPieces({.stop = stop}, target, of,
                                       SegmentDir(of, of.segments[segment]), kVectorsName));
        return Status::Ok();
      });
      if (!taken) break;
    }
  }
  MB_RETURN_IF_ERROR(group.Wait());
  for (size_t i = 0; i < meta.tables.size(); ++i) {
    const Table& table = meta.tables[i];
    PlannedCollection& collection =
        *std::ranges::find(plan.collections, table.collection(), &PlannedCollection::source);
    const std::string partition = PartitionOf(table, collection);
    for (const DumpedPieces& pieces : found[i]) AddPieces(pieces, partition, collection);
  }
  return plan;
}

LoadPlan PlanFromMeta(const Meta& meta) {
  LoadPlan plan{.collections = GroupTables(meta)};
  for (const Table& table : meta.tables) {
    PlannedCollection& collection =
        *std::ranges::find(plan.collections, table.collection(), &PlannedCollection::source);
    const std::string partition = PartitionOf(table, collection);
    for (const Segment& segment : table.segments) {
      const auto rows = static_cast<uint64_t>(segment.rows.value_or(0));
      AddPieces({.dirs = {SegmentDir(table, segment)}, .rows = {rows}}, partition, collection);
    }
  }
  return plan;
}

Status AddDump(const CallContext& ctx, const Store& target, const std::string& dir,
               const std::string& partition, PlannedCollection& collection) {
  MB_ASSIGN_OR_RETURN(const DumpedPieces pieces, FindPieces(ctx, target, collection.table, dir,
                                                            collection.style.vectors_name()));
  AddPieces(pieces, partition, collection);
  return Status::Ok();
}

}  // namespace milvus_backup::migration
