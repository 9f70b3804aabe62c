#include "milvus_backup/meta/layout.h"
#include "milvus_backup/meta/reader.h"

#include <algorithm>
#include <array>
#include <functional>
#include <string_view>
#include <utility>
#include <vector>

namespace milvus_backup::meta {
namespace {

/// All that a writer of any age puts into `meta/`.
constexpr std::array<std::string_view, 11> kMetaNames = {
    "backup_meta.json",  "collection_meta.json", "partition_meta.json",
    "segment_meta.json", "full_meta.json",       "channel_cp_meta.json",
    "run.json",          "manifest.json",        "manifest/",
    "tags.json",         "tombstone.json"};
constexpr std::array<std::string_view, 3> kMarks = {"backup_meta.json", "run.json",
                                                    "tombstone.json"};
constexpr std::array<std::string_view, 2> kLogKinds = {"insert_log/", "delta_log/"};
constexpr std::array<std::string_view, 3> kParts = {"meta/", "binlogs/", "bundle/"};

template <size_t N>
bool Holds(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

/// What is directly below a directory, in the order of its pages; directories have a slash at their
/// end. `visit` says whether to go on.
Status ForEachChild(const CallContext& ctx, storage::Backend& backend, const std::string& dir,
                    const std::function<bool(std::string_view)>& visit) {
  storage::ListRequest request{.prefix = dir, .delimiter = "/"};
  do {
    MB_ASSIGN_OR_RETURN(const storage::ListPage page, backend.List(ctx, request));
    for (const storage::ObjectInfo& object : page.objects) {
      if (!visit(std::string_view(object.key).substr(dir.size()))) return Status::Ok();
    }
    for (const std::string& prefix : page.prefixes) {
      if (!visit(std::string_view(prefix).substr(dir.size()))) return Status::Ok();
    }
    request.token = page.next_token;
  } while (!request.token.empty());
  return Status::Ok();
}

/// The first child that is not among `names`; empty when there is none.
template <size_t N>
Result<std::string> FindStranger(const CallContext& ctx, storage::Backend& backend,
                                 const std::string& dir,
                                 const std::array<std::string_view, N>& names) {
  std::string stranger;
  MB_RETURN_IF_ERROR(ForEachChild(ctx, backend, dir, [&](std::string_view name) {
    if (!Holds(names, name)) stranger = dir + std::string(name);
    return stranger.empty();
  }));
  return stranger;
}

/// As FindStranger in `meta/`; empty also when a header, a marker or a tombstone shows whose
/// directory it is.
Result<std::string> FindStrangerInMeta(const CallContext& ctx, storage::Backend& backend,
                                       const std::string& dir, bool& marked) {
  std::string stranger;
  MB_RETURN_IF_ERROR(ForEachChild(ctx, backend, dir, [&](std::string_view name) {
    marked = marked || Holds(kMarks, name);
    if (stranger.empty() && !Holds(kMetaNames, name)) stranger = dir + std::string(name);
    return !marked;
  }));
  return marked ? std::string() : stranger;
}

}  // namespace

Result<DirectoryContent> InspectDirectory(const CallContext& ctx, storage::Backend& backend,
                                          const std::string& backup_dir) {
  const auto foreign = [](std::string key) {
    return DirectoryContent{DirectoryKind::kForeign, std::move(key)};
  };
  std::vector<std::string> parts;
  std::string stranger;
  MB_RETURN_IF_ERROR(ForEachChild(ctx, backend, backup_dir, [&](std::string_view name) {
    if (Holds(kParts, name)) {
      parts.emplace_back(name);
    } else {
      stranger = backup_dir + std::string(name);
    }
    return stranger.empty();
  }));
  if (!stranger.empty()) return foreign(std::move(stranger));
  if (parts.empty()) return DirectoryContent{};
  if (parts == std::vector<std::string>{"bundle/"}) return foreign(backup_dir + "bundle/");
  bool marked = false;
  MB_ASSIGN_OR_RETURN(stranger, FindStrangerInMeta(ctx, backend, MetaDir(backup_dir), marked));
  if (stranger.empty() && !marked) {
    MB_ASSIGN_OR_RETURN(stranger, FindStranger(ctx, backend, BinlogsDir(backup_dir), kLogKinds));
  }
  if (!stranger.empty()) return foreign(std::move(stranger));
  return DirectoryContent{DirectoryKind::kBackupParts, {}};
}

}  // namespace milvus_backup::meta
