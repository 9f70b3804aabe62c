#include "expected_files.h"

#include "milvus_backup/meta/layout.h"

#include <fmt/format.h>

#include <algorithm>

namespace milvus_backup::backup {
namespace {

bool IsBelowAny(const std::string& path, const std::vector<std::string>& dirs) {
  return std::ranges::any_of(
      dirs, [&](const std::string& dir) { return !dir.empty() && path.starts_with(dir); });
}

}  // namespace

Status CheckFiles(const CallContext& ctx, storage::Backend& backend, const std::string& backup_dir,
                  int64_t collection_id, const std::vector<ExpectedFile>& expected,
                  const std::vector<std::string>& closed_dirs) {
  const auto damaged = [&](const std::string& path, const std::string& problem) {
    return DataLossError(fmt::format("{}{} {}", backup_dir, path, problem))
        .WithOrigin(Origin::kStorage)
        .Annotate("checking the files in " + backend.Describe());
  };
  // Listings and expectations are both in key order, and delta_log sorts before insert_log.
  auto next = expected.begin();
  for (const char* kind : {"delta_log", "insert_log"}) {
    const std::string prefix =
        fmt::format("{}{}/{}/", meta::BinlogsDir(backup_dir), kind, collection_id);
    const auto visit = [&](const storage::ObjectInfo& object) -> Status {
      const std::string path = object.key.substr(backup_dir.size());
      if (next != expected.end() && next->path < path) return damaged(next->path, "is missing");
      if (next == expected.end() || next->path != path) {
        return IsBelowAny(path, closed_dirs) ? damaged(path, "does not belong to the backup")
                                             : Status::Ok();
      }
      if (next->size != object.size) {
        return damaged(path, fmt::format("has {} bytes instead of {}", object.size, next->size));
      }
      ++next;
      return Status::Ok();
    };
    MB_RETURN_IF_ERROR(storage::ForEachObject(ctx, backend, prefix, visit));
    const std::string end = fmt::format("binlogs/{}/", kind);
    if (next != expected.end() && next->path.starts_with(end)) {
      return damaged(next->path, "is missing");
    }
  }
  return Status::Ok();
}

}  // namespace milvus_backup::backup
