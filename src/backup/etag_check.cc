#include "etag_check.h"

#include <algorithm>

namespace milvus_backup::backup {

std::optional<Md5Digest> Md5InEtag(const std::string& etag) {
  const auto bytes = HexDecode(etag);
  if (!bytes || bytes->size() != Md5Digest().size()) return std::nullopt;
  Md5Digest digest{};
  std::ranges::copy(*bytes, digest.begin());
  return digest;
}

Result<Md5Digest> ReadMd5(const CallContext& ctx, storage::Backend& backend,
                          const storage::ObjectInfo& object) {
  Md5Hasher hasher;
  uint64_t size = 0;
  const auto read = backend.Read(ctx, object.key, {.if_match = object.etag},
                                 [&](const storage::ReadInfo&, ByteView chunk) {
                                   hasher.Add(chunk);
                                   size += chunk.size();
                                   return Status::Ok();
                                 });
  if (!read.ok()) return read.status().Annotate("reading " + object.key);
  if (size != object.size) {
    return Status(Code::kAborted, object.key + " changed while it was read")
        .WithOrigin(Origin::kStorage);
  }
  return hasher.Finish();
}

Result<EtagCheck::Verdict> EtagCheck::Compare(const CallContext& ctx, storage::Backend& backend,
                                              const storage::ObjectInfo& object,
                                              const Md5Digest& md5) {
  const std::optional<Md5Digest> etag = Md5InEtag(object.etag);
  if (!etag || mean_nothing_) return Verdict::kUnknown;
  if (*etag == md5) return Verdict::kEqual;
  MB_ASSIGN_OR_RETURN(const Md5Digest read, ReadMd5(ctx, backend, object));
  mean_nothing_ = read != *etag;
  return read == md5 ? Verdict::kUnknown : Verdict::kDiffers;
}

}  // namespace milvus_backup::backup
