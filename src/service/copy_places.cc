#include "milvus_backup/service/copy_places.h"

#include "mounts.h"

#include "milvus_backup/meta/layout.h"
#include "milvus_backup/service/services.h"
#include "milvus_backup/storage/open.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string_view>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

namespace milvus_backup::service {
namespace {

namespace fs = std::filesystem;
using config::StorageKind;
using config::StorageSettings;

constexpr const char* kDisk = "the file system";

/// Absolute, without symbolic links where it exists.
Result<fs::path> Resolve(const std::string& path) {
  std::error_code error;
  const fs::path resolved = fs::weakly_canonical(fs::absolute(path, error), error);
  if (error) return InvalidArgumentError(fmt::format("'{}': {}", path, error.message()));
  return resolved.has_filename() || resolved == resolved.root_path() ? resolved
                                                                     : resolved.parent_path();
}

std::string LowerCase(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

std::string WithSlash(std::string path) {
  if (!path.empty()) path += '/';
  return path;
}

storage::Spot SpotOf(const StorageSettings& settings, const std::string& bucket,
                     const std::string& path) {
  return {fmt::format("{} at {}:{}", bucket, LowerCase(settings.address), settings.port), path};
}

std::optional<dev_t> DeviceOf(fs::path path) {
  struct stat info {};
  while (stat(path.c_str(), &info) != 0) {
    if (path == path.parent_path()) return std::nullopt;
    path = path.parent_path();
  }
  return info.st_dev;
}

struct FileId {
  dev_t device = 0;
  ino_t inode = 0;
  friend bool operator==(const FileId&, const FileId&) = default;
};

std::optional<FileId> IdOf(const fs::path& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) return std::nullopt;
  return FileId{info.st_dev, info.st_ino};
}

/// Whether the directory is `path`, or above it.
bool HoldsDirectory(const std::optional<FileId>& directory, fs::path path) {
  if (!directory) return false;
  for (;; path = path.parent_path()) {
    if (IdOf(path) == directory) return true;
    if (path == path.parent_path()) return false;
  }
}

/// The parts of file systems that a directory shows: its own place, and what is mounted below it.
std::vector<storage::Spot> ShownParts(const std::vector<Mount>& mounts, const std::string& path) {
  std::vector<storage::Spot> parts;
  const Mount* own = nullptr;
  for (const Mount& mount : mounts) {
    if (!IsAtOrBelow(path, mount.point)) {
      if (IsAtOrBelow(mount.point, path)) parts.push_back({mount.device, mount.root});
    } else if (own == nullptr || mount.point.size() >= own->point.size()) {
      own = &mount;
    }
  }
  if (own == nullptr) return parts;
  const fs::path below = fs::path(path).lexically_relative(own->point);
  const fs::path place = below == "." ? fs::path(own->root) : fs::path(own->root) / below;
  parts.push_back({own->device, place.string()});
  return parts;
}

/// What is mounted in one of them may be a part of the other: no name and no directory above tells.
bool MeetInMounts(const std::string& from, const std::string& to) {
  std::ifstream table("/proc/self/mountinfo");
  const std::vector<Mount> mounts = MountsAround(table, {from, to}, NumberOfDevice);
  for (const std::string& path : {from, to}) {
    if (std::ranges::none_of(mounts,
                             [&](const Mount& mount) { return IsAtOrBelow(path, mount.point); })) {
      return ShareADirectory(from, to);
    }
  }
  const std::vector<storage::Spot> from_parts = ShownParts(mounts, from);
  const std::vector<storage::Spot> to_parts = ShownParts(mounts, to);
  return std::ranges::any_of(from_parts, [&](const storage::Spot& one) {
    return std::ranges::any_of(to_parts, [&](const storage::Spot& other) {
      return storage::OverlapOf(one, other) != storage::Overlap::kNone;
    });
  });
}

/// A directory is opened at its parent where that can be: locks and temporary files then lie beside
/// the tree and not in it, as they do for a backup root.
bool CanOpenParent(const fs::path& path) {
  const fs::path parent = path.parent_path();
  if (parent == path) return false;
  std::error_code error;
  if (!fs::exists(parent, error)) return true;
  return access(parent.c_str(), W_OK | X_OK) == 0 && DeviceOf(parent) == DeviceOf(path);
}

Result<CopySide> OpenDirectory(const std::string& text) {
  MB_ASSIGN_OR_RETURN(const fs::path path, Resolve(text));
  CopySide side;
  const bool at_parent = CanOpenParent(path);
  const fs::path root = at_parent ? path.parent_path() : path;
  MB_ASSIGN_OR_RETURN(side.backend, storage::OpenLocal({.root = root.string()}));
  side.tree = {.backend = side.backend.get(),
               .dir = at_parent ? path.filename().string() + "/" : "",
               .is_disk = true};
  side.spot = {kDisk, path.string()};
  return side;
}

Result<CopySide> OpenInBucket(const StorageSettings& settings, const std::string& bucket,
                              const std::string& path) {
  CopySide side;
  MB_ASSIGN_OR_RETURN(side.backend, OpenBucket(settings, bucket));
  side.tree = {.backend = side.backend.get(), .dir = WithSlash(path)};
  side.spot = SpotOf(settings, bucket, path);
  return side;
}

}  // namespace

Result<CopySide> OpenBackupRoot(const StorageSettings& settings) {
  CopySide side;
  backup::Place place;
  MB_ASSIGN_OR_RETURN(side.backend, OpenPlace(settings, place));
  const bool is_disk = settings.kind == StorageKind::kLocal;
  side.tree = {.backend = side.backend.get(),
               .dir = WithSlash(meta::JoinPath(place.root, "")),
               .is_disk = is_disk};
  if (!is_disk) {
    side.spot = SpotOf(settings, settings.bucket, meta::JoinPath(place.root, ""));
    return side;
  }
  MB_ASSIGN_OR_RETURN(const fs::path path, Resolve(settings.root_path));
  side.spot = {kDisk, path.string()};
  return side;
}

Result<CopySide> OpenTree(const StorageSettings& settings) {
  if (settings.kind == StorageKind::kLocal) return OpenDirectory(settings.root_path);
  return OpenInBucket(settings, settings.bucket, settings.root_path);
}

Status Narrow(CopySide& side, const std::string& name) {
  MB_RETURN_IF_ERROR(meta::BackupDir("", name).status());
  side.tree.dir += name + "/";
  side.spot.path = side.spot.path.empty() ? name : side.spot.path + "/" + name;
  if (!side.tree.is_disk) return Status::Ok();
  // The directory of the backup may itself be a link.
  MB_ASSIGN_OR_RETURN(const fs::path path, Resolve(side.spot.path));
  side.spot.path = path.string();
  return Status::Ok();
}

Status CheckIsDirectory(const CopySide& side, const std::string& text) {
  if (!side.tree.is_disk) return Status::Ok();
  std::error_code error;
  const fs::file_status status = fs::status(side.spot.path, error);
  if (fs::is_directory(status)) return Status::Ok();
  if (fs::exists(status)) {
    return InvalidArgumentError(fmt::format("'{}' is no directory", text))
        .WithAdvice("copy takes directories; a single file of one goes with --include NAME");
  }
  if (!fs::is_symlink(fs::symlink_status(side.spot.path, error))) return Status::Ok();
  return InvalidArgumentError(fmt::format("'{}' is a symbolic link that leads nowhere", text));
}

Status CheckSidesApart(const CopySide& source, const CopySide& destination) {
  MB_RETURN_IF_ERROR(storage::CheckApart(source.spot, destination.spot));
  if (!source.tree.is_disk || !destination.tree.is_disk) return Status::Ok();
  const std::string& from = source.spot.path;
  const std::string& to = destination.spot.path;
  const std::optional<FileId> from_id = IdOf(from);
  const std::optional<FileId> to_id = IdOf(to);
  if (from_id && from_id == to_id) {
    return InvalidArgumentError(fmt::format(
        "source and destination are the same place: '{}' and '{}' are one directory", from, to));
  }
  if (HoldsDirectory(from_id, to)) {
    return InvalidArgumentError(
        fmt::format("the destination '{}' lies inside the source '{}'", to, from));
  }
  if (HoldsDirectory(to_id, from)) {
    return InvalidArgumentError(
        fmt::format("the source '{}' lies inside the destination '{}'", from, to));
  }
  if (MeetInMounts(from, to)) {
    return InvalidArgumentError(
               fmt::format("a part of the source '{}' is a part of the destination '{}', by way of "
                           "what is mounted there",
                           from, to))
        .WithAdvice(
            "copy to a place that is not mounted inside the source, nor the other way round");
  }
  return Status::Ok();
}

}  // namespace milvus_backup::service
