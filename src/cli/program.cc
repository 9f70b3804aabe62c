#include "program.h"

#include "output.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <malloc.h>
#include <sstream>
#include <sys/resource.h>
#include <thread>

namespace milvus_backup::cli {

const char* const kExitStatuses =
    "Exit statuses: 0 done, 1 failed, 2 usage, 3 some items failed, 4 bad configuration, "
    "10 backup missing, 11 exists or locked, 12 credentials refused, 13 storage unreachable, "
    "14 Milvus unreachable, 20 integrity, 130 interrupted.";

int Fail(const Status& status, bool json) {
  const ExitCode code = ExitCodeOf(status);
  log::CloseConsole();  // the user reads it below
  log::Error("{}", status.ToString());
  if (json) {
    PrintErrorJson(status, code);
  } else {
    PrintErrorLine("Error: " + status.ToString());
  }
  return code;
}

Status OpenLog(log::Options options) {
  const Status status = log::Configure(options);
  if (status.ok()) return Status::Ok();
  PrintErrorLine(fmt::format("Warning: {}; going on without it", status.ToString()));
  options.path.clear();
  return log::Configure(options);
}

void RefuseUnknownCommand(const std::vector<std::string_view>& words, const CLI::App& app) {
  const auto word = std::ranges::find_if(words, [](auto each) { return !each.starts_with('-'); });
  if (word == words.end()) return;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (command->get_name() == *word) return;
  }
  throw CLI::ValidationError(fmt::format("unknown command '{}'", *word));
}

namespace {

// A busy connection takes about three descriptors, and both storages may have one per worker.
void RaiseFileLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = std::min<rlim_t>(std::max<rlim_t>(limit.rlim_cur, 8192), limit.rlim_max);
  setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

void PrepareProcess() {
  RaiseFileLimit();
#ifdef __GLIBC__
  // Of many short-lived threads, such as those that fetch pages of listings, each would get a heap
  // that is kept: 10 to 20 MiB, and slower than sharing few.
  const unsigned cores = std::max(2U, std::thread::hardware_concurrency());
  // NOLINTNEXTLINE(concurrency-mt-unsafe): it sets one number
  mallopt(M_ARENA_MAX, static_cast<int>(cores));
#endif
}

int PrintHelp(const CLI::App& app, const CLI::ParseError& request) {
  std::ostringstream out;
  app.exit(request, out, out);
  PrintText(out.str());
  return kDone;
}

}  // namespace milvus_backup::cli
