/// Backups as one file: a tar archive, compressed or not, that is written and read as a stream
/// (docs/format.md, "One file").
#pragma once

#include "milvus_backup/backup/site.h"
#include "milvus_backup/base/bytes.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/transfer/progress.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace milvus_backup::backup {

enum class Compression { kNone, kGzip, kZstd, kXz };

/// Takes the next bytes of an archive. An error ends the export and is returned unchanged.
using ByteSink = std::function<Status(ByteView)>;
/// Puts the next bytes of an archive into the span, as many as there are, at least one; 0 at its
/// end. An error ends the import and is returned unchanged.
using ByteFeed = std::function<Result<size_t>(std::span<std::byte>)>;

struct ExportOptions {
  /// Of the backup.
  std::string name;
  Compression compression = Compression::kZstd;
  /// Ceiling of what is read ahead, bytes.
  size_t memory_bytes = 10 * kMiB;
  /// May be null.
  transfer::Progress* progress = nullptr;
};

struct ExportReport {
  std::string name;
  uint64_t objects = 0;
  /// Of the objects.
  uint64_t bytes = 0;
  /// Of the archive.
  uint64_t archive_bytes = 0;
  /// Whether the bytes of the objects were proved by the backup's manifest, and can be again.
  bool has_manifest = false;
  /// What is no failure but worth knowing, one sentence each.
  std::vector<std::string> warnings;
  double seconds = 0;
};

/// Write a backup into `sink`, from the calling thread. The backup gets the quick check of `verify`
/// first, and every object is compared with the manifest, where there is one, on its way. It is
/// locked for reading meanwhile, where a lock can be left.
///
/// kNotFound (no such backup), kFailedPrecondition (an unfinished or partial one, or a key that no
/// archive can hold) and kDataLoss (damaged, naming the object). What the sink has got before an
/// error is no whole archive: import refuses it.
Result<ExportReport> ExportBackup(const CallContext& ctx, const Place& place,
                                  const ExportOptions& options, const ByteSink& sink);

struct ImportOptions {
  /// Of the backup in the storage; empty takes the name it was exported with.
  std::string name;
  /// Ceiling of the buffers, bytes.
  size_t memory_bytes = 32 * kMiB;
  /// Larger objects go in parts of it, bytes.
  uint64_t part_size = 8 * kMiB;
  /// Objects, and parts of an object, that are sent at once.
  size_t parallel = 8;
  /// May be null.
  transfer::Progress* progress = nullptr;
};

struct ImportReport {
  std::string name;
  uint64_t objects = 0;
  uint64_t bytes = 0;
  /// Whether a manifest has proved the bytes; without one only names and sizes were checked.
  bool has_manifest = false;
  /// An earlier import had brought all of it and only not removed its marker; the feed was not
  /// read to its end.
  bool already_there = false;
  /// What an unfinished import of the same backup had left was replaced.
  bool resumed = false;
  /// The missing bucket or directory was made.
  bool made_destination = false;
  std::vector<std::string> warnings;
  double seconds = 0;
};

/// Bring the backup of an archive into `place`. Each object is checked as it comes: that it belongs
/// there, once, in its order, with the size and, where the archive has a manifest, the bytes of the
/// manifest. The header is written last, when all of the archive has been read and what lies in the
/// storage was listed.
///
/// kDataLoss naming the object for an archive that is damaged, cut short or not one of ours;
/// kAlreadyExists when something is in the way under this name or another run works on it. What an
/// import that failed has written is removed; one that was killed, or cannot remove it, leaves an
/// unfinished backup, which the same import replaces and `delete` removes.
Result<ImportReport> ImportBackup(const CallContext& ctx, const Place& place,
                                  const ImportOptions& options, const ByteFeed& feed);

}  // namespace milvus_backup::backup
