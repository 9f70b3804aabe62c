/// JSON of the meta files, as docs/format.md describes it: encoders that write as they walk and
/// decoders that read as the bytes arrive, so that neither needs more memory than the data itself.
/// Pure functions, thread-safe.
#pragma once

#include "milvus_backup/base/status.h"
#include "milvus_backup/meta/backup_info.h"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace milvus_backup::meta {

/// Receives the text of a document in order. An error ends the encoding and is returned unchanged.
using TextSink = std::function<Status(std::string_view text)>;

/// Delivers the next bytes of a document, an empty view at its end. A view must stay valid until
/// the next call. An error ends the decoding and is returned unchanged.
using TextSource = std::function<Result<std::string_view>()>;

/// How much of a backup is kept while it is read. What is not kept must still be JSON.
enum class Depth {
  kCollections,  ///< no segments, partitions keep their sizes
  kSegments,     ///< segments without logs
  kLogs,         ///< everything
};

/// How much of a collection is written.
enum class CollectionForm {
  kTree,             ///< everything: full_meta.json, and collection_meta.json before 0.5.14
  kWithoutSegments,  ///< neither segments nor L0 segments: collection_meta.json
};

/// backup_meta.json: the members of `info` that identify the backup; nothing about collections.
Status EncodeHeader(const BackupInfo& info, const TextSink& sink);
/// collection_meta.json.
Status EncodeCollectionMeta(const BackupInfo& info, CollectionForm form, const TextSink& sink);
/// partition_meta.json: every partition of every collection, without segments.
Status EncodePartitionMeta(const BackupInfo& info, const TextSink& sink);
/// segment_meta.json: every segment of every partition. L0 segments of a whole collection are only
/// in full_meta.json.
Status EncodeSegmentMeta(const BackupInfo& info, const TextSink& sink);
/// full_meta.json.
Status EncodeFullMeta(const BackupInfo& info, const TextSink& sink);

/// What `get` knows besides the directory: the task, when one of this process made the backup.
struct BriefOptions {
  /// Id of the task; empty leaves it out.
  std::string id;
  /// 0 initial, 1 executing, 2 success, 3 fail, 4 timeout.
  int32_t state_code = 0;
  /// Times in unix seconds; `meta_size` in bytes.
  TaskRecord task;
  /// What people have tagged the backup with.
  std::vector<std::string> tags;
  /// Blanks per level; 0 writes one line.
  int indent = 0;
};

/// The short form that `get` and the HTTP server show: no partitions, segments or RBAC.
Status EncodeBrief(const BackupInfo& info, const BriefOptions& options, const TextSink& sink);

/// `encode(sink)` into a string; the encoders cannot fail on such a sink.
std::string EncodeToString(const std::function<Status(const TextSink&)>& encode);

/// backup_meta.json or full_meta.json. Keys match in any case, unknown ones are ignored, null means
/// absent. kDataLoss when the text is not such a document; the message names `what` and the byte
/// at which reading stopped. The values are the file's own, see ReadBackup for the rest.
Result<BackupInfo> DecodeBackup(const TextSource& source, std::string_view what,
                                Depth depth = Depth::kLogs);
/// collection_meta.json; errors as DecodeBackup.
Result<std::vector<CollectionBackup>> DecodeCollectionMeta(const TextSource& source,
                                                           std::string_view what,
                                                           Depth depth = Depth::kLogs);
/// partition_meta.json; errors as DecodeBackup.
Result<std::vector<PartitionBackup>> DecodePartitionMeta(const TextSource& source,
                                                         std::string_view what);
/// segment_meta.json; errors as DecodeBackup.
Result<std::vector<SegmentBackup>> DecodeSegmentMeta(const TextSource& source,
                                                     std::string_view what,
                                                     Depth depth = Depth::kLogs);

/// segment_meta.json segment by segment, so that one is held at a time. Errors as DecodeBackup;
/// what stands before the place of an error has been handed on.
Status DecodeSegments(const TextSource& source, std::string_view what,
                      const std::function<void(SegmentBackup&&)>& on_segment);

/// A source of one view; `text` must outlive it.
TextSource SourceOf(std::string_view text);

}  // namespace milvus_backup::meta
