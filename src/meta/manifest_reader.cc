#include "manifest_text_internal.h"

#include "milvus_backup/base/bytes.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/meta/manifest.h"

#include <fmt/format.h>

#include <utility>
#include <zstd.h>

namespace milvus_backup::meta {
namespace {

/// A million objects take ten parts, and each of them some 200 bytes of the index.
constexpr size_t kMaxIndexBytes = 16 * kMiB;
/// Largest window a frame may ask for, log2 of bytes: what zstd's level 3 uses is half of it.
constexpr int kMaxWindowLog = 22;

Status Damaged(const std::string& key, std::string_view problem) {
  return DataLossError(fmt::format("{} {}", key, problem)).WithOrigin(Origin::kStorage);
}

}  // namespace

/// A frame in, one line at a time out.
class ManifestReader::Decompressor {
 public:
  explicit Decompressor(std::string frame)
      : frame_(std::move(frame)),
        context_(ZSTD_createDCtx()),
        in_{frame_.data(), frame_.size(), 0} {
    MB_CHECK(context_ != nullptr);
    MB_CHECK(ZSTD_isError(ZSTD_DCtx_setParameter(context_, ZSTD_d_windowLogMax, kMaxWindowLog)) ==
             0);
  }
  Decompressor(const Decompressor&) = delete;
  Decompressor& operator=(const Decompressor&) = delete;
  ~Decompressor() { ZSTD_freeDCtx(context_); }

  /// Without the newline; valid until the next call; none at the end.
  Result<std::optional<std::string_view>> NextLine() {
    while (true) {
      const size_t newline = text_.find('\n', next_);
      if (newline != std::string::npos) {
        const std::string_view line = std::string_view(text_).substr(next_, newline - next_);
        next_ = newline + 1;
        return std::optional(line);
      }
      if (text_.size() - next_ > kMaxManifestLine) return DataLossError("holds an endless line");
      if (ended_) {
        if (next_ != text_.size()) return DataLossError("ends within a line");
        return std::optional<std::string_view>();
      }
      MB_RETURN_IF_ERROR(Decompress());
    }
  }

 private:
  Status Decompress() {
    text_.erase(0, std::exchange(next_, 0));
    const size_t before = text_.size();
    text_.resize(before + ZSTD_DStreamOutSize());
    ZSTD_outBuffer out{text_.data() + before, text_.size() - before, 0};
    const size_t left = ZSTD_decompressStream(context_, &out, &in_);
    text_.resize(before + out.pos);
    if (ZSTD_isError(left) != 0) {
      return DataLossError(fmt::format("is not zstd: {}", ZSTD_getErrorName(left)));
    }
    const bool is_read = in_.pos == in_.size;
    if (left == 0) {
      if (!is_read) return DataLossError("has bytes after its end");
      ended_ = true;
    } else if (is_read && out.pos == 0) {
      return DataLossError("is cut short");
    }
    return Status::Ok();
  }

  const std::string frame_;
  ZSTD_DCtx* const context_;
  ZSTD_inBuffer in_;
  std::string text_;
  size_t next_ = 0;
  bool ended_ = false;
};

ManifestReader::ManifestReader(storage::Backend& backend, std::string backup_dir,
                               ManifestIndex index)
    : backend_(backend), backup_dir_(std::move(backup_dir)), index_(std::move(index)) {}

ManifestReader::~ManifestReader() = default;

Result<std::unique_ptr<ManifestReader>> ManifestReader::Open(const CallContext& ctx,
                                                             storage::Backend& backend,
                                                             const std::string& backup_dir,
                                                             const std::string& sha256) {
  const std::string key = ManifestKey(backup_dir);
  const Result<std::string> text = storage::ReadAll(ctx, backend, key, kMaxIndexBytes);
  const bool missing = !text.ok() && text.status().code() == Code::kNotFound;
  const std::string header = MetaKey(backup_dir, MetaFile::kHeader);
  if (missing) {
    if (sha256.empty()) return std::unique_ptr<ManifestReader>();
    return Damaged(key, fmt::format("is missing, but {} speaks of it", header));
  }
  if (!text.ok()) return text.status().Annotate("reading " + key);
  MB_ASSIGN_OR_RETURN(ManifestIndex index, DecodeManifestIndex(*text, key));
  if (sha256.empty()) {
    return Damaged(header, fmt::format("does not speak of {}: it is the header of another backup "
                                       "or was changed",
                                       key));
  }
  if (HexEncode(Sha256(AsBytes(*text))) != sha256) {
    return Damaged(key, fmt::format("is not the manifest that {} speaks of", header));
  }
  return std::unique_ptr<ManifestReader>(new ManifestReader(backend, backup_dir, std::move(index)));
}

Result<std::optional<ManifestEntry>> ManifestReader::Next(const CallContext& ctx) {
  while (true) {
    if (part_ == nullptr) {
      if (next_part_ == index_.parts.size()) return AtEnd();
      MB_RETURN_IF_ERROR(OpenPart(ctx));
    }
    const auto damaged = [this](std::string_view problem) {
      return Damaged(backup_dir_ + index_.parts[next_part_].path, problem);
    };
    const auto line = part_->NextLine();
    if (!line.ok()) return damaged(line.status().message());
    if (!line->has_value()) {
      MB_RETURN_IF_ERROR(ClosePart());
      continue;
    }
    auto entry = DecodeManifestLine(**line);
    if (!entry.ok()) return damaged(entry.status().message());
    if (objects_ > 0 && entry->path <= last_path_) {
      return damaged(fmt::format("lists {} after {}", entry->path, last_path_));
    }
    last_path_ = entry->path;
    ++objects_;
    ++objects_in_part_;
    bytes_ += entry->size;
    return std::optional(*std::move(entry));
  }
}

Status ManifestReader::OpenPart(const CallContext& ctx) {
  const ManifestPart& part = index_.parts[next_part_];
  const std::string key = backup_dir_ + part.path;
  auto frame = storage::ReadAll(ctx, backend_, key, kMaxManifestPart);
  if (!frame.ok()) {
    if (frame.status().code() == Code::kNotFound) return Damaged(key, "is missing");
    return frame.status().Annotate("reading " + key);
  }
  if (frame->size() != part.size || HexEncode(Sha256(AsBytes(*frame))) != part.sha256) {
    return Damaged(key, "has other bytes than the manifest's index says");
  }
  part_ = std::make_unique<Decompressor>(*std::move(frame));
  return Status::Ok();
}

Status ManifestReader::ClosePart() {
  const ManifestPart& part = index_.parts[next_part_++];
  part_.reset();
  if (std::exchange(objects_in_part_, 0) == part.objects) return Status::Ok();
  return Damaged(backup_dir_ + part.path, "lists another number of objects than the index says");
}

Result<std::optional<ManifestEntry>> ManifestReader::AtEnd() const {
  if (objects_ != index_.objects || bytes_ != index_.bytes) {
    return Damaged(ManifestKey(backup_dir_), "does not say what its parts add up to");
  }
  return std::optional<ManifestEntry>();
}

}  // namespace milvus_backup::meta
