#include "config_fixture.h"

namespace milvus_backup::config {
namespace {

using milvus_backup::testing::IsError;

class StoragesTest : public ConfigFixture {};

constexpr const char* kStorages = R"(
storages:
  Archive:
    storageType: aws
    address: s3.example.com
    port: 443
    region: eu
    useSSL: true
    caCertPath: ca.pem
    payloadSigning: always
    accessKeyID: key
    secretAccessKey: secret
    token: token
    bucketName: archive
    rootPath: files
    backupRootPath: /old/backups/
  disk-1: {storageType: local, backupRootPath: /mnt/backups/}
  iam: {useIAM: true}
)";

TEST_F(StoragesTest, AreTheSameInBothVersions) {
  for (const std::string version : {"v1", "v2"}) {
    ASSERT_OK_AND_ASSIGN(const Config config,
                         LoadText("configVersion: " + version + "\n" + kStorages));
    EXPECT_TRUE(config.warnings.empty());
    ASSERT_EQ(config.storages.size(), 3U);
    const StorageSettings& archive = config.storages.at("archive");
    EXPECT_EQ(archive.provider, "s3");
    EXPECT_EQ(archive.address, "s3.example.com");
    EXPECT_EQ(archive.port, 443);
    EXPECT_EQ(archive.region, "eu");
    EXPECT_TRUE(archive.use_ssl);
    EXPECT_EQ(archive.ca_cert_path, "ca.pem");
    EXPECT_TRUE(archive.signs_bodies);
    EXPECT_EQ(archive.access_key, "key");
    EXPECT_EQ(archive.secret_key.Reveal(), "secret");
    EXPECT_EQ(archive.session_token.Reveal(), "token");
    EXPECT_EQ(archive.bucket, "archive");
    EXPECT_EQ(archive.root_path, "old/backups");
    EXPECT_EQ(archive.keys.address, "storages.archive.address");
    EXPECT_EQ(archive.keys.root_path, "storages.archive.backupRootPath");
    EXPECT_EQ(config.storages.at("disk-1").kind, StorageKind::kLocal);
    EXPECT_EQ(config.storages.at("disk-1").root_path, "/mnt/backups");
    EXPECT_TRUE(config.storages.at("iam").use_iam);
    EXPECT_EQ(config.storages.at("iam").root_path, "backup");
  }
}

TEST_F(StoragesTest, SecretsComeFromEnvironmentFilesAndSet) {
  environment_ = {{"STORAGES_DISK_1_ACCESS_KEY", "environment"},
                  {"STORAGES_ARCHIVE_SECRET_KEY_FILE", WriteFile("s", "from a file\n")}};
  ASSERT_OK_AND_ASSIGN(const Config config,
                       LoadText("storages:\n  archive: {port: 1}\n  disk-1: {port: 2}\n",
                                {"storages_archive_token=set", "storages.archive.port=3"}));
  EXPECT_EQ(config.storages.at("disk-1").access_key, "environment");
  EXPECT_EQ(config.storages.at("archive").secret_key.Reveal(), "from a file");
  EXPECT_EQ(config.storages.at("archive").session_token.Reveal(), "set");
  EXPECT_EQ(config.storages.at("archive").port, 3);
  EXPECT_TRUE(config.warnings.empty());
  EXPECT_EQ(ByKey(config)["storages.archive.secretAccessKey"].value, "fr****le");
}

TEST_F(StoragesTest, AreFoundByNameInAnyCase) {
  ASSERT_OK_AND_ASSIGN(const Config config, LoadText(kStorages));
  ASSERT_OK_AND_ASSIGN(const StorageSettings found, FindStorage(config, "ARCHIVE"));
  EXPECT_EQ(found.address, "s3.example.com");
  ASSERT_OK_AND_ASSIGN(const StorageSettings backup, FindStorage(config, "backup"));
  EXPECT_EQ(backup.keys.bucket, "minio.backupBucketName");
  ASSERT_OK_AND_ASSIGN(const StorageSettings milvus, FindStorage(config, "milvus"));
  EXPECT_EQ(milvus.keys.bucket, "minio.bucketName");
  const auto unknown = FindStorage(config, "archiv");
  EXPECT_THAT(
      unknown,
      IsError(Code::kInvalidArgument,
              "no storage is called 'archiv'; known: milvus, backup, archive, disk-1, iam"));
  EXPECT_EQ(unknown.status().advice(), "did you mean archive?");
  EXPECT_THAT(FindStorage(config, "elsewhere").status().advice(),
              ::testing::HasSubstr("add it below storages:"));
  // A short name is near only to what is nearly the same.
  for (const char* name : {"", "x", "to", "ix", "dis", "mils", "ups"}) {
    EXPECT_THAT(FindStorage(config, name).status().advice(),
                ::testing::HasSubstr("add it below storages:"))
        << name;
  }
  EXPECT_EQ(FindStorage(config, "iaam").status().advice(), "did you mean iam?");
  EXPECT_EQ(FindStorage(config, "mlivus").status().advice(), "did you mean milvus?");
  EXPECT_EQ(unknown.status().origin(), Origin::kSelf);  // a wrong flag, not a wrong file
}

TEST_F(StoragesTest, TyposAreErrors) {
  for (const std::string version : {"configVersion: v1\n", "configVersion: v2\n"}) {
    const auto load = [&](const std::string& text) { return LoadText(version + text); };
    EXPECT_THAT(load("storages: {a: {bucketname: x, adress: y}}"),
                IsError(Code::kInvalidArgument, "unknown key storages.a.adress"));
    EXPECT_THAT(load("storages: {a: {auth: {type: iam}}}"),
                IsError(Code::kInvalidArgument, "unknown key storages.a.auth.type"));
    EXPECT_THAT(load("storages: {a: x}"),
                IsError(Code::kInvalidArgument, "line 2: storages.a is a single value"));
    EXPECT_THAT(load("storages: [a]"), IsError(Code::kInvalidArgument, "unknown key storages"));
    EXPECT_THAT(load("storages: {Backup: {port: 1}}"),
                IsError(Code::kInvalidArgument, "storages.backup: this name is reserved"));
    EXPECT_THAT(load("storages: {'a b': {port: 1}}"),
                IsError(Code::kInvalidArgument, "'a b' cannot be a name"));
    EXPECT_THAT(load("storages: {a-b: {port: 1}, a_b: {port: 1}}"),
                IsError(Code::kInvalidArgument, "share the environment names STORAGES_A_B_"));
    EXPECT_THAT(load("storages: {a: {port: 0}}"),
                IsError(Code::kInvalidArgument, "storages.a.port is '0'"));
    EXPECT_THAT(load("storages: {a: {storageType: azure}}"),
                IsError(Code::kInvalidArgument, "storages.a.storageType is 'azure'"));
    EXPECT_THAT(load("storages: {a: {storageType: local, backupRootPath: ''}}"),
                IsError(Code::kInvalidArgument, "storages.a.backupRootPath is empty"));
  }
  EXPECT_THAT(LoadText("storages: {a: {port: 1}}", {"storages.a.prot=2"}),
              IsError(Code::kInvalidArgument, "unknown key storages.a.prot"));
}

}  // namespace
}  // namespace milvus_backup::config
