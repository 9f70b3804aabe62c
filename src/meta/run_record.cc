#include "milvus_backup/meta/run_record.h"

#include "milvus_backup/base/clock.h"
#include "milvus_backup/base/encoding.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <chrono>
#include <utility>

namespace milvus_backup::meta {
namespace {

using Json = nlohmann::ordered_json;

}  // namespace

std::string RunRecord::ToString() const {
  return fmt::format("{} by process {} on {} since {}", operation, process.pid, host, started);
}

RunRecord NewRunRecord(std::string operation, std::string backup) {
  RunRecord record{.run_id = RandomHex(16),
                   .operation = std::move(operation),
                   .backup = std::move(backup),
                   .host = HostName(),
                   .started = FormatIso8601(std::chrono::system_clock::now())};
  record.process = ThisProcess();
  return record;
}

std::string EncodeRunRecord(const RunRecord& record) {
  Json json = {{"run_id", record.run_id},
               {"operation", record.operation},
               {"backup", record.backup},
               {"host", record.host},
               {"started", record.started},
               {"process",
                {{"machine", record.process.machine},
                 {"pid", record.process.pid},
                 {"start", record.process.start}}}};
  if (record.held) json["held"] = true;
  if (!record.uploads.empty()) json["uploads"] = record.uploads;
  for (const auto& [target, progress] : record.collections) {
    json["collections"][target] = {{"state", progress.state},
                                   {"filled_as", progress.filled_as},
                                   {"collection_id", progress.collection_id}};
  }
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<RunRecord> DecodeRunRecord(std::string_view text, std::string_view what) {
  RunRecord record;
  try {
    const Json json = Json::parse(text);
    record.run_id = json.at("run_id").get<std::string>();
    record.operation = json.at("operation").get<std::string>();
    record.backup = json.value("backup", "");
    record.host = json.value("host", "");
    record.started = json.value("started", "");
    const Json process = json.value("process", Json::object());
    record.process.machine = process.value("machine", "");
    record.process.pid = process.value("pid", int64_t{0});
    record.process.start = process.value("start", uint64_t{0});
    record.held = json.value("held", false);
    record.uploads = json.value("uploads", std::vector<std::string>());
    const Json collections = json.value("collections", Json::object());
    for (const auto& [target, progress] : collections.items()) {
      record.collections[target] = {progress.value("state", ""), progress.value("filled_as", ""),
                                    progress.value("collection_id", int64_t{0})};
    }
  } catch (const Json::exception& error) {
    return DataLossError(fmt::format("{} is not the record of a run: {}", what, error.what()));
  }
  return record;
}

}  // namespace milvus_backup::meta
