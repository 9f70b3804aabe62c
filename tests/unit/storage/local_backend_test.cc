#include "milvus_backup/storage/local_backend.h"

#include "storage/local_delete_internal.h"
#include "storage/local_file_internal.h"
#include "support/status_matchers.h"
#include "support/temp_dir.h"

#include "milvus_backup/storage/tree.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <stop_token>
#include <string>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace milvus_backup::storage {
namespace {

using milvus_backup::testing::IsError;
using milvus_backup::testing::TempDir;

namespace fs = std::filesystem;

class LocalTest : public ::testing::Test {
 protected:
  LocalTest() : root_(directory_.path() + "/root") {
    Result<std::unique_ptr<Backend>> local =
        CreateLocalBackend({.root = root_, .create = true, .fsync = false});
    EXPECT_OK(local);
    backend_ = *std::move(local);
  }

  Status Put(const std::string& key, std::string_view bytes = "x") {
    const Result<ObjectInfo> put = backend_->Put({}, key, AsBytes(bytes), {});
    return put.ok() ? Status::Ok() : put.status();
  }
  std::vector<std::string> Keys() {
    std::vector<std::string> keys;
    EXPECT_OK(ForEachObject({}, *backend_, "", [&](const ObjectInfo& object) {
      keys.push_back(object.key);
      return Status::Ok();
    }));
    return keys;
  }

  TempDir directory_;
  std::string root_;
  std::unique_ptr<Backend> backend_;
};

TEST_F(LocalTest, RefusesKeysThatLeaveTheRoot) {
  for (const std::string& key :
       {std::string(""), std::string("/etc/passwd"), std::string("../x"), std::string("a/../../x"),
        std::string("a/.."), std::string("./a"), std::string("a//b"), std::string("a/"),
        std::string("a\nb"), std::string("a\0b", 3), std::string(256, 'x'),
        std::string(".mb-uploads/x"), std::string("d/.f.0123456789abcdef.mbtmp")}) {
    EXPECT_THAT(Put(key), IsError(Code::kInvalidArgument, "local storage")) << key;
    EXPECT_THAT(backend_->Stat({}, key), IsError(Code::kInvalidArgument, "")) << key;
    EXPECT_THAT(backend_->Delete({}, key), IsError(Code::kInvalidArgument, "")) << key;
  }
  ListRequest request;
  request.prefix = "../";
  EXPECT_THAT(backend_->List({}, request), IsError(Code::kInvalidArgument, ""));
  EXPECT_FALSE(fs::exists(directory_.path() + "/x"));
  EXPECT_OK(Put(std::string(255, 'x')));
  EXPECT_OK(Put("..a/...b/.c"));
  EXPECT_OK(Put("x/.mb-uploads"));
}

TEST_F(LocalTest, TemporariesAreHiddenAndGoneAfterwards) {
  ASSERT_OK(Put("d/f"));
  std::ofstream(root_ + "/d/.f.0123456789abcdef.mbtmp") << "left by a crash";
  fs::create_directories(root_ + "/.mb-uploads/0123456789abcdef");
  EXPECT_EQ(Keys(), std::vector<std::string>{"d/f"});
  int entries = 0;
  for ([[maybe_unused]] const auto& entry : fs::directory_iterator(root_ + "/d")) ++entries;
  EXPECT_EQ(entries, 2);
  ListRequest request;
  request.delimiter = "/";
  ASSERT_OK_AND_ASSIGN(const ListPage page, backend_->List({}, request));
  EXPECT_EQ(page.prefixes, std::vector<std::string>{"d/"});
}

TEST_F(LocalTest, EmptyDirectoriesAreNoPrefixes) {
  fs::create_directories(root_ + "/empty/deeper");
  ASSERT_OK(Put("full/f"));
  ListRequest request;
  request.delimiter = "/";
  ASSERT_OK_AND_ASSIGN(const ListPage page, backend_->List({}, request));
  EXPECT_EQ(page.prefixes, std::vector<std::string>{"full/"});
  EXPECT_TRUE(page.next_token.empty());
}

/// What this thread may do with files is what a stranger may.
class AsStranger {
 public:
  AsStranger() : before_(setfsuid(kNobody)) {}
  AsStranger(const AsStranger&) = delete;
  AsStranger& operator=(const AsStranger&) = delete;
  ~AsStranger() { setfsuid(static_cast<uid_t>(before_)); }

 private:
  static constexpr uid_t kNobody = 65534;
  const int before_;
};

TEST_F(LocalTest, ADirectoryThatMustNotBeReadIsAPrefix) {
  ASSERT_OK(Put("backup/f"));
  ASSERT_OK(Put("lost+found/f"));
  fs::permissions(directory_.path(), fs::perms(0755));
  fs::permissions(root_ + "/lost+found", fs::perms::none);
  {
    const AsStranger stranger;
    ListRequest request;
    request.delimiter = "/";
    ASSERT_OK_AND_ASSIGN(const ListPage page, backend_->List({}, request));
    EXPECT_EQ(page.prefixes, (std::vector<std::string>{"backup/", "lost+found/"}));
    EXPECT_THAT(backend_->List({}, {}), IsError(Code::kPermissionDenied, "lost+found"));
    EXPECT_THAT(backend_->Stat({}, "lost+found/f"), IsError(Code::kPermissionDenied, ""));
  }
  fs::permissions(root_ + "/lost+found", fs::perms::owner_all);
}

TEST_F(LocalTest, DeleteRemovesEmptiedDirectoriesButNotTheRoot) {
  ASSERT_OK(Put("a/b/c/d"));
  ASSERT_OK(Put("a/e"));
  EXPECT_OK(backend_->Delete({}, "a/b/c/d"));
  EXPECT_FALSE(fs::exists(root_ + "/a/b"));
  EXPECT_TRUE(fs::exists(root_ + "/a/e"));
  EXPECT_OK(backend_->Delete({}, "a/e"));
  EXPECT_FALSE(fs::exists(root_ + "/a"));
  EXPECT_TRUE(fs::exists(root_));
}

TEST_F(LocalTest, ObjectAndDirectoryOfOneNameExcludeEachOther) {
  ASSERT_OK(Put("a/b"));
  EXPECT_THAT(Put("a"), IsError(Code::kFailedPrecondition, "file system"));
  ASSERT_OK(Put("c"));
  EXPECT_THAT(Put("c/d"), IsError(Code::kFailedPrecondition, "file system"));
  EXPECT_THAT(backend_->Stat({}, "a"), IsError(Code::kNotFound, ""));
  EXPECT_THAT(backend_->Stat({}, "c/d"), IsError(Code::kNotFound, ""));
  EXPECT_OK(backend_->Delete({}, "a"));
  EXPECT_EQ(Keys(), (std::vector<std::string>{"a/b", "c"}));
}

TEST_F(LocalTest, LargeDirectoriesComeInPages) {
  std::vector<std::string> keys;
  for (int i = 0; i < 25; ++i) {
    keys.push_back("d" + std::to_string(10 + i) + (i % 3 == 0 ? "/f" : ""));
    ASSERT_OK(Put(keys.back()));
    if (i % 3 == 0) {
      keys.push_back("d" + std::to_string(10 + i) + "/g");
      ASSERT_OK(Put(keys.back()));
    }
  }
  for (const uint32_t size : {1U, 2U, 3U, 7U}) {
    ListRequest request;
    request.max_keys = size;
    std::vector<std::string> seen;
    do {
      ASSERT_OK_AND_ASSIGN(const ListPage page, backend_->List({}, request));
      ASSERT_LE(page.objects.size(), size);
      for (const ObjectInfo& object : page.objects) seen.push_back(object.key);
      request.token = page.next_token;
    } while (!request.token.empty());
    EXPECT_EQ(seen, keys) << size;
  }
}

TEST_F(LocalTest, MissingRootIsNotFoundUntilCreated) {
  ASSERT_OK_AND_ASSIGN(const auto other,
                       CreateLocalBackend({.root = directory_.path() + "/not/yet/"}));
  EXPECT_THAT(other->CheckAccess({}), IsError(Code::kNotFound, "not/yet"));
  EXPECT_OK(other->CreateContainer({}));
  EXPECT_OK(other->CheckAccess({}));
  EXPECT_OK(backend_->CheckAccess({}));
  EXPECT_THAT(CreateLocalBackend({.root = ""}), IsError(Code::kInvalidArgument, ""));
}

TEST_F(LocalTest, PutSurvivesDeletesOfItsDirectory) {
  std::atomic<bool> done{false};
  std::jthread deleter([&] {
    while (!done) backend_->Delete({}, "d/e/other").IgnoreError("racing on purpose");
  });
  for (int i = 0; i < 300; ++i) {
    ASSERT_OK(Put("d/e/other"));
    ASSERT_OK(Put("d/e/f" + std::to_string(i % 2)));
    ASSERT_OK(backend_->Delete({}, "d/e/f" + std::to_string(i % 2)));
  }
  done = true;
}

TEST_F(LocalTest, RefusedCompletionCanBeRepeated) {
  ASSERT_OK(Put("k", "there first"));
  ASSERT_OK_AND_ASSIGN(const auto upload, backend_->StartUpload({}, "k", {true, 4, false}));
  ASSERT_OK_AND_ASSIGN(const PartInfo part, upload->UploadPart({}, 1, AsBytes("1234"), {}));
  EXPECT_THAT(upload->Complete({}, {part}), IsError(Code::kAlreadyExists, ""));
  ASSERT_OK(backend_->Delete({}, "k"));
  ASSERT_OK(upload->Complete({}, {part}));
  ASSERT_OK_AND_ASSIGN(const std::string bytes, ReadAll({}, *backend_, "k", 10));
  EXPECT_EQ(bytes, "1234");
}

TEST_F(LocalTest, UploadsAreChecked) {
  EXPECT_THAT(backend_->StartUpload({}, "k", {false, 0, false}),
              IsError(Code::kInvalidArgument, "part size"));
  ASSERT_OK_AND_ASSIGN(const auto upload, backend_->StartUpload({}, "k", {false, 4, false}));
  EXPECT_THAT(upload->UploadPart({}, 1, AsBytes("12345"), {}), IsError(Code::kInvalidArgument, ""));
  EXPECT_THAT(upload->UploadPart({}, 0, AsBytes("1"), {}), IsError(Code::kInvalidArgument, ""));
  ASSERT_OK_AND_ASSIGN(const PartInfo small, upload->UploadPart({}, 1, AsBytes("123"), {}));
  ASSERT_OK_AND_ASSIGN(const PartInfo last, upload->UploadPart({}, 2, AsBytes("12"), {}));
  EXPECT_THAT(upload->Complete({}, {small, last}), IsError(Code::kFailedPrecondition, "too small"));
  EXPECT_THAT(upload->Complete({}, {last}), IsError(Code::kInvalidArgument, "gaps"));
  ASSERT_OK_AND_ASSIGN(const PartInfo first, upload->UploadPart({}, 1, AsBytes("1234"), {}));
  EXPECT_THAT(upload->Complete({}, {small, last}), IsError(Code::kFailedPrecondition, "replaced"));
  ASSERT_OK(upload->Complete({}, {first, last}));
  ASSERT_OK_AND_ASSIGN(const std::string bytes, ReadAll({}, *backend_, "k", 10));
  EXPECT_EQ(bytes, "123412");
  EXPECT_FALSE(fs::exists(root_ + "/.mb-uploads"));
  EXPECT_THAT(backend_->ResumeUpload({}, "k", "../../etc"), IsError(Code::kNotFound, ""));
}

TEST_F(LocalTest, AnUploadThatDiedWhenItsObjectAppearedLeavesNothing) {
  ASSERT_OK_AND_ASSIGN(const auto upload, backend_->StartUpload({}, "k", {false, 4, false}));
  ASSERT_OK(upload->UploadPart({}, 1, AsBytes("1234"), {}));
  upload->Detach();
  // As far as the renaming.
  const std::string data = root_ + "/.mb-uploads/" + upload->upload_id() + "/data";
  fs::rename(data, root_ + "/k");
  EXPECT_THAT(backend_->ResumeUpload({}, "other", upload->upload_id()),
              IsError(Code::kNotFound, ""));
  EXPECT_TRUE(fs::exists(root_ + "/.mb-uploads"));
  EXPECT_OK(AbortUploads({}, *backend_, "k"));
  EXPECT_FALSE(fs::exists(root_ + "/.mb-uploads"));
  ASSERT_OK_AND_ASSIGN(const std::string bytes, ReadAll({}, *backend_, "k", 10));
  EXPECT_EQ(bytes, "1234");
}

/// A tree outside the root and links to it and its file.
class LocalLinkTest : public LocalTest {
 protected:
  void SetUp() override {
    fs::create_directories(outside_ + "/deep");
    std::ofstream(outside_ + "/deep/f") << "precious";
    ASSERT_OK(Put("b/a"));
    ASSERT_OK(Put("b/z"));
  }
  void Link(const std::string& to, const std::string& key) {
    fs::create_symlink(to, root_ + "/" + key);
  }
  Status ListAll(const std::string& prefix) {
    return ForEachObject({}, *backend_, prefix, [](const ObjectInfo&) { return Status::Ok(); });
  }

  const std::string outside_ = directory_.path() + "/outside";
};

TEST_F(LocalLinkTest, ListingsDoNotGoOnWithoutALinkedDirectory) {
  Link(outside_, "b/link");
  for (const char* prefix : {"", "b", "b/", "b/l", "b/link"}) {
    EXPECT_THAT(ListAll(prefix),
                IsError(Code::kFailedPrecondition, "/b/link is a symbolic link to a directory"))
        << prefix;
  }
  EXPECT_OK(ListAll("b/z"));
  // Named by the caller, it is as good as any directory.
  EXPECT_OK(ListAll("b/link/"));
  ASSERT_OK_AND_ASSIGN(const std::string bytes, ReadAll({}, *backend_, "b/link/deep/f", 10));
  EXPECT_EQ(bytes, "precious");
  ASSERT_OK_AND_ASSIGN(const ListPage page, backend_->List({}, {.prefix = "b/", .delimiter = "/"}));
  EXPECT_EQ(page.prefixes, std::vector<std::string>{"b/link/"});
  // Perhaps the disk is not mounted.
  fs::remove_all(outside_);
  EXPECT_THAT(ListAll("b/"), IsError(Code::kFailedPrecondition, "/b/link is a symbolic link"));
}

TEST_F(LocalLinkTest, DeletingATreeRemovesLinksAndNothingBehindThem) {
  Link(outside_, "b/link");
  Link("nowhere", "b/broken");
  Link(outside_ + "/deep/f", "b/file");
  Link("..", "b/loop");
  ASSERT_OK_AND_ASSIGN(const uint64_t deleted, DeleteTree({}, *backend_, "b/"));
  EXPECT_EQ(deleted, 6U);
  EXPECT_FALSE(fs::exists(root_ + "/b"));
  EXPECT_TRUE(fs::exists(outside_ + "/deep/f"));
}

TEST_F(LocalLinkTest, NothingIsDeletedThroughALink) {
  Link(outside_, "link");
  const std::string problem = root_ + "/link is a symbolic link to a directory";
  EXPECT_THAT(backend_->Delete({}, "link/deep/f"), IsError(Code::kFailedPrecondition, problem));
  EXPECT_THAT(backend_->RemoveRemains({}, "link/"), IsError(Code::kFailedPrecondition, problem));
  for (const char* prefix : {"link/", "link/deep/"}) {
    EXPECT_THAT(backend_->CheckDeletable({}, prefix), IsError(Code::kFailedPrecondition, problem));
  }
  EXPECT_OK(backend_->CheckDeletable({}, "missing/deep/"));
  EXPECT_THAT(DeleteTree({}, *backend_, "link/"), IsError(Code::kFailedPrecondition, problem));
  EXPECT_TRUE(fs::exists(outside_ + "/deep/f"));
  EXPECT_OK(backend_->Delete({}, "link"));
  EXPECT_FALSE(fs::is_symlink(root_ + "/link"));
  EXPECT_TRUE(fs::exists(outside_ + "/deep/f"));
}

TEST_F(LocalLinkTest, TheRootMayBeALink) {
  fs::create_symlink(outside_, directory_.path() + "/alias");
  ASSERT_OK_AND_ASSIGN(const auto alias,
                       CreateLocalBackend({.root = directory_.path() + "/alias", .fsync = false}));
  ASSERT_OK_AND_ASSIGN(const ListPage page, alias->List({}, {}));
  ASSERT_EQ(page.objects.size(), 1U);
  EXPECT_OK(alias->Delete({}, "deep/f"));
  EXPECT_TRUE(fs::is_empty(outside_));
  EXPECT_TRUE(fs::is_symlink(directory_.path() + "/alias"));
}

TEST_F(LocalTest, DeletedTreesLeaveNoDirectories) {
  ASSERT_OK(Put("t/b/full/f"));
  ASSERT_OK(Put("t/c/f"));
  fs::create_directories(root_ + "/t/b/empty/deeper");
  std::ofstream(root_ + "/t/b/empty/.f.0123456789abcdef.mbtmp") << "left by a crash";
  ASSERT_OK_AND_ASSIGN(const uint64_t deleted, DeleteTree({}, *backend_, "t/b/"));
  EXPECT_EQ(deleted, 1U);
  EXPECT_FALSE(fs::exists(root_ + "/t/b"));
  EXPECT_EQ(Keys(), std::vector<std::string>{"t/c/f"});
  // Also without any object, and what is above it only when nothing else is there.
  fs::create_directories(root_ + "/t/d/e");
  fs::create_directories(root_ + "/u/v");
  EXPECT_OK(DeleteTree({}, *backend_, "t/d/"));
  EXPECT_FALSE(fs::exists(root_ + "/t/d"));
  EXPECT_OK(DeleteTree({}, *backend_, "u/v/"));
  EXPECT_FALSE(fs::exists(root_ + "/u"));
  EXPECT_OK(DeleteTree({}, *backend_, "never/there/"));
  EXPECT_EQ(Keys(), std::vector<std::string>{"t/c/f"});
}

TEST_F(LocalTest, WhatDeadWritersLeftGoesAndNothingElse) {
  ASSERT_OK(Put("d/f"));
  const std::string beside = testing::LeaveTemporary(root_ + "/d/f");
  const std::string alone = testing::LeaveTemporary(root_ + "/e/deep/f");
  const std::string elsewhere = testing::LeaveTemporary(root_ + "/other/f");
  fs::create_directories(root_ + "/d/empty");
  fs::create_symlink(root_ + "/other", root_ + "/d/link");
  ASSERT_OK_AND_ASSIGN(TemporaryFile living, TemporaryFile::CreateFor(root_ + "/d/new"));
  ASSERT_OK(backend_->RemoveDeadWrites({}, "d/"));
  ASSERT_OK(backend_->RemoveDeadWrites({}, "e/"));
  ASSERT_OK(backend_->RemoveDeadWrites({}, "never/there/"));
  EXPECT_FALSE(fs::exists(beside));
  EXPECT_FALSE(fs::exists(root_ + "/e"));
  EXPECT_TRUE(fs::exists(elsewhere));
  EXPECT_TRUE(fs::exists(root_ + "/d/empty"));
  EXPECT_TRUE(fs::exists(living.path()));
  ASSERT_OK(backend_->RemoveDeadWrites({}, ""));
  EXPECT_FALSE(fs::exists(root_ + "/other"));
  ASSERT_OK(living.Publish(false, false));
  fs::remove(root_ + "/d/link");
  EXPECT_EQ(Keys(), (std::vector<std::string>{"d/f", "d/new"}));
  EXPECT_THAT(backend_->RemoveDeadWrites({}, "d"), IsError(Code::kInvalidArgument, ""));
  EXPECT_THAT(backend_->RemoveDeadWrites({}, "../"), IsError(Code::kInvalidArgument, ""));
}

// The lock of a writer on another machine may not be seen here, and an older version takes none.
TEST_F(LocalTest, WhatWasWrittenToWithinTheLastHourIsNotTakenForDead) {
  const std::string old = testing::LeaveTemporary(root_ + "/d/old");
  const std::string young = testing::LeaveTemporary(root_ + "/d/young");
  const std::string begun = testing::LeaveTemporary(root_ + "/.mb-uploads/0000000000000001/upload");
  for (const std::string& path : {young, begun}) {
    fs::last_write_time(path, fs::last_write_time(path) + std::chrono::minutes(61));
  }
  ASSERT_OK(backend_->RemoveDeadWrites({}, ""));
  EXPECT_FALSE(fs::exists(old));
  EXPECT_TRUE(fs::exists(young));
  EXPECT_TRUE(fs::exists(begun));
  // Nor does anything stay of asking for the time.
  EXPECT_EQ(std::distance(fs::directory_iterator(root_ + "/d"), fs::directory_iterator()), 1);
}

TEST_F(LocalTest, AStopEndsTheSearchForWhatDeadWritersLeft) {
  const std::string left = testing::LeaveTemporary(root_ + "/d/f");
  std::stop_source stop;
  stop.request_stop();
  EXPECT_THAT(RemoveDeadLocalWrites({.stop = stop.get_token()}, root_, ""),
              IsError(Code::kCancelled, ""));
  EXPECT_TRUE(fs::exists(left));
}

TEST_F(LocalTest, ADirectoryThatMustNotBeReadKeepsNothingDeadElsewhere) {
  std::vector<std::string> left;
  for (const char* name : {"a", "c"}) {
    left.push_back(testing::LeaveTemporary(root_ + "/" + name + "/f"));
    fs::permissions(left.back(), fs::perms(0666));
    fs::permissions(root_ + "/" + name, fs::perms(0777));
  }
  fs::create_directories(root_ + "/b");
  fs::permissions(root_ + "/b", fs::perms::none);
  fs::permissions(directory_.path(), fs::perms(0755));
  fs::permissions(root_, fs::perms(0777));
  {
    const AsStranger stranger;
    EXPECT_THAT(backend_->RemoveDeadWrites({}, ""), IsError(Code::kPermissionDenied, "/b"));
  }
  for (const std::string& path : left) EXPECT_FALSE(fs::exists(path)) << path;
  fs::permissions(root_ + "/b", fs::perms(0755));
}

TEST_F(LocalTest, UploadsWhoseProcessDiedWhileItBeganOrEndedThemGo) {
  ASSERT_OK_AND_ASSIGN(const auto upload, backend_->StartUpload({}, "k", {false, 4, false}));
  ASSERT_OK_AND_ASSIGN(const PartInfo part, upload->UploadPart({}, 1, AsBytes("1234"), {}));
  const std::string uploads = root_ + "/.mb-uploads/";
  fs::create_directories(uploads + "0000000000000001");
  testing::LeaveTemporary(uploads + "0000000000000002/upload");
  fs::create_directories(uploads + "0000000000000003");
  for (const char* name : {"data", "part-1"}) {
    std::ofstream(uploads + "0000000000000003/" + name) << "half of it";
  }
  ASSERT_OK_AND_ASSIGN(const TemporaryFile begun,
                       TemporaryFile::CreateFor(uploads + "0000000000000004/upload"));
  ASSERT_OK(backend_->RemoveDeadWrites({}, ""));
  std::set<std::string> left;
  for (const auto& entry : fs::directory_iterator(uploads)) {
    left.insert(entry.path().filename().string());
  }
  EXPECT_EQ(left, (std::set<std::string>{upload->upload_id(), "0000000000000004"}));
  EXPECT_TRUE(fs::exists(begun.path()));
  ASSERT_OK(upload->Complete({}, {part}));
  EXPECT_EQ(Keys(), std::vector<std::string>{"k"});
}

TEST_F(LocalTest, WhatIsNeitherFileNorDirectoryIsNamedOnRequest) {
  std::vector<std::string> special;
  std::vector<std::string> keys;
  for (int i = 0; i < 9; ++i) {
    const std::string name = "d/" + std::to_string(i);
    (i % 3 == 0 ? keys : special).push_back(name);
    if (i % 3 == 0) {
      ASSERT_OK(Put(name));
    } else {
      ASSERT_EQ(mkfifo((root_ + "/" + name).c_str(), 0600), 0);
    }
  }
  fs::create_symlink("8", root_ + "/d/link");
  special.push_back("d/link");
  EXPECT_EQ(Keys(), keys);
  for (const uint32_t size : {1U, 2U, 3U, 100U}) {
    ListRequest request{.prefix = "d/", .max_keys = size, .names_passed_over = true};
    std::vector<std::string> seen;
    std::vector<std::string> named;
    do {
      ASSERT_OK_AND_ASSIGN(const ListPage page, backend_->List({}, request));
      for (const ObjectInfo& object : page.objects) seen.push_back(object.key);
      named.insert(named.end(), page.passed_over.begin(), page.passed_over.end());
      request.token = page.next_token;
    } while (!request.token.empty());
    EXPECT_EQ(seen, keys) << size;
    EXPECT_EQ(named, special) << size;
  }
  // Pipes alone make no prefix.
  ASSERT_EQ(mkdir((root_ + "/pipes").c_str(), 0700), 0);
  ASSERT_EQ(mkfifo((root_ + "/pipes/p").c_str(), 0600), 0);
  ASSERT_OK_AND_ASSIGN(const ListPage page,
                       backend_->List({}, {.delimiter = "/", .names_passed_over = true}));
  EXPECT_EQ(page.prefixes, std::vector<std::string>{"d/"});
}

TEST(LocalErrorTest, FullAndReadOnlyDisksArePermanent) {
  EXPECT_THAT(FileError(ENOSPC, "writing", "f"), IsError(Code::kResourceExhausted, "disk is full"));
  EXPECT_THAT(FileError(EDQUOT, "writing", "f"), IsError(Code::kResourceExhausted, "quota"));
  EXPECT_THAT(FileError(EROFS, "writing", "f"), IsError(Code::kPermissionDenied, "read-only"));
  EXPECT_THAT(FileError(EACCES, "writing", "f"), IsError(Code::kPermissionDenied, "owner"));
  for (const int error : {ENOSPC, EDQUOT, EROFS, EACCES}) {
    EXPECT_EQ(FileError(error, "", "").retry_class(), RetryClass::kNever);
    EXPECT_EQ(FileError(error, "", "").origin(), Origin::kStorage);
  }
  EXPECT_EQ(FileError(EIO, "", "").retry_class(), RetryClass::kTransient);
}

TEST(LocalFileTest, TemporaryNamesAreRecognised) {
  EXPECT_TRUE(IsTemporaryName(".f.0123456789abcdef.mbtmp"));
  EXPECT_FALSE(IsTemporaryName("f.0123456789abcdef.mbtmp"));
  EXPECT_FALSE(IsTemporaryName(".f.0123456789abcdeX.mbtmp"));
  EXPECT_FALSE(IsTemporaryName(".mbtmp"));
  EXPECT_FALSE(IsTemporaryName(".locks"));
  EXPECT_NE(RandomName(), RandomName());
  EXPECT_EQ(ParentOf("/a/b"), "/a");
  EXPECT_EQ(ParentOf("/a"), "/");
  EXPECT_EQ(ParentOf("a"), ".");
}

}  // namespace
}  // namespace milvus_backup::storage
