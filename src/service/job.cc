#include "milvus_backup/service/job.h"

#include "milvus_backup/base/json_number.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <exception>
#include <utility>

namespace milvus_backup::service {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr std::array<std::string_view, 6> kStateNames = {"queued", "running",   "succeeded",
                                                         "failed", "cancelled", "interrupted"};

bool IsIdCharacter(unsigned char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-' || c == '.';
}

// Throws what nlohmann throws for a missing or mistyped member.
JobState StateOf(const json& value) {
  const auto* const it = std::ranges::find(kStateNames, value.get<std::string>());
  if (it == kStateNames.end()) throw std::invalid_argument("an unknown state");
  return static_cast<JobState>(it - kStateNames.begin());
}

JobItem ItemOf(const json& value) {
  return {.id = value.at("id").get<std::string>(),
          .name = value.at("name").get<std::string>(),
          .state = StateOf(value.at("state")),
          .started = WholeNumber<int64_t>(value.at("started")),
          .ended = WholeNumber<int64_t>(value.at("ended"))};
}

JobRecord JobOf(const json& value) {
  JobRecord job{.id = value.at("id").get<std::string>(),
                .kind = value.at("kind").get<std::string>(),
                .subject = value.at("subject").get<std::string>(),
                .state = StateOf(value.at("state")),
                .error = value.at("error").get<std::string>(),
                .advice = value.at("advice").get<std::string>(),
                .progress = WholeNumber<int32_t>(value.at("progress")),
                .created = WholeNumber<int64_t>(value.at("created")),
                .started = WholeNumber<int64_t>(value.at("started")),
                .ended = WholeNumber<int64_t>(value.at("ended"))};
  for (const json& item : value.at("items")) job.items.push_back(ItemOf(item));
  // Not in records of the first version.
  job.number = value.value("number", uint64_t{0});
  job.parts = value.value("parts", int64_t{0});
  job.parts_done = value.value("parts_done", int64_t{0});
  job.warnings = value.value("warnings", std::vector<std::string>());
  job.from = value.value("from", std::string());
  job.to = value.value("to", std::string());
  job.as = value.value("as", std::string());
  job.request = value.value("request", std::string());
  return job;
}

}  // namespace

std::string_view NameOf(JobState state) { return kStateNames.at(static_cast<size_t>(state)); }

Status ValidateJobId(std::string_view id) {
  const bool fits = !id.empty() && id.size() <= kMaxJobIdLength && id.front() != '.' &&
                    std::ranges::all_of(id, IsIdCharacter);
  if (fits) return Status::Ok();
  return InvalidArgumentError(
      fmt::format("an id of a task has 1 to {} letters, digits, '_', '-' and '.', and does not "
                  "begin with '.'",
                  kMaxJobIdLength));
}

std::string EncodeJob(const JobRecord& job) {
  ordered_json items = ordered_json::array();
  for (const JobItem& item : job.items) {
    items.push_back({{"id", item.id},
                     {"name", item.name},
                     {"state", NameOf(item.state)},
                     {"started", item.started},
                     {"ended", item.ended}});
  }
  ordered_json document = {{"id", job.id},
                           {"kind", job.kind},
                           {"subject", job.subject},
                           {"state", NameOf(job.state)},
                           {"error", job.error},
                           {"advice", job.advice},
                           {"progress", job.progress},
                           {"number", job.number},
                           {"created", job.created},
                           {"started", job.started},
                           {"ended", job.ended},
                           {"items", items}};
  for (const auto& [key, text] : {std::pair("from", &job.from), std::pair("to", &job.to),
                                  std::pair("as", &job.as), std::pair("request", &job.request)}) {
    if (!text->empty()) document[std::string(key)] = *text;
  }
  if (job.parts > 0) {
    document["parts"] = job.parts;
    document["parts_done"] = job.parts_done;
  }
  if (!job.warnings.empty()) document["warnings"] = job.warnings;
  // Texts of errors may hold what a server sent, valid UTF-8 or not.
  return document.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

Result<JobRecord> DecodeJob(std::string_view text, std::string_view what) {
  try {
    JobRecord job = JobOf(json::parse(text));
    MB_RETURN_IF_ERROR(ValidateJobId(job.id));
    return job;
  } catch (const std::exception& error) {
    return DataLossError(fmt::format("{} is no record of a task: {}", what, error.what()));
  }
}

}  // namespace milvus_backup::service
