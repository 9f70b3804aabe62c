/// What a copy leaves at the destination while it works: that it is unfinished, and which multipart
/// uploads may be open.
#pragma once

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/meta/run_record.h"
#include "milvus_backup/storage/backend.h"
#include "milvus_backup/transfer/upload_ledger.h"

#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace milvus_backup::backup {

/// One object in the storage, rewritten whenever an upload begins; changes that come together are
/// written together. Thread-safe.
class CopyMarker final : public transfer::UploadLedger {
 public:
  /// `key` is the marker's own; uploads are recorded relative to `dir`, which all their keys begin
  /// with. Writes nothing.
  CopyMarker(storage::Backend& backend, std::string key, std::string dir, meta::RunRecord record);

  /// The marker at `key` that an earlier run left, whatever its operation.
  Result<std::optional<meta::RunRecord>> ReadLeft(const CallContext& ctx) const;
  /// Go on with the uploads of an earlier run: one per key stays open for the engine to find,
  /// others of the same keys are ended.
  Status TakeOver(const CallContext& ctx, const meta::RunRecord& left);

  const std::string& run_id() const { return record_.run_id; }
  /// Say that a copy is at work here.
  Status Write(const CallContext& ctx);
  /// Record full keys before their uploads begin: a process that is killed between the start of an
  /// upload and Note leaves one behind whose id nobody knows.
  Status Announce(const CallContext& ctx, const std::vector<std::string>& keys);

  std::optional<Entry> Find(const std::string& key) override;
  Status Note(const CallContext& ctx, const Entry& entry) override;
  /// Not written down at once: an upload that is gone does no harm.
  Status Forget(const CallContext& ctx, const std::string& key) override;

  /// End the uploads that nobody has forgotten: of objects that are no longer copied.
  Status EndUploads(const CallContext& ctx);
  bool has_uploads() const;
  /// Remove the object, if this run wrote or found it.
  Status End(const CallContext& ctx);

 private:
  std::string Relative(const std::string& key) const { return key.substr(dir_.size()); }
  /// Write the current state, or wait for another thread that does.
  Status Save(const CallContext& ctx, std::unique_lock<std::mutex>& lock);

  storage::Backend& backend_;
  const std::string key_;
  const std::string dir_;
  mutable std::mutex mutex_;
  std::condition_variable saved_;
  const meta::RunRecord record_;
  /// By relative key.
  std::map<std::string, meta::OpenUpload> uploads_;
  /// Counts changes; `written_version_` is the last one in the storage.
  uint64_t version_ = 0;
  uint64_t written_version_ = 0;
  bool saving_ = false;
  bool is_there_ = false;
};

}  // namespace milvus_backup::backup
