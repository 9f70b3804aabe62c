/// Whether the leveled metas of a backup say what its full_meta.json says. Readers use the latter
/// alone, so nothing else would notice that one of them was edited, or that the others are gone.
/// Functions without state; they write nothing.
#pragma once

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/meta/backup_info.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/storage/backend.h"

#include <functional>
#include <string>

namespace milvus_backup::meta {

/// The first difference of a leveled file, which says how many there are.
struct LevelProblem {
  MetaFile file = MetaFile::kCollections;
  std::string expected;
  std::string found;
};

/// Compare collection_meta.json, partition_meta.json and segment_meta.json with `full`, what
/// ReadBackup made of full_meta.json: ids, names, schemas, shards and consistency levels, and the
/// groups, rows and logs of segments. A file that is missing or broken, or cannot be
/// read although the storage answers, is a problem too. Nothing is
/// told of a backup without full_meta.json, which is read from the leveled files. What sound
/// backups of some writers lack is no problem: partitions in collection_meta.json, L0 segments of a
/// whole collection in segment_meta.json. `on_problem` is called once per file at most; an error is
/// one of the storage. Memory is 32 bytes per segment, and the collections and partitions once
/// more.
Status CompareLevels(const CallContext& ctx, storage::Backend& backend,
                     const std::string& backup_dir, const BackupInfo& full,
                     const std::function<void(const LevelProblem&)>& on_problem);

/// Which meta file to name when ReadBackup says kDataLoss: the one that is missing, broken or
/// contradicts itself, and the header when full_meta.json is sound by itself.
Result<MetaFile> FindDamagedMeta(const CallContext& ctx, storage::Backend& backend,
                                 const std::string& backup_dir);

}  // namespace milvus_backup::meta
