#include "commands.h"
#include "output.h"

#include "milvus_backup/backup/check.h"
#include "milvus_backup/service/backup_view.h"
#include "milvus_backup/service/services.h"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <memory>

namespace milvus_backup::cli {
namespace {

Status RunCheck(const CommandContext& context) {
  MB_ASSIGN_OR_RETURN(const std::unique_ptr<service::Services> services,
                      service::Services::Create(context.call, context.config,
                                                service::Services::Needs::kEverything));
  MB_ASSIGN_OR_RETURN(const backup::CheckReport report,
                      backup::CheckSite(context.call, services->site()));
  if (context.json) {
    nlohmann::ordered_json document = {
        {"status", "ok"},
        {"milvus_version", report.milvus_version},
        {"milvus_version_is_told", !context.config.milvus.server_version.empty()},
        {"milvus_root_is_empty", report.milvus_root_is_empty},
        {"likely_milvus_root", nullptr},
        {"backup_storage_is_missing", report.backup_storage_is_missing},
        {"server_side_copy", nullptr},
    };
    if (report.likely_milvus_root) document["likely_milvus_root"] = *report.likely_milvus_root;
    if (!report.backup_storage_is_missing) document["server_side_copy"] = report.server_side_copy;
    PrintLine(document.dump());
    return Status::Ok();
  }
  PrintLine(service::CheckText(report, context.config, services->site()));
  return Status::Ok();
}

}  // namespace

Command AddCheck(CLI::App& app) {
  app.add_subcommand("check", "Test the connections to Milvus and both storages");
  return RunCheck;
}

}  // namespace milvus_backup::cli
