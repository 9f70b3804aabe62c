#include "milvus_backup/storage/location.h"

#include "support/status_matchers.h"

#include <gtest/gtest.h>

namespace milvus_backup::storage {
namespace {

using ::milvus_backup::testing::IsError;
using Kind = Location::Kind;

TEST(LocationTest, ReadsEveryForm) {
  const struct {
    const char* text;
    Kind kind;
    const char* name;
    const char* bucket;
    const char* path;
  } cases[] = {
      {"site_a:bucket-a/any/prefix", Kind::kNamed, "site_a", "bucket-a", "any/prefix"},
      {"site-b:bucket/", Kind::kNamed, "site-b", "bucket", ""},
      {"backup:b", Kind::kNamed, "backup", "b", ""},
      {"s3://bucket-a/backup/x/", Kind::kBackup, "", "bucket-a", "backup/x"},
      {"s3://b", Kind::kBackup, "", "b", ""},
      {"/mnt/disk", Kind::kDisk, "", "", "/mnt/disk"},
      {"./a:b", Kind::kDisk, "", "", "./a:b"},
      {"../up", Kind::kDisk, "", "", "../up"},
      {"relative/path", Kind::kDisk, "", "", "relative/path"},
      {"file:///mnt/disk", Kind::kDisk, "", "", "/mnt/disk"},
  };
  for (const auto& one : cases) {
    ASSERT_OK_AND_ASSIGN(const Location location, ParseLocation(one.text));
    EXPECT_EQ(location.kind, one.kind) << one.text;
    EXPECT_EQ(location.name, one.name) << one.text;
    EXPECT_EQ(location.bucket, one.bucket) << one.text;
    EXPECT_EQ(location.path, one.path) << one.text;
    EXPECT_EQ(location.text, one.text);
  }
}

TEST(LocationTest, NamesWhatIsWrong) {
  const struct {
    const char* text;
    const char* problem;
  } cases[] = {
      {"", "it is empty"},
      {"site_a:", "names no bucket"},
      {"s3://", "names no bucket"},
      {"s3:///x", "names no bucket"},
      {"gs://bucket/x", "there is no scheme gs://"},
      {"file://relative", "absolute path"},
      {"a:b/../c", "'..'"},
      {"a:b/./c", "'.'"},
      {"a:..", "'..'"},
      {"a:b//c", "empty element"},
      {"a:b/c\nd", "control character"},
      {"/mnt/\x01", "control character"},
  };
  for (const auto& one : cases) {
    EXPECT_THAT(ParseLocation(one.text), IsError(Code::kInvalidArgument, one.problem)) << one.text;
  }
}

TEST(LocationTest, PlacesOverlapByWholeElements) {
  EXPECT_EQ(OverlapOf({"x", "a/b"}, {"y", "a/b"}), Overlap::kNone);
  EXPECT_EQ(OverlapOf({"x", "a/b"}, {"x", "a/bc"}), Overlap::kNone);
  EXPECT_EQ(OverlapOf({"x", "a/b"}, {"x", "a/b"}), Overlap::kSame);
  EXPECT_EQ(OverlapOf({"x", "a/b/c"}, {"x", "a/b"}), Overlap::kFirstInSecond);
  EXPECT_EQ(OverlapOf({"x", ""}, {"x", "a"}), Overlap::kSecondInFirst);
  EXPECT_EQ(OverlapOf({"x", "/"}, {"x", "/a"}), Overlap::kSecondInFirst);
  EXPECT_OK(CheckApart({"x", "a"}, {"x", "b"}));
  EXPECT_THAT(CheckApart({"x", ""}, {"x", ""}), IsError(Code::kInvalidArgument, "same place"));
}

}  // namespace
}  // namespace milvus_backup::storage
