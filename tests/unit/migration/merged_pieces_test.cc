#include "migration/merged_pieces.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

namespace milvus_backup::migration {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// Partition and rows of each piece; its directory is its position.
struct PieceOf {
  std::string partition;
  uint64_t rows = 0;
};

PlannedCollection Plan(const std::vector<PieceOf>& pieces) {
  PlannedCollection plan{.number = 7, .table = {.id = "c", .metric = Metric::kL2, .dim = 2}};
  for (const PieceOf& piece : pieces) {
    plan.pieces.push_back({.partition = piece.partition,
                           .dir = std::to_string(plan.pieces.size()) + "/",
                           .rows = piece.rows});
  }
  return plan;
}

/// Of each import its directory and the pieces in it.
std::vector<std::string> Text(const std::vector<PlannedImport>& imports) {
  std::vector<std::string> text;
  for (const PlannedImport& import : imports) {
    std::string line = import.partition + " " + import.dir;
    for (const size_t piece : import.pieces) line += " " + std::to_string(piece);
    text.push_back(line);
  }
  return text;
}

/// 16 bytes a row and two headers of 128.
constexpr uint64_t kPieceOf10Rows = 2 * 128 + 10 * 16;

TEST(PlanImportsTest, EachPieceGoesByItselfUnlessAskedFor) {
  EXPECT_THAT(Text(PlanImports(Plan({{"a", 10}, {"a", 10}}), 0)), ElementsAre("a 0/ 0", "a 1/ 1"));
  EXPECT_THAT(PlanImports(Plan({}), 1000), IsEmpty());
}

TEST(PlanImportsTest, SmallOnesOfAPartitionGoTogether) {
  const PlannedCollection plan =
      Plan({{"a", 10}, {"b", 10}, {"a", 10}, {"a", 100}, {"b", 10}, {"a", 1}, {"c", 1}});
  EXPECT_THAT(Text(PlanImports(plan, 4 * kPieceOf10Rows)),
              ElementsAre("a load/000007/1/ 0 2 5", "b load/000007/2/ 1 4", "a 3/ 3", "c 6/ 6"));
}

TEST(PlanImportsTest, AFullImportIsFollowedByAnother) {
  const PlannedCollection plan = Plan(std::vector<PieceOf>(9, {"a", 10}));
  EXPECT_THAT(Text(PlanImports(plan, 4 * kPieceOf10Rows)),
              ElementsAre("a load/000007/1/ 0 1 2 3", "a load/000007/2/ 4 5 6 7", "a 8/ 8"));
}

TEST(PlanImportsTest, OnesAboveAQuarterStayAsTheyAre) {
  const PlannedCollection plan = Plan({{"a", 10}, {"a", 10}});
  EXPECT_THAT(Text(PlanImports(plan, 4 * kPieceOf10Rows)), ElementsAre("a load/000007/1/ 0 1"));
  EXPECT_THAT(Text(PlanImports(plan, 4 * kPieceOf10Rows - 1)), ElementsAre("a 0/ 0", "a 1/ 1"));
}

}  // namespace
}  // namespace milvus_backup::migration
