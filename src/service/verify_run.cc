#include "milvus_backup/service/verify_run.h"

#include "envelope.h"
#include "error_json.h"

#include "milvus_backup/backup/site.h"
#include "milvus_backup/meta/reader.h"
#include "milvus_backup/service/services.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <memory>
#include <string_view>
#include <system_error>
#include <utility>

namespace milvus_backup::service {
namespace {

using nlohmann::ordered_json;

/// Problems that a result lists, those of all backups together; all are counted.
constexpr size_t kMaxListed = 10000;

Result<backup::VerifyOptions> ToOptions(const VerifyChoices& choices) {
  backup::VerifyOptions options{
      .deep = choices.deep || choices.seal, .seed = choices.seed.value_or(0), .seal = choices.seal};
  MB_ASSIGN_OR_RETURN(options.sample, ParseSample(choices.sample));
  return options;
}

/// The one name, or with `all` those of every directory that list shows, complete or not: a backup
/// whose header is damaged or gone is the last that may pass unseen.
Result<std::vector<std::string>> NamesToVerify(const CallContext& ctx, const backup::Place& place,
                                               const VerifyChoices& choices,
                                               const VerifyObserver& observer) {
  if (!choices.all) return std::vector<std::string>{choices.name};
  const Status access = place.backend->CheckAccess(ctx);
  if (backup::IsMissing(access) && access.service_code().empty()) {
    return NotFoundError(place.backend->Describe() + " does not exist, so it holds no backups");
  }
  MB_RETURN_IF_ERROR(access.Annotate("looking for backups"));
  MB_ASSIGN_OR_RETURN(const meta::BackupList list,
                      meta::ListBackups(ctx, *place.backend, place.root));
  std::vector<std::string> names;
  for (const meta::ListedBackup& backup : list.backups) names.push_back(backup.name);
  for (const meta::UnfinishedBackup& backup : list.unfinished) names.push_back(backup.name);
  std::ranges::sort(names);
  if (names.empty() && observer.on_warning) {
    observer.on_warning(
        fmt::format("no backup is in {} below '{}'", place.backend->Describe(), place.root));
  }
  return names;
}

VerifiedBackup VerifyOne(const CallContext& ctx, backup::Site& site, const VerifyChoices& choices,
                         backup::VerifyOptions options, const VerifyObserver& observer,
                         size_t room) {
  VerifiedBackup verified;
  bool has_first = false;
  const auto note = [&](const backup::VerifyProblem& problem) {
    if (observer.on_problem) observer.on_problem(problem);
    if (!has_first) verified.first_problem = problem;
    has_first = true;
    if (observer.wants_problems && verified.problems.size() < room) {
      verified.problems.push_back(problem);
    }
  };
  options.on_problem = note;
  options.on_oddity = observer.on_oddity;
  verified.report.name = options.name;
  auto report = backup::VerifyBackup(ctx, site.backup_storage, options);
  verified.status = report.status();
  if (!report.ok()) return verified;
  verified.report = *std::move(report);
  // What is known to be damaged is not given to a server.
  if (!choices.restore_test || verified.report.problems > 0) return verified;
  auto trial = backup::TryRestore(ctx, site,
                                  {.name = options.name, .rows = choices.rows, .on_problem = note});
  verified.status = trial.status().Annotate("restoring it as a test");
  if (!trial.ok()) return verified;
  verified.report.problems += trial->problems;
  verified.trial = *std::move(trial);
  return verified;
}

ordered_json ToJson(const backup::TrialReport& trial) {
  ordered_json collections = ordered_json::array();
  for (const backup::TrialCollection& collection : trial.collections) {
    collections.push_back({{"name", collection.name},
                           {"rows", collection.rows},
                           {"restored_rows", collection.restored_rows},
                           {"compared_rows", collection.compared_rows}});
  }
  return {{"collections", std::move(collections)}, {"seconds", trial.seconds}};
}

ordered_json ToJson(const VerifiedBackup& verified) {
  const backup::VerifyReport& report = verified.report;
  if (!verified.status.ok()) {
    return {{"name", report.name}, {"status", "error"}, {"error", ErrorJson(verified.status)}};
  }
  ordered_json problems = ordered_json::array();
  for (const backup::VerifyProblem& problem : verified.problems) {
    problems.push_back({{"key", problem.key},
                        {"expected", problem.expected},
                        {"found", problem.found},
                        {"advice", problem.advice}});
  }
  ordered_json document = {{"name", report.name},
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
                           {"problems", std::move(problems)},
                           {"warnings", report.warnings},
                           {"seconds", report.seconds}};
  if (verified.trial) document["restore_test"] = ToJson(*verified.trial);
  return document;
}

}  // namespace

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

Status CheckVerifyChoices(const VerifyChoices& choices, OptionStyle style) {
  const auto name = [style](std::string_view key) { return OptionName(key, style); };
  if (!choices.sample.empty() && !choices.deep) {
    return InvalidArgumentError(fmt::format("{} goes with {}", name("sample"), name("deep")));
  }
  if (choices.seed && choices.sample.empty()) {
    return InvalidArgumentError(fmt::format("{} goes with {}", name("seed"), name("sample")))
        .WithAdvice(fmt::format("{} says which share {} reads", name("seed"), name("deep")));
  }
  if (choices.seal && !choices.sample.empty()) {
    return InvalidArgumentError(
        fmt::format("{} reads everything: leave {} out", name("seal"), name("sample")));
  }
  if (choices.rows != backup::TrialOptions().rows && !choices.restore_test) {
    return InvalidArgumentError(fmt::format("{} goes with {}", name("rows"), name("restore_test")));
  }
  const Status sample = ParseSample(choices.sample).status();
  return sample.Annotate(name("sample"));
}

bool VerifyResult::has_damage() const {
  return std::ranges::any_of(
      backups, [](const VerifiedBackup& backup) { return backup.report.problems > 0; });
}

bool VerifyResult::has_errors() const {
  return std::ranges::any_of(backups,
                             [](const VerifiedBackup& backup) { return !backup.status.ok(); });
}

Result<VerifyResult> RunVerify(const CallContext& ctx, const config::Config& config,
                               const VerifyChoices& choices, const VerifyObserver& observer) {
  MB_ASSIGN_OR_RETURN(backup::VerifyOptions options, ToOptions(choices));
  MB_ASSIGN_OR_RETURN(const std::unique_ptr<Services> services,
                      Services::Create(ctx, config,
                                       choices.restore_test ? Services::Needs::kEverything
                                                            : Services::Needs::kBackupStorage));
  backup::Site& site = services->site();
  site.parallel_collections = static_cast<size_t>(config.parallelism.restore_collection);
  MB_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                      NamesToVerify(ctx, site.backup_storage, choices, observer));
  if (observer.progress != nullptr) observer.progress->segments_planned = names.size();
  VerifyResult result;
  size_t room = kMaxListed;
  for (const std::string& name : names) {
    if (observer.on_begin) observer.on_begin(name);
    options.name = name;
    VerifiedBackup verified = VerifyOne(ctx, site, choices, options, observer, room);
    room -= verified.problems.size();
    // Of one backup the error is the result; of several the others are still worth knowing.
    if (!verified.status.ok() && (!choices.all || !ctx.Check().ok())) return verified.status;
    if (observer.on_end) observer.on_end(verified);
    if (observer.progress != nullptr) ++observer.progress->segments_done;
    result.backups.push_back(std::move(verified));
  }
  return result;
}

std::string EncodeVerifyResult(const VerifyResult& result) {
  ordered_json backups = ordered_json::array();
  for (const VerifiedBackup& backup : result.backups) backups.push_back(ToJson(backup));
  const char* status = "ok";
  if (result.has_errors()) status = "partial";
  if (result.has_damage()) status = "damaged";
  return DumpJson({{"status", status}, {"backups", std::move(backups)}});
}

std::string ProblemText(const backup::VerifyProblem& problem) {
  return fmt::format("{}: expected {}, found {}", problem.key, problem.expected, problem.found);
}

std::string NoteText(const backup::VerifyProblem& problem) {
  if (problem.place_of_values.empty()) return ProblemText(problem);
  return problem.place_of_values + ": a row is not restored as it was";
}

}  // namespace milvus_backup::service
