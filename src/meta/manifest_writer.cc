#include "manifest_text_internal.h"

#include "milvus_backup/base/bytes.h"
#include "milvus_backup/base/checksum.h"
#include "milvus_backup/meta/manifest.h"

#include <fmt/format.h>

#include <utility>
#include <zstd.h>

namespace milvus_backup::meta {
namespace {

constexpr size_t kLineBufferBytes = 64 * kKiB;
/// zstd's own default; higher ones cost CPU and gain little on hex digits.
constexpr int kLevel = 3;

Status PutText(const CallContext& ctx, storage::Backend& backend, const std::string& key,
               std::string_view text) {
  const ByteView body = AsBytes(text);
  return backend.Put(ctx, key, body, {.crc32c = Crc32c(body)}).status().Annotate("writing " + key);
}

}  // namespace

/// Lines in, one zstd frame out.
class ManifestWriter::Compressor {
 public:
  Compressor() : context_(ZSTD_createCCtx()) {
    MB_CHECK(context_ != nullptr);
    MB_CHECK(ZSTD_isError(ZSTD_CCtx_setParameter(context_, ZSTD_c_compressionLevel, kLevel)) == 0);
    MB_CHECK(ZSTD_isError(ZSTD_CCtx_setParameter(context_, ZSTD_c_checksumFlag, 1)) == 0);
  }
  Compressor(const Compressor&) = delete;
  Compressor& operator=(const Compressor&) = delete;
  ~Compressor() { ZSTD_freeCCtx(context_); }

  void Add(std::string_view line) {
    lines_ += line;
    if (lines_.size() >= kLineBufferBytes) Compress(ZSTD_e_continue);
  }

  /// Bytes that have come out so far.
  size_t size() const { return frame_.size(); }

  std::string TakeFrame() {
    Compress(ZSTD_e_end);
    return std::exchange(frame_, {});
  }

 private:
  void Compress(ZSTD_EndDirective directive) {
    ZSTD_inBuffer in{lines_.data(), lines_.size(), 0};
    size_t left = 1;
    while (directive == ZSTD_e_end ? left != 0 : in.pos < in.size) {
      const size_t before = frame_.size();
      frame_.resize(before + ZSTD_CStreamOutSize());
      ZSTD_outBuffer out{frame_.data() + before, frame_.size() - before, 0};
      left = ZSTD_compressStream2(context_, &out, &in, directive);
      MB_CHECK(ZSTD_isError(left) == 0);
      frame_.resize(before + out.pos);
    }
    lines_.clear();
  }

  ZSTD_CCtx* const context_;
  std::string lines_;
  std::string frame_;
};

ManifestWriter::ManifestWriter(storage::Backend& backend, std::string backup_dir,
                               ManifestWriterOptions options)
    : backend_(backend), backup_dir_(std::move(backup_dir)), part_bytes_(options.part_bytes) {
  index_.tool = std::move(options.tool);
  index_.header_sha256 = std::move(options.header_sha256);
  index_.sealed = std::move(options.sealed);
}

ManifestWriter::~ManifestWriter() = default;

Status ManifestWriter::Add(const CallContext& ctx, const ManifestEntry& entry) {
  if (index_.objects > 0 && entry.path <= last_path_) {
    return InvalidArgumentError(
        fmt::format("{} comes after {} in the listing of {}", entry.path, last_path_, backup_dir_));
  }
  MB_ASSIGN_OR_RETURN(const std::string line, EncodeManifestLine(entry));
  if (compressor_ == nullptr) compressor_ = std::make_unique<Compressor>();
  compressor_->Add(line);
  last_path_ = entry.path;
  ++index_.objects;
  index_.bytes += entry.size;
  ++objects_in_part_;
  return compressor_->size() < part_bytes_ ? Status::Ok() : WritePart(ctx);
}

Result<std::string> ManifestWriter::Finish(const CallContext& ctx) {
  if (objects_in_part_ > 0) MB_RETURN_IF_ERROR(WritePart(ctx));
  const std::string text = EncodeManifestIndex(index_);
  MB_RETURN_IF_ERROR(PutText(ctx, backend_, ManifestKey(backup_dir_), text));
  MB_RETURN_IF_ERROR(RemoveOldParts(ctx));
  return HexEncode(Sha256(AsBytes(text)));
}

Status ManifestWriter::WritePart(const CallContext& ctx) {
  const std::string frame = compressor_->TakeFrame();
  ManifestPart part{
      .path = fmt::format("{}{:05}.jsonl.zst", ManifestPartsDir(""), index_.parts.size()),
      .size = frame.size(),
      .sha256 = HexEncode(Sha256(AsBytes(frame))),
      .objects = std::exchange(objects_in_part_, 0)};
  MB_RETURN_IF_ERROR(PutText(ctx, backend_, backup_dir_ + part.path, frame));
  index_.parts.push_back(std::move(part));
  return Status::Ok();
}

Status ManifestWriter::RemoveOldParts(const CallContext& ctx) {
  const std::string dir = ManifestPartsDir(backup_dir_);
  std::vector<std::string> old;
  MB_RETURN_IF_ERROR(
      storage::ForEachObject(ctx, backend_, dir, [&](const storage::ObjectInfo& object) {
        const std::string_view path = std::string_view(object.key).substr(backup_dir_.size());
        if (index_.parts.empty() || path > index_.parts.back().path) old.push_back(object.key);
        return Status::Ok();
      }));
  if (old.empty()) return Status::Ok();
  MB_ASSIGN_OR_RETURN(const std::vector<storage::DeleteFailure> failures,
                      backend_.DeleteMany(ctx, old));
  return failures.empty() ? Status::Ok()
                          : failures.front().status.Annotate("deleting " + failures.front().key);
}

}  // namespace milvus_backup::meta
