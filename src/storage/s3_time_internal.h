/// The date formats of S3 replies. Pure functions; an unreadable text gives the epoch.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace milvus_backup::storage {

/// `2026-01-02T03:04:05.678Z`, with or without a fraction.
std::chrono::system_clock::time_point ParseIso8601(std::string_view text);
/// `Fri, 02 Jan 2026 03:04:05 GMT` (RFC 9110 §5.6.7, the preferred form).
std::optional<std::chrono::system_clock::time_point> ParseHttpDate(std::string_view text);

}  // namespace milvus_backup::storage
