#include "arguments.h"
#include "backup_source.h"
#include "commands.h"
#include "output.h"

#include "milvus_backup/backup/restore_trial.h"
#include "milvus_backup/backup/site.h"
#include "milvus_backup/backup/verify.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/meta/reader.h"
#include "milvus_backup/service/services.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace milvus_backup::cli {
namespace {

/// Problems of one backup that the JSON result lists; all are counted.
constexpr size_t kMaxListed = 10000;

struct VerifyFlags {
  SourceFlags source;
  std::string name;
  bool all = false;
  bool deep = false;
  std::string sample;
  uint32_t seed = 0;
  bool seal = false;
  bool restore_test = false;
  uint64_t rows = backup::TrialOptions().rows;
};

/// `10%` or `10`, above 0 and up to 100, as a share; 1 for an empty text.
Result<double> ParseSample(const std::string& text) {
  if (text.empty()) return 1.0;
  double percent = 0;
  const char* end = text.data() + text.size() - (text.ends_with('%') ? 1 : 0);
  const auto parsed = std::from_chars(text.data(), end, percent);
  if (parsed.ec != std::errc() || parsed.ptr != end || !(percent > 0) || percent > 100) {
    return InvalidArgumentError(fmt::format("'{}' is no share: give one such as 10%", text));
  }
  return percent / 100;
}

/// What became of one backup.
struct Verified {
  backup::VerifyReport report;
  /// With --restore-test, unless the backup is damaged.
  std::optional<backup::TrialReport> trial;
  nlohmann::ordered_json problems = nlohmann::ordered_json::array();
  /// Why it could not be checked; OK when it was.
  Status status;
};

Verified VerifyOne(const CommandContext& context, backup::Site& site, const VerifyFlags& flags,
                   backup::VerifyOptions options) {
  Verified verified;
  const auto note = [&](const backup::VerifyProblem& problem) {
    if (!context.json) {
      PrintLine(fmt::format("{}: expected {}, found {}; {}", problem.key, problem.expected,
                            problem.found, problem.advice));
    } else if (verified.problems.size() < kMaxListed) {
      verified.problems.push_back({{"key", problem.key},
                                   {"expected", problem.expected},
                                   {"found", problem.found},
                                   {"advice", problem.advice}});
    }
  };
  options.on_problem = note;
  options.on_oddity = [](const backup::VerifyProblem& oddity) {
    PrintErrorLine(fmt::format("Warning: {}: expected {}, found {}", oddity.key, oddity.expected,
                               oddity.found));
  };
  verified.report.name = options.name;
  auto report = backup::VerifyBackup(context.call, site.backup_storage, options);
  verified.status = report.status();
  if (!report.ok()) return verified;
  verified.report = *std::move(report);
  // What is known to be damaged is not given to a server.
  if (!flags.restore_test || verified.report.problems > 0) return verified;
  auto trial = backup::TryRestore(context.call, site,
                                  {.name = options.name, .rows = flags.rows, .on_problem = note});
  verified.status = trial.status().Annotate("restoring it as a test");
  if (!trial.ok()) return verified;
  verified.report.problems += trial->problems;
  verified.trial = *std::move(trial);
  return verified;
}

std::string ProofText(const backup::VerifyReport& report) {
  std::string text;
  if (report.read_objects > 0) {
    text = fmt::format("{} objects read, {}, ", report.read_objects,
                       FormatBytes(static_cast<double>(report.read_bytes)));
  }
  if (report.sealed_now) return text + "sealed now";
  if (!report.has_manifest) return text + "no manifest, so no hashes to compare";
  text += fmt::format("{} hashes compared", report.hashes);
  return report.sealed.empty() ? text : text + ", sealed at " + report.sealed;
}

void Print(const Verified& verified) {
  const backup::VerifyReport& report = verified.report;
  for (const std::string& warning : report.warnings) {
    PrintErrorLine(fmt::format("{}: {}", report.name, warning));
  }
  PrintLine(fmt::format(
      "backup {} {}: {} objects, {}, {}", report.name,
      report.problems == 0 ? "is whole" : fmt::format("is damaged, {} problems", report.problems),
      report.objects, FormatBytes(static_cast<double>(report.bytes)), ProofText(report)));
  if (!verified.trial) return;
  for (const backup::TrialCollection& collection : verified.trial->collections) {
    PrintLine(fmt::format("restored {} as a test: {} rows, {} of them compared", collection.name,
                          collection.restored_rows, collection.compared_rows));
  }
}

nlohmann::ordered_json ToJson(const backup::TrialReport& trial) {
  nlohmann::ordered_json collections = nlohmann::ordered_json::array();
  for (const backup::TrialCollection& collection : trial.collections) {
    collections.push_back({{"name", collection.name},
                           {"rows", collection.rows},
                           {"restored_rows", collection.restored_rows},
                           {"compared_rows", collection.compared_rows}});
  }
  return {{"collections", std::move(collections)}, {"seconds", trial.seconds}};
}

nlohmann::ordered_json ToJson(Verified& verified) {
  const backup::VerifyReport& report = verified.report;
  if (!verified.status.ok()) {
    return {{"name", report.name}, {"status", "error"}, {"error", ErrorJson(verified.status)}};
  }
  nlohmann::ordered_json document = {{"name", report.name},
                                     {"status", report.problems == 0 ? "ok" : "damaged"},
                                     {"partial", report.partial},
                                     {"manifest", report.has_manifest},
                                     {"sealed", report.sealed},
                                     {"objects", report.objects},
                                     {"bytes", report.bytes},
                                     {"hashes", report.hashes},
                                     {"read_objects", report.read_objects},
                                     {"read_bytes", report.read_bytes},
                                     {"sealed_now", report.sealed_now},
                                     {"oddity_count", report.oddities},
                                     {"problem_count", report.problems},
                                     {"problems", std::move(verified.problems)},
                                     {"warnings", report.warnings},
                                     {"seconds", report.seconds}};
  if (verified.trial) document["restore_test"] = ToJson(*verified.trial);
  return document;
}

/// `name`, or with --all those of every directory that list shows, complete or not: a backup whose
/// header is damaged or gone is the last that may pass unseen.
Result<std::vector<std::string>> NamesToVerify(const CommandContext& context,
                                               const backup::Place& place, const VerifyFlags& flags,
                                               const std::string& name) {
  if (!flags.all) return std::vector<std::string>{name};
  const Status access = place.backend->CheckAccess(context.call);
  if (backup::IsMissing(access) && access.service_code().empty()) {
    return NotFoundError(place.backend->Describe() + " does not exist, so it holds no backups");
  }
  MB_RETURN_IF_ERROR(access.Annotate("looking for backups"));
  MB_ASSIGN_OR_RETURN(const meta::BackupList list,
                      meta::ListBackups(context.call, *place.backend, place.root));
  std::vector<std::string> names;
  for (const meta::ListedBackup& backup : list.backups) names.push_back(backup.name);
  for (const meta::UnfinishedBackup& backup : list.unfinished) names.push_back(backup.name);
  std::ranges::sort(names);
  if (names.empty()) {
    PrintErrorLine(fmt::format("Warning: no backup is in {} below '{}'", place.backend->Describe(),
                               place.root));
  }
  return names;
}

Result<backup::VerifyOptions> ToOptions(const VerifyFlags& flags) {
  const bool has_place = !flags.source.place.empty();
  if (!flags.name.empty() ? flags.all || has_place : !flags.all && !has_place) {
    return InvalidArgumentError("verify takes one of -n/--name, --all and PLACE")
        .WithAdvice("with --all a PLACE is the directory that the backups are in");
  }
  if (!flags.sample.empty() && !flags.deep) {
    return InvalidArgumentError("--sample goes with --deep");
  }
  if (flags.seal && !flags.sample.empty()) {
    return InvalidArgumentError("--seal reads everything: leave --sample out");
  }
  if (flags.rows != backup::TrialOptions().rows && !flags.restore_test) {
    return InvalidArgumentError("--rows goes with --restore-test");
  }
  backup::VerifyOptions options{
      .deep = flags.deep || flags.seal, .seed = flags.seed, .seal = flags.seal};
  MB_ASSIGN_OR_RETURN(options.sample, ParseSample(flags.sample));
  return options;
}

Status RunVerify(const CommandContext& context, const VerifyFlags& flags) {
  MB_ASSIGN_OR_RETURN(backup::VerifyOptions options, ToOptions(flags));
  MB_ASSIGN_OR_RETURN(const BackupSource source,
                      FindSource(context.config, flags.source, flags.all));
  MB_ASSIGN_OR_RETURN(
      const std::unique_ptr<service::Services> services,
      service::Services::Create(context.call, source.config,
                                flags.restore_test ? service::Services::Needs::kEverything
                                                   : service::Services::Needs::kBackupStorage));
  backup::Site& site = services->site();
  site.parallel_collections = static_cast<size_t>(source.config.parallelism.restore_collection);
  MB_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                      NamesToVerify(context, site.backup_storage, flags,
                                    flags.name.empty() ? source.name : flags.name));
  nlohmann::ordered_json backups = nlohmann::ordered_json::array();
  bool damaged = false;
  bool failed = false;
  for (const std::string& name : names) {
    options.name = name;
    Verified verified = VerifyOne(context, site, flags, options);
    // Of one backup the error is the result; of several the others are still worth knowing.
    if (!verified.status.ok() && (!flags.all || !context.call.Check().ok())) return verified.status;
    damaged = damaged || verified.report.problems > 0;
    failed = failed || !verified.status.ok();
    if (context.json) {
      backups.push_back(ToJson(verified));
    } else if (verified.status.ok()) {
      Print(verified);
    } else {
      PrintErrorLine(fmt::format("Error: {}: {}", name, verified.status.ToString()));
    }
  }
  if (context.json) {
    PrintJson(
        {{"status", damaged ? "damaged" : (failed ? "partial" : "ok")}, {"backups", backups}});
  }
  if (failed) context.exit_code = kSomeFailed;
  if (damaged) context.exit_code = kIntegrity;
  return Status::Ok();
}

}  // namespace

Command AddVerify(CLI::App& app) {
  CLI::App* command = app.add_subcommand("verify", "Prove that backups are whole");
  auto flags = std::make_shared<VerifyFlags>();  // shared with the returned function
  command->add_option("-n,--name", flags->name, "Name of the backup")
      ->check(Checker([](std::string_view text) { return meta::BackupDir("", text).status(); }));
  AddSourceFlags(*command, flags->source);
  command->add_flag("--all", flags->all, "Every backup that list shows, unfinished ones too");
  command->add_flag("--deep", flags->deep, "Read every object: hashes, and what the logs say");
  command->add_option("--sample", flags->sample, "With --deep: read this share of the logs, as 10%")
      ->check(
          Checker([](std::string_view text) { return ParseSample(std::string(text)).status(); }));
  command->add_option("--seed", flags->seed, "With --sample: another seed reads other logs")
      ->capture_default_str();
  command->add_flag("--seal", flags->seal,
                    "As --deep, then write a manifest for a whole backup that has none");
  command->add_flag("--restore-test", flags->restore_test,
                    "Restore it under scratch names, compare rows, and drop that again");
  command->add_option("--rows", flags->rows, "With --restore-test: rows of a collection to compare")
      ->capture_default_str();
  return [flags](const CommandContext& context) { return RunVerify(context, *flags); };
}

}  // namespace milvus_backup::cli
