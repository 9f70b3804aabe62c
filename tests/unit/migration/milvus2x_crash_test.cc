// Migrations that are killed after every single operation, and the same command again.
#include "milvus2x_fixture.h"
#include "support/mortal.h"
#include "unit/backup/mortal_backend.h"

#include "milvus_backup/migration/milvus2x.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <iterator>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace milvus_backup::migration {
namespace {

using milvus_backup::testing::IsError;
using milvus_backup::testing::kSweepStep;
using milvus_backup::testing::Life;
using milvus_backup::testing::LivingBackend;
using milvus_backup::testing::MortalClient;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class Milvus2xCrashTest : public Milvus2xFixture {
 protected:
  static constexpr int64_t kRows = 30;
  static constexpr int32_t kGrowing = 2;
  static constexpr int32_t kFlushed = 4;

  Milvus2xCrashTest() {
    from_mortal_ = std::make_unique<MortalClient>(life_, *from_);
    to_mortal_ = std::make_unique<MortalClient>(life_, *to_);
    options_.page_rows = 4;
    rules_.keys_per_page = 10;
  }

  void Fill(bool makes_keys) {
    FillWithNumbers(kRows);
    source_->Change("default", "c",
                    [&](FakeCollection& each) { each.info.schema.fields[0].auto_id = makes_keys; });
  }

  /// A new state and no target.
  void BeginAnew() {
    auto living = std::make_unique<LivingBackend>(life_);
    living_ = living.get();
    state_ = std::move(living);
    target_->Drop("default", "c");
    if (target_exists_) target_->Add("default", Existing());
  }

  /// A collection of others with one row in the default partition, which makes its keys.
  static FakeCollection Existing() {
    FakeCollection existing = Collection("c", milvus::data_type::kInt64);
    existing.info.schema.fields[0].auto_id = true;
    existing.partitions = {{.name = "_default"}};
    existing.indexes.clear();
    existing.load_state = milvus::LoadState::kNotLoad;
    existing.rows["_default"] = {Row(Bytes(700), 700)};
    existing.segments = {{.num_rows = 1, .state = kFlushed}};
    return existing;
  }

  /// Rows of others in a partition of the target, in memory as yet.
  void AddRowsOfOthers(const std::string& partition, int64_t count) {
    target_->Change("default", "c", [&](FakeCollection& each) {
      const auto found = std::ranges::find(each.partitions, partition, &milvus::Partition::name);
      for (int64_t i = 0; i < count; ++i) {
        each.rows[partition].push_back(Row(Bytes(9000 + i), 9000 + i));
      }
      each.segments.push_back(
          {.id = 77, .partition_id = found->id, .num_rows = count, .state = kGrowing});
    });
  }

  /// All rows of the source into a partition that `Existing` does not have.
  void MoveIntoPartition() {
    source_->Change("default", "c", [](FakeCollection& each) {
      std::vector<FakeRow>& rows = each.rows["_default"];
      std::ranges::move(rows, std::back_inserter(each.rows["p1"]));
      rows.clear();
    });
  }

  std::multiset<std::string> TextsIn(const std::string& partition) const {
    std::multiset<std::string> texts;
    const auto rows = Rows(*target_, "c");
    if (const auto found = rows.find(partition); found != rows.end()) {
      for (const FakeRow& row : found->second) texts.insert(row.at("text"));
    }
    return texts;
  }

  Result<Milvus2xReport> RunMortally() { return RunWith(*from_mortal_, *to_mortal_); }

  /// Kill a run after every operation, with and without the last answer, run again and `check`.
  template <typename Check>
  void Sweep(const Check& check) {
    for (const bool last_is_lost : {false, true}) {
      for (uint64_t operations = 1;; operations += kSweepStep) {
        SCOPED_TRACE("killed after operation " + std::to_string(operations) +
                     (last_is_lost ? ", which nobody hears of" : ""));
        BeginAnew();
        life_.Live(operations, last_is_lost);
        const auto killed = RunMortally();
        const bool was_through = killed.ok() && life_.operations() < operations;
        life_.Live(Life::kForever);
        backup::BuryLocks(living_->immortal(), "locks/");
        ASSERT_OK(RunMortally());
        check();
        if (::testing::Test::HasFailure() || was_through) break;
      }
    }
  }

  Life life_;
  bool target_exists_ = false;
  LivingBackend* living_ = nullptr;
  std::unique_ptr<MortalClient> from_mortal_;
  std::unique_ptr<MortalClient> to_mortal_;
};

TEST_F(Milvus2xCrashTest, NoRowIsMissingAndNoneIsThereTwice) {
  Fill(/*makes_keys=*/false);
  const auto expected = Rows(*source_, "c");
  Sweep([&] { ASSERT_EQ(Rows(*target_, "c"), expected); });
}

TEST_F(Milvus2xCrashTest, RowsWithNewKeysAreThereOnce) {
  Fill(/*makes_keys=*/true);
  std::multiset<std::string> expected;
  for (int64_t i = 0; i < kRows; ++i) expected.insert("text " + std::to_string(i));
  Sweep([&] {
    std::multiset<std::string> texts;
    for (const auto& [partition, rows] : Rows(*target_, "c")) {
      for (const FakeRow& row : rows) texts.insert(row.at("text"));
    }
    ASSERT_EQ(texts, expected);
  });
}

TEST_F(Milvus2xCrashTest, RowsWithNewKeysInAPartitionOfOurOwnAreThereOnce) {
  Fill(/*makes_keys=*/true);
  MoveIntoPartition();
  target_exists_ = true;
  std::multiset<std::string> expected;
  for (int64_t i = 0; i < kRows; ++i) expected.insert("text " + std::to_string(i));
  Sweep([&] {
    ASSERT_EQ(TextsIn("p1"), expected);
    ASSERT_EQ(TextsIn("_default"), std::multiset<std::string>{"text 700"});
  });
  EXPECT_GT(target_->count("DropPartition"), 0U);
}

TEST_F(Milvus2xCrashTest, APartitionOfOthersIsNotBegunAnew) {
  Fill(/*makes_keys=*/true);
  MoveIntoPartition();
  target_exists_ = true;
  BeginAnew();
  target_->Plan("Insert", {.grpc_code = 14, .reason = "Socket closed"});
  EXPECT_THAT(RunMortally(), IsError(Code::kAborted, "nobody can tell"));
  // Another one of the same name has come in its place.
  target_->Change("default", "c", [](FakeCollection& each) {
    const auto found = std::ranges::find(each.partitions, "p1", &milvus::Partition::name);
    found->id += 1000;
  });
  EXPECT_THAT(RunMortally(), IsError(Code::kFailedPrecondition, "partition p1 was there before"));
  EXPECT_EQ(target_->count("DropPartition"), 0U);
}

TEST_F(Milvus2xCrashTest, APartitionThatIsLoadedIsNotBegunAnew) {
  Fill(/*makes_keys=*/true);
  MoveIntoPartition();
  target_exists_ = true;
  BeginAnew();
  target_->Plan("Insert", {.grpc_code = 14, .reason = "Socket closed"});
  EXPECT_THAT(RunMortally(), IsError(Code::kAborted, "nobody can tell"));
  target_->Change("default", "c",
                  [](FakeCollection& each) { each.load_state = milvus::LoadState::kLoaded; });
  const Status refused = RunMortally().status();
  EXPECT_THAT(refused.ToString(), HasSubstr("release c in the target"));
  target_->Change("default", "c",
                  [](FakeCollection& each) { each.load_state = milvus::LoadState::kNotLoad; });
  ASSERT_OK_AND_ASSIGN(const Milvus2xReport report, RunMortally());
  EXPECT_THAT(report.warnings, Contains(HasSubstr("had created partition p1 in c")));
  EXPECT_EQ(TextsIn("p1").size(), static_cast<size_t>(kRows));
}

TEST_F(Milvus2xCrashTest, OtherRefusalsToDropAPartitionSpeakForThemselves) {
  Fill(/*makes_keys=*/true);
  MoveIntoPartition();
  target_exists_ = true;
  BeginAnew();
  target_->Plan("Insert", {.grpc_code = 14, .reason = "Socket closed"});
  EXPECT_THAT(RunMortally(), IsError(Code::kAborted, "nobody can tell"));
  target_->Plan("DropPartition", {.code = 1100, .error_code = 5, .reason = "planned: not now"});
  const Status refused = RunMortally().status();
  EXPECT_THAT(refused, IsError(Code::kInvalidArgument, "planned: not now"));
  EXPECT_THAT(refused.ToString(), Not(HasSubstr("release")));
  ASSERT_OK(RunMortally());
  EXPECT_EQ(TextsIn("p1").size(), static_cast<size_t>(kRows));
}

TEST_F(Milvus2xCrashTest, APartitionWithRowsOfOthersIsNotBegunAnew) {
  // Fewer than the source has, but more than the run can have sent that looked up 20 keys at most.
  constexpr int64_t kOfOthers = kRows - 1;
  Fill(/*makes_keys=*/true);
  MoveIntoPartition();
  target_exists_ = true;
  BeginAnew();
  options_.parallel_ranges = 1;
  target_->Plan("Insert", {.grpc_code = 14, .reason = "Socket closed"});
  EXPECT_THAT(RunMortally(), IsError(Code::kAborted, "nobody can tell"));
  AddRowsOfOthers("p1", kOfOthers);
  const Status refused = RunMortally().status();
  EXPECT_THAT(refused, IsError(Code::kFailedPrecondition, "partition p1 holds 29 rows, of which"));
  EXPECT_THAT(refused.advice(), HasSubstr("put the rows of c in the target right"));
  EXPECT_EQ(target_->count("DropPartition"), 0U);
  EXPECT_EQ(TextsIn("p1").size(), static_cast<size_t>(kOfOthers));
}

TEST_F(Milvus2xCrashTest, RowsOfAPartitionThatIsBeingStoredAreWaitedFor) {
  target_ = std::make_unique<FakeMilvus>(
      milvus_backup::testing::FakeMilvusOptions{.id_offset = 1'000'000, .flushing_listings = 2});
  to_ = Connected(*target_);
  to_mortal_ = std::make_unique<MortalClient>(life_, *to_);
  rules_.count_patience = std::chrono::milliseconds(2000);
  Fill(/*makes_keys=*/true);
  MoveIntoPartition();
  target_exists_ = true;
  BeginAnew();
  target_->Plan("Insert", {.grpc_code = 14, .reason = "Socket closed"});
  EXPECT_THAT(RunMortally(), IsError(Code::kAborted, "nobody can tell"));
  AddRowsOfOthers("p1", kRows + 1);
  EXPECT_THAT(RunMortally(), IsError(Code::kFailedPrecondition, "of which that run can have sent"));
  EXPECT_EQ(target_->count("DropPartition"), 0U);
}

TEST_F(Milvus2xCrashTest, RowsOfADroppedPartitionMayBeCountedByLaterRunsToo) {
  Fill(/*makes_keys=*/true);
  MoveIntoPartition();
  target_exists_ = true;
  BeginAnew();
  target_->Plan("Insert", {.grpc_code = 14, .reason = "Socket closed"});
  EXPECT_THAT(RunMortally(), IsError(Code::kAborted, "nobody can tell"));
  // The next run fills it anew and fails right before it counts.
  target_->Plan("Flush", {}, 1);
  target_->Plan("Flush", {.code = 1100, .error_code = 5, .reason = "planned: not now"});
  EXPECT_THAT(RunMortally(), IsError(Code::kInvalidArgument, "planned: not now"));
  EXPECT_EQ(target_->count("DropPartition"), 1U);
  target_->Change("default", "c", [](FakeCollection& each) {
    each.segments.push_back({.id = 78, .partition_id = 79, .num_rows = 4, .state = kFlushed});
  });
  ASSERT_OK_AND_ASSIGN(const Milvus2xReport report, RunMortally());
  EXPECT_EQ(report.collections[0].after, 1 + kRows + 4);
  EXPECT_EQ(target_->count("DropPartition"), 1U);
}

TEST_F(Milvus2xCrashTest, OnlyWhatIsNotConfirmedIsReadAgain) {
  Fill(/*makes_keys=*/false);
  BeginAnew();
  options_.parallel_ranges = 1;
  // Six inserts fill the first partition; the next one is the second's first.
  target_->Plan("Insert", {}, 6);
  target_->Plan("Insert", {.code = 1100, .error_code = 5, .reason = "planned: invalid parameter"});
  EXPECT_THAT(RunMortally(), IsError(Code::kInvalidArgument, "planned"));
  const size_t inserts = target_->count("Insert");
  ASSERT_OK_AND_ASSIGN(const Milvus2xReport report, RunMortally());
  EXPECT_EQ(report.collections[0].rows, static_cast<uint64_t>(kRows));
  EXPECT_EQ(Rows(*target_, "c"), Rows(*source_, "c"));
  EXPECT_EQ(inserts, 7U);
  EXPECT_LE(target_->count("Insert") + target_->count("Upsert"), inserts + 4);
  EXPECT_GE(target_->count("Upsert"), 1U);
}

TEST_F(Milvus2xCrashTest, RowsWithNewKeysInACollectionOfOthersAreNotSentAgain) {
  Fill(/*makes_keys=*/true);
  BeginAnew();
  FakeCollection existing = Collection("c", milvus::data_type::kInt64);
  existing.info.schema.fields[0].auto_id = true;
  target_->Add("default", existing);
  target_->Plan("Insert", {}, 1);
  target_->Plan("Insert", {.grpc_code = 14, .reason = "Socket closed"});
  const Status aborted = RunMortally().status();
  EXPECT_THAT(aborted, IsError(Code::kAborted, "nobody can tell"));
  EXPECT_EQ(aborted.advice(), "run the same command again: it tells how to go on");
  const Status refused = RunMortally().status();
  EXPECT_THAT(refused, IsError(Code::kFailedPrecondition, "cannot be continued"));
  EXPECT_THAT(refused.advice(),
              StartsWith("put the rows of c in the target right, then remove state/c-"));
}

TEST_F(Milvus2xCrashTest, ARunThatWasKilledGoesOnOnlyWithWhatItHad) {
  Fill(/*makes_keys=*/false);
  BeginAnew();
  target_->Plan("Insert", {.code = 1100, .error_code = 5, .reason = "planned: invalid parameter"});
  EXPECT_THAT(RunMortally(), IsError(Code::kInvalidArgument, "planned"));
  options_.auto_id = true;
  const Status changed = RunMortally().status();
  EXPECT_THAT(changed, IsError(Code::kFailedPrecondition, "autoId has changed"));
  EXPECT_THAT(changed.advice(), StartsWith("drop c in the target, remove state/c-"));
  options_.auto_id.reset();
  // Another collection of the same name has come in the place of the target.
  target_->Drop("default", "c");
  target_->Add("default", Collection("c", milvus::data_type::kInt64));
  const Status replaced = RunMortally().status();
  EXPECT_THAT(replaced, IsError(Code::kFailedPrecondition, "dropped and created anew"));
  EXPECT_THAT(replaced.advice(), StartsWith("put the rows of c in the target right"));
  // Without one it is made again.
  target_->Drop("default", "c");
  ASSERT_OK(RunMortally());
  EXPECT_EQ(Rows(*target_, "c"), Rows(*source_, "c"));
}

TEST_F(Milvus2xCrashTest, TwoRunsDoNotMeet) {
  Fill(/*makes_keys=*/false);
  BeginAnew();
  const auto second = [this](const std::string&, int percent) {
    if (percent < 99) return;
    EXPECT_THAT(MigrateMilvus2x({}, *from_, *to_, options_, rules_, *state_, progress_,
                                [](const std::string&, int) {}),
                IsError(Code::kAlreadyExists, "worked on"));
  };
  ASSERT_OK(MigrateMilvus2x({}, *from_, *to_, options_, rules_, *state_, progress_, second));
}

}  // namespace
}  // namespace milvus_backup::migration
