/// Patterns that say which keys a command works on.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace milvus_backup::backup {

/// The patterns of CopyRules. Immutable, thread-safe.
class KeyFilter {
 public:
  KeyFilter(std::vector<std::string> include, std::vector<std::string> exclude);

  /// Whether nothing is left out.
  bool takes_all() const { return include_.empty() && exclude_.empty(); }
  bool Takes(std::string_view key) const;

 private:
  std::vector<std::string> include_;
  std::vector<std::string> exclude_;
};

/// Whether `pattern` fits the whole of `text`: `?` is a character and `*` any number of characters
/// other than a slash, `**` any number of any.
bool GlobFits(std::string_view pattern, std::string_view text);

}  // namespace milvus_backup::backup
