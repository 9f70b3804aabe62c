#include "terminal_progress.h"

#include "output.h"

#include "milvus_backup/base/clock.h"

#include <fmt/format.h>

#include <unistd.h>

namespace milvus_backup::cli {
namespace {

using namespace std::chrono_literals;

// Back to the first column and erase to the end of the line (ECMA-48).
constexpr const char* kErase = "\r\x1b[K";

void Draw(const transfer::Progress& progress, const std::stop_token& stop) {
  const auto start = std::chrono::steady_clock::now();
  while (Clock::Real().SleepFor(100ms, stop)) {
    const std::string line = ProgressLine(progress, std::chrono::steady_clock::now() - start);
    PrintErrorText(kErase + line);
  }
  PrintErrorText(kErase);
}

}  // namespace

TerminalProgress::TerminalProgress(const transfer::Progress& progress, bool enabled) {
  if (!enabled || isatty(STDERR_FILENO) == 0) return;
  thread_ = std::jthread([&progress](const std::stop_token& stop) { Draw(progress, stop); });
}

TerminalProgress::~TerminalProgress() = default;

std::string ProgressLine(const transfer::Progress& progress,
                         std::chrono::duration<double> elapsed) {
  std::string line = progress.phase();
  const uint64_t planned = progress.objects_planned;
  const uint64_t bytes = progress.bytes_done;
  const uint64_t total = progress.bytes_planned;
  if (planned > 0) {
    const double rate = elapsed.count() > 0 ? static_cast<double>(bytes) / elapsed.count() : 0;
    line += fmt::format("  {}/{} objects  {} of {}  {}/s", progress.objects_done.load(), planned,
                        FormatBytes(static_cast<double>(bytes)),
                        FormatBytes(static_cast<double>(total)), FormatBytes(rate));
    if (rate > 0 && bytes < total) {
      line += fmt::format("  ETA {:.0f} s", static_cast<double>(total - bytes) / rate);
    }
  }
  if (const uint64_t rows = progress.rows_planned; rows > 0) {
    const uint64_t done = progress.rows_done;
    const double rate = elapsed.count() > 0 ? static_cast<double>(done) / elapsed.count() : 0;
    line += fmt::format("  {}/{} rows  {:.0f}/s", done, rows, rate);
    if (rate > 0 && done < rows) {
      line += fmt::format("  ETA {:.0f} s", static_cast<double>(rows - done) / rate);
    }
  }
  if (const uint64_t imports = progress.imports_planned; imports > 0) {
    const uint64_t done = progress.imports_done;
    line += fmt::format("  {}/{} imports", done, imports);
    if (done > 0 && done < imports) {
      line += fmt::format("  ETA {:.0f} s", elapsed.count() / static_cast<double>(done) *
                                                static_cast<double>(imports - done));
    }
  }
  return line;
}

}  // namespace milvus_backup::cli
