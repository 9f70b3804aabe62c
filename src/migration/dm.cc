#include "milvus_backup/migration/dm.h"

#include "dm_fill.h"
#include "dm_finished.h"
#include "dm_inputs.h"

#include "milvus_backup/base/log.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <chrono>
#include <string>
#include <utility>
#include <vector>

namespace milvus_backup::migration {
namespace {

void LogFilled(const DmOptions& options, const DmFilled& filled) {
  if (!filled.load.skipped) return;
  std::string text;
  if (options.task == DmTask::kH2M) {
    text = fmt::format("Already exists collection {} in Milvus, skip importing data!",
                       filled.collection);
  } else if (filled.partition == "_default") {
    text = fmt::format("There collection:{} exists, and skip it.", filled.collection);
  } else {
    text = fmt::format("There collection:{} partition:{} exists, and skip it.", filled.collection,
                       filled.partition);
  }
  log::Event(log::Level::kInfo, text, {});
}

/// MilvusDM's line for each collection of M2M, whose units stand together.
void LogCollections(const std::vector<DmUnit>& units) {
  for (size_t begin = 0; begin < units.size();) {
    std::vector<std::string> partitions;
    size_t end = begin;
    for (; end < units.size() && units[end].source == units[begin].source; ++end) {
      partitions.push_back("'" + units[end].partition_name() + "'");
    }
    log::Event(log::Level::kInfo,
               fmt::format("Ready to transform all data of collection: {}/partitions: [{}]",
                           units[begin].source, fmt::join(partitions, ", ")),
               {});
    begin = end;
  }
}

}  // namespace

Result<DmReport> BringIntoMilvus(const CallContext& ctx, milvus::Client& client,
                                 const DmOptions& options, const DmPlaces& places,
                                 const LoadRules& rules, transfer::Progress& progress) {
  const auto started = std::chrono::steady_clock::now();
  const DmRun run{client, places, rules, progress};
  DmReport report;
  MB_ASSIGN_OR_RETURN(DmInputs inputs, FindInputs(ctx, options));
  report.warnings = std::move(inputs.warnings);
  for (DmUnit& unit : inputs.units) {
    MB_RETURN_IF_ERROR(Survey(ctx, unit));
    progress.objects_planned += unit.inputs.size();
    progress.bytes_planned += unit.rows() * unit.table.vector_bytes();
  }
  MB_ASSIGN_OR_RETURN(auto finished, FinishEarlierRun(ctx, run, inputs.units, report.warnings));
  if (finished) {
    report.partitions = *std::move(finished);
    return report;
  }
  if (options.task == DmTask::kM2M) LogCollections(inputs.units);
  for (const DmUnit& unit : inputs.units) {
    progress.SetPhase(unit.collection);
    MB_ASSIGN_OR_RETURN(DmFilled filled, FillUnit(ctx, run, unit));
    LogFilled(options, filled);
    report.partitions.push_back(std::move(filled));
  }
  // All rows are in, so this is no error, which would have the command run again.
  const Status forgotten = ForgetUnits(ctx, run, inputs.units);
  if (!forgotten.ok()) report.warnings.push_back(LeftWarning(forgotten));
  report.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  return report;
}

}  // namespace milvus_backup::migration
