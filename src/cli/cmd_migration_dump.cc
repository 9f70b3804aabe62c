#include "cmd_migration.h"
#include "output.h"

#include "milvus_backup/config/migration.h"
#include "milvus_backup/migration/dump.h"
#include "milvus_backup/service/migration_runs.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <memory>
#include <string>

namespace milvus_backup::cli {
namespace {

void PrintReport(const migration::DumpReport& report, bool dry_run) {
  for (const migration::DumpedTable& table : report.tables) {
    std::string left_out = fmt::format("{} deleted", table.deleted_rows);
    if (table.bad_rows > 0) left_out += fmt::format(", {} with NaN or infinity", table.bad_rows);
    PrintLine(fmt::format("{}/{}: {} rows of {} segments {}; left out: {}", table.collection,
                          table.partition, table.rows, table.segments,
                          dry_run ? "would be dumped" : "dumped", left_out));
  }
  PrintLine(fmt::format("{}{} rows, {}{}", dry_run ? "would dump " : "dumped ", report.rows(),
                        FormatBytes(static_cast<double>(report.bytes())),
                        report.kept_segments == 0
                            ? ""
                            : fmt::format("; {} of {} segments were there already",
                                          report.kept_segments, report.segments)));
}

Status RunDump(const MigrationContext& context, const DumpFlags& flags) {
  MB_ASSIGN_OR_RETURN(const migration::Options options,
                      config::LoadMigration(context.config, {.source = true}));
  const MigrationJob job("dump");
  MB_ASSIGN_OR_RETURN(const migration::DumpReport report,
                      DumpAndPrint(context.call, options, flags));
  if (flags.dry_run) return Status::Ok();
  job.PrintSuccess(report.seconds);
  job.PrintInfo(report.segments);
  NoteDone("the dump is complete");
  return Status::Ok();
}

}  // namespace

Result<migration::DumpReport> DumpAndPrint(const CallContext& ctx,
                                           const migration::Options& options,
                                           const DumpFlags& flags) {
  MB_ASSIGN_OR_RETURN(migration::DumpReport report,
                      service::RunDump(ctx, options,
                                       {.collections = SplitNames(flags.collections),
                                        .skip_bad_rows = flags.skip_bad_rows,
                                        .dry_run = flags.dry_run,
                                        .then_load = flags.then_load},
                                       {.warn = PrintWarning}));
  if (report.was_loaded) {
    PrintLine(flags.dry_run ? service::kWouldBeForgotten : service::kWasLoaded);
  } else {
    PrintReport(report, flags.dry_run);
  }
  return report;
}

MigrationCommand AddMigrationDump(CLI::App& app) {
  CLI::App* command = app.add_subcommand(
      "dump", "Write the segments of the old Milvus as NumPy files for bulk insert");
  auto flags = std::make_shared<DumpFlags>();  // shared with the returned function
  command->add_option("--col", flags->collections, "Only these collections: a,b,c");
  command->add_flag("--skip-bad-rows", flags->skip_bad_rows,
                    "Leave out rows with a NaN or an infinity, which Milvus 2.x refuses");
  command->add_flag("--dry-run", flags->dry_run, "Look at every file and write nothing");
  return [flags](const MigrationContext& context) { return RunDump(context, *flags); };
}

}  // namespace milvus_backup::cli
