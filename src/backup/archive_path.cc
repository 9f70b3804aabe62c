#include "archive_path.h"

#include "copy_survey.h"

#include "milvus_backup/base/encoding.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>

namespace milvus_backup::backup {
namespace {

/// Keys of S3 have at most 1024 bytes, root and name of the backup included.
constexpr size_t kMaxPath = 900;
constexpr size_t kMaxShown = 200;

bool IsControl(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }

std::string_view Fault(std::string_view path) {
  if (path.size() > kMaxPath) return "is too long";
  if (std::ranges::any_of(path, IsControl)) return "holds control characters";
  std::string_view rest = path;
  while (true) {
    const size_t slash = rest.find('/');
    const std::string_view element = rest.substr(0, slash);
    if (element.empty() || element == "." || element == "..") {
      return "has an element that leads elsewhere";
    }
    if (slash == std::string_view::npos) break;
    rest.remove_prefix(slash + 1);
  }
  const bool inside =
      path.starts_with("meta/") || path.starts_with("binlogs/") || path.starts_with("bundle/");
  if (!inside) return "is not what backups hold";
  std::string_view dir;
  if (IsMarkerKey(path, dir) || IsLockKey(path)) return "is the mark of a run at work";
  if (IsTombstoneKey(path, dir) || IsTagsKey(path, dir)) return "is no part of a backup";
  if (IsHeaderKey(path, dir) && !dir.empty()) return "is the header of another backup";
  return {};
}

}  // namespace

Status CheckArchivePath(std::string_view path) {
  const std::string_view fault = Fault(path);
  if (fault.empty()) return Status::Ok();
  return InvalidArgumentError(fmt::format("'{}' {}", ForMessage(path), fault));
}

std::string ForMessage(std::string_view name) {
  std::string shown = Printable(name.substr(0, kMaxShown));
  if (name.size() > kMaxShown) shown += "...";
  return shown;
}

}  // namespace milvus_backup::backup
