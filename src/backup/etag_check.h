/// What the ETags of a storage tell of MD5s.
#pragma once

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/encoding.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/storage/backend.h"

#include <optional>
#include <string>

namespace milvus_backup::backup {

/// The MD5 that an ETag may be; none for those of multipart uploads and of other kinds.
std::optional<Md5Digest> Md5InEtag(const std::string& etag);

/// MD5 of an object's bytes, all of which are read. kAborted when it is not of `object.size` bytes
/// or was replaced meanwhile.
Result<Md5Digest> ReadMd5(const CallContext& ctx, storage::Backend& backend,
                          const storage::ObjectInfo& object);

/// Compares listed ETags with known MD5s. Under some kinds of server-side encryption ETags look
/// like MD5s and are none, so a difference is believed only after the object has been read. One
/// thread.
class EtagCheck {
 public:
  enum class Verdict {
    kEqual,
    kDiffers,
    /// The ETag says nothing.
    kUnknown,
  };

  Result<Verdict> Compare(const CallContext& ctx, storage::Backend& backend,
                          const storage::ObjectInfo& object, const Md5Digest& md5);

 private:
  /// One has been seen that was no MD5.
  bool mean_nothing_ = false;
};

}  // namespace milvus_backup::backup
