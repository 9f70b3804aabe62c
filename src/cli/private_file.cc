#include "private_file.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <string>
#include <system_error>
#include <unistd.h>

namespace milvus_backup::cli {
namespace {

Status FileError(const std::string& path, int error) {
  return FailedPreconditionError(
      fmt::format("cannot write {}: {}", path, std::generic_category().message(error)));
}

// 0 or the error number.
int WriteAndClose(int file, std::string_view text) {
  int error = 0;
  while (error == 0 && !text.empty()) {
    const ssize_t written = write(file, text.data(), text.size());
    if (written >= 0) {
      text.remove_prefix(static_cast<size_t>(written));
    } else if (errno != EINTR) {
      error = errno;
    }
  }
  if (close(file) != 0 && error == 0) error = errno;
  return error;
}

}  // namespace

Status WritePrivateFile(const std::string& path, std::string_view text, bool overwrite) {
  std::string written = path;
  int file = -1;
  if (overwrite) {
    written += ".XXXXXX";
    file = mkstemp(written.data());  // mode 0600
  } else {
    file = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0 && errno == EEXIST) return AlreadyExistsError(path + " exists already");
  }
  if (file < 0) return FileError(path, errno);
  int error = WriteAndClose(file, text);
  if (error == 0 && overwrite && std::rename(written.c_str(), path.c_str()) != 0) error = errno;
  if (error == 0) return Status::Ok();
  unlink(written.c_str());
  return FileError(path, error);
}

}  // namespace milvus_backup::cli
