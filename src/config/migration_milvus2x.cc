#include "migration_keys.h"
#include "source_file.h"

#include "milvus_backup/config/migration.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace milvus_backup::config {
namespace {

using migration::Milvus2xOptions;

/// Milvus' limit for the shards of a collection.
constexpr int64_t kMaxTargetShards = 16;
constexpr int64_t kMaxRanges = 64;
/// quotaAndLimits.limits.maxQueryResultWindow.
constexpr int64_t kMaxPageRows = 16384;
constexpr int64_t kMaxBufferRows = int64_t{1} << 40;
constexpr char kStateDir[] = "migration-state";

/// In the order of common.ConsistencyLevel.
constexpr std::array<std::string_view, 5> kLevels = {"Strong", "Session", "Bounded", "Eventually",
                                                     "Customized"};

Result<std::optional<int32_t>> ConsistencyOf(const MigrationKeys& keys) {
  const std::string key = "meta.milvus.consistencyLevel";
  const std::string text = keys.Text(key);
  if (text.empty()) return std::optional<int32_t>();
  const auto found = std::ranges::find(kLevels, std::string_view(text));
  if (found == kLevels.end()) {
    return ConfigError(fmt::format(
        "{} is '{}'; use Strong, Session, Bounded, Eventually or Customized", key, text));
  }
  return std::optional(static_cast<int32_t>(found - kLevels.begin()));
}

/// What a collection that is made is to be like.
Status ResolveCollection(const MigrationKeys& keys, Milvus2xOptions& options) {
  options.target_collection = keys.Text("meta.milvus.collection");
  const std::string shards = keys.Text("meta.milvus.shardNum");
  if (!shards.empty() && shards != "0") {
    MB_ASSIGN_OR_RETURN(const int64_t number,
                        keys.Number("meta.milvus.shardNum", 1, kMaxTargetShards));
    options.shards_num = static_cast<int32_t>(number);
  }
  MB_ASSIGN_OR_RETURN(const std::optional<bool> closed,
                      keys.OptionalBool("meta.milvus.closeDynamicField"));
  if (closed) options.dynamic_field = !*closed;
  MB_ASSIGN_OR_RETURN(options.consistency_level, ConsistencyOf(keys));
  MB_ASSIGN_OR_RETURN(options.auto_id, keys.OptionalBool("meta.milvus.autoId"));
  return Status::Ok();
}

Status ResolveWriting(const MigrationKeys& keys, Milvus2xOptions& options) {
  const std::string key = "target.milvus2x.writeMode";
  const std::string mode = ToLower(keys.Text(key, "insert"));
  if (mode != "insert" && mode != "upsert") {
    return ConfigError(fmt::format("{} is '{}'; use insert or upsert", key, keys.Text(key)));
  }
  options.upsert = mode == "upsert";
  MB_ASSIGN_OR_RETURN(const int64_t ranges,
                      keys.Number("dumper.worker.limit", options.parallel_ranges, kMaxRanges));
  options.parallel_ranges = static_cast<int>(ranges);
  const std::string page = "dumper.worker.reader.bufferSize";
  if (keys.Text(page).empty()) return Status::Ok();
  MB_ASSIGN_OR_RETURN(const int64_t rows, keys.Number(page, 1, kMaxBufferRows));
  options.page_rows = std::min(rows, kMaxPageRows);
  return Status::Ok();
}

Result<Milvus2xOptions> Resolve(const MigrationKeys& keys, const SourceFile& file) {
  Milvus2xOptions options;
  const std::string mode = keys.Text("meta.mode", "config");
  if (ToLower(mode) != "config") {
    return ConfigError(fmt::format("meta.mode is '{}'; milvus2x knows only config", mode));
  }
  MB_ASSIGN_OR_RETURN(options.source, keys.MilvusAt("source.milvus2x"));
  MB_ASSIGN_OR_RETURN(options.target, keys.MilvusAt("target.milvus2x"));
  options.source_database = keys.Text("source.milvus2x.database");
  options.target_database = keys.Text("target.milvus2x.database");
  options.collections = keys.Names("meta.collection");
  options.databases = keys.Names("meta.databases");
  options.fields = keys.Names("meta.fields");
  MB_RETURN_IF_ERROR(ResolveCollection(keys, options));
  MB_RETURN_IF_ERROR(ResolveWriting(keys, options));
  options.state_dir = (std::filesystem::path(file.path).parent_path() / kStateDir).string();
  return options;
}

}  // namespace

Result<std::string> MigrationWorkMode(const LoadOptions& load) {
  MB_ASSIGN_OR_RETURN(const SourceFile file, ReadKeys(load));
  const std::string mode = MigrationKeys(file.keys).Text("dumper.worker.workMode");
  if (!mode.empty()) return mode;
  return ConfigError("dumper.worker.workMode is not set").Annotate(file.path);
}

Result<Milvus2xOptions> LoadMilvus2x(const LoadOptions& load) {
  MB_ASSIGN_OR_RETURN(const SourceFile file, ReadKeys(load));
  auto options = Resolve(MigrationKeys(file.keys), file);
  if (!options.ok()) return options.status().Annotate(file.path);
  return options;
}

}  // namespace milvus_backup::config
