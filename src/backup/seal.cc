#include "seal.h"

#include "manifest_build.h"

#include "milvus_backup/backup/run_lock.h"
#include "milvus_backup/base/checksum.h"
#include "milvus_backup/base/clock.h"
#include "milvus_backup/base/log.h"
#include "milvus_backup/meta/codec.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/meta/manifest.h"
#include "milvus_backup/meta/run_record.h"
#include "milvus_backup/meta/writer.h"
#include "milvus_backup/storage/tree.h"

#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <utility>

namespace milvus_backup::backup {
namespace {

/// Time that removing what a failed run has written may take.
constexpr std::chrono::seconds kCleanUpLimit{30};

/// On a context of its own, for the command's may have been cancelled.
CallContext CleanUpContext() { return {{}, std::chrono::steady_clock::now() + kCleanUpLimit}; }

/// The manifest, while the header does not speak of it, and then the marker that says why.
Status RemoveUnfinished(storage::Backend& backend, const std::string& backup_dir) {
  const CallContext ctx = CleanUpContext();
  MB_RETURN_IF_ERROR(backend.Delete(ctx, meta::ManifestKey(backup_dir)));
  MB_RETURN_IF_ERROR(
      storage::DeleteTree(ctx, backend, meta::ManifestPartsDir(backup_dir)).status());
  return backend.Delete(ctx, meta::MarkerKey(backup_dir));
}

/// Everything before the header is written: its text with the manifest's hash.
Result<std::string> WriteManifest(const CallContext& ctx, storage::Backend& backend,
                                  const std::string& backup_dir, const std::string& header,
                                  const std::string& sealed, const HashIndex& read) {
  MB_ASSIGN_OR_RETURN(const BuiltManifest built,
                      BuildManifest(ctx, backend, backup_dir,
                                    {.header = header, .sealed = sealed, .known = &read}));
  return meta::WithManifest(header, built.sha256);
}

}  // namespace

Result<std::string> SealBackup(const CallContext& ctx, const Place& place, const std::string& name,
                               const HashIndex& read) {
  storage::Backend& backend = *place.backend;
  MB_ASSIGN_OR_RETURN(const std::string backup_dir, meta::BackupDir(place.root, name));
  const meta::RunRecord record = meta::NewRunRecord(kSealOperation, name);
  MB_ASSIGN_OR_RETURN(const std::unique_ptr<RunLock> lock,
                      RunLock::Acquire(ctx, backend, BackupLockDir(place.root, name), record));
  // The marker could be written there and never be removed.
  MB_RETURN_IF_ERROR(meta::CheckDeletable(ctx, backend, backup_dir));
  const std::string header = meta::MetaKey(backup_dir, meta::MetaFile::kHeader);
  MB_ASSIGN_OR_RETURN(const std::string found,
                      storage::ReadAll(ctx, backend, header, kMaxHeaderBytes));
  MB_ASSIGN_OR_RETURN(const meta::BackupInfo info,
                      meta::DecodeBackup(meta::SourceOf(found), header));
  if (!info.manifest_sha256.empty()) {
    return AlreadyExistsError("backup " + name + " was given a manifest meanwhile");
  }
  const std::string marker = meta::MarkerKey(backup_dir);
  MB_RETURN_IF_ERROR(meta::WriteRunRecord(ctx, backend, marker, record));
  const std::string sealed = FormatIso8601(Clock::Real().WallNow());
  auto text = WriteManifest(ctx, backend, backup_dir, meta::WithoutManifest(found), sealed, read);
  Status ready = text.ok() ? ctx.Check() : text.status();
  // Without the lock what is there may be another run's, and finished.
  Status ours = lock->Check(CleanUpContext());
  if (!ready.ok() || !ours.ok()) {
    if (ours.ok()) ours = RemoveUnfinished(backend, backup_dir);
    if (!ours.ok()) log::Warn("what sealing {} has written is left: {}", name, ours.ToString());
    return ready.ok() ? ours : ready;
  }
  // From here on the manifest may be the header's, whatever the answer is.
  const ByteView body = AsBytes(*text);
  const auto written = backend.Put(ctx, header, body, {.crc32c = Crc32c(body)});
  if (!written.ok()) return written.status().Annotate("writing " + header);
  MB_RETURN_IF_ERROR(backend.Delete(ctx, marker).Annotate("removing the marker " + marker));
  return sealed;
}

}  // namespace milvus_backup::backup
