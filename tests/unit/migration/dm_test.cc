#include "milvus_backup/migration/dm.h"

#include "hdf5_builder.h"
#include "migration/npy.h"
#include "support/fake_milvus.h"
#include "support/faulty_backend.h"
#include "support/status_matchers.h"
#include "support/temp_dir.h"

#include "milvus_backup/storage/memory_backend.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <limits>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace milvus_backup::migration {
namespace {

using milvus_backup::testing::FakeCollection;
using milvus_backup::testing::FakeImport;
using milvus_backup::testing::FakeMilvus;
using milvus_backup::testing::FaultyBackend;
using milvus_backup::testing::IsError;
using milvus_backup::testing::TempDir;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::WriteHdf5;

/// Rows of each partition; nothing for a collection that is not there.
using Contents = std::optional<std::map<std::string, int64_t>>;

/// H2M of a file of 5 rows of dimension 2.
class DmTest : public ::testing::Test {
 protected:
  DmTest() { Reset(); }

  void Reset() {
    auto faulty = std::make_unique<FaultyBackend>(storage::MakeMemoryBackend());
    faulty_ = faulty.get();
    backend_ = std::move(faulty);
    milvus_ = std::make_unique<FakeMilvus>();
    milvus_->SetImportRows(
        [this](const milvus::ImportRequest& request) { return RowsOfFile(request.files.at(0)); });
    auto client = milvus::Connect({}, milvus_->client_options());
    EXPECT_OK(client);
    client_ = *std::move(client);
    options_ = {.task = DmTask::kH2M,
                .files = {WriteFile("five.h5", 5)},
                .mode = WriteMode::kAppend,
                .collection = "c",
                .metric = Metric::kL2,
                .dim = 2};
  }

  std::string WriteFile(const std::string& name, size_t rows, float last = 1) {
    std::vector<float> floats(rows * 2, 1);
    if (rows > 0) floats.back() = last;
    std::string path = dir_.path() + "/" + name;
    WriteHdf5(path, {{"embeddings", {rows, 2}, H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, floats.data()}});
    return path;
  }

  /// A flat index of vectors of dimension 2.
  std::string WriteIndex(const std::string& name, size_t rows) {
    std::string path = dir_.path() + "/" + name;
    std::ofstream file(path, std::ios::binary);
    const auto put = [&](auto number) {
      file.write(reinterpret_cast<const char*>(&number), sizeof(number));
    };
    file << "IxF2";
    put(int32_t{2});
    put(static_cast<int64_t>(rows));
    put(int64_t{1} << 20);
    put(int64_t{1} << 20);
    put(uint8_t{1});
    put(int32_t{1});
    put(static_cast<uint64_t>(2 * rows));
    for (size_t i = 0; i < 2 * rows; ++i) put(1.0F);
    return path;
  }

  int64_t RowsOfFile(const std::string& key) {
    const auto text = storage::ReadAll({}, *backend_, key, kMiB);
    if (!text.ok()) return 0;
    const auto header = DecodeNpyHeader(AsBytes(*text));
    return header.ok() ? static_cast<int64_t>(header->shape.at(0)) : 0;
  }

  /// The collection `c` with 100 rows, and its partition `p` with 10.
  void AddExisting(bool with_partition, const std::string& dim = "2") {
    FakeCollection collection;
    collection.info.schema = {
        .name = "c",
        .fields = {{.name = "id", .is_primary_key = true, .data_type = milvus::data_type::kInt64},
                   {.name = "embedding",
                    .data_type = milvus::data_type::kFloatVector,
                    .type_params = {{"dim", dim}}}}};
    collection.partitions = {{.id = 1, .name = "_default"}};
    collection.segments = {{.id = 5, .partition_id = 1, .num_rows = 100, .state = 4}};
    if (with_partition) {
      collection.partitions.push_back({.id = 2, .name = "p"});
      collection.segments.push_back({.id = 6, .partition_id = 2, .num_rows = 10, .state = 4});
    }
    milvus_->Add("default", collection);
  }

  Contents Rows() {
    const auto found = milvus_->Find("default", "c");
    if (!found) return std::nullopt;
    std::map<std::string, int64_t> rows;
    for (const milvus::Partition& partition : found->partitions) {
      rows[partition.name] = 0;
      for (const milvus::Segment& segment : found->segments) {
        if (segment.partition_id == partition.id) rows[partition.name] += segment.num_rows;
      }
    }
    return rows;
  }

  Result<DmReport> Run(bool by_import = false) {
    const Store staging{.backend = backend_.get(), .prefix = "temp/"};
    const DmPlaces places{.state = {.backend = backend_.get(), .prefix = "state/"},
                          .staging = by_import ? &staging : nullptr};
    LoadRules rules{.insert_bytes = 32};  // two rows
    rules.settle_time = std::chrono::milliseconds(50);
    rules.count_patience = std::chrono::milliseconds(50);
    rules.poll_interval = std::chrono::milliseconds(2);
    transfer::Progress progress;
    return BringIntoMilvus({}, *client_, options_, places, rules, progress);
  }

  std::vector<std::string> Keys() {
    std::vector<std::string> keys;
    EXPECT_OK(storage::ForEachObject({}, *backend_, "", [&](const storage::ObjectInfo& object) {
      keys.push_back(object.key);
      return Status::Ok();
    }));
    return keys;
  }

  TempDir dir_;
  FaultyBackend* faulty_ = nullptr;
  std::unique_ptr<storage::Backend> backend_;
  std::unique_ptr<FakeMilvus> milvus_;
  std::unique_ptr<milvus::Client> client_;
  DmOptions options_;
};

enum class Existing { kNothing, kCollection, kPartition };

struct Cell {
  Existing existing;
  std::string partition;
  WriteMode mode;
  Contents after;
  bool skips = false;
};

/// What each cell says, of a file of 5 rows.
class DmCellsTest : public DmTest {
 protected:
  void CheckCells(const std::vector<Cell>& cells, DmTask task, bool by_import) {
    for (size_t i = 0; i < cells.size(); ++i) {
      SCOPED_TRACE(fmt::format("cell {} of {}, import {}", i, NameOf(task), by_import));
      Reset();
      const Cell& cell = cells[i];
      if (cell.existing != Existing::kNothing) AddExisting(cell.existing == Existing::kPartition);
      options_.task = task;
      if (task == DmTask::kF2M) options_.files = {WriteIndex("five.index", 5)};
      options_.mode = cell.mode;
      options_.partition = cell.partition;
      ASSERT_OK_AND_ASSIGN(const DmReport report, Run(by_import));
      EXPECT_EQ(Rows(), cell.after);
      EXPECT_EQ(report.partitions.at(0).load.skipped, cell.skips);
      EXPECT_EQ(milvus_->count("Insert") > 0, !cell.skips && !by_import);
      EXPECT_THAT(Keys(), IsEmpty());
    }
  }
};

TEST_F(DmCellsTest, EveryModeDoesWhatTheTableSaysOfWhatExists) {
  using enum WriteMode;
  const Contents whole = {{{"_default", 5}}};
  const Contents parted = {{{"_default", 0}, {"p", 5}}};
  const std::vector<Cell> cells = {
      {Existing::kNothing, "", kAppend, whole},
      {Existing::kNothing, "", kOverwrite, whole},
      {Existing::kNothing, "", kSkip, whole},
      {Existing::kNothing, "p", kAppend, parted},
      {Existing::kNothing, "p", kOverwrite, parted},
      {Existing::kNothing, "p", kSkip, parted},
      {Existing::kPartition, "", kAppend, {{{"_default", 105}, {"p", 10}}}},
      // All partitions go.
      {Existing::kPartition, "", kOverwrite, whole},
      {Existing::kPartition, "", kSkip, {{{"_default", 100}, {"p", 10}}}, true},
      {Existing::kCollection, "p", kAppend, {{{"_default", 100}, {"p", 5}}}},
      {Existing::kCollection, "p", kOverwrite, {{{"_default", 100}, {"p", 5}}}},
      // H2M only looks at the collection.
      {Existing::kCollection, "p", kSkip, {{{"_default", 100}}}, true},
      {Existing::kPartition, "p", kAppend, {{{"_default", 100}, {"p", 15}}}},
      {Existing::kPartition, "p", kOverwrite, {{{"_default", 100}, {"p", 5}}}},
      {Existing::kPartition, "p", kSkip, {{{"_default", 100}, {"p", 10}}}, true}};
  // F2M looks at the partition, as M2M does.
  std::vector<Cell> of_faiss = cells;
  for (Cell& cell : of_faiss) {
    if (cell.existing != Existing::kCollection || cell.mode != kSkip) continue;
    cell.after = Contents{{{"_default", 100}, {"p", 5}}};
    cell.skips = false;
  }
  for (const bool by_import : {false, true}) {
    CheckCells(cells, DmTask::kH2M, by_import);
    CheckCells(of_faiss, DmTask::kF2M, by_import);
  }
}

TEST_F(DmTest, FilesAfterTheFirstAreAppendedInEveryMode) {
  for (const WriteMode mode : {WriteMode::kAppend, WriteMode::kOverwrite, WriteMode::kSkip}) {
    for (const bool by_import : {false, true}) {
      Reset();
      AddExisting(true);
      options_.files.push_back(WriteFile("three.h5", 3));
      options_.mode = mode;
      options_.partition = "p";
      ASSERT_OK(Run(by_import));
      const int64_t there = mode == WriteMode::kOverwrite ? 0 : 10;
      EXPECT_EQ(Rows()->at("p"), there + (mode == WriteMode::kSkip ? 0 : 8));
      EXPECT_EQ(Rows()->at("_default"), 100);
    }
  }
}

TEST_F(DmTest, AMilvusThatAsksForUserAndPasswordGetsThem) {
  milvus_ = std::make_unique<FakeMilvus>(
      milvus_backup::testing::FakeMilvusOptions{.user = "root", .password = "Milvus"});
  options_.milvus = milvus_->client_options();
  ASSERT_OK_AND_ASSIGN(client_, milvus::Connect({}, options_.milvus));
  ASSERT_OK(Run());
  EXPECT_EQ(Rows(), (Contents{{{"_default", 5}}}));
  options_.milvus.password = Secret("wrong");
  EXPECT_THAT(milvus::Connect({}, options_.milvus).status(), IsError(Code::kUnauthenticated, ""));
}

TEST_F(DmTest, ANewCollectionLooksAsThatOfMilvusDm) {
  ASSERT_OK(Run());
  const milvus::CollectionSchema schema = milvus_->Find("default", "c")->info.schema;
  EXPECT_EQ(schema.description, "collection description");
  EXPECT_EQ(schema.fields.at(0).name, "id");
  EXPECT_EQ(schema.fields.at(1).name, "embedding");
  EXPECT_THAT(milvus_->texts("Insert"),
              ElementsAre("Insert default.c/_default rows=2", "Insert default.c/_default rows=2",
                          "Insert default.c/_default rows=1"));
}

TEST_F(DmTest, ImportsReadFilesNamedAsTheFields) {
  options_.files.push_back(WriteFile("three.h5", 3));
  ASSERT_OK_AND_ASSIGN(const DmReport report, Run(true));
  EXPECT_EQ(report.partitions.at(0).load.expected, 8U);
  EXPECT_THAT(milvus_->texts("Import"),
              ElementsAre("Import default.c/_default files=[temp/c._default/rows/0/id.npy,"
                          "temp/c._default/rows/0/embedding.npy] options=[]",
                          "Import default.c/_default files=[temp/c._default/rows/1/id.npy,"
                          "temp/c._default/rows/1/embedding.npy] options=[]"));
  EXPECT_EQ(Rows(), (Contents{{{"_default", 8}}}));
}

TEST_F(DmTest, FilesOfADirectoryAreTakenByName) {
  WriteFile("three.h5", 3);
  WriteFile("other.hdf5", 7);
  options_.files.clear();
  options_.data_dir = dir_.path();
  ASSERT_OK(Run());
  EXPECT_EQ(Rows(), (Contents{{{"_default", 8}}}));
  options_.data_dir += "/none";
  EXPECT_THAT(Run(), IsError(Code::kNotFound, "No such file or directory"));
}

TEST_F(DmTest, NothingIsDroppedForFilesThatCannotBeTaken) {
  AddExisting(true);
  options_.mode = WriteMode::kOverwrite;
  const Contents before = Rows();
  // The damage is in the last row of the last file.
  options_.files.push_back(WriteFile("nan.h5", 4, std::numeric_limits<float>::quiet_NaN()));
  for (const bool by_import : {false, true}) {
    EXPECT_THAT(Run(by_import), IsError(Code::kDataLoss, "row 3 of " + options_.files[1]));
    EXPECT_EQ(Rows(), before);
    EXPECT_EQ(milvus_->count("DropCollection"), 0U);
  }
  options_.files[1] = dir_.path() + "/none.h5";
  EXPECT_THAT(Run(), IsError(Code::kNotFound, "none.h5"));
  EXPECT_EQ(Rows(), before);
}

TEST_F(DmTest, ACollectionThatDoesNotFitIsLeftAlone) {
  AddExisting(false, "3");
  EXPECT_THAT(Run(), IsError(Code::kFailedPrecondition, "its dimension is 3 instead of 2"));
  EXPECT_EQ(Rows(), (Contents{{{"_default", 100}}}));
}

TEST_F(DmTest, NoRowsCreateNothing) {
  options_.files = {WriteFile("empty.h5", 0)};
  ASSERT_OK_AND_ASSIGN(const DmReport report, Run());
  EXPECT_TRUE(report.partitions.at(0).is_empty);
  EXPECT_EQ(Rows(), std::nullopt);
}

/// Run with the third insert failing.
void PlanBreak(FakeMilvus& milvus) {
  milvus.Plan("Insert", {.delay = std::chrono::milliseconds(0)}, 2);
  milvus.Plan("Insert", {.code = 65535, .error_code = 1, .reason = "planned"});
}

TEST_F(DmTest, WhatWasInsertedInPartIsMadeAnewWhereItIsOurs) {
  for (const WriteMode mode : {WriteMode::kAppend, WriteMode::kSkip, WriteMode::kOverwrite}) {
    for (const std::string partition : {"", "p"}) {
      Reset();
      options_.mode = mode;
      options_.partition = partition;
      PlanBreak(*milvus_);
      EXPECT_THAT(Run().status().ToString(), HasSubstr("planned"));
      // In mode skip as well: the collection exists now, but is not whole.
      ASSERT_OK(Run());
      EXPECT_EQ(Rows(), partition.empty() ? (Contents{{{"_default", 5}}})
                                          : (Contents{{{"_default", 0}, {"p", 5}}}));
    }
  }
}

TEST_F(DmTest, APartitionOfOursIsMadeAnewBesideRowsOfOthers) {
  AddExisting(false);
  options_.partition = "p";
  PlanBreak(*milvus_);
  EXPECT_THAT(Run().status().ToString(), HasSubstr("planned"));
  ASSERT_OK(Run());
  EXPECT_EQ(Rows(), (Contents{{{"_default", 100}, {"p", 5}}}));
}

TEST_F(DmTest, RowsAmongThoseOfOthersAreNotInsertedTwice) {
  AddExisting(true);
  options_.partition = "p";
  PlanBreak(*milvus_);
  EXPECT_THAT(Run().status().ToString(), HasSubstr("planned"));
  EXPECT_THAT(Run(), IsError(Code::kFailedPrecondition, "which was there before"));
  // Other files do not make it forgotten.
  options_.files = {WriteFile("three.h5", 3)};
  EXPECT_THAT(Run(), IsError(Code::kFailedPrecondition, "files that have changed since"));
  options_.mode = WriteMode::kOverwrite;
  ASSERT_OK(Run());
  EXPECT_EQ(Rows(), (Contents{{{"_default", 100}, {"p", 3}}}));
}

TEST_F(DmTest, ARerunOfOnePartitionLeavesThoseThatOthersFilledMeanwhile) {
  const std::vector<std::string> three = {WriteFile("three.h5", 3)};
  for (const WriteMode mode : {WriteMode::kAppend, WriteMode::kOverwrite}) {
    for (const std::string refused : {"Insert", "CreateCollection"}) {
      Reset();
      const DmOptions first = options_;
      options_.mode = mode;
      options_.partition = "p1";
      if (refused == "Insert") milvus_->Plan("Insert", {.delay = std::chrono::milliseconds(0)}, 2);
      milvus_->Plan(refused, {.code = 65535, .error_code = 1, .reason = "planned"});
      EXPECT_THAT(Run().status().ToString(), HasSubstr("planned"));
      const DmOptions half = std::exchange(options_, first);
      options_.partition = "p2";
      options_.files = three;
      ASSERT_OK(Run());
      options_ = half;
      ASSERT_OK(Run()) << refused;
      EXPECT_EQ(Rows(), (Contents{{{"_default", 0}, {"p1", 5}, {"p2", 3}}})) << refused;
      EXPECT_THAT(Keys(), IsEmpty());
    }
  }
}

TEST_F(DmTest, AnImportGoesOnBesidePartitionsThatOthersFilledMeanwhile) {
  for (const std::string partition : {"", "p1"}) {
    Reset();
    options_.partition = partition;
    milvus_->PlanImport(FakeImport::kFail, "out of memory");
    EXPECT_THAT(Run(true), IsError(Code::kAborted, "out of memory"));
    const DmOptions half = options_;
    options_.partition = "p2";
    options_.files = {WriteFile("three.h5", 3)};
    ASSERT_OK(Run(true));
    options_ = half;
    ASSERT_OK(Run(true));
    EXPECT_EQ(Rows()->at(partition.empty() ? "_default" : "p1"), 5);
    EXPECT_EQ(Rows()->at("p2"), 3);
  }
}

TEST_F(DmTest, ACollectionThatOthersHaveAddedToIsDroppedInModeOverwriteOnly) {
  PlanBreak(*milvus_);
  EXPECT_THAT(Run().status().ToString(), HasSubstr("planned"));
  const DmOptions half = options_;
  options_.partition = "p2";
  options_.files = {WriteFile("three.h5", 3)};
  ASSERT_OK(Run());
  options_ = half;
  EXPECT_THAT(Run(), IsError(Code::kFailedPrecondition, "partition p2 was made there since"));
  EXPECT_EQ(Rows()->at("p2"), 3);
  options_.mode = WriteMode::kOverwrite;
  ASSERT_OK(Run());
  EXPECT_EQ(Rows(), (Contents{{{"_default", 5}}}));
}

TEST_F(DmTest, APartitionThatCouldNotBeDroppedIsNotTakenForEmpty) {
  AddExisting(false);
  options_.partition = "p";
  PlanBreak(*milvus_);
  EXPECT_THAT(Run().status().ToString(), HasSubstr("planned"));
  milvus_->Plan("DropPartition", {.code = 65535, .error_code = 1, .reason = "it is loaded"});
  EXPECT_THAT(Run().status().ToString(), HasSubstr("it is loaded"));
  ASSERT_OK(Run());
  EXPECT_EQ(Rows(), (Contents{{{"_default", 100}, {"p", 5}}}));
}

TEST_F(DmTest, ASkippedPartitionThatAppearedMeanwhileIsNotAddedTo) {
  options_.mode = WriteMode::kSkip;
  options_.partition = "p";
  milvus_->Plan("CreateCollection", {.code = 65535, .error_code = 1, .reason = "planned"});
  EXPECT_THAT(Run().status().ToString(), HasSubstr("planned"));
  AddExisting(true);
  EXPECT_THAT(Run(), IsError(Code::kFailedPrecondition, "partition p of c has appeared"));
  EXPECT_EQ(Rows(), (Contents{{{"_default", 100}, {"p", 10}}}));
}

TEST_F(DmTest, TheSameRowsArriveWhereverARunEnds) {
  for (const bool by_import : {false, true}) {
    for (const WriteMode mode : {WriteMode::kSkip, WriteMode::kOverwrite}) {
      for (const bool after_call : {false, true}) {
        for (uint32_t call = 0;; ++call) {
          Reset();
          if (mode == WriteMode::kOverwrite) AddExisting(true);
          options_.mode = mode;
          options_.partition = "p";
          // Reads change nothing, so it is enough to fail the writes, before and after they
          // happened.
          faulty_->Plan(
              storage::Method::kPut,
              {.error = InternalError("planned"), .after_call = after_call, .skip = call});
          const auto first = Run(by_import);
          if (first.ok()) break;
          ASSERT_LT(call, 100U);
          ASSERT_OK(Run(by_import)) << call << after_call << by_import;
          EXPECT_EQ(Rows()->at("p"), 5) << call << after_call << by_import;
          EXPECT_THAT(Keys(), IsEmpty());
        }
      }
    }
  }
}

TEST_F(DmTest, AFinishedAppendMayBeRepeated) {
  ASSERT_OK(Run());
  ASSERT_OK(Run());
  EXPECT_EQ(Rows(), (Contents{{{"_default", 10}}}));
}

}  // namespace
}  // namespace milvus_backup::migration
