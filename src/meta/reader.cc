#include "milvus_backup/meta/reader.h"

#include "fill_gaps_internal.h"
#include "storage_text_internal.h"

#include "milvus_backup/meta/codec.h"
#include "milvus_backup/meta/layout.h"

#include <algorithm>
#include <utility>

namespace milvus_backup::meta {
namespace {

/// Decode one meta file; kNotFound stays kNotFound.
template <typename Decode>
auto ReadMeta(const CallContext& ctx, storage::Backend& backend, const std::string& key,
              const Decode& decode) {
  return decode(ObjectSource(ctx, backend, key), key);
}

Status Missing(const std::string& key) {
  return DataLossError(key + " is missing")
      .WithAdvice(
          "the backup has neither full_meta.json nor all of the files it could be read "
          "from instead");
}

/// A leveled file: without it the backup cannot be read.
template <typename Decode>
auto ReadLevel(const CallContext& ctx, storage::Backend& backend, const std::string& key,
               const Decode& decode) {
  auto list = ReadMeta(ctx, backend, key, decode);
  if (!list.ok() && list.status().code() == Code::kNotFound) return decltype(list)(Missing(key));
  return list;
}

Result<BackupInfo> ReadLeveled(const CallContext& ctx, storage::Backend& backend,
                               const std::string& backup_dir, BackupInfo info) {
  MB_ASSIGN_OR_RETURN(
      info.collection_backups,
      ReadLevel(ctx, backend, MetaKey(backup_dir, MetaFile::kCollections), DecodeCollectionMeta));
  MB_ASSIGN_OR_RETURN(
      std::vector<PartitionBackup> partitions,
      ReadLevel(ctx, backend, MetaKey(backup_dir, MetaFile::kPartitions), DecodePartitionMeta));
  MB_ASSIGN_OR_RETURN(
      std::vector<SegmentBackup> segments,
      ReadLevel(ctx, backend, MetaKey(backup_dir, MetaFile::kSegments), DecodeSegmentMeta));
  MB_RETURN_IF_ERROR(
      AttachLevels(info, std::move(partitions), std::move(segments)).Annotate(MetaDir(backup_dir)));
  return info;
}

/// The directories directly below `prefix`, by name.
Result<std::vector<std::string>> ListDirectories(const CallContext& ctx, storage::Backend& backend,
                                                 const std::string& prefix) {
  std::vector<std::string> names;
  storage::ListRequest request{.prefix = prefix, .delimiter = "/"};
  do {
    MB_ASSIGN_OR_RETURN(storage::ListPage page, backend.List(ctx, request));
    for (const std::string& directory : page.prefixes) names.push_back(BackupName(directory));
    request.token = page.next_token;
  } while (!request.token.empty());
  std::sort(names.begin(), names.end());
  return names;
}

/// Whether a directory without a header has parts of a backup in it.
Result<bool> HoldsBackupParts(const CallContext& ctx, storage::Backend& backend,
                              const std::string& backup_dir) {
  MB_ASSIGN_OR_RETURN(const bool has_meta, HasObjects(ctx, backend, MetaDir(backup_dir)));
  if (has_meta) return true;
  return HasObjects(ctx, backend, BinlogsDir(backup_dir));
}

}  // namespace

Result<BackupInfo> ReadHeader(const CallContext& ctx, storage::Backend& backend,
                              const std::string& backup_dir) {
  Result<BackupInfo> header =
      ReadMeta(ctx, backend, MetaKey(backup_dir, MetaFile::kHeader), DecodeBackup);
  // A missing bucket is another mistake than a missing backup.
  if (!header.ok() && header.status().code() == Code::kNotFound &&
      header.status().service_code() != "NoSuchBucket") {
    return BackupNotFound(backup_dir);
  }
  return header;
}

Result<BackupInfo> ReadBackup(const CallContext& ctx, storage::Backend& backend,
                              const std::string& backup_dir) {
  MB_ASSIGN_OR_RETURN(BackupInfo header, ReadHeader(ctx, backend, backup_dir));
  Result<BackupInfo> info =
      ReadMeta(ctx, backend, MetaKey(backup_dir, MetaFile::kFull), DecodeBackup);
  if (!info.ok() && info.status().code() == Code::kNotFound) {
    info = ReadLeveled(ctx, backend, backup_dir, std::move(header));
  }
  if (!info.ok()) return info;
  FillGaps(*info, BackupName(backup_dir));
  return info;
}

Status CheckRestorableFormat(const BackupInfo& info) {
  if (info.format.empty()) return Status::Ok();
  return UnimplementedError("backup " + info.name + " has the format '" + info.format +
                            "', which this version cannot restore");
}

Result<int64_t> ReadMetaSize(const CallContext& ctx, storage::Backend& backend,
                             const std::string& backup_dir) {
  int64_t bytes = 0;
  MB_RETURN_IF_ERROR(storage::ForEachObject(ctx, backend, MetaDir(backup_dir),
                                            [&](const storage::ObjectInfo& object) {
                                              bytes += static_cast<int64_t>(object.size);
                                              return Status::Ok();
                                            }));
  return bytes;
}

Result<BackupList> ListBackups(const CallContext& ctx, storage::Backend& backend,
                               const std::string& root) {
  std::string prefix = JoinPath(root, "");
  if (!prefix.empty() && prefix != "/") prefix += '/';
  MB_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListDirectories(ctx, backend, prefix));
  BackupList list;
  for (const std::string& name : names) {
    const Result<std::string> dir = BackupDir(root, name);
    if (!dir.ok()) continue;  // no name a command could be given
    Result<BackupInfo> header = ReadHeader(ctx, backend, *dir);
    if (header.ok()) {
      list.backups.push_back({name, *std::move(header)});
      continue;
    }
    const Code code = header.status().code();
    if (code == Code::kDataLoss) {
      list.unfinished.push_back({name, header.status().message()});
      continue;
    }
    if (code != Code::kNotFound) return std::move(header).status();
    MB_ASSIGN_OR_RETURN(const bool has_parts, HoldsBackupParts(ctx, backend, *dir));
    if (has_parts) list.unfinished.push_back({name, "backup_meta.json is missing"});
  }
  return list;
}

}  // namespace milvus_backup::meta
