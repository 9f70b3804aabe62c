#include "object_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace milvus_backup::migration {
namespace {

/// Large enough that requests cost little, small enough that several fit into the budget.
constexpr uint64_t kPartBytes = 8 * kMiB;

uint64_t PartSizeFor(uint64_t size, const storage::Capabilities& caps) {
  const uint64_t least = (size + caps.max_parts - 1) / caps.max_parts;
  const uint64_t rounded = (least + kMiB - 1) / kMiB * kMiB;
  return std::max({kPartBytes, rounded, caps.min_part});
}

}  // namespace

Result<ObjectWriter> ObjectWriter::Create(const CallContext& ctx, storage::Backend& backend,
                                          std::string key, uint64_t size, MemoryBudget& budget) {
  const uint64_t part_size = PartSizeFor(size, backend.caps());
  const bool in_parts = size > part_size;
  MB_ASSIGN_OR_RETURN(Buffer part, budget.Acquire(ctx, std::min(size, part_size)));
  ObjectWriter writer(backend, std::move(key), size, std::move(part));
  if (!in_parts) return writer;
  MB_RETURN_IF_ERROR(storage::AbortUploads(ctx, backend, writer.key_));
  MB_ASSIGN_OR_RETURN(writer.upload_,
                      backend.StartUpload(ctx, writer.key_, {.part_size = part_size}));
  return writer;
}

Status ObjectWriter::Append(const CallContext& ctx, ByteView bytes) {
  if (bytes.size() > size_ - flushed_ - filled_) {
    return DataLossError(fmt::format("{}: more bytes than the {} announced", key_, size_));
  }
  while (!bytes.empty()) {
    const size_t count = std::min<uint64_t>(bytes.size(), room());
    std::memcpy(part_.data() + filled_, bytes.data(), count);
    filled_ += count;
    bytes = bytes.subspan(count);
    if (room() == 0) MB_RETURN_IF_ERROR(Flush(ctx));
  }
  return Status::Ok();
}

Status ObjectWriter::Flush(const CallContext& ctx) {
  const ByteView body = part_.view().first(filled_);
  if (inspect_) MB_RETURN_IF_ERROR(inspect_(flushed_, body));
  if (sends_ && upload_ != nullptr) {
    const auto number = static_cast<uint32_t>(parts_.size() + 1);
    MB_ASSIGN_OR_RETURN(storage::PartInfo part,
                        upload_->UploadPart(ctx, number, body, std::nullopt));
    parts_.push_back(std::move(part));
  } else if (sends_) {
    MB_RETURN_IF_ERROR(backend_->Put(ctx, key_, body, {}).status());
  }
  flushed_ += filled_;
  filled_ = 0;
  return Status::Ok();
}

Status ObjectWriter::Finish(const CallContext& ctx) {
  if (filled_ > 0) MB_RETURN_IF_ERROR(Flush(ctx));
  if (flushed_ != size_) {
    return DataLossError(fmt::format("{}: {} bytes instead of {}", key_, flushed_, size_));
  }
  if (!sends_ || upload_ == nullptr) return Status::Ok();
  return upload_->Complete(ctx, parts_).status();
}

}  // namespace milvus_backup::migration
