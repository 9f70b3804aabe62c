/// Places as people write them on a command line: `NAME:BUCKET/PREFIX`, `s3://BUCKET/PREFIX`,
/// a path or `file://PATH`. What a name stands for is not known here. Pure functions, thread-safe.
#pragma once

#include "milvus_backup/base/status.h"

#include <string>
#include <string_view>

namespace milvus_backup::storage {

struct Location {
  enum class Kind {
    kNamed,   ///< `NAME:BUCKET/PREFIX`, a storage of the configuration
    kBackup,  ///< `s3://BUCKET/PREFIX`, the service that keeps the backups
    kDisk,    ///< a directory
  };
  Kind kind = Kind::kDisk;
  /// kNamed only.
  std::string name;
  /// First path element; empty for a directory.
  std::string bucket;
  /// Elements below the bucket, without slashes at the ends; a directory as it was written.
  std::string path;
  /// As written, for messages.
  std::string text;

  /// `bucket/path`, for storages that have no buckets.
  std::string BucketAndPath() const { return path.empty() ? bucket : bucket + "/" + path; }
};

/// Anything that is neither `s3://…`, `file://…` nor `NAME:…` is a path on the disk, so one with a
/// colon in it is written `./a:b`. kInvalidArgument: empty, a control character, an unknown
/// scheme, no bucket, or a prefix with an empty, `.` or `..` element.
Result<Location> ParseLocation(std::string_view text);

/// A place in a form that can be compared: two of them are one place when both texts are equal.
struct Spot {
  /// Service and bucket, or the file system.
  std::string container;
  /// Key prefix, or absolute path without symbolic links; no slash at its end.
  std::string path;
};

/// How two places lie to each other, by whole path elements.
enum class Overlap { kNone, kSame, kFirstInSecond, kSecondInFirst };
Overlap OverlapOf(const Spot& first, const Spot& second);

/// kInvalidArgument unless neither of the two lies in the other.
Status CheckApart(const Spot& source, const Spot& destination);

}  // namespace milvus_backup::storage
