#include "arguments.h"
#include "backup_source.h"
#include "commands.h"
#include "output.h"

#include "milvus_backup/backup/verify.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/service/verify_run.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace milvus_backup::cli {
namespace {

using service::VerifiedBackup;

struct VerifyFlags {
  SourceFlags source;
  service::VerifyChoices choices;
};

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

void Print(const VerifiedBackup& verified) {
  const backup::VerifyReport& report = verified.report;
  if (!verified.status.ok()) {
    PrintErrorLine(fmt::format("Error: {}: {}", report.name, verified.status.ToString()));
    return;
  }
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

Status CheckFlags(const VerifyFlags& flags) {
  const service::VerifyChoices& choices = flags.choices;
  const bool has_place = !flags.source.place.empty();
  if (!choices.name.empty() ? choices.all || has_place : !choices.all && !has_place) {
    return InvalidArgumentError("verify takes one of -n/--name, --all and PLACE")
        .WithAdvice("with --all a PLACE is the directory that the backups are in");
  }
  return service::CheckVerifyChoices(choices, service::OptionStyle::kFlag);
}

service::VerifyObserver Observer(bool json) {
  service::VerifyObserver observer{
      .on_oddity =
          [](const backup::VerifyProblem& oddity) {
            PrintErrorLine("Warning: " + service::ProblemText(oddity));
          },
      .on_warning = [](const std::string& warning) { PrintErrorLine("Warning: " + warning); },
      .wants_problems = json};
  if (json) return observer;
  observer.on_problem = [](const backup::VerifyProblem& problem) {
    PrintLine(fmt::format("{}; {}", service::ProblemText(problem), problem.advice));
  };
  observer.on_end = [](const VerifiedBackup& verified) { Print(verified); };
  return observer;
}

Status RunVerify(const CommandContext& context, const VerifyFlags& flags) {
  MB_RETURN_IF_ERROR(CheckFlags(flags));
  service::VerifyChoices choices = flags.choices;
  MB_ASSIGN_OR_RETURN(const BackupSource source,
                      FindSource(context.config, flags.source, choices.all));
  if (choices.name.empty()) choices.name = source.name;
  MB_ASSIGN_OR_RETURN(
      const service::VerifyResult result,
      service::RunVerify(context.call, source.config, choices, Observer(context.json)));
  if (context.json) PrintLine(service::EncodeVerifyResult(result));
  if (result.has_errors()) context.exit_code = kSomeFailed;
  if (result.has_damage()) context.exit_code = kIntegrity;
  return Status::Ok();
}

}  // namespace

Command AddVerify(CLI::App& app) {
  CLI::App* command = app.add_subcommand("verify", "Prove that backups are whole");
  auto flags = std::make_shared<VerifyFlags>();  // shared with the returned function
  service::VerifyChoices& choices = flags->choices;
  command->add_option("-n,--name", choices.name, "Name of the backup")
      ->check(Checker([](std::string_view text) { return meta::BackupDir("", text).status(); }));
  AddSourceFlags(*command, flags->source);
  command->add_flag("--all", choices.all, "Every backup that list shows, unfinished ones too");
  command->add_flag("--deep", choices.deep, "Read every object: hashes, and what the logs say");
  command
      ->add_option("--sample", choices.sample, "With --deep: read this share of the logs, as 10%")
      ->check(Checker(
          [](std::string_view text) { return service::ParseSample(std::string(text)).status(); }));
  command->add_option("--seed", choices.seed, "With --sample: another seed reads other logs");
  command->add_flag("--seal", choices.seal,
                    "As --deep, then write a manifest for a whole backup that has none");
  command->add_flag("--restore-test", choices.restore_test,
                    "Restore it under scratch names, compare rows, and drop that again");
  command
      ->add_option("--rows", choices.rows, "With --restore-test: rows of a collection to compare")
      ->capture_default_str();
  return [flags](const CommandContext& context) { return RunVerify(context, *flags); };
}

}  // namespace milvus_backup::cli
