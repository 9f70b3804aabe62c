/// Where the readers of this module get bytes from, and how much they may hold.
///
/// This module reads the logs of Milvus: insert logs (rows) and delta logs (deletes). It trusts
/// nothing: whatever the bytes say, a call returns a Status, reads inside the object only and
/// allocates no more than Limits allow. kDataLoss means the bytes are damaged or of another kind,
/// kUnimplemented that they are of a kind this program does not read; messages name the place in
/// the object. Errors of a ByteSource are returned unchanged. Distinct objects may be used from
/// different threads, one object may not.
#pragma once

#include "milvus_backup/base/bytes.h"
#include "milvus_backup/base/status.h"

#include <cstddef>
#include <cstdint>

namespace milvus_backup::binlog {

/// Bytes of one immutable object. Readers ask for the end once and then go through it forward.
class ByteSource {
 public:
  ByteSource() = default;
  ByteSource(const ByteSource&) = delete;
  ByteSource& operator=(const ByteSource&) = delete;
  virtual ~ByteSource() = default;

  virtual uint64_t size() const = 0;
  /// `length` bytes at `offset`, both inside the object. Valid until the next call.
  virtual Result<ByteView> View(uint64_t offset, size_t length) = 0;
};

/// An object that is in memory already; `bytes` must outlive it, and what View returns lasts as
/// long.
class MemorySource final : public ByteSource {
 public:
  explicit MemorySource(ByteView bytes) : bytes_(bytes) {}

  uint64_t size() const override { return bytes_.size(); }
  Result<ByteView> View(uint64_t offset, size_t length) override;

 private:
  ByteView bytes_;
};

/// What is refused as kUnimplemented instead of being held in memory.
struct Limits {
  /// A page, packed or unpacked. Milvus aims at 1 MiB but adds values 1024 at a time, so one of
  /// vectors with 32768 dimensions may take 128 MiB.
  size_t max_page_bytes = 256 * kMiB;
  /// A Parquet footer. It repeats the smallest and largest values in full.
  size_t max_footer_bytes = 64 * kMiB;
  /// Columns and groups of a schema, each about 80 bytes here and as few as three in a footer.
  /// Milvus allows a collection 64 fields, and 256 where an operator raises that.
  size_t max_schema_elements = 4096;
  /// Column chunks of all row groups, each about 80 bytes here and 15 in a footer. A packed log has
  /// a row group per MiB, so this is one of 4 GiB with 64 columns.
  size_t max_chunks = 256 * kKiB;
  /// Events of one container; known writers make one.
  size_t max_events = 4096;
};

}  // namespace milvus_backup::binlog
