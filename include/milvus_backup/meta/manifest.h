/// The manifest of a backup: every object of it but the header, with what is known of its bytes.
/// An index, `meta/manifest.json`, names the parts, `meta/manifest/NNNNN.jsonl.zst`; the header
/// holds the index's SHA-256 (docs/format.md). A writer or reader is used by one thread at a time;
/// backends must outlive both.
#pragma once

#include "milvus_backup/base/bytes.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/base/encoding.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/storage/backend.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace milvus_backup::meta {

/// What is known of the bytes of an object.
struct ContentHash {
  std::optional<uint32_t> crc32c;
  std::optional<Md5Digest> md5;
  bool known() const { return crc32c.has_value() || md5.has_value(); }
  friend bool operator==(const ContentHash&, const ContentHash&) = default;
};

struct ManifestEntry {
  /// Relative to the backup directory.
  std::string path;
  /// Bytes.
  uint64_t size = 0;
  /// At least one member is known.
  ContentHash hash;
  friend bool operator==(const ManifestEntry&, const ManifestEntry&) = default;
};

struct ManifestPart {
  /// Relative to the backup directory.
  std::string path;
  /// Bytes as stored.
  uint64_t size = 0;
  /// Of the bytes as stored, lower-case hex.
  std::string sha256;
  uint64_t objects = 0;
  friend bool operator==(const ManifestPart&, const ManifestPart&) = default;
};

struct ManifestIndex {
  /// Version of the program that wrote it.
  std::string tool;
  /// SHA-256 of the header as it is without the hash of this index (WithoutManifest), lower-case
  /// hex.
  std::string header_sha256;
  /// When `verify --seal` found the bytes to be whole (RFC 3339, UTC); empty in a manifest that was
  /// written with the backup itself.
  std::string sealed;
  uint64_t objects = 0;
  /// Sum of the sizes.
  uint64_t bytes = 0;
  std::vector<ManifestPart> parts;
  friend bool operator==(const ManifestIndex&, const ManifestIndex&) = default;
};

/// `<backup_dir>meta/manifest.json`.
std::string ManifestKey(std::string_view backup_dir);
/// `<backup_dir>meta/manifest/`.
std::string ManifestPartsDir(std::string_view backup_dir);
/// Whether a path relative to the backup directory is one that no manifest lists: the header, the
/// marker of a run, tags, a tombstone, and the manifest itself.
bool IsOutsideManifest(std::string_view path);

/// Whether an object is what consoles and mounts of object storages make for a folder: nothing,
/// under a key with a slash at its end. No part of a backup.
bool IsFolderMark(const storage::ObjectInfo& object);

/// The text of a header, a JSON object, with `manifest_sha256` as its last member; kDataLoss when
/// it is no object.
Result<std::string> WithManifest(std::string_view header, const std::string& sha256);
/// The text that WithManifest was given, without blanks at its end; other texts stay as they are.
std::string WithoutManifest(std::string_view header);

/// The index as text, with a checksum of itself.
std::string EncodeManifestIndex(const ManifestIndex& index);
/// kDataLoss naming `what` for a text that is no index or whose checksum is wrong;
/// kUnimplemented when only a newer program can read it.
Result<ManifestIndex> DecodeManifestIndex(std::string_view text, std::string_view what);

struct ManifestWriterOptions {
  /// All as in ManifestIndex.
  std::string tool;
  std::string header_sha256;
  std::string sealed;
  /// Stored size at which a part is written, bytes: small enough to be held by writer and reader,
  /// far below the 64 MiB that the format allows.
  size_t part_bytes = 4 * kMiB;
};

class ManifestWriter {
 public:
  ManifestWriter(storage::Backend& backend, std::string backup_dir, ManifestWriterOptions options);
  ManifestWriter(const ManifestWriter&) = delete;
  ManifestWriter& operator=(const ManifestWriter&) = delete;
  ~ManifestWriter();

  /// Paths must come in ascending byte order. kInvalidArgument for a path that is not UTF-8 or out
  /// of order, and for an entry without a hash. Writes a part whenever enough has come together.
  Status Add(const CallContext& ctx, const ManifestEntry& entry);

  /// Write the last part and the index, and remove parts of an earlier manifest. Returns the
  /// index's SHA-256 as lower-case hex, for the header.
  Result<std::string> Finish(const CallContext& ctx);

  const ManifestIndex& index() const { return index_; }

 private:
  class Compressor;

  Status WritePart(const CallContext& ctx);
  Status RemoveOldParts(const CallContext& ctx);

  storage::Backend& backend_;
  const std::string backup_dir_;
  const size_t part_bytes_;
  ManifestIndex index_;
  std::unique_ptr<Compressor> compressor_;
  std::string last_path_;
  uint64_t objects_in_part_ = 0;
};

class ManifestReader {
 public:
  /// Read the index; nothing when the backup has none. `sha256` is what the header says of it,
  /// empty when the header says nothing. kDataLoss when the index is not the one of the header or
  /// damaged, or when there is one of only the two.
  static Result<std::unique_ptr<ManifestReader>> Open(const CallContext& ctx,
                                                      storage::Backend& backend,
                                                      const std::string& backup_dir,
                                                      const std::string& sha256);
  ManifestReader(const ManifestReader&) = delete;
  ManifestReader& operator=(const ManifestReader&) = delete;
  ~ManifestReader();

  const ManifestIndex& index() const { return index_; }

  /// The next entry in the byte order of the paths, none at the end. kDataLoss naming the part when
  /// it is missing, has other bytes than the index says, or does not hold what a part holds, and
  /// naming the index when the parts do not add up to its totals.
  Result<std::optional<ManifestEntry>> Next(const CallContext& ctx);

 private:
  class Decompressor;

  ManifestReader(storage::Backend& backend, std::string backup_dir, ManifestIndex index);
  Status OpenPart(const CallContext& ctx);
  Status ClosePart();
  Result<std::optional<ManifestEntry>> AtEnd() const;

  storage::Backend& backend_;
  const std::string backup_dir_;
  const ManifestIndex index_;
  std::unique_ptr<Decompressor> part_;
  size_t next_part_ = 0;
  uint64_t objects_in_part_ = 0;
  uint64_t objects_ = 0;
  uint64_t bytes_ = 0;
  std::string last_path_;
};

}  // namespace milvus_backup::meta
