#include "milvus_backup/migration/meta.h"

#include "support/status_matchers.h"

#include <gmock/gmock.h>

#include <string>

namespace milvus_backup::migration {
namespace {

using milvus_backup::testing::IsError;
using ::testing::HasSubstr;

// What the Go tool has written for its own sample.
constexpr const char* kSample =
    R"({"collections":[{"collection":"test1w","metric":1,"rows":10000,"dim":256,"segments":[)"
    R"({"collection":"test1w","segment":"1678354366132931000","dim":256,"rows":10000,)"
    R"("fileSize":10320000}]}],"rows":10000})";

TEST(MetaTest, TheGoToolsFileIsReadAndWrittenByteForByte) {
  ASSERT_OK_AND_ASSIGN(const Meta meta, DecodeMeta(kSample, "meta.json"));
  ASSERT_EQ(meta.tables.size(), 1U);
  const Table& table = meta.tables[0];
  EXPECT_EQ(table.id, "test1w");
  EXPECT_EQ(table.collection(), "test1w");
  EXPECT_EQ(table.metric, Metric::kL2);
  EXPECT_EQ(table.vector_bytes(), 1024U);
  EXPECT_EQ(table.segments, (std::vector<Segment>{{"1678354366132931000", 10000, 10320000}}));
  EXPECT_EQ(EncodeMeta(meta), kSample);
}

TEST(MetaTest, OwnKeysStandBehindTheGoToolsAndAreReadBack) {
  const Meta meta{.tables = {{.id = "c",
                              .metric = Metric::kHamming,
                              .dim = 64,
                              .segments = {{"1", 2, 3}},
                              .index_type = 10,
                              .index_params = R"({"nlist":16})",
                              .flag = 2,
                              .empty_partitions = {"empty part"}},
                             {.id = "123",
                              .metric = Metric::kHamming,
                              .dim = 64,
                              .segments = {{"4", 5, 6}},
                              .owner = "c",
                              .partition_tag = "a \"b\""}}};
  const std::string text = EncodeMeta(meta);
  EXPECT_EQ(text, R"({"collections":[{"collection":"c","metric":3,"rows":2,"dim":64,"segments":[)"
                  R"({"collection":"c","segment":"1","dim":64,"rows":2,"fileSize":3}],)"
                  R"("indexType":10,"indexParams":"{\"nlist\":16}","flag":2,)"
                  R"("emptyPartitions":["empty part"]},)"
                  R"({"collection":"123","metric":3,"rows":5,"dim":64,"segments":[)"
                  R"({"collection":"123","segment":"4","dim":64,"rows":5,"fileSize":6}],)"
                  R"("owner":"c","partitionTag":"a \"b\""}],"rows":7})");
  ASSERT_OK_AND_ASSIGN(const Meta read, DecodeMeta(text, "meta.json"));
  EXPECT_EQ(read, meta);
}

TEST(MetaTest, CountsMayBeMissingAndUnknownKeysAreIgnored) {
  ASSERT_OK_AND_ASSIGN(
      const Meta meta,
      DecodeMeta(R"({"x":1,"collections":[{"collection":"c","metric":2,"dim":4,"y":[],)"
                 R"("segments":[{"segment":"1"}]}]})",
                 "m"));
  EXPECT_EQ(meta.tables[0].segments, (std::vector<Segment>{{.id = "1"}}));
  EXPECT_EQ(meta.rows(), 0);
}

std::string WithTable(const std::string& keys) { return R"({"collections":[{)" + keys + "}]}"; }

TEST(MetaTest, HostileFilesAreRefusedInOneLine) {
  const auto expect = [](const std::string& text, const std::string& part) {
    const Status status = DecodeMeta(text, "/x/meta.json").status();
    EXPECT_THAT(status, IsError(Code::kDataLoss, part)) << text;
    EXPECT_THAT(status.ToString(), HasSubstr("/x/meta.json"));
    EXPECT_EQ(status.ToString().find('\n'), std::string::npos);
  };
  expect("", "is no meta.json");
  expect(std::string(kSample).substr(0, 100), "is no meta.json");
  expect("[]", "is no meta.json");
  expect(R"({"collections":{"a":1}})", "is no meta.json");
  const std::string rest = R"("metric":1,"dim":4,"segments":[{"segment":"1"}])";
  for (const char* name : {"..", "", "a/b", "a\\nb"}) {
    expect(WithTable(R"("collection":")" + std::string(name) + "\"," + rest),
           "not that of a directory");
  }
  expect(WithTable(R"("collection":"c","metric":1,"dim":4,"segments":[{"segment":"../1"}])"),
         "segment '../1'");
  expect(WithTable(R"("collection":"c","metric":8,"dim":4,"segments":[])"), "metric 8");
  expect(WithTable(R"("collection":"c","metric":0,"dim":4,"segments":[])"), "metric 0");
  expect(WithTable(R"("collection":"c","metric":1,"dim":0,"segments":[])"), "dimension 0");
  expect(WithTable(R"("collection":"c","metric":1,"dim":32769,"segments":[])"), "dimension 32769");
  expect(WithTable(R"("collection":"c","metric":3,"dim":12,"segments":[])"), "multiple of 8");
  expect(WithTable(R"("collection":"c","owner":"d",)" + rest), "needs both");
  expect(WithTable(R"("collection":"1","owner":"c","partitionTag":"_default",)" + rest),
         "collection '1': partitionTag must not be '_default'");
  expect(WithTable(R"("collection":"c","emptyPartitions":["p","_default"],)" + rest),
         "emptyPartitions must not name '_default'");
  const std::string twice = R"("collection":"c",)" + rest;
  expect(R"({"collections":[{)" + twice + "},{" + twice + "}]}", "is there twice");
  expect(WithTable(R"("collection":"c","metric":1,"dim":4,"segments":[{"segment":"1"},)"
                   R"({"segment":"1"}])"),
         "segment 1 is there twice");
  expect(R"({"collections":[{)" + twice +
             R"(},{"collection":"1","owner":"c","partitionTag":"p","metric":1,"dim":8,)"
             R"("segments":[]}]})",
         "differ");
}

TEST(MetaTest, CollectionsAreSelectedWithTheirPartitions) {
  const Meta meta{.tables = {{.id = "a", .dim = 1},
                             {.id = "1", .dim = 1, .owner = "a", .partition_tag = "p"},
                             {.id = "b", .dim = 1}}};
  ASSERT_OK_AND_ASSIGN(const Meta both, SelectCollections(meta, {}));
  EXPECT_EQ(both, meta);
  ASSERT_OK_AND_ASSIGN(const Meta one, SelectCollections(meta, {"a"}));
  EXPECT_EQ(one.tables, (std::vector<Table>{meta.tables[0], meta.tables[1]}));
  EXPECT_THAT(SelectCollections(meta, {"a", "1"}),
              IsError(Code::kInvalidArgument, "no required collection exist, col=1"));
}

}  // namespace
}  // namespace milvus_backup::migration
