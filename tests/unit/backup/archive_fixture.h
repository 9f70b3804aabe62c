/// Two storages in memory, and archives between them that tests take apart and put together again.
#pragma once

#include "backup/archive_stream.h"
#include "copy_fixture.h"

#include "milvus_backup/backup/archive.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace milvus_backup::backup {

/// An entry as its header says it; `type` as in POSIX ustar.
struct TarEntry {
  std::string name;
  std::string bytes;
  char type = '0';
  std::string link{};
  /// When it is to be another than that of `bytes`.
  std::optional<uint64_t> claimed_size{};
};

/// Written by hand, so that it can be what no sound program writes (POSIX.1-2017, pax, "ustar
/// Interchange Format").
inline std::string Tar(const std::vector<TarEntry>& entries) {
  std::string tar;
  for (const TarEntry& entry : entries) {
    std::string header(512, '\0');
    const auto put = [&](size_t at, const std::string& text) {
      header.replace(at, text.size(), text);
    };
    put(0, entry.name);
    put(100, "0000644");
    put(108, "0000000");
    put(116, "0000000");
    put(124, fmt::format("{:011o}", entry.claimed_size.value_or(entry.bytes.size())));
    put(136, "00000000000");
    put(148, "        ");
    put(156, std::string(1, entry.type));
    put(157, entry.link);
    put(257, std::string("ustar\0"
                         "00",
                         8));
    const uint32_t sum =
        std::accumulate(header.begin(), header.end(), 0U,
                        [](uint32_t all, char c) { return all + static_cast<unsigned char>(c); });
    put(148, fmt::format("{:06o}", sum) + std::string("\0 ", 2));
    tar += header + entry.bytes;
    tar.resize((tar.size() + 511) / 512 * 512);
  }
  return tar + std::string(1024, '\0');
}

inline ByteFeed FeedOf(std::string_view text, size_t at_once = 100000) {
  return [text, at_once](std::span<std::byte> to) mutable -> Result<size_t> {
    const size_t size = std::min({to.size(), text.size(), at_once});
    std::memcpy(to.data(), text.data(), size);
    text.remove_prefix(size);
    return size;
  };
}

class ArchiveTest : public CopyTest {
 protected:
  static constexpr const char* kDir = "a/b/";

  ArchiveTest() { import_.part_size = 256 * kKiB; }

  /// A sealed backup of a few small objects.
  void PutSmallBackup(const std::string& dir, char fill = 'x') {
    for (int field = 100; field < 104; ++field) {
      Put(source_, fmt::format("{}binlogs/insert_log/7/70/700/700/{}/1", dir, field),
          std::string(300, static_cast<char>(fill + field - 100)));
    }
    Put(source_, dir + "meta/full_meta.json", std::string("{\"id\":\"") + fill + "\"}");
    Put(source_, dir + "meta/collection_meta.json", "{}");
    Put(source_, dir + kHeader, std::string("{\"id\":\"") + fill + "\",\"size\":0}");
    Seal(source_, dir);
  }

  Place From() { return {.backend = &source_, .root = "a"}; }
  Place To() { return {.backend = &destination_, .root = "c"}; }

  Result<ExportReport> ExportTo(std::string& archive,
                                Compression compression = Compression::kNone) {
    archive.clear();
    return ExportBackup({}, From(), {.name = "b", .compression = compression}, [&](ByteView bytes) {
      archive += AsText(bytes);
      return Status::Ok();
    });
  }
  std::string Exported(Compression compression = Compression::kNone) {
    std::string archive;
    EXPECT_OK(ExportTo(archive, compression));
    return archive;
  }
  Result<ImportReport> Import(std::string_view archive) {
    return ImportBackup({}, To(), import_, FeedOf(archive));
  }
  static std::vector<TarEntry> Entries(std::string_view archive) {
    std::vector<TarEntry> entries;
    auto reader = ArchiveReader::Open(FeedOf(archive));
    EXPECT_OK(reader);
    while (reader.ok()) {
      auto next = (*reader)->Next();
      EXPECT_OK(next);
      if (!next.ok() || !*next) break;
      TarEntry entry{.name = (*next)->name, .bytes = ""};
      EXPECT_OK((*reader)->Read([&](ByteView bytes) {
        entry.bytes += AsText(bytes);
        return Status::Ok();
      }));
      entries.push_back(std::move(entry));
    }
    return entries;
  }
  /// The archive is refused, and nothing is left of it.
  void ExpectRefused(std::string_view archive, Code code, const std::string& text) {
    const auto imported = Import(archive);
    EXPECT_THAT(imported.status(), testing::IsError(code, text));
    EXPECT_THAT(Keys(Copied("")), ::testing::IsEmpty());
  }

  ImportOptions import_;
};

}  // namespace milvus_backup::backup
