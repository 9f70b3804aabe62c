#include "milvus_backup/storage/location.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace milvus_backup::storage {
namespace {

constexpr std::string_view kGrammar =
    "write NAME:BUCKET/PREFIX with a name from storages: (or milvus, backup), s3://BUCKET/PREFIX, "
    "or a path";

bool IsControl(unsigned char c) { return c < 0x20 || c == 0x7F; }

bool IsNameCharacter(unsigned char c) { return std::isalnum(c) != 0 || c == '-' || c == '_'; }

Status Wrong(std::string_view text, std::string_view problem) {
  return InvalidArgumentError(fmt::format("'{}': {}", text, problem))
      .WithAdvice(std::string(kGrammar));
}

Status CheckElements(std::string_view text, std::string_view path) {
  size_t start = 0;
  while (start <= path.size()) {
    const size_t slash = std::min(path.find('/', start), path.size());
    const std::string_view element = path.substr(start, slash - start);
    if (element.empty()) return Wrong(text, "the prefix has an empty element");
    if (element == "." || element == "..") {
      return Wrong(text,
                   fmt::format("a bucket has no directories to go through with '{}'", element));
    }
    start = slash + 1;
  }
  return Status::Ok();
}

Status SplitBucket(std::string_view rest, Location& location) {
  while (rest.ends_with('/')) rest.remove_suffix(1);
  const size_t slash = rest.find('/');
  location.bucket = rest.substr(0, slash);
  if (location.bucket.empty()) return Wrong(location.text, "it names no bucket");
  if (slash != std::string_view::npos) location.path = rest.substr(slash + 1);
  return CheckElements(location.text, rest);
}

bool IsInside(std::string_view inner, std::string_view outer) {
  if (outer.empty() || outer == "/") return true;
  return inner.size() > outer.size() && inner.starts_with(outer) && inner[outer.size()] == '/';
}

}  // namespace

Result<Location> ParseLocation(std::string_view text) {
  if (std::ranges::any_of(text, IsControl)) {
    return InvalidArgumentError("a place has a control character in it").WithAdvice("remove it");
  }
  Location location{.text = std::string(text)};
  if (text.empty()) return Wrong(text, "it is empty");
  if (text.starts_with("file://")) {
    location.path = text.substr(std::string_view("file://").size());
    if (!location.path.starts_with('/')) return Wrong(text, "file:// takes an absolute path");
    return location;
  }
  const size_t colon = text.find(':');
  const bool has_name = colon != std::string_view::npos && colon > 0 &&
                        std::ranges::all_of(text.substr(0, colon), IsNameCharacter);
  if (!has_name) {
    location.path = text;
    return location;
  }
  std::string_view rest = text.substr(colon + 1);
  if (text.starts_with("s3://")) {
    location.kind = Location::Kind::kBackup;
    rest.remove_prefix(2);
  } else if (rest.starts_with("//")) {
    return Wrong(text, fmt::format("there is no scheme {}://", text.substr(0, colon)));
  } else {
    location.kind = Location::Kind::kNamed;
    location.name = text.substr(0, colon);
  }
  MB_RETURN_IF_ERROR(SplitBucket(rest, location));
  return location;
}

Overlap OverlapOf(const Spot& first, const Spot& second) {
  if (first.container != second.container) return Overlap::kNone;
  if (first.path == second.path) return Overlap::kSame;
  if (IsInside(first.path, second.path)) return Overlap::kFirstInSecond;
  return IsInside(second.path, first.path) ? Overlap::kSecondInFirst : Overlap::kNone;
}

Status CheckApart(const Spot& source, const Spot& destination) {
  switch (OverlapOf(source, destination)) {
    case Overlap::kNone:
      return Status::Ok();
    case Overlap::kSame:
      return InvalidArgumentError(fmt::format(
          "source and destination are the same place, {} in {}",
          source.path.empty() ? "everything" : "'" + source.path + "'", source.container));
    case Overlap::kFirstInSecond:
      return InvalidArgumentError(fmt::format("the source '{}' lies inside the destination '{}'",
                                              source.path, destination.path));
    case Overlap::kSecondInFirst:
      break;
  }
  return InvalidArgumentError(fmt::format("the destination '{}' lies inside the source '{}'",
                                          destination.path, source.path));
}

}  // namespace milvus_backup::storage
