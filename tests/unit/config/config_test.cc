#include "config_fixture.h"

#include <filesystem>

namespace milvus_backup::config {
namespace {

using milvus_backup::testing::IsError;

class ConfigTest : public ConfigFixture {};

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

TEST_F(ConfigTest, SettingsSayWhatWasFoundWhere) {
  environment_["MINIO_PORT"] = "9001";
  ASSERT_OK_AND_ASSIGN(const Config config,
                       LoadText("minio: {secretAccessKey: verysecret, CloudProvider: aws}\n"
                                "milvus: {password: abc}\n",
                                {"minio_region=eu"}));
  auto settings = ByKey(config);
  const auto expect = [&](const std::string& key, const std::string& value,
                          const std::string& source, const std::string& source_key) {
    EXPECT_EQ(settings[key].value, value) << key;
    EXPECT_EQ(settings[key].source, source) << key;
    EXPECT_EQ(settings[key].source_key, source_key) << key;
  };
  expect("minio.secretAccessKey", "ve****et", "file", "minio.secretAccessKey");
  expect("minio.backupSecretAccessKey", "ve****et", "inherited", "minio.secretAccessKey");
  expect("milvus.password", "****", "file", "milvus.password");
  expect("storage.storageType", "aws", "file", "minio.cloudProvider");
  expect("minio.port", "9001", "environment", "MINIO_PORT");
  expect("minio.region", "eu", "--set", "MINIO_REGION");
  expect("milvus.port", "19530", "default", "");
  expect("cloud.apikey", "", "default", "");
}

TEST_F(ConfigTest, GarbageCollectionPause) {
  ASSERT_OK_AND_ASSIGN(const Config defaults, LoadText(""));
  EXPECT_TRUE(defaults.gc_pause.enable);
  EXPECT_EQ(defaults.gc_pause.address, "http://localhost:9091");
  environment_["BACKUP_GC_PAUSE_ADDRESS"] = "milvus:9091";
  ASSERT_OK_AND_ASSIGN(const Config config,
                       LoadText("backup: {gcPause: {enable: false, seconds: 7200}}"));
  EXPECT_FALSE(config.gc_pause.enable);
  EXPECT_EQ(config.gc_pause.address, "http://milvus:9091");
  environment_.clear();
  EXPECT_THAT(LoadText("backup: {gcPause: {address: 'ftp://x'}}"),
              IsError(Code::kInvalidArgument, "backup.gcPause.address is 'ftp://x'"));
  EXPECT_THAT(LoadText("backup: {gcPause: {address: ''}}"),
              IsError(Code::kInvalidArgument, "backup.gcPause.address is ''"));
  ASSERT_OK_AND_ASSIGN(const Config off, LoadText("backup: {gcPause: {enable: f, address: ''}}"));
  EXPECT_EQ(off.gc_pause.address, "http://localhost:9091");
}

TEST_F(ConfigTest, ValuesAreReadAsTheReferenceToolReadsThem) {
  for (const char* yes : {"1", "t", "T", "true", "TRUE", "True"}) {
    ASSERT_OK_AND_ASSIGN(const Config config,
                         LoadText(std::string("minio: {useSSL: ") + yes + ", crossStorage: '1'}"));
    EXPECT_TRUE(config.milvus_storage.use_ssl) << yes;
    EXPECT_TRUE(config.backup_storage.use_ssl) << yes;
    EXPECT_TRUE(config.cross_storage);
  }
  ASSERT_OK_AND_ASSIGN(const Config config, LoadText(R"(
MINIO: {PORT: "9001", useSSL: t, backupUseSSL: "0", backupPort: ~, backupRegion: "", region: r}
milvus: {tlsMode: 2}
log: {file: {rootPath: old.log, maxDays: 3}}
)"));
  EXPECT_EQ(config.milvus_storage.port, 9001);
  EXPECT_EQ(config.backup_storage.port, 9001);  // null inherits
  EXPECT_EQ(config.backup_storage.region, "");  // empty is a value
  EXPECT_FALSE(config.backup_storage.use_ssl);
  EXPECT_EQ(config.milvus.tls_mode, milvus::TlsMode::kServer);  // no certificate of ours
  EXPECT_EQ(config.log.path, "old.log");
  EXPECT_EQ(config.log.max_days, 3U);
}

TEST_F(ConfigTest, BackupRootFollowsTheReferenceRules) {
  const auto root = [&](const std::string& text) -> std::string {
    const auto config = LoadText(text);
    return config.ok() ? config->backup_storage.root_path : config.status().ToString();
  };
  EXPECT_EQ(root("minio: {rootPath: by-dev}"), "by-dev");
  EXPECT_EQ(root("minio: {rootPath: ''}"), "backup");
  EXPECT_EQ(root("minio: {rootPath: /}"), "backup");
  EXPECT_EQ(root("minio: {backupRootPath: ''}"), "");  // the whole bucket
  EXPECT_EQ(root("minio: {rootPath: by-dev, backupRootPath: /b/c/}"), "b/c");
  EXPECT_THAT(LoadText("minio: {storageType: local, rootPath: ''}"),
              IsError(Code::kInvalidArgument, "minio.rootPath is empty"));
}

TEST_F(ConfigTest, CredentialsFromTheEnvironmentLeaveNoKeys) {
  ASSERT_OK_AND_ASSIGN(const Config config,
                       LoadText("minio: {accessKeyID: a, token: t, useIAM: true, "
                                "backupUseIAM: false}"));
  EXPECT_TRUE(config.milvus_storage.use_iam);
  EXPECT_EQ(config.milvus_storage.access_key, "");
  EXPECT_TRUE(config.milvus_storage.session_token.empty());
  EXPECT_EQ(config.backup_storage.access_key, "a");
  EXPECT_EQ(config.backup_storage.session_token.Reveal(), "t");
}

TEST_F(ConfigTest, UnknownKeysOfTheFileAreIgnored) {
  ASSERT_OK_AND_ASSIGN(const Config config,
                       LoadText("nope: {a: 1}\nmilvus: {authorizationEnabled: true}\n"));
  EXPECT_TRUE(config.warnings.empty());
}

TEST_F(ConfigTest, EndlessAliasIsRefused) {
  EXPECT_THAT(LoadText("minio: &a {b: *a}\n"), IsError(Code::kInvalidArgument, "backup.yaml"));
}

TEST_F(ConfigTest, MutualTlsWithoutBothFilesIsTlsWithoutThem) {
  ASSERT_OK_AND_ASSIGN(Config config, LoadText("milvus: {tlsMode: 2, mtlsKeyPath: k}\n"));
  EXPECT_EQ(config.milvus.tls_mode, milvus::TlsMode::kServer);
  EXPECT_THAT(config.warnings, ::testing::ElementsAre(
                                   "milvus.tlsMode is 2 without milvus.mtlsCertPath: taken as 1"));
  ASSERT_OK_AND_ASSIGN(config, LoadText("milvus: {tlsMode: 2, mtlsCertPath: c}\n"));
  EXPECT_EQ(config.milvus.tls_mode, milvus::TlsMode::kServer);
  ASSERT_OK_AND_ASSIGN(config, LoadText("milvus: {tlsMode: 2}\n"));
  EXPECT_TRUE(config.warnings.empty());
  ASSERT_OK_AND_ASSIGN(config, LoadText("milvus: {tlsMode: 2, mtlsCertPath: c, mtlsKeyPath: k}\n"));
  EXPECT_EQ(config.milvus.tls_mode, milvus::TlsMode::kMutual);
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
  EXPECT_THAT(LoadText("", {"MINIO_PORT=x"}), IsError(Code::kInvalidArgument, "MINIO_PORT is 'x'"));
  EXPECT_THAT(LoadText("configVersion: v3\n"), IsError(Code::kInvalidArgument, "configVersion"));
  EXPECT_THAT(LoadText("a: [b\n"), IsError(Code::kInvalidArgument, "backup.yaml line"));
  EXPECT_THAT(LoadText("just text"), IsError(Code::kInvalidArgument, "not a mapping"));
  EXPECT_THAT(LoadText("", {"minio.port"}), IsError(Code::kInvalidArgument, "KEY=VALUE"));
  EXPECT_EQ(LoadText("minio: {port: x}\n").status().origin(), Origin::kConfig);
}

TEST_F(ConfigTest, MissingFileNamesWhereItLooked) {
  environment_["MILVUSCONF"] = dir_.path() + "/conf";
  const auto missing = Load(OptionsFor("none.yaml"));
  EXPECT_THAT(missing, IsError(Code::kInvalidArgument, "/conf/none.yaml"));
  EXPECT_THAT(missing, IsError(Code::kInvalidArgument, "configs/none.yaml"));
  std::filesystem::create_directory(dir_.path() + "/conf");
  WriteFile("conf/none.yaml", "milvus: {port: 1234}\n");
  ASSERT_OK_AND_ASSIGN(const Config found, Load(OptionsFor("none.yaml")));
  EXPECT_EQ(found.milvus.port, 1234);
}

TEST_F(ConfigTest, APathWithADirectoryIsNotLookedForElsewhere) {
  environment_["MILVUSCONF"] = dir_.path();
  WriteFile("none.yaml", "milvus: {port: 1234}\n");
  const auto missing = Load(OptionsFor("no-such-directory/none.yaml"));
  EXPECT_THAT(missing,
              IsError(Code::kInvalidArgument, "no-such-directory/none.yaml does not exist"));
  EXPECT_EQ(missing.status().origin(), Origin::kConfig);
  EXPECT_THAT(Load(OptionsFor(dir_.path() + "/x/none.yaml")),
              IsError(Code::kInvalidArgument, "/x/none.yaml does not exist"));
  std::filesystem::create_directory(dir_.path() + "/x");
  EXPECT_THAT(Load(OptionsFor(dir_.path() + "/x")),
              IsError(Code::kInvalidArgument, "/x is no file"));
}

}  // namespace
}  // namespace milvus_backup::config
