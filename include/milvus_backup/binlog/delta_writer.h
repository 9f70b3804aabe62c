/// Writes delta logs in the form that Milvus 2.1 to 2.6 write themselves: a container with one
/// event, a Parquet file with one column of JSON texts (docs/format.md, "Logs").
#pragma once

#include "milvus_backup/base/status.h"
#include "milvus_backup/binlog/delta_log.h"

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

namespace milvus_backup::binlog {

/// One log, held in memory, packed with Zstandard as it grows. Used by one thread.
class DeltaLogWriter {
 public:
  DeltaLogWriter(int64_t collection_id, int64_t partition_id, int64_t segment_id);
  DeltaLogWriter(const DeltaLogWriter&) = delete;
  DeltaLogWriter& operator=(const DeltaLogWriter&) = delete;
  ~DeltaLogWriter();

  void Add(const Delete& record);
  uint64_t row_count() const { return row_count_; }
  /// The bytes of the log, which needs a row at least. To be called once, last. kUnimplemented when
  /// they are more than an event can hold, 2 GiB.
  Result<std::string> Finish();

 private:
  struct Packer;

  void EndPage();
  std::string Footer() const;
  std::string Container(std::string_view parquet) const;

  const int64_t collection_id_;
  const int64_t partition_id_;
  const int64_t segment_id_;
  std::unique_ptr<Packer> packer_;
  /// Values of the page in work, as PLAIN stores them, and how many.
  std::string page_;
  int32_t page_rows_ = 0;
  /// Pages so far, after the magic number.
  std::string parquet_;
  uint64_t row_count_ = 0;
  /// Bytes of all pages with their headers, not packed.
  uint64_t unpacked_size_ = 0;
  /// Bytes of all texts.
  uint64_t text_size_ = 0;
  uint64_t first_timestamp_ = std::numeric_limits<uint64_t>::max();
  uint64_t last_timestamp_ = 0;
};

}  // namespace milvus_backup::binlog
