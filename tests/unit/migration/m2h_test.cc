#include "migration/hdf5_rows.h"
#include "row_reading.h"
#include "sqlite_writer.h"
#include "support/fake_milvus.h"
#include "support/status_matchers.h"
#include "support/temp_dir.h"
#include "support/test_paths.h"

#include "milvus_backup/migration/dm.h"
#include "milvus_backup/storage/memory_backend.h"

#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace milvus_backup::migration {
namespace {

namespace fs = std::filesystem;
using milvus_backup::testing::FakeCollection;
using milvus_backup::testing::FakeMilvus;
using milvus_backup::testing::IsError;
using milvus_backup::testing::TempDir;
using milvus_backup::testing::TestDataDir;
using testing::AllRows;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::ReadAllRows;
using testing::Slurp;
using testing::Sqlite;

constexpr uint64_t kNpyHeader = 128;

/// What the synthetic tree of 1.x holds: `COLLECTION.PARTITION`.
AllRows Expected(const std::string& name) {
  const std::string path = TestDataDir() + "/milvus1x/expected/" + name;
  const std::string ids = Slurp(path + ".ids.npy").substr(kNpyHeader);
  AllRows all{.ids = std::vector<int64_t>(ids.size() / 8),
              .vectors = Slurp(path + ".vectors.npy").substr(kNpyHeader)};
  std::memcpy(all.ids.data(), ids.data(), ids.size());
  return all;
}

/// M2H and M2M of the synthetic tree.
class OldMilvusTest : public ::testing::Test {
 protected:
  DmOptions Options(DmTask task) const {
    return {.task = task,
            .source = {.path = TestDataDir() + "/milvus1x",
                       .collections = {{"demo_l2", {}}, {"demo_ip", {}}, {"demo_bin", {}}}},
            .data_dir = dir_.path() + "/out",
            .mode = WriteMode::kSkip};
  }

  /// A copy of the tree, for `statements` to change.
  std::string Changed(const std::string& statements) {
    const std::string path = dir_.path() + "/old";
    fs::copy(TestDataDir() + "/milvus1x", path, fs::copy_options::recursive);
    Sqlite(path + "/db/meta.sqlite").Run(statements);
    return path;
  }

  void ExpectFile(const std::string& path, const Table& table, const std::string& name) {
    ASSERT_OK_AND_ASSIGN(const auto source, OpenHdf5Rows(path, table, 0));
    ASSERT_OK_AND_ASSIGN(const AllRows all, ReadAllRows(*source, table.vector_bytes(), 50));
    const AllRows expected = Expected(name);
    EXPECT_EQ(all.ids, expected.ids) << name;
    EXPECT_EQ(all.vectors, expected.vectors) << name;
  }

  TempDir dir_;
};

TEST_F(OldMilvusTest, M2HWritesWhatIsAliveAndTheFileThatBringsItBack) {
  transfer::Progress progress;
  ASSERT_OK_AND_ASSIGN(const HdfReport report, WriteHdf5Files({}, Options(DmTask::kM2H), progress));
  ASSERT_EQ(report.files.size(), 5U);
  const std::string& root = report.directory;
  EXPECT_EQ(fs::path(root).parent_path(), dir_.path() + "/out");
  EXPECT_EQ(report.files[0].path, root + "/demo_l2/None.h5");
  EXPECT_EQ(report.files[1].path, root + "/demo_l2/p1.h5");
  // `empty part` has no segment, demo_ip no row.
  EXPECT_EQ(report.files[2].path, "");
  EXPECT_EQ(report.files[3].path, "");
  EXPECT_EQ(report.files[4].path, root + "/demo_bin/None.h5");
  const Table l2{.metric = Metric::kL2, .dim = 8};
  ExpectFile(report.files[0].path, l2, "demo_l2._default");
  ExpectFile(report.files[1].path, l2, "demo_l2.p1");
  ExpectFile(report.files[4].path, {.metric = Metric::kHamming, .dim = 64}, "demo_bin._default");
  EXPECT_EQ(Slurp(root + "/yamls/demo_l2/p1.yaml"),
            "H2M:\n"
            "  collection_parameter:\n"
            "    dimension: 8\n"
            "    index_file_size: 1024\n"
            "    metric_type: L2\n"
            "  data_dir: null\n"
            "  data_path:\n"
            "  - \"" +
                root +
                "/demo_l2/p1.h5\"\n"
                "  dest_collection_name: \"demo_l2\"\n"
                "  dest_host: 127.0.0.1\n"
                "  dest_partition_name: \"p1\"\n"
                "  dest_port: 19530\n"
                "  milvus_version: \"1.1.1\"\n"
                "  mode: skip\n");
  EXPECT_THAT(Slurp(root + "/yamls/demo_bin/None.yaml"), HasSubstr("dest_partition_name: null\n"));
  EXPECT_EQ(progress.bytes_done, progress.bytes_planned);
}

TEST_F(OldMilvusTest, FilesAreInTheFormThatTheOldToolReads) {
  transfer::Progress progress;
  ASSERT_OK_AND_ASSIGN(const HdfReport report, WriteHdf5Files({}, Options(DmTask::kM2H), progress));
  const std::string file = Slurp(report.files[0].path);
  // Superblock 0 with addresses of 8 bytes, and the rows as they are, row after row.
  EXPECT_EQ(file.substr(0, 16), std::string("\x89HDF\r\n\x1a\n\0\0\0\0\0\x08\x08\0", 16));
  const AllRows expected = Expected("demo_l2._default");
  EXPECT_NE(file.find(expected.vectors), std::string::npos);
}

TEST_F(OldMilvusTest, PartitionsAreSelectedByTheirTags) {
  DmOptions options = Options(DmTask::kM2H);
  options.source.collections = {{"demo_l2", {"p1", "", "p1"}}};
  transfer::Progress progress;
  ASSERT_OK_AND_ASSIGN(const HdfReport report, WriteHdf5Files({}, options, progress));
  ASSERT_EQ(report.files.size(), 2U);
  EXPECT_EQ(report.files[0].partition, "");
  EXPECT_EQ(report.files[1].partition, "p1");
  options.source.collections = {{"demo_l2", {"gone"}}};
  EXPECT_THAT(WriteHdf5Files({}, options, progress),
              IsError(Code::kInvalidArgument, "has no partition 'gone'"));
  options.source.collections = {{"dropped", {}}};
  EXPECT_THAT(WriteHdf5Files({}, options, progress),
              IsError(Code::kInvalidArgument, "no required collection exist, col=dropped"));
  options.source.path = dir_.path();
  EXPECT_THAT(WriteHdf5Files({}, options, progress),
              IsError(Code::kFailedPrecondition, "db/meta.sqlite does not exist"));
}

TEST_F(OldMilvusTest, CollectionsAndPartitionsWithoutSegmentsAreThereWithoutRows) {
  DmOptions options = Options(DmTask::kM2H);
  options.source.path = Changed("DELETE FROM TableFiles WHERE table_id='demo_l2';");
  options.source.collections = {{"no_seg", {}}, {"demo_l2", {"empty part", "p1"}}};
  transfer::Progress progress;
  ASSERT_OK_AND_ASSIGN(const HdfReport report, WriteHdf5Files({}, options, progress));
  ASSERT_EQ(report.files.size(), 3U);
  EXPECT_EQ(report.files[0].collection, "no_seg");
  EXPECT_EQ(report.files[0].path, "");
  EXPECT_EQ(report.files[1].path, "");
  EXPECT_EQ(report.files[2].path, report.directory + "/demo_l2/p1.h5");
}

TEST_F(OldMilvusTest, EveryPartitionHasAFileOfItsOwn) {
  DmOptions options = Options(DmTask::kM2H);
  // The empty partition gets the segment of the other one.
  options.source.path = Changed(
      "UPDATE Tables SET partition_tag='None' WHERE partition_tag='empty part';"
      "UPDATE Tables SET partition_tag='None-' WHERE partition_tag='p1';"
      "UPDATE TableFiles SET table_id='1675753122650781000' WHERE id=5;"
      "UPDATE TableFiles SET segment_id='1675753122650780000', file_type=1 WHERE id=5;");
  const fs::path tables = options.source.path + "/db/tables";
  fs::copy(tables / "1675753122650779000", tables / "1675753122650781000",
           fs::copy_options::recursive);
  options.source.collections = {{"demo_l2", {}}};
  transfer::Progress progress;
  ASSERT_OK_AND_ASSIGN(const HdfReport report, WriteHdf5Files({}, options, progress));
  std::set<std::string> paths;
  for (const WrittenHdf5& file : report.files) paths.insert(file.path);
  const std::string dir = report.directory + "/demo_l2/";
  EXPECT_THAT(paths, ElementsAre(dir + "None.h5", dir + "None_.h5", dir + "None__.h5"));
}

TEST_F(OldMilvusTest, NothingIsLeftOfAFileThatCannotBeWritten) {
  // The directory is a file.
  std::ofstream(dir_.path() + "/out") << "x";
  transfer::Progress progress;
  EXPECT_THAT(WriteHdf5Files({}, Options(DmTask::kM2H), progress),
              IsError(Code::kFailedPrecondition, "cannot write"));
}

TEST_F(OldMilvusTest, M2MFillsEveryPartitionUnderNamesThatMilvusTakes) {
  FakeMilvus milvus;
  ASSERT_OK_AND_ASSIGN(const auto client, milvus::Connect({}, milvus.client_options()));
  const auto backend = storage::MakeMemoryBackend();
  const DmPlaces places{.state = {.backend = backend.get()}};
  LoadRules rules;
  rules.count_patience = std::chrono::milliseconds(50);
  rules.poll_interval = std::chrono::milliseconds(2);
  transfer::Progress progress;
  const auto run = [&](WriteMode mode) {
    DmOptions options = Options(DmTask::kM2M);
    options.mode = mode;
    return BringIntoMilvus({}, *client, options, places, rules, progress);
  };
  const auto rows = [&](const std::string& name) {
    std::map<std::string, int64_t> counts;
    const auto found = milvus.Find("default", name);
    if (!found) return counts;
    for (const milvus::Partition& partition : found->partitions) {
      counts[partition.name] = 0;
      for (const milvus::Segment& segment : found->segments) {
        if (segment.partition_id == partition.id) counts[partition.name] += segment.num_rows;
      }
    }
    return counts;
  };
  using Counts = std::map<std::string, int64_t>;
  ASSERT_OK_AND_ASSIGN(const DmReport report, run(WriteMode::kSkip));
  EXPECT_THAT(report.warnings,
              Contains("partition 'empty part' of collection 'demo_l2' becomes empty_part"));
  // Nothing is created for partitions and collections without rows.
  EXPECT_EQ(rows("demo_l2"), (Counts{{"_default", 193}, {"p1", 24}}));
  EXPECT_EQ(rows("demo_bin"), (Counts{{"_default", 34}}));
  EXPECT_EQ(milvus.Find("default", "demo_ip"), std::nullopt);

  // Skipping goes on with what is not there.
  milvus.Drop("default", "demo_bin");
  ASSERT_OK_AND_ASSIGN(const DmReport again, run(WriteMode::kSkip));
  EXPECT_TRUE(again.partitions.at(0).load.skipped);
  EXPECT_TRUE(again.partitions.at(1).load.skipped);
  EXPECT_EQ(rows("demo_l2"), (Counts{{"_default", 193}, {"p1", 24}}));
  EXPECT_EQ(rows("demo_bin"), (Counts{{"_default", 34}}));

  ASSERT_OK(run(WriteMode::kAppend));
  EXPECT_EQ(rows("demo_l2"), (Counts{{"_default", 386}, {"p1", 48}}));
  // The default partition's turn drops the collection, once.
  ASSERT_OK(run(WriteMode::kOverwrite));
  EXPECT_EQ(rows("demo_l2"), (Counts{{"_default", 193}, {"p1", 24}}));

  // Unlike H2M, a partition that is missing is filled in mode skip.
  DmOptions options = Options(DmTask::kM2M);
  options.source.collections = {{"demo_l2", {""}}};
  options.mode = WriteMode::kOverwrite;
  ASSERT_OK(BringIntoMilvus({}, *client, options, places, rules, progress));
  EXPECT_EQ(rows("demo_l2"), (Counts{{"_default", 193}}));
  ASSERT_OK(run(WriteMode::kSkip));
  EXPECT_EQ(rows("demo_l2"), (Counts{{"_default", 193}, {"p1", 24}}));
}

/// Rows of each partition of `demo_l2`; nothing while it is not there.
using Counts = std::optional<std::map<std::string, int64_t>>;

/// M2M of one partition of the synthetic tree, `demo_l2` with 193 rows and its `p1` with 24, into a
/// Milvus where both may be there.
class M2MTest : public OldMilvusTest {
 protected:
  M2MTest() : backend_(storage::MakeMemoryBackend()) {}

  void Connect() {
    milvus_ = std::make_unique<FakeMilvus>();
    ASSERT_OK_AND_ASSIGN(client_, milvus::Connect({}, milvus_->client_options()));
  }

  /// With 100 rows, and 10 in its partition.
  void AddExisting(bool with_partition) {
    FakeCollection collection;
    collection.info.schema = {
        .name = "demo_l2",
        .fields = {{.name = "id", .is_primary_key = true, .data_type = milvus::data_type::kInt64},
                   {.name = "embedding",
                    .data_type = milvus::data_type::kFloatVector,
                    .type_params = {{"dim", "8"}}}}};
    collection.partitions = {{.id = 1, .name = "_default"}};
    collection.segments = {{.id = 5, .partition_id = 1, .num_rows = 100, .state = 4}};
    if (with_partition) {
      collection.partitions.push_back({.id = 2, .name = "p1"});
      collection.segments.push_back({.id = 6, .partition_id = 2, .num_rows = 10, .state = 4});
    }
    milvus_->Add("default", collection);
  }

  Result<DmReport> Run(const DmOptions& options) {
    LoadRules rules;
    rules.count_patience = std::chrono::milliseconds(50);
    rules.poll_interval = std::chrono::milliseconds(2);
    transfer::Progress progress;
    return BringIntoMilvus({}, *client_, options, {.state = {.backend = backend_.get()}}, rules,
                           progress);
  }

  Counts Rows() const {
    const auto found = milvus_->Find("default", "demo_l2");
    if (!found) return std::nullopt;
    std::map<std::string, int64_t> counts;
    for (const milvus::Partition& partition : found->partitions) {
      counts[partition.name] = 0;
      for (const milvus::Segment& segment : found->segments) {
        if (segment.partition_id == partition.id) counts[partition.name] += segment.num_rows;
      }
    }
    return counts;
  }

  std::unique_ptr<storage::Backend> backend_;
  std::unique_ptr<FakeMilvus> milvus_;
  std::unique_ptr<milvus::Client> client_;
};

enum class Existing { kNothing, kCollection, kPartition };

TEST_F(M2MTest, EveryModeDoesWhatTheTableSaysOfWhatExists) {
  using enum WriteMode;
  struct Cell {
    Existing existing;
    std::string tag;
    WriteMode mode;
    Counts after;
    bool skips = false;
  };
  const Counts whole = {{{"_default", 193}}};
  const Counts parted = {{{"_default", 0}, {"p1", 24}}};
  const Counts beside = {{{"_default", 100}, {"p1", 24}}};
  const std::vector<Cell> cells = {
      {Existing::kNothing, "", kAppend, whole},
      {Existing::kNothing, "", kOverwrite, whole},
      {Existing::kNothing, "", kSkip, whole},
      {Existing::kNothing, "p1", kAppend, parted},
      {Existing::kNothing, "p1", kOverwrite, parted},
      {Existing::kNothing, "p1", kSkip, parted},
      {Existing::kPartition, "", kAppend, {{{"_default", 293}, {"p1", 10}}}},
      // All partitions go.
      {Existing::kPartition, "", kOverwrite, whole},
      {Existing::kPartition, "", kSkip, {{{"_default", 100}, {"p1", 10}}}, true},
      {Existing::kCollection, "p1", kAppend, beside},
      {Existing::kCollection, "p1", kOverwrite, beside},
      {Existing::kCollection, "p1", kSkip, beside},
      {Existing::kPartition, "p1", kAppend, {{{"_default", 100}, {"p1", 34}}}},
      {Existing::kPartition, "p1", kOverwrite, beside},
      {Existing::kPartition, "p1", kSkip, {{{"_default", 100}, {"p1", 10}}}, true}};
  for (size_t i = 0; i < cells.size(); ++i) {
    const Cell& cell = cells[i];
    Connect();
    if (cell.existing != Existing::kNothing) AddExisting(cell.existing == Existing::kPartition);
    DmOptions options = Options(DmTask::kM2M);
    options.source.collections = {{"demo_l2", {cell.tag}}};
    options.mode = cell.mode;
    ASSERT_OK_AND_ASSIGN(const DmReport report, Run(options));
    EXPECT_EQ(Rows(), cell.after) << i;
    EXPECT_EQ(report.partitions.at(0).load.skipped, cell.skips) << i;
  }
}

TEST_F(M2MTest, OverwriteDropsNothingForADefaultPartitionWithoutRows) {
  Connect();
  AddExisting(true);
  DmOptions options = Options(DmTask::kM2M);
  options.source.path = Changed("DELETE FROM TableFiles WHERE table_id='demo_l2';");
  options.source.collections = {{"demo_l2", {"", "p1"}}};
  options.mode = WriteMode::kOverwrite;
  ASSERT_OK_AND_ASSIGN(const DmReport report, Run(options));
  EXPECT_TRUE(report.partitions.at(0).is_empty);
  EXPECT_EQ(Rows(), (Counts{{{"_default", 100}, {"p1", 24}}}));
  EXPECT_EQ(milvus_->count("DropCollection"), 0U);
}

TEST_F(OldMilvusTest, DamageInAnySegmentEndsM2MBeforeItBegins) {
  fs::copy(TestDataDir() + "/milvus1x", dir_.path() + "/old", fs::copy_options::recursive);
  const fs::path tables = dir_.path() + "/old/db/tables";
  fs::resize_file(tables / "demo_bin/1675753122650801000/1675753122650801000.rv", 100);
  FakeMilvus milvus;
  ASSERT_OK_AND_ASSIGN(const auto client, milvus::Connect({}, milvus.client_options()));
  const auto backend = storage::MakeMemoryBackend();
  DmOptions options = Options(DmTask::kM2M);
  options.source.path = dir_.path() + "/old";
  transfer::Progress progress;
  EXPECT_THAT(
      BringIntoMilvus({}, *client, options, {.state = {.backend = backend.get()}}, {}, progress),
      IsError(Code::kDataLoss, "1675753122650801000.rv"));
  EXPECT_EQ(milvus.count("CreateCollection"), 0U);
}

}  // namespace
}  // namespace milvus_backup::migration
