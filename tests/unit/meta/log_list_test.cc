#include "milvus_backup/meta/log_list.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace milvus_backup::meta {
namespace {

constexpr int64_t kLeast = std::numeric_limits<int64_t>::min();
constexpr int64_t kMost = std::numeric_limits<int64_t>::max();

TEST(LogListTest, UnpacksToWhatItWasMadeOf) {
  const std::vector<std::vector<FieldBinlog>> cases = {
      {},
      {{}},
      {{.field_id = 100}, {.field_id = 100}},
      {{0, {{.log_path = "files/insert_log/1/2/3/0/44", .log_size = 7, .log_id = 44}}},
       {1, {{.log_path = "files/insert_log/1/2/3/1/45", .log_size = 0, .log_id = 45}}}},
      {{0, {{.log_path = "files/delta_log/1/-1/3/44", .log_size = 7, .log_id = 44}}}},
      // No id before 0.5.4, no path at all, a path that says something else than the ids.
      {{100, {{.log_path = "a/100/44", .log_size = 1}, {.log_size = 2, .log_id = 45}}},
       {101, {{.log_path = "a/100/46", .log_size = 3, .log_id = 46}}},
       {102, {{.log_path = "a/102/47", .log_id = 48}, {.log_path = "b/102/49", .log_id = 49}}}},
      {{5, {{.log_path = "44", .log_id = 44}, {.log_path = "044"}, {.log_path = "/"}}},
       {5, {{.log_path = "-3", .log_id = -3}, {.log_path = "x/", .log_id = 0}, {}}}},
      {{kLeast, {{.log_size = kLeast, .log_id = kMost}, {.log_size = kMost, .log_id = kLeast}}},
       {kMost,
        {{.entries_num = kLeast,
          .timestamp_from = ~uint64_t{0},
          .timestamp_to = 1,
          .log_path = std::string("\0\xFF", 2)}}}},
  };
  for (const std::vector<FieldBinlog>& fields : cases) {
    const LogList list(fields);
    EXPECT_TRUE(list.Unpack() == fields) << &fields - cases.data();
    EXPECT_EQ(list.empty(), fields.empty());
    std::vector<LogEntry> entries;
    for (const FieldBinlog& field : fields) {
      for (const Binlog& log : field.binlogs) {
        entries.push_back({field.field_id, log.log_id, log.log_size});
      }
    }
    EXPECT_EQ(list.Entries(), entries);
    EXPECT_EQ(list.log_count(), entries.size());
  }
}

TEST(LogListTest, AnyListUnpacksToWhatItWasMadeOf) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const auto number = [&] { return static_cast<int64_t>(random() >> (random() % 64)); };
  const std::vector<std::string> heads = {"files/insert_log/1/2/3/", "files/insert_log/1/2/4/", ""};
  for (int round = 0; round < 2000; ++round) {
    std::vector<FieldBinlog> fields(random() % 5);
    for (FieldBinlog& field : fields) {
      field.field_id = number() % 200;
      field.binlogs.resize(random() % 4);
      for (Binlog& log : field.binlogs) {
        log.log_id = random() % 4 == 0 ? 0 : number();
        log.log_size = random() % 2 == 0 ? number() : -number();
        if (random() % 3 == 0) log.entries_num = number();
        if (random() % 3 == 0) log.timestamp_from = random();
        if (random() % 3 == 0) log.timestamp_to = random();
        if (random() % 4 == 0) continue;
        log.log_path = heads[random() % heads.size()];
        if (random() % 2 == 0) log.log_path += std::to_string(field.field_id) + "/";
        log.log_path += std::to_string(random() % 4 == 0 ? number() : log.log_id);
      }
    }
    ASSERT_TRUE(LogList(fields).Unpack() == fields) << "round " << round;
  }
}

TEST(LogListTest, EqualListsHoldEqualFields) {
  const LogList list = {{100, {{.log_path = "a/100/44", .log_size = 1, .log_id = 44}}}};
  EXPECT_EQ(list, LogList({{100, {{.log_path = "a/100/44", .log_size = 1, .log_id = 44}}}}));
  EXPECT_NE(list, LogList({{100, {{.log_path = "b/100/44", .log_size = 1, .log_id = 44}}}}));
  EXPECT_NE(list, LogList({{101, {{.log_path = "a/100/44", .log_size = 1, .log_id = 44}}}}));
  EXPECT_NE(LogList(), LogList({{}}));
}

}  // namespace
}  // namespace milvus_backup::meta
