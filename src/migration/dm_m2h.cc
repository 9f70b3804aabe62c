#include "hdf5_writer.h"
#include "milvus_names.h"
#include "old_milvus.h"
#include "target_schema.h"

#include "milvus_backup/base/encoding.h"
#include "milvus_backup/base/log.h"
#include "milvus_backup/migration/dm.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <system_error>
#include <utility>

namespace milvus_backup::migration {
namespace {

namespace fs = std::filesystem;

/// Read and written at a time.
constexpr uint64_t kBatchBytes = 4 * kMiB;
/// Name of the file of the default partition.
constexpr char kDefaultName[] = "None";
/// Of HDF5 itself, of the YAML file beside it, and of their directories, on a disk of 4 KiB blocks.
constexpr uint64_t kBytesBesideRows = 32 * kKiB;

Status CannotWrite(const fs::path& path, const std::string& why) {
  return FailedPreconditionError(fmt::format("cannot write {}: {}", path.string(), why))
      .WithOrigin(Origin::kConfig)
      .WithAdvice("correct data_dir");
}

Status MakeDirectories(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  return error ? CannotWrite(path, error.message()) : Status::Ok();
}

/// A directory of its own for each run, as MilvusDM's uuid1.
std::string RandomUuid() {
  const std::string hex = RandomHex(32);
  return fmt::format("{}-{}-{}-{}-{}", hex.substr(0, 8), hex.substr(8, 4), hex.substr(12, 4),
                     hex.substr(16, 4), hex.substr(20));
}

/// A text in YAML; JSON's quotes are YAML's.
std::string Quoted(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

/// A file of H2M, keys in the order of MilvusDM.
std::string YamlText(const OldPartition& partition, const std::string& path,
                     const std::string& collection, const std::string& partition_name) {
  const Table& table = partition.table;
  return fmt::format(
      "H2M:\n"
      "  collection_parameter:\n"
      "    dimension: {}\n"
      "    index_file_size: {}\n"
      "    metric_type: {}\n"
      "  data_dir: null\n"
      "  data_path:\n"
      "  - {}\n"
      "  dest_collection_name: {}\n"
      "  dest_host: 127.0.0.1\n"
      "  dest_partition_name: {}\n"
      "  dest_port: 19530\n"
      "  milvus_version: {}\n"
      "  mode: skip\n",
      table.dim, table.index_file_size >> 20, OldMetricName(table.metric), Quoted(path),
      Quoted(collection), partition.tag.empty() ? "null" : Quoted(partition_name),
      Quoted(table.version));
}

Status WriteText(const fs::path& path, const std::string& text) {
  errno = 0;
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  if (file.good()) return Status::Ok();
  const int error = errno;
  const std::string why =
      error == 0 ? "the file system refuses" : std::generic_category().message(error);
  std::error_code ignored;
  fs::remove(path, ignored);
  if (error == ENOSPC || error == EDQUOT) {
    return Status(Code::kResourceExhausted, fmt::format("cannot write {}: {}", path.string(), why))
        .WithAdvice("set data_dir to a larger disk");
  }
  return CannotWrite(path, why);
}

class HdfJob {
 public:
  HdfJob(const DmOptions& options, transfer::Progress& progress)
      : options_(options), progress_(progress) {}

  Result<HdfReport> Run(const CallContext& ctx) {
    const auto started = std::chrono::steady_clock::now();
    MB_RETURN_IF_ERROR(Prepare(ctx));
    for (Unit& unit : units_) MB_RETURN_IF_ERROR(Write(ctx, unit));
    report_.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
    return std::move(report_);
  }

 private:
  struct Unit {
    OldPartition partition;
    std::vector<DmInput> inputs;
    uint64_t rows = 0;
    /// In Milvus 2.x.
    std::string collection;
    std::string name;
    /// Of the file without its suffix.
    std::string file;
  };

  Status Prepare(const CallContext& ctx) {
    MB_ASSIGN_OR_RETURN(OldPartitions selected, SelectPartitions(ctx, options_.source));
    report_.warnings = std::move(selected.warnings);
    uint64_t bytes = 0;
    for (OldPartition& partition : selected.partitions) {
      Unit unit{.partition = std::move(partition)};
      MB_ASSIGN_OR_RETURN(unit.inputs, InputsOf(options_.source, unit.partition));
      for (const DmInput& input : unit.inputs) {
        MB_ASSIGN_OR_RETURN(const auto source, input.open(ctx));
        unit.rows += source->rows();
      }
      const uint64_t unit_bytes = unit.rows * unit.partition.table.vector_bytes();
      if (unit.rows > 0) bytes += unit_bytes + unit.rows * sizeof(int64_t) + kBytesBesideRows;
      progress_.bytes_planned += unit_bytes;
      progress_.objects_planned += unit.inputs.size();
      units_.push_back(std::move(unit));
    }
    NameUnits();
    return OpenDirectory(bytes);
  }

  void NameUnits() {
    std::vector<std::string> collections;
    std::map<std::string, std::vector<std::string>> tags;
    for (const Unit& unit : units_) {
      const OldPartition& partition = unit.partition;
      if (tags.try_emplace(partition.collection).second) {
        collections.push_back(partition.collection);
        // Names that are taken.
        tags[partition.collection] = {"_default", kDefaultName};
      }
      if (!partition.tag.empty()) tags[partition.collection].push_back(partition.tag);
    }
    const std::map<std::string, std::string> names = MilvusNames(collections);
    for (Unit& unit : units_) {
      const OldPartition& partition = unit.partition;
      unit.collection = names.at(partition.collection);
      const std::map<std::string, std::string> in_milvus =
          MilvusNames(tags.at(partition.collection));
      unit.name = partition.tag.empty() ? "" : in_milvus.at(partition.tag);
      unit.file = partition.tag.empty() ? kDefaultName : unit.name;
      if (partition.tag != kDefaultName) continue;
      const auto is_taken = [&](const auto& other) { return other.second == unit.file; };
      while (std::ranges::any_of(in_milvus, is_taken)) unit.file += "_";
    }
  }

  Status OpenDirectory(uint64_t bytes) {
    std::error_code error;
    const fs::path data_dir = fs::absolute(options_.data_dir, error).lexically_normal();
    MB_RETURN_IF_ERROR(MakeDirectories(data_dir));
    const fs::space_info space = fs::space(data_dir, error);
    if (!error && space.available < bytes) {
      return Status(Code::kResourceExhausted,
                    fmt::format("the files need {} bytes and {} has {}", bytes, data_dir.string(),
                                space.available))
          .WithAdvice("set data_dir to a larger disk");
    }
    report_.directory = (data_dir / RandomUuid()).string();
    return Status::Ok();
  }

  Status Write(const CallContext& ctx, const Unit& unit) {
    const OldPartition& partition = unit.partition;
    log::Event(log::Level::kInfo,
               fmt::format("Ready to read all data of collection: {}/partitions: ['{}']",
                           partition.collection, partition.tag),
               {});
    WrittenHdf5 written{
        .collection = partition.collection, .partition = partition.tag, .rows = unit.rows};
    if (unit.rows == 0) {
      log::Event(log::Level::kInfo,
                 fmt::format("The collection: {}/partition: {} has no data", partition.collection,
                             partition.tag),
                 {});
      report_.files.push_back(std::move(written));
      return Status::Ok();
    }
    progress_.SetPhase(partition.collection);
    const fs::path root = report_.directory;
    // The collection's name is that of a directory already.
    const fs::path dir = root / partition.collection;
    const fs::path yamls = root / "yamls" / partition.collection;
    MB_RETURN_IF_ERROR(MakeDirectories(dir));
    MB_RETURN_IF_ERROR(MakeDirectories(yamls));
    written.path = (dir / (unit.file + ".h5")).string();
    MB_RETURN_IF_ERROR(WriteRows(ctx, unit, written.path));
    MB_RETURN_IF_ERROR(WriteText(yamls / (unit.file + ".yaml"),
                                 YamlText(partition, written.path, unit.collection, unit.name)));
    report_.files.push_back(std::move(written));
    return Status::Ok();
  }

  Status WriteRows(const CallContext& ctx, const Unit& unit, const std::string& path) {
    const uint64_t vector_bytes = unit.partition.table.vector_bytes();
    const uint64_t batch = std::min(RowsIn(kBatchBytes, vector_bytes), unit.rows);
    std::vector<int64_t> ids(batch);
    std::vector<std::byte> vectors(batch * vector_bytes);
    MB_ASSIGN_OR_RETURN(Hdf5Writer writer,
                        Hdf5Writer::Create(path, unit.partition.table, unit.rows));
    for (const DmInput& input : unit.inputs) {
      MB_ASSIGN_OR_RETURN(const auto source, input.open(ctx));
      for (uint64_t row = 0; row < source->rows(); row += batch) {
        MB_RETURN_IF_ERROR(ctx.Check());
        const uint64_t count = std::min(batch, source->rows() - row);
        const auto some_ids = std::span(ids).first(count);
        const auto some = std::span(vectors).first(count * vector_bytes);
        MB_RETURN_IF_ERROR(source->Read(ctx, some_ids, some));
        MB_RETURN_IF_ERROR(writer.Append(some_ids, some));
        progress_.bytes_done += some.size();
      }
      ++progress_.objects_done;
    }
    return writer.Finish();
  }

  const DmOptions& options_;
  transfer::Progress& progress_;
  std::vector<Unit> units_;
  HdfReport report_;
};

}  // namespace

Result<HdfReport> WriteHdf5Files(const CallContext& ctx, const DmOptions& options,
                                 transfer::Progress& progress) {
  return HdfJob(options, progress).Run(ctx);
}

}  // namespace milvus_backup::migration
