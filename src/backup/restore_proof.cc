#include "restore_proof.h"

#include "seal.h"

#include "milvus_backup/base/encoding.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/meta/reader.h"
#include "milvus_backup/meta/run_record.h"

#include <fmt/format.h>

#include <memory>
#include <optional>

namespace milvus_backup::backup {
namespace {

constexpr char kMetas[] = "meta/";

std::string LogDir(std::string_view kind, int64_t collection_id) {
  return fmt::format("{}{}/{}/", meta::BinlogsDir(""), kind, collection_id);
}

/// The directory of a collection's logs, or of the metas, that `path` is in.
std::string_view DirectoryOf(std::string_view path) {
  if (path.starts_with(kMetas)) return kMetas;
  size_t end = 0;
  for (int elements = 0; elements < 3; ++elements) {
    const size_t slash = path.find('/', end);
    if (slash == std::string_view::npos) return {};
    end = slash + 1;
  }
  return path.substr(0, end);
}

Status Damaged(const std::string& key, const std::string& expected, const std::string& found) {
  return DataLossError(fmt::format("{} is not what the manifest of the backup says: expected {}, "
                                   "found {}",
                                   key, expected, found))
      .WithOrigin(Origin::kStorage)
      .WithAdvice(
          "nothing was changed; get the object from another copy of the backup, or restore the "
          "other collections with -c");
}

/// The manifest, none where there is none. One without a header that speaks of it is damage unless
/// a run that was to write both has left its marker.
Result<std::unique_ptr<meta::ManifestReader>> OpenManifest(const CallContext& ctx,
                                                           storage::Backend& backend,
                                                           const std::string& backup_dir) {
  MB_ASSIGN_OR_RETURN(const meta::BackupInfo header, meta::ReadHeader(ctx, backend, backup_dir));
  if (header.manifest_sha256.empty()) {
    const auto marker = meta::ReadRunRecord(ctx, backend, meta::MarkerKey(backup_dir));
    MB_RETURN_IF_ERROR(ctx.Check());
    if (marker.ok() && *marker && (*marker)->operation == kSealOperation) {
      return std::unique_ptr<meta::ManifestReader>();
    }
  }
  return meta::ManifestReader::Open(ctx, backend, backup_dir, header.manifest_sha256);
}

}  // namespace

Result<RestoreProof> RestoreProof::Read(const CallContext& ctx, storage::Backend& backend,
                                        const std::string& backup_dir,
                                        const std::vector<int64_t>& collection_ids) {
  MB_ASSIGN_OR_RETURN(const std::unique_ptr<meta::ManifestReader> manifest,
                      OpenManifest(ctx, backend, backup_dir));
  if (manifest == nullptr) return RestoreProof();
  RestoreProof proof(backend, backup_dir);
  proof.unseen_[kMetas] = 0;
  for (const int64_t id : collection_ids) {
    proof.unseen_[LogDir("insert_log", id)] = 0;
    proof.unseen_[LogDir("delta_log", id)] = 0;
  }
  MB_RETURN_IF_ERROR(proof.ReadEntries(ctx, *manifest));
  MB_RETURN_IF_ERROR(proof.CheckMetas(ctx));
  return proof;
}

Status RestoreProof::ReadEntries(const CallContext& ctx, meta::ManifestReader& manifest) {
  while (true) {
    MB_ASSIGN_OR_RETURN(const std::optional<meta::ManifestEntry> entry, manifest.Next(ctx));
    if (!entry) break;
    const auto directory = unseen_.find(DirectoryOf(entry->path));
    if (directory == unseen_.end()) continue;
    ++directory->second;
    index_.Add(entry->path, entry->size, entry->hash);
  }
  index_.Sort();
  return Status::Ok();
}

Status RestoreProof::CheckMetas(const CallContext& ctx) {
  return storage::ForEachObject(
      ctx, *backend_, meta::MetaDir(backup_dir_),
      [&](const storage::ObjectInfo& object) { return Compare(ctx, object); });
}

Status RestoreProof::Compare(const CallContext& ctx, const storage::ObjectInfo& object) {
  const std::string_view path = std::string_view(object.key).substr(backup_dir_.size());
  const auto known = index_.Find(path);
  if (!known) return Status::Ok();
  if (known->size != object.size) {
    return Damaged(object.key, fmt::format("{} bytes", known->size),
                   fmt::format("{} bytes", object.size));
  }
  if (known->hash.md5) {
    MB_ASSIGN_OR_RETURN(const EtagCheck::Verdict verdict,
                        etags_.Compare(ctx, *backend_, object, *known->hash.md5));
    if (verdict == EtagCheck::Verdict::kDiffers) {
      return Damaged(object.key, "MD5 " + HexEncode(*known->hash.md5),
                     "other bytes, ETag " + object.etag);
    }
  }
  if (const auto unseen = unseen_.find(DirectoryOf(path)); unseen != unseen_.end()) {
    --unseen->second;
  }
  return Status::Ok();
}

Status RestoreProof::CheckAllSeen() const {
  for (const auto& [directory, objects] : unseen_) {
    // A meta that is missing was not needed, or the metas could not have been read.
    if (objects == 0 || directory == kMetas) continue;
    return Damaged(backup_dir_ + directory,
                   fmt::format("{} more objects, which verify names", objects), "none of them");
  }
  return Status::Ok();
}

meta::ContentHash RestoreProof::HashOf(std::string_view path) const {
  const auto known = index_.Find(path);
  return known ? known->hash : meta::ContentHash();
}

}  // namespace milvus_backup::backup
