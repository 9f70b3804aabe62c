/// Logging: one sink set per program, key=value texts. Thread-safe after Configure.
#pragma once

#include "milvus_backup/base/status.h"

#include <fmt/format.h>

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

namespace milvus_backup::log {

enum class Level { kDebug, kInfo, kWarn, kError };

enum class Style {
  kPlain,      ///< `[time] [info] text`
  kBracketed,  ///< `[time] [INFO] [dir/file:line] ["text"] [key=value]`, as the Go tools write it
  kBarred,  ///< `time ｜ INFO ｜ file ｜ function ｜ line ｜ text key=value`, as MilvusDM does
};

struct Options {
  Level level = Level::kInfo;
  /// Of the console, where it is to show less than the file.
  std::optional<Level> console_level;
  Style style = Style::kPlain;
  /// Also write to stderr.
  bool console = true;
  /// The console is stdout instead.
  bool console_is_stdout = false;
  /// Log file; empty means none. Directories are created.
  std::string path;
  /// Size at which the file is rotated, MiB.
  uint64_t max_size_mib = 300;
  /// Rotated files kept; 0 keeps 10.
  uint64_t max_backups = 0;
  /// Rotated files older than this many days are removed by Configure; 0 keeps them.
  uint64_t max_days = 0;
};

/// `debug`, `info`, `warn`, `error`, `panic`, `fatal`; the last two mean error.
Result<Level> ParseLevel(std::string_view text);

/// Set the sinks. Called once, before other threads start. Fails when the file cannot be opened.
Status Configure(const Options& options);

/// Log to the file alone from now on: what follows reaches the user in another way. Like Configure,
/// not to be called while other threads log.
void CloseConsole();

bool Enabled(Level level);
void Write(Level level, std::string_view text);

struct Field {
  std::string_view key;
  std::string value;
};

/// An event that people look for by its text. Plain style: `text key=value …`. `file`, `line` and
/// `function` are those of the caller (clang 14 has no std::source_location).
void Event(Level level, std::string_view text, std::initializer_list<Field> fields,
           const char* file = __builtin_FILE(), int line = __builtin_LINE(),
           const char* function = __builtin_FUNCTION());

template <typename... Args>
void Debug(fmt::format_string<Args...> format, Args&&... args) {
  if (Enabled(Level::kDebug))
    Write(Level::kDebug, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void Info(fmt::format_string<Args...> format, Args&&... args) {
  if (Enabled(Level::kInfo)) Write(Level::kInfo, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void Warn(fmt::format_string<Args...> format, Args&&... args) {
  if (Enabled(Level::kWarn)) Write(Level::kWarn, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void Error(fmt::format_string<Args...> format, Args&&... args) {
  if (Enabled(Level::kError))
    Write(Level::kError, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace milvus_backup::log
