#include "file_window.h"

#include <algorithm>
#include <cstring>

namespace milvus_backup::migration {
namespace {

/// From a disk so much is read at once without being held.
constexpr uint64_t kLeastDirect = 512 * kKiB;

}  // namespace

Status FileWindow::Fetch(const CallContext& ctx, uint64_t offset, std::span<std::byte> into) const {
  size_t got = 0;
  const auto read = store_.backend->Read(
      ctx, file_.key, {.offset = offset, .length = into.size(), .if_match = file_.etag},
      [&](const storage::ReadInfo&, ByteView chunk) -> Status {
        if (chunk.size() > into.size() - got) return DataLossError(file_.name + " has grown");
        std::memcpy(into.data() + got, chunk.data(), chunk.size());
        got += chunk.size();
        return Status::Ok();
      });
  if (!read.ok()) return read.status().Annotate("reading " + file_.name);
  if (got != into.size()) return DataLossError(file_.name + " ended early");
  return Status::Ok();
}

Status FileWindow::ReadAt(const CallContext& ctx, uint64_t offset, std::span<std::byte> into) {
  while (!into.empty()) {
    if (offset >= begin_ && offset - begin_ < held_.size()) {
      const uint64_t at = offset - begin_;
      const size_t count = std::min<uint64_t>(into.size(), held_.size() - at);
      std::memcpy(into.data(), held_.data() + at, count);
      into = into.subspan(count);
      offset += count;
      continue;
    }
    if (!store_.local_root.empty() && into.size() >= kLeastDirect) return Fetch(ctx, offset, into);
    MB_CHECK(offset < file_.size);
    held_.resize(std::min(capacity_, file_.size - offset));
    begin_ = offset;
    const Status status = Fetch(ctx, offset, held_);
    if (!status.ok()) {
      held_.clear();
      return status;
    }
  }
  return Status::Ok();
}

}  // namespace milvus_backup::migration
