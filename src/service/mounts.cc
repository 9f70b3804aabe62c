#include "mounts.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <sstream>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <system_error>
#include <utility>

namespace milvus_backup::service {
namespace {

/// Blanks and backslashes stand there as `\040`.
std::string Unescape(std::string_view text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    const std::string_view digits = text.substr(i + 1).substr(0, 3);
    const bool escaped = text[i] == '\\' && digits.size() == 3 &&
                         digits.find_first_not_of("01234567") == std::string_view::npos;
    plain +=
        escaped
            ? static_cast<char>((digits[0] - '0') * 64 + (digits[1] - '0') * 8 + digits[2] - '0')
            : text[i];
    if (escaped) i += digits.size();
  }
  return plain;
}

using DirectoryIds = std::set<std::pair<dev_t, ino_t>>;

bool AddDirectory(const std::filesystem::path& path, DirectoryIds& ids) {
  struct stat info {};
  if (lstat(path.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) return false;
  ids.emplace(info.st_dev, info.st_ino);
  return true;
}

DirectoryIds DirectoriesBelow(std::filesystem::path path) {
  DirectoryIds ids;
  if (!AddDirectory(path, ids)) {
    while (path != path.parent_path() && !AddDirectory(path, ids)) path = path.parent_path();
    return ids;
  }
  std::error_code error;
  std::filesystem::recursive_directory_iterator entry(
      path, std::filesystem::directory_options::skip_permission_denied, error);
  for (; !error && entry != std::filesystem::end(entry); entry.increment(error)) {
    AddDirectory(entry->path(), ids);
  }
  return ids;
}

}  // namespace

bool IsAtOrBelow(std::string_view path, std::string_view directory) {
  if (directory == "/") return true;
  return path.starts_with(directory) &&
         (path.size() == directory.size() || path[directory.size()] == '/');
}

std::string NumberOfDevice(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) return "";
  return fmt::format("{}:{}", major(info.st_dev), minor(info.st_dev));
}

std::vector<Mount> MountsAround(
    std::istream& table, const std::vector<std::string>& places,
    const std::function<std::string(const std::string& point)>& number_of_device) {
  std::vector<Mount> mounts;
  for (std::string line; std::getline(table, line);) {
    std::istringstream words(line);
    std::string id;
    std::string parent;
    Mount mount;
    if (!(words >> id >> parent >> mount.device >> mount.root >> mount.point)) continue;
    mount.root = Unescape(mount.root);
    mount.point = Unescape(mount.point);
    const bool is_around = std::ranges::any_of(places, [&](const std::string& place) {
      return IsAtOrBelow(place, mount.point) || IsAtOrBelow(mount.point, place);
    });
    if (!is_around || number_of_device(mount.point) != mount.device) continue;
    mounts.push_back(std::move(mount));
  }
  return mounts;
}

bool ShareADirectory(const std::string& one, const std::string& other) {
  const DirectoryIds here = DirectoriesBelow(one);
  const DirectoryIds there = DirectoriesBelow(other);
  return std::ranges::any_of(there, [&](const auto& id) { return here.contains(id); });
}

}  // namespace milvus_backup::service
