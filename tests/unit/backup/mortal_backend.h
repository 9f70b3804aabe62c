/// A storage that falls silent in the middle of a run, as a killed process leaves it.
#pragma once

#include "support/status_matchers.h"

#include "milvus_backup/meta/run_record.h"
#include "milvus_backup/storage/intercepting_backend.h"
#include "milvus_backup/storage/memory_backend.h"
#include "milvus_backup/storage/tree.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <vector>

namespace milvus_backup::backup {

constexpr uint64_t kForever = std::numeric_limits<uint64_t>::max();

/// A storage that falls silent.
class MortalBackend final : public storage::InterceptingBackend {
 public:
  MortalBackend() : InterceptingBackend(storage::MakeMemoryBackend()) {}

  /// From now on so many calls are made. With `last_is_lost` the last of them is carried out and
  /// not answered.
  void Live(uint64_t calls, bool last_is_lost = false) {
    alive_ = calls;
    last_is_lost_ = last_is_lost;
    calls_ = 0;
  }
  uint64_t calls() const { return calls_; }
  /// Called before every call, also before those it makes itself; set it while nothing runs.
  std::function<void(const storage::CallInfo&)> before_call;

 protected:
  Status Around(const CallContext&, const storage::CallInfo& info, storage::CallRef call) override {
    if (before_call) before_call(info);
    const uint64_t number = ++calls_;
    if (number <= alive_) {
      Status status = call();
      if (number < alive_ || !last_is_lost_) return status;
    }
    return Status(Code::kUnavailable, "silent").WithOrigin(Origin::kStorage);
  }

 private:
  std::atomic<uint64_t> alive_{kForever};
  std::atomic<bool> last_is_lost_{false};
  std::atomic<uint64_t> calls_{0};
};

/// Remove the locks below `prefix`, as another run does that takes theirs for dead.
inline void StealLocks(storage::Backend& backend, const std::string& prefix) {
  ASSERT_OK(storage::DeleteTree({}, backend, prefix));
}

/// The silent run is this process; say in its locks that it has ended.
inline void BuryLocks(storage::Backend& backend, const std::string& prefix) {
  std::vector<std::string> locks;
  ASSERT_OK(storage::ForEachObject({}, backend, prefix, [&](const storage::ObjectInfo& object) {
    if (!object.key.ends_with(".run.json")) locks.push_back(object.key);
    return Status::Ok();
  }));
  for (const std::string& key : locks) {
    ASSERT_OK_AND_ASSIGN(const std::string text, storage::ReadAll({}, backend, key, 4096));
    ASSERT_OK_AND_ASSIGN(meta::RunRecord record, meta::DecodeRunRecord(text, key));
    ++record.process.start;
    ASSERT_OK(meta::WriteRunRecord({}, backend, key, record));
  }
}

}  // namespace milvus_backup::backup
