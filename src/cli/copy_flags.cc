#include "copy_flags.h"

#include "amounts.h"
#include "arguments.h"

#include "milvus_backup/meta/layout.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <initializer_list>
#include <string_view>
#include <tuple>
#include <utility>

namespace milvus_backup::cli {
namespace {

constexpr uint64_t kLeastMemory = kMiB;
constexpr uint32_t kMostConcurrency = 4096;

/// What ParseBytes makes of a text that has been checked already; 0 for an empty one.
uint64_t BytesOf(const std::string& text) {
  if (text.empty()) return 0;
  const auto bytes = ParseBytes(text);
  return bytes.ok() ? *bytes : 0;
}

Status CheckAmount(std::string_view text, uint64_t least) {
  MB_ASSIGN_OR_RETURN(const uint64_t bytes, ParseBytes(text));
  if (bytes >= least) return Status::Ok();
  return InvalidArgumentError(fmt::format("'{}' is less than {} bytes", text, least));
}

Status Exclusive(std::string_view one, std::string_view other) {
  return InvalidArgumentError(fmt::format("{} and {} exclude each other", one, other));
}

Status CheckTree(const CopyFlags& flags) {
  if (flags.places.size() != 2) {
    return InvalidArgumentError("copy takes two places, SRC and DST")
        .WithAdvice("or a backup with -n NAME and --to or --from, or --all");
  }
  const std::initializer_list<std::pair<const char*, bool>> others = {
      {"-n", !flags.name.empty()},     {"--all", flags.all},
      {"--to", !flags.to.empty()},     {"--to-config", !flags.to_config.empty()},
      {"--from", !flags.from.empty()}, {"--from-config", !flags.from_config.empty()},
      {"--as", !flags.as.empty()}};
  for (const auto& [name, given] : others) {
    if (given) return Exclusive("SRC DST", name);
  }
  return Status::Ok();
}

Status CheckBackups(const CopyFlags& flags) {
  if (flags.all && !flags.name.empty()) return Exclusive("-n", "--all");
  if (!flags.to.empty() && !flags.to_config.empty()) return Exclusive("--to", "--to-config");
  if (!flags.from.empty() && !flags.from_config.empty()) {
    return Exclusive("--from", "--from-config");
  }
  if (flags.all && !flags.as.empty()) return Exclusive("--all", "--as");
  if (flags.delete_extra) {
    return InvalidArgumentError("--delete-extra is for SRC DST")
        .WithAdvice("a backup that is copied has no extra objects in any case");
  }
  if (!flags.all && !(flags.include.empty() && flags.exclude.empty())) {
    return InvalidArgumentError(
        "a backup is copied whole: --include and --exclude are for SRC DST "
        "and, with names of backups, for --all");
  }
  const bool has_other_side = !flags.to.empty() || !flags.to_config.empty() ||
                              !flags.from.empty() || !flags.from_config.empty();
  if (has_other_side || !flags.as.empty()) return Status::Ok();
  return InvalidArgumentError("copy needs another storage")
      .WithAdvice(
          "name one of storages: with --to or --from, or another configuration file with "
          "--to-config or --from-config");
}

}  // namespace

void AddCopyFlags(CLI::App& command, CopyFlags& flags) {
  command
      .add_option("places", flags.places,
                  "SRC and DST: NAME:BUCKET/PREFIX with a name from storages: (or milvus, "
                  "backup), s3://BUCKET/PREFIX, or a path")
      ->expected(0, 2)
      ->type_name("SRC DST");
  const auto name =
      Checker([](std::string_view text) { return meta::BackupDir("", text).status(); });
  command.add_option("-n,--name", flags.name, "Name of the backup")->check(name);
  command.add_option("--as", flags.as, "Name of the copy")
      ->check(Checker(meta::ValidateBackupName));
  const std::initializer_list<std::tuple<const char*, std::string*, const char*>> sides = {
      {"--to", &flags.to, "Into the backup storage called so in storages:"},
      {"--to-config", &flags.to_config, "Into the backup storage of this configuration file"},
      {"--from", &flags.from, "From the backup storage called so in storages:"},
      {"--from-config", &flags.from_config, "From the backup storage of this configuration file"}};
  for (const auto& [names, value, help] : sides) command.add_option(names, *value, help);
  const std::initializer_list<std::tuple<const char*, bool*, const char*>> switches = {
      {"--all", &flags.all, "Every complete backup that is not there yet"},
      {"--dry-run", &flags.dry_run, "Print what would be copied and write nothing"},
      {"--overwrite", &flags.overwrite, "Replace backups and objects that are there and different"},
      {"--delete-extra", &flags.delete_extra,
       "Also remove at DST what SRC does not have, once everything has been copied"},
      {"--no-check", &flags.no_check,
       "Neither prove what was read nor compare names and sizes at the end"}};
  for (const auto& [names, value, help] : switches) command.add_flag(names, *value, help);
  command
      .add_option("--include", flags.include,
                  "Copy only keys that fit: * and ? stop at slashes, ** does not; repeatable")
      ->expected(1)
      ->take_all();
  command
      .add_option("--exclude", flags.exclude,
                  "Leave out keys that fit, also of those --include takes; repeatable")
      ->expected(1)
      ->take_all();
  command
      .add_option("--concurrency", flags.concurrency, "Objects and parts at once; default tuned")
      ->check(CLI::Range(uint32_t{1}, kMostConcurrency));
  const std::initializer_list<std::tuple<const char*, std::string*, uint64_t, const char*>> sizes =
      {{"--part-size", &flags.part_size, kMiB, "Larger objects go in parts of it: 8M, 16MiB"},
       {"--memory", &flags.memory, kLeastMemory, "Ceiling of all buffers; default 32M"},
       {"--bwlimit", &flags.bandwidth, 1, "Bytes per second at most: 20M"}};
  for (const auto& [names, value, least, help] : sizes) {
    command.add_option(names, *value, help)->check(Checker([least = least](std::string_view text) {
      return CheckAmount(text, least);
    }));
  }
  command.add_option("--request-limit", flags.requests, "Requests per second at most")
      ->check(CLI::Range(uint64_t{1}, uint64_t{1000000}));
}

Status CheckCopyFlags(const CopyFlags& flags) {
  if (flags.name.empty() && !flags.all) return CheckTree(flags);
  if (!flags.places.empty()) {
    return Exclusive(flags.all ? "--all" : "-n", "SRC DST");
  }
  return CheckBackups(flags);
}

backup::CopyRules RulesOf(const CopyFlags& flags) {
  return {.dry_run = flags.dry_run,
          .overwrite = flags.overwrite,
          .delete_extra = flags.delete_extra,
          .check = !flags.no_check,
          .include = flags.include,
          .exclude = flags.exclude};
}

transfer::CopyOptions TransferOptionsOf(const CopyFlags& flags, const config::Config& config) {
  transfer::CopyOptions options{.concurrency = flags.concurrency,
                                .server_copy_threshold = config.multipart_copy_threshold_mib * kMiB,
                                .force_streaming = config.cross_storage,
                                .bandwidth_bytes_per_s = BytesOf(flags.bandwidth),
                                .requests_per_s = flags.requests,
                                .check = !flags.no_check};
  if (!flags.part_size.empty()) options.part_size = BytesOf(flags.part_size);
  if (!flags.memory.empty()) options.memory_bytes = BytesOf(flags.memory);
  return options;
}

}  // namespace milvus_backup::cli
