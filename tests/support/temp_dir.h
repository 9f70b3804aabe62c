/// A directory that vanishes with the object.
#pragma once

#include <string>

namespace milvus_backup::testing {

class TempDir {
 public:
  TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir();

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// Leave beside `path`, whose directories are made where they are missing, what the local storage
/// writes to before it renames; returns its path.
std::string LeaveTemporary(const std::string& path);

}  // namespace milvus_backup::testing
