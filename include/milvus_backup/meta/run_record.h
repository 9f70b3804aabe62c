/// What a run leaves in storage while it works: its lock (`<backup root>/.locks/<name>/<run>.json`)
/// and its marker (`meta/run.json` of an unfinished backup, `restore-temp-<run>/run.json` of a
/// restore, whose collections have records of their own: restore_progress.h). One JSON object,
/// documented in docs/format.md. Functions without state, thread-safe.
#pragma once

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/process.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/storage/backend.h"

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace milvus_backup::meta {

/// A multipart upload of a copy that may be unfinished.
struct OpenUpload {
  /// Relative to the directory that the marker speaks of.
  std::string key;
  /// Empty while the upload is only about to be started.
  std::string upload_id;
  /// The source when the upload was started; sizes in bytes.
  std::string source_etag;
  uint64_t source_size = 0;
  uint64_t part_size = 0;
  friend bool operator==(const OpenUpload&, const OpenUpload&) = default;
};

struct RunRecord {
  std::string run_id;
  /// `create`, `delete`, `prune`, `tag`, `restore`, `copy` or `import` (into the backup) or `read`
  /// (from it).
  std::string operation;
  /// Name of the backup.
  std::string backup;
  /// Host and start (RFC 3339, UTC), for people.
  std::string host;
  std::string started;
  ProcessMark process;
  /// Lock only: its run has seen that no other run was there before it.
  bool held = false;
  /// create: keys relative to the backup directory that may have an unfinished multipart upload.
  std::vector<std::string> uploads;
  /// copy, import: by key.
  std::vector<OpenUpload> open_uploads;
  /// create that takes a partial backup up: the ids of the collections that it has, and the names
  /// of those it lacks. Its header tells them too, but goes before the new one comes.
  std::set<int64_t> kept;
  std::vector<std::string> missing;
  /// create: how the rows are taken (`--strategy`), empty in older markers, and whether users and
  /// roles are.
  std::string strategy;
  bool rbac = false;
  /// restore: its targets, `db.collection`.
  std::set<std::string> targets;
  /// import: SHA-256 of the backup's header, which tells whether another archive is the same.
  std::string header_sha256;
  friend bool operator==(const RunRecord&, const RunRecord&) = default;

  /// `create by process 12 on host since 2026-01-02T03:04:05Z`.
  std::string ToString() const;
};

/// A record of this process, with a new random id.
RunRecord NewRunRecord(std::string operation, std::string backup);

std::string EncodeRunRecord(const RunRecord& record);
/// kDataLoss naming `what` when the text is not a record. Unknown keys are ignored.
Result<RunRecord> DecodeRunRecord(std::string_view text, std::string_view what);

/// Key of the marker of an unfinished backup: `<backup_dir>meta/run.json`.
std::string MarkerKey(std::string_view backup_dir);

Status WriteRunRecord(const CallContext& ctx, storage::Backend& backend, const std::string& key,
                      const RunRecord& record);
/// None when nothing is at `key`.
Result<std::optional<RunRecord>> ReadRunRecord(const CallContext& ctx, storage::Backend& backend,
                                               const std::string& key);

}  // namespace milvus_backup::meta
