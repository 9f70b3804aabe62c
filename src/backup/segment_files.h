/// The files of a collection's segments, as Milvus' storage lists them.
#pragma once

#include "seats.h"

#include "milvus_backup/backup/site.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/meta/backup_info.h"
#include "milvus_backup/milvus/types.h"

#include <cstdint>
#include <string>
#include <vector>

namespace milvus_backup::backup {

/// A file of a segment: the key Milvus gave it, its path below the backup directory, and its bytes.
struct SegmentFile {
  std::string source_key;
  std::string backup_path;
  uint64_t size = 0;
};

/// Segments with their logs, and how many files and bytes these are together. What a file is called
/// follows from them: FilesOf.
struct SegmentFiles {
  std::vector<meta::SegmentBackup> segments;
  uint64_t files = 0;
  uint64_t bytes = 0;
};

/// List insert and delta logs of `segments` and describe them as the backup will: one pass over the
/// collection's keys, cut into ranges that are listed at the same time when there are many
/// segments. Each range needs one of `seats`, which other collections may use, too: the pages in
/// work take more memory than anything else. kDataLoss when a segment with rows has no insert logs
/// or its fields have different numbers of files.
Result<SegmentFiles> ListSegmentFiles(const CallContext& ctx, const Place& milvus_storage,
                                      int64_t collection_id,
                                      const std::vector<milvus::Segment>& segments, Seats& seats);

/// The files of one of these segments, insert logs first.
std::vector<SegmentFile> FilesOf(const Place& milvus_storage, const meta::SegmentBackup& segment);

}  // namespace milvus_backup::backup
