/// Whether the queries of a source see what it holds.
#pragma once

#include "milvus2x_check.h"
#include "milvus2x_run.h"

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace milvus_backup::migration {

/// Milvus 2.3.5 loses now and then from the sight of its queries what was written shortly before a
/// collection was loaded, deletes too: inserts until they are flushed, deletes for good. Of a
/// collection that was found so a note is kept until it was loaded again. Thread-safe.
class SourceSight {
 public:
  /// `title` is for messages. The first two are borrowed.
  SourceSight(const Milvus2xRun& run, const CollectionPlace& source, std::string title,
              std::string note_key)
      : run_(run), source_(source), title_(std::move(title)), note_key_(std::move(note_key)) {}

  /// kFailedPrecondition when it had lost rows: more are counted now that the source was flushed,
  /// and nobody writes to it. What cannot be told is a warning.
  Status Check(const CallContext& ctx, const CollectionReader& source, uint64_t before_flush,
               std::vector<std::string>& warnings) const;
  /// The collection was loaded anew.
  Status Forget(const CallContext& ctx) const;

 private:
  /// Whether others write to the source, which has just counted so many rows; also when that
  /// cannot be told.
  Result<bool> IsWrittenTo(const CallContext& ctx, const CollectionReader& source,
                           uint64_t counted) const;
  Status AsLost(const std::string& what) const;

  const Milvus2xRun& run_;
  const CollectionPlace& source_;
  const std::string title_;
  const std::string note_key_;
};

}  // namespace milvus_backup::migration
