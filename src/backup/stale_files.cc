#include "stale_files.h"

#include "milvus_backup/base/log.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/storage/tree.h"

#include <fmt/format.h>

#include <charconv>
#include <vector>

namespace milvus_backup::backup {
namespace {

/// Both directories of logs, in key order.
constexpr const char* kKinds[] = {"delta_log", "insert_log"};
constexpr size_t kDeleteBatch = 1000;

Status DeleteAll(const CallContext& ctx, storage::Backend& backend,
                 std::vector<std::string>& keys) {
  if (keys.empty()) return Status::Ok();
  MB_ASSIGN_OR_RETURN(const std::vector<storage::DeleteFailure> failures,
                      backend.DeleteMany(ctx, keys));
  keys.clear();
  if (failures.empty()) return Status::Ok();
  return failures.front().status.Annotate("deleting " + failures.front().key);
}

/// The id in `<…>/<id>/`; none for other names.
std::optional<int64_t> IdOf(std::string_view directory, size_t parent_length) {
  directory.remove_prefix(parent_length);
  if (!directory.ends_with('/')) return std::nullopt;
  directory.remove_suffix(1);
  int64_t id = 0;
  const auto [end, error] =
      std::from_chars(directory.data(), directory.data() + directory.size(), id);
  if (error != std::errc() || end != directory.data() + directory.size()) return std::nullopt;
  return id;
}

}  // namespace

Status RemoveStaleFiles(const CallContext& ctx, storage::Backend& backend,
                        const std::string& backup_dir, int64_t collection_id,
                        const ExpectedFiles& expected) {
  auto next = expected.begin();
  std::vector<std::string> stale;
  for (const char* kind : kKinds) {
    const std::string prefix =
        fmt::format("{}{}/{}/", meta::BinlogsDir(backup_dir), kind, collection_id);
    MB_RETURN_IF_ERROR(
        storage::ForEachObject(ctx, backend, prefix, [&](const storage::ObjectInfo& object) {
          const std::string_view path = std::string_view(object.key).substr(backup_dir.size());
          while (next != expected.end() && next->path < path) ++next;
          if (next != expected.end() && next->path == path) return Status::Ok();
          stale.push_back(object.key);
          return stale.size() < kDeleteBatch ? Status::Ok() : DeleteAll(ctx, backend, stale);
        }));
  }
  return DeleteAll(ctx, backend, stale);
}

Status RemoveStaleCollections(const CallContext& ctx, storage::Backend& backend,
                              const std::string& backup_dir, const std::set<int64_t>& kept) {
  for (const char* kind : kKinds) {
    const std::string parent = fmt::format("{}{}/", meta::BinlogsDir(backup_dir), kind);
    storage::ListRequest request{.prefix = parent, .delimiter = "/"};
    do {
      MB_ASSIGN_OR_RETURN(storage::ListPage page, backend.List(ctx, request));
      for (const std::string& directory : page.prefixes) {
        const std::optional<int64_t> id = IdOf(directory, parent.size());
        if (id && kept.contains(*id)) continue;
        log::Info("removing {} of an earlier run", directory);
        MB_RETURN_IF_ERROR(storage::DeleteTree(ctx, backend, directory).status());
      }
      request.token = page.next_token;
    } while (!request.token.empty());
  }
  return Status::Ok();
}

}  // namespace milvus_backup::backup
