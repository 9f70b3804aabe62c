#include "milvus_backup/config/migration.h"

#include "config_fixture.h"

namespace milvus_backup::config {
namespace {

using migration::MetaMode;
using milvus_backup::testing::IsError;
using storage::S3Provider;

// Word for word the file of the guide "From Milvus 1.x".
constexpr const char* kGuide = R"(
dumper:
  worker:
    limit: 2
    workMode: milvus1x
    reader:
      bufferSize: 1024
    writer:
      bufferSize: 1024
loader:
  worker:
    limit: 16
meta:
  mode: local
  localFile: /outputDir/test/meta.json
source:
  mode: local
  local:
    tablesDir: /db/tables/
target:
  mode: remote
  remote:
    outputDir: "migration/test/xx"
    ak: xxxx
    sk: xxxx
    cloud: aws
    region: us-west-2
    bucket: xxxxx
    useIAM: true
    checkBucket: false
  milvus2x:
    endpoint: "{yourMilvus2_xServerAddress}:{port}"
    username: xxxx
    password: xxxx
)";

class MigrationConfigTest : public ConfigFixture {
 protected:
  Result<migration::Options> LoadFrom(const std::string& text, MigrationNeeds needs = {}) const {
    return LoadMigration(OptionsFor(WriteFile("migration.yaml", text)), needs);
  }
  /// The guide's text with one piece replaced.
  static std::string Guide(const std::string& from, const std::string& to) {
    std::string text = kGuide;
    const size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return text.replace(at, from.size(), to);
  }
  void ExpectError(const std::string& from, const std::string& to, const std::string& part,
                   Code code = Code::kInvalidArgument) const {
    EXPECT_THAT(LoadFrom(Guide(from, to), {.source = true}), IsError(code, part)) << to;
  }
};

TEST_F(MigrationConfigTest, TheGuidesFileLoads) {
  ASSERT_OK_AND_ASSIGN(const migration::Options options, LoadFrom(kGuide, {.source = true}));
  EXPECT_EQ(options.dump_limit, 2);
  EXPECT_EQ(options.load_limit, 16);
  EXPECT_EQ(options.reader_buffer_bytes, 1024U * 1024);
  EXPECT_EQ(options.meta.mode, MetaMode::kFile);
  EXPECT_EQ(options.meta.path, "/outputDir/test/meta.json");
  EXPECT_TRUE(options.source.is_local);
  EXPECT_EQ(options.source.directory, "/db/tables/");
  EXPECT_FALSE(options.target.is_local);
  EXPECT_EQ(options.target.directory, "migration/test/xx");
  EXPECT_TRUE(options.target.use_iam);
  EXPECT_EQ(options.target.s3.provider, S3Provider::kAws);
  EXPECT_EQ(options.target.s3.address, "s3.amazonaws.com");
  EXPECT_EQ(options.target.s3.region, "us-west-2");
  EXPECT_THAT(LoadFrom(kGuide, {.milvus = true}),
              IsError(Code::kInvalidArgument, "target.milvus2x.endpoint"));
}

TEST_F(MigrationConfigTest, TheSampleLoads) {
  ASSERT_OK(LoadMigration(OptionsFor(testing::ConfigsDir() + "/migration.yaml"),
                          {.source = true, .milvus = true}));
}

TEST_F(MigrationConfigTest, KeysHaveAnyCaseAndScalarsAnyType) {
  std::string text = Guide("bufferSize: 1024", "buffersize: \"512\"");
  text.replace(text.find("useIAM: true"), 12, "USEIAM: 0");
  ASSERT_OK_AND_ASSIGN(const migration::Options options, LoadFrom(text, {.source = true}));
  EXPECT_EQ(options.reader_buffer_bytes, 512U * 1024);
  EXPECT_FALSE(options.target.use_iam);
}

TEST_F(MigrationConfigTest, MinioIsAwsWithAnEndpoint) {
  ASSERT_OK_AND_ASSIGN(
      const migration::Options options,
      LoadFrom(Guide("cloud: aws", "cloud: aws\n    endpoint: http://127.0.0.1:9000")));
  EXPECT_EQ(options.target.s3.provider, S3Provider::kMinio);
  EXPECT_EQ(options.target.s3.address, "127.0.0.1");
  EXPECT_EQ(options.target.s3.port, 9000);
  EXPECT_FALSE(options.target.s3.use_ssl);
  EXPECT_FALSE(options.target.s3.anonymous);
}

TEST_F(MigrationConfigTest, EveryCloudHasItsEndpoint) {
  const std::vector<std::tuple<std::string, S3Provider, std::string>> clouds = {
      {"gcp", S3Provider::kGcs, "storage.googleapis.com"},
      {"ali", S3Provider::kAliyun, "oss-us-west-2.aliyuncs.com"},
      {"tc", S3Provider::kTencent, "cos.us-west-2.myqcloud.com"}};
  for (const auto& [cloud, provider, address] : clouds) {
    ASSERT_OK_AND_ASSIGN(const migration::Options options,
                         LoadFrom(Guide("cloud: aws", "cloud: " + cloud)));
    EXPECT_EQ(options.target.s3.provider, provider);
    EXPECT_EQ(options.target.s3.address, address);
  }
  ExpectError("cloud: aws", "cloud: azure", "target.remote.cloud: azure is not built yet");
  ExpectError("cloud: aws", "cloud: moon", "target.remote.cloud is 'moon'");
}

TEST_F(MigrationConfigTest, AMilvusEndpointMayHaveAScheme) {
  const std::string from = "endpoint: \"{yourMilvus2_xServerAddress}:{port}\"";
  ASSERT_OK_AND_ASSIGN(
      const migration::Options tls,
      LoadFrom(Guide(from, "endpoint: https://m.example.com:443"), {.milvus = true}));
  EXPECT_EQ(tls.milvus.address, "m.example.com");
  EXPECT_EQ(tls.milvus.port, 443);
  EXPECT_EQ(tls.milvus.tls_mode, milvus::TlsMode::kServer);
  ASSERT_OK_AND_ASSIGN(const migration::Options plain,
                       LoadFrom(Guide(from, "endpoint: localhost"), {.milvus = true}));
  EXPECT_EQ(plain.milvus.port, 19530);
  EXPECT_EQ(plain.milvus.tls_mode, milvus::TlsMode::kDisabled);
}

TEST_F(MigrationConfigTest, MetaComesFromEveryMode) {
  const std::string from = "mode: local\n  localFile: /outputDir/test/meta.json";
  const auto load = [&](const std::string& to) {
    return LoadFrom(Guide(from, to), {.source = true});
  };
  ASSERT_OK_AND_ASSIGN(const migration::Options mock, load("mode: mock\n  mockFile: /m"));
  EXPECT_EQ(mock.meta.path, "/m");
  ASSERT_OK_AND_ASSIGN(const migration::Options mixed, load("mode: local\n  mockFile: /m"));
  EXPECT_EQ(mixed.meta.path, "/m");
  ASSERT_OK_AND_ASSIGN(const migration::Options sqlite, load("mode: sqlite\n  sqliteFile: /s"));
  EXPECT_EQ(sqlite.meta.mode, MetaMode::kSqlite);
  ASSERT_OK_AND_ASSIGN(const migration::Options mysql, load("mode: mysql\n  mysqlUrl: u:p@/d"));
  EXPECT_EQ(mysql.meta.dsn.Reveal(), "u:p@/d");
  ExpectError(from, "mode: remote\n  remoteMetaFile: a/meta.json", "source.mode");
  ExpectError(from, "mode: local", "meta.localFile is not set");
  ExpectError(from, "mode: etcd", "meta.mode is 'etcd'");
  ExpectError(from, "", "meta.mode is not set");
}

TEST_F(MigrationConfigTest, MistakesAreNamedByKey) {
  ExpectError("workMode: milvus1x", "workMode: x", "[dumper.worker.workMode] not support x");
  ExpectError("workMode: milvus1x", "", "dumper.worker.workMode is not set");
  ExpectError("limit: 2", "limit: 0", "dumper.worker.limit is '0'");
  ExpectError("limit: 16", "limit: many", "loader.worker.limit is 'many'");
  ExpectError("bufferSize: 1024", "bufferSize: -1", "dumper.worker.reader.bufferSize is '-1'");
  ExpectError("useIAM: true", "useIAM: maybe", "target.remote.useIAM is 'maybe'");
  ExpectError("bucket: xxxxx", "", "target.remote.bucket is not set");
  ExpectError("mode: remote", "mode: cloud", "target.mode is 'cloud'");
  ExpectError("tablesDir: /db/tables/", "", "source.local.tablesDir is not set");
}

TEST_F(MigrationConfigTest, ModesNotBuiltYetSaySo) {
  for (const std::string mode : {"elasticsearch"}) {
    const Status status = LoadFrom(Guide("milvus1x", mode)).status();
    EXPECT_THAT(status, IsError(Code::kInvalidArgument, mode + " is not built yet"));
    EXPECT_EQ(status.origin(), Origin::kSelf);  // exit status 2
  }
  EXPECT_THAT(LoadFrom(Guide("milvus1x", "milvus2x")),
              IsError(Code::kInvalidArgument, "not support workMode milvus2x"));
}

constexpr const char* kFaiss = R"(
dumper: {worker: {workMode: faiss}}
source: {mode: local, local: {faissFile: /data/dir/f.index}}
target:
  create: {collection: {NAME: c, shardsNum: "2", dim: 256, metricType: ip}}
  mode: local
  local: {outputDir: /out}
)";

TEST_F(MigrationConfigTest, FaissNamesAFileAndACollection) {
  ASSERT_OK_AND_ASSIGN(const migration::Options options, LoadFrom(kFaiss, {.source = true}));
  EXPECT_EQ(options.work_mode, migration::WorkMode::kFaiss);
  EXPECT_EQ(options.source.directory, "/data/dir");
  EXPECT_EQ(options.faiss.file, "f.index");
  EXPECT_EQ(options.faiss.collection, "c");
  EXPECT_EQ(options.faiss.shards, 2);
  EXPECT_EQ(options.faiss.dim, 256);
  EXPECT_EQ(options.faiss.metric, migration::Metric::kIp);
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string text = kFaiss;
    const size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return LoadFrom(text.replace(at, from.size(), to), {.source = true});
  };
  const auto expect = [&](const std::string& from, const std::string& to, const std::string& part) {
    EXPECT_THAT(with(from, to), IsError(Code::kInvalidArgument, part));
  };
  expect("NAME: c", "NAME: 1c", "target.create.collection.name is '1c'");
  expect("NAME: c, ", "", "target.create.collection.name is not set");
  expect("dim: 256", "dim: 0", "target.create.collection.dim is '0'");
  expect("dim: 256, ", "", "target.create.collection.dim is not set");
  expect("metricType: ip", "metricType: cosine", "target.create.collection.metricType is 'cosine'");
  expect("dim: 256, metricType: ip", "dim: 9, metricType: HAMMING", "multiple of 8 bits");
  expect("shardsNum: \"2\"", "shardsNum: 99", "target.create.collection.shardsNum is '99'");
  expect("/data/dir/f.index", "/data/dir/", "a directory");
  expect("{faissFile: /data/dir/f.index}", "{}", "source.local.faissFile is not set");
  ASSERT_OK_AND_ASSIGN(const auto root, with("/data/dir/f.index", "/f.index"));
  EXPECT_EQ(root.source.directory, "/");
  ASSERT_OK_AND_ASSIGN(const auto here, with("/data/dir/f.index", "f.index"));
  EXPECT_EQ(here.source.directory, ".");
  ASSERT_OK_AND_ASSIGN(
      const auto remote,
      with("mode: local, local: {faissFile: /data/dir/f.index}",
           "mode: remote, remote: {faissFile: /d/f.index, cloud: aws, endpoint: e, bucket: b}"));
  EXPECT_EQ(remote.source.directory, "d");
  EXPECT_EQ(remote.faiss.file, "f.index");
}

TEST_F(MigrationConfigTest, TheSampleForFaissLoads) {
  ASSERT_OK_AND_ASSIGN(const migration::Options options,
                       LoadMigration(OptionsFor(testing::ConfigsDir() + "/migration-faiss.yaml"),
                                     {.source = true, .milvus = true}));
  EXPECT_EQ(options.faiss.dim, 256);
}

}  // namespace
}  // namespace milvus_backup::config
