#include "milvus_backup/base/memory_budget.h"

#include <algorithm>
#include <bit>
#include <malloc.h>
#include <utility>

namespace milvus_backup {

Buffer::Buffer(Buffer&& other) noexcept
    : budget_(std::exchange(other.budget_, nullptr)),
      storage_(std::move(other.storage_)),
      capacity_(std::exchange(other.capacity_, 0)),
      size_(std::exchange(other.size_, 0)) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  if (this != &other) {
    if (budget_ != nullptr) budget_->Release(std::move(storage_), capacity_);
    budget_ = std::exchange(other.budget_, nullptr);
    storage_ = std::move(other.storage_);
    capacity_ = std::exchange(other.capacity_, 0);
    size_ = std::exchange(other.size_, 0);
  }
  return *this;
}

Buffer::~Buffer() {
  if (budget_ != nullptr) budget_->Release(std::move(storage_), capacity_);
}

MemoryBudget::MemoryBudget(size_t limit_bytes) : limit_(limit_bytes) {
#ifdef __GLIBC__
  // Left to itself malloc takes large buffers, once one was freed, from the heaps of the threads,
  // which never give them back: twice the limit was seen.
  constexpr int kMapped = 1024 * 1024;
  // NOLINTNEXTLINE(concurrency-mt-unsafe): it sets one number
  mallopt(M_MMAP_THRESHOLD, kMapped);
#endif
}

size_t MemoryBudget::ClassOf(size_t size) {
  constexpr size_t kSmallest = 64 * kKiB;
  constexpr size_t kLargest = 16 * kMiB;
  return size > kLargest ? size : std::max(kSmallest, std::bit_ceil(size));
}

Result<Buffer> MemoryBudget::Acquire(const CallContext& ctx, size_t size) {
  const size_t capacity = ClassOf(size);
  std::unique_lock lock(mutex_);
  const uint64_t ticket = next_ticket_++;
  const auto granted = [&] {
    while (std::erase(abandoned_, serving_) > 0) ++serving_;
    return ticket == serving_ && HasRoom(capacity);
  };
  const bool ready =
      granted() || (ctx.deadline ? changed_.wait_until(lock, ctx.stop, *ctx.deadline, granted)
                                 : changed_.wait(lock, ctx.stop, granted));
  if (!ready) {
    abandoned_.push_back(ticket);
    changed_.notify_all();
    return ctx.stop.stop_requested()
               ? CancelledError()
               : Status(Code::kDeadlineExceeded, "no memory became free before the deadline");
  }
  ++serving_;
  return Grant(std::move(lock), capacity, size);
}

std::optional<Buffer> MemoryBudget::TryAcquire(size_t size) {
  const size_t capacity = ClassOf(size);
  std::unique_lock lock(mutex_);
  while (std::erase(abandoned_, serving_) > 0) ++serving_;
  if (next_ticket_ != serving_ || !HasRoom(capacity)) return std::nullopt;
  return Grant(std::move(lock), capacity, size);
}

Buffer MemoryBudget::Grant(std::unique_lock<std::mutex> lock, size_t capacity, size_t size) {
  in_use_ += capacity;
  peak_ = std::max(peak_, in_use_);
  std::unique_ptr<std::byte[]> storage;
  if (auto& idle = free_[capacity]; !idle.empty()) {
    storage = std::move(idle.back());
    idle.pop_back();
    idle_ -= capacity;
  }
  // Idle buffers of other classes must not push the real total above the limit.
  for (auto it = free_.begin(); in_use_ + idle_ > limit_ && it != free_.end(); ++it) {
    while (in_use_ + idle_ > limit_ && !it->second.empty()) {
      it->second.pop_back();
      idle_ -= it->first;
    }
  }
  changed_.notify_all();
  lock.unlock();
  if (storage == nullptr) storage = std::make_unique_for_overwrite<std::byte[]>(capacity);
  return Buffer(this, std::move(storage), capacity, size);
}

void MemoryBudget::Release(std::unique_ptr<std::byte[]> storage, size_t capacity) {
  const std::scoped_lock lock(mutex_);
  in_use_ -= capacity;
  if (in_use_ + idle_ + capacity <= limit_) {
    free_[capacity].push_back(std::move(storage));
    idle_ += capacity;
  }
  changed_.notify_all();
}

size_t MemoryBudget::in_use() const {
  const std::scoped_lock lock(mutex_);
  return in_use_;
}

size_t MemoryBudget::peak() const {
  const std::scoped_lock lock(mutex_);
  return peak_;
}

}  // namespace milvus_backup
