#include "support/status_matchers.h"
#include "support/temp_dir.h"

#include "milvus_backup/backup/delete.h"
#include "milvus_backup/meta/run_record.h"
#include "milvus_backup/meta/writer.h"
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

TEST(LocalFault, ABackupIsDeletedFromAFullDisk) {
  const TempDir directory;
  ASSERT_OK_AND_ASSIGN(const auto backend, CreateLocalBackend({.root = directory.path()}));
  const backup::Place place{.backend = backend.get(), .root = "backup"};
  ASSERT_OK(meta::WriteBackup({}, *backend, "backup/b/", {.name = "b"}));
  ASSERT_OK(backend->Put({}, "backup/b/binlogs/insert_log/1/2/3/3/100/4", AsBytes("log"), {}));
  ASSERT_OK(backend->Put({}, "kept", AsBytes("x"), {}));
  meta::RunRecord other = meta::NewRunRecord("create", "b");
  const std::string lock = "backup/.locks/b/" + other.run_id + ".json";
  ASSERT_OK(meta::WriteRunRecord({}, *backend, lock, other));
  {
    const FileSizeLimit limit(0);
    EXPECT_THAT(backup::DeleteBackup({}, place, "b").status(),
                IsError(Code::kAlreadyExists, "create by process"));
  }
  ASSERT_OK(backend->Delete({}, lock));
  {
    const FileSizeLimit limit(0);
    EXPECT_OK(backup::DeleteBackup({}, place, "b").status());
  }
  EXPECT_EQ(FilesBelow(directory.path()), 1U);
  EXPECT_FALSE(std::filesystem::exists(directory.path() + "/backup"));
}

TEST(LocalFault, AnUploadThatCannotBeStartedLeavesNothing) {
  const TempDir directory;
  ASSERT_OK_AND_ASSIGN(const auto backend, CreateLocalBackend({.root = directory.path()}));
  {
    const FileSizeLimit limit(0);
    EXPECT_THAT(backend->StartUpload({}, "k", {false, 50'000, false}).status(),
                IsError(Code::kResourceExhausted, ""));
  }
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
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
