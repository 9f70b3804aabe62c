#include "milvus_backup/meta/reader.h"

#include "consistency_internal.h"
#include "fill_gaps_internal.h"
#include "storage_text_internal.h"

#include "milvus_backup/base/log.h"
#include "milvus_backup/base/task_group.h"
#include "milvus_backup/meta/codec.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/meta/run_record.h"
#include "milvus_backup/meta/tags.h"
#include "milvus_backup/meta/tombstone.h"
#include "milvus_backup/meta/totals.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace milvus_backup::meta {
namespace {

/// Headers read at once by ListBackups.
constexpr size_t kParallelHeaders = 16;

/// Decode one meta file; kNotFound stays kNotFound.
template <typename Decode, typename... Depths>
auto ReadMeta(const CallContext& ctx, storage::Backend& backend, const std::string& key,
              const Decode& decode, Depths... depth) {
  return decode(ObjectSource(ctx, backend, key), key, depth...);
}

Status Missing(const std::string& key) { return DataLossError(key + " is missing"); }

/// A leveled file: without it the backup cannot be read.
template <typename Decode, typename... Depths>
auto ReadLevel(const CallContext& ctx, storage::Backend& backend, const std::string& key,
               const Decode& decode, Depths... depth) {
  auto list = ReadMeta(ctx, backend, key, decode, depth...);
  if (list.ok() || list.status().code() != Code::kNotFound) return list;
  return decltype(list)(
      Missing(key).WithAdvice("the backup has neither full_meta.json nor all of the files it could "
                              "be read from instead"));
}

Result<BackupInfo> ReadLeveled(const CallContext& ctx, storage::Backend& backend,
                               const std::string& backup_dir, BackupInfo info, Depth depth) {
  // The sizes are those of the segments, so these are read in any case.
  const Depth needed = std::max(depth, Depth::kSegments);
  MB_ASSIGN_OR_RETURN(info.collection_backups,
                      ReadLevel(ctx, backend, MetaKey(backup_dir, MetaFile::kCollections),
                                DecodeCollectionMeta, needed));
  MB_ASSIGN_OR_RETURN(
      std::vector<PartitionBackup> partitions,
      ReadLevel(ctx, backend, MetaKey(backup_dir, MetaFile::kPartitions), DecodePartitionMeta));
  MB_ASSIGN_OR_RETURN(
      std::vector<SegmentBackup> segments,
      ReadLevel(ctx, backend, MetaKey(backup_dir, MetaFile::kSegments), DecodeSegmentMeta, needed));
  MB_RETURN_IF_ERROR(
      AttachLevels(info, std::move(partitions), std::move(segments)).Annotate(MetaDir(backup_dir)));
  if (depth == Depth::kLogs) {
    MB_RETURN_IF_ERROR(CheckTree(info).Annotate(MetaDir(backup_dir)));
    MB_RETURN_IF_ERROR(CheckSizes(info, SizeRule::kExact).Annotate(MetaDir(backup_dir)));
  }
  UpdateTotals(info);
  if (depth == Depth::kCollections) {
    for (CollectionBackup& collection : info.collection_backups) {
      collection.l0_segments.clear();
      for (PartitionBackup& partition : collection.partition_backups) {
        partition.segment_backups.clear();
      }
    }
  }
  return info;
}

/// Whether what full_meta.json says can be the whole backup.
Status CheckFull(const CallContext& ctx, storage::Backend& backend, const std::string& backup_dir,
                 const BackupInfo& header, const BackupInfo& full) {
  MB_RETURN_IF_ERROR(CheckTree(full));
  if (Status exact = CheckSizes(full, SizeRule::kExact); !exact.ok()) {
    const auto listed =
        ReadMeta(ctx, backend, MetaKey(backup_dir, MetaFile::kPartitions), DecodePartitionMeta);
    if (!listed.ok() && listed.status().code() != Code::kNotFound) return listed.status();
    if (listed.ok() && !HasPartitions(full, *listed)) return exact;
    MB_RETURN_IF_ERROR(CheckSizes(full, SizeRule::kMayHaveDropped));
  }
  return CheckHeaderSize(header, full);
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

/// Of a backup without a header.
Status WhyNotFound(const CallContext& ctx, storage::Backend& backend,
                   const std::string& backup_dir) {
  const auto tombstone = ReadTombstone(ctx, backend, backup_dir);
  if (tombstone.ok() && *tombstone) return WasPruned(backup_dir, **tombstone);
  if (tombstone.ok()) return BackupNotFound(backup_dir);
  if (tombstone.status().code() != Code::kDataLoss) return tombstone.status();
  const std::string name = BackupName(backup_dir);
  return NotFoundError("backup " + name + " is not there: it was pruned, and what would bring it " +
                       "back cannot be read: " + tombstone.status().message())
      .WithAdvice("`delete -n " + name + "` removes what is left of it");
}

/// A directory below the root: a backup, an unfinished one, a pruned one, or neither.
struct Directory {
  std::string name;
  std::optional<BackupInfo> header;
  std::vector<std::string> tags;
  std::optional<Tombstone> tombstone;
  /// Why an unfinished backup is none; empty when it is no backup at all.
  std::string problem;
  bool is_unreadable = false;
};

Status LookForTags(const CallContext& ctx, storage::Backend& backend, const std::string& backup_dir,
                   Directory& directory) {
  auto tags = ReadTags(ctx, backend, backup_dir);
  if (tags.ok()) {
    directory.tags = *std::move(tags);
    return Status::Ok();
  }
  if (tags.status().code() != Code::kDataLoss) return std::move(tags).status();
  log::Warn("{}", tags.status().ToString());
  return Status::Ok();
}

Status LookIntoDir(const CallContext& ctx, storage::Backend& backend, const std::string& dir,
                   bool with_tags, Directory& directory) {
  Result<BackupInfo> header = ReadHeader(ctx, backend, dir);
  if (header.ok()) {
    directory.header = *std::move(header);
    return with_tags ? LookForTags(ctx, backend, dir, directory) : Status::Ok();
  }
  const Code code = header.status().code();
  if (code == Code::kDataLoss) {
    directory.problem = header.status().message();
    return Status::Ok();
  }
  if (code != Code::kNotFound) return std::move(header).status();
  MB_ASSIGN_OR_RETURN(const DirectoryContent content, InspectDirectory(ctx, backend, dir));
  if (content.kind != DirectoryKind::kBackupParts) return Status::Ok();
  auto tombstone = ReadTombstone(ctx, backend, dir);
  if (tombstone.ok() && *tombstone) {
    directory.tombstone = *std::move(tombstone);
    return Status::Ok();
  }
  if (!tombstone.ok()) {
    if (tombstone.status().code() != Code::kDataLoss) return std::move(tombstone).status();
    directory.problem = tombstone.status().message();
    return Status::Ok();
  }
  const auto marker = ReadRunRecord(ctx, backend, MarkerKey(dir));
  MB_RETURN_IF_ERROR(ctx.Check());
  directory.problem = marker.ok() && *marker ? "unfinished " + (*marker)->ToString()
                                             : "backup_meta.json is missing";
  return Status::Ok();
}

Status LookInto(const CallContext& ctx, storage::Backend& backend, const std::string& root,
                bool with_tags, Directory& directory) {
  const Result<std::string> dir = BackupDir(root, directory.name);
  if (!dir.ok()) return Status::Ok();  // no name a command could be given
  Status looked = LookIntoDir(ctx, backend, *dir, with_tags, directory);
  // The root could be listed, so on a disk it is a matter of this directory alone; a service that
  // refuses does so for every one.
  if (looked.code() != Code::kPermissionDenied || looked.http_status() != 0) return looked;
  directory.problem = "cannot be read: " + looked.message();
  directory.is_unreadable = true;
  return Status::Ok();
}

}  // namespace

Result<BackupInfo> ReadHeader(const CallContext& ctx, storage::Backend& backend,
                              const std::string& backup_dir) {
  Result<BackupInfo> header = ReadMeta(ctx, backend, MetaKey(backup_dir, MetaFile::kHeader),
                                       DecodeBackup, Depth::kCollections);
  // A missing bucket is another mistake than a missing backup.
  if (!header.ok() && header.status().code() == Code::kNotFound &&
      header.status().service_code() != "NoSuchBucket") {
    return WhyNotFound(ctx, backend, backup_dir);
  }
  if (header.ok() && header->id.empty() && header->name.empty()) {
    return DataLossError(MetaKey(backup_dir, MetaFile::kHeader) + " has neither an id nor a name");
  }
  return header;
}

Result<BackupInfo> ReadBackup(const CallContext& ctx, storage::Backend& backend,
                              const std::string& backup_dir, Depth depth) {
  MB_ASSIGN_OR_RETURN(BackupInfo header, ReadHeader(ctx, backend, backup_dir));
  Result<BackupInfo> info =
      ReadMeta(ctx, backend, MetaKey(backup_dir, MetaFile::kFull), DecodeBackup, depth);
  if (!info.ok() && info.status().code() == Code::kNotFound) {
    info = ReadLeveled(ctx, backend, backup_dir, std::move(header), depth);
  } else if (info.ok() && info->format.empty() && depth == Depth::kLogs) {
    MB_RETURN_IF_ERROR(
        CheckFull(ctx, backend, backup_dir, header, *info).Annotate(MetaDir(backup_dir)));
  }
  if (!info.ok()) return info;
  FillGaps(*info, BackupName(backup_dir));
  return info;
}

Result<std::vector<CollectionBackup>> ReadCollections(const CallContext& ctx,
                                                      storage::Backend& backend,
                                                      const std::string& backup_dir) {
  const std::string key = MetaKey(backup_dir, MetaFile::kCollections);
  BackupInfo info;
  auto collections = ReadMeta(ctx, backend, key, DecodeCollectionMeta, Depth::kCollections);
  if (collections.ok()) {
    info.collection_backups = *std::move(collections);
  } else if (collections.status().code() == Code::kNotFound) {
    auto full = ReadMeta(ctx, backend, MetaKey(backup_dir, MetaFile::kFull), DecodeBackup,
                         Depth::kCollections);
    if (full.status().code() == Code::kNotFound) return Missing(key);
    if (!full.ok()) return std::move(full).status();
    info = *std::move(full);
  } else {
    return std::move(collections).status();
  }
  FillGaps(info, BackupName(backup_dir));
  return std::move(info.collection_backups);
}

Result<BackupInfo> ReadFullMeta(const CallContext& ctx, storage::Backend& backend,
                                const std::string& backup_dir) {
  const std::string key = MetaKey(backup_dir, MetaFile::kFull);
  Result<BackupInfo> info = ReadMeta(ctx, backend, key, DecodeBackup, Depth::kLogs);
  if (info.status().code() == Code::kNotFound) return Missing(key);
  if (!info.ok()) return info;
  MB_RETURN_IF_ERROR(CheckTree(*info).Annotate(key));
  MB_RETURN_IF_ERROR(CheckSizes(*info, SizeRule::kExact).Annotate(key));
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
                               const std::string& root, bool with_tags) {
  std::string prefix = JoinPath(root, "");
  if (!prefix.empty() && prefix != "/") prefix += '/';
  MB_ASSIGN_OR_RETURN(std::vector<std::string> names, ListDirectories(ctx, backend, prefix));
  std::vector<Directory> directories(names.size());
  TaskGroup group(kParallelHeaders, ctx.stop);
  for (size_t i = 0; i < names.size(); ++i) {
    Directory& directory = directories[i];
    directory.name = std::move(names[i]);
    const bool taken = group.Submit([&](const std::stop_token& stop) {
      return LookInto({stop, ctx.deadline}, backend, root, with_tags, directory);
    });
    if (!taken) break;
  }
  MB_RETURN_IF_ERROR(group.Wait());
  BackupList list;
  for (Directory& directory : directories) {
    if (directory.header) {
      list.backups.push_back(
          {std::move(directory.name), *std::move(directory.header), std::move(directory.tags)});
    } else if (directory.tombstone) {
      list.pruned.push_back({std::move(directory.name), *std::move(directory.tombstone)});
    } else if (!directory.problem.empty()) {
      list.unfinished.push_back(
          {std::move(directory.name), std::move(directory.problem), directory.is_unreadable});
    }
  }
  return list;
}

}  // namespace milvus_backup::meta
