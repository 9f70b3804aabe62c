#include "seal.h"

#include "manifest_build.h"
#include "run_lock.h"

#include "milvus_backup/base/checksum.h"
#include "milvus_backup/base/clock.h"
#include "milvus_backup/meta/codec.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/meta/manifest.h"
#include "milvus_backup/meta/run_record.h"

#include <fmt/format.h>

#include <memory>
#include <utility>

namespace milvus_backup::backup {
Result<std::string> SealBackup(const CallContext& ctx, const Place& place, const std::string& name,
                               const HashIndex& read) {
  storage::Backend& backend = *place.backend;
  MB_ASSIGN_OR_RETURN(const std::string backup_dir, meta::BackupDir(place.root, name));
  const meta::RunRecord record = meta::NewRunRecord(kSealOperation, name);
  MB_ASSIGN_OR_RETURN(const std::unique_ptr<RunLock> lock,
                      RunLock::Acquire(ctx, backend, BackupLockDir(place.root, name), record));
  const std::string header = meta::MetaKey(backup_dir, meta::MetaFile::kHeader);
  MB_ASSIGN_OR_RETURN(const std::string found,
                      storage::ReadAll(ctx, backend, header, kMaxHeaderBytes));
  MB_ASSIGN_OR_RETURN(const meta::BackupInfo info,
                      meta::DecodeBackup(meta::SourceOf(found), header));
  if (!info.manifest_sha256.empty()) {
    return AlreadyExistsError("backup " + name + " was given a manifest meanwhile");
  }
  std::string text = meta::WithoutManifest(found);
  const std::string marker = meta::MarkerKey(backup_dir);
  MB_RETURN_IF_ERROR(meta::WriteRunRecord(ctx, backend, marker, record));
  const std::string sealed = FormatIso8601(Clock::Real().WallNow());
  MB_ASSIGN_OR_RETURN(
      const BuiltManifest built,
      BuildManifest(ctx, backend, backup_dir, {.header = text, .sealed = sealed, .known = &read}));
  MB_ASSIGN_OR_RETURN(text, meta::WithManifest(text, built.sha256));
  MB_RETURN_IF_ERROR(lock->Check(ctx));
  const ByteView body = AsBytes(text);
  const auto written = backend.Put(ctx, header, body, {.crc32c = Crc32c(body)});
  if (!written.ok()) return written.status().Annotate("writing " + header);
  MB_RETURN_IF_ERROR(backend.Delete(ctx, marker).Annotate("removing the marker " + marker));
  return sealed;
}

}  // namespace milvus_backup::backup
