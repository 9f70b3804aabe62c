#include "load_record.h"

#include "dump_layout.h"

#include "milvus_backup/base/json_number.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <utility>

namespace milvus_backup::migration {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

/// A record names every import of its collection.
constexpr size_t kMaxRecordBytes = 256 * kMiB;

std::string_view NameOf(LoadState state) {
  switch (state) {
    case LoadState::kCreating:
      return "creating";
    case LoadState::kFilling:
      return "filling";
    case LoadState::kDone:
      return "done";
  }
  return "";
}

std::optional<LoadState> StateOf(std::string_view name) {
  for (const LoadState state : {LoadState::kCreating, LoadState::kFilling, LoadState::kDone}) {
    if (NameOf(state) == name) return state;
  }
  return std::nullopt;
}

}  // namespace

std::string EncodeLoadRecord(const LoadRecord& record) {
  ordered_json imports = ordered_json::array();
  for (const meta::RecordedImport& import : record.imports) {
    imports.push_back(
        {{"partition", import.partition}, {"files", import.files}, {"task_id", import.task_id}});
  }
  return ordered_json{{"version", 1},
                      {"target", record.target},
                      {"endpoint", record.endpoint},
                      {"state", NameOf(record.state)},
                      {"source", record.source},
                      {"merge_bytes", record.merge_bytes},
                      {"created", record.created},
                      {"created_partition", record.created_partition},
                      {"collection_id", record.collection_id},
                      {"inserting", record.inserting},
                      {"after_task", record.after_task},
                      {"rows_before", record.rows_before},
                      {"rows_after", record.rows_after},
                      {"imports", std::move(imports)}}
      .dump(-1, ' ', false, json::error_handler_t::replace);
}

Result<LoadRecord> DecodeLoadRecord(std::string_view text, const std::string& what) {
  try {
    const json document = json::parse(text);
    const auto state = StateOf(document.at("state").get<std::string>());
    if (WholeNumber<int>(document.at("version")) != 1 || !state) {
      return DataLossError(what + " was written by a later version of this program");
    }
    uint64_t merge_bytes = 0;
    if (const auto given = document.find("merge_bytes"); given != document.end()) {
      merge_bytes = WholeNumber<uint64_t>(*given);
    }
    LoadRecord record{.target = document.at("target").get<std::string>(),
                      .endpoint = document.at("endpoint").get<std::string>(),
                      .state = *state,
                      .source = document.value("source", ""),
                      .merge_bytes = merge_bytes,
                      .created = document.at("created").get<bool>(),
                      .created_partition = document.value("created_partition", false),
                      .collection_id = WholeNumber<int64_t>(document.at("collection_id")),
                      .inserting = document.at("inserting").get<bool>(),
                      .after_task = WholeNumber<int64_t>(document.at("after_task")),
                      .rows_before = WholeNumber<int64_t>(document.at("rows_before")),
                      .rows_after = WholeNumber<int64_t>(document.at("rows_after"))};
    for (const json& import : document.at("imports")) {
      record.imports.push_back({import.at("partition").get<std::string>(),
                                import.at("files").get<std::vector<std::string>>(),
                                WholeNumber<int64_t>(import.at("task_id"))});
    }
    return record;
  } catch (const json::exception& error) {
    return DataLossError(fmt::format("{} is no record of a load: {}", what, error.what()));
  }
}

std::string LoadRecordKey(const Store& target, size_t number) {
  return fmt::format("{}{}{:06d}.json", target.prefix, kLoadDir, number);
}

Result<std::optional<LoadRecord>> ReadLoadRecord(const CallContext& ctx, const Store& target,
                                                 size_t number) {
  const std::string key = LoadRecordKey(target, number);
  const auto text = storage::ReadAll(ctx, *target.backend, key, kMaxRecordBytes);
  if (text.status().code() == Code::kNotFound) return std::optional<LoadRecord>();
  MB_RETURN_IF_ERROR(text.status());
  MB_ASSIGN_OR_RETURN(LoadRecord record, DecodeLoadRecord(*text, key));
  return std::optional(std::move(record));
}

Status WriteLoadRecord(const CallContext& ctx, const Store& target, size_t number,
                       const LoadRecord& record) {
  const std::string key = LoadRecordKey(target, number);
  return target.backend->Put(ctx, key, AsBytes(EncodeLoadRecord(record)), {})
      .status()
      .Annotate("writing " + key);
}

}  // namespace milvus_backup::migration
