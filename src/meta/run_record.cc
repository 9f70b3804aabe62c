#include "milvus_backup/meta/run_record.h"

#include "milvus_backup/base/clock.h"
#include "milvus_backup/base/encoding.h"
#include "milvus_backup/meta/layout.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <chrono>
#include <utility>

namespace milvus_backup::meta {
namespace {

using Json = nlohmann::ordered_json;

/// A marker names the objects with open uploads, so it can grow; more than this is not a marker.
constexpr size_t kMaxRecordBytes = 256 * kMiB;

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
  for (const OpenUpload& upload : record.open_uploads) {
    json["open_uploads"].push_back({{"key", upload.key},
                                    {"upload_id", upload.upload_id},
                                    {"source_etag", upload.source_etag},
                                    {"source_size", upload.source_size},
                                    {"part_size", upload.part_size}});
  }
  if (!record.kept.empty()) json["kept"] = record.kept;
  if (!record.missing.empty()) json["missing"] = record.missing;
  if (!record.strategy.empty()) json["strategy"] = record.strategy;
  if (record.rbac) json["rbac"] = true;
  if (!record.targets.empty()) json["targets"] = record.targets;
  if (!record.header_sha256.empty()) json["header_sha256"] = record.header_sha256;
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
    for (const Json& upload : json.value("open_uploads", Json::array())) {
      record.open_uploads.push_back({.key = upload.at("key").get<std::string>(),
                                     .upload_id = upload.value("upload_id", ""),
                                     .source_etag = upload.value("source_etag", ""),
                                     .source_size = upload.value("source_size", uint64_t{0}),
                                     .part_size = upload.value("part_size", uint64_t{0})});
    }
    record.kept = json.value("kept", std::set<int64_t>());
    record.missing = json.value("missing", std::vector<std::string>());
    record.strategy = json.value("strategy", "");
    record.rbac = json.value("rbac", false);
    record.targets = json.value("targets", std::set<std::string>());
    record.header_sha256 = json.value("header_sha256", "");
  } catch (const Json::exception& error) {
    return DataLossError(fmt::format("{} is not the record of a run: {}", what, error.what()));
  }
  return record;
}

std::string MarkerKey(std::string_view backup_dir) { return MetaDir(backup_dir) + "run.json"; }

Status WriteRunRecord(const CallContext& ctx, storage::Backend& backend, const std::string& key,
                      const RunRecord& record) {
  return backend.Put(ctx, key, AsBytes(EncodeRunRecord(record)), {})
      .status()
      .Annotate("writing " + key);
}

Result<std::optional<RunRecord>> ReadRunRecord(const CallContext& ctx, storage::Backend& backend,
                                               const std::string& key) {
  const Result<std::string> text = storage::ReadAll(ctx, backend, key, kMaxRecordBytes);
  if (!text.ok() && text.status().code() == Code::kNotFound) return std::optional<RunRecord>();
  MB_RETURN_IF_ERROR(text.status());
  MB_ASSIGN_OR_RETURN(RunRecord record, DecodeRunRecord(*text, key));
  return std::optional<RunRecord>(std::move(record));
}

}  // namespace milvus_backup::meta
