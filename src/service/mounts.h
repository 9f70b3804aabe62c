/// The file systems that are mounted around some directories.
#pragma once

#include <functional>
#include <istream>
#include <string>
#include <string_view>
#include <vector>

namespace milvus_backup::service {

/// One line of /proc/self/mountinfo (proc(5)): the directory `root` of a file system is at `point`.
struct Mount {
  std::string device;
  std::string root;
  std::string point;
};

/// Whether the absolute `path` is `directory`, or lies below it.
bool IsAtOrBelow(std::string_view path, std::string_view directory);

/// Number of the device that is at a path, `MAJOR:MINOR`; empty when nothing is to be seen there.
std::string NumberOfDevice(const std::string& path);

/// The mounts of `table` (in the form of mountinfo) at, above or below one of the `places`, which
/// are absolute, as far as they are to be seen under their names. Only their points are asked for
/// with `number_of_device`: another one may be of a server that never answers.
std::vector<Mount> MountsAround(
    std::istream& table, const std::vector<std::string>& places,
    const std::function<std::string(const std::string& point)>& number_of_device);

/// Whether a directory at or below one of the absolute paths is also to be found at or below the
/// other, told by device and inode; of a path that does not exist the nearest directory above it is
/// looked at instead. Reads all directories of both, for where the table of mounts does not help:
/// in a root directory that is no mount point (chroot) the table leaves out what lies above.
bool ShareADirectory(const std::string& one, const std::string& other);

}  // namespace milvus_backup::service
