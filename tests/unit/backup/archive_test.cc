// Backups that go into an archive and come back, and what is refused on either way.
#include "archive_fixture.h"
#include "support/mortal.h"
#include "support/test_paths.h"

#include "milvus_backup/backup/delete.h"
#include "milvus_backup/backup/run_lock.h"

#include <filesystem>
#include <fstream>
#include <sstream>

namespace milvus_backup::backup {
namespace {

using ::milvus_backup::testing::IsError;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr Compression kAll[] = {Compression::kNone, Compression::kGzip, Compression::kZstd,
                                Compression::kXz};

TEST_F(ArchiveTest, AGoldenBackupComesBackByteForByte) {
  namespace fs = std::filesystem;
  const fs::path root = fs::path(testing::TestDataDir()) / "backups/golden_0516";
  for (const auto& file : fs::recursive_directory_iterator(root)) {
    if (!file.is_regular_file()) continue;
    std::ostringstream bytes;
    bytes << std::ifstream(file.path(), std::ios::binary).rdbuf();
    Put(source_, kDir + fs::relative(file.path(), root).string(), bytes.str());
  }
  for (const bool sealed : {false, true}) {
    if (sealed) Seal(source_, kDir);
    for (const Compression compression : kAll) {
      SCOPED_TRACE(static_cast<int>(compression));
      std::string archive;
      ASSERT_OK_AND_ASSIGN(const ExportReport exported, ExportTo(archive, compression));
      EXPECT_EQ(exported.archive_bytes, archive.size());
      EXPECT_EQ(exported.has_manifest, sealed);
      EXPECT_EQ(exported.warnings.empty(), sealed);
      EXPECT_EQ(exported.objects, Source(kDir).size());
      ASSERT_OK_AND_ASSIGN(const ImportReport imported, Import(archive));
      EXPECT_EQ(imported.objects, exported.objects);
      EXPECT_EQ(imported.bytes, exported.bytes);
      EXPECT_EQ(imported.warnings.empty(), sealed);
      ExpectSame(kDir, "c/b/");
      EXPECT_EQ(Copied("").size(), Copied("c/b/").size());
      for (const auto& [key, bytes] : Copied("")) ASSERT_OK(destination_.Delete({}, key));
    }
  }
}

TEST_F(ArchiveTest, LargeObjectsGoInPartsAndEqualBackupsBecomeEqualArchives) {
  PutBackup(source_, kDir);
  Put(source_, "a/b/binlogs/insert_log/7/70/700/700/102/3", std::string(5 * kMiB + 1, 'p'));
  Seal(source_, kDir);
  const std::string archive = Exported();
  EXPECT_EQ(archive, Exported());
  import_.memory_bytes = kMiB;
  ASSERT_OK(Import(archive));
  ExpectSame(kDir, "c/b/");
  EXPECT_THAT(Entries(archive).front().name, "milvus-backup.json");
  EXPECT_EQ(Entries(archive)[1].name, "b/meta/manifest.json");
  EXPECT_EQ(Entries(archive).back().name, "b/meta/backup_meta.json");
}

TEST_F(ArchiveTest, AnImportMayChooseAnotherName) {
  PutSmallBackup(kDir);
  import_.name = "other";
  ASSERT_OK_AND_ASSIGN(const ImportReport report, Import(Exported()));
  EXPECT_EQ(report.name, "other");
  ExpectSame(kDir, "c/other/");
}

TEST_F(ArchiveTest, NoFlippedByteIsImported) {
  PutSmallBackup(kDir);
  const std::string sound = Exported();
  const auto wanted = Source(kDir);
  uint64_t refused = 0;
  for (size_t at = 0; at < sound.size(); at += 29 * testing::kSweepStep) {
    SCOPED_TRACE(at);
    std::string flipped = sound;
    flipped[at] = static_cast<char>(flipped[at] ^ 0x10);
    const auto imported = Import(flipped);
    if (imported.ok()) {
      // What fills up the last block of an entry, or a time.
      EXPECT_TRUE(Copied("c/b/") == wanted);
      for (const auto& [key, bytes] : Copied("")) ASSERT_OK(destination_.Delete({}, key));
    } else {
      ++refused;
      EXPECT_THAT(Keys(Copied("")), IsEmpty());
    }
    if (HasFailure()) return;
  }
  EXPECT_GT(refused, 50U);
}

TEST_F(ArchiveTest, AFlippedByteOfAnObjectIsFoundWithItsName) {
  PutSmallBackup(kDir);
  std::vector<TarEntry> entries = Entries(Exported());
  for (size_t i = 1; i < entries.size(); ++i) {
    std::vector<TarEntry> flipped = entries;
    flipped[i].bytes.back() = static_cast<char>(flipped[i].bytes.back() ^ 1);
    ExpectRefused(Tar(flipped), Code::kDataLoss, entries[i].name.substr(2));
  }
}

TEST_F(ArchiveTest, ACutArchiveIsRefused) {
  PutSmallBackup(kDir);
  for (const Compression compression : kAll) {
    const std::string sound = Exported(compression);
    // The zeros behind the header of a plain archive are no part of the backup.
    const size_t needed =
        compression == Compression::kNone ? sound.size() - 1024 : sound.size() - 8;
    for (size_t size = 0; size < needed; size += compression == Compression::kNone ? 128 : 37) {
      SCOPED_TRACE(size);
      ExpectRefused(std::string_view(sound).substr(0, size), Code::kDataLoss, "");
      if (HasFailure()) return;
    }
  }
}

TEST_F(ArchiveTest, EntriesThatAreMissingAddedOrMovedAreNamed) {
  PutSmallBackup(kDir);
  const std::vector<TarEntry> sound = Entries(Exported());
  ASSERT_GE(sound.size(), 8U);
  for (size_t i = 0; i < sound.size(); ++i) {
    SCOPED_TRACE(sound[i].name);
    std::vector<TarEntry> without = sound;
    without.erase(without.begin() + static_cast<std::ptrdiff_t>(i));
    ExpectRefused(Tar(without), Code::kDataLoss,
                  i == 0 ? "milvus-backup.json" : sound[i].name.substr(2));
    std::vector<TarEntry> twice = sound;
    twice.insert(twice.begin() + static_cast<std::ptrdiff_t>(i), sound[i]);
    ExpectRefused(Tar(twice), Code::kDataLoss, "");
  }
  std::vector<TarEntry> swapped = sound;
  std::swap(swapped[4], swapped[5]);
  ExpectRefused(Tar(swapped), Code::kDataLoss, sound[4].name.substr(2));
  std::vector<TarEntry> extra = sound;
  extra.push_back({.name = "b/meta/zzz", .bytes = "z"});
  ExpectRefused(Tar(extra), Code::kDataLoss, "b/meta/zzz");
  ExpectRefused(Tar(sound) + Tar({{.name = "b/meta/zzz", .bytes = "z"}}), Code::kDataLoss, "zzz");
}

TEST_F(ArchiveTest, HostileEntriesAreRefused) {
  PutSmallBackup(kDir);
  const std::vector<TarEntry> sound = Entries(Exported());
  const std::string log = "b/binlogs/insert_log/7/70/700/700/104/1";
  const std::vector<TarEntry> hostile = {
      {.name = "/etc/passwd", .bytes = "x"},
      {.name = "../b/meta/x", .bytes = "x"},
      {.name = "b/../../x", .bytes = "x"},
      {.name = "b/binlogs/../../x", .bytes = "x"},
      {.name = "b/binlogs//x", .bytes = "x"},
      {.name = "b/binlogs/./x", .bytes = "x"},
      {.name = "b/binlogs/x\ny", .bytes = "x"},
      {.name = "b/elsewhere", .bytes = "x"},
      {.name = "other/meta/x", .bytes = "x"},
      {.name = "b/meta/run.json", .bytes = "{}"},
      {.name = "b/binlogs/meta/backup_meta.json", .bytes = "{}"},
      {.name = "b/binlogs/.locks/b/0123456789abcdef.json", .bytes = "{}"},
      {.name = log, .bytes = "", .type = '1', .link = "b/meta/full_meta.json"},
      {.name = log, .bytes = "", .type = '2', .link = "/etc/passwd"},
      {.name = log, .bytes = "", .type = '3'},
      {.name = log, .bytes = "", .type = '5'},
      {.name = log, .bytes = "", .type = '6'},
      {.name = log, .bytes = "x"},
      {.name = log, .bytes = "", .claimed_size = 077777777777},
  };
  for (const TarEntry& entry : hostile) {
    SCOPED_TRACE(entry.name + entry.type);
    std::vector<TarEntry> entries = sound;
    entries.insert(entries.end() - 3, entry);
    ExpectRefused(Tar(entries), Code::kDataLoss, "");
  }
  std::vector<TarEntry> many(20000, {.name = log, .bytes = ""});
  many.insert(many.begin(), sound.begin(), sound.begin() + 3);
  ExpectRefused(Tar(many), Code::kDataLoss, "");
  for (const char* text : {"", "no archive", "{}"}) {
    ExpectRefused(text, Code::kDataLoss, "no archive");
  }
  ExpectRefused(Tar({{.name = "hello", .bytes = "x"}}), Code::kDataLoss, "begins with hello");
}

TEST_F(ArchiveTest, ABackupNameThatLeadsElsewhereIsRefused) {
  PutSmallBackup(kDir);
  std::vector<TarEntry> entries = Entries(Exported());
  for (const char* name : {"..", ".", "", "x/y"}) {
    std::string preface = entries.front().bytes;
    preface.replace(preface.find("\"b\""), 3, std::string("\"") + name + "\"");
    std::vector<TarEntry> renamed = entries;
    renamed.front().bytes = preface;
    ExpectRefused(Tar(renamed), Code::kDataLoss, "invalid backup name");
  }
}

TEST_F(ArchiveTest, AnArchiveOfANewerProgramIsLeftToIt) {
  PutSmallBackup(kDir);
  std::vector<TarEntry> entries = Entries(Exported());
  std::string& preface = entries.front().bytes;
  const std::string member = "\"min_reader\":1";
  preface.replace(preface.find(member), member.size(), "\"min_reader\":2");
  ExpectRefused(Tar(entries), Code::kUnimplemented, "needs a newer program");
}

TEST_F(ArchiveTest, WithoutAManifestNamesAndSizesAreChecked) {
  PutBackup(source_, kDir);
  const std::vector<TarEntry> sound = Entries(Exported());
  ASSERT_OK_AND_ASSIGN(const ImportReport report, Import(Tar(sound)));
  EXPECT_FALSE(report.has_manifest);
  EXPECT_THAT(report.warnings, ElementsAre(HasSubstr("nothing could prove")));
  ExpectSame(kDir, "c/b/");
  for (const auto& [key, bytes] : Copied("")) ASSERT_OK(destination_.Delete({}, key));
  for (size_t i = 1; i < sound.size(); ++i) {
    std::vector<TarEntry> without = sound;
    without.erase(without.begin() + static_cast<std::ptrdiff_t>(i));
    ExpectRefused(Tar(without), Code::kDataLoss, "");
    std::vector<TarEntry> shorter = sound;
    shorter[i].bytes.pop_back();
    ExpectRefused(Tar(shorter), Code::kDataLoss, "");
  }
}

TEST_F(ArchiveTest, ADamagedSourceIsNotExported) {
  PutSmallBackup(kDir);
  const std::string key = "a/b/binlogs/insert_log/7/70/700/700/102/1";
  Put(source_, key, std::string(300, '?'));
  std::string archive;
  EXPECT_THAT(ExportTo(archive).status(), IsError(Code::kDataLoss, key));
  ExpectRefused(archive, Code::kDataLoss, "");
  Put(source_, key, "short");
  EXPECT_THAT(ExportTo(archive).status(), IsError(Code::kDataLoss, key));
  EXPECT_THAT(archive, IsEmpty());
  ASSERT_OK(source_.Delete({}, "a/b/" + std::string(kHeader)));
  EXPECT_THAT(ExportTo(archive).status(), IsError(Code::kFailedPrecondition, "unfinished"));
  EXPECT_THAT(ExportBackup({}, From(), {.name = "nothing"}, {}).status(),
              IsError(Code::kNotFound, "nothing"));
}

TEST_F(ArchiveTest, AnExportKeepsItsBackupFromBeingDeleted) {
  PutSmallBackup(kDir);
  Status deleted;
  const auto exported =
      ExportBackup({}, From(), {.name = "b", .compression = Compression::kNone}, [&](ByteView) {
        deleted = DeleteBackup({}, From(), "b").status();
        return Status::Ok();
      });
  ASSERT_OK(exported);
  EXPECT_THAT(deleted, IsError(Code::kAlreadyExists, "read by"));
  ASSERT_OK_AND_ASSIGN(
      const auto lock,
      RunLock::Acquire({}, source_, "a/.locks/b/", meta::NewRunRecord("delete", "b"),
                       {.patience = std::chrono::milliseconds(0)}));
  std::string archive;
  EXPECT_THAT(ExportTo(archive).status(), IsError(Code::kAlreadyExists, "delete by"));
}

TEST_F(ArchiveTest, AnErrorOfTheSinkEndsTheExport) {
  PutSmallBackup(kDir);
  const auto exported = ExportBackup({}, From(), {.name = "b"}, [&](ByteView) {
    return Status(Code::kResourceExhausted, "no space");
  });
  EXPECT_THAT(exported.status(), IsError(Code::kResourceExhausted, "no space"));
  EXPECT_THAT(Keys(Source("a/.locks/")), IsEmpty());
}

TEST_F(ArchiveTest, AnErrorOfTheFeedLeavesNothing) {
  PutSmallBackup(kDir);
  const std::string archive = Exported();
  ByteFeed feed = FeedOf(archive, 4000);
  int calls = 0;
  const auto imported =
      ImportBackup({}, To(), import_, [&](std::span<std::byte> to) -> Result<size_t> {
        if (++calls > 3) return CancelledError();
        return feed(to);
      });
  EXPECT_THAT(imported.status(), IsError(Code::kCancelled, ""));
  EXPECT_THAT(Keys(Copied("")), IsEmpty());
}

TEST_F(ArchiveTest, WhatIsInTheWayIsRefusedAndStays) {
  PutSmallBackup(kDir);
  const std::string archive = Exported();
  const auto expect_refused = [&](const std::string& text) {
    const auto before = Copied("");
    EXPECT_THAT(Import(archive).status(), IsError(Code::kAlreadyExists, text));
    EXPECT_TRUE(Copied("") == before);
    for (const auto& [key, bytes] : Copied("")) ASSERT_OK(destination_.Delete({}, key));
  };
  ASSERT_OK(Import(archive));
  expect_refused("already exists");
  Put(destination_, "c/b/binlogs/insert_log/1/2/3", "x");
  expect_refused("no marker");
  Put(destination_, "c/b/strange", "x");
  expect_refused("something that is no backup");
  ASSERT_OK(
      meta::WriteRunRecord({}, destination_, "c/b/meta/run.json", meta::NewRunRecord("copy", "b")));
  expect_refused("copy by");
  meta::RunRecord other = meta::NewRunRecord("import", "b");
  other.header_sha256 = std::string(64, '0');
  ASSERT_OK(meta::WriteRunRecord({}, destination_, "c/b/meta/run.json", other));
  expect_refused("import by");
}

TEST_F(ArchiveTest, AnImportIsKeptApartFromOtherRuns) {
  PutSmallBackup(kDir);
  const std::string archive = Exported();
  {
    ASSERT_OK_AND_ASSIGN(const auto lock, RunLock::Acquire({}, destination_, "c/.locks/b/",
                                                           meta::NewRunRecord("create", "b")));
    EXPECT_THAT(Import(archive).status(), IsError(Code::kAlreadyExists, "create by"));
  }
  ByteFeed feed = FeedOf(archive, 3000);
  Status deleted;
  ASSERT_OK(ImportBackup({}, To(), import_, [&](std::span<std::byte> to) -> Result<size_t> {
    if (const auto removed = DeleteBackup({}, To(), "b").status();
        removed.code() == Code::kAlreadyExists) {
      deleted = removed;
    }
    return feed(to);
  }));
  EXPECT_THAT(deleted, IsError(Code::kAlreadyExists, "import by"));
  ExpectSame(kDir, "c/b/");
}

TEST(ArchiveStreamTest, NamesAreBytes) {
  const std::vector<std::string> names = {"b/" + std::string(250, 'n') + "/ü", "b/\xff\xfe",
                                          "b/x y"};
  std::string archive;
  ASSERT_OK_AND_ASSIGN(const auto writer,
                       ArchiveWriter::Create(Compression::kNone, [&](ByteView bytes) {
                         archive += AsText(bytes);
                         return Status::Ok();
                       }));
  for (const std::string& name : names) ASSERT_OK(writer->Begin({.name = name}));
  ASSERT_OK(writer->Finish());
  ASSERT_OK_AND_ASSIGN(const auto reader, ArchiveReader::Open(FeedOf(archive)));
  for (const std::string& name : names) {
    ASSERT_OK_AND_ASSIGN(const auto entry, reader->Next());
    ASSERT_TRUE(entry.has_value());
    EXPECT_EQ(entry->name, name);
    ASSERT_OK(reader->Read([](ByteView) { return Status::Ok(); }));
  }
}

}  // namespace
}  // namespace milvus_backup::backup
