// Migrations that are killed after every single operation, and the same command again.
#include "milvus2x_fixture.h"
#include "support/mortal.h"
#include "unit/backup/mortal_backend.h"

#include "milvus_backup/migration/milvus2x.h"

#include <gmock/gmock.h>

#include <cstdint>
#include <memory>
#include <set>
#include <string>

namespace milvus_backup::migration {
namespace {

using milvus_backup::testing::IsError;
using milvus_backup::testing::kSweepStep;
using milvus_backup::testing::Life;
using milvus_backup::testing::LivingBackend;
using milvus_backup::testing::MortalClient;

class Milvus2xCrashTest : public Milvus2xFixture {
 protected:
  static constexpr int64_t kRows = 30;

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
  EXPECT_THAT(RunMortally(), IsError(Code::kAborted, "nobody can tell"));
  EXPECT_THAT(RunMortally(), IsError(Code::kFailedPrecondition, "cannot be continued"));
}

TEST_F(Milvus2xCrashTest, ARunThatWasKilledGoesOnOnlyWithWhatItHad) {
  Fill(/*makes_keys=*/false);
  BeginAnew();
  target_->Plan("Insert", {.code = 1100, .error_code = 5, .reason = "planned: invalid parameter"});
  EXPECT_THAT(RunMortally(), IsError(Code::kInvalidArgument, "planned"));
  options_.auto_id = true;
  EXPECT_THAT(RunMortally(), IsError(Code::kFailedPrecondition, "autoId has changed"));
  options_.auto_id.reset();
  // Another collection of the same name has come in the place of the target.
  target_->Drop("default", "c");
  target_->Add("default", Collection("c", milvus::data_type::kInt64));
  EXPECT_THAT(RunMortally(), IsError(Code::kFailedPrecondition, "dropped and created anew"));
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
