#include "milvus_backup/migration/load.h"

#include "migration/dump_layout.h"
#include "migration/load_record.h"
#include "migration/npy.h"
#include "segment_builder.h"
#include "support/fake_milvus.h"
#include "support/faulty_backend.h"
#include "support/status_matchers.h"

#include "milvus_backup/backup/run_lock.h"
#include "milvus_backup/migration/dump.h"
#include "milvus_backup/storage/memory_backend.h"
#include "milvus_backup/transfer/progress.h"

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

namespace milvus_backup::migration {
namespace {

using milvus_backup::testing::FakeCollection;
using milvus_backup::testing::FakeImport;
using milvus_backup::testing::FakeMilvus;
using milvus_backup::testing::FakeMilvusOptions;
using milvus_backup::testing::FaultyBackend;
using milvus_backup::testing::IsError;
using testing::BytesOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using testing::Framed;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;
using ::testing::UnorderedElementsAre;
using testing::WriteSegment;

/// A dump of `c`, its partition `p 1`, and `3d`, which wants another name.
class LoadTest : public ::testing::Test {
 protected:
  LoadTest() { Reset(); }

  void Reset() {
    meta_ = {.tables = {{.id = "c",
                         .metric = Metric::kIp,
                         .dim = 2,
                         .segments = {{.id = "1"}, {.id = "2"}},
                         .index_type = 11,
                         .index_params = R"({"M":8,"efConstruction":100})",
                         .empty_partitions = {"none"}},
                        {.id = "99",
                         .metric = Metric::kIp,
                         .dim = 2,
                         .segments = {{.id = "3"}},
                         .owner = "c",
                         .partition_tag = "p 1"},
                        {.id = "3d", .metric = Metric::kHamming, .dim = 16, .segments = {{"4"}}}}};
    source_backend_ = storage::MakeMemoryBackend();
    auto faulty = std::make_unique<FaultyBackend>(storage::MakeMemoryBackend());
    faulty_ = faulty.get();
    target_backend_ = std::move(faulty);
    const Store source{.backend = source_backend_.get()};
    target_ = {.backend = target_backend_.get(), .prefix = "out/migration/"};
    Write("c", "1", 10, 8);
    Write("c", "2", 5, 8);
    Write("99", "3", 7, 8);
    Write("3d", "4", 3, 2);
    EXPECT_OK(Dump({}, meta_, source, target_, {}));
    milvus_ = std::make_unique<FakeMilvus>();
    milvus_->SetImportRows(
        [this](const milvus::ImportRequest& request) { return RowsOfFile(request.files.at(0)); });
    auto client = milvus::Connect({}, milvus_->client_options());
    EXPECT_OK(client);
    client_ = *std::move(client);
  }

  void Write(const std::string& table, const std::string& id, size_t rows, size_t vector_bytes) {
    EXPECT_OK(WriteSegment(*source_backend_, "",
                           {.table = table,
                            .id = id,
                            .vectors = Framed(std::string(rows * vector_bytes, '\0')),
                            .ids = Framed(BytesOf(std::vector<int64_t>(rows))),
                            .deleted_docs = Framed(BytesOf<int32_t>({0}))}));
  }

  int64_t RowsOfFile(const std::string& key) {
    const auto text = storage::ReadAll({}, *target_backend_, key, kMiB);
    if (!text.ok()) return 0;
    const auto header = DecodeNpyHeader(AsBytes(*text));
    return header.ok() ? static_cast<int64_t>(header->shape.at(0)) : 0;
  }

  Result<LoadReport> Run(LoadRules rules = {}) {
    rules.settle_time = std::chrono::milliseconds(50);
    rules.count_patience = std::chrono::milliseconds(50);
    rules.poll_interval = std::chrono::milliseconds(2);
    return Load({}, *client_, "", target_, rules);
  }

  /// As `start` does.
  Result<DumpReport> DumpToLoad() {
    return Dump({}, meta_, {.backend = source_backend_.get()}, target_, {.then_load = true});
  }

  std::vector<std::string> Keys() {
    std::vector<std::string> keys;
    EXPECT_OK(
        storage::ForEachObject({}, *target_backend_, "", [&](const storage::ObjectInfo& object) {
          keys.push_back(object.key);
          return Status::Ok();
        }));
    return keys;
  }
  int64_t Rows(const std::string& name) {
    const auto found = milvus_->Find("default", name);
    if (!found) return -1;
    int64_t rows = 0;
    for (const milvus::Segment& segment : found->segments) rows += segment.num_rows;
    return rows;
  }
  std::vector<std::string> Partitions(const std::string& name) {
    std::vector<std::string> names;
    const auto found = milvus_->Find("default", name);
    for (const milvus::Partition& partition : found->partitions) {
      names.push_back(partition.name);
    }
    return names;
  }

  Meta meta_;
  std::unique_ptr<storage::Backend> source_backend_;
  FaultyBackend* faulty_ = nullptr;
  std::unique_ptr<storage::Backend> target_backend_;
  Store target_;
  std::unique_ptr<FakeMilvus> milvus_;
  std::unique_ptr<milvus::Client> client_;
};

TEST_F(LoadTest, CollectionsPartitionsAndRowsArriveAndTheDumpGoes) {
  ASSERT_OK(target_backend_->Put({}, "out/migration2/x", AsBytes("x"), {}));
  ASSERT_OK_AND_ASSIGN(const LoadReport report, Run());
  ASSERT_EQ(report.collections.size(), 2U);
  EXPECT_EQ(report.collections[0].expected, 19U);
  EXPECT_EQ(report.collections[0].after, 19);
  EXPECT_TRUE(report.cleaned);
  EXPECT_THAT(report.warnings, UnorderedElementsAre(HasSubstr("its partition 'p 1' p_1"),
                                                    HasSubstr("collection '3d' becomes _3d")));
  EXPECT_EQ(Rows("c"), 19);
  EXPECT_EQ(Rows("_3d"), 2);
  EXPECT_THAT(Partitions("c"), UnorderedElementsAre("_default", "none", "p_1"));
  EXPECT_THAT(
      milvus_->texts("Import"),
      UnorderedElementsAre("Import default.c/_default files=[out/migration/tables/c/1/id.npy,"
                           "out/migration/tables/c/1/data.npy] options=[]",
                           "Import default.c/_default files=[out/migration/tables/c/2/id.npy,"
                           "out/migration/tables/c/2/data.npy] options=[]",
                           "Import default.c/p_1 files=[out/migration/tables/99/3/id.npy,"
                           "out/migration/tables/99/3/data.npy] options=[]",
                           "Import default._3d/_default files=[out/migration/tables/3d/4/id.npy,"
                           "out/migration/tables/3d/4/data.npy] options=[]"));
  EXPECT_THAT(Keys(), ElementsAre("out/migration2/x"));
  const auto fields = milvus_->Find("default", "_3d")->info.schema.fields;
  EXPECT_EQ(fields.at(1).data_type, milvus::data_type::kBinaryVector);
  EXPECT_EQ(fields.at(1).type_params, (std::vector<milvus::KeyValue>{{"dim", "16"}}));
  EXPECT_TRUE(milvus_->Find("default", "c")->indexes.empty());
  EXPECT_THAT(Run(), IsError(Code::kFailedPrecondition, "there is no dump at out/migration/"));
}

TEST_F(LoadTest, IndexesAreCarriedOver) {
  ASSERT_OK(Run({.create_indexes = true}));
  const auto indexes = milvus_->Find("default", "c")->indexes;
  ASSERT_EQ(indexes.size(), 1U);
  EXPECT_EQ(indexes[0].field_name, "data");
  EXPECT_EQ(indexes[0].params,
            (std::vector<milvus::KeyValue>{{"index_type", "HNSW"},
                                           {"metric_type", "IP"},
                                           {"params", R"({"M":8,"efConstruction":100})"}}));
}

TEST_F(LoadTest, WhatIsKeptIsNotLoadedTwice) {
  ASSERT_OK(Run({.keep = true}));
  const size_t imports = milvus_->count("Import");
  ASSERT_OK_AND_ASSIGN(const LoadReport again, Run({.keep = true}));
  EXPECT_TRUE(again.collections[0].was_done);
  EXPECT_EQ(milvus_->count("Import"), imports);
  milvus_->Drop("default", "c");
  EXPECT_THAT(Run(), IsError(Code::kFailedPrecondition, "is gone"));
}

TEST_F(LoadTest, IndexesAreCreatedOfWhatWasLoadedBefore) {
  ASSERT_OK(Run({.keep = true}));
  ASSERT_OK_AND_ASSIGN(const LoadReport again, Run({.create_indexes = true, .keep = true}));
  EXPECT_TRUE(again.collections[0].was_done);
  EXPECT_EQ(milvus_->Find("default", "c")->indexes.size(), 1U);
  EXPECT_EQ(milvus_->Find("default", "_3d")->indexes.size(), 1U);
  EXPECT_EQ(Rows("c"), 19);
}

TEST_F(LoadTest, AFailedImportIsSentAgainAndTheOthersAreNot) {
  milvus_->PlanImport(FakeImport::kFail, "out of memory");
  EXPECT_THAT(Run({.collections = {"c"}, .parallel_imports = 8}),
              IsError(Code::kAborted, "out of memory"));
  ASSERT_OK(Run());
  EXPECT_EQ(Rows("c"), 19);
  EXPECT_EQ(Rows("_3d"), 2);
}

TEST_F(LoadTest, NothingIsImportedTwiceWhereverALoadEnds) {
  for (const uint64_t merge_bytes : {uint64_t{0}, uint64_t{kMiB}}) {
    for (const bool after_call : {false, true}) {
      for (uint32_t call = 0;; ++call) {
        Reset();
        // Reads change nothing, so it is enough to fail the writes, before and after they happened.
        faulty_->Plan(storage::Method::kPut,
                      {.error = InternalError("planned"), .after_call = after_call, .skip = call});
        const auto first = Run({.merge_bytes = merge_bytes});
        if (first.ok()) break;
        ASSERT_LT(call, 100U);
        const auto second = Run({.merge_bytes = merge_bytes});
        ASSERT_OK(second) << call << after_call << merge_bytes;
        EXPECT_EQ(Rows("c"), 19) << call << after_call << merge_bytes;
        EXPECT_EQ(Rows("_3d"), 2) << call << after_call << merge_bytes;
        EXPECT_THAT(Keys(), IsEmpty());
      }
    }
  }
}

TEST_F(LoadTest, SmallSegmentsOfAPartitionAreImportedTogether) {
  std::vector<int64_t> ids;
  std::vector<float> vectors;
  // The first row of each is deleted.
  const auto put = [&](const std::string& id, int64_t first_id, int64_t rows) {
    std::vector<int64_t> all_ids;
    std::vector<float> all_vectors;
    for (int64_t row = first_id; row < first_id + rows; ++row) {
      all_ids.push_back(row);
      all_vectors.insert(all_vectors.end(), {static_cast<float>(row), static_cast<float>(-row)});
    }
    EXPECT_OK(WriteSegment(*source_backend_, "",
                           {.table = "c",
                            .id = id,
                            .vectors = Framed(BytesOf(all_vectors)),
                            .ids = Framed(BytesOf(all_ids)),
                            .deleted_docs = Framed(BytesOf<int32_t>({0}))}));
    ids.insert(ids.end(), all_ids.begin() + 1, all_ids.end());
    vectors.insert(vectors.end(), all_vectors.begin() + 2, all_vectors.end());
  };
  put("1", 100, 10);
  put("2", 200, 5);
  ASSERT_OK(Dump({}, meta_, {.backend = source_backend_.get()}, target_, {}));
  std::map<std::string, std::string> read;
  milvus_->SetImportRows([&](const milvus::ImportRequest& request) {
    for (const std::string& file : request.files) {
      const auto text = storage::ReadAll({}, *target_backend_, file, kMiB);
      read[file] = text.ok() ? *text : text.status().ToString();
    }
    return RowsOfFile(request.files.at(0));
  });
  ASSERT_OK_AND_ASSIGN(const LoadReport report, Run({.keep = true, .merge_bytes = kMiB}));
  EXPECT_EQ(report.collections[0].imports, 2U);
  EXPECT_EQ(report.collections[1].imports, 1U);
  EXPECT_EQ(Rows("c"), 19);
  const std::string merged = "out/migration/load/000000/1/";
  EXPECT_THAT(
      milvus_->texts("Import"),
      UnorderedElementsAre("Import default.c/_default files=[" + merged + "id.npy," + merged +
                               "data.npy] options=[]",
                           "Import default.c/p_1 files=[out/migration/tables/99/3/id.npy,"
                           "out/migration/tables/99/3/data.npy] options=[]",
                           "Import default._3d/_default files=[out/migration/tables/3d/4/id.npy,"
                           "out/migration/tables/3d/4/data.npy] options=[]"));
  EXPECT_EQ(read[merged + "id.npy"], EncodeNpyHeader("<i8", {13}) + BytesOf(ids));
  EXPECT_EQ(read[merged + "data.npy"], EncodeNpyHeader("<f4", {13, 2}) + BytesOf(vectors));
  // What stays is the dump alone.
  EXPECT_THAT(Keys(), Not(Contains(StartsWith("out/migration/load/000000/"))));
  EXPECT_THAT(Keys(), Contains("out/migration/tables/c/1/data.npy"));
}

TEST_F(LoadTest, MergedFilesGoOnceTheirImportHasEnded) {
  std::vector<std::string> left;
  milvus_->SetImportRows([&](const milvus::ImportRequest& request) {
    if (request.partition_name == "p_1") left = Keys();
    return RowsOfFile(request.files.at(0));
  });
  ASSERT_OK(Run({.collections = {"c"}, .parallel_imports = 1, .merge_bytes = kMiB}));
  EXPECT_EQ(Rows("c"), 19);
  EXPECT_EQ(milvus_->count("Import"), 2U);
  EXPECT_THAT(left, Contains("out/migration/load/000000.json"));
  EXPECT_THAT(left, Not(Contains(StartsWith("out/migration/load/000000/"))));
}

TEST_F(LoadTest, AMergedImportThatHasFailedIsSentAgainWithItsFiles) {
  milvus_->PlanImport(FakeImport::kFail, "out of memory");
  EXPECT_THAT(Run({.collections = {"c"}, .parallel_imports = 1, .merge_bytes = kMiB}),
              IsError(Code::kAborted, "out of memory"));
  ASSERT_OK(target_backend_->Delete({}, "out/migration/load/000000/1/data.npy"));
  ASSERT_OK(Run({.merge_bytes = kMiB}));
  EXPECT_EQ(Rows("c"), 19);
  EXPECT_THAT(Keys(), IsEmpty());
}

TEST_F(LoadTest, AnUnfinishedLoadGoesOnWithTheImportsItHasBegun) {
  const auto merged = [&] {
    size_t count = 0;
    for (const std::string& text : milvus_->texts("Import")) {
      if (text.find("/load/") != std::string::npos) ++count;
    }
    return count;
  };
  const std::string key = LoadRecordKey(target_, 0);
  const uint64_t sizes[] = {0, kMiB};
  for (const uint64_t merge_bytes : sizes) {
    Reset();
    milvus_->PlanImport(FakeImport::kComplete);
    milvus_->PlanImport(FakeImport::kFail, "planned");
    EXPECT_THAT(Run({.collections = {"c"}, .parallel_imports = 1, .merge_bytes = merge_bytes}),
                IsError(Code::kAborted, "planned"));
    if (merge_bytes == 0) {
      // As versions that merged nothing have written it.
      ASSERT_OK_AND_ASSIGN(std::string text, storage::ReadAll({}, *target_backend_, key, kMiB));
      const std::string mark = R"("merge_bytes":0,)";
      const size_t at = text.find(mark);
      ASSERT_NE(at, std::string::npos) << text;
      ASSERT_OK(target_backend_->Put({}, key, AsBytes(text.erase(at, mark.size())), {}));
    }
    transfer::Progress progress;
    ASSERT_OK(Run({.progress = &progress, .merge_bytes = kMiB - merge_bytes})) << merge_bytes;
    EXPECT_EQ(Rows("c"), 19) << merge_bytes;
    EXPECT_EQ(Rows("_3d"), 2) << merge_bytes;
    EXPECT_EQ(merged(), merge_bytes == 0 ? 0U : 1U);
    // Of `c` those of the first run, and one of `3d`.
    EXPECT_EQ(progress.imports_planned.load(), merge_bytes == 0 ? 4U : 3U);
    EXPECT_EQ(progress.imports_done.load(), progress.imports_planned.load());
    EXPECT_THAT(Keys(), IsEmpty());
  }
}

TEST_F(LoadTest, ALoadThatCannotBeGoneOnWithSaysWhatToDo) {
  milvus_->PlanImport(FakeImport::kFail, "planned");
  EXPECT_THAT(Run({.collections = {"c"}, .parallel_imports = 1}),
              IsError(Code::kAborted, "planned"));
  const std::string key = LoadRecordKey(target_, 0);
  ASSERT_OK_AND_ASSIGN(std::string text, storage::ReadAll({}, *target_backend_, key, kMiB));
  const size_t at = text.find("tables/c/1/id.npy");
  ASSERT_NE(at, std::string::npos) << text;
  text.replace(at, std::string("tables/c/1").size(), "tables/c/8");
  ASSERT_OK(target_backend_->Put({}, key, AsBytes(text), {}));
  const Status status = Run().status();
  EXPECT_THAT(status, IsError(Code::kFailedPrecondition, "an unfinished load has imported"));
  EXPECT_THAT(status.advice(), HasSubstr("drop the collection, then remove " + key));
}

TEST_F(LoadTest, MergedFilesAloneAreNoLoad) {
  ASSERT_OK(target_backend_->Put({}, "out/migration/load/000000/1/id.npy", AsBytes("x"), {}));
  meta_.tables.pop_back();
  // Another dump takes the place.
  ASSERT_OK_AND_ASSIGN(const DumpReport dumped,
                       Dump({}, meta_, {.backend = source_backend_.get()}, target_, {}));
  EXPECT_THAT(dumped.warnings, IsEmpty());
  EXPECT_THAT(Keys(), Not(Contains(StartsWith("out/migration/load/"))));
}

TEST_F(LoadTest, WhatIsMergedInVainIsInserted) {
  for (int i = 0; i < 3; ++i) {
    milvus_->PlanImport(FakeImport::kFail, "failed to get file size: key does not exist.");
  }
  ASSERT_OK_AND_ASSIGN(const LoadReport report,
                       Run({.parallel_imports = 8, .merge_bytes = kMiB, .insert_bytes = 64}));
  EXPECT_TRUE(report.cleaned);
  EXPECT_EQ(Rows("c"), 19);
  EXPECT_EQ(Rows("_3d"), 2);
  EXPECT_THAT(Keys(), IsEmpty());
}

TEST_F(LoadTest, RowsAreInsertedWhereMilvusCannotReadTheDump) {
  for (int i = 0; i < 4; ++i) {
    milvus_->PlanImport(FakeImport::kFail, "failed to get file size: key does not exist.");
  }
  // 16 bytes a row of `c`, 10 of `3d`.
  ASSERT_OK_AND_ASSIGN(const LoadReport report, Run({.parallel_imports = 8, .insert_bytes = 64}));
  EXPECT_TRUE(report.cleaned);
  EXPECT_EQ(Rows("c"), 19);
  EXPECT_EQ(Rows("_3d"), 2);
  EXPECT_THAT(
      milvus_->texts("Insert"),
      UnorderedElementsAre("Insert default.c/_default rows=4", "Insert default.c/_default rows=4",
                           "Insert default.c/_default rows=1", "Insert default.c/_default rows=4",
                           "Insert default.c/p_1 rows=4", "Insert default.c/p_1 rows=2",
                           "Insert default._3d/_default rows=2"));
}

TEST_F(LoadTest, InsertsThatWereInterruptedBeginAnewInACollectionOfOurs) {
  for (int i = 0; i < 6; ++i) {
    milvus_->PlanImport(FakeImport::kFail, "open /x: no such file or directory");
  }
  milvus_->Plan("Insert", {.delay = std::chrono::milliseconds(0)}, 2);
  milvus_->Plan("Insert", {.code = 65535, .error_code = 1, .reason = "planned"});
  const LoadRules rules{.collections = {"c"}, .parallel_imports = 8, .insert_bytes = 64};
  EXPECT_THAT(Run(rules).status().ToString(), HasSubstr("planned"));
  EXPECT_EQ(Rows("c"), 8);
  ASSERT_OK(Run(rules));
  EXPECT_EQ(Rows("c"), 19);
}

TEST_F(LoadTest, NothingIsInsertedBesideRowsThatWereImported) {
  milvus_->PlanImport(FakeImport::kComplete);
  milvus_->PlanImport(FakeImport::kFail, "key does not exist");
  EXPECT_THAT(Run({.collections = {"c"}}), IsError(Code::kAborted, "key does not exist"));
  EXPECT_EQ(milvus_->count("Insert"), 0U);
}

TEST_F(LoadTest, ACleanerThatFailsIsAWarningAndLeavesNothingThatCouldBeLoaded) {
  faulty_->Plan(storage::Method::kDeleteMany, {.error = InternalError("planned")});
  ASSERT_OK_AND_ASSIGN(const LoadReport report, Run());
  EXPECT_FALSE(report.cleaned);
  EXPECT_THAT(report.warnings, Contains(HasSubstr("all rows are in Milvus, but out/migration/")));
  EXPECT_THAT(Run(), IsError(Code::kFailedPrecondition, "there is no dump"));
  // A new dump begins anew.
  ASSERT_OK_AND_ASSIGN(const DumpReport dumped,
                       Dump({}, meta_, {.backend = source_backend_.get()}, target_, {}));
  EXPECT_THAT(dumped.warnings, ElementsAre(HasSubstr("adds the rows once more")));
  milvus_->Drop("default", "c");
  milvus_->Drop("default", "_3d");
  ASSERT_OK(Run());
  EXPECT_EQ(Rows("c"), 19);
}

TEST_F(LoadTest, WhatAKilledCleanerHasLeftIsNotLoadedTwiceByDumpAndLoad) {
  for (const auto method : {storage::Method::kDelete, storage::Method::kDeleteMany}) {
    for (uint32_t call = 0;; ++call) {
      Reset();
      faulty_->Plan(method, {.error = InternalError("planned"), .skip = call});
      ASSERT_OK_AND_ASSIGN(const LoadReport first, Run());
      if (first.cleaned) break;
      ASSERT_LT(call, 20U);
      ASSERT_OK_AND_ASSIGN(const DumpReport dumped, DumpToLoad());
      if (!dumped.was_loaded) {
        ASSERT_OK(Run()) << call;
      }
      EXPECT_EQ(Rows("c"), 19) << call;
      EXPECT_EQ(Rows("_3d"), 2) << call;
      EXPECT_THAT(Keys(), IsEmpty()) << call;
      // Only once: the same command again is a new one.
      ASSERT_OK_AND_ASSIGN(const DumpReport again, DumpToLoad());
      EXPECT_FALSE(again.was_loaded);
    }
  }
}

TEST_F(LoadTest, ADumpOfOtherCollectionsIsNotTakenForTheOneThatWasLoaded) {
  faulty_->Plan(storage::Method::kDeleteMany, {.error = InternalError("planned")});
  ASSERT_OK(Run());
  meta_.tables.pop_back();
  ASSERT_OK_AND_ASSIGN(const DumpReport dumped, DumpToLoad());
  EXPECT_FALSE(dumped.was_loaded);
  ASSERT_OK(Run());
  EXPECT_EQ(Rows("c"), 38);
  EXPECT_EQ(Rows("_3d"), 2);
}

TEST_F(LoadTest, ARunThatIsStoppedOnceAllIsLoadedIsASuccess) {
  std::stop_source stop;
  faulty_->Plan(storage::Method::kDelete, {.callback = [&] { stop.request_stop(); }});
  ASSERT_OK_AND_ASSIGN(const LoadReport report,
                       Load({.stop = stop.get_token()}, *client_, "", target_, {}));
  EXPECT_FALSE(report.cleaned);
  EXPECT_EQ(Rows("c"), 19);
}

TEST_F(LoadTest, AnExistingCollectionIsAddedToWhenItFits) {
  FakeCollection collection;
  collection.info.schema = {
      .name = "c",
      .fields = {{.name = "id", .is_primary_key = true, .data_type = milvus::data_type::kInt64},
                 {.name = "data",
                  .data_type = milvus::data_type::kFloatVector,
                  .type_params = {{"dim", "2"}}}}};
  collection.segments = {{.id = 5, .num_rows = 100, .state = 4}};
  milvus_->Add("default", collection);
  ASSERT_OK_AND_ASSIGN(const LoadReport report, Run());
  EXPECT_EQ(report.collections[0].before, 100);
  EXPECT_EQ(report.collections[0].after, 119);

  Reset();
  collection.info.schema.fields[1].type_params = {{"dim", "3"}};
  milvus_->Add("default", collection);
  EXPECT_THAT(Run(), IsError(Code::kFailedPrecondition, "its dimension is 3 instead of 2"));
  EXPECT_EQ(Rows("c"), 100);
}

TEST_F(LoadTest, MissingRowsAreAnErrorAndTheDumpStays) {
  milvus_->SetImportRows([](const milvus::ImportRequest&) { return 1; });
  EXPECT_THAT(Run({.collections = {"c"}}),
              IsError(Code::kDataLoss, "taken 3 rows into default.c instead of 19"));
  EXPECT_THAT(Keys(), Contains("out/migration/tables/c/1/data.npy"));
}

TEST_F(LoadTest, TheDumpStaysUntilAllOfItIsLoaded) {
  ASSERT_OK_AND_ASSIGN(const LoadReport report, Run({.collections = {"3d"}}));
  EXPECT_FALSE(report.cleaned);
  EXPECT_THAT(report.warnings, Contains(HasSubstr("the dump stays")));
  EXPECT_EQ(Rows("c"), -1);
  ASSERT_OK_AND_ASSIGN(const LoadReport rest, Run());
  EXPECT_TRUE(rest.cleaned);
  EXPECT_EQ(Rows("_3d"), 2);
  EXPECT_EQ(Rows("c"), 19);
}

TEST_F(LoadTest, UnfinishedAndDamagedDumpsAreRefusedBeforeAnythingIsCreated) {
  ASSERT_OK(target_backend_->Delete({}, "out/migration/tables/99/3/data.npy"));
  EXPECT_THAT(Run(), IsError(Code::kFailedPrecondition, "is not finished"));
  Reset();
  const std::string key = "out/migration/tables/c/1/data.npy";
  ASSERT_OK_AND_ASSIGN(std::string text, storage::ReadAll({}, *target_backend_, key, kMiB));
  text.pop_back();
  ASSERT_OK(target_backend_->Put({}, key, AsBytes(text), {}));
  EXPECT_THAT(Run(), IsError(Code::kDataLoss, key));
  EXPECT_EQ(milvus_->count("CreateCollection"), 0U);
}

TEST_F(LoadTest, DamageOfADumpIsNamedByFile) {
  struct Case {
    std::string file;
    std::string said;
    std::function<void(std::string& text)> damage;
  };
  const std::string vectors = "tables/c/1/data.npy";
  const std::string ids = "tables/c/1/id.npy";
  const std::vector<Case> cases = {
      {vectors, "bytes, but its header is that of", [](std::string& text) { text.pop_back(); }},
      {vectors, "bytes, but its header is that of", [](std::string& text) { text += 'x'; }},
      {vectors, "", [](std::string& text) { text.clear(); }},
      {vectors, "", [](std::string& text) { text[0] = 'x'; }},
      {vectors, "does not hold 9 vectors of dimension 2",
       [](std::string& text) {
         text = EncodeNpyHeader("<f4", {9, 3}) + std::string(108, '\0');
       }},
      {ids, "does not hold as many ids as its header says",
       [](std::string& text) { text.pop_back(); }},
      {ids, "does not hold as many ids as its header says", [](std::string& text) { text += 'x'; }},
      {ids, "", [](std::string& text) { text.resize(20); }},
      {"tables/c/1/dump.json", "is no record of a dump",
       [](std::string& text) { text.pop_back(); }},
      {"meta.json", "is no meta.json", [](std::string& text) { text.resize(text.size() / 2); }},
      {"meta.json", "is no meta.json", [](std::string& text) { text.clear(); }}};
  for (const Case& one : cases) {
    Reset();
    const std::string key = target_.prefix + one.file;
    ASSERT_OK_AND_ASSIGN(std::string text, storage::ReadAll({}, *target_backend_, key, kMiB));
    one.damage(text);
    ASSERT_OK(target_backend_->Put({}, key, AsBytes(text), {}));
    const Status status = Run().status();
    EXPECT_THAT(status, IsError(Code::kDataLoss, one.said)) << key;
    EXPECT_THAT(status.ToString(), HasSubstr(key));
    EXPECT_EQ(milvus_->count("CreateCollection"), 0U) << key;
  }
}

TEST_F(LoadTest, DumpsOfTheGoToolAreLoaded) {
  // It leaves no records, pads otherwise, and writes a scalar for a segment without rows.
  for (const char* dir : {"c/1/", "c/2/", "99/3/", "3d/4/"}) {
    ASSERT_OK(
        target_backend_->Delete({}, "out/migration/tables/" + std::string(dir) + "dump.json"));
  }
  const auto put = [&](const std::string& name, std::string text, const std::string& data) {
    const auto size = static_cast<char>(text.size());
    text = std::string("\x93NUMPY\x01\x00", 8) + size + std::string(1, '\0') + text + data;
    ASSERT_OK(target_backend_->Put({}, "out/migration/tables/c/2/" + name, AsBytes(text), {}));
  };
  put("id.npy", "{'descr': '<i8', 'fortran_order': False, 'shape': (), }\n", "");
  put("data.npy", "{'descr': '<f4', 'fortran_order': False, 'shape': (), }\n", "");
  ASSERT_OK(Run());
  EXPECT_EQ(Rows("c"), 15);
}

TEST_F(LoadTest, ADryRunChangesNothing) {
  const std::vector<std::string> keys = Keys();
  ASSERT_OK_AND_ASSIGN(const LoadReport report, Run({.dry_run = true}));
  EXPECT_EQ(report.collections[0].expected, 19U);
  EXPECT_EQ(milvus_->count("CreateCollection") + milvus_->count("Import"), 0U);
  EXPECT_EQ(Keys(), keys);
}

TEST_F(LoadTest, APreviewNeedsNoDumpAndChangesNothing) {
  meta_.tables[0].segments[0].rows = 9;
  meta_.tables[0].segments[1].rows = 4;
  meta_.tables[1].segments[0].rows = 6;
  meta_.tables[2].segments[0].rows = 0;
  const auto empty = storage::MakeMemoryBackend();
  const Store target{.backend = empty.get(), .prefix = "out/migration/"};
  ASSERT_OK_AND_ASSIGN(const LoadReport report,
                       PreviewLoad({}, *client_, "", meta_, target, {.merge_bytes = kMiB}));
  ASSERT_EQ(report.collections.size(), 2U);
  EXPECT_EQ(report.collections[0].expected, 19U);
  EXPECT_EQ(report.collections[0].imports, 2U);
  EXPECT_EQ(report.collections[1].expected, 0U);
  EXPECT_THAT(report.warnings, UnorderedElementsAre(HasSubstr("its partition 'p 1' p_1"),
                                                    HasSubstr("collection '3d' becomes _3d")));
  EXPECT_EQ(milvus_->count("CreateCollection") + milvus_->count("Import"), 0U);

  FakeCollection collection;
  collection.info.schema = {
      .name = "c",
      .fields = {{.name = "id", .is_primary_key = true, .data_type = milvus::data_type::kInt64},
                 {.name = "data",
                  .data_type = milvus::data_type::kFloatVector,
                  .type_params = {{"dim", "3"}}}}};
  milvus_->Add("default", collection);
  EXPECT_THAT(PreviewLoad({}, *client_, "", meta_, target, {}),
              IsError(Code::kFailedPrecondition, "its dimension is 3 instead of 2"));
}

TEST_F(LoadTest, APreviewWarnsOfABucketThatIsNotThatOfMilvus) {
  const auto warnings = [&] {
    auto report = Run({.dry_run = true});
    EXPECT_OK(report);
    return report.ok() ? report->warnings : std::vector<std::string>();
  };
  // Nothing is stored yet, or only deletes: nobody can tell.
  FakeCollection collection;
  collection.info.id = 7;
  collection.info.schema.name = "stored";
  collection.segments = {
      {.id = 9, .collection_id = 7, .partition_id = 8, .num_rows = 5, .state = 4, .level = 1}};
  milvus_->Add("default", collection);
  EXPECT_THAT(warnings(), Not(Contains(HasSubstr("minio.bucketName"))));
  milvus_->Drop("default", "stored");
  collection.segments[0].level = 2;
  milvus_->Add("default", collection);
  EXPECT_THAT(warnings(), Contains(HasSubstr("stored of collection 'stored': unless it is")));
  for (const std::string root : {"", "files/", "a/b/"}) {
    const std::string key = root + "insert_log/7/8/9/100/1";
    ASSERT_OK(target_backend_->Put({}, key, AsBytes("x"), {}));
    EXPECT_THAT(warnings(), Not(Contains(HasSubstr("minio.bucketName")))) << root;
    ASSERT_OK(target_backend_->Delete({}, key));
  }
  // A backup of it is no sign.
  ASSERT_OK(target_backend_->Put({}, "backup/b/binlogs/insert_log/7/8/9/100/1", AsBytes("x"), {}));
  EXPECT_THAT(warnings(), Contains(HasSubstr("minio.bucketName")));
  faulty_->Plan(storage::Method::kList, {.error = InternalError("planned"), .skip = 0});
  EXPECT_THAT(warnings(), Not(Contains(HasSubstr("minio.bucketName"))));
  // Milvus does not say what it has stored.
  for (const char* method : {"ShowCollections", "GetPersistentSegmentInfo"}) {
    milvus_->Plan(method, {.code = 1401, .error_code = 3, .reason = "permission deny"});
    EXPECT_THAT(warnings(), Not(Contains(HasSubstr("minio.bucketName")))) << method;
  }
  EXPECT_THAT(warnings(), Contains(HasSubstr("minio.bucketName")));
  const size_t asked = milvus_->count("GetPersistentSegmentInfo");
  ASSERT_OK_AND_ASSIGN(const LoadReport report, Run({.dry_run = true, .looks_for_bucket = false}));
  EXPECT_THAT(report.warnings, Not(Contains(HasSubstr("minio.bucketName"))));
  EXPECT_EQ(milvus_->count("GetPersistentSegmentInfo"), asked);
}

TEST_F(LoadTest, AServerWithoutBulkInsertIsRefused) {
  client_.reset();
  milvus_ = std::make_unique<FakeMilvus>(FakeMilvusOptions{.version = "v2.1.4"});
  auto client = milvus::Connect({}, milvus_->client_options());
  ASSERT_OK(client);
  client_ = *std::move(client);
  EXPECT_THAT(Run(), IsError(Code::kFailedPrecondition, "the target is Milvus v2.1.4, and 2.2 is"));
  EXPECT_EQ(milvus_->count("CreateCollection"), 0U);
}

TEST_F(LoadTest, ADryStartLeavesWhatAKilledCleanerHasLeft) {
  faulty_->Plan(storage::Method::kDeleteMany, {.error = InternalError("planned")});
  ASSERT_OK(Run());
  const std::vector<std::string> keys = Keys();
  ASSERT_FALSE(keys.empty());
  ASSERT_OK_AND_ASSIGN(const DumpReport dumped,
                       Dump({}, meta_, {.backend = source_backend_.get()}, target_,
                            {.dry_run = true, .then_load = true}));
  EXPECT_TRUE(dumped.was_loaded);
  EXPECT_EQ(Keys(), keys);
}

TEST_F(LoadTest, TwoLoadsAtOnceAreKeptApart) {
  const meta::RunRecord other = meta::NewRunRecord("load", target_.prefix);
  ASSERT_OK_AND_ASSIGN(const auto lock, backup::RunLock::Acquire({}, *target_backend_,
                                                                 "out/migration/locks/", other));
  EXPECT_THAT(Run(), IsError(Code::kAlreadyExists, "load by process"));
  EXPECT_EQ(milvus_->count("Import"), 0U);
}

}  // namespace
}  // namespace milvus_backup::migration
