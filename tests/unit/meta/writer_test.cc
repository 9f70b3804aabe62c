#include "milvus_backup/meta/writer.h"

#include "sample_backup.h"
#include "scripted_backend.h"
#include "support/status_matchers.h"
#include "support/temp_dir.h"

#include "milvus_backup/meta/codec.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/meta/reader.h"
#include "milvus_backup/meta/run_record.h"
#include "milvus_backup/meta/totals.h"
#include "milvus_backup/storage/local_backend.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <stop_token>
#include <string>
#include <sys/stat.h>
#include <utility>
#include <vector>

namespace milvus_backup::meta {
namespace {

using milvus_backup::testing::IsError;
using testing::GoldenMeta;
using testing::SampleBackup;
using testing::ScriptedBackend;

namespace fs = std::filesystem;

class WriterTest : public ::testing::Test {
 protected:
  CallContext ctx_;
  ScriptedBackend backend_;
  const std::string dir_ = "backup/demo/";
};

TEST_F(WriterTest, WritesFiveFilesWithTheHeaderLast) {
  ASSERT_OK(WriteBackup(ctx_, backend_, dir_, SampleBackup()));
  EXPECT_EQ(
      backend_.changes(),
      (std::vector<std::string>{
          "delete backup/demo/meta/backup_meta.json", "put backup/demo/meta/collection_meta.json",
          "put backup/demo/meta/partition_meta.json", "put backup/demo/meta/segment_meta.json",
          "put backup/demo/meta/full_meta.json", "put backup/demo/meta/backup_meta.json"}));
  EXPECT_EQ(backend_.Contents().size(), 5U);
  for (const auto& [key, content] : backend_.Contents()) {
    EXPECT_EQ(content, GoldenMeta(key.substr(key.rfind('/') + 1)));
  }
}

TEST_F(WriterTest, CrashAtAnyChangeLeavesNoHeader) {
  for (const bool overwriting : {false, true}) {
    for (size_t crash = overwriting ? 1 : 0; crash < 6; ++crash) {
      ScriptedBackend backend;
      if (overwriting) {
        ASSERT_OK(WriteBackup(ctx_, backend, dir_, {}));
        backend.ForgetChanges();
      }
      backend.fail_from_change = crash;
      EXPECT_THAT(WriteBackup(ctx_, backend, dir_, SampleBackup()),
                  IsError(Code::kUnavailable, "the machine died"));
      EXPECT_THAT(ReadBackup(ctx_, backend, dir_).status(),
                  IsError(Code::kNotFound, "backup demo not found"));
      backend.fail_from_change = SIZE_MAX;
      EXPECT_OK(WriteBackup(ctx_, backend, dir_, SampleBackup()));
      EXPECT_OK(ReadBackup(ctx_, backend, dir_));
    }
  }
}

TEST_F(WriterTest, LongFilesAreUploadedInParts) {
  BackupInfo info = SampleBackup();
  info.collection_backups[1].partition_backups.resize(1);
  info.collection_backups[1].partition_backups[0].segment_backups.resize(
      3, {.v_channel = std::string(12 * kMiB, 'c')});
  ASSERT_OK(WriteBackup(ctx_, backend_, dir_, info));
  EXPECT_EQ(backend_.changes()[3], "complete backup/demo/meta/segment_meta.json");
  EXPECT_EQ(backend_.changes()[4], "complete backup/demo/meta/full_meta.json");
  EXPECT_TRUE(backend_.Contents().at("backup/demo/meta/full_meta.json") ==
              EncodeToString([&](const TextSink& sink) { return EncodeFullMeta(info, sink); }));
}

TEST_F(WriterTest, StoppedBeforeItBeginsItChangesNothing) {
  std::stop_source stop;
  stop.request_stop();
  ctx_.stop = stop.get_token();
  EXPECT_THAT(WriteBackup(ctx_, backend_, dir_, SampleBackup()), IsError(Code::kCancelled, ""));
  EXPECT_TRUE(backend_.changes().empty());
}

TEST_F(WriterTest, RefusesWhatIsNoBackupDirectory) {
  for (const char* dir : {"", "/", "backup/demo"}) {
    EXPECT_THAT(WriteBackup(ctx_, backend_, dir, {}), IsError(Code::kInvalidArgument, "directory"));
    EXPECT_THAT(DeleteBackup(ctx_, backend_, dir).status(),
                IsError(Code::kInvalidArgument, "directory"));
  }
  EXPECT_TRUE(backend_.changes().empty());
}

class DeleteTest : public WriterTest {
 protected:
  void SetUp() override {
    ASSERT_OK(WriteBackup(ctx_, backend_, dir_, SampleBackup()));
    for (int i = 0; i < 2500; ++i) {
      backend_.Store("backup/demo/binlogs/insert_log/1/2/3/3/100/" + std::to_string(i), "xy");
    }
    backend_.Store("backup/demo2/meta/backup_meta.json", "{}");
    backend_.Store("backup/demo", "a file");
    backend_.Store("backup/demo.old/meta/backup_meta.json", "{}");
    backend_.ForgetChanges();
  }
};

TEST_F(DeleteTest, RemovesTheHeaderFirstAndNothingOfTheNeighbours) {
  uint64_t bytes = 0;
  for (const auto& [key, content] : backend_.Contents()) {
    if (key.starts_with(dir_)) bytes += content.size();
  }
  ASSERT_OK_AND_ASSIGN(const DeletedBackup deleted, DeleteBackup(ctx_, backend_, dir_));
  EXPECT_EQ(deleted.objects, 2505U);
  EXPECT_EQ(deleted.bytes, bytes);
  EXPECT_EQ(backend_.changes().front(), "delete backup/demo/meta/backup_meta.json");
  EXPECT_EQ(backend_.changes().size(), 4U);
  EXPECT_EQ(backend_.Contents().size(), 3U);
  EXPECT_THAT(DeleteBackup(ctx_, backend_, dir_).status(),
              IsError(Code::kNotFound, "backup demo not found"));
}

TEST_F(DeleteTest, MeasuringSaysWhatDeletingWouldAndChangesNothing) {
  const auto before = backend_.Contents();
  ASSERT_OK_AND_ASSIGN(const DeletedBackup would, MeasureBackup(ctx_, backend_, dir_));
  EXPECT_TRUE(backend_.changes().empty());
  EXPECT_TRUE(backend_.Contents() == before);
  ASSERT_OK_AND_ASSIGN(const DeletedBackup deleted, DeleteBackup(ctx_, backend_, dir_));
  EXPECT_EQ(would.objects, deleted.objects);
  EXPECT_EQ(would.bytes, deleted.bytes);
  EXPECT_THAT(MeasureBackup(ctx_, backend_, dir_).status(),
              IsError(Code::kNotFound, "backup demo not found"));
  EXPECT_THAT(MeasureBackup(ctx_, backend_, "backup").status(),
              IsError(Code::kInvalidArgument, "directory"));
}

TEST_F(DeleteTest, InterruptedItCanBeRepeated) {
  backend_.fail_from_change = 2;
  EXPECT_THAT(DeleteBackup(ctx_, backend_, dir_).status(), IsError(Code::kUnavailable, "died"));
  EXPECT_THAT(ReadHeader(ctx_, backend_, dir_).status(), IsError(Code::kNotFound, "not found"));
  backend_.fail_from_change = SIZE_MAX;
  ASSERT_OK_AND_ASSIGN(const DeletedBackup rest, DeleteBackup(ctx_, backend_, dir_));
  EXPECT_EQ(rest.objects, 2505U - 1U - 1000U);
  EXPECT_EQ(backend_.Contents().size(), 3U);
}

TEST_F(DeleteTest, InterruptedItLeavesNoMarkerThatCallsLogsRight) {
  RunRecord marker = NewRunRecord("create", "demo");
  marker.kept = {1};
  ASSERT_OK(WriteRunRecord(ctx_, backend_, MarkerKey(dir_), marker));
  ASSERT_OK_AND_ASSIGN(const DeletedBackup would, MeasureBackup(ctx_, backend_, dir_));
  backend_.ForgetChanges();
  backend_.fail_from_change = 2;
  EXPECT_THAT(DeleteBackup(ctx_, backend_, dir_).status(), IsError(Code::kUnavailable, "died"));
  EXPECT_FALSE(backend_.Contents().contains(MarkerKey(dir_)));
  EXPECT_EQ(backend_.Contents().size(), static_cast<size_t>(would.objects - 2 + 3));
  backend_.fail_from_change = SIZE_MAX;
  ASSERT_OK_AND_ASSIGN(const DeletedBackup rest, DeleteBackup(ctx_, backend_, dir_));
  EXPECT_EQ(rest.objects, would.objects - 2);
}

TEST_F(DeleteTest, OneStubbornObjectDoesNotKeepTheOthers) {
  backend_.undeletable_key = "backup/demo/binlogs/insert_log/1/2/3/3/100/7";
  const Status status = DeleteBackup(ctx_, backend_, dir_).status();
  EXPECT_THAT(status, IsError(Code::kPermissionDenied, "1 of 2504 objects"));
  EXPECT_THAT(status, IsError(Code::kPermissionDenied, backend_.undeletable_key));
  EXPECT_EQ(backend_.Contents().size(), 4U);
}

TEST_F(DeleteTest, WhatIsNoBackupIsRefusedBeforeAnythingIsDeleted) {
  backend_.Store("files/insert_log/1/2/3/100/4", "x");
  backend_.Store("files/photos/a.jpg", "x");
  backend_.Store(dir_ + "notes.txt", "mine");
  const auto before = backend_.Contents();
  backend_.ForgetChanges();
  for (const auto& [dir, key] : std::vector<std::pair<std::string, std::string>>{
           {"files/insert_log/", "files/insert_log/1/"},
           {"files/photos/", "files/photos/a.jpg"},
           {dir_, dir_ + "notes.txt"}}) {
    for (const auto& remove : {DeleteBackup, MeasureBackup}) {
      EXPECT_THAT(
          remove(ctx_, backend_, dir).status(),
          IsError(Code::kFailedPrecondition,
                  BackupName(dir) + " is not a backup: it holds " + key + "; nothing was deleted"));
    }
  }
  EXPECT_TRUE(backend_.changes().empty());
  EXPECT_TRUE(backend_.Contents() == before);
}

class DeleteOnDiskTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto local = storage::CreateLocalBackend({.root = root_, .create = true, .fsync = false});
    ASSERT_OK(local);
    backend_ = *std::move(local);
  }

  milvus_backup::testing::TempDir directory_;
  const std::string root_ = directory_.path() + "/root";
  std::unique_ptr<storage::Backend> backend_;
};

TEST_F(DeleteOnDiskTest, NoDirectoriesAreLeft) {
  ASSERT_OK(WriteBackup({}, *backend_, "demo/", SampleBackup()));
  fs::create_directories(root_ + "/demo/binlogs/insert_log/1/2");
  EXPECT_OK(DeleteBackup({}, *backend_, "demo/"));
  EXPECT_TRUE(fs::is_empty(root_));
  // A run on a full disk comes no further than this.
  fs::create_directories(root_ + "/demo/binlogs/insert_log/1/2");
  fs::create_directories(root_ + "/other/empty");
  for (const char* name : {"demo", "other"}) {
    EXPECT_THAT(DeleteBackup({}, *backend_, std::string(name) + "/").status(),
                IsError(Code::kNotFound, "not found"));
  }
  EXPECT_FALSE(fs::exists(root_ + "/demo"));
  EXPECT_TRUE(fs::exists(root_ + "/other/empty"));
}

TEST_F(DeleteOnDiskTest, LinksAreNotFollowed) {
  ASSERT_OK(WriteBackup({}, *backend_, "demo/", SampleBackup()));
  const std::string outside = directory_.path() + "/outside";
  fs::rename(root_ + "/demo", outside);
  fs::create_directory_symlink(outside, root_ + "/demo");
  EXPECT_OK(ReadHeader({}, *backend_, "demo/"));
  EXPECT_THAT(DeleteBackup({}, *backend_, "demo/").status(),
              IsError(Code::kFailedPrecondition, "/demo is a symbolic link to a directory"));
  EXPECT_OK(ReadHeader({}, *backend_, "demo/"));
  // Inside a backup, the link goes and its target stays.
  ASSERT_OK(WriteBackup({}, *backend_, "near/", SampleBackup()));
  fs::create_directory_symlink(outside, root_ + "/near/binlogs");
  EXPECT_OK(DeleteBackup({}, *backend_, "near/"));
  EXPECT_FALSE(fs::exists(root_ + "/near"));
  EXPECT_TRUE(fs::exists(outside + "/meta/backup_meta.json"));
}

// A pipe of somebody is not removed, and a delete that leaves it has not succeeded.
TEST_F(DeleteOnDiskTest, WhatIsNoFileIsLeftAndSaid) {
  ASSERT_OK(WriteBackup({}, *backend_, "demo/", SampleBackup()));
  ASSERT_EQ(mkfifo((root_ + "/demo/pi\x1bpe").c_str(), 0600), 0);
  fs::create_directories(root_ + "/demo/binlogs/insert_log");
  ASSERT_EQ(mkfifo((root_ + "/demo/binlogs/insert_log/p").c_str(), 0600), 0);
  ASSERT_OK_AND_ASSIGN(const DeletedBackup would, MeasureBackup({}, *backend_, "demo/"));
  EXPECT_EQ(would.left, 2U);
  const Status status = DeleteBackup({}, *backend_, "demo/").status();
  EXPECT_THAT(status, IsError(Code::kFailedPrecondition,
                              "demo is deleted, but what is no file in its directory is left: "
                              "demo/binlogs/insert_log/p and 1 more"));
  EXPECT_THAT(ReadHeader({}, *backend_, "demo/"), IsError(Code::kNotFound, "not found"));
  EXPECT_FALSE(fs::exists(root_ + "/demo/meta"));
  EXPECT_TRUE(fs::exists(root_ + "/demo/binlogs/insert_log/p"));
  fs::remove(root_ + "/demo/binlogs/insert_log/p");
  ASSERT_OK(WriteBackup({}, *backend_, "demo/", SampleBackup()));
  EXPECT_THAT(DeleteBackup({}, *backend_, "demo/"),
              IsError(Code::kFailedPrecondition, "is left: demo/pi?pe in "));
  fs::remove(root_ + "/demo/pi\x1bpe");
  ASSERT_OK(WriteBackup({}, *backend_, "demo/", SampleBackup()));
  EXPECT_OK(DeleteBackup({}, *backend_, "demo/"));
}

TEST(TotalsTest, AddUpFromSegmentsToTheBackup) {
  BackupInfo info = SampleBackup();
  CollectionBackup& collection = info.collection_backups[0];
  collection.partition_backups.push_back(collection.partition_backups[0]);
  collection.size = 0;
  info.size = 0;
  UpdateTotals(info);
  EXPECT_EQ(collection.size, 48433);
  EXPECT_EQ(info.collection_backups[1].size, 0);
  EXPECT_EQ(info.size, 48433);
  EXPECT_EQ(SumLogSizes(collection.l0_segments[0]), 433);
  EXPECT_EQ(SumLogSizes(collection.partition_backups[0].segment_backups[0]), 24000);
}

}  // namespace
}  // namespace milvus_backup::meta
