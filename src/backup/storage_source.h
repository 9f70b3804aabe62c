/// An object of a storage as the readers of logs see it.
#pragma once

#include "milvus_backup/base/bytes.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/binlog/byte_source.h"
#include "milvus_backup/storage/backend.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

namespace milvus_backup::backup {

/// Reads a window of the object at a time, and the last bytes, where footers are, apart from it: a
/// log is read once from front to back, in few requests, and never held whole unless it is small.
/// An object that changes meanwhile is kAborted.
class StorageSource final : public binlog::ByteSource {
 public:
  struct Options {
    /// Bytes of a request, and of what is held unless a reader asks for more at once.
    size_t window_bytes = kMiB;
    /// Gets every byte of the object once and in order, as far as it has been read; all of them
    /// after ReadRest. May be empty.
    std::function<void(ByteView)> on_bytes{};
  };

  /// Reads the first window. `backend` must outlive the source.
  static Result<std::unique_ptr<StorageSource>> Open(const CallContext& ctx,
                                                     storage::Backend& backend, std::string key,
                                                     Options options);

  uint64_t size() const override { return size_; }
  Result<ByteView> View(uint64_t offset, size_t length) override;
  /// Read what has not been read yet, for `on_bytes`.
  Status ReadRest();

 private:
  /// Consecutive bytes of the object.
  struct Stretch {
    uint64_t begin = 0;
    size_t size = 0;
    size_t capacity = 0;
    std::unique_ptr<std::byte[]> bytes{};

    uint64_t end() const { return begin + size; }
    bool Holds(uint64_t offset, size_t length) const {
      return offset >= begin && offset + length <= end();
    }
    ByteView View(uint64_t offset, size_t length) const {
      return {bytes.get() + (offset - begin), length};
    }
    /// Keep the bytes from `offset` on, which are in the stretch, and make room for `room` in all.
    void Slide(uint64_t offset, size_t room);
    /// Forget all and start anew at `offset`.
    void Restart(uint64_t offset, size_t room);
  };

  StorageSource(const CallContext& ctx, storage::Backend& backend, std::string key, Options options)
      : ctx_(ctx), backend_(backend), key_(std::move(key)), options_(std::move(options)) {}

  Status OpenFirst();
  /// Append `length` bytes of the object to `stretch`.
  Status Fetch(Stretch& stretch, size_t length);
  /// Hand on what of the window is next in order.
  void Feed();

  const CallContext ctx_;
  storage::Backend& backend_;
  const std::string key_;
  const Options options_;
  uint64_t size_ = 0;
  std::string etag_;
  Stretch window_;
  Stretch tail_;
  /// Bytes that on_bytes has got.
  uint64_t fed_ = 0;
};

}  // namespace milvus_backup::backup
