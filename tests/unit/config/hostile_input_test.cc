// Files and --set texts that somebody got wrong, or made to hurt.
#include "config_fixture.h"

#include <fmt/format.h>

namespace milvus_backup::config {
namespace {

using milvus_backup::testing::IsError;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class HostileInputTest : public ConfigFixture {
 protected:
  std::string ErrorOf(const std::string& text, std::vector<std::string> sets = {}) const {
    const auto config = LoadText(text, std::move(sets));
    EXPECT_FALSE(config.ok());
    if (config.ok()) return "";
    EXPECT_EQ(config.status().code(), Code::kInvalidArgument);
    EXPECT_EQ(config.status().origin(), Origin::kConfig);
    return config.status().ToString();
  }

  // 27 levels that each use the one before twice: 2^27 leaves.
  static std::string Doubled(const std::string& first, const std::string& other) {
    std::string text = first;
    for (int i = 1; i < 28; ++i) text += fmt::format(fmt::runtime(other), i, i, i - 1, i - 1);
    return text;
  }
};

TEST_F(HostileInputTest, CyclesOfAliasesEnd) {
  EXPECT_THAT(ErrorOf("a: &a\n  b: *a\n"), HasSubstr("nested deeper than 64 levels"));
  EXPECT_THAT(ErrorOf("minio: &a {b: {c: *a}}\n"), HasSubstr("nested deeper than 64 levels"));
}

TEST_F(HostileInputTest, AliasesOfAliasesAreCounted) {
  EXPECT_THAT(ErrorOf(Doubled("a0: &a0 {x: 1}\n", "a{}: &a{} {{x: *a{}, y: *a{}}}\n")),
              HasSubstr("too large"));
  // Without a single leaf.
  EXPECT_THAT(ErrorOf(Doubled("a0: &a0 {x: {}}\n", "a{}: &a{} {{x: *a{}, y: *a{}}}\n")),
              HasSubstr("too large"));
  // Few nodes, but much text.
  std::string text = "a: &a " + std::string(100000, 'x') + "\nb: [";
  for (int i = 0; i < 1000; ++i) text += "*a ,";
  EXPECT_THAT(ErrorOf(text + "]\n"), HasSubstr("too large"));
  std::string keys = "a: &a {" + std::string(100000, 'x') + ": 1}\n";
  for (int i = 0; i < 1000; ++i) keys += fmt::format("k{}: *a\n", i);
  EXPECT_FALSE(ErrorOf(keys).empty());
}

TEST_F(HostileInputTest, DeepNestingIsRefused) {
  std::string deep;
  for (int i = 0; i < 70; ++i)
    deep += fmt::format("{}a:\n", std::string(static_cast<size_t>(i), ' '));
  EXPECT_THAT(ErrorOf(deep + std::string(70, ' ') + "a: 1\n"), HasSubstr("nested deeper than 64"));
  EXPECT_FALSE(ErrorOf("a: " + std::string(100000, '[')).empty());
}

TEST_F(HostileInputTest, KeysThatAreThereTwiceAreRefused) {
  EXPECT_THAT(ErrorOf("minio:\n  port: 1\n  address: a\n  Port: 2\n"),
              HasSubstr("line 4: Port is there a second time, first in line 2"));
  EXPECT_THAT(ErrorOf("minio: {port: 1}\nbackup: {}\nminio: {port: 1}\n"),
              HasSubstr("line 3: minio is there a second time, first in line 1"));
  EXPECT_THAT(ErrorOf("a:\n- name: x\n  name: y\n"),
              HasSubstr("line 3: name is there a second time, first in line 2"));
}

TEST_F(HostileInputTest, FilesAreAtMostAMebibyte) {
  EXPECT_OK(LoadText("# " + std::string((size_t{1} << 20) - 3, 'x') + "\n"));
  EXPECT_THAT(ErrorOf("# " + std::string(size_t{1} << 20, 'x')), HasSubstr("larger than 1048576"));
}

TEST_F(HostileInputTest, KeysOfTheWrongKindNameTheLine) {
  EXPECT_THAT(ErrorOf("# x\nminio: [a, b]\n"),
              HasSubstr("backup.yaml: line 2: minio is a list; want a section of keys"));
  EXPECT_THAT(ErrorOf("minio: text\n"), HasSubstr("minio is a single value; want a section"));
  EXPECT_THAT(ErrorOf("log:\n  file: x.log\n"), HasSubstr("line 2: log.file is a single value"));
  EXPECT_THAT(ErrorOf("minio:\n  storageType: {a: b}\n"),
              HasSubstr("line 2: minio.storageType is a section of keys; want a single value"));
  EXPECT_THAT(ErrorOf("minio: {bucketName: {}}\n"), HasSubstr("minio.bucketName is a section"));
  EXPECT_THAT(ErrorOf("minio:\n  backupRootPath: [a, b]\n"),
              HasSubstr("line 2: minio.backupRootPath is a list; want a single value"));
  EXPECT_THAT(ErrorOf("minio: {secretAccessKeyFile: [a]}\n"),
              HasSubstr("minio.secretAccessKeyFile is a list"));
  EXPECT_THAT(ErrorOf("milvus: {etcd: {endpoints: {a: b}}}\n"),
              HasSubstr("milvus.etcd.endpoints is a section of keys; want a list"));
  EXPECT_THAT(ErrorOf("configVersion: v2\ntransfer: 3\n"), HasSubstr("line 2: transfer is a"));
  EXPECT_THAT(ErrorOf("storages: {a: {bucketName: [b]}}\n"),
              HasSubstr("storages.a.bucketName is a list"));
  EXPECT_OK(LoadText("minio:\nmilvus: {etcd: {endpoints: [a, b]}}\nnobody: [knows]\n"));
}

TEST_F(HostileInputTest, AnEmptyFileIsSaidInTheLog) {
  for (const char* text : {"", "# minio:\n", "---\n"}) {
    ASSERT_OK_AND_ASSIGN(const Config config, LoadText(text));
    ASSERT_EQ(config.warnings.size(), 1U);
    EXPECT_THAT(config.warnings[0], HasSubstr("is empty"));
  }
}

TEST_F(HostileInputTest, UnknownKeysOfSetAreErrors) {
  EXPECT_THAT(ErrorOf("", {"minio.prot=1"}),
              HasSubstr("--set: unknown key minio.prot; did you mean minio.port?"));
  EXPECT_THAT(ErrorOf("", {"MINIO_PROT=1"}), HasSubstr("did you mean MINIO_PORT?"));
  EXPECT_THAT(ErrorOf("", {"completely.different=1"}), HasSubstr("docs/configuration.md"));
  EXPECT_THAT(ErrorOf("configVersion: v2\n", {"minio.bucketName=1"}),
              HasSubstr("this version of the file calls it milvus.storage.bucketName"));
  EXPECT_THAT(ErrorOf("", {"transfer.concurrency=1"}),
              HasSubstr("this version of the file calls it backup.parallelism.copydata"));
  EXPECT_OK(LoadText("", {"http.simpleResponse=true,milvus.authorizationEnabled=1"}));
}

TEST_F(HostileInputTest, ItemsOfSetAreNeverRepeated) {
  for (const char* rest : {"cret", "cret=x", "=cret"}) {
    EXPECT_THAT(ErrorOf("", {"minio.port=1", std::string("minio.secretAccessKey=se,") + rest}),
                AllOf(HasSubstr("item 2 of --set number 2"), HasSubstr("double quotes"),
                      Not(HasSubstr("cret"))));
  }
  EXPECT_THAT(ErrorOf("", {"minio.secretAccessKey=se\"cret"}),
              AllOf(HasSubstr("--set number 1 has a double quote"), Not(HasSubstr("cret"))));
  ASSERT_OK_AND_ASSIGN(const Config config, LoadText("", {"minio.secretAccessKey=\"se,cret\""}));
  EXPECT_EQ(config.milvus_storage.secret_key.Reveal(), "se,cret");
}

TEST_F(HostileInputTest, EmptyVariablesOfNumbersAndBooleansCountAsUnset) {
  environment_["MINIO_PORT"] = "";
  environment_["MINIO_USE_SSL"] = "";
  environment_["MINIO_REGION"] = "";
  ASSERT_OK_AND_ASSIGN(const Config config,
                       LoadText("minio: {port: 9001, useSSL: true, region: eu}\n"));
  EXPECT_EQ(config.milvus_storage.port, 9001);
  EXPECT_TRUE(config.milvus_storage.use_ssl);
  EXPECT_EQ(config.milvus_storage.region, "");  // a text may be empty
  EXPECT_THAT(ErrorOf("", {"MINIO_PORT="}), HasSubstr("MINIO_PORT is ''"));
}

TEST_F(HostileInputTest, RootPathsThatNoStorageCanHold) {
  for (const char* path : {"..", "../b", "a/../b", "a/.."}) {
    EXPECT_THAT(ErrorOf(fmt::format("minio: {{backupRootPath: {}}}", path)),
                HasSubstr(fmt::format("minio.backupRootPath is '{}'", path)));
  }
  EXPECT_OK(LoadText("minio: {backupRootPath: a..b/..c}"));
  EXPECT_OK(LoadText("minio: {storageType: local, rootPath: ../data, backupRootPath: ../b}"));
  for (const char* path : {R"("/tmp/\0b")", R"("/tmp/\nb")", R"("/tmp/\x7f")"}) {
    EXPECT_THAT(ErrorOf(fmt::format("minio: {{storageType: local, backupRootPath: {}}}", path)),
                HasSubstr("minio.backupRootPath has a control character"));
  }
}

TEST_F(HostileInputTest, LogLevelIsChecked) {
  EXPECT_THAT(ErrorOf("", {"log.level=xx"}), HasSubstr("log.level is 'xx'"));
}

}  // namespace
}  // namespace milvus_backup::config
