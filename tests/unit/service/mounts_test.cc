#include "service/mounts.h"

#include "support/temp_dir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <sstream>
#include <string>
#include <vector>

namespace milvus_backup::service {
namespace {

using ::testing::ElementsAre;

// The server of a mount that has nothing to do with the two places may never answer.
TEST(MountsTest, OnlyPointsAboveAndBelowThePlacesAreLookedAt) {
  std::istringstream table(
      "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n"
      "2 1 0:40 / /mnt/dead rw - nfs dead:/ rw\n"
      "3 1 0:41 / /data rw - nfs one:/ rw\n"
      "4 3 0:42 /part /data/a/in\\040it rw - nfs two:/ rw\n"
      "5 1 0:43 / /data2 rw - nfs dead:/ rw\n"
      "6 3 0:44 / /data/b rw - tmpfs none rw\n"
      "cut off\n");
  // The last one is covered by another.
  const std::map<std::string, std::string> there = {
      {"/", "8:1"}, {"/data", "0:41"}, {"/data/a/in it", "0:42"}, {"/data/b", "0:99"}};
  std::vector<std::string> asked;
  const std::vector<Mount> mounts =
      MountsAround(table, {"/data/a", "/data/b/c"}, [&](const std::string& point) {
        asked.push_back(point);
        return there.at(point);
      });
  EXPECT_THAT(asked, ElementsAre("/", "/data", "/data/a/in it", "/data/b"));
  ASSERT_EQ(mounts.size(), 3U);
  EXPECT_EQ(mounts[0].point, "/");
  EXPECT_EQ(mounts[1].point, "/data");
  EXPECT_EQ(mounts[2].point, "/data/a/in it");
  EXPECT_EQ(mounts[2].root, "/part");
}

TEST(MountsTest, APlaceIsNotBelowOneWhoseNameItBeginsWith) {
  EXPECT_TRUE(IsAtOrBelow("/a/b", "/a"));
  EXPECT_TRUE(IsAtOrBelow("/a", "/a"));
  EXPECT_TRUE(IsAtOrBelow("/a", "/"));
  EXPECT_FALSE(IsAtOrBelow("/ab", "/a"));
  EXPECT_FALSE(IsAtOrBelow("/a", "/a/b"));
}

TEST(MountsTest, ADirectoryThatTwoPlacesHaveInCommonIsFound) {
  const testing::TempDir folder;
  const std::string& root = folder.path();
  for (const char* path : {"/a/b/c", "/d/e"}) {
    std::filesystem::create_directories(root + path);
  }
  std::filesystem::create_directory_symlink(root + "/a/b", root + "/d/link");
  EXPECT_TRUE(ShareADirectory(root + "/a", root + "/a/b"));
  EXPECT_TRUE(ShareADirectory(root + "/a/b/c", root));
  EXPECT_TRUE(ShareADirectory(root + "/a", root + "/a/b/new/deeper"));
  EXPECT_FALSE(ShareADirectory(root + "/a", root + "/d"));
  EXPECT_FALSE(ShareADirectory(root + "/a", root + "/new"));
}

}  // namespace
}  // namespace milvus_backup::service
