#include "milvus_backup/config/dm.h"

#include "config_fixture.h"

namespace milvus_backup::config {
namespace {

using migration::DmTask;
using migration::Metric;
using migration::WriteMode;
using milvus_backup::testing::IsError;
using ::testing::ElementsAre;

// The keys of the guide's table.
constexpr const char* kH2M = R"(
H2M:
  milvus-version: 2.x
  data_path:
    - /Users/zilliz/float_1.h5
    - "/Users/zilliz/a,b.h5"
  data_dir:
  dest_host: '127.0.0.1'
  dest_port: 19530
  mode: 'overwrite'
  dest_collection_name: 'test_float'
  dest_partition_name: 'partition_1'
  collection_parameter:
    dimension: 512
    index_file_size: 1024
    metric_type: 'HAMMING'
)";

// The guide's first example, word for word.
constexpr const char* kM2M = R"(
M2M:
  milvus_version: 2.0.0
  source_milvus_path: '/home/user/milvus'
  mysql_parameter:
    host: '127.0.0.1'
    user: 'root'
    port: 3306
    password: '123456'
    database: 'milvus'
  source_collection: # specify the 'partition_1' and 'partition_2' partitions of the 'test' collection.
    test:
      - 'partition_1'
      - 'partition_2'
    Other:
  dest_host: '127.0.0.1'
  dest_port: 19530
  mode: 'skip' # 'skip/append/overwrite'
)";

class DmConfigTest : public ConfigFixture {
 protected:
  Result<DmConfig> LoadFrom(const std::string& text) const {
    return LoadDm(WriteFile("task.yaml", text));
  }
  static std::string With(std::string text, const std::string& from, const std::string& to) {
    const size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return text.replace(at, from.size(), to);
  }
};

TEST_F(DmConfigTest, H2M) {
  ASSERT_OK_AND_ASSIGN(const DmConfig config, LoadFrom(kH2M));
  EXPECT_EQ(config.options.task, DmTask::kH2M);
  EXPECT_THAT(config.options.files,
              ElementsAre("/Users/zilliz/float_1.h5", "/Users/zilliz/a,b.h5"));
  EXPECT_EQ(config.options.milvus.address, "127.0.0.1");
  EXPECT_EQ(config.options.milvus.port, 19530);
  EXPECT_EQ(config.options.mode, WriteMode::kOverwrite);
  EXPECT_EQ(config.options.collection, "test_float");
  EXPECT_EQ(config.options.partition, "partition_1");
  EXPECT_EQ(config.options.metric, Metric::kHamming);
  EXPECT_EQ(config.options.dim, 512);
  EXPECT_FALSE(config.storage);
}

TEST_F(DmConfigTest, M2MTakesEveryCollectionAndMysql) {
  ASSERT_OK_AND_ASSIGN(const DmConfig config, LoadFrom(kM2M));
  const migration::OldMilvus& source = config.options.source;
  EXPECT_EQ(source.path, "/home/user/milvus");
  EXPECT_EQ(source.mysql_dsn.Reveal(), "root:123456@tcp(127.0.0.1:3306)/milvus");
  ASSERT_EQ(source.collections.size(), 2U);
  EXPECT_EQ(source.collections[0].collection, "test");
  EXPECT_THAT(source.collections[0].partitions, ElementsAre("partition_1", "partition_2"));
  EXPECT_EQ(source.collections[1].collection, "Other");
  EXPECT_TRUE(source.collections[1].partitions.empty());
  EXPECT_EQ(config.options.mode, WriteMode::kSkip);
  // The second example: SQLite, and an item without a value for the default partition.
  ASSERT_OK_AND_ASSIGN(const DmConfig sqlite,
                       LoadFrom("M2M:\n  source_milvus_path: /m\n  mysql_parameter:\n"
                                "  source_collection:\n    test: ['', ~, p]\n  dest_host: h\n"
                                "  dest_port: '1'\n  mode: append\n"));
  EXPECT_TRUE(sqlite.options.source.mysql_dsn.empty());
  EXPECT_THAT(sqlite.options.source.collections[0].partitions, ElementsAre("", "", "p"));
}

TEST_F(DmConfigTest, UserAndPasswordOfTheTargetGoTogether) {
  const std::string port = "  dest_port: 19530\n";
  for (const std::string& base : {std::string(kH2M), std::string(kM2M)}) {
    const std::string both = port + "  dest_user: root\n  dest_password: 'p:w#'\n";
    ASSERT_OK_AND_ASSIGN(const DmConfig config, LoadFrom(With(base, port, both)));
    EXPECT_EQ(config.options.milvus.user, "root");
    EXPECT_EQ(config.options.milvus.password.Reveal(), "p:w#");
  }
  ASSERT_OK_AND_ASSIGN(const DmConfig none,
                       LoadFrom(With(kH2M, port, port + "  dest_user:\n  dest_password: ''\n")));
  EXPECT_EQ(none.options.milvus.user, "");
  EXPECT_TRUE(none.options.milvus.password.empty());
  EXPECT_THAT(LoadFrom(With(kH2M, port, port + "  dest_user: root\n")),
              IsError(Code::kInvalidArgument, "H2M.dest_user is set and H2M.dest_password is not"));
  const auto alone = LoadFrom(With(kH2M, port, port + "  dest_password: secret\n"));
  EXPECT_THAT(alone,
              IsError(Code::kInvalidArgument, "H2M.dest_password is set and H2M.dest_user is not"));
  EXPECT_EQ(alone.status().ToString().find("secret"), std::string::npos);
}

TEST_F(DmConfigTest, MysqlParametersBecomeADataSourceName) {
  const auto name = [&](const std::string& from, const std::string& to) -> std::string {
    const auto config = LoadFrom(With(kM2M, from, to));
    EXPECT_OK(config);
    return config.ok() ? config->options.source.mysql_dsn.Reveal() : "";
  };
  EXPECT_EQ(name("host: '127.0.0.1'", "host: '::1'"), "root:123456@tcp([::1]:3306)/milvus");
  EXPECT_EQ(name("password: '123456'", "password: 'p@ss:w/ord?'"),
            "root:p@ss:w/ord?@tcp(127.0.0.1:3306)/milvus");
  EXPECT_EQ(name("password: '123456'", "password:"), "root:@tcp(127.0.0.1:3306)/milvus");
  EXPECT_THAT(LoadFrom(With(kM2M, "user: 'root'", "user: 'a:b'")),
              IsError(Code::kInvalidArgument, "M2M.mysql_parameter.user has a colon"));
  EXPECT_THAT(LoadFrom(With(kM2M, "database: 'milvus'", "database: 'a/b'")),
              IsError(Code::kInvalidArgument, "M2M.mysql_parameter.database has a /"));
}

TEST_F(DmConfigTest, F2MAndM2H) {
  ASSERT_OK_AND_ASSIGN(
      const DmConfig f2m,
      LoadFrom(With(With(With(kH2M, "H2M", "F2M"),
                         "    - /Users/zilliz/float_1.h5\n    - \"/Users/zilliz/a,b.h5\"\n", ""),
                    "data_path:", "data_path: /f.index")));
  EXPECT_EQ(f2m.options.task, DmTask::kF2M);
  EXPECT_THAT(f2m.options.files, ElementsAre("/f.index"));
  ASSERT_OK_AND_ASSIGN(
      const DmConfig m2h,
      LoadFrom("M2H:\n  source_milvus_path: /m\n  mysql_parameter:\n  source_collection:\n"
               "    test:\n  data_dir: /out\n"));
  EXPECT_EQ(m2h.options.task, DmTask::kM2H);
  EXPECT_EQ(m2h.options.data_dir, "/out");
}

TEST_F(DmConfigTest, StorageTakesTheKeysOfMinioBesideTheTaskOrInIt) {
  const std::string keys = "storageType: minio\n    ADDRESS: store\n    bucketName: b\n";
  for (const std::string& text :
       {kH2M + ("  storage:\n    " + keys), kH2M + ("storage:\n    " + keys)}) {
    ASSERT_OK_AND_ASSIGN(const DmConfig config, LoadFrom(text));
    ASSERT_TRUE(config.storage);
    EXPECT_EQ(config.storage->address, "store");
    EXPECT_EQ(config.storage->bucket, "b");
    EXPECT_EQ(config.storage->access_key, "minioadmin");
  }
  ASSERT_OK_AND_ASSIGN(
      const DmConfig local,
      LoadFrom(kH2M + std::string("storage:\n  storageType: local\n  rootPath: /milvus/data\n")));
  EXPECT_EQ(local.storage->root_path, "/milvus/data");
  EXPECT_THAT(LoadFrom(kH2M + std::string("storage:\n  storageType: local\n")),
              IsError(Code::kInvalidArgument, "storage.rootPath"));
  EXPECT_THAT(LoadFrom(kH2M + std::string("storage:\n  bucket: b\n")),
              IsError(Code::kInvalidArgument, "unknown key storage.bucket"));
  EXPECT_THAT(LoadFrom(kH2M + std::string("  storage:\n    Bucket: b\n")),
              IsError(Code::kInvalidArgument, "unknown key H2M.storage.bucket"));
}

TEST_F(DmConfigTest, ErrorsNameTheKey) {
  const auto expect = [&](const std::string& text, const std::string& part) {
    const auto config = LoadFrom(text);
    EXPECT_THAT(config, IsError(Code::kInvalidArgument, part));
    EXPECT_EQ(config.status().origin(), Origin::kConfig) << part;
  };
  expect(With(kH2M, "H2M", "X2M"), "error task type: the first key is 'X2M'");
  expect(With(kH2M, "'overwrite'", "replace"),
         "H2M.mode is 'replace': error mode type, only support [skip, append, overwrite]");
  expect(With(kH2M, "  dest_host: '127.0.0.1'\n", ""), "Please config H2M.dest_host");
  expect(With(kH2M, "19530", "99999"), "H2M.dest_port is '99999'");
  expect(With(kH2M, "data_dir:", "data_dir: /d"), "H2M.data_path and H2M.data_dir are both set");
  expect(With(With(kH2M, "    - /Users/zilliz/float_1.h5\n", ""),
              "    - \"/Users/zilliz/a,b.h5\"\n", ""),
         "H2M.data_path and H2M.data_dir are both not set");
  expect(With(kH2M, "'test_float'", "'1st'"), "H2M.dest_collection_name is '1st'");
  expect(With(kH2M, "'partition_1'", "'a/b'"), "H2M.dest_partition_name is 'a/b'");
  expect(With(kH2M, "512", "513"), "multiple of 8 bits");
  expect(With(kH2M, "512", "99999999999"), "H2M.collection_parameter.dimension");
  expect(With(kH2M, "'HAMMING'", "COSINE"), "H2M.collection_parameter.metric_type is 'COSINE'");
  expect(With(kH2M, "'127.0.0.1'", "[a]"), "H2M.dest_host is no single value");
  expect(With(kM2M, "host: '127.0.0.1'", "host:"), "Please config M2M.mysql_parameter.host");
  expect(With(kM2M, "source_milvus_path", "path"), "Please config M2M.source_milvus_path");
  expect(
      "M2M: {source_milvus_path: /m, source_collection: t, dest_host: h, dest_port: 1, mode: skip}",
      "M2M.source_collection is no mapping");
  expect("H2M: [", "line 1");
  expect("H2M: text", "H2M has no keys");
  expect("H2M:", "H2M has no keys");
  expect("- H2M", "is not a mapping");
  expect("", "it has no keys");
  expect(std::string(600, '['), "nested too deeply");
  EXPECT_THAT(LoadDm(dir_.path() + "/none.yaml"),
              IsError(Code::kInvalidArgument, "none.yaml: No such file or directory"));
  EXPECT_THAT(LoadDm(dir_.path()), IsError(Code::kInvalidArgument, "is a directory"));
}

TEST_F(DmConfigTest, KeysThatAreThereTwiceAreRefused) {
  EXPECT_THAT(
      LoadFrom(kH2M + std::string("  mode: append\n")),
      IsError(Code::kInvalidArgument, "line 17: mode is there a second time, first in line"));
  EXPECT_THAT(LoadFrom("H2M: {a: 1}\nH2M: {a: 1}\n"),
              IsError(Code::kInvalidArgument, "line 2: H2M is there a second time"));
  EXPECT_THAT(LoadFrom(kH2M + std::string("storage: {bucketName: a, bucketname: b}\n")),
              IsError(Code::kInvalidArgument, "bucketname is there a second time"));
  // Collections that differ by case are two.
  const std::string both = With(kM2M, "    test:\n", "    TEST:\n    test:\n");
  ASSERT_OK_AND_ASSIGN(const DmConfig config, LoadFrom(both));
  EXPECT_EQ(config.options.source.collections.at(0).collection, "TEST");
  EXPECT_EQ(config.options.source.collections.at(1).collection, "test");
}

TEST_F(DmConfigTest, AdviceNamesTheKeysOfTheFile) {
  ASSERT_OK_AND_ASSIGN(const DmConfig config,
                       LoadFrom(kH2M + std::string("  storage:\n    bucketName: b\n")));
  EXPECT_EQ(config.options.milvus.key_names.address, "H2M.dest_host and H2M.dest_port");
  EXPECT_EQ(config.storage->keys.bucket, "H2M.storage.bucketName");
}

TEST_F(DmConfigTest, SamplesLoad) {
  ASSERT_OK_AND_ASSIGN(const DmConfig h2m, LoadDm(testing::ConfigsDir() + "/H2M.yaml"));
  EXPECT_EQ(h2m.options.collection, "test_float");
  EXPECT_FALSE(h2m.storage);
  ASSERT_OK_AND_ASSIGN(const DmConfig f2m, LoadDm(testing::ConfigsDir() + "/F2M.yaml"));
  EXPECT_EQ(f2m.options.dim, 256);
  for (const char* name : {"/M2M.yaml", "/M2H.yaml"}) {
    ASSERT_OK_AND_ASSIGN(const DmConfig old, LoadDm(testing::ConfigsDir() + name));
    EXPECT_EQ(old.options.source.path, "/home/user/milvus");
    EXPECT_THAT(old.options.source.collections.at(0).partitions,
                ElementsAre("partition_1", "partition_2"));
  }
  // The storage blocks are what they say when they are no comments.
  std::ifstream file(testing::ConfigsDir() + "/H2M.yaml");
  std::string text;
  for (std::string line; std::getline(file, line);) {
    const size_t at = line.find("  # storage:");
    const bool inside = text.find("  storage:") != std::string::npos;
    if (at == 0 || inside) line.replace(2, 2, "");
    text += line + "\n";
  }
  ASSERT_OK_AND_ASSIGN(const DmConfig stored, LoadFrom(text));
  EXPECT_EQ(stored.storage->bucket, "a-bucket");
}

}  // namespace
}  // namespace milvus_backup::config
