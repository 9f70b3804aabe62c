#include "local_file.h"

#include <fmt/format.h>

#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

namespace milvus_backup::migration {

Result<FileVersion> LookAtFile(const std::string& path, const std::string& key) {
  // Without O_NONBLOCK a pipe would be waited for.
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  const int error = errno;
  struct stat info = {};
  const bool is_file = file >= 0 && ::fstat(file, &info) == 0 && S_ISREG(info.st_mode);
  if (file >= 0) ::close(file);
  if (!is_file) {
    const std::string why = file < 0 ? std::generic_category().message(error) : "it is no file";
    return NotFoundError(fmt::format("cannot read {}: {}", path, why))
        .WithOrigin(Origin::kConfig)
        .WithAdvice(fmt::format("correct {}", key));
  }
  return FileVersion{.size = static_cast<uint64_t>(info.st_size),
                     .mark = fmt::format("{}:{}:{}.{:09d}", path, info.st_size, info.st_mtim.tv_sec,
                                         info.st_mtim.tv_nsec)};
}

}  // namespace milvus_backup::migration
