#include "migration/milvus_names.h"
#include "migration/target_schema.h"
#include "support/status_matchers.h"

#include <gmock/gmock.h>

#include <map>
#include <string>
#include <tuple>
#include <vector>

namespace milvus_backup::migration {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

TEST(MilvusNamesTest, OddNamesBecomeRightOnes) {
  EXPECT_EQ(MilvusName("right_1"), "right_1");
  EXPECT_EQ(MilvusName("_x"), "_x");
  EXPECT_EQ(MilvusName("2020-01 x"), "_2020_01_x");
  EXPECT_EQ(MilvusName("ä"), "__");
  EXPECT_EQ(MilvusName(std::string(255, '1')), "_" + std::string(254, '1'));
}

TEST(MilvusNamesTest, NoTwoNamesMeet) {
  EXPECT_THAT(MilvusNames({"a b", "a-b", "a_b", "a.b", "a_b_2"}),
              ElementsAre(Pair("a b", "a_b_3"), Pair("a-b", "a_b_4"), Pair("a.b", "a_b_5"),
                          Pair("a_b", "a_b"), Pair("a_b_2", "a_b_2")));
  const std::string longest(255, '-');
  const std::string other(255, '.');
  EXPECT_THAT(
      MilvusNames({longest, other}),
      ElementsAre(Pair(longest, std::string(255, '_')), Pair(other, std::string(253, '_') + "_2")));
}

TEST(TargetSchemaTest, EveryIndexHasASuccessor) {
  const std::vector<std::tuple<Metric, int64_t, std::string, std::string, std::string, std::string>>
      cases = {
          {Metric::kL2, 1, "{}", "FLAT", "L2", "{}"},
          {Metric::kL2, 2, R"({"nlist":16})", "IVF_FLAT", "L2", R"({"nlist":16})"},
          {Metric::kIp, 3, R"({"nlist":7,"x":1})", "IVF_SQ8", "IP", R"({"nlist":7})"},
          {Metric::kL2, 5, "", "IVF_SQ8", "L2", R"({"nlist":1024})"},
          {Metric::kL2, 6, R"({"nlist":9,"m":4})", "IVF_PQ", "L2", R"({"m":4,"nlist":9})"},
          {Metric::kL2, 11, R"({"M":8,"efConstruction":99})", "HNSW", "L2",
           R"({"M":8,"efConstruction":99})"},
          {Metric::kHamming, 9, "{}", "BIN_FLAT", "HAMMING", "{}"},
          {Metric::kJaccard, 10, R"({"nlist":3})", "BIN_IVF_FLAT", "JACCARD", R"({"nlist":3})"},
          {Metric::kTanimoto, 1, "{}", "BIN_FLAT", "JACCARD", "{}"},
          {Metric::kSubstructure, 10, "{}", "BIN_FLAT", "SUBSTRUCTURE", "{}"},
          {Metric::kSuperstructure, 9, "no json", "BIN_FLAT", "SUPERSTRUCTURE", "{}"}};
  for (const auto& [metric, engine, given, type, name, params] : cases) {
    const TargetIndex target = IndexOf(
        {.id = "c", .metric = metric, .dim = 8, .index_type = engine, .index_params = given},
        "data");
    EXPECT_EQ(target.index.params,
              (std::vector<milvus::KeyValue>{
                  {"index_type", type}, {"metric_type", name}, {"params", params}}));
  }
  const TargetIndex annoy =
      IndexOf({.id = "c", .metric = Metric::kL2, .dim = 8, .index_type = 12}, "data");
  EXPECT_EQ(annoy.index.params[0].value, "FLAT");
  EXPECT_NE(annoy.warning, "");
}

}  // namespace
}  // namespace milvus_backup::migration
