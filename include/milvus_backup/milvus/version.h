/// Versions as Milvus servers report them.
#pragma once

#include "milvus_backup/base/status.h"

#include <compare>
#include <string>
#include <string_view>

namespace milvus_backup::milvus {

struct Version {
  int major = 0;
  int minor = 0;
  int patch = 0;
  // clang-tidy 14 takes the defaulted comparison for a null pointer.
  // NOLINTNEXTLINE(modernize-use-nullptr)
  friend auto operator<=>(const Version&, const Version&) = default;
};

/// Accepts `v2.5.20`, `2.3.5`, `v2.3.5-lite`, `2.6-20260404-…` (a missing patch counts as the
/// newest of its line, 9999), and a version after the word "milvus". A text without a version (a
/// build of the master branch, an empty tag) is unknown: features are then found by asking, never
/// assumed.
struct ParsedVersion {
  bool known = false;
  Version version;
};
ParsedVersion ParseVersion(std::string_view text);

/// kInvalidArgument when the text holds no version.
Status CheckVersion(std::string_view text);

}  // namespace milvus_backup::milvus
