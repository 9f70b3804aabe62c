/// What a one-file backup says of itself in its first entry (docs/format.md, "One file"). Pure
/// functions, thread-safe.
#pragma once

#include "milvus_backup/base/bytes.h"
#include "milvus_backup/base/status.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace milvus_backup::meta {

/// Name of the first entry; all others lie in a directory called as the backup.
inline constexpr char kArchivePrefaceName[] = "milvus-backup.json";
/// A preface is a few hundred bytes; larger ones are none.
inline constexpr size_t kMaxArchivePreface = 64 * kKiB;

struct ArchivePreface {
  /// Version of the program that wrote it.
  std::string tool;
  /// Of the backup when it was exported.
  std::string name;
  /// SHA-256 of the backup's header as it lies in the archive, lower-case hex: tells backups apart
  /// before the header itself, the last entry, has come.
  std::string header_sha256;
  /// SHA-256 of the manifest's index, as the header has it; empty for a backup without one.
  std::string manifest_sha256;
  /// Of all entries that follow, and the sum of their sizes.
  uint64_t objects = 0;
  uint64_t bytes = 0;
  friend bool operator==(const ArchivePreface&, const ArchivePreface&) = default;
};

std::string EncodeArchivePreface(const ArchivePreface& preface);
/// kDataLoss for a text that is no preface, kUnimplemented when only a newer program can read the
/// archive.
Result<ArchivePreface> DecodeArchivePreface(std::string_view text);

}  // namespace milvus_backup::meta
