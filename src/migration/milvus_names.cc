#include "milvus_names.h"

#include <fmt/format.h>

#include <cstddef>
#include <set>

namespace milvus_backup::migration {
namespace {

/// Longest name Milvus takes, bytes.
constexpr size_t kMaxName = 255;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

}  // namespace

std::string MilvusName(std::string_view name) {
  std::string result;
  if (name.empty() || IsDigit(name.front())) result = "_";
  for (const char c : name) result += IsLetter(c) || IsDigit(c) ? c : '_';
  return result.substr(0, kMaxName);
}

std::map<std::string, std::string> MilvusNames(const std::vector<std::string>& names) {
  std::map<std::string, std::string> result;
  std::set<std::string> taken;
  for (const std::string& name : names) {
    if (MilvusName(name) != name) continue;
    result[name] = name;
    taken.insert(name);
  }
  for (const std::string& name : names) {
    if (result.contains(name)) continue;
    const std::string base = MilvusName(name);
    std::string free = base;
    for (int number = 2; taken.contains(free); ++number) {
      const std::string suffix = fmt::format("_{}", number);
      free = base.substr(0, kMaxName - suffix.size()) + suffix;
    }
    taken.insert(free);
    result[name] = free;
  }
  return result;
}

}  // namespace milvus_backup::migration
