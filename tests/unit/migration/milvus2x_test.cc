#include "milvus_backup/migration/milvus2x.h"

#include "migration/row_columns.h"
#include "milvus2x_fixture.h"
#include "support/mortal.h"

#include "milvus_backup/backup/run_lock.h"
#include "milvus_backup/meta/run_record.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace milvus_backup::migration {
namespace {

using milvus_backup::testing::IsError;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

class Milvus2xTest : public Milvus2xFixture {
 protected:
  /// Of each insert into the target.
  std::vector<int> InsertedRows() const {
    std::vector<int> rows;
    for (const std::string& text : target_->texts("Insert")) {
      rows.push_back(std::stoi(text.substr(text.find("rows=") + 5)));
    }
    return rows;
  }
};

TEST_F(Milvus2xTest, RowsPartitionsAndSchemaArrive) {
  FillWithNumbers(100);
  ASSERT_OK_AND_ASSIGN(const Milvus2xReport report, Run());
  ASSERT_THAT(report.collections, SizeIs(1));
  const Migrated& one = report.collections[0];
  EXPECT_EQ(one.counted, 100U);
  EXPECT_EQ(one.rows, 100U);
  EXPECT_EQ(one.after, 100);
  EXPECT_TRUE(one.created);
  EXPECT_FALSE(one.source_changed);
  EXPECT_THAT(report.warnings, IsEmpty());
  EXPECT_EQ(Rows(*target_, "c"), Rows(*source_, "c"));
  const auto made = target_->Find("default", "c");
  EXPECT_EQ(made->info.schema.fields, source_->Find("default", "c")->info.schema.fields);
  EXPECT_EQ(made->info.schema.description, "Migration from Milvus2x");
  EXPECT_EQ(made->info.shards_num, 2);
  EXPECT_EQ(made->info.consistency_level, 1);
  EXPECT_THAT(made->info.properties, SizeIs(1));
  EXPECT_TRUE(made->info.schema.enable_dynamic_field);
  EXPECT_THAT(made->partitions, SizeIs(3));
  EXPECT_THAT(made->indexes, IsEmpty());
  EXPECT_TRUE(std::ranges::is_sorted(percents_));
  EXPECT_EQ(percents_.back(), 100);
  EXPECT_EQ(std::ranges::count(percents_, 100), 1);
  EXPECT_EQ(progress_.rows_done, 100U);
}

TEST_F(Milvus2xTest, EveryPageIsReadAsOfOneTime) {
  FillWithNumbers(60);
  ASSERT_OK(Run());
  EXPECT_EQ(source_->count("AllocTimestamp"), 1U);
  EXPECT_GT(source_->count("Query"), 10U);
}

TEST_F(Milvus2xTest, MilvusLiteIsASource) {
  source_options_ = {.version = "milvus_lite-3.2.2", .unimplemented = {"AllocTimestamp"}};
  source_options_.tells_partition_ids = false;
  Reset();
  FillWithNumbers(60);
  ASSERT_OK_AND_ASSIGN(const Milvus2xReport report, Run());
  EXPECT_EQ(report.collections[0].rows, 60U);
  EXPECT_THAT(report.warnings, IsEmpty());
  EXPECT_EQ(Rows(*target_, "c"), Rows(*source_, "c"));
}

TEST_F(Milvus2xTest, TextKeysOfEveryKindArrive) {
  FakeCollection collection = Collection("c", milvus::data_type::kVarChar);
  int64_t number = 0;
  std::vector<std::string> keys = {"", "\"", "\\", "\\\"", "a\nb", "\x01", "it's", "é", "😀", "~~"};
  for (int i = 0; i < 50; ++i) keys.push_back("key \" " + std::to_string(i * i));
  for (const std::string& key : keys) {
    collection.rows["_default"].push_back(Row(key, number++));
  }
  source_->Add("default", std::move(collection));
  ASSERT_OK_AND_ASSIGN(const Milvus2xReport report, Run());
  EXPECT_EQ(report.collections[0].rows, keys.size());
  EXPECT_EQ(Rows(*target_, "c"), Rows(*source_, "c"));
}

TEST_F(Milvus2xTest, ASourceThatIsNotLoadedIsNamedAtOnceOrLoaded) {
  FillWithNumbers(30);
  source_->Change("default", "c",
                  [](FakeCollection& each) { each.load_state = milvus::LoadState::kNotLoad; });
  EXPECT_THAT(Run(), IsError(Code::kFailedPrecondition, "collection not loaded"));
  EXPECT_FALSE(target_->Find("default", "c"));
  rules_.load_source = true;
  ASSERT_OK(Run());
  EXPECT_EQ(Rows(*target_, "c"), Rows(*source_, "c"));
  EXPECT_EQ(source_->Find("default", "c")->load_state, milvus::LoadState::kNotLoad);
}

/// A server that has loaded the collection, but for its partition `p1`.
class PartlyLoadedClient final : public milvus_backup::testing::MortalClient {
 public:
  PartlyLoadedClient(milvus_backup::testing::Life& life, milvus::Client& inner,
                     milvus::LoadState state)
      : MortalClient(life, inner), state_(state) {}
  Result<milvus::LoadState> GetPartitionLoadState(const CallContext& ctx, const std::string& db,
                                                  const std::string& collection,
                                                  const std::string& partition) override {
    if (partition == "p1") return state_;
    return MortalClient::GetPartitionLoadState(ctx, db, collection, partition);
  }

 private:
  const milvus::LoadState state_;
};

TEST_F(Milvus2xTest, ASourceThatIsPartlyLoadedIsNamedAtOnce) {
  FillWithNumbers(30);
  milvus_backup::testing::Life life;
  for (const milvus::LoadState state : {milvus::LoadState::kNotLoad, milvus::LoadState::kLoading}) {
    PartlyLoadedClient from(life, *from_, state);
    EXPECT_THAT(RunWith(from, *to_),
                IsError(Code::kFailedPrecondition, "partition p1 of c cannot be read"));
    rules_.load_source = true;
  }
  EXPECT_EQ(source_->count("Flush"), 0U);
  EXPECT_FALSE(target_->Find("default", "c"));
}

/// Answers to count(*) that `count` gives.
void AnswerCounts(milvus_backup::testing::FakeMilvus& server,
                  std::function<int64_t(int64_t rows)> count) {
  server.AlterAnswers([count = std::move(count)](const milvus::QueryRequest& request,
                                                 std::vector<milvus::Column>& columns) {
    if (request.output_fields != std::vector<std::string>{"count(*)"}) return;
    int64_t rows = 0;
    std::memcpy(&rows, columns[0].fixed.data(), sizeof(rows));
    rows = count(rows);
    std::memcpy(columns[0].fixed.data(), &rows, sizeof(rows));
  });
}

TEST_F(Milvus2xTest, ASourceWhoseQueriesHadLostRowsIsRefused) {
  FillWithNumbers(60);
  int asked = 0;
  AnswerCounts(*source_, [&](int64_t rows) { return asked++ == 0 ? rows - 5 : rows; });
  EXPECT_THAT(Run(), IsError(Code::kFailedPrecondition, "counts 60 rows, and counted 55 before"));
  EXPECT_FALSE(target_->Find("default", "c"));
  // Also when nothing more shows it: deletes may still be out of sight.
  AnswerCounts(*source_, [](int64_t rows) { return rows; });
  const Status again = Run().status();
  EXPECT_THAT(again, IsError(Code::kFailedPrecondition, "counts 60 rows, and counted 55 before"));
  EXPECT_THAT(again.advice(), HasSubstr(".lost-sight"));
  source_->Change("default", "c",
                  [](FakeCollection& each) { each.load_state = milvus::LoadState::kNotLoad; });
  rules_.load_source = true;
  ASSERT_OK(Run());
  EXPECT_EQ(Rows(*target_, "c"), Rows(*source_, "c"));
}

TEST_F(Milvus2xTest, RowsThatSomebodyWritesWereNotLost) {
  FillWithNumbers(60);
  int64_t more = -10;
  AnswerCounts(*source_, [&](int64_t rows) { return rows + more++; });
  ASSERT_OK_AND_ASSIGN(const Milvus2xReport report, Run());
  EXPECT_TRUE(report.source_changed());
  EXPECT_THAT(report.warnings, Contains(HasSubstr("more rows than a moment ago")));
}

TEST_F(Milvus2xTest, WithoutTheRightToFlushNothingIsRefused) {
  FillWithNumbers(60);
  source_->Plan("Flush", {.code = 1401, .reason = "PrivilegeFlush not permitted"}, 2);
  int asked = 0;
  AnswerCounts(*source_, [&](int64_t rows) { return asked++ == 0 ? rows - 5 : rows; });
  ASSERT_OK_AND_ASSIGN(const Milvus2xReport report, Run());
  EXPECT_EQ(source_->count("Flush"), 2U);
  EXPECT_THAT(report.warnings, Contains(HasSubstr("more rows than a moment ago")));
}

TEST_F(Milvus2xTest, RowsThatAreBeingStoredAreWaitedFor) {
  source_options_.flushing_listings = 2;
  Reset();
  rules_.sight_patience = std::chrono::seconds(20);
  FillWithNumbers(60);
  source_->Change("default", "c", [](FakeCollection& each) {
    each.segments = {{.id = 7, .num_rows = 55, .state = 4}, {.id = 8, .num_rows = 5, .state = 2}};
  });
  // Seen once they are loaded from storage.
  int asked = 0;
  AnswerCounts(*source_, [&](int64_t rows) { return asked++ == 0 ? rows - 5 : rows; });
  EXPECT_THAT(Run(), IsError(Code::kFailedPrecondition, "counts 60 rows, and counted 55 before"));
  EXPECT_GT(source_->count("GetPersistentSegmentInfo"), 2U);
}

TEST_F(Milvus2xTest, WhatIsStoredIsReadFromThere) {
  source_options_.late_listings = 4;
  Reset();
  rules_.sight_patience = std::chrono::seconds(20);
  FillWithNumbers(60);
  source_->Change("default", "c", [](FakeCollection& each) {
    each.segments = {{.id = 7, .num_rows = 61, .state = 2}};
  });
  ASSERT_OK_AND_ASSIGN(const Milvus2xReport report, Run());
  EXPECT_THAT(report.warnings, IsEmpty());
  EXPECT_EQ(source_->count("Flush"), 1U);
  EXPECT_EQ(source_->count("GetQuerySegmentInfo"), 5U);

  // All that is stored is counted: nothing is out of sight.
  Reset();
  FillWithNumbers(60);
  source_->Change("default", "c", [](FakeCollection& each) {
    each.segments = {{.id = 7, .num_rows = 60, .state = 2}};
  });
  ASSERT_OK(Run());
  EXPECT_EQ(source_->count("GetQuerySegmentInfo"), 0U);

  source_options_.late_listings = 1000000;
  Reset();
  FillWithNumbers(60);
  source_->Change("default", "c", [](FakeCollection& each) {
    each.segments = {{.id = 7, .num_rows = 61, .state = 4}};
  });
  ASSERT_OK_AND_ASSIGN(const Milvus2xReport late, Run());
  EXPECT_THAT(late.warnings, ElementsAre(HasSubstr("not all that is stored is loaded")));
}

TEST_F(Milvus2xTest, ASourceThatMayNotBeFlushedIsReadAllTheSame) {
  FillWithNumbers(60);
  source_->Plan("Flush", {.code = 1401, .reason = "PrivilegeFlush not permitted"});
  source_->Plan("GetPersistentSegmentInfo", {.code = 1401, .reason = "not permitted"});
  ASSERT_OK_AND_ASSIGN(const Milvus2xReport report, Run());
  EXPECT_THAT(report.warnings, ElementsAre(HasSubstr("not all of the source is flushed"),
                                           HasSubstr("is not known")));
  EXPECT_EQ(Rows(*target_, "c"), Rows(*source_, "c"));
}

TEST_F(Milvus2xTest, RowsWithOneKeyAreReportedAndTheNewestIsTaken) {
  FillWithNumbers(40);
  source_->Change("default", "c", [](FakeCollection& each) {
    for (int64_t i = 1; i < 3; ++i) each.rows["_default"].push_back(Row(Bytes(-9), 1000 + i));
  });
  ASSERT_OK_AND_ASSIGN(const Milvus2xReport report, Run());
  EXPECT_EQ(report.collections[0].counted, 42U);
  EXPECT_EQ(report.collections[0].rows, 40U);
  EXPECT_FALSE(report.source_changed());
  EXPECT_THAT(report.warnings, ElementsAre(HasSubstr("2 of 42 rows have a primary key that")));
  EXPECT_THAT(Rows(*target_, "c").at("_default"), Contains(Row(Bytes(-9), 1002)));
}

TEST_F(Milvus2xTest, RowsThatAnAnswerLeavesOutAreAskedForByTheirKeys) {
  FillWithNumbers(60);
  int left_out = 0;
  source_->AlterAnswers(
      [&](const milvus::QueryRequest& request, std::vector<milvus::Column>& rows) {
        const bool is_range = request.expr.find("<=") != std::string::npos;
        if (!is_range || rows.empty() || rows[0].rows < 2) return;
        ++left_out;
        rows = RowsOf(rows, 0, rows[0].rows - 1);
      });
  ASSERT_OK_AND_ASSIGN(const Milvus2xReport report, Run());
  EXPECT_GT(left_out, 2);
  EXPECT_EQ(report.collections[0].rows, 60U);
  EXPECT_FALSE(report.source_changed());
  EXPECT_THAT(report.warnings, IsEmpty());
  EXPECT_EQ(Rows(*target_, "c"), Rows(*source_, "c"));
}

TEST_F(Milvus2xTest, ARowThatCannotBeReadAtAllIsNotTakenForADuplicate) {
  FillWithNumbers(60);
  source_->AlterAnswers([](const milvus::QueryRequest& request, std::vector<milvus::Column>& rows) {
    if (request.limit != 0 || request.expr.empty() || rows.empty()) return;
    if (rows[0].rows > 1) {
      rows = RowsOf(rows, 0, rows[0].rows - 1);
    } else {
      rows.clear();
    }
  });
  ASSERT_OK_AND_ASSIGN(const Milvus2xReport report, Run());
  EXPECT_TRUE(report.source_changed());
  EXPECT_LT(report.collections[0].rows, 60U);
}

TEST_F(Milvus2xTest, RowsWhoseKeysWereNotSeenArriveWithTheirRange) {
  FillWithNumbers(60);
  int left_out = 0;
  source_->AlterAnswers(
      [&](const milvus::QueryRequest& request, std::vector<milvus::Column>& rows) {
        if (request.limit == 0 || rows.empty() || rows[0].rows < 2) return;
        ++left_out;
        rows = RowsOf(rows, 1, rows[0].rows);
      });
  ASSERT_OK_AND_ASSIGN(const Milvus2xReport report, Run());
  EXPECT_GT(left_out, 1);
  EXPECT_FALSE(report.source_changed());
  EXPECT_EQ(Rows(*target_, "c"), Rows(*source_, "c"));
}

TEST_F(Milvus2xTest, ASourceThatIsWrittenToIsReported) {
  FillWithNumbers(40);
  // The last count finds one row more than the first.
  const auto grow = [this](const std::string&, int percent) {
    if (percent < 99) return;
    source_->Change("default", "c", [](FakeCollection& each) {
      if (each.rows["p1"].size() < 15) each.rows["p1"].push_back(Row(Bytes(-500), 1));
    });
  };
  auto report = MigrateMilvus2x({}, *from_, *to_, options_, rules_, *state_, progress_, grow);
  ASSERT_OK(report);
  EXPECT_TRUE(report->source_changed());
}

TEST_F(Milvus2xTest, ASourceThatWasWrittenToIsReportedAgainByTheNextRun) {
  FillWithNumbers(40);
  const auto grow = [this](const std::string&, int percent) {
    if (percent < 99) return;
    source_->Change("default", "c", [](FakeCollection& each) {
      if (each.rows["p1"].size() < 15) each.rows["p1"].push_back(Row(Bytes(-500), 1));
    });
  };
  ASSERT_OK(MigrateMilvus2x({}, *from_, *to_, options_, rules_, *state_, progress_, grow));
  ASSERT_OK_AND_ASSIGN(const Milvus2xReport again, Run());
  EXPECT_TRUE(again.collections[0].was_done);
  EXPECT_TRUE(again.source_changed());
}

TEST_F(Milvus2xTest, WhatDiffersIsFoundByTheNextRunToo) {
  FillWithNumbers(50);
  rules_.create_indexes = true;
  options_.page_rows = 4;
  bool damaged = false;
  target_->AlterAnswers([&](const milvus::QueryRequest&, std::vector<milvus::Column>& columns) {
    for (milvus::Column& column : columns) {
      if (column.field_name != "text") continue;
      damaged = true;
      for (std::string& text : column.texts) text += "?";
    }
  });
  for (int run = 0; run < 2; ++run) {
    damaged = false;
    EXPECT_THAT(Run().status(), IsError(Code::kDataLoss, "field text of the row with key"));
    EXPECT_TRUE(damaged);
    EXPECT_EQ(target_->Find("default", "c")->load_state, milvus::LoadState::kNotLoad);
  }
}

TEST_F(Milvus2xTest, OneKeyInTwoPartitionsIsComparedInEach) {
  FillWithNumbers(30);
  source_->Change("default", "c", [](FakeCollection& each) {
    each.rows["p1"].clear();
    for (int64_t i = 0; i < 10; ++i) each.rows["p1"].push_back(Row(Bytes(i - 9), 500 + i));
  });
  rules_.create_indexes = true;
  options_.page_rows = 4;
  ASSERT_OK_AND_ASSIGN(const Milvus2xReport report, Run());
  EXPECT_GT(report.collections[0].compared, 4U);
  EXPECT_EQ(Rows(*target_, "c"), Rows(*source_, "c"));
}

TEST_F(Milvus2xTest, IndexesAreCreatedAfterwardsToo) {
  FillWithNumbers(20);
  ASSERT_OK(Run());
  EXPECT_THAT(target_->Find("default", "c")->indexes, IsEmpty());
  rules_.create_indexes = true;
  for (int run = 0; run < 2; ++run) {
    ASSERT_OK_AND_ASSIGN(const Milvus2xReport report, Run());
    EXPECT_TRUE(report.collections[0].was_done);
    EXPECT_THAT(target_->Find("default", "c")->indexes, SizeIs(1));
  }
}

TEST_F(Milvus2xTest, OneStateDirectoryIsOneWhateverItsSpelling) {
  FillWithNumbers(20);
  ASSERT_OK_AND_ASSIGN(const auto lock, backup::RunLock::Acquire(
                                            {}, *state_, kMilvus2xLocks,
                                            meta::NewRunRecord("migration", kMilvus2xLockName)));
  options_.state_dir = "/elsewhere/state";
  EXPECT_THAT(Run().status(), IsError(Code::kAlreadyExists, "migration-state"));
}

TEST_F(Milvus2xTest, NewKeysAreMadeByTheTargetAndOldOnesKeptOnRequest) {
  FakeCollection collection = Collection("c", milvus::data_type::kInt64);
  collection.info.schema.fields[0].auto_id = true;
  for (int64_t i = 0; i < 30; ++i) collection.rows["_default"].push_back(Row(Bytes(i), i));
  source_->Add("default", std::move(collection));
  ASSERT_OK(Run());
  EXPECT_TRUE(target_->Find("default", "c")->info.schema.fields[0].auto_id);
  std::set<std::string> keys;
  std::multiset<std::string> texts;
  const std::vector<FakeRow> made = Rows(*target_, "c").at("_default");
  for (const FakeRow& row : made) {
    keys.insert(row.at("pk"));
    texts.insert(row.at("text"));
  }
  EXPECT_EQ(texts.size(), 30U);
  EXPECT_EQ(keys.size(), 30U);
  for (int64_t i = 0; i < 30; ++i) {
    EXPECT_EQ(texts.count("text " + std::to_string(i)), 1U);
    EXPECT_FALSE(keys.contains(Bytes(i)));
  }

  options_.auto_id = false;
  options_.target_collection = "kept";
  ASSERT_OK(Run());
  EXPECT_EQ(Rows(*target_, "kept"), Rows(*source_, "c"));
  EXPECT_FALSE(target_->Find("default", "kept")->info.schema.fields[0].auto_id);
}

TEST_F(Milvus2xTest, APartitionKeyLeavesThePartitionsToTheServer) {
  FakeCollection collection = Collection("c", milvus::data_type::kInt64);
  collection.info.schema.fields[1].is_partition_key = true;
  collection.partitions = {{.name = "_default_0"}, {.name = "_default_1"}};
  for (int64_t i = 0; i < 30; ++i) {
    collection.rows["_default_" + std::to_string(i % 2)].push_back(Row(Bytes(i), i));
  }
  source_->Add("default", std::move(collection));
  ASSERT_OK_AND_ASSIGN(const Milvus2xReport report, Run());
  EXPECT_EQ(report.collections[0].rows, 30U);
  EXPECT_EQ(target_->count("CreatePartition"), 0U);
  EXPECT_THAT(Rows(*target_, "c").at("_default_0"), SizeIs(30));
}

TEST_F(Milvus2xTest, SettingsOfTheTargetAreTaken) {
  FillWithNumbers(20);
  options_.fields = {"vector", "pk"};
  options_.target_collection = "other";
  options_.shards_num = 3;
  options_.dynamic_field = false;
  options_.consistency_level = 4;
  ASSERT_OK_AND_ASSIGN(const Milvus2xReport report, Run());
  EXPECT_THAT(report.warnings, ElementsAre(HasSubstr("dynamic fields are left out")));
  const auto made = target_->Find("default", "other");
  ASSERT_TRUE(made);
  EXPECT_EQ(made->info.schema.fields.at(0).name, "vector");
  EXPECT_EQ(made->info.schema.fields.at(1).name, "pk");
  EXPECT_EQ(made->info.shards_num, 3);
  EXPECT_EQ(made->info.consistency_level, 4);
  EXPECT_FALSE(made->info.schema.enable_dynamic_field);
  for (const FakeRow& row : made->rows.at("_default")) {
    EXPECT_EQ(row.size(), 2U);
    EXPECT_FALSE(row.contains("$meta"));
  }
}

TEST_F(Milvus2xTest, IndexesAreCopiedAndRowsComparedWithThem) {
  FillWithNumbers(50);
  rules_.create_indexes = true;
  rules_.sample_rows = 10;
  options_.page_rows = 4;
  ASSERT_OK_AND_ASSIGN(const Milvus2xReport report, Run());
  EXPECT_EQ(report.collections[0].compared, 10U);
  const auto made = target_->Find("default", "c");
  ASSERT_THAT(made->indexes, SizeIs(1));
  EXPECT_EQ(made->indexes[0].name, "by_vector");
  EXPECT_EQ(made->load_state, milvus::LoadState::kNotLoad);
}

TEST_F(Milvus2xTest, InsertsAreCutByBytesAndPagesByRows) {
  FillWithNumbers(40);
  options_.page_rows = 7;
  rules_.insert_bytes = 100;
  ASSERT_OK(Run());
  EXPECT_EQ(Rows(*target_, "c"), Rows(*source_, "c"));
  for (const int rows : InsertedRows()) EXPECT_LE(rows, 4);
}

TEST_F(Milvus2xTest, AnAnswerThatIsTooLargeIsReadInPages) {
  source_options_.max_output_rows = 4;
  Reset();
  FillWithNumbers(40);
  options_.page_rows = 20;
  ASSERT_OK(Run());
  // Ten are too many as well.
  EXPECT_THAT(source_->texts("Query"), Contains(AllOf(HasSubstr("<="), HasSubstr("limit=10"))));
  EXPECT_THAT(source_->texts("Query"), Contains(HasSubstr("limit=2")));
  EXPECT_EQ(Rows(*target_, "c"), Rows(*source_, "c"));
}

TEST_F(Milvus2xTest, AnAnswerThatIsTooLargeForUsIsReadInPages) {
  FillWithNumbers(100);
  options_.page_rows = 60;
  rules_.keys_per_page = 1000;
  milvus::ClientOptions small = source_->client_options();
  small.max_receive_bytes = 1200;
  ASSERT_OK_AND_ASSIGN(const auto from, milvus::Connect({}, small));
  ASSERT_OK(RunWith(*from, *to_));
  EXPECT_THAT(source_->texts("Query"), Contains(AllOf(HasSubstr("<="), HasSubstr("limit=30"))));
  EXPECT_EQ(Rows(*target_, "c"), Rows(*source_, "c"));
}

TEST_F(Milvus2xTest, ARowThatIsTooLargeAloneIsAskedForByAClientThatTakesMore) {
  FillWithNumbers(40);
  milvus::ClientOptions options = source_->client_options();
  options.max_receive_bytes = 1200;
  ASSERT_OK_AND_ASSIGN(const auto from, milvus::Connect({}, options));
  options.max_receive_bytes = 8000;
  int connected = 0;
  rules_.connect_wider = [&](const CallContext& ctx) {
    ++connected;
    return milvus::Connect(ctx, options);
  };
  options_.target_collection = "small";
  ASSERT_OK(RunWith(*from, *to_));
  EXPECT_EQ(connected, 0);

  source_->Change("default", "c", [](FakeCollection& each) {
    const std::string large = R"({"n":")" + std::string(5000, 'x') + R"("})";
    each.rows["p1"].at(3)["$meta"] = large;
    each.rows["_default"].at(5)["$meta"] = large;
  });
  options_.target_collection = "large";
  ASSERT_OK(RunWith(*from, *to_));
  EXPECT_EQ(connected, 1);
  EXPECT_EQ(Rows(*target_, "large"), Rows(*source_, "c"));

  options_.target_collection = "none";
  rules_.connect_wider = nullptr;
  EXPECT_THAT(RunWith(*from, *to_), IsError(Code::kResourceExhausted, "larger than max"));
}

TEST_F(Milvus2xTest, RowsComparedByTheirKeysComeInPartsWhenTheyAreTooLarge) {
  source_options_.max_output_rows = 4;
  Reset();
  FillWithNumbers(40);
  options_.page_rows = 2;
  rules_.create_indexes = true;
  ASSERT_OK_AND_ASSIGN(const Milvus2xReport report, Run());
  // One of each range: 26 rows in one partition and 14 in the other.
  EXPECT_EQ(report.collections[0].compared, 20U);
}

TEST_F(Milvus2xTest, TheFirstRangesAreCutByTheSchema) {
  FillWithNumbers(100);
  ASSERT_OK(Run());
  // 8 bytes of key and 8 of vector are known before any row is.
  for (const int rows : InsertedRows()) EXPECT_LE(rows, 12);
}

TEST_F(Milvus2xTest, RangesShrinkWhereRowsGrow) {
  FakeCollection collection = Collection("c", milvus::data_type::kInt64);
  for (int64_t i = 0; i < 600; ++i) {
    FakeRow row = Row(Bytes(i), i);
    if (i >= 200) row["text"] = std::string(60, 'x');
    collection.rows["_default"].push_back(std::move(row));
  }
  source_->Add("default", std::move(collection));
  options_.parallel_ranges = 1;
  rules_.keys_per_page = 1000;
  rules_.range_bytes = 1000;
  ASSERT_OK(Run());
  // About 80 bytes each, while the mean of all of them is below 65.
  const std::vector<int> rows = InsertedRows();
  EXPECT_GT(std::ranges::max(rows), 20);
  for (size_t i = rows.size() - 10; i < rows.size(); ++i) EXPECT_LE(rows[i], 12);
  EXPECT_EQ(Rows(*target_, "c"), Rows(*source_, "c"));
}

TEST_F(Milvus2xTest, AnInsertOfUnknownOutcomeIsFollowedByAnUpsert) {
  FillWithNumbers(40);
  target_->Plan("Insert", {.grpc_code = 14, .reason = "Socket closed"});
  source_->Plan("Query", {}, 3);
  source_->Plan("Query", {.code = 101, .error_code = 1, .reason = "collection not loaded"}, 2);
  ASSERT_OK_AND_ASSIGN(const Milvus2xReport report, Run());
  EXPECT_GE(target_->count("Upsert"), 1U);
  EXPECT_GT(report.collections[0].repeated, 0U);
  EXPECT_EQ(Rows(*target_, "c"), Rows(*source_, "c"));
}

TEST_F(Milvus2xTest, RateLimitsAreWaitedFor) {
  FillWithNumbers(20);
  target_->Plan("Insert", {.code = 8, .reason = "rate limit exceeded"}, 2);
  ASSERT_OK_AND_ASSIGN(const Milvus2xReport report, Run());
  EXPECT_EQ(report.collections[0].repeated, 0U);
  EXPECT_EQ(target_->count("Upsert"), 0U);
}

TEST_F(Milvus2xTest, ManyCollectionsAndAllOfThem) {
  FillWithNumbers(20, "a");
  FillWithNumbers(25, "b");
  FillWithNumbers(30, "c");
  options_.collections = {"a", "c", "a"};
  ASSERT_OK_AND_ASSIGN(const Milvus2xReport some, Run());
  EXPECT_THAT(some.collections, SizeIs(2));
  EXPECT_FALSE(target_->Find("default", "b"));
  rules_.all = true;
  ASSERT_OK_AND_ASSIGN(const Milvus2xReport all, Run());
  ASSERT_THAT(all.collections, SizeIs(3));
  EXPECT_TRUE(all.collections[0].was_done);
  EXPECT_FALSE(all.collections[1].was_done);
  for (const char* name : {"a", "b", "c"}) {
    EXPECT_EQ(Rows(*target_, name), Rows(*source_, name)) << name;
  }
  options_.target_collection = "one";
  EXPECT_THAT(Run(), IsError(Code::kInvalidArgument, "there are 3 collections"));
}

TEST_F(Milvus2xTest, DatabasesGoOverWhole) {
  FillWithNumbers(20, "a");
  FillWithNumbers(25, "a", "sales");
  FillWithNumbers(30, "b", "sales");
  FillWithNumbers(35, "a", "hr");
  source_->AddDatabase("bare");
  options_.collections.clear();
  options_.databases = {"sales", "bare", "sales"};
  ASSERT_OK_AND_ASSIGN(const Milvus2xReport some, Run());
  ASSERT_THAT(some.collections, SizeIs(2));
  EXPECT_EQ(some.collections[0].source_database, "sales");
  EXPECT_EQ(some.collections[0].target_database, "sales");
  EXPECT_FALSE(target_->Find("default", "a") || target_->Find("hr", "a"));
  ASSERT_OK_AND_ASSIGN(const std::vector<std::string> made, to_->ListDatabases({}));
  EXPECT_THAT(made, UnorderedElementsAre("bare", "default", "sales"));

  options_.databases = {"*"};
  ASSERT_OK_AND_ASSIGN(const Milvus2xReport all, Run());
  EXPECT_THAT(all.collections, SizeIs(4));
  EXPECT_THAT(all.warnings, UnorderedElementsAre(HasSubstr("collection 'sales.a' was brought over"),
                                                 HasSubstr("collection 'sales.b' was brought")));
  for (const auto& [db, name] : std::vector<std::pair<std::string, std::string>>{
           {"default", "a"}, {"sales", "a"}, {"sales", "b"}, {"hr", "a"}}) {
    EXPECT_EQ(Rows(*target_, name, db), Rows(*source_, name, db)) << db << "." << name;
  }
  // One request for each database that had something new.
  EXPECT_EQ(target_->count("Flush"), 3U);

  options_.databases = {"hr", "nowhere"};
  EXPECT_THAT(Run(), IsError(Code::kNotFound, "the source has no database nowhere"));
  options_.databases = {"hr"};
  EXPECT_THAT(RunWith(*from_, *from_), IsError(Code::kInvalidArgument, "the same collections"));
  source_->Change("hr", "a",
                  [](FakeCollection& each) { each.load_state = milvus::LoadState::kNotLoad; });
  EXPECT_THAT(Run(), IsError(Code::kFailedPrecondition, "collection not loaded: hr.a"));
}

TEST_F(Milvus2xTest, WhatIsDoneIsNotInsertedTwice) {
  FillWithNumbers(20);
  ASSERT_OK(Run());
  ASSERT_OK_AND_ASSIGN(const Milvus2xReport again, Run());
  EXPECT_TRUE(again.collections[0].was_done);
  EXPECT_THAT(again.warnings, ElementsAre(HasSubstr("left alone")));
  EXPECT_EQ(Rows(*target_, "c"), Rows(*source_, "c"));
  // Upserts may be repeated as often as one likes, and so may a target that was dropped be filled.
  options_.upsert = true;
  source_->Change("default", "c", [](FakeCollection& each) {
    each.rows["_default"].push_back(Row(Bytes(500), 500));
  });
  ASSERT_OK(Run());
  EXPECT_EQ(Rows(*target_, "c"), Rows(*source_, "c"));
  options_.upsert = false;
  target_->Drop("default", "c");
  ASSERT_OK(Run());
  EXPECT_EQ(Rows(*target_, "c"), Rows(*source_, "c"));
}

TEST_F(Milvus2xTest, ACollectionThatExistsIsAddedToWhenItFits) {
  FillWithNumbers(20);
  FakeCollection existing = Collection("c", milvus::data_type::kInt64);
  existing.load_state = milvus::LoadState::kNotLoad;
  existing.partitions = {{.name = "_default"}};
  existing.rows["_default"] = {Row(Bytes(700), 700)};
  existing.segments = {{.num_rows = 1}};
  target_->Add("default", existing);
  ASSERT_OK_AND_ASSIGN(const Milvus2xReport report, Run());
  EXPECT_FALSE(report.collections[0].created);
  EXPECT_EQ(report.collections[0].before, 1);
  EXPECT_EQ(report.collections[0].after, 21);
  EXPECT_THAT(report.warnings, ElementsAre(HasSubstr("holds 1 rows already")));
  EXPECT_THAT(Rows(*target_, "c").at("p1"), SizeIs(7));

  existing.info.schema.name = "other";
  existing.info.schema.fields[1].type_params = {{"max_length", "8"}};
  target_->Add("default", existing);
  options_.target_collection = "other";
  EXPECT_THAT(Run(), IsError(Code::kFailedPrecondition, "field text has max_length 8"));
}

TEST_F(Milvus2xTest, MistakesAreNamedBeforeAnythingIsDone) {
  FillWithNumbers(20);
  const auto fails = [&](Code code, const std::string& part) {
    EXPECT_THAT(Run(), IsError(code, part));
    EXPECT_FALSE(target_->Find("default", "c")) << part;
  };
  options_.fields = {"pk", "nothing", "vector"};
  fails(Code::kInvalidArgument, "not found milvus collection field : nothing");
  options_.fields = {"pk", "text"};
  fails(Code::kInvalidArgument, "not migrate milvus2x source collection FloatVector type field");
  options_.fields = {"vector"};
  fails(Code::kInvalidArgument, "meta.fields lacks the primary key pk");
  options_.fields.clear();
  options_.auto_id = true;
  options_.upsert = true;
  fails(Code::kInvalidArgument, "writeMode is upsert");
  options_.auto_id.reset();
  options_.upsert = false;
  options_.collections = {"missing"};
  fails(Code::kNotFound, "missing");
  options_.collections = {"c"};
  EXPECT_THAT(RunWith(*from_, *from_), IsError(Code::kInvalidArgument, "the same collections"));
  milvus_backup::testing::FakeMilvus old({.version = "v2.2.16-lite"});
  const auto client = Connected(old);
  EXPECT_THAT(RunWith(*client, *to_), IsError(Code::kFailedPrecondition, "2.2.16"));
}

TEST_F(Milvus2xTest, ATargetThatLosesRowsIsFoundOut) {
  FillWithNumbers(20);
  const auto lose = [this](const std::string&, int percent) {
    if (percent < 99) return;
    target_->Change("default", "c", [](FakeCollection& each) { each.segments.pop_back(); });
  };
  EXPECT_THAT(MigrateMilvus2x({}, *from_, *to_, options_, rules_, *state_, progress_, lose),
              IsError(Code::kDataLoss, "20 were brought over"));
}

}  // namespace
}  // namespace milvus_backup::migration
