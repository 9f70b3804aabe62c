#include "cli/copy_flags.h"

#include "support/status_matchers.h"

#include <gtest/gtest.h>

namespace milvus_backup::cli {
namespace {

using ::milvus_backup::testing::IsError;

TEST(CopyFlagsTest, SaysWhatIsMissingOrTooMuch) {
  const auto check = [](const CopyFlags& flags) { return CheckCopyFlags(flags); };
  EXPECT_OK(check({.places = {"a", "b"}, .choices = {.delete_extra = true, .include = {"x"}}}));
  EXPECT_OK(check({.choices = {.name = "b", .to = "s"}}));
  EXPECT_OK(check({.from_config = "f", .choices = {.name = "b", .as = "c"}}));
  EXPECT_OK(check({.choices = {.name = "b", .as = "c"}}));
  EXPECT_OK(check({.choices = {.all = true, .to = "s", .exclude = {"nightly_*"}}}));
  const auto wrong = [&](const CopyFlags& flags, const char* text) {
    EXPECT_THAT(check(flags), IsError(Code::kInvalidArgument, text));
  };
  wrong({}, "two places");
  wrong({.places = {"a"}}, "two places");
  wrong({.places = {"a", "b"}, .choices = {.to = "s"}}, "SRC DST and --to exclude each other");
  wrong({.places = {"a", "b"}, .choices = {.name = "b"}}, "-n and SRC DST exclude each other");
  wrong({.choices = {.name = "b", .all = true, .to = "s"}}, "-n and --all exclude each other");
  wrong({.choices = {.name = "b"}}, "needs another storage");
  wrong({.choices = {.all = true}}, "needs another storage");
  wrong({.choices = {.all = true, .to = "s", .as = "x"}}, "--all and --as exclude each other");
  wrong({.to_config = "f", .choices = {.name = "b", .to = "s"}}, "--to and --to-config");
  wrong({.choices = {.name = "b", .to = "s", .delete_extra = true}},
        "--delete-extra is for SRC DST");
  wrong({.choices = {.name = "b", .to = "s", .include = {"x"}}}, "a backup is copied whole");
}

}  // namespace
}  // namespace milvus_backup::cli
