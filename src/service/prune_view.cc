#include "milvus_backup/service/prune_view.h"

#include "envelope.h"

#include "milvus_backup/base/clock.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <chrono>
#include <utility>

namespace milvus_backup::service {
namespace {

nlohmann::ordered_json PrunedJson(const backup::PrunedBackup& backup) {
  nlohmann::ordered_json one = {{"name", backup.name},
                                {"time", nullptr},
                                {"outcome", backup::NameOf(backup.outcome)},
                                {"reasons", backup.reasons},
                                {"tags", backup.tags}};
  if (backup.time != std::chrono::system_clock::time_point{}) {
    one["time"] = FormatIso8601(backup.time);
  }
  if (backup.remove_after) one["remove_after"] = FormatIso8601(*backup.remove_after);
  if (backup.outcome == backup::PruneOutcome::kRemoved) {
    one["objects"] = backup.objects;
    one["bytes"] = backup.bytes;
  }
  if (!backup.status.ok()) one["error"] = backup.status.ToString();
  return one;
}

}  // namespace

std::string OutcomeText(const backup::PrunedBackup& backup, bool dry_run) {
  const bool would = dry_run && (backup.outcome == backup::PruneOutcome::kMarked ||
                                 backup.outcome == backup::PruneOutcome::kRemoved);
  return fmt::format("{}{}", would ? "would be " : "", backup::NameOf(backup.outcome));
}

std::string EncodePruneReport(const backup::PruneReport& report, bool dry_run) {
  nlohmann::ordered_json backups = nlohmann::ordered_json::array();
  for (const backup::PrunedBackup& backup : report.backups) backups.push_back(PrunedJson(backup));
  return DumpJson({{"status", report.some_failed() ? "partial" : "ok"},
                   {"dry_run", dry_run},
                   {"backups", std::move(backups)},
                   {"warnings", report.warnings}});
}

}  // namespace milvus_backup::service
