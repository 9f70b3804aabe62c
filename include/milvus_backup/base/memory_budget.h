/// One ceiling for the buffers of all workers, and the buffers themselves. Thread-safe.
#pragma once

#include "milvus_backup/base/bytes.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

namespace milvus_backup {

class MemoryBudget;

/// A buffer on loan from a MemoryBudget; returned when destroyed. Must not outlive the budget.
class Buffer {
 public:
  Buffer() = default;
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer();

  std::byte* data() { return storage_.get(); }
  const std::byte* data() const { return storage_.get(); }
  /// Bytes that were asked for.
  size_t size() const { return size_; }
  std::span<std::byte> span() { return {storage_.get(), size_}; }
  ByteView view() const { return {storage_.get(), size_}; }

 private:
  friend class MemoryBudget;
  Buffer(MemoryBudget* budget, std::unique_ptr<std::byte[]> storage, size_t capacity, size_t size)
      : budget_(budget), storage_(std::move(storage)), capacity_(capacity), size_(size) {}

  MemoryBudget* budget_ = nullptr;
  std::unique_ptr<std::byte[]> storage_;
  size_t capacity_ = 0;
  size_t size_ = 0;
};

/// Hands out buffers in size classes (powers of two from 64 KiB to 16 MiB, then exact: a coarser
/// class would leave half of the budget unused by objects just above one), first come first served,
/// never more than `limit_bytes` at once. A request above the limit is granted alone, so that it
/// cannot wait for ever. Free buffers are kept for reuse while they fit the limit.
class MemoryBudget {
 public:
  explicit MemoryBudget(size_t limit_bytes);
  MemoryBudget(const MemoryBudget&) = delete;
  MemoryBudget& operator=(const MemoryBudget&) = delete;
  ~MemoryBudget() = default;

  /// Wait for `size` bytes. kCancelled or kDeadlineExceeded when the context ends first.
  Result<Buffer> Acquire(const CallContext& ctx, size_t size);
  /// The same without a wait: none when there is no room or somebody waits for some.
  std::optional<Buffer> TryAcquire(size_t size);

  size_t limit() const { return limit_; }
  /// Bytes on loan now.
  size_t in_use() const;
  /// Most bytes ever on loan at once.
  size_t peak() const;

 private:
  friend class Buffer;
  void Release(std::unique_ptr<std::byte[]> storage, size_t capacity);
  bool HasRoom(size_t capacity) const { return in_use_ == 0 || in_use_ + capacity <= limit_; }
  Buffer Grant(std::unique_lock<std::mutex> lock, size_t capacity, size_t size);
  static size_t ClassOf(size_t size);

  const size_t limit_;
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  uint64_t next_ticket_ = 0;
  uint64_t serving_ = 0;
  std::vector<uint64_t> abandoned_;
  size_t in_use_ = 0;
  size_t idle_ = 0;
  size_t peak_ = 0;
  std::map<size_t, std::vector<std::unique_ptr<std::byte[]>>> free_;
};

}  // namespace milvus_backup
