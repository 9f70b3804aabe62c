/// The files of a collection's segments, as Milvus' storage lists them.
#pragma once

#include "milvus_backup/backup/site.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/meta/backup_info.h"
#include "milvus_backup/milvus/types.h"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace milvus_backup::backup {

/// A file of a segment: the key Milvus gave it, its path below the backup directory, size and ETag.
struct SegmentFile {
  std::string source_key;
  std::string backup_path;
  uint64_t size = 0;
  std::string etag;
};

struct SegmentFiles {
  std::vector<meta::SegmentBackup> segments;
  std::vector<SegmentFile> files;
};

/// List insert and delta logs of `segments` (one listing of the whole collection each) and describe
/// them as the backup will. kDataLoss when a segment with rows has no insert logs or its fields
/// have different numbers of files.
Result<SegmentFiles> ListSegmentFiles(const CallContext& ctx, const Place& milvus_storage,
                                      int64_t collection_id,
                                      const std::vector<milvus::Segment>& segments);

}  // namespace milvus_backup::backup
