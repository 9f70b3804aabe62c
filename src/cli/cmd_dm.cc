#include "arguments.h"
#include "output.h"
#include "program.h"
#include "terminal_progress.h"

#include "milvus_backup/base/log.h"
#include "milvus_backup/base/signals.h"
#include "milvus_backup/config/dm.h"
#include "milvus_backup/migration/dm.h"
#include "milvus_backup/service/services.h"
#include "milvus_backup/storage/open.h"

#include <CLI/CLI.hpp>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <ctime>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace milvus_backup::cli {
namespace {

namespace fs = std::filesystem;
using migration::DmTask;

constexpr char kLogPrefix[] = "milvusdm-";
constexpr char kLogSuffix[] = ".log";
/// Where rows wait in Milvus' own storage until they are imported.
constexpr char kStagingDir[] = "milvusdm-temp/";

/// `--yam FILE` as `--yaml FILE`: the argument parser of MilvusDM takes prefixes.
std::vector<std::string> Completed(int argc, char** argv) {
  std::vector<std::string> arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string_view text = argv[i];
    const size_t end = std::min(text.find('='), text.size());
    const std::string_view name = text.substr(0, end);
    const bool is_prefix = name.size() > 2 && std::string_view("--yaml").starts_with(name);
    arguments.push_back(is_prefix ? "--yaml" + std::string(text.substr(end)) : std::string(text));
  }
  return arguments;
}

/// Logs, and what is written down of unfinished runs.
std::string WorkDir() {
  if (const auto path = config::ProcessEnvironment("MILVUSDM_PATH"); path && !path->empty()) {
    return *path;
  }
  return config::ProcessEnvironment("HOME").value_or(".") + "/milvusdm";
}

/// How many daily log files stay; 0 means all.
size_t KeptLogs() {
  size_t count = 0;
  for (const char* name : {"logs_num", "LOGS_NUM"}) {
    const std::string text = config::ProcessEnvironment(name).value_or("");
    std::from_chars(text.data(), text.data() + text.size(), count);
    if (count > 0) return count;
  }
  return 0;
}

/// One that cannot be removed stays.
void RemoveOldLogs(const std::string& dir, size_t kept) {
  if (kept == 0) return;
  std::vector<fs::path> logs;
  std::error_code ignored;
  for (fs::directory_iterator it(dir, ignored), end; !ignored && it != end; it.increment(ignored)) {
    const std::string name = it->path().filename().string();
    if (name.starts_with(kLogPrefix) && name.ends_with(kLogSuffix)) logs.push_back(it->path());
  }
  std::ranges::sort(logs);  // by their dates
  for (size_t i = 0; i + kept < logs.size(); ++i) fs::remove(logs[i], ignored);
}

Status OpenDmLog(const std::string& work_dir) {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  const std::string dir = work_dir + "/logs";
  Status status =
      OpenLog({.level = log::Level::kDebug,
               .console_level = log::Level::kInfo,
               .style = log::Style::kBarred,
               .console_is_stdout = true,
               .path = fmt::format("{}/{}{:%Y-%m-%d}{}", dir, kLogPrefix, local, kLogSuffix)});
  RemoveOldLogs(dir, KeptLogs());
  return status;
}

/// The backends of a run; `places` points into them.
struct DmBackends {
  std::unique_ptr<storage::Backend> state;
  std::unique_ptr<storage::Backend> staging;
  migration::Store staging_store;
  migration::DmPlaces places;
};

Result<std::unique_ptr<DmBackends>> OpenBackends(const config::DmConfig& config,
                                                 const std::string& work_dir) {
  auto backends = std::make_unique<DmBackends>();
  std::error_code error;
  const std::string root = fs::absolute(work_dir + "/state", error).string();
  MB_ASSIGN_OR_RETURN(backends->state, storage::OpenLocal({.root = root}));
  backends->places.state = {.backend = backends->state.get(), .local_root = root};
  if (!config.storage) return backends;
  backup::Place place;
  MB_ASSIGN_OR_RETURN(backends->staging, service::OpenPlace(*config.storage, place));
  backends->staging_store = {.backend = backends->staging.get(),
                             .prefix = kStagingDir,
                             .milvus_prefix = place.milvus_prefix};
  backends->places.staging = &backends->staging_store;
  return backends;
}

void PrintReport(const migration::DmReport& report, bool imported) {
  for (const std::string& warning : report.warnings) PrintErrorLine("Warning: " + warning);
  for (const migration::DmFilled& filled : report.partitions) {
    std::string what =
        fmt::format("{} rows {}", filled.load.expected, imported ? "imported" : "inserted");
    if (filled.is_empty) what = "no rows";
    if (filled.load.skipped) what = "skipped, it exists";
    if (filled.load.was_done) what += ", before this run";
    PrintLine(fmt::format("{}/{}: {}", filled.collection, filled.partition, what));
  }
}

std::string SuccessLine(const migration::DmOptions& options) {
  if (options.task == DmTask::kM2M) return "Successfully transformed all data.";
  if (options.task == DmTask::kF2M) {
    return "Data migration successful from Faiss to Milvus: " + options.files.front();
  }
  std::vector<std::string> quoted;
  for (const std::string& file : options.files) quoted.push_back("'" + file + "'");
  if (!options.data_dir.empty()) quoted.push_back("'" + options.data_dir + "'");
  return fmt::format("Migrate HDF5 data to Milvus Successfully: [{}]", fmt::join(quoted, ", "));
}

Status Bring(const CallContext& ctx, const config::DmConfig& config, const std::string& work_dir) {
  const migration::DmOptions& options = config.options;
  MB_ASSIGN_OR_RETURN(const auto backends, OpenBackends(config, work_dir));
  const auto client = milvus::Connect(ctx, options.milvus);
  if (!client.ok()) {
    return client.status().Annotate(
        fmt::format("connecting to Milvus at {}:{}", options.milvus.address, options.milvus.port));
  }
  transfer::Progress progress;
  const auto report = [&] {
    const TerminalProgress line(progress, true);
    return migration::BringIntoMilvus(ctx, **client, options, backends->places, {}, progress);
  }();
  MB_RETURN_IF_ERROR(report.status());
  PrintReport(*report, config.storage.has_value());
  log::Event(log::Level::kInfo, SuccessLine(options), {});
  NoteDone("the data is in Milvus");
  return Status::Ok();
}

Status WriteFiles(const CallContext& ctx, const migration::DmOptions& options) {
  transfer::Progress progress;
  const auto report = [&] {
    const TerminalProgress line(progress, true);
    return migration::WriteHdf5Files(ctx, options, progress);
  }();
  MB_RETURN_IF_ERROR(report.status());
  for (const std::string& warning : report->warnings) PrintErrorLine("Warning: " + warning);
  for (const migration::WrittenHdf5& file : report->files) {
    PrintLine(fmt::format(
        "{}/{}: {}", file.collection, file.partition.empty() ? "_default" : file.partition,
        file.path.empty() ? "no rows" : fmt::format("{} rows in {}", file.rows, file.path)));
  }
  log::Event(log::Level::kInfo, "Successfully copied all data.", {});
  NoteDone("the files are written");
  return Status::Ok();
}

/// With the keys of this program: the client's advice names those of backup.yaml.
Status WithOwnKeys(Status status, DmTask task) {
  if (status.origin() != Origin::kMilvus) return status;
  const std::string_view name = migration::NameOf(task);
  if (status.code() == Code::kUnauthenticated) {
    return std::move(status).WithAdvice(
        fmt::format("check {0}.dest_user and {0}.dest_password", name));
  }
  if (status.code() == Code::kPermissionDenied) {
    return std::move(status).WithAdvice(
        fmt::format("give the user of {}.dest_user this privilege or set another user", name));
  }
  return status;
}

Status Run(const CallContext& ctx, const std::string& yaml, const std::string& work_dir) {
  MB_ASSIGN_OR_RETURN(const config::DmConfig config, config::LoadDm(yaml));
  const DmTask task = config.options.task;
  if (task == DmTask::kM2H) return WriteFiles(ctx, config.options);
  return WithOwnKeys(Bring(ctx, config, work_dir), task);
}

}  // namespace

int DmMain(int argc, char** argv) {
  CLI::App app("Bring HDF5 and Faiss files and the data of Milvus 0.9 to 1.x into Milvus 2.x",
               "milvusdm");
  app.set_version_flag("--version", MB_VERSION);
  app.footer(kExitStatuses);
  std::string yaml;
  app.add_option("--yaml", yaml, "The task and its settings: M2M, H2M, M2H or F2M")->required();
  RefuseEmptyValues(app, {});
  try {
    ParseArguments(app, Completed(argc, argv));
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return PrintHelp(app, error);
    return Fail(InvalidArgumentError(error.what()).WithAdvice("run with --help to see the flags"),
                false);
  }
  PrepareProcess();
  const std::stop_source stop = InstallSignalHandling();
  const std::string work_dir = WorkDir();
  if (Status status = OpenDmLog(work_dir); !status.ok()) return Fail(status, false);
  const Status status = Run({.stop = stop.get_token()}, yaml, work_dir);
  return status.ok() ? static_cast<int>(kDone) : Fail(status, false);
}

}  // namespace milvus_backup::cli
