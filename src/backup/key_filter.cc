#include "key_filter.h"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace milvus_backup::backup {
namespace {

/// A place to go back to when the text after a star does not fit: the star takes one more.
struct Retry {
  size_t pattern = std::string_view::npos;
  size_t text = 0;
  bool set() const { return pattern != std::string_view::npos; }
};

/// Slashes at the ends say nothing: patterns begin at the tree, and fit directories as a whole.
std::string Trim(std::string pattern) {
  while (pattern.ends_with('/')) pattern.pop_back();
  pattern.erase(0, std::min(pattern.find_first_not_of('/'), pattern.size()));
  return pattern;
}

bool FitsAnElement(std::string_view pattern, std::string_view key) {
  while (true) {
    const size_t slash = key.find('/');
    if (GlobFits(pattern, key.substr(0, slash))) return true;
    if (slash == std::string_view::npos) return false;
    key.remove_prefix(slash + 1);
  }
}

bool FitsKeyOrDirectory(std::string_view pattern, std::string_view key) {
  for (size_t slash = key.find('/'); slash != std::string_view::npos;
       slash = key.find('/', slash + 1)) {
    if (GlobFits(pattern, key.substr(0, slash))) return true;
  }
  return GlobFits(pattern, key);
}

bool Fits(const std::string& pattern, std::string_view key) {
  return pattern.find('/') == std::string::npos && pattern != "**"
             ? FitsAnElement(pattern, key)
             : FitsKeyOrDirectory(pattern, key);
}

}  // namespace

KeyFilter::KeyFilter(std::vector<std::string> include, std::vector<std::string> exclude)
    : include_(std::move(include)), exclude_(std::move(exclude)) {
  std::ranges::transform(include_, include_.begin(), Trim);
  std::ranges::transform(exclude_, exclude_.begin(), Trim);
}

bool KeyFilter::Takes(std::string_view key) const {
  const auto fits = [key](const std::string& pattern) { return Fits(pattern, key); };
  if (!include_.empty() && std::ranges::none_of(include_, fits)) return false;
  return std::ranges::none_of(exclude_, fits);
}

// The last star of either kind is all that has to be remembered: whatever an earlier one could
// take, the later one of the same kind can.
bool GlobFits(std::string_view pattern, std::string_view text) {
  size_t p = 0;
  size_t t = 0;
  Retry star;
  Retry double_star;
  while (t < text.size() || p < pattern.size()) {
    if (pattern.substr(p).starts_with("**")) {
      p += 2;
      double_star = {p, t};
      star = {};
      continue;
    }
    if (p < pattern.size() && pattern[p] == '*') {
      star = {++p, t};
      continue;
    }
    const bool fits = p < pattern.size() && t < text.size() &&
                      (pattern[p] == text[t] || (pattern[p] == '?' && text[t] != '/'));
    if (fits) {
      ++p;
      ++t;
    } else if (star.set() && star.text < text.size() && text[star.text] != '/') {
      p = star.pattern;
      t = ++star.text;
    } else if (double_star.set() && double_star.text < text.size()) {
      star = {};
      p = double_star.pattern;
      t = ++double_star.text;
    } else {
      return false;
    }
  }
  return true;
}

}  // namespace milvus_backup::backup
