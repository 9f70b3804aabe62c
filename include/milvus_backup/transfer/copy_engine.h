/// Moves objects between two storages: inside one service by the server itself, otherwise through
/// pooled buffers of this process. docs/design.md, "The transfer engine".
///
/// A CopyEngine owns the worker threads and is shared by all collections of a command; a CopyBatch
/// is the work of one of them. Both are thread-safe.
#pragma once

#include "milvus_backup/base/encoding.h"
#include "milvus_backup/base/memory_budget.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/storage/backend.h"
#include "milvus_backup/transfer/progress.h"
#include "milvus_backup/transfer/upload_ledger.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace milvus_backup::transfer {

struct CopyOptions {
  /// Objects or parts worked on at once; 0 lets the engine find out by itself.
  size_t concurrency = 0;
  /// Ceiling of all buffers of streamed copies, bytes.
  size_t memory_bytes = 32 * kMiB;
  /// Streamed objects above this size are sent in parts of it (more when the object would need more
  /// than the destination's largest number of parts), bytes.
  uint64_t part_size = 8 * kMiB;
  /// Server-side copies of at least this size are made in parts, bytes.
  uint64_t server_copy_threshold = 500 * kMiB;
  /// Pass every byte through this process even inside one service.
  bool force_streaming = false;
  /// Bytes read per second, and bytes written per second; 0 means no bound.
  uint64_t bandwidth_bytes_per_s = 0;
  /// Requests to both storages together per second; 0 means no bound.
  uint64_t requests_per_s = 0;
  /// Prove that what was read is what the source holds. What is sent is verified by the destination
  /// in any case.
  bool check = true;
};

struct CopyItem {
  std::string source_key;
  std::string destination_key;
  uint64_t size = 0;
  /// The source's ETag when the item was planned; the copy fails when it changed since. May be
  /// empty: then it is asked for where an object is copied in parts.
  std::string etag;
  /// What a manifest says of the bytes. Where one of them is known an object with other bytes is
  /// not copied, kDataLoss, whatever its storage says of it.
  std::optional<uint32_t> crc32c{};
  std::optional<Md5Digest> md5{};

  bool has_hash() const { return crc32c.has_value() || md5.has_value(); }
};

/// What a batch does about objects that are at the destination already.
enum class Existing {
  kOverwrite,
  /// Leave those that have the source's bytes: same size, and the same checksum or content hash as
  /// the services state them, or else as reading both shows.
  kKeepIfEqual,
  /// As kKeepIfEqual, but one with other bytes stays and is a failure, kAlreadyExists.
  kKeepOrRefuse,
};

/// Failures that are kept; of more there is only the number, for a tree may have very many objects.
inline constexpr size_t kMostFailures = 10000;

struct CopyFailure {
  std::string source_key;
  Status status;
};

struct CopySummary {
  uint64_t objects = 0;
  uint64_t bytes = 0;
  /// Objects that the service copied by itself.
  uint64_t server_side_objects = 0;
  /// Objects whose bytes were proved by reading them a second time.
  uint64_t second_reads = 0;
  /// Bytes of parts that an earlier run had sent already; part of `bytes`.
  uint64_t reused_bytes = 0;
  /// Objects found at the destination with the source's bytes, and so not copied. Not in the counts
  /// above.
  uint64_t kept_objects = 0;
  /// The first kMostFailures; the last of them may have given way to the one that ended the batch.
  std::vector<CopyFailure> failures;
  /// Of all.
  uint64_t failure_count = 0;
  /// A failure was taken for that of every object, and the batch was given up.
  bool given_up = false;

  /// OK, or the first failure with how many others there are.
  Status ToStatus() const;
};

struct LoadedRange;

class CopyEngine {
 public:
  /// `progress` may be null and must outlive the engine.
  CopyEngine(CopyOptions options, Progress* progress);
  CopyEngine(const CopyEngine&) = delete;
  CopyEngine& operator=(const CopyEngine&) = delete;
  ~CopyEngine();

  const CopyOptions& options() const { return options_; }
  MemoryBudget& budget() { return budget_; }
  Progress* progress() { return progress_; }
  /// Objects or parts that may be on their way now.
  size_t width() const;
  /// Objects or parts that were on their way at once, at most.
  size_t workers() const;

 private:
  friend class CopyBatch;
  friend class LargeCopy;
  friend class SmallCopy;
  /// Threads, limits and tuning.
  class Machinery;

  const CopyOptions options_;
  Progress* const progress_;
  MemoryBudget budget_;
  /// What the services say of objects was not enough for one, so it is not for the others.
  std::atomic<bool> keeps_bytes_{false};
  const std::unique_ptr<Machinery> machinery_;
};

/// Copies from one backend to another. A failing object does not stop the others, unless its error
/// says that none can succeed (credentials, missing bucket, storage gone or full). One that may not
/// be read says nothing of the others, unless many may not and none could.
///
/// A stop lets the requests in flight end, for up to kGrace, and starts no new ones: a write that
/// is cut off may still be carried out by the service, after whoever cleans up has looked.
class CopyBatch {
 public:
  static constexpr std::chrono::seconds kGrace{3};

  /// All arguments must outlive the batch. `ledger` may be null: uploads are then aborted when they
  /// fail, and a killed process leaves them behind.
  CopyBatch(CopyEngine& engine, storage::Backend& source, storage::Backend& destination,
            std::stop_token stop, Existing existing = Existing::kOverwrite,
            UploadLedger* ledger = nullptr);
  CopyBatch(const CopyBatch&) = delete;
  CopyBatch& operator=(const CopyBatch&) = delete;
  /// Requests a stop and waits for what is running.
  ~CopyBatch();

  /// Queue an object, waiting while the lane is full. An error means that the batch has ended
  /// early; Wait tells why.
  Status Add(CopyItem item);

  /// Wait for everything added.
  CopySummary Wait();

  /// Whether the service copies by itself.
  bool server_side() const { return server_side_; }
  /// Whether the object would be written by a multipart upload, which a killed process leaves open.
  bool GoesInParts(const CopyItem& item) const;

 private:
  friend class LargeCopy;
  friend class SmallCopy;

  /// What a task has done, for the tuning.
  struct Effort {
    uint64_t bytes = 0;
    /// Spent on waiting for a buffer.
    std::chrono::nanoseconds waited{0};
  };
  struct Outcome {
    bool server_side = false;
    bool second_read = false;
    uint64_t reused_bytes = 0;
    /// It failed when it was read.
    bool unread = false;
  };
  using Work = std::function<std::optional<Effort>(const CallContext&)>;
  using IndexedWork = std::function<std::optional<Effort>(const CallContext&, size_t index)>;

  void Submit(Work work);
  /// As Submit, for `count` calls with their numbers; may be used by work that is running.
  void Spawn(size_t count, IndexedWork work);
  void RunCounted(const IndexedWork& work, size_t index);
  /// A task that was counted when it was queued has ended; the last word of it, for the batch may
  /// be destroyed then.
  void EndCounted(std::chrono::steady_clock::time_point start, std::optional<Effort> effort);
  CallContext Context() const;
  bool stopping() const { return stop_.stop_requested(); }

  /// Whether the object was there already, or its comparison failed, and is accounted for.
  bool IsSettled(const CallContext& ctx, const CopyItem& item);
  /// `wrote`: something was written already that nobody vouches for.
  std::optional<Effort> CopyOne(const CallContext& ctx, const CopyItem& item, bool wrote);
  Status CopyServerSide(const CallContext& ctx, const CopyItem& item, bool& second_read);
  /// Remove what nobody vouches for, so that it does not look like a copy.
  void Discard(const CopyItem& item);
  /// `lets_go`: give the buffer back as soon as it was sent.
  Result<storage::ObjectInfo> PutWhole(const CallContext& ctx, const CopyItem& item,
                                       LoadedRange& loaded, bool lets_go);
  Status StreamWhole(const CallContext& ctx, const CopyItem& item, Effort& effort, Outcome& outcome,
                     bool& is_unproved);
  /// The tries of StreamWhole. `is_unproved` tells whether something was written that nobody
  /// vouches for.
  Status StreamProved(const CallContext& ctx, const CopyItem& item, Effort& effort,
                      Outcome& outcome, bool& is_unproved);
  /// Abort an upload that an earlier run has left of this key.
  Status DropRecorded(const CallContext& ctx, const std::string& key);
  void AwaitIdle();
  void Finish(const CopyItem& item, const Status& status, const Outcome& outcome);

  CopyEngine& engine_;
  storage::Backend& source_;
  storage::Backend& destination_;
  const Existing existing_;
  UploadLedger* const ledger_;
  /// No new requests.
  std::stop_source stop_;
  /// The end of the requests in flight.
  std::stop_source cut_;
  std::stop_callback<std::function<void()>> on_parent_stop_;
  /// Cleared for good when the service turns out to refuse copies between these two.
  std::atomic<bool> server_side_;

  std::mutex mutex_;
  std::condition_variable_any idle_;
  size_t running_ = 0;
  /// Objects that may not be read.
  size_t refused_ = 0;
  /// Objects in a row that a service or disk that is there had errors for.
  size_t in_trouble_ = 0;
  CopySummary summary_;
};

}  // namespace milvus_backup::transfer
