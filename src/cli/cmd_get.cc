#include "arguments.h"
#include "commands.h"
#include "output.h"

#include "milvus_backup/meta/codec.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/service/backup_view.h"
#include "milvus_backup/service/services.h"

#include <CLI/CLI.hpp>

#include <memory>
#include <string>
#include <string_view>

namespace milvus_backup::cli {
namespace {

Status RunGet(const CommandContext& context, const std::string& name) {
  MB_ASSIGN_OR_RETURN(const std::unique_ptr<service::Services> services,
                      service::Services::Create(context.call, context.config,
                                                service::Services::Needs::kBackupStorage));
  MB_ASSIGN_OR_RETURN(const service::StoredBackup stored,
                      service::ReadStored(context.call, services->site().backup_storage, name));
  const meta::BriefOptions options{
      .task = {.meta_size = stored.meta_size}, .tags = stored.tags, .indent = context.json ? 0 : 4};
  PrintLine(meta::EncodeToString(
      [&](const meta::TextSink& sink) { return meta::EncodeBrief(stored.info, options, sink); }));
  return Status::Ok();
}

}  // namespace

Command AddGet(CLI::App& app) {
  CLI::App* command = app.add_subcommand("get", "Print what a backup holds, as JSON");
  auto name = std::make_shared<std::string>();  // shared with the returned function
  command->add_option("-n,--name", *name, "Name of the backup")
      ->required()
      ->check(Checker([](std::string_view text) { return meta::BackupDir("", text).status(); }));
  // Without effect since version 0.5 of the reference tool: everything is printed.
  command->add_flag("-d,--detail")->group("");
  return [name](const CommandContext& context) { return RunGet(context, *name); };
}

}  // namespace milvus_backup::cli
