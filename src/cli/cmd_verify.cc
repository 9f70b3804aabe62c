#include "arguments.h"
#include "commands.h"
#include "output.h"
#include "services.h"

#include "milvus_backup/backup/verify.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/meta/reader.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace milvus_backup::cli {
namespace {

/// Problems of one backup that the JSON result lists; all are counted.
constexpr size_t kMaxListed = 10000;

struct VerifyFlags {
  std::string name;
  bool all = false;
};

/// What became of one backup.
struct Verified {
  backup::VerifyReport report;
  nlohmann::ordered_json problems = nlohmann::ordered_json::array();
  /// Why it could not be checked; OK when it was.
  Status status;
};

Verified VerifyOne(const CommandContext& context, const backup::Place& place,
                   const std::string& name) {
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
  auto report = backup::VerifyBackup(context.call, place, {.name = name, .on_problem = note});
  if (report.ok()) {
    verified.report = *std::move(report);
  } else {
    verified.report.name = name;
    verified.status = report.status();
  }
  return verified;
}

std::string ProofText(const backup::VerifyReport& report) {
  if (!report.has_manifest) return "no manifest, so only names and sizes are known";
  const std::string hashes = fmt::format("{} hashes compared", report.hashes);
  return report.sealed.empty() ? hashes : hashes + ", sealed at " + report.sealed;
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
}

nlohmann::ordered_json ToJson(Verified& verified) {
  const backup::VerifyReport& report = verified.report;
  if (!verified.status.ok()) {
    return {{"name", report.name}, {"status", "error"}, {"error", ErrorJson(verified.status)}};
  }
  return {{"name", report.name},
          {"status", report.problems == 0 ? "ok" : "damaged"},
          {"partial", report.partial},
          {"manifest", report.has_manifest},
          {"sealed", report.sealed},
          {"objects", report.objects},
          {"bytes", report.bytes},
          {"hashes", report.hashes},
          {"problem_count", report.problems},
          {"problems", std::move(verified.problems)},
          {"warnings", report.warnings},
          {"seconds", report.seconds}};
}

Result<std::vector<std::string>> NamesToVerify(const CommandContext& context,
                                               const backup::Place& place,
                                               const VerifyFlags& flags) {
  if (flags.all != flags.name.empty()) {
    return InvalidArgumentError("verify takes either -n/--name or --all");
  }
  if (!flags.all) return std::vector<std::string>{flags.name};
  MB_ASSIGN_OR_RETURN(const meta::BackupList list,
                      meta::ListBackups(context.call, *place.backend, place.root));
  std::vector<std::string> names;
  for (const meta::ListedBackup& backup : list.backups) names.push_back(backup.name);
  for (const meta::UnfinishedBackup& backup : list.unfinished) {
    PrintErrorLine(fmt::format("{} is not a complete backup: {}", backup.name, backup.reason));
  }
  return names;
}

Status RunVerify(const CommandContext& context, const VerifyFlags& flags) {
  MB_ASSIGN_OR_RETURN(
      const std::unique_ptr<Services> services,
      Services::Create(context.call, context.config, Services::Needs::kBackupStorage));
  const backup::Place& place = services->site().backup_storage;
  MB_ASSIGN_OR_RETURN(const std::vector<std::string> names, NamesToVerify(context, place, flags));
  nlohmann::ordered_json backups = nlohmann::ordered_json::array();
  bool damaged = false;
  bool failed = false;
  for (const std::string& name : names) {
    Verified verified = VerifyOne(context, place, name);
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
    PrintLine(nlohmann::ordered_json{
        {"status", damaged ? "damaged" : (failed ? "partial" : "ok")},
        {"backups",
         backups}}.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
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
  command->add_flag("--all", flags->all, "Every backup that list shows");
  return [flags](const CommandContext& context) { return RunVerify(context, *flags); };
}

}  // namespace milvus_backup::cli
