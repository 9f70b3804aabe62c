#include "milvus_backup/meta/run_record.h"

#include "support/status_matchers.h"

#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

namespace milvus_backup::meta {
namespace {

using ::milvus_backup::testing::IsError;

TEST(RunRecordTest, ReadsBackWhatWasWritten) {
  RunRecord record = NewRunRecord("create", "b\"\xC3\xA4");
  record.held = true;
  record.uploads = {"binlogs/insert_log/1/2/3/3/0/4"};
  record.open_uploads = {{"k", "id", "etag-2", 10 * kMiB, 5 * kMiB}, {.key = "announced"}};
  record.kept = {1, 460000000000000000};
  record.strategy = "skip_flush";
  record.rbac = true;
  record.missing = {"default.\xC3\xA4"};
  record.targets = {"default.c_bak", "default.d_bak"};
  const auto read = DecodeRunRecord(EncodeRunRecord(record), "run.json");
  ASSERT_OK(read);
  EXPECT_EQ(*read, record);
}

TEST(RunRecordTest, IsWrittenAsDocumented) {
  RunRecord record{.run_id = "00112233445566ff",
                   .operation = "create",
                   .backup = "b",
                   .host = "h",
                   .started = "2026-01-02T03:04:05Z",
                   .process = {"boot pid:[1]", 12, 34}};
  EXPECT_EQ(EncodeRunRecord(record),
            R"({"run_id":"00112233445566ff","operation":"create","backup":"b","host":"h",)"
            R"("started":"2026-01-02T03:04:05Z","process":{"machine":"boot pid:[1]","pid":12,)"
            R"("start":34}})");
  EXPECT_EQ(record.ToString(), "create by process 12 on h since 2026-01-02T03:04:05Z");
}

TEST(RunRecordTest, RefusesWhatIsNoRecord) {
  for (const char* text : {"", "{", "[]", "{}", R"({"run_id":1,"operation":"create"})",
                           R"({"run_id":"a","operation":"create","process":[]})",
                           R"({"run_id":"a","operation":"create","uploads":[1]})",
                           R"({"run_id":"a","operation":"create","kept":["1"]})",
                           R"({"run_id":"a","operation":"copy","open_uploads":[{}]})"}) {
    EXPECT_THAT(DecodeRunRecord(text, "dir/run.json").status(),
                IsError(Code::kDataLoss, "dir/run.json"))
        << text;
  }
}

TEST(RunRecordTest, IdsDiffer) {
  EXPECT_NE(NewRunRecord("create", "b").run_id, NewRunRecord("create", "b").run_id);
  EXPECT_EQ(NewRunRecord("create", "b").run_id.size(), 16U);
}

TEST(ProcessTest, KnowsWhoHasEnded) {
  EXPECT_FALSE(HasEnded(ThisProcess()));
  const pid_t child = fork();
  if (child == 0) _exit(0);
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  ProcessMark mark = ThisProcess();
  mark.pid = child;
  EXPECT_TRUE(HasEnded(mark));
  mark.machine = "elsewhere";
  EXPECT_FALSE(HasEnded(mark));
  EXPECT_FALSE(HasEnded(ThisProcess(), "/hidden")) << "for it cannot be seen";
  mark = ThisProcess();
  mark.pid = child;
  EXPECT_TRUE(HasEnded(mark, "/hidden"));
  ProcessMark reused = ThisProcess();
  ++reused.start;
  EXPECT_TRUE(HasEnded(reused));
}

}  // namespace
}  // namespace milvus_backup::meta
