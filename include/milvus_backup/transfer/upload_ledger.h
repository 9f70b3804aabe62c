/// Memory of multipart uploads that outlives the process: services list unfinished uploads badly
/// (MinIO by exact key only), so whoever starts one writes its id down first. The copy engine asks
/// and tells; what keeps the entries (a run marker, a test) implements this.
#pragma once

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"

#include <cstdint>
#include <optional>
#include <string>

namespace milvus_backup::transfer {

/// Where a run writes down its open multipart uploads, so that a later run can go on with them.
/// Thread-safe.
class UploadLedger {
 public:
  struct Entry {
    /// At the destination; an entry replaces an older one of the same key.
    std::string key;
    std::string upload_id;
    /// The source as it was when the upload was started. Parts are used again only when the
    /// source still is that object and would be cut into the same parts.
    std::string source_etag;
    /// Bytes.
    uint64_t source_size = 0;
    /// Bytes of every part but the last.
    uint64_t part_size = 0;
  };

  UploadLedger() = default;
  UploadLedger(const UploadLedger&) = delete;
  UploadLedger& operator=(const UploadLedger&) = delete;
  virtual ~UploadLedger() = default;

  /// The upload noted for `key`, by this run or an earlier one.
  virtual std::optional<Entry> Find(const std::string& key) = 0;
  /// Durable when it returns OK; called before the first part is sent.
  virtual Status Note(const CallContext& ctx, const Entry& entry) = 0;
  /// The upload of `key` was completed or aborted. An unknown key is a success.
  virtual Status Forget(const CallContext& ctx, const std::string& key) = 0;
};

}  // namespace milvus_backup::transfer
