// Credentials that expire in the middle of a backup or a restore, and the same once more with new
// ones.
#include "support/fake_milvus.h"
#include "support/fake_s3.h"
#include "support/status_matchers.h"

#include "milvus_backup/backup/create.h"
#include "milvus_backup/backup/restore.h"
#include "milvus_backup/milvus/client.h"
#include "milvus_backup/storage/open.h"

#include <gtest/gtest.h>

#include <limits>
#include <memory>
#include <string>
#include <utility>

namespace milvus_backup::testing {
namespace {

constexpr int64_t kRows = 10;

class ExpiredCredentials : public ::testing::Test {
 protected:
  void SetUp() override {
    server_.CreateBucket("own");
    server_.CreateBucket("backups");
    ASSERT_OK_AND_ASSIGN(own_, storage::OpenS3(server_.OptionsFor("own")));
    ASSERT_OK_AND_ASSIGN(backups_, storage::OpenS3(server_.OptionsFor("backups")));
    auto client = milvus::Connect({}, fake_.client_options());
    ASSERT_OK(client);
    client_ = *std::move(client);
    site_.client = client_.get();
    site_.milvus_storage = {.backend = own_.get(), .root = "files"};
    site_.backup_storage = {.backend = backups_.get(), .root = "backup"};
    fake_.SetImportRows([](const milvus::ImportRequest&) { return kRows; });
    FakeCollection collection;
    collection.info.id = 7;
    collection.info.schema.name = "coll";
    collection.info.schema.fields = {
        {.field_id = 100, .name = "id", .is_primary_key = true, .data_type = 5}};
    collection.partitions = {{70, "_default"}};
    collection.segments = {{700, 7, 70, kRows, 4}};
    fake_.Add("default", collection);
    for (const char* field : {"0", "1", "100"}) {
      server_.Put("own", std::string("files/insert_log/7/70/700/") + field + "/9", "binlog");
    }
  }

  /// Every request after the next `requests` is told that the token has expired.
  void ExpireAfter(uint32_t requests) {
    FakeFault fault;
    fault.skip = requests;
    fault.times = std::numeric_limits<uint32_t>::max();
    fault.instead = ErrorReply(400, "ExpiredToken", "The provided token has expired.");
    server_.Plan(std::move(fault));
  }

  size_t Leftovers() {
    size_t count = 0;
    EXPECT_OK(storage::ForEachObject({}, *own_, "restore-temp-", [&](const auto& object) {
      // A lock dies by itself.
      count += object.key.starts_with("restore-temp-locks/") ? 0 : 1;
      return Status::Ok();
    }));
    return count;
  }

  FakeS3 server_;
  FakeMilvus fake_{{.import_tick = std::chrono::milliseconds(1)}};
  std::unique_ptr<storage::Backend> own_;
  std::unique_ptr<storage::Backend> backups_;
  std::unique_ptr<milvus::Client> client_;
  backup::Site site_;
};

TEST_F(ExpiredCredentials, ARestoreSaysSoAndIsGoneOnWith) {
  ASSERT_OK(backup::CreateBackup({}, site_, {.name = "b"}));
  int failed = 0;
  for (uint32_t requests = 1; requests < 200; requests += 3) {
    SCOPED_TRACE(requests);
    ExpireAfter(requests);
    const auto cut = backup::RestoreBackup({}, site_, {.name = "b", .suffix = "_r"});
    server_.ClearPlan();
    if (cut.ok()) break;
    ++failed;
    EXPECT_THAT(cut, IsError(Code::kUnauthenticated, "credentials have expired"));
    // As a new process: the lock of this one is still there.
    ASSERT_OK(storage::ForEachObject({}, *own_, "restore-temp-locks/", [&](const auto& object) {
      return own_->Delete({}, object.key);
    }));
    const auto again = backup::RestoreBackup({}, site_, {.name = "b", .suffix = "_r"});
    ASSERT_OK(again.status());
    const auto restored = fake_.Find("default", "coll_r");
    ASSERT_TRUE(restored.has_value());
    ASSERT_EQ(restored->segments.size(), 1U);
    EXPECT_EQ(restored->segments[0].num_rows, kRows);
    EXPECT_EQ(Leftovers(), 0U);
    fake_.Drop("default", "coll_r");
  }
  EXPECT_GT(failed, 5);
}

TEST_F(ExpiredCredentials, ABackupSaysSoAndIsGoneOnWith) {
  int failed = 0;
  for (uint32_t requests = 1; requests < 200; requests += 3) {
    SCOPED_TRACE(requests);
    const std::string name = "b" + std::to_string(requests);
    ExpireAfter(requests);
    const auto cut = backup::CreateBackup({}, site_, {.name = name});
    server_.ClearPlan();
    if (cut.ok()) break;
    ++failed;
    EXPECT_THAT(cut, IsError(Code::kUnauthenticated, "credentials have expired"));
    ASSERT_OK(storage::ForEachObject({}, *backups_, "backup/.locks/", [&](const auto& object) {
      return backups_->Delete({}, object.key);
    }));
    ASSERT_OK_AND_ASSIGN(const backup::CreateReport report,
                         backup::CreateBackup({}, site_, {.name = name}));
    EXPECT_EQ(report.rows, kRows);
    EXPECT_FALSE(report.partial());
  }
  EXPECT_GT(failed, 5);
}

}  // namespace
}  // namespace milvus_backup::testing
