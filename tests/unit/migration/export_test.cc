#include "milvus_backup/migration/export.h"

#include "sqlite_writer.h"
#include "support/status_matchers.h"
#include "support/temp_dir.h"
#include "support/test_paths.h"

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace milvus_backup::migration {
namespace {

namespace fs = std::filesystem;
using milvus_backup::testing::IsError;
using milvus_backup::testing::TempDir;
using milvus_backup::testing::TestDataDir;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::Sqlite;

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string Synthetic(const std::string& name) { return TestDataDir() + "/milvus1x/" + name; }

class ExportTest : public ::testing::Test {
 protected:
  ExportTest() {
    fs::create_directory(directory_.path() + "/db");
    fs::copy_file(Synthetic("db/meta.sqlite"), path_);
  }

  std::vector<std::string> FilesBeside() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(directory_.path() + "/db")) {
      names.push_back(entry.path().filename());
    }
    return names;
  }

  TempDir directory_;
  const std::string path_ = directory_.path() + "/db/meta.sqlite";
};

TEST_F(ExportTest, TheGoToolsKeysAreAsItWritesThem) {
  ASSERT_OK_AND_ASSIGN(ReadMeta read, ReadMetaFromSqlite({}, path_));
  EXPECT_THAT(read.warnings, IsEmpty());
  for (Table& table : read.meta.tables) {
    table.owner.clear();
    table.partition_tag.clear();
    table.index_type.reset();
    table.flag.reset();
    table.empty_partitions.clear();
  }
  EXPECT_EQ(EncodeMeta(read.meta), ReadFile(Synthetic("expected/meta.upstream-export.json")));
}

TEST_F(ExportTest, PartitionsIndexesAndFlagsAreKept) {
  ASSERT_OK_AND_ASSIGN(const ReadMeta read, ReadMetaFromSqlite({}, path_));
  ASSERT_EQ(read.meta.tables.size(), 4U);
  const Table& owner = read.meta.tables[0];
  EXPECT_EQ(owner.id, "demo_l2");
  EXPECT_EQ(owner.index_type, 2);
  EXPECT_EQ(owner.index_params, R"({"nlist":16})");
  EXPECT_THAT(owner.empty_partitions, ElementsAre("empty part"));
  const Table& partition = read.meta.tables[1];
  EXPECT_EQ(partition.collection(), "demo_l2");
  EXPECT_EQ(partition.partition_tag, "p1");
}

TEST_F(ExportTest, NothingIsCreatedBesideTheDatabase) {
  fs::permissions(path_, fs::perms::owner_read);
  ASSERT_OK(ReadMetaFromSqlite({}, path_));
  EXPECT_THAT(FilesBeside(), ElementsAre("meta.sqlite"));
}

TEST_F(ExportTest, RowsThatAreOnlyInTheWriteAheadLogAreRead) {
  Sqlite writer(path_);
  writer.Run(
      "PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0;"
      "UPDATE Tables SET partition_tag='renamed' WHERE partition_tag='p1';");
  ASSERT_GT(fs::file_size(path_ + "-wal"), 0U);
  ASSERT_OK_AND_ASSIGN(const ReadMeta read, ReadMetaFromSqlite({}, path_));
  EXPECT_EQ(read.meta.tables[1].partition_tag, "renamed");
}

TEST_F(ExportTest, ALockedDatabaseIsReadAsItWasCommitted) {
  Sqlite writer(path_);
  writer.Run(
      "BEGIN EXCLUSIVE; UPDATE Tables SET partition_tag='uncommitted' WHERE owner_table!='';");
  ASSERT_OK_AND_ASSIGN(const ReadMeta read, ReadMetaFromSqlite({}, path_));
  EXPECT_EQ(read.meta.tables[1].partition_tag, "p1");
}

TEST_F(ExportTest, UnflushedRowsAreWarnedOf) {
  fs::create_directory(directory_.path() + "/wal");
  std::ofstream(directory_.path() + "/wal/0.wal").flush();
  ASSERT_OK_AND_ASSIGN(const ReadMeta none, ReadMetaFromSqlite({}, path_));
  EXPECT_THAT(none.warnings, IsEmpty());
  std::ofstream(directory_.path() + "/wal/1.wal") << "rows";
  ASSERT_OK_AND_ASSIGN(const ReadMeta some, ReadMetaFromSqlite({}, path_));
  EXPECT_THAT(some.warnings, ElementsAre(HasSubstr(directory_.path() + "/wal is not empty")));
}

TEST_F(ExportTest, PartitionsOfADroppedCollectionAreLeftOut) {
  Sqlite(path_).Run("UPDATE Tables SET state=1 WHERE table_id='demo_l2';");
  ASSERT_OK_AND_ASSIGN(const ReadMeta read, ReadMetaFromSqlite({}, path_));
  ASSERT_EQ(read.meta.tables.size(), 2U);
  EXPECT_EQ(read.meta.tables[0].id, "demo_ip");
  EXPECT_THAT(read.warnings, ElementsAre(HasSubstr("partition 'p1'"), HasSubstr("'empty part'")));
}

TEST_F(ExportTest, PartitionsOfPartitionsThatAreLeftOutAreSoToo) {
  Sqlite(path_).Run(
      "UPDATE Tables SET state=1 WHERE table_id='demo_l2';"
      "UPDATE Tables SET owner_table='1675753122650779000' WHERE partition_tag='empty part';");
  ASSERT_OK_AND_ASSIGN(const ReadMeta read, ReadMetaFromSqlite({}, path_));
  ASSERT_EQ(read.meta.tables.size(), 2U);
  EXPECT_EQ(read.meta.tables[0].id, "demo_ip");
  EXPECT_THAT(read.warnings, ElementsAre(HasSubstr("partition 'p1'"), HasSubstr("'empty part'")));
}

TEST_F(ExportTest, EmptyPartitionsAreKeptWhereAllRowsAreInOthers) {
  Sqlite(path_).Run("DELETE FROM TableFiles WHERE table_id='demo_l2';");
  ASSERT_OK_AND_ASSIGN(const ReadMeta read, ReadMetaFromSqlite({}, path_));
  const Table& partition = read.meta.tables[0];
  EXPECT_EQ(partition.collection(), "demo_l2");
  EXPECT_EQ(partition.partition_tag, "p1");
  EXPECT_THAT(partition.empty_partitions, ElementsAre("empty part"));
}

TEST_F(ExportTest, WhatIsNoMetaOfTheRightAgeIsRefused) {
  const std::string other = directory_.path() + "/other.sqlite";
  EXPECT_THAT(ReadMetaFromSqlite({}, other), IsError(Code::kFailedPrecondition, "does not exist"));
  EXPECT_THAT(ReadMetaFromSqlite({}, directory_.path()),
              IsError(Code::kFailedPrecondition, "is no file"));
  Sqlite(other).Run("CREATE TABLE Collections (id INTEGER); CREATE TABLE Segments (id INTEGER);");
  EXPECT_THAT(ReadMetaFromSqlite({}, other), IsError(Code::kFailedPrecondition, "0.11 or 0.12"));
  fs::remove(other);
  Sqlite(other).Run("CREATE TABLE notes (id INTEGER);");
  EXPECT_THAT(ReadMetaFromSqlite({}, other), IsError(Code::kFailedPrecondition, "notes"));
  fs::remove(other);
  std::ofstream(other).flush();
  EXPECT_THAT(ReadMetaFromSqlite({}, other),
              IsError(Code::kFailedPrecondition, "it has no tables"));
  std::ofstream(other) << std::string(4096, 'x');
  EXPECT_THAT(ReadMetaFromSqlite({}, other), IsError(Code::kDataLoss, other));
  fs::remove(other);
  // Cut in the middle of its pages.
  fs::resize_file(path_, fs::file_size(path_) / 2);
  EXPECT_THAT(ReadMetaFromSqlite({}, path_), IsError(Code::kDataLoss, path_));
}

TEST_F(ExportTest, AMetaWithoutCollectionsOrSegmentsIsRefused) {
  Sqlite(path_).Run("DELETE FROM TableFiles;");
  EXPECT_THAT(ReadMetaFromSqlite({}, path_),
              IsError(Code::kFailedPrecondition, "empty segments, pls check meta config"));
  Sqlite(path_).Run("UPDATE Tables SET state=1;");
  EXPECT_THAT(ReadMetaFromSqlite({}, path_),
              IsError(Code::kFailedPrecondition, "empty collections, pls check meta config"));
}

TEST_F(ExportTest, TheFileIsWrittenIntoANewDirectoryAndReplaced) {
  ASSERT_OK_AND_ASSIGN(ReadMeta read, ReadMetaFromSqlite({}, path_));
  // What the file does not tell.
  for (Table& table : read.meta.tables) {
    EXPECT_EQ(std::exchange(table.index_file_size, 0), 1024 << 20);
    EXPECT_EQ(std::exchange(table.version, ""), "1.1.1");
  }
  const std::string out = directory_.path() + "/a/b";
  ASSERT_OK_AND_ASSIGN(const std::string file, WriteMetaFile({}, read.meta, out));
  EXPECT_EQ(file, out + "/meta.json");
  ASSERT_OK(WriteMetaFile({}, read.meta, out));
  ASSERT_OK_AND_ASSIGN(const Meta again, DecodeMeta(ReadFile(file), file));
  EXPECT_EQ(again, read.meta);
}

}  // namespace
}  // namespace milvus_backup::migration
