#include "copy_flags.h"

#include "arguments.h"

#include "milvus_backup/meta/layout.h"
#include "milvus_backup/service/amounts.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <initializer_list>
#include <string_view>
#include <tuple>
#include <utility>

namespace milvus_backup::cli {
namespace {

Status Exclusive(std::string_view one, std::string_view other) {
  return InvalidArgumentError(fmt::format("{} and {} exclude each other", one, other));
}

Status CheckTree(const CopyFlags& flags) {
  if (flags.places.size() != 2) {
    return InvalidArgumentError("copy takes two places, SRC and DST")
        .WithAdvice("or a backup with -n NAME and --to or --from, or --all");
  }
  const service::CopyChoices& choices = flags.choices;
  const std::initializer_list<std::pair<const char*, bool>> others = {
      {"-n", !choices.name.empty()},     {"--all", choices.all},
      {"--to", !choices.to.empty()},     {"--to-config", !flags.to_config.empty()},
      {"--from", !choices.from.empty()}, {"--from-config", !flags.from_config.empty()},
      {"--as", !choices.as.empty()}};
  for (const auto& [name, given] : others) {
    if (given) return Exclusive("SRC DST", name);
  }
  return Status::Ok();
}

Status CheckBackups(const CopyFlags& flags) {
  const service::CopyChoices& choices = flags.choices;
  MB_RETURN_IF_ERROR(service::CheckCopyOfBackups(choices, service::OptionStyle::kFlag));
  if (!choices.to.empty() && !flags.to_config.empty()) return Exclusive("--to", "--to-config");
  if (!choices.from.empty() && !flags.from_config.empty()) {
    return Exclusive("--from", "--from-config");
  }
  if (choices.delete_extra) {
    return InvalidArgumentError("--delete-extra is for SRC DST")
        .WithAdvice("a backup that is copied has no extra objects in any case");
  }
  const bool has_other_side = !choices.to.empty() || !flags.to_config.empty() ||
                              !choices.from.empty() || !flags.from_config.empty();
  if (has_other_side || !choices.as.empty()) return Status::Ok();
  return InvalidArgumentError("copy needs another storage")
      .WithAdvice(
          "name one of storages: with --to or --from, or another configuration file with "
          "--to-config or --from-config");
}

}  // namespace

void AddCopyFlags(CLI::App& command, CopyFlags& flags) {
  service::CopyChoices& choices = flags.choices;
  command
      .add_option("places", flags.places,
                  "SRC and DST: NAME:BUCKET/PREFIX with a name from storages: (or milvus, "
                  "backup), s3://BUCKET/PREFIX, or a path")
      ->expected(0, 2)
      ->type_name("SRC DST");
  const auto name =
      Checker([](std::string_view text) { return meta::BackupDir("", text).status(); });
  command.add_option("-n,--name", choices.name, "Name of the backup")->check(name);
  command.add_option("--as", choices.as, "Name of the copy")
      ->check(Checker(meta::ValidateBackupName));
  const std::initializer_list<std::tuple<const char*, std::string*, const char*>> sides = {
      {"--to", &choices.to, "Into the backup storage called so in storages:"},
      {"--to-config", &flags.to_config, "Into the backup storage of this configuration file"},
      {"--from", &choices.from, "From the backup storage called so in storages:"},
      {"--from-config", &flags.from_config, "From the backup storage of this configuration file"}};
  for (const auto& [names, value, help] : sides) command.add_option(names, *value, help);
  const std::initializer_list<std::tuple<const char*, bool*, const char*>> switches = {
      {"--all", &choices.all, "Every complete backup that is not there yet"},
      {"--dry-run", &choices.dry_run, "Print what would be copied and write nothing"},
      {"--overwrite", &choices.overwrite,
       "Replace backups and objects that are there and different"},
      {"--delete-extra", &choices.delete_extra,
       "Also remove at DST what SRC does not have, once everything has been copied"},
      {"--no-check", &choices.no_check,
       "Neither prove what was read nor compare names and sizes at the end"}};
  for (const auto& [names, value, help] : switches) command.add_flag(names, *value, help);
  command
      .add_option("--include", choices.include,
                  "Copy only keys that fit: * and ? stop at slashes, ** does not; repeatable")
      ->expected(1)
      ->take_all();
  command
      .add_option("--exclude", choices.exclude,
                  "Leave out keys that fit, also of those --include takes; repeatable")
      ->expected(1)
      ->take_all();
  command
      .add_option("--concurrency", choices.concurrency, "Objects and parts at once; default tuned")
      ->check(CLI::Range(uint32_t{1}, service::kMostConcurrency));
  const std::initializer_list<std::tuple<const char*, std::string*, uint64_t, const char*>> sizes =
      {{"--part-size", &choices.part_size, service::kLeastBuffer,
        "Larger objects go in parts of it: 8M, 16MiB"},
       {"--memory", &choices.memory, service::kLeastBuffer, "Ceiling of all buffers; default 32M"},
       {"--bwlimit", &choices.bandwidth, 1, "Bytes per second at most: 20M"}};
  for (const auto& [names, value, least, help] : sizes) {
    command.add_option(names, *value, help)->check(Checker([least = least](std::string_view text) {
      return service::CheckAmount(text, least);
    }));
  }
  command.add_option("--request-limit", choices.requests, "Requests per second at most")
      ->check(CLI::Range(uint64_t{1}, service::kMostRequests));
}

Status CheckCopyFlags(const CopyFlags& flags) {
  const service::CopyChoices& choices = flags.choices;
  MB_RETURN_IF_ERROR(service::CheckPartSize(choices, service::OptionStyle::kFlag));
  if (choices.name.empty() && !choices.all) return CheckTree(flags);
  if (!flags.places.empty()) {
    return Exclusive(choices.all ? "--all" : "-n", "SRC DST");
  }
  return CheckBackups(flags);
}

}  // namespace milvus_backup::cli
