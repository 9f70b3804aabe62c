/// The files of a segment of Milvus 0.9–1.x: `<table>/<segment>/<segment>.rv` (vectors), `.uid`
/// (row ids) and `deleted_docs` (offsets of deleted rows). Each is a u64 count of bytes, little
/// endian, and so many bytes.
#pragma once

#include "row_set.h"

#include "milvus_backup/base/bytes.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/migration/meta.h"
#include "milvus_backup/migration/store.h"

#include <cstdint>
#include <functional>
#include <span>
#include <string>

namespace milvus_backup::migration {

/// Bytes of the count in front of each file's payload.
inline constexpr uint64_t kFrameBytes = 8;
/// Bytes of a row id.
inline constexpr uint64_t kIdBytes = 8;

/// One file of a segment and the version of it that was looked at.
struct SourceFile {
  std::string key;
  uint64_t payload_bytes = 0;
  std::string etag;
};

/// What the files of a segment say, checked against each other.
struct SegmentFiles {
  SourceFile vectors;
  SourceFile ids;
  /// Empty etag when there is no such file, which means that nothing was deleted.
  SourceFile deleted_docs;
  /// Deleted rows; its rows() are all rows of the segment.
  RowSet deleted;

  uint64_t rows() const { return deleted.rows(); }
  uint64_t live_rows() const { return deleted.rows() - deleted.size(); }
};

/// Look at the files of a segment and read the deleted offsets, which may be unsorted and repeated.
/// kNotFound when vectors or ids are missing; kDataLoss naming the file when a count and the size
/// of its file differ, vectors and ids are not equally many, or an offset is outside.
Result<SegmentFiles> OpenSegment(const CallContext& ctx, const Store& tables, const Table& table,
                                 const Segment& segment);

/// Takes the payload of vectors or ids less the rows of `skipped`, in order.
struct RowStream {
  uint64_t row_bytes = 0;
  /// Read at a time, at most.
  uint64_t block_bytes = 0;
  /// Where the bytes that come next belong; never empty while some are missing. Rows of a disk are
  /// read straight into it, and what is behind those that were announced may be overwritten.
  std::function<std::span<std::byte>()> room;
  /// Its first `count` bytes have come.
  std::function<Status(uint64_t count)> filled;
};

/// Stream the rows from `first_row` to `end_row` but those of `skipped`. kAborted when the file has
/// changed since it was looked at.
Status StreamRows(const CallContext& ctx, const Store& tables, const SourceFile& file,
                  const RowSet& skipped, uint64_t first_row, uint64_t end_row,
                  const RowStream& stream);

}  // namespace milvus_backup::migration
