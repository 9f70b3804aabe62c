#include "file_window.h"

#include "local_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

namespace milvus_backup::migration {

Result<FileBytes> OpenLocalBytes(const std::string& path, const std::string& key) {
  MB_ASSIGN_OR_RETURN(LocalFile opened, LocalFile::Open(path, key));
  // Shared by the copies of the function.
  const auto file = std::make_shared<const LocalFile>(std::move(opened));
  return FileBytes{
      .name = path,
      .mark = file->version().mark,
      .size = file->version().size,
      .read = [file](const CallContext& ctx, uint64_t offset, std::span<std::byte> into) -> Status {
        MB_RETURN_IF_ERROR(ctx.Check());
        return file->ReadAt(offset, into);
      }};
}

Result<FileBytes> OpenStoredBytes(const CallContext& ctx, const Store& store,
                                  const std::string& key) {
  MB_ASSIGN_OR_RETURN(const storage::ObjectInfo info, store.backend->Stat(ctx, key));
  const auto read = [&store, key, etag = info.etag](const CallContext& call, uint64_t offset,
                                                    std::span<std::byte> into) -> Status {
    size_t got = 0;
    const auto result =
        store.backend->Read(call, key, {.offset = offset, .length = into.size(), .if_match = etag},
                            [&](const storage::ReadInfo&, ByteView chunk) -> Status {
                              if (chunk.size() > into.size() - got)
                                return DataLossError(key + " has grown");
                              std::memcpy(into.data() + got, chunk.data(), chunk.size());
                              got += chunk.size();
                              return Status::Ok();
                            });
    if (!result.ok()) return result.status().Annotate("reading " + key);
    return got == into.size() ? Status::Ok() : DataLossError(key + " ended early");
  };
  return FileBytes{.name = key,
                   .mark = fmt::format("{}:{}:{}", key, info.size, info.etag),
                   .size = info.size,
                   .read = read,
                   .is_remote = true};
}

Status FileWindow::ReadAt(const CallContext& ctx, uint64_t offset, std::span<std::byte> into) {
  if (capacity_ == 0) return file_.read(ctx, offset, into);
  while (!into.empty()) {
    if (offset >= begin_ && offset - begin_ < held_.size()) {
      const uint64_t at = offset - begin_;
      const size_t count = std::min<uint64_t>(into.size(), held_.size() - at);
      std::memcpy(into.data(), held_.data() + at, count);
      into = into.subspan(count);
      offset += count;
      continue;
    }
    MB_CHECK(offset < file_.size);
    held_.resize(std::min(capacity_, file_.size - offset));
    begin_ = offset;
    Status status = file_.read(ctx, offset, held_);
    if (!status.ok()) {
      held_.clear();
      return status;
    }
  }
  return Status::Ok();
}

}  // namespace milvus_backup::migration
