/// Objects in memory behind a wrapper that writes down every change and fails when told to.
/// Thread-safe; set the script while no call is running.
#pragma once

#include "milvus_backup/storage/intercepting_backend.h"

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace milvus_backup::meta::testing {

class ScriptedBackend final : public storage::InterceptingBackend {
 public:
  explicit ScriptedBackend(uint32_t page_size = 1000);

  /// The change with this number (from 0) and all after it fail, as if the machine had died.
  size_t fail_from_change = SIZE_MAX;
  /// Reading this key fails with kUnavailable.
  std::string unreadable_key;
  /// Reading and listing below this prefix fails with kPermissionDenied, unless it is empty.
  std::string forbidden_prefix;
  /// Called at the beginning of every read, on its thread.
  std::function<void()> before_read;
  /// DeleteMany reports this key as failed.
  std::string undeletable_key;

  /// What was done so far: `put KEY`, `complete KEY`, `delete KEY` or `delete_many`.
  std::vector<std::string> changes() const;
  void ForgetChanges();

  /// Around the script.
  void Store(const std::string& key, const std::string& content);
  void Erase(const std::string& key);
  /// Every key with its content.
  std::map<std::string, std::string> Contents();

  Result<std::vector<storage::DeleteFailure>> DeleteMany(
      const CallContext& ctx, const std::vector<std::string>& keys) override;

 protected:
  Status Around(const CallContext& ctx, const storage::CallInfo& info,
                storage::CallRef call) override;

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> changes_;
};

}  // namespace milvus_backup::meta::testing
