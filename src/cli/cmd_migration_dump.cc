#include "cmd_migration.h"
#include "output.h"

#include "milvus_backup/base/log.h"
#include "milvus_backup/config/migration.h"
#include "milvus_backup/migration/dump.h"
#include "milvus_backup/migration/faiss.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <memory>
#include <string>
#include <utility>

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
                      DumpAsConfigured(context.call, options, flags));
  if (flags.dry_run) return Status::Ok();
  job.PrintSuccess(report.seconds);
  job.PrintInfo(report.segments);
  NoteDone("the dump is complete");
  return Status::Ok();
}

}  // namespace

Result<migration::DumpReport> DumpAsConfigured(const CallContext& ctx,
                                               const migration::Options& options,
                                               const DumpFlags& flags) {
  MB_ASSIGN_OR_RETURN(const migration::OpenedStore source, migration::OpenSource(options.source));
  MB_ASSIGN_OR_RETURN(const migration::OpenedStore target, migration::OpenTarget(options.target));
  log::Event(log::Level::kInfo, "[Dumper] begin to do dump!", {});
  const migration::DumpRules rules{.parallel_segments = static_cast<size_t>(options.dump_limit),
                                   .block_bytes = options.reader_buffer_bytes,
                                   .skip_bad_rows = flags.skip_bad_rows,
                                   .dry_run = flags.dry_run,
                                   .then_load = flags.then_load};
  const auto dump = [&]() -> Result<migration::DumpReport> {
    const std::vector<std::string> names = SplitNames(flags.collections);
    if (options.work_mode == migration::WorkMode::kFaiss) {
      MB_RETURN_IF_ERROR(migration::CheckSelected(options.faiss, names));
      return migration::DumpFaiss(ctx, options.faiss, source.store, target.store, rules);
    }
    MB_ASSIGN_OR_RETURN(migration::SourceMeta read,
                        migration::ReadSourceMeta(ctx, options.meta, source));
    PrintWarnings(read.warnings);
    MB_ASSIGN_OR_RETURN(const migration::Meta meta, SelectCollections(std::move(read.meta), names));
    return migration::Dump(ctx, meta, source.store, target.store, rules);
  };
  MB_ASSIGN_OR_RETURN(migration::DumpReport report, dump());
  PrintWarnings(report.warnings);
  if (report.was_loaded) {
    PrintLine(
        "all of this was loaded before this run, which has removed what was left of the dump; "
        "the same command once more would add the rows again");
    return report;
  }
  PrintReport(report, flags.dry_run);
  if (!flags.dry_run) {
    log::Event(log::Level::kInfo, "[Dumper] Dump Success!",
               {{"Cost", fmt::format("{:f}", report.seconds)}});
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
