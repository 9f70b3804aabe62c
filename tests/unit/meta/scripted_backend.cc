#include "scripted_backend.h"

#include "support/status_matchers.h"

#include "milvus_backup/storage/memory_backend.h"

#include <utility>

namespace milvus_backup::meta::testing {

ScriptedBackend::ScriptedBackend(uint32_t page_size)
    : InterceptingBackend(storage::MakeMemoryBackend({.page_size = page_size})) {}

std::vector<std::string> ScriptedBackend::changes() const {
  const std::lock_guard lock(mutex_);
  return changes_;
}

void ScriptedBackend::ForgetChanges() {
  const std::lock_guard lock(mutex_);
  changes_.clear();
}

void ScriptedBackend::Store(const std::string& key, const std::string& content) {
  EXPECT_OK(inner().Put({}, key, AsBytes(content), {}));
}

void ScriptedBackend::Erase(const std::string& key) { EXPECT_OK(inner().Delete({}, key)); }

std::map<std::string, std::string> ScriptedBackend::Contents() {
  std::map<std::string, std::string> contents;
  EXPECT_OK(storage::ForEachObject({}, inner(), "", [&](const storage::ObjectInfo& object) {
    MB_ASSIGN_OR_RETURN(contents[object.key],
                        storage::ReadAll({}, inner(), object.key, object.size));
    return Status::Ok();
  }));
  return contents;
}

Result<std::vector<storage::DeleteFailure>> ScriptedBackend::DeleteMany(
    const CallContext& ctx, const std::vector<std::string>& keys) {
  std::vector<std::string> deletable = keys;
  const bool holds_stubborn = std::erase(deletable, undeletable_key) > 0;
  Result<std::vector<storage::DeleteFailure>> failures =
      InterceptingBackend::DeleteMany(ctx, deletable);
  if (failures.ok() && holds_stubborn) {
    failures->push_back({undeletable_key, Status(Code::kPermissionDenied, "locked")});
  }
  return failures;
}

Status ScriptedBackend::Around(const CallContext& ctx, const storage::CallInfo& info,
                               storage::CallRef call) {
  using storage::Method;
  MB_RETURN_IF_ERROR(ctx.Check());
  if (info.method == Method::kRead && before_read) before_read();
  if (info.method == Method::kRead && info.key == unreadable_key) {
    return {Code::kUnavailable, "connection refused"};
  }
  if (!forbidden_prefix.empty() && info.key.starts_with(forbidden_prefix)) {
    return {Code::kPermissionDenied, "not yours"};
  }
  const bool is_change = info.method == Method::kPut || info.method == Method::kComplete ||
                         info.method == Method::kDelete || info.method == Method::kDeleteMany;
  if (is_change) {
    const std::lock_guard lock(mutex_);
    if (changes_.size() >= fail_from_change) return {Code::kUnavailable, "the machine died"};
    std::string change(storage::MethodName(info.method));
    if (info.method != Method::kDeleteMany) change += " " + std::string(info.key);
    changes_.push_back(std::move(change));
  }
  return call();
}

}  // namespace milvus_backup::meta::testing
