#include "backup/key_filter.h"

#include <gtest/gtest.h>

#include <string>

namespace milvus_backup::backup {
namespace {

TEST(KeyFilterTest, StarsStopAtSlashesAndDoubleStarsDoNot) {
  const struct {
    const char* pattern;
    const char* text;
    bool fits;
  } cases[] = {
      {"", "", true},
      {"", "a", false},
      {"a", "a", true},
      {"*", "", true},
      {"*", "abc", true},
      {"*", "a/b", false},
      {"**", "a/b/c", true},
      {"a/*", "a/b", true},
      {"a/*", "a/b/c", false},
      {"a/**", "a/b/c", true},
      {"**/c", "a/b/c", true},
      {"**c", "c", true},
      {"a?c", "abc", true},
      {"a?c", "a/c", false},
      {"*.log", "x.log", true},
      {"*.log", "x.logs", false},
      {"*a*b", "xaxxb", true},
      {"**/x*/y", "a/b/xx/y", true},
      {"**/x*/y", "x/q/xx/y", true},
      {"*b/**d", "ab/c/d", true},
      {"*b/**d", "ab/c/e", false},
      {"**a*", "b/a/c", false},
      {"**a*", "b/ac", true},
      {"***", "a/b", true},
  };
  for (const auto& one : cases) {
    EXPECT_EQ(GlobFits(one.pattern, one.text), one.fits) << one.pattern << " " << one.text;
  }
}

TEST(KeyFilterTest, ManyStarsTakeNoTime) {
  const std::string text(4000, 'a');
  EXPECT_FALSE(GlobFits("*a*a*a*a*a*a*a*a*a*a*a*a*b", text));
  EXPECT_FALSE(GlobFits("**a**a**a**a**a**a**a**a**b", text));
}

TEST(KeyFilterTest, APatternFitsADirectoryAsAWhole) {
  EXPECT_TRUE(KeyFilter({"a/b"}, {}).Takes("a/b/c/d"));
  EXPECT_TRUE(KeyFilter({"/a/b/"}, {}).Takes("a/b/c/d"));
  EXPECT_FALSE(KeyFilter({"b/c"}, {}).Takes("a/b/c/d"));
  EXPECT_TRUE(KeyFilter({"c"}, {}).Takes("a/b/c/d"));
  EXPECT_FALSE(KeyFilter({"c"}, {}).Takes("a/b/cc/d"));
}

TEST(KeyFilterTest, ExcludeWinsOverIncludeWhateverTheirOrder) {
  const KeyFilter filter({"a", "b"}, {"a/x", "*.tmp"});
  EXPECT_TRUE(filter.Takes("a/y"));
  EXPECT_TRUE(filter.Takes("b/x"));
  EXPECT_FALSE(filter.Takes("a/x/1"));
  EXPECT_FALSE(filter.Takes("b/q.tmp"));
  EXPECT_FALSE(filter.Takes("c"));
  EXPECT_TRUE(KeyFilter({}, {}).Takes("anything"));
  EXPECT_TRUE(KeyFilter({}, {}).takes_all());
}

}  // namespace
}  // namespace milvus_backup::backup
