/// Two FakeMilvus, a source with rows and an empty target.
#pragma once

#include "support/fake_milvus.h"
#include "support/status_matchers.h"

#include "milvus_backup/migration/milvus2x.h"
#include "milvus_backup/storage/memory_backend.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace milvus_backup::migration {

class Milvus2xFixture : public ::testing::Test {
 protected:
  using FakeMilvus = milvus_backup::testing::FakeMilvus;
  using FakeCollection = milvus_backup::testing::FakeCollection;
  using FakeRow = milvus_backup::testing::FakeRow;

  Milvus2xFixture() { Reset(); }

  void Reset() {
    source_ = std::make_unique<FakeMilvus>(source_options_);
    target_ = std::make_unique<FakeMilvus>(
        milvus_backup::testing::FakeMilvusOptions{.id_offset = 1'000'000});
    from_ = Connected(*source_);
    to_ = Connected(*target_);
    state_ = storage::MakeMemoryBackend();
    options_ = {.collections = {"c"}, .parallel_ranges = 3, .state_dir = "state"};
    rules_ = {};
    rules_.poll_interval = std::chrono::milliseconds(1);
    rules_.restart_patience = std::chrono::milliseconds(2000);
    rules_.count_patience = std::chrono::milliseconds(50);
    rules_.sight_patience = std::chrono::milliseconds(50);
    rules_.quiet_time = std::chrono::milliseconds(1);
    rules_.record_interval = std::chrono::milliseconds(0);
    rules_.keys_per_page = 20;
    rules_.range_bytes = 200;
  }

  static std::unique_ptr<milvus::Client> Connected(const FakeMilvus& server) {
    auto client = milvus::Connect({}, server.client_options());
    EXPECT_OK(client);
    return *std::move(client);
  }

  static std::string Bytes(int64_t number) {
    return {reinterpret_cast<const char*>(&number), sizeof(number)};
  }

  static milvus::FieldSchema Field(const std::string& name, int32_t type,
                                   std::vector<milvus::KeyValue> params = {}) {
    milvus::FieldSchema field;
    field.name = name;
    field.data_type = type;
    field.type_params = std::move(params);
    return field;
  }

  /// A key, a text, a vector of two floats and dynamic fields, in two partitions.
  static FakeCollection Collection(const std::string& name, int32_t key_type) {
    FakeCollection collection;
    milvus::CollectionSchema& schema = collection.info.schema;
    schema.name = name;
    schema.enable_dynamic_field = true;
    schema.fields = {Field("pk", key_type, {{"max_length", "64"}}),
                     Field("text", milvus::data_type::kVarChar, {{"max_length", "64"}}),
                     Field("vector", milvus::data_type::kFloatVector, {{"dim", "2"}})};
    int64_t id = 100;
    for (milvus::FieldSchema& field : schema.fields) field.field_id = id++;
    schema.fields[0].is_primary_key = true;
    collection.info.shards_num = 2;
    collection.info.consistency_level = 1;
    collection.info.properties = {{"collection.ttl.seconds", "3600"}};
    collection.partitions = {{.name = "_default"}, {.name = "p1"}, {.name = "empty"}};
    collection.indexes = {{.field_name = "vector",
                           .name = "by_vector",
                           .params = {{"index_type", "FLAT"}, {"metric_type", "L2"}}}};
    collection.load_state = milvus::LoadState::kLoaded;
    return collection;
  }

  /// The bytes of the row with this key.
  static FakeRow Row(const std::string& key, int64_t number) {
    return {{"pk", key},
            {"text", "text " + std::to_string(number)},
            {"vector", Bytes(number * 7919)},
            {"$meta", number % 2 == 0 ? "{}" : R"({"n":)" + std::to_string(number) + "}"}};
  }

  /// Collection `c` with the int64 keys [0, count), every third of them in `p1`.
  void FillWithNumbers(int64_t count, const std::string& name = "c",
                       const std::string& db = "default") {
    FakeCollection collection = Collection(name, milvus::data_type::kInt64);
    for (int64_t i = 0; i < count; ++i) {
      collection.rows[i % 3 == 0 ? "p1" : "_default"].push_back(Row(Bytes(i - 10), i));
    }
    source_->Add(db, std::move(collection));
  }

  Result<Milvus2xReport> Run() { return RunWith(*from_, *to_); }

  Result<Milvus2xReport> RunWith(milvus::Client& from, milvus::Client& to) {
    percents_.clear();
    return MigrateMilvus2x({}, from, to, options_, rules_, *state_, progress_,
                           [this](const std::string&, int percent) {
                             const std::scoped_lock lock(mutex_);
                             percents_.push_back(percent);
                           });
  }

  /// Rows of a collection by partition, in any order.
  static std::map<std::string, std::vector<FakeRow>> Rows(const FakeMilvus& server,
                                                          const std::string& name,
                                                          const std::string& db = "default") {
    const auto found = server.Find(db, name);
    if (!found) return {};
    std::map<std::string, std::vector<FakeRow>> rows;
    for (const auto& [partition, list] : found->rows) {
      if (list.empty()) continue;
      rows[partition] = list;
      std::ranges::sort(rows[partition]);
    }
    return rows;
  }

  milvus_backup::testing::FakeMilvusOptions source_options_;
  std::unique_ptr<FakeMilvus> source_;
  std::unique_ptr<FakeMilvus> target_;
  std::unique_ptr<milvus::Client> from_;
  std::unique_ptr<milvus::Client> to_;
  std::unique_ptr<storage::Backend> state_;
  Milvus2xOptions options_;
  Milvus2xRules rules_;
  transfer::Progress progress_;
  std::mutex mutex_;
  std::vector<int> percents_;
};

}  // namespace milvus_backup::migration
