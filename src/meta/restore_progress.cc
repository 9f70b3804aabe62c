#include "milvus_backup/meta/restore_progress.h"

#include "milvus_backup/base/json_number.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <array>
#include <utility>

namespace milvus_backup::meta {
namespace {

using Json = nlohmann::ordered_json;

template <typename Value, size_t kCount>
using Names = std::array<std::pair<Value, std::string_view>, kCount>;

constexpr Names<RestoreState, 4> kStates = {{{RestoreState::kCreating, "creating"},
                                             {RestoreState::kFilling, "filling"},
                                             {RestoreState::kSwapping, "swapping"},
                                             {RestoreState::kDone, "done"}}};
constexpr Names<RestoreMode, 3> kModes = {{{RestoreMode::kCreate, "create"},
                                           {RestoreMode::kReplace, "replace"},
                                           {RestoreMode::kReuse, "reuse"}}};

template <typename Value, size_t kCount>
std::string_view NameOf(const Names<Value, kCount>& names, Value wanted) {
  for (const auto& [value, name] : names) {
    if (value == wanted) return name;
  }
  return "";
}

template <typename Value, size_t kCount>
Status FindByName(const Names<Value, kCount>& names, const std::string& wanted, Value& found) {
  for (const auto& [value, name] : names) {
    if (name != wanted) continue;
    found = value;
    return Status::Ok();
  }
  return DataLossError("'" + wanted + "' is unknown");
}

Status Damaged(std::string_view what, std::string_view why) {
  return DataLossError(fmt::format("{} is not the record of a restored collection: {}", what, why));
}

RestoreProgress ProgressFromJson(const Json& json) {
  RestoreProgress progress{.target = json.at("target").get<std::string>(),
                           .request = json.at("request").get<std::string>(),
                           .source_id = json.value("source_id", int64_t{0}),
                           .filled_as = json.at("filled_as").get<std::string>(),
                           .retired_as = json.value("retired_as", ""),
                           .created_after = json.value("created_after", uint64_t{0}),
                           .collection_id = json.value("collection_id", int64_t{0}),
                           .replaced_id = json.value("replaced_id", int64_t{0}),
                           .after_task = json.value("after_task", int64_t{0}),
                           .rows = json.value("rows", int64_t{0}),
                           .uploads = json.value("uploads", std::vector<std::string>())};
  if (json.contains("rows_before"))
    progress.rows_before = WholeNumber<int64_t>(json.at("rows_before"));
  for (const Json& import : json.value("imports", Json::array())) {
    progress.imports.push_back({.partition = import.value("partition", ""),
                                .files = import.at("files").get<std::vector<std::string>>(),
                                .task_id = import.value("task_id", int64_t{0}),
                                .announced_ms = import.value("announced_ms", int64_t{0})});
  }
  return progress;
}

}  // namespace

std::string EncodeRestoreProgress(const RestoreProgress& progress) {
  Json json = {{"target", progress.target},
               {"request", progress.request},
               {"state", NameOf(kStates, progress.state)},
               {"mode", NameOf(kModes, progress.mode)},
               {"source_id", progress.source_id},
               {"filled_as", progress.filled_as}};
  if (!progress.retired_as.empty()) json["retired_as"] = progress.retired_as;
  if (progress.created_after != 0) json["created_after"] = progress.created_after;
  if (progress.collection_id != 0) json["collection_id"] = progress.collection_id;
  if (progress.replaced_id != 0) json["replaced_id"] = progress.replaced_id;
  if (progress.after_task != 0) json["after_task"] = progress.after_task;
  if (progress.rows_before) json["rows_before"] = *progress.rows_before;
  if (progress.rows != 0) json["rows"] = progress.rows;
  if (!progress.uploads.empty()) json["uploads"] = progress.uploads;
  for (const RecordedImport& import : progress.imports) {
    Json entry = {{"partition", import.partition}, {"files", import.files}};
    if (import.task_id != 0) entry["task_id"] = import.task_id;
    if (import.announced_ms != 0) entry["announced_ms"] = import.announced_ms;
    json["imports"].push_back(std::move(entry));
  }
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<RestoreProgress> DecodeRestoreProgress(std::string_view text, std::string_view what) {
  try {
    const Json json = Json::parse(text);
    RestoreProgress progress = ProgressFromJson(json);
    Status status = FindByName(kStates, json.at("state").get<std::string>(), progress.state);
    if (status.ok()) status = FindByName(kModes, json.value("mode", ""), progress.mode);
    if (!status.ok()) return Damaged(what, status.message());
    return progress;
  } catch (const Json::exception& error) {
    return Damaged(what, error.what());
  }
}

}  // namespace milvus_backup::meta
