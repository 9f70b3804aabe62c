// verify --restore-test with a golden backup and a fake Milvus that answers from its logs.
#include "milvus_backup/backup/restore_trial.h"

#include "backup/row_reader.h"
#include "backup/trial_rows.h"
#include "restore_fixture.h"
#include "support/test_paths.h"

#include "milvus_backup/meta/reader.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace milvus_backup::backup {
namespace {

namespace fs = std::filesystem;
using ::milvus_backup::testing::IsError;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr char kDir[] = "backup/golden/";

/// A row as a server keeps it: the bytes of each value.
struct ServedRow {
  std::string key;
  std::vector<std::string> values;
};

class RestoreTrialTest : public RestoreTest {
 protected:
  RestoreTrialTest() = default;
  RestoreTrialTest(const RestoreTrialTest&) = delete;
  RestoreTrialTest& operator=(const RestoreTrialTest&) = delete;
  /// What the server's threads have read is destroyed after that, as everybody can see.
  ~RestoreTrialTest() override { const std::scoped_lock lock(served_mutex_); }

  void SetUp() override {
    const fs::path root = testing::TestDataDir() + "/backups/golden_0516";
    for (const auto& entry : fs::recursive_directory_iterator(root)) {
      if (!entry.is_regular_file()) continue;
      std::ifstream file(entry.path(), std::ios::binary);
      const std::string text{std::istreambuf_iterator<char>(file), {}};
      ASSERT_OK(storage_->Put({}, kDir + entry.path().lexically_relative(root).generic_string(),
                              AsBytes(text), {}));
    }
    Start({});
    ASSERT_OK_AND_ASSIGN(info_, meta::ReadBackup({}, *storage_, kDir));
    for (const meta::CollectionBackup& collection : info_.collection_backups) LoadRows(collection);
    // All rows of a collection come with its first import.
    fake_->SetImportRows([this](const milvus::ImportRequest& request) {
      const std::scoped_lock lock(served_mutex_);
      if (!filled_.insert(request.collection_name).second) return int64_t{0};
      return static_cast<int64_t>(served_[NumberOf(request.collection_name)].size());
    });
    fake_->SetQuery([this](const milvus::QueryRequest& request) { return Answer(request); });
  }

  void LoadRows(const meta::CollectionBackup& collection) {
    std::vector<ServedRow>& rows = served_.emplace_back();
    const std::vector<ShownField> fields = ShownFieldsOf(collection.schema);
    const RowVisitor keep = [&](const std::vector<Cell>& cells) -> Result<bool> {
      ServedRow& row = rows.emplace_back();
      for (size_t i = 0; i < cells.size(); ++i) {
        const binlog::Batch& batch = *cells[i].batch;
        row.values.emplace_back(batch.width == 0 ? batch.texts[cells[i].row]
                                                 : AsText(batch.Value(cells[i].row)));
        if (collection.schema.fields[std::min(i, collection.schema.fields.size() - 1)]
                .is_primary_key) {
          MB_RETURN_IF_ERROR(AppendJson(row.key, fields[i], cells[i]));
        }
      }
      return true;
    };
    ASSERT_OK(ForEachLiveRow({}, {.backend = storage_.get(), .dir = kDir}, collection, keep));
  }

  static size_t NumberOf(const std::string& scratch) {
    return std::stoul(scratch.substr(scratch.rfind('_') + 1));
  }

  std::vector<milvus::Column> Answer(const milvus::QueryRequest& request) {
    const std::scoped_lock lock(served_mutex_);
    const size_t number = NumberOf(request.collection_name);
    const std::vector<ServedRow>& rows = served_[number];
    if (request.output_fields == std::vector<std::string>{"count(*)"}) {
      const auto count = static_cast<int64_t>(rows.size());
      return {{.field_name = "count(*)",
               .data_type = 5,
               .rows = 1,
               .width = sizeof(count),
               .fixed = std::string(reinterpret_cast<const char*>(&count), sizeof(count))}};
    }
    std::string list = request.expr.substr(request.expr.find('[') + 1);
    list.back() = ',';
    list.insert(0, ",");
    std::vector<milvus::Column> columns;
    const std::vector<ShownField> fields = ShownFieldsOf(info_.collection_backups[number].schema);
    for (size_t i = 0; i < fields.size(); ++i) {
      const auto type = static_cast<int32_t>(fields[i].type);
      milvus::Column& column = columns.emplace_back(milvus::Column{
          .field_name = fields[i].name, .data_type = type, .is_dynamic = fields[i].is_dynamic});
      const bool is_text = type == 20 || type == 21 || type == 22 || type == 23;
      for (const ServedRow& row : rows) {
        if (list.find("," + row.key + ",") == std::string::npos) continue;
        ++column.rows;
        if (is_text) column.texts.push_back(row.values[i]);
        if (is_text) continue;
        column.width = row.values[i].size();
        column.fixed += row.values[i];
      }
    }
    return columns;
  }

  Result<TrialReport> Try(uint64_t rows) {
    found_.clear();
    places_.clear();
    return TryRestore(
        {}, site_,
        {.name = "golden", .rows = rows, .on_problem = [this](const auto& problem) {
           found_.push_back(problem.key + ": " + problem.expected + " / " + problem.found);
           places_.push_back(problem.place_of_values);
         }});
  }

  std::vector<std::string> Collections() {
    auto names = client_->ListCollections({}, "default");
    EXPECT_OK(names);
    return names.ok() ? *names : std::vector<std::string>();
  }

  meta::BackupInfo info_;
  /// In the order of the backup's collections.
  std::vector<std::vector<ServedRow>> served_;
  std::mutex served_mutex_;
  std::set<std::string> filled_;
  std::vector<std::string> found_;
  std::vector<std::string> places_;
};

TEST_F(RestoreTrialTest, RowsOfAllTypesAreComparedAndNothingIsLeft) {
  fake_->Add("default", {.info = {.schema = {.name = "mine"}}});
  ASSERT_OK_AND_ASSIGN(const TrialReport report, Try(1000));
  EXPECT_THAT(found_, IsEmpty());
  std::map<std::string, uint64_t> compared;
  for (const TrialCollection& one : report.collections) {
    EXPECT_EQ(one.rows, one.restored_rows);
    compared[one.name] = one.compared_rows;
  }
  const std::map<std::string, uint64_t> expected = {{"default.golden_empty", 0},
                                                    {"default.golden_multi", 895},
                                                    {"default.golden_pkey", 400},
                                                    {"default.golden_types", 298},
                                                    {"shop.books", 150}};
  EXPECT_EQ(compared, expected);
  EXPECT_THAT(Collections(), ElementsAre("mine"));
  EXPECT_EQ(fake_->count("CreateDatabase"), 0U);
  EXPECT_EQ(fake_->count("CreateAlias"), 0U);
}

TEST_F(RestoreTrialTest, SamplesAreSpreadOverTheCollection) {
  const meta::CollectionBackup& books = info_.collection_backups[3];
  ASSERT_EQ(books.collection_name, "books");
  ASSERT_OK_AND_ASSIGN(const std::vector<SampledRow> sample,
                       SampleRows({}, {.backend = storage_.get(), .dir = kDir}, books, 150, 3));
  std::vector<std::string> keys;
  for (const SampledRow& row : sample) keys.push_back(row.key);
  EXPECT_THAT(keys, ElementsAre("49", "99", "149"));
}

TEST_F(RestoreTrialTest, OtherValuesMissingRowsAndCountsAreNamed) {
  std::vector<ServedRow>& books = served_[3];
  books[7].values[1][0] = static_cast<char>(books[7].values[1][0] ^ 1);
  const std::string key = books[9].key;
  std::vector<ServedRow>& pkey = served_[2];
  pkey[0].values[1] = "somebody else";
  ASSERT_OK_AND_ASSIGN(const TrialReport report, Try(1000));
  EXPECT_EQ(report.problems, 2U);
  EXPECT_THAT(found_, ::testing::Contains(
                          ::testing::StartsWith("shop.books row " + books[7].key + " field v: [")));
  EXPECT_THAT(found_, ::testing::Contains(::testing::EndsWith(" / \"somebody else\"")));
  // What shows values of rows says where they are without them.
  EXPECT_THAT(places_, ::testing::Contains("shop.books field v"));
  EXPECT_THAT(places_, ::testing::Not(::testing::Contains("")));
  filled_.clear();
  books[7].values[1][0] = static_cast<char>(books[7].values[1][0] ^ 1);
  pkey[0].values[1] = "tenant0";
  fake_->SetQuery([this, key](const milvus::QueryRequest& request) {
    auto columns = Answer(request);
    if (NumberOf(request.collection_name) != 3) return columns;
    if (request.output_fields.size() == 1) columns[0].fixed[0] = static_cast<char>(149);
    for (milvus::Column& column : columns) {
      if (request.output_fields.size() > 1) column = {.field_name = column.field_name};
    }
    return columns;
  });
  ASSERT_OK(Try(1).status());
  EXPECT_THAT(found_, ::testing::Contains("shop.books: 150 rows / 149 rows"));
  EXPECT_THAT(found_, ::testing::Contains("shop.books row 149: a row / nothing"));
  EXPECT_THAT(Collections(), IsEmpty());
}

TEST_F(RestoreTrialTest, ScratchIsDroppedAfterFailuresAndThatOfKilledTrialsByTheNextOne) {
  fake_->Plan("LoadCollection", {.code = 65535, .error_code = 1, .reason = "out of memory"});
  EXPECT_THAT(Try(10).status(), IsError(Code::kUnknown, "out of memory"));
  EXPECT_THAT(Collections(), IsEmpty());
  fake_->Add("default", {.info = {.schema = {.name = "mbtest_0123abcd_12"}}});
  fake_->Add("default", {.info = {.schema = {.name = "mbtest_of_mine"}}});
  filled_.clear();
  ASSERT_OK(Try(10).status());
  EXPECT_THAT(Collections(), ElementsAre("mbtest_of_mine"));
}

}  // namespace
}  // namespace milvus_backup::backup
