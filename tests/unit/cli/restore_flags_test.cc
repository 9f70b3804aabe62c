#include "cli/restore_flags.h"

#include "support/status_matchers.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace milvus_backup::cli {
namespace {

using backup::ExistingTarget;
using testing::IsError;

TEST(RestoreFlagsTest, PlainFlagsBecomeOptions) {
  const RestoreFlags flags{.name = "b",
                           .suffix = "_bak",
                           .max_shard_num = 3,
                           .rebuild_index = true,
                           .use_auto_index = true,
                           .meta_only = true,
                           .drop_exist_index = true,
                           .skip_create_collection = true,
                           .load = true,
                           .dry_run = true,
                           .allow_partial = true};
  ASSERT_OK_AND_ASSIGN(const backup::RestoreOptions options, ToOptions(flags));
  EXPECT_EQ(options.name, "b");
  EXPECT_EQ(options.suffix, "_bak");
  EXPECT_EQ(options.max_shard_num, 3);
  EXPECT_EQ(options.existing, ExistingTarget::kReuse);
  EXPECT_TRUE(options.rebuild_index && options.use_auto_index && options.meta_only);
  EXPECT_TRUE(options.drop_exist_index && options.load && options.dry_run);
  EXPECT_TRUE(options.allow_partial);
  EXPECT_TRUE(options.sources.selects_everything() && options.targets.selects_everything());
  EXPECT_TRUE(options.check);
  ASSERT_OK_AND_ASSIGN(const backup::RestoreOptions unchecked,
                       ToOptions({.name = "b", .no_check = true}));
  EXPECT_FALSE(unchecked.check);
}

TEST(RestoreFlagsTest, DropExistCollectionReplaces) {
  ASSERT_OK_AND_ASSIGN(const backup::RestoreOptions options,
                       ToOptions({.name = "b", .drop_exist_collection = true}));
  EXPECT_EQ(options.existing, ExistingTarget::kReplace);
  ASSERT_OK_AND_ASSIGN(const backup::RestoreOptions plain, ToOptions({.name = "b"}));
  EXPECT_EQ(plain.existing, ExistingTarget::kRefuse);
}

TEST(RestoreFlagsTest, NamesInTheBackupAreSources) {
  ASSERT_OK_AND_ASSIGN(auto options, ToOptions({.name = "b", .collections = "c1"}));
  EXPECT_TRUE(options.sources.Matches({"default", "c1"}));
  EXPECT_FALSE(options.sources.Matches({"default", "c2"}));
  ASSERT_OK_AND_ASSIGN(options, ToOptions({.name = "b", .databases = "db1"}));
  EXPECT_TRUE(options.sources.Matches({"db1", "c2"}));
  ASSERT_OK_AND_ASSIGN(
      options, ToOptions({.name = "b", .database_collections = R"({"db1":["c1"],"db2":[]})"}));
  EXPECT_TRUE(options.sources.Matches({"db1", "c1"}));
  EXPECT_FALSE(options.sources.Matches({"db1", "c2"}));
  EXPECT_TRUE(options.sources.Matches({"db2", "any"}));
  ASSERT_OK_AND_ASSIGN(options, ToOptions({.name = "b", .filter = "db1.*"}));
  EXPECT_TRUE(options.sources.selects_everything());
  EXPECT_FALSE(options.targets.Matches({"db2", "c"}));
}

TEST(RestoreFlagsTest, SelectionsExcludeEachOther) {
  const std::string all = R"({"db":[]})";
  const std::vector<RestoreFlags> wrong = {
      {.name = "b", .collections = "c", .databases = "d"},
      {.name = "b", .collections = "c", .database_collections = all},
      {.name = "b", .collections = "c", .filter = "d.*"},
      {.name = "b", .databases = "d", .database_collections = all},
      {.name = "b", .databases = "d", .filter = "d.*"},
      {.name = "b", .database_collections = all, .filter = "d.*"}};
  for (const RestoreFlags& flags : wrong) {
    EXPECT_THAT(ToOptions(flags), IsError(Code::kInvalidArgument, "exclude each other"));
  }
}

TEST(RestoreFlagsTest, ContradictionsAreRefused) {
  EXPECT_THAT(ToOptions({.name = "b", .suffix = "_x", .rename = "a:b"}),
              IsError(Code::kInvalidArgument, "--suffix and -r/--rename exclude each other"));
  EXPECT_THAT(
      ToOptions({.name = "b", .drop_exist_collection = true, .skip_create_collection = true}),
      IsError(Code::kInvalidArgument, "--skip_create_collection exclude each other"));
  EXPECT_THAT(ToOptions({.name = "b", .max_shard_num = -1}),
              IsError(Code::kInvalidArgument, "--max_shard_num -1"));
  EXPECT_THAT(ToOptions({.name = "b", .rename = "a"}), IsError(Code::kInvalidArgument, "--rename"));
}

TEST(JsonFlagsTest, BadTextsAreShownWithAnExample) {
  for (const char* text : {"{", "[]", "1", R"({"db":"c"})", R"({"db":[1]})"}) {
    EXPECT_THAT(ToOptions({.name = "b", .database_collections = text}),
                IsError(Code::kInvalidArgument, "--database_collections"))
        << text;
    EXPECT_THAT(ToOptions({.name = "b", .skip_params = text}),
                IsError(Code::kInvalidArgument, "--skip_params"))
        << text;
  }
}

}  // namespace
}  // namespace milvus_backup::cli
