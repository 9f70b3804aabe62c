#include "dm_inputs.h"

#include "faiss_rows.h"
#include "hdf5_rows.h"
#include "milvus_names.h"
#include "old_milvus.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <system_error>
#include <utility>

namespace milvus_backup::migration {
namespace {

namespace fs = std::filesystem;

/// The files `*.h5` of a directory by name: that of the directory itself means nothing.
Result<std::vector<std::string>> ListHdf5Files(const std::string& dir) {
  std::vector<std::string> files;
  std::error_code error;
  for (fs::directory_iterator it(dir, error), end; !error && it != end; it.increment(error)) {
    if (it->path().filename().string().ends_with(".h5")) files.push_back(it->path().string());
  }
  if (error) {
    return NotFoundError(fmt::format("cannot read {}: {}", dir, error.message()))
        .WithOrigin(Origin::kConfig)
        .WithAdvice("correct data_dir");
  }
  if (files.empty()) {
    return NotFoundError(fmt::format("{} holds no file *.h5", dir))
        .WithOrigin(Origin::kConfig)
        .WithAdvice("correct data_dir");
  }
  std::ranges::sort(files);
  return files;
}

DmUnit UnitOf(const DmOptions& options) {
  return {.source = options.collection,
          .table = {.id = options.collection, .metric = options.metric, .dim = options.dim},
          .collection = options.collection,
          .partition = options.partition,
          .mode = options.mode};
}

Result<DmInputs> FindHdf5(const CallContext& ctx, const DmOptions& options) {
  std::vector<std::string> files = options.files;
  if (!options.data_dir.empty()) {
    MB_ASSIGN_OR_RETURN(files, ListHdf5Files(options.data_dir));
  }
  DmUnit unit = UnitOf(options);
  // As in MilvusDM, which only looks for the collection.
  unit.skip_by_collection = true;
  int64_t first_id = 0;
  for (const std::string& file : files) {
    MB_RETURN_IF_ERROR(ctx.Check());
    const Table table = unit.table;
    // Rows without ids are numbered through all files.
    MB_ASSIGN_OR_RETURN(const auto source, OpenHdf5Rows(file, table, first_id));
    unit.inputs.push_back({.open = [file, table, first_id](const CallContext&) {
      return OpenHdf5Rows(file, table, first_id);
    }});
    first_id += static_cast<int64_t>(source->rows());
  }
  return DmInputs{.units = {std::move(unit)}};
}

DmInputs FindFaiss(const DmOptions& options) {
  DmUnit unit = UnitOf(options);
  unit.inputs.push_back({.open = [path = options.files.front(), table = unit.table](
                                     const CallContext& ctx) -> Result<std::unique_ptr<RowSource>> {
    MB_ASSIGN_OR_RETURN(FileBytes file, OpenLocalBytes(path, "data_path"));
    return OpenFaissRows(ctx, std::move(file), table);
  }});
  DmInputs found;
  found.units.push_back(std::move(unit));
  return found;
}

/// Names that Milvus 2.x takes, of the partitions of each collection by their tags.
using PartitionNames = std::map<std::string, std::map<std::string, std::string>>;

PartitionNames NamePartitions(const std::vector<OldPartition>& partitions) {
  // The default partition's name is taken.
  std::map<std::string, std::vector<std::string>> tags;
  for (const OldPartition& partition : partitions) {
    std::vector<std::string>& of =
        tags.try_emplace(partition.collection, 1, "_default").first->second;
    if (!partition.tag.empty()) of.push_back(partition.tag);
  }
  PartitionNames names;
  for (const auto& [collection, of] : tags) names[collection] = MilvusNames(of);
  return names;
}

Result<DmInputs> FindOldMilvus(const CallContext& ctx, const DmOptions& options) {
  MB_ASSIGN_OR_RETURN(OldPartitions selected, SelectPartitions(ctx, options.source));
  DmInputs found{.warnings = std::move(selected.warnings)};
  std::vector<std::string> collections;
  for (const OldMilvus::Selected& each : options.source.collections) {
    collections.push_back(each.collection);
  }
  const std::map<std::string, std::string> names = MilvusNames(collections);
  const PartitionNames partitions = NamePartitions(selected.partitions);
  for (const auto& [old, name] : names) {
    if (old != name) {
      found.warnings.push_back(fmt::format("collection '{}' becomes {}", old, name));
    }
  }
  for (const OldPartition& partition : selected.partitions) {
    DmUnit unit{.source = partition.collection,
                .table = partition.table,
                .collection = names.at(partition.collection),
                .mode = options.mode};
    if (!partition.tag.empty()) {
      unit.partition = partitions.at(partition.collection).at(partition.tag);
      if (unit.partition != partition.tag) {
        found.warnings.push_back(fmt::format("partition '{}' of collection '{}' becomes {}",
                                             partition.tag, partition.collection, unit.partition));
      }
    }
    MB_ASSIGN_OR_RETURN(unit.inputs, InputsOf(options.source, partition));
    found.units.push_back(std::move(unit));
  }
  return found;
}

}  // namespace

Result<DmInputs> FindInputs(const CallContext& ctx, const DmOptions& options) {
  switch (options.task) {
    case DmTask::kH2M:
      return FindHdf5(ctx, options);
    case DmTask::kF2M:
      return FindFaiss(options);
    case DmTask::kM2M:
      return FindOldMilvus(ctx, options);
    case DmTask::kM2H:
      break;
  }
  return InternalError("no such task");
}

}  // namespace milvus_backup::migration
