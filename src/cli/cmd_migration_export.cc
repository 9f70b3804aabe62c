#include "cmd_migration.h"
#include "output.h"

#include "milvus_backup/base/log.h"
#include "milvus_backup/migration/export.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <memory>
#include <string>

namespace milvus_backup::cli {
namespace {

struct ExportFlags {
  std::string sqlite;
  std::string mysql;
  std::string output = ".";
};

Result<std::string> Export(const CallContext& ctx, const ExportFlags& flags) {
  if (flags.sqlite.empty() && flags.mysql.empty()) {
    log::Event(log::Level::kError, "fail to export meta collection, empty meta db connect args",
               {});
    return InvalidArgumentError("fail to export meta collection, empty meta db connect args")
        .WithAdvice("give -s FILE or -m DSN");
  }
  MB_ASSIGN_OR_RETURN(const migration::ReadMeta read,
                      flags.sqlite.empty() ? migration::ReadMetaFromMysql(ctx, Secret(flags.mysql))
                                           : migration::ReadMetaFromSqlite(ctx, flags.sqlite));
  PrintWarnings(read.warnings);
  MB_ASSIGN_OR_RETURN(
      const std::string file,
      migration::WriteMetaFile(ctx, read.meta, flags.output.empty() ? "." : flags.output));
  log::Event(log::Level::kInfo, "export file success", {{"exportFile", file}});
  PrintErrorLine(
      "Nothing may be written to the old Milvus any more: rows and deletes after this "
      "export are not migrated.");
  size_t segments = 0;
  for (const migration::Table& table : read.meta.tables) segments += table.segments.size();
  PrintLine(fmt::format("{}: {} collections and partitions, {} segments, {} rows", file,
                        read.meta.tables.size(), segments, read.meta.rows()));
  return file;
}

Status RunExport(const MigrationContext& context, const ExportFlags& flags) {
  const auto file = Export(context.call, flags);
  if (!file.ok() && (!flags.sqlite.empty() || !flags.mysql.empty())) {
    log::Event(log::Level::kError, "fail to export meta collection, ",
               {{"error", file.status().ToString()}});
  }
  return file.status();
}

}  // namespace

MigrationCommand AddMigrationExport(CLI::App& app) {
  CLI::App* command = app.add_subcommand("export", "Write meta.json from the old Milvus' meta");
  auto flags = std::make_shared<ExportFlags>();  // shared with the returned function
  command->add_option("-s,--sqlite", flags->sqlite, "meta.sqlite of the old Milvus");
  command->add_option("-m,--mysql", flags->mysql,
                      "Its MySQL instead: user:password@tcp(host:3306)/database");
  command->add_option("-o,--output", flags->output, "Directory for meta.json")
      ->capture_default_str();
  return [flags](const MigrationContext& context) { return RunExport(context, *flags); };
}

}  // namespace milvus_backup::cli
