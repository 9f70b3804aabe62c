#include "milvus_backup/backup/selection.h"

#include "support/status_matchers.h"

#include <gtest/gtest.h>

namespace milvus_backup::backup {
namespace {

using ::milvus_backup::testing::IsError;

TEST(SelectionTest, EmptySelectsEverything) {
  ASSERT_OK_AND_ASSIGN(const Selection filter, Selection::ParseFilter(""));
  ASSERT_OK_AND_ASSIGN(const Selection collections, Selection::ParseCollections(""));
  EXPECT_TRUE(filter.Matches({"any", "thing"}));
  EXPECT_TRUE(collections.selects_everything());
}

TEST(SelectionTest, FilterItemsAddUp) {
  ASSERT_OK_AND_ASSIGN(const Selection filter,
                       Selection::ParseFilter("db1.*,db1.c1,db2.c2,plain,db3."));
  EXPECT_TRUE(filter.Matches({"db1", "c1"}));
  EXPECT_TRUE(filter.Matches({"db1", "other"}));
  EXPECT_TRUE(filter.Matches({"db2", "c2"}));
  EXPECT_FALSE(filter.Matches({"db2", "other"}));
  EXPECT_TRUE(filter.Matches({"default", "plain"}));
  EXPECT_FALSE(filter.Matches({"db3", "c"}));
  EXPECT_EQ(filter.databases(), (std::set<std::string>{"db1", "db2", "db3", "default"}));
  EXPECT_EQ(filter.named().size(), 3U);
}

TEST(SelectionTest, CollectionsTakeADatabase) {
  ASSERT_OK_AND_ASSIGN(const Selection selection, Selection::ParseCollections("coll,shop.books"));
  EXPECT_TRUE(selection.Matches({"default", "coll"}));
  EXPECT_TRUE(selection.Matches({"shop", "books"}));
  EXPECT_FALSE(selection.Matches({"default", "books"}));
}

TEST(SelectionTest, DatabasesAreTakenWhole) {
  ASSERT_OK_AND_ASSIGN(const Selection selection, Selection::ParseDatabases("shop,wiki"));
  EXPECT_TRUE(selection.Matches({"shop", "books"}));
  EXPECT_TRUE(selection.Matches({"wiki", "pages"}));
  EXPECT_FALSE(selection.Matches({"default", "books"}));
  EXPECT_THAT(Selection::ParseDatabases("shop.books"),
              IsError(Code::kInvalidArgument, "'shop.books'"));
}

TEST(SelectionTest, ADatabaseWithoutNamesIsTakenWhole) {
  ASSERT_OK_AND_ASSIGN(const Selection selection,
                       Selection::FromDatabases({{"shop", {}}, {"wiki", {"pages"}}}));
  EXPECT_TRUE(selection.Matches({"shop", "books"}));
  EXPECT_TRUE(selection.Matches({"wiki", "pages"}));
  EXPECT_FALSE(selection.Matches({"wiki", "users"}));
  EXPECT_THAT(Selection::FromDatabases({}), IsError(Code::kInvalidArgument, "names no database"));
  EXPECT_THAT(Selection::FromDatabases({{"shop", {"a.b"}}}),
              IsError(Code::kInvalidArgument, "'a.b'"));
}

TEST(SelectionTest, BadItemsAreNamed) {
  for (const char* text : {"a b", "a.b.c", ",", "a,", ".", "a.*b", "../x", "a/b", "*"}) {
    EXPECT_THAT(Selection::ParseFilter(text), IsError(Code::kInvalidArgument, "name a collection"))
        << text;
  }
  EXPECT_THAT(Selection::ParseCollections("db.*"), IsError(Code::kInvalidArgument, "'db.*'"));
}

TEST(SelectionTest, DatabasesAreWhole) {
  ASSERT_OK_AND_ASSIGN(const Selection selection, Selection::ParseDatabases("db1,db2"));
  EXPECT_TRUE(selection.Matches({"db1", "any"}));
  EXPECT_FALSE(selection.Matches({"default", "any"}));
  EXPECT_EQ(selection.whole_databases().size(), 2U);
  for (const char* text : {"db.", "db.*", "a b", "a,"}) {
    EXPECT_THAT(Selection::ParseDatabases(text), IsError(Code::kInvalidArgument, "--databases"));
  }
}

TEST(SelectionTest, AnEmptyListStandsForTheWholeDatabase) {
  ASSERT_OK_AND_ASSIGN(const Selection selection,
                       Selection::FromDatabases({{"db1", {"c1"}}, {"db2", {}}, {"", {"c3"}}}));
  EXPECT_TRUE(selection.Matches({"db1", "c1"}));
  EXPECT_FALSE(selection.Matches({"db1", "c2"}));
  EXPECT_TRUE(selection.Matches({"db2", "any"}));
  EXPECT_TRUE(selection.Matches({"default", "c3"}));
  EXPECT_THAT(Selection::FromDatabases({}), IsError(Code::kInvalidArgument, "names no database"));
  EXPECT_THAT(Selection::FromDatabases({{"d", {"a.b"}}}), IsError(Code::kInvalidArgument, "'a.b'"));
  EXPECT_THAT(Selection::FromDatabases({{"d.", {}}}), IsError(Code::kInvalidArgument, "'d.'"));
}

TEST(SelectionTest, SuffixHoldsNameCharactersOnly) {
  EXPECT_OK(ValidateSuffix("_bak1"));
  EXPECT_THAT(ValidateSuffix("-bak"), IsError(Code::kInvalidArgument, "-bak"));
  EXPECT_THAT(ValidateSuffix("a/b"), IsError(Code::kInvalidArgument, "--suffix"));
}

}  // namespace
}  // namespace milvus_backup::backup
