/// One line of a manifest part. Pure functions.
#pragma once

#include "milvus_backup/base/status.h"
#include "milvus_backup/meta/manifest.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace milvus_backup::meta {

/// Oldest and newest layout of index and parts that this program reads; it writes the newest.
inline constexpr int kManifestVersion = 1;
/// A part that is larger was not written by a program that keeps to the format, bytes.
inline constexpr uint64_t kMaxManifestPart = 64ULL << 20U;
/// An object key of S3 has at most 1024 bytes; each may need six in JSON.
inline constexpr size_t kMaxManifestLine = 8192;

/// The entry as JSON with a newline at its end; kInvalidArgument when the path is not UTF-8.
Result<std::string> EncodeManifestLine(const ManifestEntry& entry);
/// kDataLoss when the line (without newline) is not an entry.
Result<ManifestEntry> DecodeManifestLine(std::string_view line);

}  // namespace milvus_backup::meta
