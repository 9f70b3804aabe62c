#include "support/status_matchers.h"
#include "support/temp_dir.h"

#include "milvus_backup/storage/local_backend.h"

#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <string>
#include <sys/resource.h>
#include <unistd.h>

namespace milvus_backup::testing {
namespace {

using namespace storage;  // NOLINT(google-build-using-namespace)

/// Files of this process cannot grow beyond a limit while it lives: a write fails as on a full
/// disk.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    std::signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before_);
    rlimit lower = before_;
    lower.rlim_cur = bytes;
    EXPECT_EQ(setrlimit(RLIMIT_FSIZE, &lower), 0);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;
  ~FileSizeLimit() { setrlimit(RLIMIT_FSIZE, &before_); }

 private:
  rlimit before_{};
};

size_t FilesBelow(const std::string& directory) {
  size_t files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    files += entry.is_regular_file() ? 1 : 0;
  }
  return files;
}

TEST(LocalFault, FailedWriteLeavesTheOldObjectAndNoRubbish) {
  const TempDir directory;
  ASSERT_OK_AND_ASSIGN(const auto backend, CreateLocalBackend({.root = directory.path()}));
  ASSERT_OK(backend->Put({}, "d/k", AsBytes("old"), {}));
  const std::string large(100'000, 'x');
  {
    const FileSizeLimit limit(10'000);
    const Result<ObjectInfo> put = backend->Put({}, "d/k", AsBytes(large), {});
    ASSERT_THAT(put, IsError(Code::kResourceExhausted, "writing"));
    EXPECT_EQ(put.status().retry_class(), RetryClass::kNever);
    EXPECT_EQ(put.status().origin(), Origin::kStorage);
  }
  ASSERT_OK_AND_ASSIGN(const std::string bytes, ReadAll({}, *backend, "d/k", 10));
  EXPECT_EQ(bytes, "old");
  EXPECT_EQ(FilesBelow(directory.path()), 1U);
}

TEST(LocalFault, FailedPartCanBeSentAgain) {
  const TempDir directory;
  ASSERT_OK_AND_ASSIGN(const auto backend, CreateLocalBackend({.root = directory.path()}));
  ASSERT_OK_AND_ASSIGN(const auto upload, backend->StartUpload({}, "k", {false, 50'000, false}));
  const std::string part(50'000, 'x');
  {
    const FileSizeLimit limit(10'000);
    EXPECT_THAT(upload->UploadPart({}, 1, AsBytes(part), {}),
                IsError(Code::kResourceExhausted, ""));
  }
  ASSERT_OK_AND_ASSIGN(const PartInfo info, upload->UploadPart({}, 1, AsBytes(part), {}));
  EXPECT_OK(upload->Complete({}, {info}));
  EXPECT_EQ(FilesBelow(directory.path()), 1U);
}

TEST(LocalFault, FileInPlaceOfTheRootIsTold) {
  const TempDir directory;
  ASSERT_OK_AND_ASSIGN(const auto backend, CreateLocalBackend({.root = directory.path()}));
  ASSERT_OK(backend->Put({}, "file", AsBytes("x"), {}));
  ASSERT_OK_AND_ASSIGN(const auto inside, CreateLocalBackend({.root = directory.path() + "/file"}));
  EXPECT_THAT(inside->CheckAccess({}), IsError(Code::kFailedPrecondition, "file"));
  EXPECT_FALSE(inside->CreateContainer({}).ok());
  EXPECT_FALSE(inside->Put({}, "k", AsBytes("x"), {}).ok());
}

}  // namespace
}  // namespace milvus_backup::testing
