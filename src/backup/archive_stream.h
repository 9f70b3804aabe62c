/// Tar files as streams of bytes, by libarchive. Both classes are used by one thread.
#pragma once

#include "milvus_backup/backup/archive.h"
#include "milvus_backup/base/bytes.h"
#include "milvus_backup/base/status.h"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace milvus_backup::backup {

/// A regular file in an archive.
struct ArchiveEntry {
  std::string name;
  /// Bytes.
  uint64_t size = 0;
  std::chrono::system_clock::time_point modified{};
};

/// Writes restricted pax: plain ustar headers unless a name is too long or an object too large for
/// them. Destroyed before Finish it writes nothing more.
class ArchiveWriter {
 public:
  /// An error of `sink` ends the writing and is returned unchanged.
  static Result<std::unique_ptr<ArchiveWriter>> Create(Compression compression, ByteSink sink);
  ArchiveWriter(const ArchiveWriter&) = delete;
  ArchiveWriter& operator=(const ArchiveWriter&) = delete;
  ~ArchiveWriter();

  /// Begin an entry, whose `size` bytes are to follow by Write.
  Status Begin(const ArchiveEntry& entry);
  Status Write(ByteView bytes);
  /// After the last entry: the end of the archive and of its compression.
  Status Finish();
  /// Handed to the sink by now.
  uint64_t bytes_written() const;

 private:
  struct State;
  explicit ArchiveWriter(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Reads tar files of any flavour, plain or compressed by gzip, zstd or xz. What is no regular file
/// with a name is refused, and so is everything that libarchive takes for damaged: kDataLoss.
class ArchiveReader {
 public:
  /// Reads from `feed` what tells the format. An error of `feed` is returned unchanged, here and
  /// later.
  static Result<std::unique_ptr<ArchiveReader>> Open(ByteFeed feed);
  ArchiveReader(const ArchiveReader&) = delete;
  ArchiveReader& operator=(const ArchiveReader&) = delete;
  ~ArchiveReader();

  /// The next entry; none once the feed has ended behind the end of the archive.
  Result<std::optional<ArchiveEntry>> Next();
  /// All bytes of the entry that Next gave. kDataLoss when they are not as many as it said. An
  /// error of `sink` is returned unchanged.
  Status Read(const std::function<Status(ByteView)>& sink);

 private:
  struct State;
  explicit ArchiveReader(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace milvus_backup::backup
