#include "milvus_backup/backup/rename.h"

#include "support/status_matchers.h"

#include <gtest/gtest.h>

namespace milvus_backup::backup {
namespace {

using ::milvus_backup::testing::IsError;

std::string Renamed(const std::string& rules, const CollectionName& name) {
  const auto parsed = RenameRules::Parse(rules);
  EXPECT_OK(parsed);
  return parsed->Apply(name).ToString();
}

TEST(RenameRulesTest, EachFormOfARule) {
  EXPECT_EQ(Renamed("", {"db", "c"}), "db.c");
  EXPECT_EQ(Renamed("c1:c2", {"default", "c1"}), "default.c2");
  EXPECT_EQ(Renamed("c1:c2", {"db", "c1"}), "db.c1") << "only in the default database";
  EXPECT_EQ(Renamed("db1.c1:db2.c2", {"db1", "c1"}), "db2.c2");
  EXPECT_EQ(Renamed("db1.c1:db2.c2", {"db1", "other"}), "db1.other");
  EXPECT_EQ(Renamed("db1.*:db2.*", {"db1", "c1"}), "db2.c1");
  EXPECT_EQ(Renamed("db1.:db2.", {"db1", "c1"}), "db1.c1") << "the database alone";
}

TEST(RenameRulesTest, ExactRulesBeatTheWildcard) {
  for (const char* rules : {"db1.*:db2.*,db1.c1:db3.c3", "db1.c1:db3.c3,db1.*:db2.*"}) {
    EXPECT_EQ(Renamed(rules, {"db1", "c1"}), "db3.c3");
    EXPECT_EQ(Renamed(rules, {"db1", "c2"}), "db2.c2");
  }
}

TEST(RenameRulesTest, TheLastRuleForANameWins) {
  EXPECT_EQ(Renamed("a:b,a:c", {"default", "a"}), "default.c");
  EXPECT_EQ(Renamed("a:b,default.a:shop.c", {"default", "a"}), "shop.c");
  EXPECT_EQ(Renamed("d.*:e.*,d.*:f.*", {"d", "a"}), "f.a");
}

TEST(RenameRulesTest, TextAfterASecondColonIsIgnored) {
  EXPECT_EQ(Renamed("a:b:whatever", {"default", "a"}), "default.b");
}

TEST(RenameRulesTest, DatabasesFollowBothDatabaseForms) {
  ASSERT_OK_AND_ASSIGN(const RenameRules rules, RenameRules::Parse("db1.*:db2.*,db3.:db4."));
  EXPECT_EQ(rules.ApplyToDatabase("db1"), "db2");
  EXPECT_EQ(rules.ApplyToDatabase("db3"), "db4");
  EXPECT_EQ(rules.ApplyToDatabase("db5"), "db5");
}

TEST(RenameRulesTest, BadRulesAreNamed) {
  for (const char* text : {"a", "a:", ":b", "a:b,", "db1.c1:c2", "c1:db2.c2", "db1.*:db2.c",
                           "db1.*:db2.", "a-b:c", "a b:c", "*:b", "a.b.c:d.e.f", ".a:.b"}) {
    EXPECT_THAT(RenameRules::Parse(text), IsError(Code::kInvalidArgument, "-r/--rename")) << text;
  }
}

}  // namespace
}  // namespace milvus_backup::backup
