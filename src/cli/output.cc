#include "output.h"

#include "milvus_backup/base/encoding.h"
#include "milvus_backup/service/error_view.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <fcntl.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace milvus_backup::cli {
namespace {

// Of the program's one stdout, and used by the main thread alone.
struct StdoutState {
  bool was_closed = false;
  /// The first error number; 0 when every write succeeded.
  int error = 0;
  std::string done;
};

StdoutState& State() {
  static StdoutState state;
  return state;
}

}  // namespace

void OpenStandardStreams() {
  State() = {};
  for (int stream = STDIN_FILENO; stream <= STDERR_FILENO; ++stream) {
    if (fcntl(stream, F_GETFD) >= 0 || errno != EBADF) continue;
    // The lowest free number is this one.
    if (open("/dev/null", O_RDWR) == stream && stream == STDOUT_FILENO) State().was_closed = true;
  }
  std::clearerr(stdout);
  std::signal(SIGPIPE, SIG_IGN);  // NOLINT(cert-err33-c): the old handler is of no use
}

void PrintLine(std::string_view text) { PrintText(fmt::format("{}\n", text)); }

void PrintText(std::string_view text) {
  StdoutState& state = State();
  if (state.was_closed) {
    state.error = EBADF;
    return;
  }
  // Programs that read it want names as they are.
  const std::string shown = isatty(STDOUT_FILENO) != 0 ? PrintableLines(text) : std::string(text);
  const bool is_written = std::fwrite(shown.data(), 1, shown.size(), stdout) == shown.size() &&
                          std::fflush(stdout) == 0;
  if (!is_written && state.error == 0) state.error = errno;
}

void PrintErrorLine(std::string_view text) {
  PrintErrorText(fmt::format("{}\n", PrintableLines(text)));
}

void PrintErrorText(std::string_view text) {
  static_cast<void>(std::fwrite(text.data(), 1, text.size(), stderr));
  static_cast<void>(std::fflush(stderr));
}

Result<int> TakeStdout() {
  const int stream = State().was_closed ? -1 : fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
  if (stream < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0) {
    if (stream >= 0) close(stream);
    return FailedPreconditionError("standard output is not open");
  }
  return stream;
}

void NoteDone(std::string what) { State().done = std::move(what); }

Status StdoutStatus() {
  const StdoutState& state = State();
  if (state.error == 0) return Status::Ok();
  std::string text = "cannot write to standard output: " +
                     std::error_code(state.error, std::generic_category()).message();
  if (!state.done.empty()) text = state.done + ", but the result could not be written: " + text;
  return FailedPreconditionError(std::move(text));
}

void PrintJson(const nlohmann::ordered_json& document) {
  PrintLine(document.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

nlohmann::ordered_json ErrorJson(const Status& status) {
  return nlohmann::ordered_json::parse(service::EncodeError(status));
}

void PrintErrorJson(const Status& status, int exit_code) {
  const nlohmann::ordered_json document = {
      {"status", "error"},
      {"exit_code", exit_code},
      {"error", ErrorJson(status)},
  };
  PrintJson(document);
}

std::string FormatBytes(double bytes) {
  constexpr std::array<std::string_view, 5> kUnits = {"B", "KiB", "MiB", "GiB", "TiB"};
  size_t unit = 0;
  while (bytes >= 1024 && unit + 1 < kUnits.size()) {
    bytes /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{:.0f} B", bytes) : fmt::format("{:.1f} {}", bytes, kUnits[unit]);
}

}  // namespace milvus_backup::cli
