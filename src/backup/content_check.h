/// Comparing bytes that pass by with what a manifest says of them.
#pragma once

#include "milvus_backup/base/bytes.h"
#include "milvus_backup/base/checksum.h"
#include "milvus_backup/base/encoding.h"
#include "milvus_backup/meta/manifest.h"

#include <cstdint>
#include <optional>

namespace milvus_backup::backup {

/// Computes the CRC32C in any case, and the MD5 where nothing else is known. One thread.
class ContentCheck {
 public:
  explicit ContentCheck(const meta::ContentHash& expected) : expected_(expected) {
    if (expected.md5 && !expected.crc32c) md5_.emplace();
  }

  void Add(ByteView bytes) {
    crc32c_ = ExtendCrc32c(crc32c_, bytes);
    if (md5_) md5_->Add(bytes);
  }
  /// Of the bytes added so far.
  uint32_t crc32c() const { return crc32c_; }
  /// After the last byte, once: whether nothing speaks against them.
  bool IsRight() {
    if (expected_.crc32c) return crc32c_ == *expected_.crc32c;
    return !md5_ || md5_->Finish() == *expected_.md5;
  }

 private:
  const meta::ContentHash expected_;
  uint32_t crc32c_ = 0;
  std::optional<Md5Hasher> md5_;
};

}  // namespace milvus_backup::backup
