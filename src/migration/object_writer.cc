#include "object_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace milvus_backup::migration {
namespace {

/// Large enough that requests cost little, small enough that several fit into the budget.
constexpr uint64_t kPartBytes = 8 * kMiB;
/// Inspected at a time, so that it is still in the caches of the processor.
constexpr size_t kInspectBytes = 256 * kKiB;
constexpr size_t kInspectAlignment = 64;

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

Status ObjectWriter::CheckFits(uint64_t count) const {
  if (count <= size_ - flushed_ - filled_) return Status::Ok();
  return DataLossError(fmt::format("{}: more bytes than the {} announced", key_, size_));
}

Status ObjectWriter::Append(const CallContext& ctx, ByteView bytes) {
  MB_RETURN_IF_ERROR(CheckFits(bytes.size()));
  while (!bytes.empty()) {
    const std::span<std::byte> to = room();
    const size_t count = std::min(bytes.size(), to.size());
    std::memcpy(to.data(), bytes.data(), count);
    MB_RETURN_IF_ERROR(Filled(ctx, count));
    bytes = bytes.subspan(count);
  }
  return Status::Ok();
}

Status ObjectWriter::Filled(const CallContext& ctx, uint64_t count) {
  MB_RETURN_IF_ERROR(CheckFits(count));
  filled_ += count;
  if (filled_ - inspected_ >= kInspectBytes) {
    MB_RETURN_IF_ERROR(InspectTo(filled_ / kInspectAlignment * kInspectAlignment));
  }
  return filled_ == part_.size() ? Flush(ctx) : Status::Ok();
}

Status ObjectWriter::InspectTo(size_t end) {
  const size_t begin = std::exchange(inspected_, end);
  if (!inspect_ || begin == end) return Status::Ok();
  return inspect_(flushed_ + begin, part_.view().subspan(begin, end - begin));
}

Status ObjectWriter::Flush(const CallContext& ctx) {
  MB_RETURN_IF_ERROR(InspectTo(filled_));
  const ByteView body = part_.view().first(filled_);
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
  inspected_ = 0;
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
