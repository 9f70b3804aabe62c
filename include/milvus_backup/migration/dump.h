/// Turning the segments of a Milvus 0.9–1.x into the NumPy files that bulk insert of 2.x wants.
#pragma once

#include "milvus_backup/base/bytes.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/migration/meta.h"
#include "milvus_backup/migration/options.h"
#include "milvus_backup/migration/store.h"
#include "milvus_backup/transfer/progress.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace milvus_backup::migration {

/// meta.json, as exported, or the database itself: whatever the configuration names. `source` is
/// used by MetaMode::kRemote. Errors as in export.h, annotated with the configuration's key.
struct SourceMeta {
  Meta meta;
  std::vector<std::string> warnings;
};
Result<SourceMeta> ReadSourceMeta(const CallContext& ctx, const MetaSource& place,
                                  const OpenedStore& source);

struct DumpRules {
  /// Segments at the same time.
  size_t parallel_segments = 2;
  /// Bytes read from a file of a disk at a time.
  uint64_t block_bytes = kMiB;
  /// Leave out rows with a NaN or an infinity instead of refusing the segment.
  bool skip_bad_rows = false;
  /// Look at every file and write nothing.
  bool dry_run = false;
  /// What is dumped is loaded next by the same command; see DumpReport::was_loaded.
  bool then_load = false;
  /// Then: what that load copies into the same place at a time, at most; no more than all of it.
  uint64_t load_bytes = 0;
  /// Told of its segments, and with `then_load` of about as many imports; may be null.
  transfer::Progress* progress = nullptr;
  /// Larger segments are cut into pieces: a 2.3 server ends an import after 900 s.
  uint64_t piece_bytes = 2 * kGiB;
  /// Of all buffers together.
  size_t buffer_bytes = 32 * kMiB;
  /// Called once every segment was looked at, unless `dry_run`: its error ends the dump before
  /// anything is written. May be empty.
  std::function<Status(const CallContext& ctx)> before_writing = {};

  Status CheckBeforeWriting(const CallContext& ctx) const;

  /// Tell `progress`, if there is one.
  void NotePlanned(size_t segments) const;
  void NoteSegmentDone() const;
};

/// What became of a table.
struct DumpedTable {
  std::string collection;
  /// `_default`, or the tag of the partition.
  std::string partition;
  size_t segments = 0;
  uint64_t rows = 0;
  uint64_t deleted_rows = 0;
  uint64_t bad_rows = 0;
  /// Bytes of its NumPy files.
  uint64_t bytes = 0;
};

struct DumpReport {
  std::vector<DumpedTable> tables;
  size_t segments = 0;
  /// Segments that an earlier dump had finished.
  size_t kept_segments = 0;
  /// With DumpRules::then_load: an earlier load had all of this in Milvus and ended while it
  /// removed the dump. The rest of that is removed, and nothing was dumped.
  bool was_loaded = false;
  /// One line each: meta and files that disagree, rows that were left out.
  std::vector<std::string> warnings;
  double seconds = 0;

  uint64_t rows() const;
  uint64_t bytes() const;
};

/// Look at every segment of `meta` first, so that nothing is written when one is damaged; then
/// write `meta.json` and, for every segment, `tables/<table>/<segment>/{data,id}.npy` and a record
/// of it. Deleted rows are left out. What an earlier dump of the same files has finished is kept.
///
/// Errors: kDataLoss naming a damaged file, or collection, segment and row of a NaN or infinity;
/// kNotFound for missing files; kAborted when a file changes meanwhile; kFailedPrecondition when a
/// load of another dump in this place is unfinished, or the target has no room.
Result<DumpReport> Dump(const CallContext& ctx, const Meta& meta, const Store& source,
                        const Store& target, const DumpRules& rules);

}  // namespace milvus_backup::migration
