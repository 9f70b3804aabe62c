#include "milvus_backup/meta/manifest.h"

#include "sample_backup.h"
#include "scripted_backend.h"
#include "support/status_matchers.h"

#include "milvus_backup/base/bytes.h"
#include "milvus_backup/base/checksum.h"
#include "milvus_backup/meta/codec.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace milvus_backup::meta {
namespace {

using milvus_backup::testing::IsError;
using testing::GoldenMeta;
using testing::ScriptedBackend;

ManifestIndex Golden() {
  std::string sha256;
  std::string header_sha256;
  for (int i = 0; i < 32; ++i) {
    sha256 += "ab";
    header_sha256 += "cd";
  }
  return {
      .tool = "0.1.0",
      .header_sha256 = header_sha256,
      .objects = 2,
      .bytes = 12,
      .parts = {
          {.path = "meta/manifest/00000.jsonl.zst", .size = 77, .sha256 = sha256, .objects = 2}}};
}

class ManifestTest : public ::testing::Test {
 protected:
  static std::vector<ManifestEntry> Entries(size_t count) {
    std::vector<ManifestEntry> entries;
    for (size_t i = 0; i < count; ++i) {
      const std::string path = fmt::format("binlogs/insert_log/1/2/3/3/100/{:06}", i);
      ManifestEntry entry{path, i, {}};
      if (i % 3 != 0) entry.hash.crc32c = Crc32c(AsBytes(path));
      if (i % 3 != 1) entry.hash.md5 = Md5(AsBytes(path));
      entries.push_back(std::move(entry));
    }
    return entries;
  }

  /// Returns the hash for the header.
  std::string Write(const std::vector<ManifestEntry>& entries, size_t part_bytes = 4 * kMiB) {
    ManifestWriter writer(backend_, dir_, {.tool = "0.1.0", .part_bytes = part_bytes});
    for (const ManifestEntry& entry : entries) EXPECT_OK(writer.Add(ctx_, entry));
    auto sha256 = writer.Finish(ctx_);
    EXPECT_OK(sha256);
    return sha256.ok() ? *sha256 : "";
  }

  Result<std::vector<ManifestEntry>> Read(const std::string& sha256) {
    MB_ASSIGN_OR_RETURN(const std::unique_ptr<ManifestReader> reader,
                        ManifestReader::Open(ctx_, backend_, dir_, sha256));
    if (reader == nullptr) return NotFoundError("no manifest");
    std::vector<ManifestEntry> entries;
    while (true) {
      MB_ASSIGN_OR_RETURN(std::optional<ManifestEntry> entry, reader->Next(ctx_));
      if (!entry) return entries;
      entries.push_back(*std::move(entry));
    }
  }

  std::string Content(const std::string& key) { return backend_.Contents()[key]; }

  CallContext ctx_;
  ScriptedBackend backend_;
  const std::string dir_ = "backup/demo/";
  const std::string part_key_ = "backup/demo/meta/manifest/00000.jsonl.zst";
};

TEST_F(ManifestTest, IndexIsWrittenAsDocumented) {
  EXPECT_EQ(EncodeManifestIndex(Golden()), GoldenMeta("manifest.json"));
  ASSERT_OK_AND_ASSIGN(const ManifestIndex read,
                       DecodeManifestIndex(GoldenMeta("manifest.json"), "m"));
  EXPECT_EQ(read, Golden());
}

TEST_F(ManifestTest, EveryChangeOfTheIndexIsNoticed) {
  const std::string text = GoldenMeta("manifest.json");
  for (size_t i = 0; i < text.size(); ++i) {
    std::string changed = text;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    EXPECT_THAT(DecodeManifestIndex(changed, "m").status(), IsError(Code::kDataLoss, "m")) << i;
    EXPECT_THAT(DecodeManifestIndex(text.substr(0, i), "m").status(), IsError(Code::kDataLoss, "m"))
        << i;
  }
}

TEST_F(ManifestTest, IndexThatNamesOtherObjectsIsRefused) {
  ManifestIndex index = Golden();
  index.parts[0].path = "../other/meta/manifest/00000.jsonl.zst";
  EXPECT_THAT(DecodeManifestIndex(EncodeManifestIndex(index), "m").status(),
              IsError(Code::kDataLoss, "parts"));
}

TEST_F(ManifestTest, EntriesComeBackInOrderFromSeveralParts) {
  const std::vector<ManifestEntry> entries = Entries(20000);
  const std::string sha256 = Write(entries, 100'000);
  EXPECT_GT(backend_.Contents().size(), 3U);
  ASSERT_OK_AND_ASSIGN(const std::vector<ManifestEntry> read, Read(sha256));
  EXPECT_EQ(read, entries);
}

TEST_F(ManifestTest, EmptyManifestIsOne) {
  const std::string sha256 = Write({});
  ASSERT_OK_AND_ASSIGN(const std::vector<ManifestEntry> read, Read(sha256));
  EXPECT_TRUE(read.empty());
}

TEST_F(ManifestTest, ShorterManifestLeavesNoPartsOfALongerOne) {
  Write(Entries(20000), 100'000);
  const std::string sha256 = Write(Entries(3));
  EXPECT_EQ(backend_.Contents().size(), 2U);
  ASSERT_OK_AND_ASSIGN(const std::vector<ManifestEntry> read, Read(sha256));
  EXPECT_EQ(read, Entries(3));
}

TEST_F(ManifestTest, WriterRefusesWhatWouldBeNoManifest) {
  ManifestWriter writer(backend_, dir_, {.tool = "0.1.0"});
  const ContentHash hash{.crc32c = 1};
  ASSERT_OK(writer.Add(ctx_, {"b", 1, hash}));
  EXPECT_THAT(writer.Add(ctx_, {"b", 1, hash}), IsError(Code::kInvalidArgument, "after b"));
  EXPECT_THAT(writer.Add(ctx_, {"a", 1, hash}), IsError(Code::kInvalidArgument, "a comes after"));
  EXPECT_THAT(writer.Add(ctx_, {"c", 1, {}}), IsError(Code::kInvalidArgument, "bytes of c"));
  EXPECT_THAT(writer.Add(ctx_, {"c\xff", 1, hash}), IsError(Code::kInvalidArgument, "c%FF"));
}

TEST_F(ManifestTest, HeaderAndManifestMustSpeakOfEachOther) {
  EXPECT_THAT(Read("").status(), IsError(Code::kNotFound, "no manifest"));
  EXPECT_THAT(Read(std::string(64, '0')).status(),
              IsError(Code::kDataLoss, "meta/manifest.json is missing"));
  const std::string sha256 = Write(Entries(3));
  EXPECT_THAT(Read("").status(), IsError(Code::kDataLoss, "backup_meta.json does not speak of"));
  EXPECT_THAT(Read(std::string(64, '0')).status(), IsError(Code::kDataLoss, "is not the manifest"));
  ASSERT_OK(Read(sha256));
}

TEST_F(ManifestTest, DamagedPartIsNamed) {
  const std::string sha256 = Write(Entries(50));
  const std::string part = Content(part_key_);
  for (size_t i = 0; i < part.size(); ++i) {
    std::string changed = part;
    changed[i] = static_cast<char>(changed[i] ^ 0x10);
    backend_.Store(part_key_, changed);
    EXPECT_THAT(Read(sha256).status(), IsError(Code::kDataLoss, part_key_)) << i;
  }
  backend_.Store(part_key_, part + "x");
  EXPECT_THAT(Read(sha256).status(), IsError(Code::kDataLoss, part_key_));
  backend_.Erase(part_key_);
  EXPECT_THAT(Read(sha256).status(), IsError(Code::kDataLoss, part_key_ + " is missing"));
}

/// A part whose hash is right but whose content is not what a writer makes.
TEST_F(ManifestTest, HostilePartsAreRefused) {
  const auto read = [&](const std::string& frame, uint64_t objects) {
    backend_.Store(part_key_, frame);
    const ManifestIndex index{.tool = "x",
                              .objects = objects,
                              .bytes = 0,
                              .parts = {{.path = "meta/manifest/00000.jsonl.zst",
                                         .size = frame.size(),
                                         .sha256 = HexEncode(Sha256(AsBytes(frame))),
                                         .objects = objects}}};
    const std::string text = EncodeManifestIndex(index);
    backend_.Store("backup/demo/meta/manifest.json", text);
    return Read(HexEncode(Sha256(AsBytes(text)))).status();
  };
  EXPECT_THAT(read("no zstd at all", 1), IsError(Code::kDataLoss, "not zstd"));
  EXPECT_THAT(read("", 1), IsError(Code::kDataLoss, "cut short"));
  Write(Entries(50));
  const std::string frame = Content(part_key_);
  EXPECT_THAT(read(frame.substr(0, frame.size() / 2), 50), IsError(Code::kDataLoss, part_key_));
  EXPECT_THAT(read(frame + frame, 100), IsError(Code::kDataLoss, "after its end"));
  EXPECT_THAT(read(frame, 49), IsError(Code::kDataLoss, "another number of objects"));
  EXPECT_THAT(read(frame, 50), IsError(Code::kDataLoss, "add up"));
}

TEST_F(ManifestTest, IndexOfANewerFormatIsNotCalledDamaged) {
  std::string text = GoldenMeta("manifest.json");
  text.replace(text.find("\"min_reader\":1"), 14, "\"min_reader\":2");
  const size_t end = text.rfind(",\"checksum\"");
  text = text.substr(0, end) + ",\"checksum\":\"" +
         HexEncode(Sha256(AsBytes(text.substr(0, end)))) + "\"}";
  EXPECT_THAT(DecodeManifestIndex(text, "m").status(), IsError(Code::kUnimplemented, "newer"));
}

TEST_F(ManifestTest, HeaderTakesTheHashAsItsLastMember) {
  const std::string sha256(64, '5');
  ASSERT_OK_AND_ASSIGN(const std::string with, WithManifest("{\"id\":\"x\" }\n", sha256));
  EXPECT_EQ(with, "{\"id\":\"x\" ,\"manifest_sha256\":\"" + sha256 + "\"}");
  EXPECT_EQ(WithoutManifest(with), "{\"id\":\"x\" }");
  EXPECT_EQ(WithoutManifest("{\"id\":\"x\"} \n"), "{\"id\":\"x\"}");
  EXPECT_THAT(WithManifest("[]", sha256).status(), IsError(Code::kDataLoss, "object"));
  // What the encoder writes is the same.
  BackupInfo info = testing::SampleBackup();
  const auto header = [&] {
    return EncodeToString([&](const TextSink& sink) { return EncodeHeader(info, sink); });
  };
  const std::string without = header();
  info.manifest_sha256 = sha256;
  EXPECT_EQ(header(), *WithManifest(without, sha256));
  EXPECT_EQ(WithoutManifest(header()), without);
}

TEST_F(ManifestTest, HeaderMarkerAndManifestAreNotListed) {
  for (const char* path : {"meta/backup_meta.json", "meta/run.json", "meta/manifest.json",
                           "meta/manifest/00000.jsonl.zst"}) {
    EXPECT_TRUE(IsOutsideManifest(path)) << path;
  }
  for (const char* path : {"meta/full_meta.json", "binlogs/insert_log/1/2/3/3/0/1", "meta/x"}) {
    EXPECT_FALSE(IsOutsideManifest(path)) << path;
  }
}

}  // namespace
}  // namespace milvus_backup::meta
