#include "milvus_backup/milvus/version.h"

#include <cstddef>
#include <optional>
#include <string>

namespace milvus_backup::milvus {
namespace {

constexpr int kNewestPatch = 9999;
/// Longer runs of digits are dates or build numbers, not parts of a version.
constexpr size_t kMaxDigits = 5;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

/// Take a number from the front of `text`.
std::optional<int> TakeNumber(std::string_view& text) {
  size_t length = 0;
  int value = 0;
  while (length < text.size() && IsDigit(text[length])) {
    if (length == kMaxDigits) return std::nullopt;
    value = value * 10 + (text[length++] - '0');
  }
  if (length == 0) return std::nullopt;
  text.remove_prefix(length);
  return value;
}

std::optional<int> TakeDotNumber(std::string_view& text) {
  if (text.empty() || text.front() != '.') return std::nullopt;
  std::string_view rest = text.substr(1);
  const std::optional<int> value = TakeNumber(rest);
  if (value) text = rest;
  return value;
}

/// `[v]MAJOR.MINOR[.PATCH]` at the very start of `text`.
std::optional<Version> VersionAtStart(std::string_view text) {
  if (!text.empty() && (text.front() == 'v' || text.front() == 'V')) text.remove_prefix(1);
  const std::optional<int> major = TakeNumber(text);
  if (!major) return std::nullopt;
  const std::optional<int> minor = TakeDotNumber(text);
  if (!minor) return std::nullopt;
  return Version{
      .major = *major, .minor = *minor, .patch = TakeDotNumber(text).value_or(kNewestPatch)};
}

}  // namespace

ParsedVersion ParseVersion(std::string_view text) {
  if (const auto version = VersionAtStart(text)) return {.known = true, .version = *version};
  constexpr std::string_view kName = "milvus";
  constexpr std::string_view kSeparators = " -_:/=";
  for (size_t at = text.find(kName); at != std::string_view::npos; at = text.find(kName, at + 1)) {
    std::string_view rest = text.substr(at + kName.size());
    const size_t skipped = rest.find_first_not_of(kSeparators);
    if (skipped == std::string_view::npos) break;
    rest.remove_prefix(skipped);
    if (const auto version = VersionAtStart(rest)) return {.known = true, .version = *version};
  }
  return {};
}

Status CheckVersion(std::string_view text) {
  if (ParseVersion(text).known) return Status::Ok();
  return InvalidArgumentError("'" + std::string(text) + "' is no version of Milvus")
      .WithAdvice("give one such as 2.3.5");
}

}  // namespace milvus_backup::milvus
