#include "config_fixture.h"

#include <fmt/format.h>

namespace milvus_backup::config {
namespace {

using milvus_backup::testing::IsError;

class V2Test : public ConfigFixture {};

TEST_F(V2Test, EmptyFileGivesTheReferenceDefaults) {
  ASSERT_OK_AND_ASSIGN(const Config config, LoadV2Text(""));
  EXPECT_EQ(config.milvus.address, "localhost");
  EXPECT_EQ(config.milvus.port, 19530);
  EXPECT_EQ(config.milvus.tls_mode, milvus::TlsMode::kDisabled);
  EXPECT_EQ(config.milvus_storage.provider, "minio");
  EXPECT_EQ(config.milvus_storage.secret_key.Reveal(), "minioadmin");
  EXPECT_EQ(config.milvus_storage.root_path, "files");
  // Unlike in version 1, the backup root is not inherited.
  EXPECT_EQ(config.backup_storage.root_path, "backup");
  EXPECT_EQ(config.parallelism.copy_data, 128);
  EXPECT_EQ(config.gc_pause.address, "http://localhost:9091");
  EXPECT_FALSE(config.cross_storage);
  EXPECT_TRUE(config.warnings.empty());
}

TEST_F(V2Test, LoadsEveryPartOfConfig) {
  ASSERT_OK_AND_ASSIGN(const Config config, LoadV2Text(R"(
log: {level: debug, console: false, file: {path: l, maxSizeMiB: 7, maxDays: 8, maxBackups: 9}}
milvus:
  user: u
  password: p
  grpc: {address: m, port: 1, tlsMode: mutual, caCertPath: ca, serverName: sn, mtlsCertPath: mc, mtlsKeyPath: mk}
  management: {endpoint: https://m:9}
  storage:
    provider: aws
    address: s
    port: 2
    region: r
    useSSL: true
    caCertPath: sca
    bucketName: b
    rootPath: /root/
    auth: {accessKeyID: ak, secretAccessKey: sk, sessionToken: st}
backup:
  storage: {bucketName: bb, rootPath: br, auth: {secretAccessKey: bsk}}
  concurrency: {collections: 11, segments: 12}
  pauseGC: false
restore: {concurrency: {collections: 13, importJobs: 14}, keepTempFiles: true}
transfer: {mode: streaming, concurrency: 15, multipartCopyThresholdMiB: 16}
)"));
  EXPECT_EQ(config.log.level, log::Level::kDebug);
  EXPECT_FALSE(config.log.console);
  EXPECT_EQ(config.log.path, "l");
  EXPECT_EQ(config.log.max_size_mib, 7U);
  EXPECT_EQ(config.log.max_days, 8U);
  EXPECT_EQ(config.log.max_backups, 9U);
  EXPECT_EQ(config.milvus.user, "u");
  EXPECT_EQ(config.milvus.password.Reveal(), "p");
  EXPECT_EQ(config.milvus.address, "m");
  EXPECT_EQ(config.milvus.port, 1);
  EXPECT_EQ(config.milvus.tls_mode, milvus::TlsMode::kMutual);
  EXPECT_EQ(config.milvus.ca_cert_path, "ca");
  EXPECT_EQ(config.milvus.server_name, "sn");
  EXPECT_EQ(config.milvus.mtls_cert_path, "mc");
  EXPECT_EQ(config.milvus.mtls_key_path, "mk");
  EXPECT_FALSE(config.gc_pause.enable);
  EXPECT_EQ(config.gc_pause.address, "https://m:9");
  const StorageSettings& storage = config.milvus_storage;
  EXPECT_EQ(storage.provider, "s3");
  EXPECT_EQ(storage.address, "s");
  EXPECT_EQ(storage.port, 2);
  EXPECT_EQ(storage.region, "r");
  EXPECT_TRUE(storage.use_ssl);
  EXPECT_EQ(storage.ca_cert_path, "sca");
  EXPECT_EQ(storage.bucket, "b");
  EXPECT_EQ(storage.root_path, "root");
  EXPECT_EQ(storage.access_key, "ak");
  EXPECT_EQ(storage.secret_key.Reveal(), "sk");
  EXPECT_EQ(storage.session_token.Reveal(), "st");
  EXPECT_EQ(config.backup_storage.bucket, "bb");
  EXPECT_EQ(config.backup_storage.root_path, "br");
  EXPECT_EQ(config.backup_storage.access_key, "ak");
  EXPECT_EQ(config.backup_storage.secret_key.Reveal(), "bsk");
  EXPECT_EQ(config.backup_storage.keys.secret_key, "backup.storage.auth.secretAccessKey");
  EXPECT_EQ(config.parallelism.backup_collection, 11);
  EXPECT_EQ(config.parallelism.backup_segment, 12);
  EXPECT_EQ(config.parallelism.restore_collection, 13);
  EXPECT_EQ(config.parallelism.import_job, 14);
  EXPECT_EQ(config.parallelism.copy_data, 15);
  EXPECT_EQ(config.multipart_copy_threshold_mib, 16U);
  EXPECT_TRUE(config.keep_temp_files);
  EXPECT_TRUE(config.cross_storage);
}

TEST_F(V2Test, EnvironmentHasItsOwnNames) {
  environment_ = {{"MILVUS_STORAGE_AUTH_ACCESS_KEY_ID", "a"},
                  {"BACKUP_STORAGE_AUTH_SECRET_ACCESS_KEY", "s"},
                  {"BACKUP_STORAGE_AUTH_SESSION_TOKEN", "t"},
                  {"MILVUS_PASSWORD", "p"},
                  {"MILVUS_ADDRESS", "a-v1-name"}};
  ASSERT_OK_AND_ASSIGN(const Config config, LoadV2Text("milvus: {password: file}"));
  EXPECT_EQ(config.backup_storage.access_key, "a");
  EXPECT_EQ(config.backup_storage.secret_key.Reveal(), "s");
  EXPECT_EQ(config.backup_storage.session_token.Reveal(), "t");
  EXPECT_EQ(config.milvus.password.Reveal(), "p");
  EXPECT_EQ(config.milvus.address, "localhost");
}

TEST_F(V2Test, LocalStorageMayLieElsewhereForMilvus) {
  ASSERT_OK_AND_ASSIGN(const Config config, LoadV2Text(R"(
milvus: {storage: {provider: local, rootPath: /host/data, localPath: /var/lib/milvus/data/}}
backup:
  storage: {provider: minio, address: localhost, port: 9000, bucketName: a-bucket, rootPath: backup,
            auth: {type: static, accessKeyID: minioadmin, secretAccessKey: minioadmin}}
)"));
  EXPECT_EQ(config.milvus_storage.kind, StorageKind::kLocal);
  EXPECT_EQ(config.milvus_storage.root_path, "/host/data");
  EXPECT_EQ(config.milvus_storage.milvus_path, "/var/lib/milvus/data");
  EXPECT_EQ(config.backup_storage.kind, StorageKind::kS3);
  EXPECT_EQ(config.backup_storage.milvus_path, "");
}

TEST_F(V2Test, CredentialsFromTheEnvironmentLeaveNoKeys) {
  for (const char* type : {"iam", "default"}) {
    ASSERT_OK_AND_ASSIGN(
        const Config config,
        LoadV2Text(fmt::format("backup: {{storage: {{auth: {{type: {}}}}}}}\n", type) +
                   "milvus: {storage: {auth: {accessKeyID: a, secretAccessKey: s}}}\n"));
    EXPECT_FALSE(config.milvus_storage.use_iam);
    EXPECT_EQ(config.milvus_storage.access_key, "a");
    EXPECT_TRUE(config.backup_storage.use_iam);
    EXPECT_EQ(config.backup_storage.access_key, "");
    EXPECT_TRUE(config.backup_storage.secret_key.empty());
  }
}

TEST_F(V2Test, UnknownKeysAreNamedInWarnings) {
  ASSERT_OK_AND_ASSIGN(const Config config, LoadV2Text("minio: {port: 1}\ntransfer: {mood: x}\n"));
  ASSERT_EQ(config.warnings.size(), 2U);
  EXPECT_NE(config.warnings[0].find("backup.yaml: unknown key minio.port"), std::string::npos);
  EXPECT_NE(config.warnings[1].find("unknown key transfer.mood"), std::string::npos);
}

struct Bad {
  const char* text;
  const char* message;
};

class V2ValidationTest : public ConfigFixture, public ::testing::WithParamInterface<Bad> {};

TEST_P(V2ValidationTest, NamesTheKey) {
  const auto config = LoadV2Text(GetParam().text);
  EXPECT_THAT(config, IsError(Code::kInvalidArgument, GetParam().message));
  EXPECT_EQ(config.status().origin(), Origin::kConfig);
}

INSTANTIATE_TEST_SUITE_P(
    Rules, V2ValidationTest,
    ::testing::Values(
        Bad{"milvus: {storage: {provider: floppy}}", "milvus.storage.provider is 'floppy'"},
        Bad{"milvus: {storage: {provider: azure}}", "not built yet"},
        Bad{"backup: {storage: {provider: gcpnative}}", "backup.storage.provider is 'gcpnative'"},
        Bad{"milvus: {storage: {auth: {type: sharedKey}}}", "auth.type is 'sharedKey'"},
        Bad{"milvus: {storage: {auth: {type: iam, accessKeyID: a}}}",
            "milvus.storage.auth.accessKeyID does not belong to milvus.storage.auth.type 'iam'"},
        Bad{"milvus: {storage: {auth: {endpoint: 'http://x'}}}", "auth.endpoint does not belong"},
        Bad{"milvus: {storage: {auth: {accountKey: x}}}", "auth.accountKey does not belong"},
        Bad{"milvus: {storage: {auth: {type: default, endpoint: 'http://x'}}}",
            "use milvus.storage.auth.type 'iam'"},
        Bad{"milvus: {storage: {auth: {credentialsFile: x}}}", "credentialsFile does not belong"},
        Bad{"milvus: {storage: {port: 0}}", "milvus.storage.port is '0'"},
        Bad{"milvus: {storage: {milvusPort: 65536}}", "milvus.storage.milvusPort is '65536'"},
        Bad{"milvus: {storage: {accountName: x}}", "accountName is for azure only"},
        Bad{"milvus: {storage: {localPath: /x}}", "localPath is for local storage only"},
        Bad{"milvus: {storage: {provider: local, localPath: x}}", "use an absolute directory"},
        Bad{"milvus: {storage: {provider: local, rootPath: ''}}",
            "milvus.storage.rootPath is empty"},
        Bad{"milvus: {storage: {milvusAddress: 'http://x'}}", "milvusAddress is 'http://x'"},
        Bad{"milvus: {storage: {provider: local, milvusAddress: x}}", "not for local storage"},
        Bad{"milvus: {storage: {provider: local, milvusPort: 1}}", "not for local storage"},
        Bad{"milvus: {grpc: {tlsMode: 1}}", "milvus.grpc.tlsMode is '1'"},
        Bad{"milvus: {grpc: {tlsMode: mutual, mtlsCertPath: x}}",
            "milvus.grpc.mtlsKeyPath is missing"},
        Bad{"milvus: {grpc: {address: 'http://x'}}", "milvus.grpc.address is 'http://x'"},
        Bad{"milvus: {grpc: {port: x}}", "milvus.grpc.port is 'x'"},
        Bad{"milvus: {management: {endpoint: 'localhost:9091'}}", "management.endpoint is"},
        Bad{"milvus: {rest: {endpoint: x}}", "milvus.rest.endpoint is 'x'"},
        Bad{"zillizCloud: {endpoint: ''}", "zillizCloud.endpoint is ''"},
        Bad{"backup: {concurrency: {collections: 0}}", "backup.concurrency.collections is '0'"},
        Bad{"restore: {maxSegmentsPerImportJob: 0}", "restore.maxSegmentsPerImportJob is '0'"},
        Bad{"transfer: {concurrency: -1}", "transfer.concurrency is '-1'"},
        Bad{"transfer: {mode: fast}", "transfer.mode is 'fast'"},
        Bad{"transfer: {mode: direct}\nbackup: {storage: {port: 1}}",
            "the two storages are not the same service"},
        Bad{"log: {level: loud}", "log.level is 'loud'"}));

TEST_F(V2Test, DirectTransferNeedsOneService) {
  ASSERT_OK_AND_ASSIGN(const Config config, LoadV2Text("transfer: {mode: direct}\n"
                                                       "backup: {storage: {bucketName: other}}"));
  EXPECT_FALSE(config.cross_storage);
}

}  // namespace
}  // namespace milvus_backup::config
