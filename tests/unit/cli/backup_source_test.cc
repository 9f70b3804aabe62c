#include "cli/backup_source.h"

#include "support/status_matchers.h"
#include "support/temp_dir.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace milvus_backup::cli {
namespace {

using config::StorageKind;
using ::milvus_backup::testing::IsError;
using ::milvus_backup::testing::TempDir;

config::Config Sample() {
  config::Config config;
  config.backup_storage.bucket = "own";
  config.backup_storage.root_path = "backup";
  config::StorageSettings archive;
  archive.bucket = "archive";
  archive.root_path = "old";
  archive.address = "far";
  config.storages["archive"] = archive;
  config::StorageSettings disk;
  disk.kind = StorageKind::kLocal;
  disk.root_path = "/mnt/disk";
  config.storages["disk"] = disk;
  return config;
}

TEST(BackupSourceTest, FlagsNameAStorageAndPlacesABackup) {
  const config::Config config = Sample();
  ASSERT_OK_AND_ASSIGN(BackupSource source, FindSource(config, {}, false));
  EXPECT_EQ(source.config.backup_storage.bucket, "own");
  EXPECT_EQ(source.name, "");
  ASSERT_OK_AND_ASSIGN(source, FindSource(config, {.from = "Archive"}, false));
  EXPECT_EQ(source.config.backup_storage.bucket, "archive");
  EXPECT_EQ(source.config.backup_storage.root_path, "old");

  ASSERT_OK_AND_ASSIGN(source, FindSource(config, {.place = "archive:b/x/y/nightly/"}, false));
  EXPECT_EQ(source.config.backup_storage.address, "far");
  EXPECT_EQ(source.config.backup_storage.bucket, "b");
  EXPECT_EQ(source.config.backup_storage.root_path, "x/y");
  EXPECT_EQ(source.name, "nightly");
  ASSERT_OK_AND_ASSIGN(source, FindSource(config, {.place = "s3://b/nightly"}, false));
  EXPECT_EQ(source.config.backup_storage.root_path, "");
  EXPECT_EQ(source.name, "nightly");
  ASSERT_OK_AND_ASSIGN(source, FindSource(config, {.place = "s3://b/nightly"}, true));
  EXPECT_EQ(source.config.backup_storage.root_path, "nightly");
  EXPECT_EQ(source.name, "");
  ASSERT_OK_AND_ASSIGN(source, FindSource(config, {.place = "disk:sub/nightly"}, false));
  EXPECT_EQ(source.config.backup_storage.root_path, "/mnt/disk/sub");
  EXPECT_EQ(source.name, "nightly");
}

TEST(BackupSourceTest, DirectoriesAreFoundHoweverTheyAreWritten) {
  const TempDir dir;
  std::filesystem::create_directories(dir.path() + "/backups/nightly/meta");
  for (const std::string& place :
       {dir.path() + "/backups/nightly", dir.path() + "/backups/nightly/",
        "file://" + dir.path() + "/backups/nightly/meta/.."}) {
    ASSERT_OK_AND_ASSIGN(const BackupSource source, FindSource(Sample(), {.place = place}, false));
    EXPECT_EQ(source.config.backup_storage.kind, StorageKind::kLocal);
    EXPECT_EQ(source.config.backup_storage.root_path,
              std::filesystem::canonical(dir.path() + "/backups").string());
    EXPECT_EQ(source.name, "nightly") << place;
  }
  EXPECT_THAT(FindSource(Sample(), {.place = "/"}, false).status(),
              IsError(Code::kInvalidArgument, "'/' cannot be a backup"));
}

TEST(BackupSourceTest, RefusalsNameWhatIsWrong) {
  const config::Config config = Sample();
  const auto wrong = [&](const SourceFlags& flags, const char* text) {
    EXPECT_THAT(FindSource(config, flags, false).status(), IsError(Code::kInvalidArgument, text));
  };
  wrong({.place = "s3://b/x", .from = "archive"}, "leave out --from");
  wrong({.place = "s3://b/x", .from_config = "f"}, "leave out --from-config");
  wrong({.from = "archive", .from_config = "f"}, "--from and --from-config exclude each other");
  wrong({.from = "nowhere"}, "nowhere");
  wrong({.place = "nowhere:b/x"}, "nowhere");
  wrong({.place = "s3://b"}, "cannot be a backup");
  EXPECT_THAT(FindSource(config, {.from_config = "no-such/file"}, false).status(),
              IsError(Code::kInvalidArgument, "--from-config"));
  config::Config on_disk = config;
  on_disk.backup_storage = config.storages.at("disk");
  EXPECT_THAT(FindSource(on_disk, {.place = "s3://b/x"}, false).status(),
              IsError(Code::kInvalidArgument, "is a directory"));
}

TEST(BackupSourceTest, AnotherFileIsReadWithoutOverrides) {
  const TempDir dir;
  const std::string file = dir.path() + "/other.yaml";
  std::ofstream(file) << "minio:\n  backupBucketName: there\n  backupRootPath: r\n";
  ASSERT_OK_AND_ASSIGN(const BackupSource source,
                       FindSource(Sample(), {.from_config = file}, false));
  EXPECT_EQ(source.config.backup_storage.bucket, "there");
  EXPECT_EQ(source.config.backup_storage.root_path, "r");
  EXPECT_EQ(source.config.backup_storage.keys.access_key, "minio.backupAccessKeyID in " + file);
  // Everything else is that of --config.
  EXPECT_TRUE(source.config.storages.contains("archive"));
}

}  // namespace
}  // namespace milvus_backup::cli
