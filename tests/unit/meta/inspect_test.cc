#include "scripted_backend.h"
#include "support/status_matchers.h"

#include "milvus_backup/meta/reader.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace milvus_backup::meta {
namespace {

using testing::ScriptedBackend;

constexpr char kDir[] = "backup/demo/";

TEST(InspectTest, DirectoriesAreToldApartByWhatTheyHold) {
  const auto inspect = [&](const std::string& key) {
    ScriptedBackend backend(1);
    backend.Store("backup/demo2/x", "");
    if (!key.empty()) backend.Store(std::string(kDir) + key, "");
    Result<DirectoryContent> content = InspectDirectory({}, backend, kDir);
    EXPECT_OK(content);
    return *content;
  };
  EXPECT_EQ(inspect("").kind, DirectoryKind::kNothing);
  for (const char* key : {"meta/backup_meta.json", "meta/run.json", "meta/full_meta.json",
                          "meta/manifest/1.jsonl.zst", "meta/tags.json", "meta/tombstone.json",
                          "binlogs/insert_log/1/2/3/3/100/4", "binlogs/delta_log/1/-1/3/4"}) {
    EXPECT_EQ(inspect(key).kind, DirectoryKind::kBackupParts) << key;
  }
  for (const auto& [key, shown] : std::vector<std::pair<std::string, std::string>>{
           {"1/2/3", "1/"},
           {"notes.txt", "notes.txt"},
           {"bundle/x", "bundle/"},
           {"meta/1.jpg", "meta/1.jpg"},
           {"binlogs/mysql-bin.000001", "binlogs/mysql-bin.000001"}}) {
    const DirectoryContent content = inspect(key);
    EXPECT_EQ(content.kind, DirectoryKind::kForeign) << key;
    EXPECT_EQ(content.foreign_key, std::string(kDir) + shown);
  }
}

TEST(InspectTest, MarkedDirectoriesMayHoldMoreInTheirPartsButNotBesideThem) {
  ScriptedBackend backend;
  backend.Store(std::string(kDir) + "meta/later.bin", "");
  backend.Store(std::string(kDir) + "binlogs/later_log/1", "");
  backend.Store(std::string(kDir) + "meta/tags.json", "");
  ASSERT_OK_AND_ASSIGN(DirectoryContent content, InspectDirectory({}, backend, kDir));
  EXPECT_EQ(content.kind, DirectoryKind::kForeign);
  for (const char* mark : {"meta/tombstone.json", "meta/run.json"}) {
    backend.Store(std::string(kDir) + mark, "");
    ASSERT_OK_AND_ASSIGN(content, InspectDirectory({}, backend, kDir));
    EXPECT_EQ(content.kind, DirectoryKind::kBackupParts) << mark;
    ASSERT_OK(backend.Delete({}, std::string(kDir) + mark));
  }
  backend.Store(std::string(kDir) + "meta/run.json", "");
  backend.Store(std::string(kDir) + "zoo/1", "");
  ASSERT_OK_AND_ASSIGN(content, InspectDirectory({}, backend, kDir));
  EXPECT_EQ(content.kind, DirectoryKind::kForeign);
  EXPECT_EQ(content.foreign_key, std::string(kDir) + "zoo/");
}

}  // namespace
}  // namespace milvus_backup::meta
