#include "milvus_backup/meta/levels.h"

#include "scripted_backend.h"
#include "support/status_matchers.h"

#include "milvus_backup/meta/codec.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/meta/reader.h"
#include "milvus_backup/meta/totals.h"
#include "milvus_backup/meta/writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

namespace milvus_backup::meta {
namespace {

using milvus_backup::testing::IsError;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::ScriptedBackend;

/// Two collections with two partitions each, and L0 segments of one partition and of all.
class LevelsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const int64_t id : {1, 2}) {
      CollectionBackup collection{
          .collection_id = id, .collection_name = "c" + std::to_string(id), .shards_num = 2};
      collection.schema.name = collection.collection_name;
      collection.schema.fields = {
          {.field_id = 100, .name = "id", .is_primary_key = true, .data_type = 5}};
      for (const int64_t partition : {10 * id, 20 * id}) {
        collection.partition_backups.push_back(
            {.partition_id = partition,
             .partition_name = "p" + std::to_string(partition),
             .collection_id = id,
             .segment_backups = {Segment(id, partition, 1), Segment(id, partition, 2)}});
      }
      collection.l0_segments = {Segment(id, kAllPartitions, 9)};
      info_.collection_backups.push_back(std::move(collection));
    }
    info_.id = "x";
    info_.name = "demo";
    UpdateTotals(info_);
    ASSERT_OK(WriteBackup(ctx_, backend_, dir_, info_));
  }

  static SegmentBackup Segment(int64_t collection, int64_t partition, int64_t number) {
    const int64_t id = collection * 10000 + (partition + 1) * 100 + number;
    return {.segment_id = id,
            .collection_id = collection,
            .partition_id = partition,
            .num_of_rows = 3,
            .binlogs = {{100, {{.log_size = 7, .log_id = 1}, {.log_size = 8, .log_id = 2}}}},
            .deltalogs = {{0, {{.log_size = 5, .log_id = 3}}}},
            .size = 20,
            .group_id = GroupOf(partition, id)};
  }

  /// What is told of the files as they are.
  std::vector<LevelProblem> Problems() {
    std::vector<LevelProblem> problems;
    const auto full = ReadBackup(ctx_, backend_, dir_);
    EXPECT_OK(full);
    if (!full.ok()) return problems;
    EXPECT_OK(CompareLevels(ctx_, backend_, dir_, *full,
                            [&](const LevelProblem& problem) { problems.push_back(problem); }));
    return problems;
  }
  std::vector<MetaFile> Files() {
    std::vector<MetaFile> files;
    for (const LevelProblem& problem : Problems()) files.push_back(problem.file);
    return files;
  }
  std::string Text(MetaFile file) { return backend_.Contents().at(MetaKey(dir_, file)); }
  void Put(MetaFile file, const std::string& text) { backend_.Store(MetaKey(dir_, file), text); }
  void Replace(MetaFile file, const std::string& old, const std::string& by) {
    std::string text = Text(file);
    const size_t at = text.find(old);
    ASSERT_NE(at, std::string::npos) << text;
    Put(file, text.replace(at, old.size(), by));
  }

  CallContext ctx_;
  ScriptedBackend backend_;
  const std::string dir_ = "backup/demo/";
  BackupInfo info_;
};

TEST_F(LevelsTest, WhatWasWrittenTogetherAgrees) { EXPECT_THAT(Problems(), IsEmpty()); }

TEST_F(LevelsTest, MissingAndBrokenFilesAreTold) {
  for (const MetaFile file : {MetaFile::kCollections, MetaFile::kPartitions, MetaFile::kSegments}) {
    const std::string text = Text(file);
    Put(file, text.substr(0, text.size() / 2));
    EXPECT_THAT(Files(), ElementsAre(file));
    Put(file, "{}");
    EXPECT_THAT(Files(), ElementsAre(file));
    backend_.Erase(MetaKey(dir_, file));
    EXPECT_THAT(Files(), ElementsAre(file));
    EXPECT_EQ(Problems()[0].found, "nothing");
    Put(file, text);
  }
  EXPECT_THAT(Problems(), IsEmpty());
}

TEST_F(LevelsTest, EditsOfFullMetaContradictTheOthers) {
  struct Edit {
    MetaFile file;
    std::function<void(CollectionBackup&)> make;
  };
  using Collection = CollectionBackup;
  const std::vector<Edit> edits = {
      {MetaFile::kCollections, [](Collection& c) { c.schema.enable_dynamic_field = true; }},
      {MetaFile::kCollections, [](Collection& c) { c.schema.fields[0].name = "other"; }},
      {MetaFile::kCollections, [](Collection& c) { c.collection_name = "other"; }},
      {MetaFile::kCollections, [](Collection& c) { c.consistency_level = 2; }},
      {MetaFile::kSegments,
       [](Collection& c) { c.partition_backups[0].segment_backups[1].deltalogs = {}; }},
      {MetaFile::kSegments,
       [](Collection& c) { c.partition_backups[0].segment_backups[1].num_of_rows = 2; }},
      {MetaFile::kSegments,
       [](Collection& c) {
         c.partition_backups[1].segment_backups[0].binlogs = {{100, {{.log_size = 15}}}};
       }},
  };
  for (size_t i = 0; i < edits.size(); ++i) {
    SCOPED_TRACE(i);
    BackupInfo edited = info_;
    edits[i].make(edited.collection_backups[1]);
    Put(MetaFile::kFull,
        EncodeToString([&](const TextSink& sink) { return EncodeFullMeta(edited, sink); }));
    EXPECT_THAT(Files(), ElementsAre(edits[i].file));
  }
  // Parts that are gone, with sizes that fit.
  BackupInfo edited = info_;
  CollectionBackup& collection = edited.collection_backups[0];
  collection.partition_backups[0].segment_backups.pop_back();
  collection.partition_backups[0].size = collection.size = edited.size = 0;
  ASSERT_OK(WriteHeader(ctx_, backend_, dir_, edited));
  Put(MetaFile::kFull,
      EncodeToString([&](const TextSink& sink) { return EncodeFullMeta(edited, sink); }));
  EXPECT_THAT(Files(), ElementsAre(MetaFile::kSegments));
  collection.partition_backups.erase(collection.partition_backups.begin());
  Put(MetaFile::kFull,
      EncodeToString([&](const TextSink& sink) { return EncodeFullMeta(edited, sink); }));
  EXPECT_THAT(Files(), ElementsAre(MetaFile::kCollections, MetaFile::kPartitions));
}

TEST_F(LevelsTest, WhatAWriterLeavesOutIsNoProblem) {
  // Ours, as the compaction of the reference tool writes them.
  BackupInfo bare = info_;
  for (CollectionBackup& collection : bare.collection_backups) {
    collection.partition_backups.clear();
  }
  Put(MetaFile::kCollections, EncodeToString([&](const TextSink& sink) {
        return EncodeCollectionMeta(bare, CollectionForm::kWithoutSegments, sink);
      }));
  EXPECT_THAT(Problems(), IsEmpty());
  // As before 0.5.14.
  Put(MetaFile::kCollections, EncodeToString([&](const TextSink& sink) {
        return EncodeCollectionMeta(info_, CollectionForm::kTree, sink);
      }));
  EXPECT_THAT(Problems(), IsEmpty());
  // Segments of a partition that was dropped meanwhile, ids that are left out.
  std::string text = Text(MetaFile::kSegments);
  text.insert(text.find('[') + 1, R"({"segment_id":77,"collection_id":1,"partition_id":99},)");
  Put(MetaFile::kSegments, text);
  EXPECT_THAT(Problems(), IsEmpty());
  Replace(MetaFile::kPartitions, R"("collection_id":1,)", "");
  EXPECT_THAT(Problems(), IsEmpty());
}

TEST_F(LevelsTest, TellsTheFirstDifferenceAndHowManyThereAre) {
  BackupInfo edited = info_;
  for (CollectionBackup& collection : edited.collection_backups) {
    for (PartitionBackup& partition : collection.partition_backups) {
      partition.segment_backups[0].num_of_rows = 4;
    }
  }
  Put(MetaFile::kFull,
      EncodeToString([&](const TextSink& sink) { return EncodeFullMeta(edited, sink); }));
  const std::vector<LevelProblem> problems = Problems();
  ASSERT_EQ(problems.size(), 1U);
  EXPECT_THAT(problems[0].expected, HasSubstr("4 rows of segment "));
  EXPECT_EQ(problems[0].found, "3 (and 3 more)");
}

TEST_F(LevelsTest, TheMetaToBlameIsNamed) {
  const auto blamed = [&] {
    EXPECT_THAT(ReadBackup(ctx_, backend_, dir_).status(), IsError(Code::kDataLoss, ""));
    const auto file = FindDamagedMeta(ctx_, backend_, dir_);
    EXPECT_OK(file);
    return file.ok() ? *file : MetaFile::kCollections;
  };
  const auto with = [&](MetaFile file, const std::string& text) {
    const std::string whole = Text(file);
    Put(file, text);
    const MetaFile found = blamed();
    Put(file, whole);
    return found;
  };
  const std::string full = Text(MetaFile::kFull);
  EXPECT_EQ(with(MetaFile::kFull, full.substr(0, full.size() / 2)), MetaFile::kFull);
  // Sizes that do not add up.
  BackupInfo edited = info_;
  edited.collection_backups[0].partition_backups[0].segment_backups[0].size = 1;
  EXPECT_EQ(with(MetaFile::kFull, EncodeToString([&](const TextSink& sink) {
                   return EncodeFullMeta(edited, sink);
                 })),
            MetaFile::kFull);
  EXPECT_EQ(with(MetaFile::kHeader, R"({"id":"x","size":7})"), MetaFile::kHeader);
  backend_.Erase(MetaKey(dir_, MetaFile::kFull));
  for (const MetaFile file : {MetaFile::kCollections, MetaFile::kPartitions, MetaFile::kSegments}) {
    EXPECT_EQ(with(file, "{"), file);
  }
  backend_.Erase(MetaKey(dir_, MetaFile::kPartitions));
  EXPECT_EQ(blamed(), MetaFile::kPartitions);
}

TEST_F(LevelsTest, WithoutFullMetaThereIsNothingToCompare) {
  backend_.Erase(MetaKey(dir_, MetaFile::kFull));
  EXPECT_OK(CompareLevels(ctx_, backend_, dir_, {},
                          [](const LevelProblem& problem) { ADD_FAILURE() << problem.found; }));
}

TEST_F(LevelsTest, AFileThatCannotBeReadIsTold) {
  ASSERT_OK_AND_ASSIGN(const BackupInfo full, ReadBackup(ctx_, backend_, dir_));
  backend_.unreadable_key = MetaKey(dir_, MetaFile::kPartitions);
  std::vector<MetaFile> files;
  const auto compare = [&](const CallContext& ctx) {
    return CompareLevels(ctx, backend_, dir_, full,
                         [&](const LevelProblem& problem) { files.push_back(problem.file); });
  };
  EXPECT_OK(compare(ctx_));
  EXPECT_THAT(files, ElementsAre(MetaFile::kPartitions));
  std::stop_source stop;
  backend_.before_read = [&] { stop.request_stop(); };
  EXPECT_FALSE(compare({.stop = stop.get_token()}).ok());
}

}  // namespace
}  // namespace milvus_backup::meta
