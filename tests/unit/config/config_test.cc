#include "milvus_backup/config/config.h"

#include "support/status_matchers.h"
#include "support/temp_dir.h"
#include "support/test_paths.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

namespace milvus_backup::config {
namespace {

using milvus_backup::testing::IsError;
using milvus_backup::testing::TempDir;

class ConfigTest : public ::testing::Test {
 protected:
  Result<Config> LoadText(const std::string& text, std::vector<std::string> sets = {}) {
    const std::string path = dir_.path() + "/backup.yaml";
    std::ofstream(path) << text;
    return Load({.path = path, .sets = std::move(sets), .environment = Environment()});
  }
  std::function<std::optional<std::string>(const std::string&)> Environment() {
    return [this](const std::string& name) -> std::optional<std::string> {
      const auto it = environment_.find(name);
      return it == environment_.end() ? std::nullopt : std::optional(it->second);
    };
  }

  TempDir dir_;
  std::map<std::string, std::string> environment_;
};

// The two blocks of the multi-storage guide, with keys in the guide's order and its addresses.
constexpr const char* kGuideConfig = R"(
# milvus proxy address, compatible to milvus.yaml
milvus:
  address: milvus_A
  port: 19530
  authorizationEnabled: false
  tlsMode: 0
  user: "root"
  password: "Milvus"

minio:
  # cloudProvider: "minio" # deprecated use storageType instead
  storageType: "minio" # support storage type: local, minio, s3, aws, gcp, ali(aliyun), azure, tc(tencent)

  address: minio_A # Address of MinIO/S3
  port: 9000   # Port of MinIO/S3
  accessKeyID: minioadmin  # accessKeyID of MinIO/S3
  secretAccessKey: minioadmin # MinIO/S3 encryption string
  useSSL: false # Access to MinIO/S3 with SSL
  useIAM: false
  iamEndpoint: ""

  bucketName: "bucket_A" # Milvus Bucket name in MinIO/S3
  rootPath: "files" # Milvus storage root path in MinIO/S3

  # only for azure
  backupAccessKeyID: minioadmin  # accessKeyID of MinIO/S3
  backupSecretAccessKey: minioadmin # MinIO/S3 encryption string

  backupBucketName: "bucket_A" # Bucket name to store backup data
  backupRootPath: "backup" # Rootpath to store backup data
)";

TEST_F(ConfigTest, LoadsTheGuidesFileUnchanged) {
  ASSERT_OK_AND_ASSIGN(const Config config, LoadText(kGuideConfig));
  EXPECT_EQ(config.milvus.address, "milvus_A");
  EXPECT_EQ(config.milvus.user, "root");
  EXPECT_EQ(config.milvus.password.Reveal(), "Milvus");
  EXPECT_EQ(config.milvus_storage.address, "minio_A");
  EXPECT_EQ(config.milvus_storage.bucket, "bucket_A");
  EXPECT_EQ(config.milvus_storage.root_path, "files");
  EXPECT_EQ(config.backup_storage.address, "minio_A");
  EXPECT_EQ(config.backup_storage.port, 9000);
  EXPECT_EQ(config.backup_storage.bucket, "bucket_A");
  EXPECT_EQ(config.backup_storage.root_path, "backup");
  EXPECT_FALSE(config.backup_storage.use_ssl);
}

TEST_F(ConfigTest, EmptyFileGivesTheReferenceDefaults) {
  ASSERT_OK_AND_ASSIGN(const Config config, LoadText(""));
  EXPECT_EQ(config.milvus.address, "localhost");
  EXPECT_EQ(config.milvus.port, 19530);
  EXPECT_EQ(config.milvus_storage.access_key, "minioadmin");
  EXPECT_EQ(config.milvus_storage.bucket, "a-bucket");
  // Without the key the backup root is the effective minio.rootPath, as in the reference tool.
  EXPECT_EQ(config.backup_storage.root_path, "files");
  EXPECT_EQ(config.parallelism.copy_data, 128);
  EXPECT_EQ(config.multipart_copy_threshold_mib, 500U);
  EXPECT_EQ(config.log.path, "logs/backup.log");
}

TEST_F(ConfigTest, SetWinsOverEnvironmentOverFile) {
  environment_["MINIO_PORT"] = "9001";
  environment_["MILVUS_ADDRESS"] = "from-environment";
  ASSERT_OK_AND_ASSIGN(
      const Config config,
      LoadText("milvus: {address: from-file}\nminio: {port: 9000}\n",
               {"MINIO.PORT=9002,minio_bucket_name=b-bucket", "minio.rootPath=\"a,b\""}));
  EXPECT_EQ(config.milvus.address, "from-environment");
  EXPECT_EQ(config.milvus_storage.port, 9002);
  EXPECT_EQ(config.milvus_storage.bucket, "b-bucket");
  EXPECT_EQ(config.milvus_storage.root_path, "a,b");
}

TEST_F(ConfigTest, BackupStorageInheritsKeyByKey) {
  ASSERT_OK_AND_ASSIGN(const Config config, LoadText(R"(
minio: {address: a, port: 1, region: r, useSSL: true, accessKeyID: key, secretAccessKey: secret,
        bucketName: bucket, rootPath: files, backupAddress: b, backupRegion: "", backupRootPath: /x/}
)"));
  EXPECT_EQ(config.backup_storage.address, "b");
  EXPECT_EQ(config.backup_storage.port, 1);
  EXPECT_EQ(config.backup_storage.region, "");  // present but empty counts as set
  EXPECT_TRUE(config.backup_storage.use_ssl);
  EXPECT_EQ(config.backup_storage.access_key, "key");
  EXPECT_EQ(config.backup_storage.secret_key.Reveal(), "secret");
  EXPECT_EQ(config.backup_storage.bucket, "bucket");
  EXPECT_EQ(config.backup_storage.root_path, "x");
}

TEST_F(ConfigTest, FirstKnownNameOfAKeyWins) {
  ASSERT_OK_AND_ASSIGN(const Config config,
                       LoadText("storage: {storageType: aws}\nminio: {cloudProvider: aliyun}\n"));
  EXPECT_EQ(config.milvus_storage.provider, "s3");
  ASSERT_OK_AND_ASSIGN(const Config old, LoadText("minio: {cloudProvider: ali}\n"));
  EXPECT_EQ(old.milvus_storage.provider, "aliyun");
}

TEST_F(ConfigTest, LocalStorageKeepsAbsoluteDirectories) {
  ASSERT_OK_AND_ASSIGN(const Config config, LoadText(R"(
minio: {storageType: local, rootPath: /var/lib/milvus/data/, backupRootPath: /var/backups}
)"));
  EXPECT_EQ(config.milvus_storage.kind, StorageKind::kLocal);
  EXPECT_EQ(config.milvus_storage.root_path, "/var/lib/milvus/data");
  EXPECT_EQ(config.backup_storage.kind, StorageKind::kLocal);
  EXPECT_EQ(config.backup_storage.root_path, "/var/backups");
}

TEST_F(ConfigTest, GarbageCollectionIsPausedUnlessToldOtherwise) {
  ASSERT_OK_AND_ASSIGN(const Config plain, LoadText("backup: {keepTempFiles: true}\n"));
  EXPECT_TRUE(plain.gc_pause.enable);
  EXPECT_EQ(plain.gc_pause.address, "http://localhost:9091");
  environment_["BACKUP_GC_PAUSE_ADDRESS"] = "http://milvus:9091";
  ASSERT_OK_AND_ASSIGN(
      const Config told,
      LoadText("backup: {gcPause: {enable: false, address: http://from-file:1}}\n"));
  EXPECT_FALSE(told.gc_pause.enable);
  EXPECT_EQ(told.gc_pause.address, "http://milvus:9091");
}

TEST_F(ConfigTest, SecretsAreMaskedInSettings) {
  ASSERT_OK_AND_ASSIGN(const Config config,
                       LoadText("minio: {secretAccessKey: verysecret}\nmilvus: {password: abc}\n"));
  std::map<std::string, Setting> settings;
  for (const Setting& setting : config.settings) settings[setting.key] = setting;
  EXPECT_EQ(settings["minio.secretAccessKey"].value, "ve****et");
  EXPECT_EQ(settings["minio.secretAccessKey"].source, "file");
  EXPECT_EQ(settings["minio.backupSecretAccessKey"].value, "ve****et");
  EXPECT_EQ(settings["minio.backupSecretAccessKey"].source, "inherited");
  EXPECT_EQ(settings["milvus.password"].value, "****");
}

TEST_F(ConfigTest, BadValuesNameTheKey) {
  EXPECT_THAT(LoadText("minio: {port: 70000}\n"),
              IsError(Code::kInvalidArgument, "minio.port is '70000'"));
  EXPECT_THAT(LoadText("milvus: {tlsMode: 3}\n"),
              IsError(Code::kInvalidArgument, "milvus.tlsMode"));
  EXPECT_THAT(LoadText("minio: {useSSL: maybe}\n"),
              IsError(Code::kInvalidArgument, "minio.useSSL is 'maybe'"));
  EXPECT_THAT(LoadText("minio: {storageType: floppy}\n"),
              IsError(Code::kInvalidArgument, "minio.storageType is 'floppy'"));
  EXPECT_THAT(LoadText("minio: {storageType: azure}\n"),
              IsError(Code::kInvalidArgument, "not built yet"));
  EXPECT_THAT(LoadText("configVersion: v3\n"), IsError(Code::kInvalidArgument, "configVersion"));
  EXPECT_THAT(LoadText("a: [b\n"), IsError(Code::kInvalidArgument, "backup.yaml line"));
  EXPECT_THAT(LoadText("just text"), IsError(Code::kInvalidArgument, "not a mapping"));
  EXPECT_THAT(LoadText("", {"minio.port"}), IsError(Code::kInvalidArgument, "KEY=VALUE"));
  EXPECT_EQ(LoadText("minio: {port: x}\n").status().origin(), Origin::kConfig);
}

TEST_F(ConfigTest, MissingFileNamesWhereItLooked) {
  environment_["MILVUSCONF"] = dir_.path() + "/conf";
  const auto missing = Load({.path = dir_.path() + "/none.yaml", .environment = Environment()});
  EXPECT_THAT(missing, IsError(Code::kInvalidArgument, "/conf/none.yaml"));
  EXPECT_THAT(missing, IsError(Code::kInvalidArgument, "configs/none.yaml"));
  std::filesystem::create_directory(dir_.path() + "/conf");
  std::ofstream(dir_.path() + "/conf/none.yaml") << "milvus: {port: 1234}\n";
  ASSERT_OK_AND_ASSIGN(const Config found,
                       Load({.path = dir_.path() + "/none.yaml", .environment = Environment()}));
  EXPECT_EQ(found.milvus.port, 1234);
}

TEST_F(ConfigTest, SampleFileLoads) {
  ASSERT_OK_AND_ASSIGN(const Config config,
                       Load({.path = milvus_backup::testing::ConfigsDir() + "/backup.yaml",
                             .environment = Environment()}));
  EXPECT_EQ(config.backup_storage.root_path, "backup");
  EXPECT_EQ(config.milvus_storage.bucket, "a-bucket");
}

}  // namespace
}  // namespace milvus_backup::config
