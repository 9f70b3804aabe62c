#include "support/fake_milvus.h"
#include "support/faulty_backend.h"
#include "support/status_matchers.h"
#include "support/test_paths.h"

#include "milvus_backup/migration/dm.h"
#include "milvus_backup/storage/memory_backend.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace milvus_backup::migration {
namespace {

using milvus_backup::testing::FakeMilvus;
using milvus_backup::testing::FaultyBackend;
using milvus_backup::testing::IsError;
using milvus_backup::testing::TestDataDir;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

/// Rows of the partitions of a collection.
using Counts = std::map<std::string, int64_t>;

/// M2M of demo_l2, which has a default partition and `p1`, and demo_bin: three records.
class FinishedRunTest : public ::testing::Test {
 protected:
  FinishedRunTest() { Reset(); }

  void Reset() {
    auto faulty = std::make_unique<FaultyBackend>(storage::MakeMemoryBackend());
    faulty_ = faulty.get();
    backend_ = std::move(faulty);
    milvus_ = std::make_unique<FakeMilvus>();
    auto client = milvus::Connect({}, milvus_->client_options());
    EXPECT_OK(client);
    client_ = *std::move(client);
    options_ = {.task = DmTask::kM2M,
                .source = {.path = TestDataDir() + "/milvus1x",
                           .collections = {{"demo_l2", {}}, {"demo_bin", {}}}},
                .mode = WriteMode::kAppend};
  }

  Result<DmReport> Run() {
    LoadRules rules;
    rules.count_patience = std::chrono::milliseconds(50);
    rules.poll_interval = std::chrono::milliseconds(2);
    transfer::Progress progress;
    return BringIntoMilvus({}, *client_, options_, {.state = {.backend = backend_.get()}}, rules,
                           progress);
  }

  /// All rows are in, and `call` of the calls that forget them has failed.
  void RunAndForgetInPart(uint32_t call) {
    // The first three remove NumPy files, of which there are none.
    faulty_->Plan(storage::Method::kDeleteMany,
                  {.error = InternalError("planned"), .skip = 3 + call});
    ASSERT_OK_AND_ASSIGN(const DmReport report, Run());
    ASSERT_THAT(report.warnings, Contains(HasSubstr("is left: ")));
  }

  Counts Rows(const std::string& name) {
    Counts counts;
    const auto found = milvus_->Find("default", name);
    if (!found) return counts;
    for (const milvus::Partition& partition : found->partitions) {
      counts[partition.name] = 0;
      for (const milvus::Segment& segment : found->segments) {
        if (segment.partition_id == partition.id) counts[partition.name] += segment.num_rows;
      }
    }
    return counts;
  }

  std::vector<std::string> Keys() {
    std::vector<std::string> keys;
    EXPECT_OK(storage::ForEachObject({}, *backend_, "", [&](const storage::ObjectInfo& object) {
      keys.push_back(object.key);
      return Status::Ok();
    }));
    return keys;
  }

  FaultyBackend* faulty_ = nullptr;
  std::unique_ptr<storage::Backend> backend_;
  std::unique_ptr<FakeMilvus> milvus_;
  std::unique_ptr<milvus::Client> client_;
  DmOptions options_;
};

TEST_F(FinishedRunTest, NoRowComesTwiceWhereverForgettingEnds) {
  const Counts l2{{"_default", 193}, {"p1", 24}};
  const Counts bin{{"_default", 34}};
  for (const WriteMode mode : {WriteMode::kAppend, WriteMode::kOverwrite}) {
    for (uint32_t call = 0;; ++call) {
      Reset();
      options_.mode = mode;
      faulty_->Plan(storage::Method::kDeleteMany,
                    {.error = InternalError("planned"), .skip = call});
      const auto first = Run();
      if (first.ok() && !faulty_->AllHit()) break;
      ASSERT_LT(call, 50U);
      ASSERT_OK_AND_ASSIGN(const DmReport second, Run());
      EXPECT_THAT(second.partitions, SizeIs(4));
      EXPECT_EQ(Rows("demo_l2"), l2) << call;
      EXPECT_EQ(Rows("demo_bin"), bin) << call;
      EXPECT_THAT(Keys(), IsEmpty()) << call;
    }
  }
  // Only the note is left.
  Reset();
  faulty_->Plan(storage::Method::kDelete, {.error = InternalError("planned"), .skip = 3});
  ASSERT_OK(Run());
  ASSERT_THAT(Keys(), ElementsAre(HasSubstr("/finished/")));
  ASSERT_OK(Run());
  EXPECT_EQ(Rows("demo_l2"), l2);
  EXPECT_THAT(Keys(), IsEmpty());
}

TEST_F(FinishedRunTest, OnlyTheForgettingIsFinished) {
  RunAndForgetInPart(1);
  const size_t inserts = milvus_->count("Insert");
  ASSERT_OK_AND_ASSIGN(const DmReport report, Run());
  EXPECT_EQ(milvus_->count("Insert"), inserts);
  ASSERT_THAT(report.partitions, SizeIs(4));
  EXPECT_TRUE(report.partitions[0].load.was_done);
  EXPECT_EQ(report.partitions[0].load.expected, 193U);
  EXPECT_TRUE(report.partitions[2].is_empty);
  EXPECT_THAT(report.warnings, Not(Contains(HasSubstr("is left: "))));
  EXPECT_THAT(Keys(), IsEmpty());
  // Once more is once more.
  ASSERT_OK(Run());
  EXPECT_EQ(Rows("demo_l2"), (Counts{{"_default", 386}, {"p1", 48}}));
}

TEST_F(FinishedRunTest, AnotherRunForgetsItAndFillsItsOwn) {
  RunAndForgetInPart(1);
  options_.source.collections = {{"demo_l2", {"p1"}}};
  ASSERT_OK(Run());
  EXPECT_EQ(Rows("demo_l2"), (Counts{{"_default", 193}, {"p1", 48}}));
  EXPECT_THAT(Keys(), IsEmpty());
}

TEST_F(FinishedRunTest, WhatWasDroppedSinceIsNotTakenForFilled) {
  RunAndForgetInPart(1);
  milvus_->Drop("default", "demo_l2");
  EXPECT_THAT(Run(), IsError(Code::kFailedPrecondition, "collection demo_l2"));
  EXPECT_THAT(Keys(), Contains(HasSubstr("/finished/")));
  EXPECT_EQ(Rows("demo_bin"), (Counts{{"_default", 34}}));
}

}  // namespace
}  // namespace milvus_backup::migration
