#include "milvus_backup/meta/codec.h"

#include "sample_backup.h"
#include "support/status_matchers.h"
#include "support/test_paths.h"

#include "milvus_backup/base/bytes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <random>
#include <string>
#include <vector>

namespace milvus_backup::meta {
namespace {

using milvus_backup::testing::IsError;
using testing::GoldenMeta;
using testing::ReadTestFile;
using testing::SampleBackup;

std::string Full(const BackupInfo& info) {
  return EncodeToString([&](const TextSink& sink) { return EncodeFullMeta(info, sink); });
}
std::string Header(const BackupInfo& info) {
  return EncodeToString([&](const TextSink& sink) { return EncodeHeader(info, sink); });
}
std::string Collections(const BackupInfo& info, CollectionForm form) {
  return EncodeToString(
      [&](const TextSink& sink) { return EncodeCollectionMeta(info, form, sink); });
}
std::string Partitions(const BackupInfo& info) {
  return EncodeToString([&](const TextSink& sink) { return EncodePartitionMeta(info, sink); });
}
std::string Segments(const BackupInfo& info) {
  return EncodeToString([&](const TextSink& sink) { return EncodeSegmentMeta(info, sink); });
}
Result<BackupInfo> Decode(std::string_view text) {
  return DecodeBackup(SourceOf(text), "full_meta.json");
}

TEST(EncodeTest, WritesEveryMemberAsTheFormatSays) {
  const BackupInfo info = SampleBackup();
  EXPECT_EQ(Header(info), GoldenMeta("backup_meta.json"));
  EXPECT_EQ(Collections(info, CollectionForm::kWithoutSegments),
            GoldenMeta("collection_meta.json"));
  EXPECT_EQ(Partitions(info), GoldenMeta("partition_meta.json"));
  EXPECT_EQ(Segments(info), GoldenMeta("segment_meta.json"));
  EXPECT_EQ(Full(info), GoldenMeta("full_meta.json"));
}

TEST(EncodeTest, EmptyBackupKeepsOnlyWhatIsAlwaysThere) {
  const BackupInfo info;
  EXPECT_EQ(Header(info), R"({"state_code":0,"size":0})");
  EXPECT_EQ(Full(info), R"({"state_code":0,"size":0})");
  EXPECT_EQ(Collections(info, CollectionForm::kTree), "{}");
  EXPECT_EQ(Partitions(info), "{}");
  EXPECT_EQ(Segments(info), "{}");
}

TEST(EncodeTest, BriefAsGetPrintsIt) {
  BackupInfo info;
  info.id = "not shown";
  info.name = "b";
  info.backup_timestamp = 8;
  info.size = 7;
  info.milvus_version = "v2.3.5";
  info.rbac_meta = RbacMeta{};
  info.rpc_channel_info = RpcChannelInfo{.name = "ch"};
  info.database_backups = {{.db_name = "db"}};
  info.format = "snapshot";
  info.partial = true;
  info.failed_collections = {"db.gone"};
  CollectionBackup collection = SampleBackup().collection_backups.at(0);
  collection.collection_id = 1;
  collection.collection_name = "c";
  collection.schema = {.name = "c", .fields = {{.field_id = 100, .name = "id", .data_type = 5}}};
  collection.shards_num = 2;
  collection.backup_timestamp = 9;
  collection.size = 7;
  collection.index_infos = {{.field_name = "v", .params = {{"index_type", "FLAT"}}}};
  collection.backup_physical_timestamp = 5;
  collection.channel_checkpoints = {{"ch", "AA=="}};
  collection.properties = {{"k", "v"}};
  info.collection_backups = {collection, {}};
  BriefOptions options{.id = "t1",
                       .state_code = 2,
                       .task = {.error_message = "e",
                                .start_time = 10,
                                .end_time = 20,
                                .progress = 100,
                                .meta_size = 99},
                       .indent = 4};
  EXPECT_EQ(EncodeToString([&](const TextSink& sink) { return EncodeBrief(info, options, sink); }),
            GoldenMeta("brief.json"));
  EXPECT_EQ(EncodeToString([](const TextSink& sink) { return EncodeBrief({}, {}, sink); }),
            R"({"state_code":0,"progress":0,"size":0,"meta_size":0})");
}

TEST(EncodeTest, GivesTheSinkPiecesAndStopsAtItsError) {
  BackupInfo info = SampleBackup();
  info.collection_backups.resize(400, info.collection_backups.front());
  size_t calls = 0;
  size_t largest = 0;
  ASSERT_OK(EncodeFullMeta(info, [&](std::string_view text) {
    ++calls;
    largest = std::max(largest, text.size());
    return Status::Ok();
  }));
  EXPECT_GT(calls, 5U);
  EXPECT_LT(largest, 128 * kKiB);
  calls = 0;
  EXPECT_THAT(EncodeFullMeta(info,
                             [&](std::string_view) {
                               ++calls;
                               return InternalError("disk full");
                             }),
              IsError(Code::kInternal, "disk full"));
  EXPECT_EQ(calls, 1U);
}

/// What comes back when the text's U+FFFD have replaced the bytes that were no UTF-8.
BackupInfo SampleAsRead() {
  BackupInfo info = SampleBackup();
  std::string& legacy = info.collection_backups.at(0).schema.fields.at(1).default_value_proto;
  const std::string lost = "\xEF\xBF\xBD";
  legacy = "2\x03" + lost + "z";
  for (int i = 0; i < 7; ++i) legacy += lost;
  return info;
}

TEST(DecodeTest, ReadsEveryMemberBack) {
  const BackupInfo expected = SampleAsRead();
  ASSERT_OK_AND_ASSIGN(const BackupInfo info, Decode(GoldenMeta("full_meta.json")));
  EXPECT_TRUE(info == expected);
  const std::string partitions = GoldenMeta("partition_meta.json");
  ASSERT_OK_AND_ASSIGN(const auto partition_list,
                       DecodePartitionMeta(SourceOf(partitions), "partition_meta.json"));
  ASSERT_EQ(partition_list.size(), 1U);
  EXPECT_EQ(partition_list[0].partition_name, "_default");
  const std::string segments = GoldenMeta("segment_meta.json");
  ASSERT_OK_AND_ASSIGN(const auto segment_list,
                       DecodeSegmentMeta(SourceOf(segments), "segment_meta.json"));
  EXPECT_TRUE(segment_list == expected.collection_backups[0].partition_backups[0].segment_backups);
  const std::string collections = GoldenMeta("collection_meta.json");
  ASSERT_OK_AND_ASSIGN(const auto collection_list,
                       DecodeCollectionMeta(SourceOf(collections), "collection_meta.json"));
  EXPECT_EQ(collection_list.size(), 2U);
  EXPECT_TRUE(collection_list[0].l0_segments.empty());
}

TEST(DecodeTest, DepthLeavesOutSegmentsOrLogs) {
  const std::string text = GoldenMeta("full_meta.json");
  BackupInfo expected = SampleAsRead();
  for (CollectionBackup& collection : expected.collection_backups) {
    for (SegmentBackup& segment : collection.l0_segments) segment.deltalogs = {};
    for (PartitionBackup& partition : collection.partition_backups) {
      for (SegmentBackup& segment : partition.segment_backups) {
        segment.binlogs = segment.statslogs = segment.deltalogs = {};
      }
    }
  }
  ASSERT_OK_AND_ASSIGN(const BackupInfo without_logs,
                       DecodeBackup(SourceOf(text), "full_meta.json", Depth::kSegments));
  EXPECT_TRUE(without_logs == expected);
  for (CollectionBackup& collection : expected.collection_backups) {
    collection.l0_segments.clear();
    for (PartitionBackup& partition : collection.partition_backups) {
      partition.segment_backups.clear();
    }
  }
  ASSERT_OK_AND_ASSIGN(const BackupInfo without_segments,
                       DecodeBackup(SourceOf(text), "full_meta.json", Depth::kCollections));
  EXPECT_TRUE(without_segments == expected);
  EXPECT_GT(without_segments.collection_backups[0].partition_backups[0].size, 0);
  const std::string cut = text.substr(0, text.find("log_size"));
  EXPECT_THAT(DecodeBackup(SourceOf(cut), "full_meta.json", Depth::kCollections).status(),
              IsError(Code::kDataLoss, "ends too early"));
}

TEST(DecodeTest, TextMayArriveByteByByte) {
  const std::string text = GoldenMeta("full_meta.json");
  size_t next = 0;
  ASSERT_OK_AND_ASSIGN(const BackupInfo info,
                       DecodeBackup(
                           [&]() -> Result<std::string_view> {
                             return next == text.size() ? std::string_view()
                                                        : std::string_view(text).substr(next++, 1);
                           },
                           "full_meta.json"));
  EXPECT_TRUE(info == SampleAsRead());
}

TEST(DecodeTest, SourceErrorIsReturnedUnchanged) {
  bool first = true;
  EXPECT_THAT(DecodeBackup(
                  [&]() -> Result<std::string_view> {
                    if (!first) return Status(Code::kUnavailable, "gone");
                    first = false;
                    return std::string_view("{\"name\":\"a");
                  },
                  "x"),
              IsError(Code::kUnavailable, "gone"));
}

TEST(DecodeTest, ReferenceFilesComeBackByteForByte) {
  for (const char* backup : {"golden_0516", "golden_0509"}) {
    SCOPED_TRACE(backup);
    const std::string dir = milvus_backup::testing::TestDataDir() + "/backups/" + backup + "/meta/";
    const bool old = std::string_view(backup) == "golden_0509";
    const std::string full = ReadTestFile(dir + "full_meta.json");
    ASSERT_OK_AND_ASSIGN(const BackupInfo info, Decode(full));
    EXPECT_EQ(Full(info), full);
    EXPECT_EQ(info.collection_backups.size(), 5U);
    const std::string header = ReadTestFile(dir + "backup_meta.json");
    ASSERT_OK_AND_ASSIGN(const BackupInfo read_header, Decode(header));
    EXPECT_EQ(Header(read_header), header);
    EXPECT_EQ(Header(info), header);
    // 0.5.14 took the segments out of the collections.
    EXPECT_EQ(Collections(info, old ? CollectionForm::kTree : CollectionForm::kWithoutSegments),
              ReadTestFile(dir + "collection_meta.json"));
    EXPECT_EQ(Partitions(info), ReadTestFile(dir + "partition_meta.json"));
    EXPECT_EQ(Segments(info), ReadTestFile(dir + "segment_meta.json"));
  }
}

TEST(DecodeTest, LeveledReferenceFilesComeBackByteForByte) {
  const std::string dir = milvus_backup::testing::TestDataDir() + "/backups/golden_0516/meta/";
  BackupInfo info;
  const std::string collections = ReadTestFile(dir + "collection_meta.json");
  ASSERT_OK_AND_ASSIGN(info.collection_backups, DecodeCollectionMeta(SourceOf(collections), "c"));
  EXPECT_EQ(Collections(info, CollectionForm::kTree), collections);
  const std::string partitions = ReadTestFile(dir + "partition_meta.json");
  info.collection_backups.resize(1);
  CollectionBackup& holder = info.collection_backups[0];
  ASSERT_OK_AND_ASSIGN(holder.partition_backups, DecodePartitionMeta(SourceOf(partitions), "p"));
  EXPECT_EQ(Partitions(info), partitions);
  const std::string segments = ReadTestFile(dir + "segment_meta.json");
  holder.partition_backups.resize(1);
  ASSERT_OK_AND_ASSIGN(holder.partition_backups[0].segment_backups,
                       DecodeSegmentMeta(SourceOf(segments), "s"));
  EXPECT_EQ(Segments(info), segments);
}

TEST(DecodeTest, KeysMatchInAnyCaseAndStrangersAreIgnored) {
  ASSERT_OK_AND_ASSIGN(
      const BackupInfo info,
      Decode(R"( {"NAME":"a","later":{"x":[1,{"name":"b"},[null]],"name":"c"},"Size":5,)"
             R"("collection_backups":[{"Schema":{"autoid":true,"default_value":{"Data":1}},)"
             R"("errormessage":"old","list":[[1.5e3]]}],"milvus_version":null,"rbac_meta":null})"));
  EXPECT_EQ(info.name, "a");
  EXPECT_EQ(info.size, 5);
  EXPECT_EQ(info.milvus_version, "");
  EXPECT_FALSE(info.rbac_meta.has_value());
  ASSERT_EQ(info.collection_backups.size(), 1U);
  EXPECT_TRUE(info.collection_backups[0].schema.auto_id);
  ASSERT_TRUE(info.collection_backups[0].task.has_value());
  EXPECT_EQ(info.collection_backups[0].task->error_message, "old");
}

TEST(DecodeTest, LastOccurrenceOfAKeyWins) {
  ASSERT_OK_AND_ASSIGN(const BackupInfo info,
                       Decode(R"({"name":"a","name":"b","physical_channel_names":["x","y"],)"
                              R"("physical_channel_names":["z"],"flush_all_msgs_base64":{"a":"1"},)"
                              R"("flush_all_msgs_base64":{"b":"2"}})"));
  EXPECT_EQ(info.name, "b");
  EXPECT_EQ(info.physical_channel_names, std::vector<std::string>{"z"});
  EXPECT_EQ(info.flush_all_msgs_base64.size(), 1U);
}

TEST(DecodeTest, WrongTypesNameFileMemberAndPlace) {
  struct Case {
    const char* text;
    const char* message;
  };
  const Case cases[] = {
      {R"({"size":"5"})", "full_meta.json: 'size' must be an integer, not a string (byte 11)"},
      {R"({"size":5.0})", "'size' must be an integer, not the number 5.0"},
      {R"({"size":9223372036854775808})", "'size' is out of range: 9223372036854775808"},
      {R"({"size":99999999999999999999})", "'size' must be an integer"},
      {R"({"state_code":2147483648})", "'state_code' is out of range"},
      {R"({"backup_timestamp":-1})", "'backup_timestamp' is out of range: -1"},
      {R"({"size":true})", "'size' must be an integer, not true or false"},
      {R"({"size":[1]})", "'size' must be an integer, not an array"},
      {R"({"name":7})", "'name' must be a string, not a number"},
      {R"({"name":{}})", "'name' must be a string, not an object"},
      {R"({"collection_backups":{}})", "'collection_backups' must be an array"},
      {R"({"collection_backups":[3]})", "'collection_backups' must be an object, not a number"},
      {R"({"collection_backups":[{"has_index":0}]})", "'has_index' must be true or false"},
      {R"({"rbac_meta":[]})", "'rbac_meta' must be an object"},
      {R"({"flush_all_msgs_base64":{"ch":1}})", "'ch' must be a string"},
      {"[]", "the document must be an object, not an array"},
      {"null", "the document is null"},
      {"7", "the document must be an object, not a number"},
      {"", "full_meta.json: the JSON ends too early (byte 0)"},
      {"{\"name\":\"a\"", "the JSON ends too early (byte 11)"},
      {"{\"name\":\"a", "the JSON ends too early (byte 10)"},
      {"{\"name\":\"\xFF\"}", "the JSON is broken"},
      {"{\"size\":1}x", "the JSON is broken"},
      {"{\"size\":1}{}", "the JSON is broken"},
      {"{\"size\":tru}", "the JSON is broken"},
      {"{\"size\":1e999}", "the JSON is broken"},
      {"{'size':1}", "the JSON is broken"},
  };
  for (const Case& c : cases) {
    EXPECT_THAT(Decode(c.text).status(), IsError(Code::kDataLoss, c.message)) << c.text;
  }
}

TEST(DecodeTest, DeepNestingIsHarmless) {
  const std::string deep =
      "{\"later\":" + std::string(200000, '[') + std::string(200000, ']') + "}";
  EXPECT_OK(Decode(deep));
  EXPECT_THAT(Decode("{\"later\":" + std::string(200000, '[')),
              IsError(Code::kDataLoss, "ends too early"));
}

TEST(DecodeTest, EveryTruncationIsAnError) {
  const std::string text = GoldenMeta("full_meta.json");
  for (size_t length = 0; length < text.size(); ++length) {
    EXPECT_THAT(Decode(std::string_view(text).substr(0, length)), IsError(Code::kDataLoss, "byte"));
  }
}

TEST(DecodeTest, MutatedBytesNeverCrash) {
  const std::string original = GoldenMeta("full_meta.json");
  const unsigned seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  std::uniform_int_distribution<size_t> place(0, original.size() - 1);
  std::uniform_int_distribution<int> byte(0, 255);
  constexpr std::string_view kTokens = "{}[]\",:0-9truenull\\";
  int decoded = 0;
  for (int round = 0; round < 1000; ++round) {
    std::string text = original;
    for (int change = 0; change <= round % 4; ++change) {
      text[place(random)] = round % 2 == 0 ? static_cast<char>(byte(random))
                                           : kTokens[place(random) % kTokens.size()];
    }
    const Result<BackupInfo> info = Decode(text);
    if (!info.ok()) {
      EXPECT_EQ(info.status().code(), Code::kDataLoss);
      continue;
    }
    ++decoded;
    // What was read can be written and read again.
    EXPECT_OK(Decode(Full(*info)));
  }
  EXPECT_GT(decoded, 0);
}

}  // namespace
}  // namespace milvus_backup::meta
