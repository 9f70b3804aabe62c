#include "commands.h"
#include "output.h"
#include "private_file.h"

#include "milvus_backup/config/migrate.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

namespace milvus_backup::cli {
namespace {

struct MigrateFlags {
  std::string output;
  bool force = false;
  bool strict = false;
};

void PrintTable(const std::vector<config::Setting>& settings) {
  std::vector<config::Setting> rows = {{"PARAMETER", "VALUE", "SOURCE", "SOURCE_KEY"}};
  rows.insert(rows.end(), settings.begin(), settings.end());
  size_t key_width = 0;
  size_t value_width = 0;
  size_t source_width = 0;
  for (config::Setting& row : rows) {
    if (row.value.empty()) row.value = "\"\"";
    if (row.source_key.empty()) row.source_key = "-";
    key_width = std::max(key_width, row.key.size());
    value_width = std::max(value_width, row.value.size());
    source_width = std::max(source_width, row.source.size());
  }
  for (const config::Setting& row : rows) {
    PrintLine(fmt::format("{:<{}}  {:<{}}  {:<{}}  {}", row.key, key_width, row.value, value_width,
                          row.source, source_width, row.source_key));
  }
}

Status RunShow(const config::LoadOptions& options, bool json) {
  MB_ASSIGN_OR_RETURN(const config::Config config, config::Load(options));
  if (!json) {
    for (const std::string& warning : config.warnings) PrintErrorLine("Warning: " + warning);
    PrintTable(config.settings);
    return Status::Ok();
  }
  nlohmann::ordered_json settings = nlohmann::ordered_json::array();
  for (const config::Setting& setting : config.settings) {
    settings.push_back({{"key", setting.key},
                        {"value", setting.value},
                        {"source", setting.source},
                        {"source_key", setting.source_key}});
  }
  PrintJson({{"status", "ok"},
             {"file", config.path},
             {"settings", settings},
             {"warnings", config.warnings}});
  return Status::Ok();
}

nlohmann::ordered_json ToJson(const std::vector<config::NotTranslated>& keys) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const config::NotTranslated& key : keys) {
    list.push_back({{"key", key.key}, {"reason", key.reason}});
  }
  return list;
}

void PrintLeftOut(const config::Migration& migration) {
  for (const config::NotTranslated& key : migration.dropped) {
    PrintErrorLine(fmt::format("left out: {}: {}", key.key, key.reason));
  }
  for (const config::NotTranslated& key : migration.lost) {
    PrintErrorLine(fmt::format("not translated: {}: {}", key.key, key.reason));
  }
}

Status RunMigrate(const config::LoadOptions& options, const MigrateFlags& flags, bool json) {
  MB_ASSIGN_OR_RETURN(const config::Migration migration, config::Migrate(options));
  if (flags.strict && !migration.lost.empty()) {
    const config::NotTranslated& first = migration.lost.front();
    if (!json) PrintLeftOut(migration);
    return FailedPreconditionError(
               fmt::format("{}: {} keys cannot be translated, among them {}: {}", migration.path,
                           migration.lost.size(), first.key, first.reason))
        .WithOrigin(Origin::kConfig)
        .WithAdvice("remove them, or run without --strict");
  }
  if (!flags.output.empty()) {
    Status status = WritePrivateFile(flags.output, migration.yaml, flags.force);
    if (status.code() == Code::kAlreadyExists) {
      return std::move(status).WithAdvice("use --force to replace it");
    }
    MB_RETURN_IF_ERROR(status);
    NoteDone(flags.output + " is written");
  }
  if (json) {
    nlohmann::ordered_json document = {{"status", "ok"}, {"file", migration.path}};
    if (flags.output.empty()) {
      document["yaml"] = migration.yaml;
    } else {
      document["output"] = flags.output;
    }
    document["keys"] = migration.keys;
    document["dropped"] = ToJson(migration.dropped);
    document["not_translated"] = ToJson(migration.lost);
    PrintJson(document);
    return Status::Ok();
  }
  if (flags.output.empty()) PrintText(migration.yaml);
  PrintLeftOut(migration);
  PrintErrorLine(fmt::format("{}: {} keys written{}", migration.path, migration.keys,
                             flags.output.empty() ? "" : " to " + flags.output));
  return Status::Ok();
}

}  // namespace

ConfigCommand AddConfig(CLI::App& app) {
  CLI::App* config = app.add_subcommand("config", "Show or translate the configuration");
  config->require_subcommand(1);
  CLI::App* show =
      config->add_subcommand("show", "Print every key, its value and where it is from");
  CLI::App* migrate = config->add_subcommand("migrate", "Translate a v1 configuration file to v2");
  auto flags = std::make_shared<MigrateFlags>();  // shared with the returned function
  migrate->add_option("-o,--output", flags->output,
                      "File to write, for the owner's eyes only; default stdout");
  migrate->add_flag("--force", flags->force, "Replace the output file when it exists");
  migrate->add_flag("--strict", flags->strict, "Fail when a key cannot be translated");
  CLI::App* old = app.get_subcommand("check")->add_subcommand("config", "Use config show instead");
  return [=](const config::LoadOptions& options, bool json) -> std::optional<Status> {
    if (old->parsed()) PrintErrorLine("check config is deprecated: use config show");
    if (old->parsed() || show->parsed()) return RunShow(options, json);
    if (migrate->parsed()) return RunMigrate(options, *flags, json);
    return std::nullopt;
  };
}

}  // namespace milvus_backup::cli
