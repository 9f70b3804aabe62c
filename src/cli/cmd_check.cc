#include "commands.h"
#include "output.h"
#include "services.h"

#include "milvus_backup/backup/check.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <memory>

namespace milvus_backup::cli {
namespace {

Status RunCheck(const CommandContext& context) {
  MB_ASSIGN_OR_RETURN(const std::unique_ptr<Services> services,
                      Services::Create(context.call, context.config, Services::Needs::kEverything));
  MB_ASSIGN_OR_RETURN(const backup::CheckReport report,
                      backup::CheckSite(context.call, services->site()));
  const config::StorageSettings& milvus = context.config.milvus_storage;
  const config::StorageSettings& backup = context.config.backup_storage;
  if (context.json) {
    nlohmann::ordered_json document = {
        {"status", "ok"},
        {"milvus_version", report.milvus_version},
        {"milvus_root_is_empty", report.milvus_root_is_empty},
        {"backup_storage_is_missing", report.backup_storage_is_missing},
        {"server_side_copy", nullptr},
    };
    if (!report.backup_storage_is_missing) document["server_side_copy"] = report.server_side_copy;
    PrintLine(document.dump());
    return Status::Ok();
  }
  PrintLine(
      fmt::format("\nMilvus version: {}\nStorage:\n"
                  "  milvus-storage-type: {}\n  milvus-bucket: {}\n  milvus-rootpath: {}\n"
                  "  backup-storage-type: {}\n  backup-bucket: {}\n  backup-rootpath: {}\n",
                  report.milvus_version, milvus.provider, milvus.bucket, milvus.root_path,
                  backup.provider, backup.bucket, backup.root_path));
  if (report.milvus_root_is_empty) {
    PrintLine(
        fmt::format("!!! Milvus root path is empty !!!\nNothing lies under {}: either Milvus "
                    "holds no data yet, or {} or {} is not the one Milvus uses.",
                    milvus.root_path, milvus.keys.bucket, milvus.keys.root_path));
  }
  if (report.backup_storage_is_missing) {
    PrintLine(fmt::format("{} does not exist yet: create makes it. Copying was not tried.",
                          services->site().backup_storage.backend->Describe()));
  }
  PrintLine("Success!");
  return Status::Ok();
}

}  // namespace

Command AddCheck(CLI::App& app) {
  app.add_subcommand("check", "Test the connections to Milvus and both storages");
  return RunCheck;
}

}  // namespace milvus_backup::cli
