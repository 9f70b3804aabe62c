#include "copy_source.h"

#include "verify_quick.h"

#include "milvus_backup/meta/layout.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdint>
#include <utility>
#include <vector>

namespace milvus_backup::backup {
namespace {

/// Objects that an error names; of more it says how many.
constexpr size_t kNamed = 5;

}  // namespace

Status CheckSourceBackup(const CallContext& ctx, storage::Backend& backend,
                         const std::string& backup_dir, bool has_manifest) {
  std::vector<std::string> named;
  uint64_t count = 0;
  const std::string manifest = meta::ManifestKey(backup_dir);
  const VerifyOptions options{
      .name = meta::BackupName(backup_dir), .on_problem = [&](const VerifyProblem& problem) {
        if (!has_manifest && problem.key == manifest) return;
        if (++count > kNamed) return;
        named.push_back(fmt::format("{} (expected: {}, found: {})", problem.key, problem.expected,
                                    problem.found));
      }};
  VerifyLog log(backup_dir, options);
  MB_RETURN_IF_ERROR(VerifyQuick(ctx, backend, backup_dir, false, log)
                         .status()
                         .Annotate("checking the backup at the source"));
  if (count == 0) return Status::Ok();
  std::string text = fmt::format("the backup at the source, {}, is damaged: {}", backup_dir,
                                 fmt::join(named, "; "));
  if (count > kNamed) text += fmt::format("; and {} more", count - kNamed);
  return DataLossError(std::move(text))
      .WithOrigin(Origin::kStorage)
      .WithAdvice("`verify` lists all of it; copy from another copy of this backup");
}

bool IsOfManifest(std::string_view path) {
  return path == meta::ManifestKey("") || path.starts_with(meta::ManifestPartsDir(""));
}

Result<std::unique_ptr<ManifestWalk>> ManifestWalk::Open(const CallContext& ctx,
                                                         storage::Backend& backend,
                                                         const std::string& backup_dir,
                                                         const std::string& sha256,
                                                         std::string where) {
  MB_ASSIGN_OR_RETURN(std::unique_ptr<meta::ManifestReader> reader,
                      meta::ManifestReader::Open(ctx, backend, backup_dir, sha256));
  if (reader == nullptr) {
    return DataLossError(meta::ManifestKey(backup_dir) + " is gone").WithOrigin(Origin::kStorage);
  }
  std::unique_ptr<ManifestWalk> walk(
      new ManifestWalk(std::move(reader), backup_dir, std::move(where)));
  MB_ASSIGN_OR_RETURN(walk->next_, walk->reader_->Next(ctx));
  return walk;
}

Result<std::optional<meta::ManifestEntry>> ManifestWalk::Take(const CallContext& ctx,
                                                              std::string_view path) {
  if (meta::IsOutsideManifest(path)) return std::optional<meta::ManifestEntry>();
  if (next_ && next_->path < path) return Missing();
  if (!next_ || next_->path != path) {
    return DataLossError(fmt::format("{}{} is not in the manifest", backup_dir_, path))
        .WithOrigin(Origin::kStorage);
  }
  std::optional<meta::ManifestEntry> entry = std::exchange(next_, std::nullopt);
  MB_ASSIGN_OR_RETURN(next_, reader_->Next(ctx));
  return entry;
}

Status ManifestWalk::End() const { return next_ ? Missing() : Status::Ok(); }

Status ManifestWalk::Missing() const {
  return DataLossError(
             fmt::format("{}{} is in the manifest and not {}", backup_dir_, next_->path, where_))
      .WithOrigin(Origin::kStorage);
}

}  // namespace milvus_backup::backup
