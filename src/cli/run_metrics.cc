#include "run_metrics.h"

#include "exit_code.h"

#include "milvus_backup/base/log.h"

#include <CLI/CLI.hpp>

#include <vector>

namespace milvus_backup::cli {
namespace {

bool IsGiven(const CLI::App& command, const char* flag) {
  const CLI::Option* option = command.get_option_no_throw(flag);
  return option != nullptr && option->count() > 0;
}

bool IsDryRun(const CLI::App& command) {
  constexpr const char* kFlag = "--dry-run";
  return IsGiven(command, kFlag) && command.get_option(kFlag)->as<bool>();
}

}  // namespace

std::string NameInMetrics(const CLI::App& command) {
  const std::string& name = command.get_name();
  // A server shows its metrics itself.
  if (name == "server" || IsDryRun(command)) return "";
  if (name == "prune" && IsGiven(command, "--undo")) return "";
  const std::vector<CLI::App*> words = command.get_subcommands();
  // `schedule run-now` takes a backup; `schedule list` and `schedule run` are none of its runs.
  if (!words.empty() && words.front()->get_name() != "run-now") return "";
  return name;
}

bool HasDoneAnything(int exit_status, const storage::MethodCounts& requests) {
  const bool may_have_begun_nothing =
      exit_status == kUsage || exit_status == kBadConfig || exit_status == kInterrupted;
  return !may_have_begun_nothing || requests.calls > requests.errors;
}

void LeaveMetrics(const std::string& directory, const service::RunFacts& run) {
  if (directory.empty() || run.command.empty()) return;
  const service::StorageCounts& storage = service::ProcessStorageCounts();
  if (!HasDoneAnything(run.exit_status, storage.calls->Total())) return;
  const Status written = service::WriteRunMetrics(directory, run, storage);
  if (!written.ok()) log::Warn("{}", written.ToString());
}

}  // namespace milvus_backup::cli
