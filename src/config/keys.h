/// Every configuration key, with its names in both versions of the file format.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace milvus_backup::config {

enum class Version { kV1, kV2 };

enum class Kind {
  kText,
  /// Masked when shown; may be named by a `…File` key instead.
  kSecret,
  kBool,
  /// A whole number from `min` to `max`.
  kNumber,
  /// Texts, separated by commas in version 1.
  kList,
  /// Texts in which commas stand for nothing else: a list, or one text.
  kWords,
};

/// In which versions a key takes the value of its counterpart of `milvus.storage` when absent.
enum class Inherits { kNever, kV1, kV2, kAlways };

/// One row. The code knows a key by its v2 name, or by the first v1 name where v2 has no such key.
struct Key {
  /// Names separated by spaces, the first one present wins; empty when the version lacks the key.
  std::string_view v1;
  std::string_view v1_environment;
  std::string_view v2;
  std::string_view v2_environment;
  std::string_view fallback;
  Kind kind = Kind::kText;
  int64_t min = 0;
  int64_t max = 0;
  Inherits inherits = Inherits::kNever;
};

/// All rows, those others inherit from first.
std::span<const Key> Keys();

/// A row as one version sees it.
struct Parameter {
  std::string id;
  /// Accepted names; the first one present wins. Messages use the first.
  std::vector<std::string> names;
  /// Environment variable; empty when none.
  std::string environment;
  std::string fallback;
  Kind kind = Kind::kText;
  int64_t min = 0;
  int64_t max = 0;
  /// Id of the parameter whose value replaces the fallback; empty when none.
  std::string inherits;
};

bool HasKey(const Key& key, Version version);
std::string IdOf(const Key& key);
Parameter ToParameter(const Key& key, Version version);

/// Keys of older releases that may stay in a v1 file and mean nothing.
std::span<const std::string_view> ForgottenV1Keys();

std::string ToLower(std::string_view text);

}  // namespace milvus_backup::config
