#include "arguments.h"
#include "commands.h"
#include "output.h"
#include "services.h"

#include "milvus_backup/meta/codec.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/meta/reader.h"

#include <CLI/CLI.hpp>

#include <memory>
#include <string>
#include <string_view>

namespace milvus_backup::cli {
namespace {

Status RunGet(const CommandContext& context, const std::string& name) {
  MB_ASSIGN_OR_RETURN(
      const std::unique_ptr<Services> services,
      Services::Create(context.call, context.config, Services::Needs::kBackupStorage));
  const backup::Place& place = services->site().backup_storage;
  MB_ASSIGN_OR_RETURN(const std::string backup_dir, meta::BackupDir(place.root, name));
  MB_ASSIGN_OR_RETURN(
      const meta::BackupInfo info,
      meta::ReadBackup(context.call, *place.backend, backup_dir, meta::Depth::kCollections));
  meta::BriefOptions options{.indent = context.json ? 0 : 4};
  MB_ASSIGN_OR_RETURN(options.task.meta_size,
                      meta::ReadMetaSize(context.call, *place.backend, backup_dir));
  PrintLine(meta::EncodeToString(
      [&](const meta::TextSink& sink) { return meta::EncodeBrief(info, options, sink); }));
  return Status::Ok();
}

}  // namespace

Command AddGet(CLI::App& app) {
  CLI::App* command = app.add_subcommand("get", "Print what a backup holds, as JSON");
  auto name = std::make_shared<std::string>();  // shared with the returned function
  command->add_option("-n,--name", *name, "Name of the backup")
      ->required()
      ->check(Checker([](std::string_view text) { return meta::BackupDir("", text).status(); }));
  return [name](const CommandContext& context) { return RunGet(context, *name); };
}

}  // namespace milvus_backup::cli
