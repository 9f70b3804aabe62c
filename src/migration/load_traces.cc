#include "load_traces.h"

#include "dump_layout.h"

#include "milvus_backup/storage/tree.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

namespace milvus_backup::migration {
namespace {

std::string NoteKey(const Store& target, const std::string& name) {
  return target.prefix + kLoadDir + name;
}

Result<bool> Exists(const CallContext& ctx, const Store& target, const std::string& name) {
  const auto there = target.backend->Stat(ctx, target.prefix + name);
  if (there.status().code() == Code::kNotFound) return false;
  MB_RETURN_IF_ERROR(there.status());
  return true;
}

/// Whether a load has written something down: files that it has merged tell nothing by themselves.
Result<bool> HasRecords(const CallContext& ctx, const Store& target) {
  storage::ListRequest request{.prefix = target.prefix + kLoadDir, .delimiter = "/"};
  for (;;) {
    MB_ASSIGN_OR_RETURN(storage::ListPage page, target.backend->List(ctx, request));
    for (const storage::ObjectInfo& object : page.objects) {
      if (object.key.ends_with(".json")) return true;
    }
    if (page.next_token.empty()) return false;
    request.token = std::move(page.next_token);
  }
}

}  // namespace

Result<LoadTraces> FindLoadTraces(const CallContext& ctx, const Store& target,
                                  const std::vector<std::string>& needed) {
  MB_ASSIGN_OR_RETURN(const bool has_records, HasRecords(ctx, target));
  if (!has_records) return LoadTraces{};
  MB_ASSIGN_OR_RETURN(const bool has_first, Exists(ctx, target, needed.front()));
  if (has_first) return LoadTraces{.is_loading = true};
  auto text =
      storage::ReadAll(ctx, *target.backend, NoteKey(target, needed.front()), kMaxMetaBytes);
  if (text.ok()) return LoadTraces{.was_loaded = true, .dump_text = *std::move(text)};
  if (text.status().code() != Code::kNotFound) return text.status();
  for (const std::string& name : needed) {
    MB_ASSIGN_OR_RETURN(const bool exists, Exists(ctx, target, name));
    if (exists) return LoadTraces{.is_loading = true};
  }
  return LoadTraces{.was_loaded = true, .is_unclear = true};
}

Status UnclearTraces(const Store& target) {
  const std::string records = target.prefix + kLoadDir;
  return FailedPreconditionError(
             fmt::format(
                 "{} of {} holds records of a load whose dump is gone: whether it had ended "
                 "cannot be told",
                 records, target.backend->Describe()))
      .WithAdvice("compare the rows in Milvus; then remove " + records +
                  " and run the command again, which loads everything anew");
}

std::string LoadedBefore(const Store& target) {
  return fmt::format(
      "an earlier load had brought all of this into Milvus and ended while it removed {} of {}: "
      "loading this dump adds the rows once more",
      target.prefix, target.backend->Describe());
}

Status NoteLoaded(const CallContext& ctx, const Store& target, const std::string& name) {
  auto text = storage::ReadAll(ctx, *target.backend, target.prefix + name, kMaxMetaBytes);
  if (text.status().code() == Code::kNotFound) text = std::string();
  MB_RETURN_IF_ERROR(text.status());
  return target.backend->Put(ctx, NoteKey(target, name), AsBytes(*text), {}).status();
}

Status RemoveLoaded(const CallContext& ctx, const Store& target) {
  const std::string records = target.prefix + kLoadDir;
  std::string start_after;
  for (;;) {
    // Listed anew after every batch: a continuation token may not survive deletions.
    MB_ASSIGN_OR_RETURN(
        const storage::ListPage page,
        target.backend->List(
            ctx, {.prefix = target.prefix, .start_after = start_after, .links_as_objects = true}));
    std::vector<std::string> keys;
    for (const storage::ObjectInfo& object : page.objects) {
      if (!object.key.starts_with(records)) keys.push_back(object.key);
    }
    MB_ASSIGN_OR_RETURN(const std::vector<storage::DeleteFailure> failures,
                        target.backend->DeleteMany(ctx, keys));
    if (!failures.empty()) {
      return failures.front().status.Annotate("deleting " + failures.front().key);
    }
    if (page.next_token.empty()) break;
    if (!page.objects.empty()) start_after = page.objects.back().key;
  }
  return storage::DeleteTree(ctx, *target.backend, target.prefix).status();
}

}  // namespace milvus_backup::migration
