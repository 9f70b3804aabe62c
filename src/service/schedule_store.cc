#include "schedule_store.h"

#include "job_store.h"

#include "milvus_backup/base/encoding.h"
#include "milvus_backup/base/log.h"
#include "milvus_backup/storage/open.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <array>
#include <exception>
#include <filesystem>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace milvus_backup::service {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using nlohmann::ordered_json;
using std::chrono::seconds;
using std::chrono::sys_seconds;

constexpr uint64_t kMaxStateBytes = kMiB;

/// Unix seconds that a point of the system's clock can hold: up to the year 2255.
constexpr int64_t kLastSecond = 9'000'000'000;

std::string FileOf(const std::string& name) { return name + ".json"; }

int64_t Count(sys_seconds time) { return time.time_since_epoch().count(); }

// Throws what nlohmann throws for a missing or mistyped member, and for what is no time.
sys_seconds TimeOf(const json& value) {
  if (!value.is_number_integer() || value < 0 || value > kLastSecond) {
    throw std::out_of_range(fmt::format("{} is no time", value.dump()));
  }
  return sys_seconds(seconds(value.get<int64_t>()));
}

/// A state takes the place of anything but a directory.
Status CheckNoDirectory(const std::string& path) {
  std::error_code error;
  if (fs::symlink_status(path, error).type() != fs::file_type::directory) return Status::Ok();
  return FailedPreconditionError(path + " is a directory, not the state of a schedule")
      .WithAdvice("move it away: until then the schedule does not run");
}

LastRun LastOf(const json& value) {
  return {.backup = value.at("backup").get<std::string>(),
          .scheduled = TimeOf(value.at("scheduled")),
          .ended = TimeOf(value.at("ended")),
          .succeeded = value.at("succeeded").get<bool>(),
          .error = value.at("error").get<std::string>()};
}

}  // namespace

void ScheduleState::End(LastRun run) {
  unfinished.reset();
  if (run.succeeded) last_success = run.ended;
  last = std::move(run);
}

std::string EncodeScheduleState(const ScheduleState& state) {
  ordered_json document = {{"handled", Count(state.handled)}};
  if (state.unfinished) document["unfinished"] = Count(*state.unfinished);
  if (state.last) {
    document["last"] = {{"backup", state.last->backup},
                        {"scheduled", Count(state.last->scheduled)},
                        {"ended", Count(state.last->ended)},
                        {"succeeded", state.last->succeeded},
                        {"error", state.last->error}};
  }
  if (state.last_success) document["last_success"] = Count(*state.last_success);
  return document.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

Result<ScheduleState> DecodeScheduleState(std::string_view text, std::string_view what) {
  try {
    const json value = json::parse(text);
    ScheduleState state{.handled = TimeOf(value.at("handled"))};
    if (value.contains("unfinished")) state.unfinished = TimeOf(value.at("unfinished"));
    if (value.contains("last")) state.last = LastOf(value.at("last"));
    if (value.contains("last_success")) {
      state.last_success = TimeOf(value.at("last_success"));
    } else if (state.last && state.last->succeeded) {
      state.last_success = state.last->ended;  // as the first version wrote it
    }
    return state;
  } catch (const std::exception& error) {
    return DataLossError(
        fmt::format("{} is no state of a schedule: {}", what, Printable(error.what())));
  }
}

ScheduleClaim::ScheduleClaim(storage::Backend& files, std::string name, FileLock lock,
                             ScheduleState state)
    : files_(files), name_(std::move(name)), lock_(std::move(lock)), state_(std::move(state)) {}

Status ScheduleClaim::Save(const ScheduleState& state) {
  const std::string text = EncodeScheduleState(state);
  MB_RETURN_IF_ERROR(files_.Put({}, FileOf(name_), AsBytes(text), {})
                         .status()
                         .Annotate("writing down the state of schedule " + name_));
  state_ = state;
  return Status::Ok();
}

Result<std::unique_ptr<ScheduleStore>> ScheduleStore::Open(const std::string& state_dir,
                                                           bool make) {
  const std::string directory = state_dir + "/schedules";
  if (make) {
    MB_RETURN_IF_ERROR(MakeStateDirectory(state_dir));
    MB_RETURN_IF_ERROR(MakeStateDirectory(directory));
  }
  MB_ASSIGN_OR_RETURN(std::unique_ptr<storage::Backend> files,
                      storage::OpenLocal({.root = fs::absolute(directory).string()}));
  // NOLINTNEXTLINE(cppcoreguidelines-owning-memory): the constructor is private
  return std::unique_ptr<ScheduleStore>(new ScheduleStore(directory, std::move(files)));
}

ScheduleStore::ScheduleStore(std::string directory, std::unique_ptr<storage::Backend> files)
    : directory_(std::move(directory)), files_(std::move(files)) {}

Result<std::unique_ptr<ScheduleClaim>> ScheduleStore::Claim(const std::string& name) {
  auto lock = FileLock::TryTake(fmt::format("{}/.{}.lock", directory_, name));
  if (!lock.ok() && lock.status().code() == Code::kAlreadyExists) {
    return AlreadyExistsError(fmt::format("schedule {} is running", name))
        .WithAdvice("wait until it has ended");
  }
  MB_RETURN_IF_ERROR(lock.status());
  auto found = Read(name);
  if (!found.ok()) {
    if (found.status().code() != Code::kDataLoss) return found.status();
    log::Warn("begun anew: {}", found.status().ToString());
  }
  ScheduleState state;
  if (found.ok() && found->has_value()) state = **found;
  return std::make_unique<ScheduleClaim>(*files_, name, *std::move(lock), std::move(state));
}

Result<std::optional<ScheduleState>> ScheduleStore::Read(const std::string& name) {
  auto text = storage::ReadAll({}, *files_, FileOf(name), kMaxStateBytes);
  const std::string path = directory_ + "/" + FileOf(name);
  if (!text.ok() && text.status().code() == Code::kNotFound) {
    MB_RETURN_IF_ERROR(CheckNoDirectory(path));
    return std::optional<ScheduleState>();
  }
  if (text.status().code() == Code::kOutOfRange) {
    return DataLossError(path + " is no state of a schedule: it is too large");
  }
  MB_RETURN_IF_ERROR(text.status());
  MB_ASSIGN_OR_RETURN(ScheduleState state, DecodeScheduleState(*text, path));
  return std::optional<ScheduleState>(std::move(state));
}

}  // namespace milvus_backup::service
