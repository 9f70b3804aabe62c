#include "milvus_backup/service/copy_run.h"

#include "envelope.h"
#include "error_json.h"

#include "milvus_backup/service/amounts.h"
#include "milvus_backup/service/services.h"
#include "milvus_backup/storage/read_only_backend.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <memory>
#include <string_view>
#include <utility>

namespace milvus_backup::service {
namespace {

using backup::CopiedBackup;
using nlohmann::ordered_json;

/// S3 API reference, "Multipart upload limits".
constexpr uint64_t kLargestPart = 5 * kGiB;

/// What ParseBytes makes of a text that has been checked already; 0 for an empty one.
uint64_t BytesOf(const std::string& text) {
  if (text.empty()) return 0;
  const auto bytes = ParseBytes(text);
  return bytes.ok() ? *bytes : 0;
}

Result<CopySide> OpenNamed(const config::Config& config, const std::string& name,
                           std::string_view key) {
  const auto settings = BackupStorageCalled(config, name);
  if (!settings.ok()) return settings.status().Annotate(key);
  auto side = OpenBackupRoot(*settings);
  if (!side.ok() && !name.empty()) return side.status().Annotate(fmt::format("{} {}", key, name));
  return side;
}

ordered_json ToJson(const std::vector<CopiedBackup>& backups, const std::string& own) {
  ordered_json list = ordered_json::array();
  for (const CopiedBackup& backup : backups) {
    ordered_json one = {{"name", backup.dir.empty() ? own : backup.dir},
                        {"outcome", NameOf(backup.outcome)}};
    if (!backup.status.ok()) one["error"] = ErrorJson(backup.status);
    list.push_back(std::move(one));
  }
  return list;
}

/// `NAME: ` of the failed backup that the object is one of, where one is told by its name.
std::string OwnerOf(const std::vector<CopiedBackup>& backups, std::string_view key) {
  for (const CopiedBackup& copied : backups) {
    if (copied.status.ok() || copied.dir.empty()) continue;
    const bool is_owner = key.starts_with(copied.dir + "/") ||
                          key.find("/" + copied.dir + "/") != std::string_view::npos;
    if (is_owner) return copied.dir + ": ";
  }
  return "";
}

}  // namespace

Status CheckCopyOfBackups(const CopyChoices& choices, OptionStyle style) {
  const auto name = [style](std::string_view key) { return OptionName(key, style); };
  const auto exclusive = [&](std::string_view one, std::string_view other) {
    return InvalidArgumentError(
        fmt::format("{} and {} exclude each other", name(one), name(other)));
  };
  if (choices.all && !choices.name.empty()) return exclusive("backup_name", "all");
  if (choices.all && !choices.as.empty()) return exclusive("all", "as");
  if (choices.all || (choices.include.empty() && choices.exclude.empty())) return Status::Ok();
  return InvalidArgumentError(fmt::format(
      "a backup is copied whole: {} and {} are for {}", name("include"), name("exclude"),
      style == OptionStyle::kKey ? "all, and take names of backups"
                                 : "SRC DST and, with names of backups, for --all"));
}

Status CheckPartSize(const CopyChoices& choices, OptionStyle style) {
  const transfer::CopyOptions options = TransferOptionsOf(choices, {});
  const std::string part_size = OptionName("part_size", style);
  if (options.part_size > kLargestPart) {
    return InvalidArgumentError(
        fmt::format("{} is {}, more than {}, the largest part that S3 takes", part_size,
                    choices.part_size, AmountLike(choices.part_size, kLargestPart)));
  }
  if (options.part_size <= options.memory_bytes) return Status::Ok();
  const std::string memory = OptionName("memory", style);
  const std::string bound =
      choices.memory.empty() ? AmountLike(choices.part_size, options.memory_bytes) : choices.memory;
  return InvalidArgumentError(fmt::format("{} is {}, more than {}, {}{}", part_size,
                                          choices.part_size, memory, bound,
                                          choices.memory.empty() ? " by default" : ""))
      .WithAdvice(fmt::format("give a larger {}, or a smaller {}", memory, part_size));
}

backup::CopyRules RulesOf(const CopyChoices& choices) {
  return {.dry_run = choices.dry_run,
          .overwrite = choices.overwrite,
          .delete_extra = choices.delete_extra,
          .check = !choices.no_check,
          .include = choices.include,
          .exclude = choices.exclude};
}

transfer::CopyOptions TransferOptionsOf(const CopyChoices& choices, const config::Config& config) {
  transfer::CopyOptions options{.concurrency = choices.concurrency,
                                .server_copy_threshold = config.multipart_copy_threshold_mib * kMiB,
                                .force_streaming = config.cross_storage,
                                .bandwidth_bytes_per_s = BytesOf(choices.bandwidth),
                                .requests_per_s = choices.requests,
                                .check = !choices.no_check};
  if (!choices.memory.empty()) options.memory_bytes = BytesOf(choices.memory);
  options.part_size = choices.part_size.empty() ? std::min(options.part_size, options.memory_bytes)
                                                : BytesOf(choices.part_size);
  return options;
}

Result<CopySides> OpenCopySides(const config::Config& config, const CopyChoices& choices) {
  CopySides sides;
  MB_ASSIGN_OR_RETURN(sides.source, OpenNamed(config, choices.from, "from"));
  MB_ASSIGN_OR_RETURN(sides.destination, OpenNamed(config, choices.to, "to"));
  return sides;
}

Status SettleCopySides(CopySides& sides, const CopyChoices& choices) {
  if (!choices.name.empty()) {
    MB_RETURN_IF_ERROR(Narrow(sides.source, choices.name));
    MB_RETURN_IF_ERROR(Narrow(sides.destination, choices.copy_name()));
  }
  MB_RETURN_IF_ERROR(CheckSidesApart(sides.source, sides.destination));
  if (!choices.dry_run) return Status::Ok();
  for (CopySide* side : {&sides.source, &sides.destination}) {
    side->backend = std::make_unique<storage::ReadOnlyBackend>(std::move(side->backend));
    side->tree.backend = side->backend.get();
  }
  return Status::Ok();
}

Result<backup::CopyAllReport> RunCopy(const CallContext& ctx, const config::Config& config,
                                      const CopySides& sides, const CopyChoices& choices,
                                      transfer::Progress& progress,
                                      const backup::CopyObserver& observer) {
  transfer::CopyEngine engine(TransferOptionsOf(choices, config), &progress);
  const backup::Tree& source = sides.source.tree;
  const backup::Tree& destination = sides.destination.tree;
  const backup::CopyRules rules = RulesOf(choices);
  backup::CopyAllReport all;
  if (choices.all) {
    MB_ASSIGN_OR_RETURN(all,
                        backup::CopyAllBackups(ctx, engine, source, destination, rules, observer));
    all.workers = engine.workers();
    return all;
  }
  if (choices.name.empty()) {
    MB_ASSIGN_OR_RETURN(all.total, backup::CopyTree(ctx, engine, source, destination, rules));
  } else {
    MB_ASSIGN_OR_RETURN(all.total, backup::CopyBackup(ctx, engine, source, destination, rules));
  }
  for (CopiedBackup copied : all.total.backups) {
    if (copied.dir.empty()) copied.dir = choices.copy_name();
    if (observer) observer(copied);
  }
  all.workers = engine.workers();
  return all;
}

std::string_view NameOf(CopiedBackup::Outcome outcome) {
  switch (outcome) {
    case CopiedBackup::Outcome::kCopied:
      return "copied";
    case CopiedBackup::Outcome::kAlreadyThere:
      return "already there";
    case CopiedBackup::Outcome::kFailed:
      return "failed";
  }
  return "";
}

std::string_view OutcomeText(CopiedBackup::Outcome outcome, bool dry_run) {
  const bool would = dry_run && outcome == CopiedBackup::Outcome::kCopied;
  return would ? "would be copied" : NameOf(outcome);
}

std::string EncodeCopyReport(const backup::CopyAllReport& all, const CopyChoices& choices,
                             const std::string& own) {
  const backup::CopyReport& report = all.total;
  ordered_json failures = ordered_json::array();
  for (const backup::FailedObject& failure : report.failures) {
    failures.push_back({{"key", failure.key}, {"error", ErrorJson(failure.status)}});
  }
  ordered_json document = {{"status", report.some_failed() ? "partial" : "ok"},
                           {"dry_run", choices.dry_run},
                           {"objects", report.objects},
                           {"bytes", report.bytes},
                           {"reused_bytes", report.reused_bytes},
                           {"kept_objects", report.kept_objects},
                           {"undecided_objects", report.undecided_objects},
                           {"deleted_objects", report.deleted_objects},
                           {"server_side_objects", report.server_side_objects},
                           {"second_reads", report.second_reads},
                           {"workers", all.workers},
                           {"resumed", report.resumed},
                           {"made_destination", report.made_destination},
                           {"backups", ToJson(report.backups, own)}};
  if (choices.all) document["left_out"] = ToJson(all.left_out, own);
  document["failure_count"] = report.failure_count;
  document["failures"] = std::move(failures);
  document["warnings"] = report.warnings;
  document["seconds"] = report.seconds;
  return DumpJson(document);
}

Status FirstFailure(const backup::CopyReport& report) {
  if (!report.failures.empty()) {
    const backup::FailedObject& first = report.failures.front();
    return first.status.Annotate(fmt::format("{}{} objects were not copied, among them {}",
                                             OwnerOf(report.backups, first.key),
                                             report.failure_count, first.key));
  }
  for (const CopiedBackup& copied : report.backups) {
    if (copied.status.ok()) continue;
    return copied.dir.empty() ? copied.status : copied.status.Annotate(copied.dir);
  }
  return report.some_failed() ? InternalError("some objects were not copied") : Status::Ok();
}

}  // namespace milvus_backup::service
