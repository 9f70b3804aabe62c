/// An object that is copied in parts.
#pragma once

#include "transfer_internal.h"

#include "milvus_backup/base/encoding.h"
#include "milvus_backup/storage/backend.h"
#include "milvus_backup/transfer/copy_engine.h"

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace milvus_backup::transfer {

/// Owned together by the tasks of its parts; the last one to end completes, keeps or aborts the
/// upload. Nothing is published before it is proved that what was read is what the source holds
/// (unless that is not wanted), so a damaged read never becomes an object.
class LargeCopy : public std::enable_shared_from_this<LargeCopy> {
 public:
  /// `attempt` counts from 1.
  LargeCopy(CopyBatch& batch, CopyItem item, bool server_side, int attempt)
      : batch_(batch), item_(std::move(item)), server_side_(server_side), attempt_(attempt) {}

  /// Open the upload and hand its parts to the batch.
  void Begin(const CallContext& ctx);

 private:
  struct Part {
    storage::PartInfo info;
    /// MD5 of its bytes, hex; empty when not known.
    std::string md5;
    bool done = false;
  };

  Status Open(const CallContext& ctx);
  Status FindSource(const CallContext& ctx);
  Status ChooseLayout(const CallContext& ctx);
  /// Go on with the upload that the ledger names, if it is of the same source and layout.
  Status Resume(const CallContext& ctx, UploadLedger& ledger);
  void TakeParts(const std::vector<storage::PartInfo>& found);
  storage::ByteRange RangeOf(size_t index) const;

  std::optional<CopyBatch::Effort> CopyPart(const CallContext& ctx, size_t index);
  Status TryPart(const CallContext& ctx, size_t index, CopyBatch::Effort& effort);
  void Fail(Status status);

  void End(const CallContext& ctx);
  Status Publish(const CallContext& ctx);
  /// Whether the parts are proved by what the source says of itself.
  Result<bool> IsProved(const CallContext& ctx);
  /// Whether the MD5 of the whole object is wanted and can be had: where it is the source's ETag or
  /// the manifest's only word, and the source stores no checksum.
  Result<bool> WantsMd5(const CallContext& ctx);
  /// Note whether it was the source that refused; hands `status` on.
  Status OfSource(Status status);
  /// Learn the checksum that the source stores, if any.
  Status AskForChecksum(const CallContext& ctx);
  /// Load a part; with `hashes_` buffers are given out in the order of the parts, so that the one
  /// whose turn to be hashed it is never waits for one.
  Result<LoadedRange> LoadPart(const CallContext& ctx, size_t index);
  Status HashInTurn(size_t index, const LoadedRange& loaded);
  /// Wait until `next` has come to the part; an error when the copy has failed or is stopped.
  Status AwaitTurn(std::unique_lock<std::mutex>& lock, const size_t& next, size_t index);
  Status CompareBySecondRead(const CallContext& ctx);
  /// Read the object back where the service has not shown that it holds what was sent.
  Status ProveParts(const CallContext& ctx, SourceReader destination,
                    const std::vector<storage::PartInfo>& parts);
  /// CRC32C of all parts, when every one's is known.
  std::optional<uint32_t> SentCrc32c() const;
  /// After a failure: leave the upload for a later run, or abort and forget it.
  void Release(const Status& failure);
  bool ShouldTryAgain(const Status& failure) const;

  SourceReader reader() const;

  CopyBatch& batch_;
  CopyItem item_;
  const bool server_side_;
  const int attempt_;
  std::unique_ptr<storage::Upload> upload_;
  uint64_t part_size_ = 0;
  std::vector<Part> parts_;
  std::vector<size_t> missing_;
  uint64_t reused_bytes_ = 0;
  bool second_read_ = false;
  /// The source may not be read.
  std::atomic<bool> unread_{false};
  std::optional<uint32_t> source_crc32c_;
  bool hashes_ = false;
  std::mutex turn_mutex_;
  std::condition_variable_any turn_changed_;
  size_t next_buffer_ = 0;
  size_t next_hash_ = 0;
  Md5Hasher md5_;
  /// Every reply said that the ETag is the object's MD5.
  std::atomic<bool> etag_is_md5_{true};
  std::atomic<uint64_t> counted_bytes_{0};
  std::atomic<size_t> remaining_{0};
  std::atomic<bool> failed_{false};
  std::mutex mutex_;
  Status failure_;
};

}  // namespace milvus_backup::transfer
