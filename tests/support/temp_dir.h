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

}  // namespace milvus_backup::testing
