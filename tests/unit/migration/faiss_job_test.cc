#include "migration/npy.h"
#include "row_reading.h"
#include "support/fake_milvus.h"
#include "support/faulty_backend.h"
#include "support/status_matchers.h"
#include "support/test_paths.h"

#include "milvus_backup/migration/faiss.h"
#include "milvus_backup/storage/memory_backend.h"

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace milvus_backup::migration {
namespace {

using milvus_backup::testing::FakeImport;
using milvus_backup::testing::FakeMilvus;
using milvus_backup::testing::FaultyBackend;
using milvus_backup::testing::IsError;
using milvus_backup::testing::TestDataDir;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::Slurp;

/// workMode faiss: an index of 1000 rows of dimension 16.
class FaissJobTest : public ::testing::Test {
 protected:
  FaissJobTest() { Reset(); }

  void Reset() {
    auto faulty = std::make_unique<FaultyBackend>(storage::MakeMemoryBackend());
    faulty_ = faulty.get();
    backend_ = std::move(faulty);
    source_ = {.backend = backend_.get(), .prefix = "in/"};
    target_ = {.backend = backend_.get(), .prefix = "out/migration/"};
    PutIndex("ivf_flat_ip_ids.index");
    milvus_ = std::make_unique<FakeMilvus>();
    milvus_->SetImportRows(
        [this](const milvus::ImportRequest& request) { return RowsOfFile(request.files.at(0)); });
    auto client = milvus::Connect({}, milvus_->client_options());
    EXPECT_OK(client);
    client_ = *std::move(client);
  }

  void PutIndex(const std::string& name) {
    const std::string text = Slurp(TestDataDir() + "/faiss/" + name);
    EXPECT_OK(backend_->Put({}, "in/f.index", AsBytes(text), {}));
  }
  int64_t RowsOfFile(const std::string& key) {
    const auto text = storage::ReadAll({}, *backend_, key, kMiB);
    if (!text.ok()) return 0;
    const auto header = DecodeNpyHeader(AsBytes(*text));
    return header.ok() ? static_cast<int64_t>(header->shape.at(0)) : 0;
  }
  Result<DumpReport> Dump(const DumpRules& rules = {}) {
    return DumpFaiss({}, faiss_, source_, target_, rules);
  }
  Result<LoadReport> Load(LoadRules rules = {}) {
    rules.settle_time = std::chrono::milliseconds(50);
    rules.count_patience = std::chrono::milliseconds(50);
    rules.poll_interval = std::chrono::milliseconds(2);
    return LoadFaiss({}, *client_, "", faiss_, target_, rules);
  }
  int64_t Rows() {
    const auto found = milvus_->Find("default", "coll");
    if (!found) return -1;
    int64_t rows = 0;
    for (const milvus::Segment& segment : found->segments) rows += segment.num_rows;
    return rows;
  }
  std::vector<std::string> Keys() {
    std::vector<std::string> keys;
    EXPECT_OK(storage::ForEachObject({}, *backend_, "out/", [&](const storage::ObjectInfo& object) {
      keys.push_back(object.key);
      return Status::Ok();
    }));
    return keys;
  }

  FaissSource faiss_{
      .file = "f.index", .collection = "coll", .shards = 2, .metric = Metric::kIp, .dim = 16};
  FaultyBackend* faulty_ = nullptr;
  std::unique_ptr<storage::Backend> backend_;
  Store source_;
  Store target_;
  std::unique_ptr<FakeMilvus> milvus_;
  std::unique_ptr<milvus::Client> client_;
};

TEST_F(FaissJobTest, DumpAndLoadBringEveryRowAndClean) {
  ASSERT_OK(backend_->Put({}, "out/migration/other/id.npy", AsBytes("x"), {}));
  ASSERT_OK_AND_ASSIGN(const DumpReport dumped, Dump());
  EXPECT_EQ(dumped.rows(), 1000U);
  EXPECT_THAT(Keys(), ElementsAre("out/migration/coll/data.npy", "out/migration/coll/dump.json",
                                  "out/migration/coll/id.npy", "out/migration/other/id.npy"));
  ASSERT_OK_AND_ASSIGN(const LoadReport loaded, Load({.create_indexes = true}));
  EXPECT_TRUE(loaded.cleaned);
  EXPECT_EQ(Rows(), 1000);
  EXPECT_THAT(milvus_->texts("Import"),
              ElementsAre("Import default.coll/_default files=[out/migration/coll/id.npy,"
                          "out/migration/coll/data.npy] options=[]"));
  const auto collection = milvus_->Find("default", "coll");
  EXPECT_EQ(collection->info.schema.fields.at(1).name, "data");
  EXPECT_EQ(collection->indexes.at(0).params.at(1).value, "IP");
  EXPECT_THAT(Keys(), ElementsAre("out/migration/other/id.npy"));
  EXPECT_THAT(Load(), IsError(Code::kFailedPrecondition, "is not finished"));
}

TEST_F(FaissJobTest, ADumpIsKeptAndOneThatIsLoadedIsNotReplaced) {
  ASSERT_OK(Dump());
  ASSERT_OK_AND_ASSIGN(const DumpReport again, Dump());
  EXPECT_EQ(again.kept_segments, 1U);
  milvus_->PlanImport(FakeImport::kFail, "planned");
  EXPECT_THAT(Load(), IsError(Code::kAborted, "planned"));
  PutIndex("flat_ip.index");
  EXPECT_THAT(Dump(), IsError(Code::kFailedPrecondition, "is being loaded"));
  PutIndex("ivf_flat_ip_ids.index");
  ASSERT_OK(Load());
  EXPECT_EQ(Rows(), 1000);
}

TEST_F(FaissJobTest, LargeFilesAreCutIntoPieces) {
  ASSERT_OK(Dump({.piece_bytes = 30000}));
  ASSERT_OK(Load());
  EXPECT_EQ(milvus_->count("Import"), 3U);
  EXPECT_EQ(Rows(), 1000);
}

TEST_F(FaissJobTest, TheSameRowsArriveWhereverALoadEnds) {
  for (const bool after_call : {false, true}) {
    for (uint32_t call = 0;; ++call) {
      Reset();
      ASSERT_OK(Dump());
      faulty_->Plan(storage::Method::kPut,
                    {.error = InternalError("planned"), .after_call = after_call, .skip = call});
      const auto first = Load();
      if (first.ok()) break;
      ASSERT_LT(call, 100U);
      ASSERT_OK(Load()) << call << after_call;
      EXPECT_EQ(Rows(), 1000) << call << after_call;
      EXPECT_THAT(Keys(), IsEmpty());
    }
  }
}

TEST_F(FaissJobTest, AKilledCleanerLeavesNothingThatCouldBeLoaded) {
  ASSERT_OK(Dump());
  faulty_->Plan(storage::Method::kDeleteMany, {.error = InternalError("planned")});
  ASSERT_OK_AND_ASSIGN(const LoadReport report, Load());
  EXPECT_FALSE(report.cleaned);
  EXPECT_THAT(Load(), IsError(Code::kFailedPrecondition, "is not finished"));
  EXPECT_EQ(Rows(), 1000);
  // `start` removes the rest, and only another file is loaded.
  ASSERT_OK_AND_ASSIGN(const DumpReport same, Dump({.then_load = true}));
  EXPECT_TRUE(same.was_loaded);
  EXPECT_THAT(Keys(), IsEmpty());
}

TEST_F(FaissJobTest, ADumpOfTheGoToolThatIsBeingLoadedIsNotTakenForLoaded) {
  ASSERT_OK(Dump());
  ASSERT_OK(backend_->Delete({}, "out/migration/coll/dump.json"));
  milvus_->PlanImport(FakeImport::kFail, "planned");
  EXPECT_THAT(Load(), IsError(Code::kAborted, "planned"));
  EXPECT_THAT(Dump({.then_load = true}), IsError(Code::kFailedPrecondition, "is being loaded"));
  ASSERT_OK_AND_ASSIGN(const LoadReport loaded, Load());
  EXPECT_TRUE(loaded.cleaned);
  EXPECT_EQ(Rows(), 1000);
}

TEST_F(FaissJobTest, AnotherFileIsNotTakenForTheOneThatWasLoaded) {
  ASSERT_OK(Dump());
  faulty_->Plan(storage::Method::kDeleteMany, {.error = InternalError("planned")});
  ASSERT_OK(Load());
  PutIndex("flat_ip.index");
  ASSERT_OK_AND_ASSIGN(const DumpReport other, Dump({.then_load = true}));
  EXPECT_FALSE(other.was_loaded);
  ASSERT_OK_AND_ASSIGN(const LoadReport loaded, Load());
  EXPECT_TRUE(loaded.cleaned);
  EXPECT_EQ(Rows(), 1000 + static_cast<int64_t>(other.rows()));
}

TEST_F(FaissJobTest, WhatCannotBeDoneIsRefused) {
  EXPECT_THAT(Dump({.skip_bad_rows = true}), IsError(Code::kInvalidArgument, "--skip-bad-rows"));
  EXPECT_OK(CheckSelected(faiss_, {"coll"}));
  EXPECT_THAT(CheckSelected(faiss_, {"other"}),
              IsError(Code::kInvalidArgument, "no required collection exist, col=other"));
  faiss_.dim = 17;
  EXPECT_THAT(Dump(), IsError(Code::kInvalidArgument, "dimension 16 and not 17"));
  EXPECT_THAT(Keys(), IsEmpty());
}

TEST_F(FaissJobTest, ADryStartKnowsWhatWasLoadedAndLeavesIt) {
  ASSERT_OK(Dump());
  faulty_->Plan(storage::Method::kDeleteMany, {.error = InternalError("planned")});
  ASSERT_OK(Load());
  const std::vector<std::string> keys = Keys();
  ASSERT_FALSE(keys.empty());
  ASSERT_OK_AND_ASSIGN(const DumpReport start, Dump({.dry_run = true, .then_load = true}));
  EXPECT_TRUE(start.was_loaded);
  EXPECT_EQ(Keys(), keys);
  ASSERT_OK_AND_ASSIGN(const DumpReport dump, Dump({.dry_run = true}));
  EXPECT_FALSE(dump.was_loaded);
  EXPECT_EQ(dump.warnings.size(), 1U);
  PutIndex("flat_ip.index");
  ASSERT_OK_AND_ASSIGN(const DumpReport other, Dump({.dry_run = true, .then_load = true}));
  EXPECT_FALSE(other.was_loaded);
  EXPECT_EQ(Keys(), keys);
}

TEST_F(FaissJobTest, ADryRunWritesNothing) {
  ASSERT_OK_AND_ASSIGN(const DumpReport report, Dump({.dry_run = true}));
  EXPECT_EQ(report.rows(), 1000U);
  EXPECT_THAT(Keys(), IsEmpty());
}

}  // namespace
}  // namespace milvus_backup::migration
