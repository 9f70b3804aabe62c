#include "config_fixture.h"

#include "milvus_backup/config/migration.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

namespace milvus_backup::config {
namespace {

using migration::Milvus2xOptions;
using milvus_backup::testing::IsError;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// The blocks of the guide "From Milvus 2.3.x", with addresses in the place of its braces.
constexpr const char* kGuide = R"(
dumper:
  worker:
    workMode: milvus2x
    reader:
      bufferSize: 500

meta:
  mode: config
  version: 2.3.0
  collection: src_table_name

source:
  milvus2x:
    endpoint: source.example:19530
    username: xxxx
    password: xxxxx

target:
  milvus2x:
    endpoint: https://target.example:443
    username: xxxx
    password: yyyyy
)";

constexpr const char* kMore = R"(
  fields:
    - name: id
    - name: title_vector
    - name: reading_time
  milvus:
    collection: target_collection_name
    shardNum: 2
    closeDynamicField: false
    consistencyLevel: Customized
)";

class Milvus2xConfigTest : public ConfigFixture {
 protected:
  static std::string Guide(const std::string& from = "", const std::string& to = "") {
    std::string text = kGuide;
    const size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return text.replace(at, from.size(), to);
  }
  Result<Milvus2xOptions> LoadFrom(const std::string& text) const {
    return LoadMilvus2x(OptionsFor(WriteFile("migration.yaml", text)));
  }
  void ExpectError(const std::string& from, const std::string& to, const std::string& part) const {
    const Status status = LoadFrom(Guide(from, to)).status();
    EXPECT_THAT(status, IsError(Code::kInvalidArgument, part)) << to;
    EXPECT_EQ(status.origin(), Origin::kConfig);
  }
  /// With one more line in `meta.milvus`.
  void ExpectTargetError(const std::string& line, const std::string& part) const {
    ExpectError("collection: src_table_name", "collection: src_table_name\n  milvus:\n    " + line,
                part);
  }
};

TEST_F(Milvus2xConfigTest, TheGuidesFileLoads) {
  ASSERT_OK_AND_ASSIGN(const Milvus2xOptions options, LoadFrom(Guide()));
  EXPECT_THAT(options.collections, ElementsAre("src_table_name"));
  EXPECT_THAT(options.fields, IsEmpty());
  EXPECT_EQ(options.page_rows, 500);
  EXPECT_EQ(options.source.address, "source.example");
  EXPECT_EQ(options.source.tls_mode, milvus::TlsMode::kDisabled);
  EXPECT_EQ(options.target.port, 443);
  EXPECT_EQ(options.target.tls_mode, milvus::TlsMode::kServer);
  EXPECT_EQ(options.target.user, "xxxx");
  EXPECT_EQ(options.target.password.Reveal(), "yyyyy");
  EXPECT_FALSE(options.upsert);
  EXPECT_EQ(options.target_collection, "");
  EXPECT_FALSE(options.shards_num || options.dynamic_field || options.consistency_level ||
               options.auto_id);
  EXPECT_TRUE(options.state_dir.ends_with("/migration-state")) << options.state_dir;
  ASSERT_OK_AND_ASSIGN(const std::string mode,
                       MigrationWorkMode(OptionsFor(WriteFile("migration.yaml", Guide()))));
  EXPECT_EQ(mode, "milvus2x");
}

TEST_F(Milvus2xConfigTest, TheSampleLoads) {
  ASSERT_OK(LoadMilvus2x(OptionsFor(testing::ConfigsDir() + "/migration-2x.yaml")));
}

TEST_F(Milvus2xConfigTest, TheGuidesFurtherOptionsLoad) {
  ASSERT_OK_AND_ASSIGN(const Milvus2xOptions options,
                       LoadFrom(Guide("  collection: src_table_name\n",
                                      std::string("  collection: src_table_name\n") + kMore)));
  EXPECT_THAT(options.fields, ElementsAre("id", "title_vector", "reading_time"));
  EXPECT_EQ(options.target_collection, "target_collection_name");
  EXPECT_EQ(options.shards_num, 2);
  EXPECT_EQ(options.dynamic_field, true);
  EXPECT_EQ(options.consistency_level, 4);
}

TEST_F(Milvus2xConfigTest, CollectionsAreAListOrOneText) {
  for (const char* value : {"[a, b]", "a, b", "\n    - a\n    - b"}) {
    ASSERT_OK_AND_ASSIGN(const Milvus2xOptions options, LoadFrom(Guide("src_table_name", value)));
    EXPECT_THAT(options.collections, ElementsAre("a", "b")) << value;
  }
}

TEST_F(Milvus2xConfigTest, DatabasesAreAListOrOneText) {
  for (const char* line :
       {"databases: [a, b]", "DATABASES: a, b", "databases:\n    - a\n    - b"}) {
    ASSERT_OK_AND_ASSIGN(const Milvus2xOptions options,
                         LoadFrom(Guide("collection: src_table_name", line)));
    EXPECT_THAT(options.databases, ElementsAre("a", "b")) << line;
    EXPECT_THAT(options.collections, IsEmpty());
  }
  ASSERT_OK_AND_ASSIGN(const Milvus2xOptions every,
                       LoadFrom(Guide("collection: src_table_name", "databases: \"*\"")));
  EXPECT_THAT(every.databases, ElementsAre("*"));
}

TEST_F(Milvus2xConfigTest, KeysAndWordsAreOfAnyCaseAndType) {
  ASSERT_OK_AND_ASSIGN(const Milvus2xOptions options,
                       LoadFrom(Guide("password: yyyyy", "WRITEMODE: Upsert\n    database: db2")));
  EXPECT_TRUE(options.upsert);
  EXPECT_EQ(options.target_database, "db2");
  for (const char* value : {"true", "\"true\"", "1"}) {
    ASSERT_OK_AND_ASSIGN(
        const Milvus2xOptions made,
        LoadFrom(Guide("src_table_name", std::string("c\n  milvus:\n    autoid: ") + value)));
    EXPECT_EQ(made.auto_id, true) << value;
  }
}

TEST_F(Milvus2xConfigTest, APageIsCutToWhatMilvusAllows) {
  ASSERT_OK_AND_ASSIGN(const Milvus2xOptions options,
                       LoadFrom(Guide("bufferSize: 500", "bufferSize: 100000")));
  EXPECT_EQ(options.page_rows, 16384);
}

TEST_F(Milvus2xConfigTest, ErrorsNameTheKey) {
  ExpectError("mode: config", "mode: mysql", "meta.mode is 'mysql'");
  ExpectError("bufferSize: 500", "bufferSize: many", "dumper.worker.reader.bufferSize is 'many'");
  ExpectError("endpoint: source.example:19530", "endpoint:", "source.milvus2x.endpoint is not set");
  ExpectError("source.example:19530", "\"{domain}:{port}\"", "source.milvus2x.endpoint is");
  ExpectError("password: yyyyy", "writeMode: replace", "target.milvus2x.writeMode is 'replace'");
  ExpectTargetError("shardNum: 17", "meta.milvus.shardNum is '17'");
  ExpectTargetError("consistencyLevel: Often", "meta.milvus.consistencyLevel is 'Often'");
  ExpectTargetError("closeDynamicField: perhaps", "meta.milvus.closeDynamicField is 'perhaps'");
  ExpectTargetError("autoId: perhaps", "meta.milvus.autoId is 'perhaps'");
}

}  // namespace
}  // namespace milvus_backup::config
