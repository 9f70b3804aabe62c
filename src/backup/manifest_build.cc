#include "manifest_build.h"

#include "etag_check.h"

#include "milvus_backup/base/checksum.h"
#include "milvus_backup/base/encoding.h"
#include "milvus_backup/base/task_group.h"
#include "milvus_backup/meta/manifest.h"

#include <algorithm>
#include <atomic>
#include <vector>

namespace milvus_backup::backup {
namespace {

/// Objects whose hashes are found together.
constexpr size_t kBatch = 1000;
/// Objects asked for or read at once; each read holds no more than curl's buffer.
constexpr size_t kParallelReads = 16;
/// An object worth reading only to learn what ETags are, bytes.
constexpr uint64_t kMaxProbe = kMiB;
/// From this size on it pays to ask for the stored CRC32C: a request costs as much CPU as the MD5
/// of some 50 KiB, and whoever verifies later computes a CRC32C ten times as fast, bytes.
constexpr uint64_t kAskFrom = 64 * kKiB;

class Builder {
 public:
  Builder(const CallContext& ctx, storage::Backend& backend, const std::string& backup_dir,
          const BuildManifestOptions& options)
      : ctx_(ctx),
        backend_(backend),
        backup_dir_(backup_dir),
        known_(options.known),
        writer_(backend, backup_dir,
                {.tool = MB_VERSION,
                 .header_sha256 = HexEncode(Sha256(AsBytes(options.header))),
                 .sealed = options.sealed}) {}

  Result<BuiltManifest> Run() {
    MB_RETURN_IF_ERROR(storage::ForEachObject(
        ctx_, backend_, backup_dir_, [this](const storage::ObjectInfo& object) {
          const std::string_view path = std::string_view(object.key).substr(backup_dir_.size());
          if (meta::IsOutsideManifest(path) || meta::IsFolderMark(object)) return Status::Ok();
          batch_.push_back({object, {}});
          return batch_.size() < kBatch ? Status::Ok() : AddBatch();
        }));
    MB_RETURN_IF_ERROR(AddBatch());
    BuiltManifest built{.read_objects = read_objects_, .read_bytes = read_bytes_};
    MB_ASSIGN_OR_RETURN(built.sha256, writer_.Finish(ctx_));
    built.objects = writer_.index().objects;
    built.bytes = writer_.index().bytes;
    return built;
  }

 private:
  struct Listed {
    storage::ObjectInfo object;
    meta::ContentHash hash;
  };

  Status AddBatch() {
    MB_ASSIGN_OR_RETURN(const bool etags_are_md5, Probe());
    TaskGroup group(kParallelReads, ctx_.stop);
    for (Listed& listed : batch_) {
      MB_RETURN_IF_ERROR(TakeKnown(listed));
      if (etags_are_md5) listed.hash.md5 = Md5InEtag(listed.object.etag);
      if (listed.hash.crc32c || (listed.hash.md5 && listed.object.size < kAskFrom)) continue;
      const bool taken = group.Submit([this, &listed](const std::stop_token& stop) {
        return FindHash({stop, ctx_.deadline}, listed);
      });
      if (!taken) break;
    }
    MB_RETURN_IF_ERROR(group.Wait());
    for (const Listed& listed : batch_) {
      MB_RETURN_IF_ERROR(writer_.Add(
          ctx_, {listed.object.key.substr(backup_dir_.size()), listed.object.size, listed.hash}));
    }
    batch_.clear();
    return Status::Ok();
  }

  /// Whether ETags are MD5s here: not so under some kinds of server-side encryption, although they
  /// look the same (S3 API reference, "Object": ETag).
  Result<bool> Probe() {
    const Listed* smallest = nullptr;
    for (const Listed& listed : batch_) {
      if (!Md5InEtag(listed.object.etag)) continue;
      if (smallest == nullptr || listed.object.size < smallest->object.size) smallest = &listed;
    }
    if (smallest == nullptr || smallest->object.size > kMaxProbe) return false;
    MB_ASSIGN_OR_RETURN(const Md5Digest md5, ReadMd5(ctx_, backend_, smallest->object));
    return md5 == Md5InEtag(smallest->object.etag);
  }

  Status TakeKnown(Listed& listed) const {
    if (known_ == nullptr) return Status::Ok();
    const auto known = known_->Find(std::string_view(listed.object.key).substr(backup_dir_.size()));
    if (!known) return Status::Ok();
    if (known->size != listed.object.size) return Changed(listed.object.key);
    listed.hash = known->hash;
    return Status::Ok();
  }

  Status FindHash(const CallContext& ctx, Listed& listed) {
    const std::string& key = listed.object.key;
    const auto stated = backend_.Stat(ctx, key);
    if (!stated.ok()) return stated.status().Annotate("asking about " + key);
    if (stated->size != listed.object.size) return Changed(key);
    listed.hash.crc32c = stated->crc32c;
    return listed.hash.known() ? Status::Ok() : Read(ctx, listed);
  }

  Status Read(const CallContext& ctx, Listed& listed) {
    const std::string& key = listed.object.key;
    uint32_t crc = 0;
    uint64_t size = 0;
    const auto read = backend_.Read(ctx, key, {.if_match = listed.object.etag},
                                    [&](const storage::ReadInfo&, ByteView chunk) {
                                      crc = ExtendCrc32c(crc, chunk);
                                      size += chunk.size();
                                      return Status::Ok();
                                    });
    if (!read.ok()) return read.status().Annotate("reading " + key);
    if (size != listed.object.size) return Changed(key);
    listed.hash.crc32c = crc;
    ++read_objects_;
    read_bytes_ += size;
    return Status::Ok();
  }

  static Status Changed(const std::string& key) {
    return Status(Code::kAborted, key + " changed while the manifest was made")
        .WithOrigin(Origin::kStorage);
  }

  const CallContext& ctx_;
  storage::Backend& backend_;
  const std::string& backup_dir_;
  const HashIndex* const known_;
  meta::ManifestWriter writer_;
  std::vector<Listed> batch_;
  std::atomic<uint64_t> read_objects_ = 0;
  std::atomic<uint64_t> read_bytes_ = 0;
};

}  // namespace

Result<BuiltManifest> BuildManifest(const CallContext& ctx, storage::Backend& backend,
                                    const std::string& backup_dir,
                                    const BuildManifestOptions& options) {
  return Builder(ctx, backend, backup_dir, options).Run();
}

}  // namespace milvus_backup::backup
