#include "milvus_backup/meta/restore_progress.h"

#include "support/status_matchers.h"

#include <gtest/gtest.h>

namespace milvus_backup::meta {
namespace {

using ::milvus_backup::testing::IsError;

RestoreProgress Sample() {
  return {.target = "default.c",
          .request = "default.c of backup b",
          .state = RestoreState::kFilling,
          .mode = RestoreMode::kReplace,
          .source_id = 7,
          .filled_as = "c_mbtmp_01234567",
          .retired_as = "c_mbold_01234567",
          .created_after = 450000000000000001,
          .collection_id = 470000000000000001,
          .replaced_id = 470000000000000002,
          .after_task = 3,
          .rows_before = 0,
          .rows = 4,
          .uploads = {"binlogs/insert_log/7/8/9/9/100/1"},
          .imports = {{"_default", {"a/", ""}, 5, 1767323045000}, {"p", {"b/", "c/"}, 0}}};
}

TEST(RestoreProgressTest, ReadsBackWhatWasWritten) {
  for (const RestoreState state : {RestoreState::kCreating, RestoreState::kFilling,
                                   RestoreState::kSwapping, RestoreState::kDone}) {
    for (const RestoreMode mode :
         {RestoreMode::kCreate, RestoreMode::kReplace, RestoreMode::kReuse}) {
      RestoreProgress progress = Sample();
      progress.state = state;
      progress.mode = mode;
      const auto read = DecodeRestoreProgress(EncodeRestoreProgress(progress), "x.json");
      ASSERT_OK(read);
      EXPECT_EQ(*read, progress);
    }
  }
}

TEST(RestoreProgressTest, IsWrittenAsDocumented) {
  EXPECT_EQ(EncodeRestoreProgress(Sample()),
            R"({"target":"default.c","request":"default.c of backup b","state":"filling",)"
            R"("mode":"replace","source_id":7,"filled_as":"c_mbtmp_01234567",)"
            R"("retired_as":"c_mbold_01234567","created_after":450000000000000001,)"
            R"("collection_id":470000000000000001,"replaced_id":470000000000000002,)"
            R"("after_task":3,"rows_before":0,"rows":4,)"
            R"("uploads":["binlogs/insert_log/7/8/9/9/100/1"],)"
            R"("imports":[{"partition":"_default","files":["a/",""],"task_id":5,)"
            R"("announced_ms":1767323045000},)"
            R"({"partition":"p","files":["b/","c/"]}]})");
  EXPECT_EQ(EncodeRestoreProgress({.target = "d.c", .request = "r", .filled_as = "c"}),
            R"({"target":"d.c","request":"r","state":"creating","mode":"create","source_id":0,)"
            R"("filled_as":"c"})");
}

TEST(RestoreProgressTest, RefusesWhatIsNoRecord) {
  const std::string whole = EncodeRestoreProgress(Sample());
  for (size_t length = 0; length < whole.size(); ++length) {
    EXPECT_THAT(DecodeRestoreProgress(whole.substr(0, length), "dir/1.json").status(),
                IsError(Code::kDataLoss, "dir/1.json"));
  }
  for (const char* text : {"[]", "{}", R"({"target":1})",
                           R"({"target":"d.c","request":"r","filled_as":"c","state":"else",)"
                           R"("mode":"create"})",
                           R"({"target":"d.c","request":"r","filled_as":"c","state":"done"})",
                           R"({"target":"d.c","request":"r","filled_as":"c","state":"done",)"
                           R"("mode":"create","imports":[{}]})"}) {
    EXPECT_THAT(DecodeRestoreProgress(text, "dir/1.json").status(),
                IsError(Code::kDataLoss, "dir/1.json"))
        << text;
  }
}

}  // namespace
}  // namespace milvus_backup::meta
