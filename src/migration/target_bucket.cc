#include "target_bucket.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace milvus_backup::migration {
namespace {

/// common.SegmentState
constexpr int32_t kFlushed = 4;
/// common.SegmentLevel: only deletes.
constexpr int32_t kL0 = 1;
/// Collections that are asked for stored rows, and directories that are looked into.
constexpr size_t kMostCollections = 32;
constexpr size_t kMostDirectories = 64;

struct StoredSegment {
  std::string collection;
  /// Of its logs, below minio.rootPath.
  std::string directory;
};

/// Any segment that Milvus has written; one without a directory when there is none.
Result<StoredSegment> FindStored(const CallContext& ctx, milvus::Client& client,
                                 const std::string& db) {
  auto names = client.ListCollections(ctx, db);
  if (names.status().code() == Code::kNotFound) return StoredSegment();
  MB_RETURN_IF_ERROR(names.status());
  names->resize(std::min(names->size(), kMostCollections));
  for (const std::string& name : *names) {
    const auto segments = client.ListPersistentSegments(ctx, db, name);
    // Dropped meanwhile.
    if (segments.status().code() == Code::kNotFound) continue;
    MB_RETURN_IF_ERROR(segments.status());
    for (const milvus::Segment& segment : *segments) {
      if (segment.state != kFlushed || segment.level == kL0 || segment.num_rows == 0) continue;
      return StoredSegment{.collection = name,
                           .directory = fmt::format("insert_log/{}/{}/{}/", segment.collection_id,
                                                    segment.partition_id, segment.id)};
    }
  }
  return StoredSegment();
}

/// Looks for a directory in a bucket, at its top and up to two directories below. Used once.
class Search {
 public:
  Search(const CallContext& ctx, storage::Backend& bucket, const std::string& directory)
      : ctx_(ctx), bucket_(bucket), directory_(directory) {}

  /// None when it cannot be told.
  std::optional<bool> Run() {
    std::vector<std::string> level = {""};
    for (int depth = 0; depth <= kDeepest; ++depth) {
      std::vector<std::string> below;
      for (const std::string& root : level) {
        const auto found = bucket_.List(ctx_, {.prefix = root + directory_, .max_keys = 1});
        if (!found.ok() || ++looked_ > kMostDirectories) return std::nullopt;
        if (!found->objects.empty()) return true;
        if (depth == kDeepest) continue;
        const auto page = bucket_.List(ctx_, {.prefix = root, .delimiter = "/"});
        if (!page.ok() || !page->next_token.empty()) return std::nullopt;
        below.insert(below.end(), page->prefixes.begin(), page->prefixes.end());
      }
      level = std::move(below);
    }
    return false;
  }

 private:
  static constexpr int kDeepest = 2;

  const CallContext& ctx_;
  storage::Backend& bucket_;
  const std::string& directory_;
  size_t looked_ = 0;
};

}  // namespace

Result<std::string> WarnOfOtherBucket(const CallContext& ctx, milvus::Client& client,
                                      const std::string& db, const Store& target) {
  if (!target.local_root.empty()) return std::string();
  const auto stored = FindStored(ctx, client, db);
  MB_RETURN_IF_ERROR(ctx.Check());
  // A server that does not answer this may still take the rows.
  if (!stored.ok() || stored->directory.empty()) return std::string();
  const std::optional<bool> is_there = Search(ctx, *target.backend, stored->directory).Run();
  MB_RETURN_IF_ERROR(ctx.Check());
  if (is_there.value_or(true)) return std::string();
  return fmt::format(
      "{} does not hold the rows that this Milvus has stored of collection '{}': unless it is "
      "minio.bucketName of that Milvus, rows are inserted, which is slower",
      target.backend->Describe(), stored->collection);
}

}  // namespace milvus_backup::migration
