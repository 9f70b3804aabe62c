/// The files and streams that one-file backups are written to and read from.
#pragma once

#include "milvus_backup/backup/archive.h"
#include "milvus_backup/base/bytes.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"

#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace milvus_backup::cli {

/// `-`: stdin or stdout.
bool IsStandardStream(const std::string& path);

/// What the end of a file name says: `.tar`, `.tar.gz`, `.tgz`, `.tar.zst`, `.tar.xz`.
/// kInvalidArgument for others.
Result<backup::Compression> CompressionOf(const std::string& path);

/// Where an archive goes. Used by one thread.
class ArchiveOutput {
 public:
  /// A file that appears under its name by Commit; until then it lies beside it under a name of its
  /// own. kAlreadyExists when one is there that must not be replaced, kInvalidArgument for what is
  /// no file.
  static Result<std::unique_ptr<ArchiveOutput>> OpenFile(const std::string& path, bool overwrite);
  /// An open stream, which is closed at the end.
  static std::unique_ptr<ArchiveOutput> OverStream(int stream, std::string name);
  ArchiveOutput(const ArchiveOutput&) = delete;
  ArchiveOutput& operator=(const ArchiveOutput&) = delete;
  /// Without a Commit the file is removed.
  ~ArchiveOutput();

  /// A stream that nobody reads is waited for until a stop is requested. kResourceExhausted when
  /// there is no space.
  Status Write(const CallContext& ctx, ByteView bytes);
  /// Make what was written last, and name it.
  Status Commit();

 private:
  ArchiveOutput() = default;
  Status Fail(const char* doing, int error) const;

  int file_ = -1;
  /// For messages, and where the file goes.
  std::string path_;
  /// Empty for a stream.
  std::string temporary_;
  bool overwrite_ = false;
};

/// Where an archive comes from. Used by one thread.
class ArchiveInput {
 public:
  /// Open a file, or stdin. kNotFound for one that is not there.
  static Result<std::unique_ptr<ArchiveInput>> Open(const std::string& path);
  ArchiveInput(const ArchiveInput&) = delete;
  ArchiveInput& operator=(const ArchiveInput&) = delete;
  ~ArchiveInput();

  /// As backup::ByteFeed; waits for a stream until a stop is requested.
  Result<size_t> Read(const CallContext& ctx, std::span<std::byte> to);

 private:
  ArchiveInput() = default;

  int file_ = -1;
  std::string path_;
};

}  // namespace milvus_backup::cli
