#include "milvus_backup/base/log.h"

#include "milvus_backup/base/encoding.h"

#include <spdlog/sinks/rotating_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace milvus_backup::log {
namespace {

spdlog::level::level_enum ToSpdlog(Level level) {
  switch (level) {
    case Level::kDebug:
      return spdlog::level::debug;
    case Level::kInfo:
      return spdlog::level::info;
    case Level::kWarn:
      return spdlog::level::warn;
    case Level::kError:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

// Quiet until configured: errors reach the user through exit paths, not through the log.
std::shared_ptr<spdlog::logger>& Logger() {
  static auto logger = std::make_shared<spdlog::logger>("milvus-backup");
  return logger;
}

Style& CurrentStyle() {
  static Style style = Style::kPlain;
  return style;
}

std::string_view UpperName(Level level) {
  switch (level) {
    case Level::kDebug:
      return "DEBUG";
    case Level::kInfo:
      return "INFO";
    case Level::kWarn:
      return "WARN";
    case Level::kError:
      return "ERROR";
  }
  return "INFO";
}

// In double quotes, with the escapes of JSON, where the text could be taken for something else.
std::string Quoted(std::string_view text) {
  const auto needs_quotes = [](char c) {
    return static_cast<unsigned char>(c) <= 0x20 || c == '"' || c == '=' || c == '[' || c == ']' ||
           c == '\\';
  };
  if (!text.empty() && std::ranges::none_of(text, needs_quotes)) return std::string(text);
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (c == '\n') {
      quoted += "\\n";
    } else if (static_cast<unsigned char>(c) < 0x20) {
      quoted += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
    } else {
      quoted += c;
    }
  }
  return quoted + '"';
}

// The last two elements of the path of a source file and the line.
std::string PlaceOf(std::string_view path, int line) {
  const size_t name = path.rfind('/');
  const size_t dir = name == std::string_view::npos || name == 0 ? std::string_view::npos
                                                                 : path.rfind('/', name - 1);
  return fmt::format("{}:{}", dir == std::string_view::npos ? path : path.substr(dir + 1), line);
}

// An entry of MilvusDM's log, which has no quotes; the bars are U+FF5C.
std::string Barred(Level level, std::string_view file, std::string_view function, int line,
                   std::string text) {
  std::ranges::replace_if(
      text, [](char c) { return static_cast<unsigned char>(c) < 0x20; }, ' ');
  return fmt::format("{} ｜ {} ｜ {} ｜ {} ｜ {}", UpperName(level),
                     file.substr(file.rfind('/') + 1), function, line, text);
}

/// Entries repeat names and errors of others, and the log may be a terminal.
void Send(Level level, std::string_view entry) {
  Logger()->log(ToSpdlog(level), PrintableLines(entry));
}

/// A name with a line break in it must not look like an entry of its own.
std::string InOneLine(std::string_view text) {
  std::string line;
  line.reserve(text.size());
  for (const char c : text) {
    if (c == '\n') {
      line += "\\n";
    } else {
      line += c;
    }
  }
  return line;
}

std::string_view PatternOf(Style style) {
  switch (style) {
    case Style::kPlain:
      return "[%Y/%m/%d %H:%M:%S.%e %z] [%^%l%$] %v";
    case Style::kBracketed:
      return "[%Y/%m/%d %H:%M:%S.%e %z] %v";
    case Style::kBarred:
      return "%Y-%m-%d %H:%M:%S,%e ｜ %v";
  }
  return "%v";
}

// Rotated files are called `NAME.1.EXT`, `NAME.2.EXT` and so on. One that cannot be removed stays.
void RemoveExpired(const Options& options) {
  namespace fs = std::filesystem;
  if (options.max_days == 0) return;
  const auto oldest = fs::file_time_type::clock::now() - std::chrono::hours(24) * options.max_days;
  const fs::path path(options.path);
  const std::string begin = path.stem().string() + ".";
  const std::string end = path.extension().string();
  std::error_code ignored;
  std::vector<fs::path> expired;
  for (fs::directory_iterator it(path.parent_path().empty() ? "." : path.parent_path(), ignored);
       it != fs::directory_iterator(); it.increment(ignored)) {
    const std::string name = it->path().filename().string();
    if (!name.starts_with(begin) || !name.ends_with(end)) continue;
    if (name.size() <= begin.size() + end.size()) continue;
    const std::string number = name.substr(begin.size(), name.size() - begin.size() - end.size());
    if (number.find_first_not_of("0123456789") != std::string::npos) continue;
    if (fs::last_write_time(it->path(), ignored) < oldest) expired.push_back(it->path());
  }
  for (const fs::path& file : expired) fs::remove(file, ignored);
}

// spdlog does not tell why a directory cannot be made. Empty when the file can be written.
std::string WhyNotWritable(const std::string& path) {
  std::error_code error;
  const std::filesystem::path parent = std::filesystem::path(path).parent_path();
  if (!parent.empty() && !std::filesystem::create_directories(parent, error) && error) {
    return fmt::format("making the directory {}: {}", parent.string(), error.message());
  }
  std::FILE* file = std::fopen(path.c_str(), "abe");
  if (file == nullptr) return std::generic_category().message(errno);
  std::fclose(file);
  return "";
}

Status CannotOpen(const std::string& path, std::string_view why) {
  return FailedPreconditionError(fmt::format("cannot open the log file {}: {}", path, why))
      .WithOrigin(Origin::kConfig)
      .WithAdvice(
          "set log.file.filename (log.file.path in a v2 file) to a file in a writable directory");
}

}  // namespace

Result<Level> ParseLevel(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (lower == "debug") return Level::kDebug;
  if (lower == "info" || lower.empty()) return Level::kInfo;
  if (lower == "warn" || lower == "warning") return Level::kWarn;
  if (lower == "error" || lower == "panic" || lower == "fatal" || lower == "dpanic")
    return Level::kError;
  return InvalidArgumentError(
      fmt::format("log.level is '{}'; use debug, info, warn, error, panic or fatal", text));
}

Status Configure(const Options& options) {
  std::vector<spdlog::sink_ptr> sinks;
  try {
    if (options.console) {
      if (options.console_is_stdout) {
        sinks.push_back(std::make_shared<spdlog::sinks::stdout_sink_mt>());
      } else {
        sinks.push_back(std::make_shared<spdlog::sinks::stderr_sink_mt>());
      }
      if (options.console_level) sinks.back()->set_level(ToSpdlog(*options.console_level));
    }
    if (!options.path.empty()) {
      const std::string why = WhyNotWritable(options.path);
      if (!why.empty()) return CannotOpen(options.path, why);
      RemoveExpired(options);
      const size_t max_bytes = std::max<uint64_t>(options.max_size_mib, 1) * 1024 * 1024;
      const size_t backups = options.max_backups == 0 ? 10 : options.max_backups;
      sinks.push_back(
          std::make_shared<spdlog::sinks::rotating_file_sink_mt>(options.path, max_bytes, backups));
    }
  } catch (const spdlog::spdlog_ex& error) {
    return CannotOpen(options.path, error.what());
  }
  auto logger = std::make_shared<spdlog::logger>("milvus-backup", sinks.begin(), sinks.end());
  logger->set_level(ToSpdlog(options.level));
  logger->set_pattern(std::string(PatternOf(options.style)));
  CurrentStyle() = options.style;
  logger->flush_on(spdlog::level::warn);
  Logger() = std::move(logger);
  return Status::Ok();
}

void CloseConsole() {
  std::vector<spdlog::sink_ptr>& sinks = Logger()->sinks();
  std::erase_if(sinks, [](const spdlog::sink_ptr& sink) {
    return std::dynamic_pointer_cast<spdlog::sinks::stderr_sink_mt>(sink) != nullptr ||
           std::dynamic_pointer_cast<spdlog::sinks::stdout_sink_mt>(sink) != nullptr;
  });
}

bool Enabled(Level level) { return Logger()->should_log(ToSpdlog(level)); }

void Write(Level level, std::string_view text) {
  if (CurrentStyle() == Style::kPlain) {
    Send(level, InOneLine(text));
  } else if (CurrentStyle() == Style::kBarred) {
    Send(level, Barred(level, "milvusdm", "-", 0, std::string(text)));
  } else {
    Send(level, fmt::format("[{}] [{}]", UpperName(level), Quoted(text)));
  }
}

void Event(Level level, std::string_view text, std::initializer_list<Field> fields,
           const char* file, int line, const char* function) {
  if (!Enabled(level)) return;
  const bool bracketed = CurrentStyle() == Style::kBracketed;
  std::string entry =
      bracketed ? fmt::format("[{}] [{}] [{}]", UpperName(level), PlaceOf(file, line), Quoted(text))
                : std::string(text);
  for (const Field& field : fields) {
    const std::string pair = fmt::format("{}={}", field.key, Quoted(field.value));
    entry += bracketed ? " [" + pair + "]" : " " + pair;
  }
  if (CurrentStyle() == Style::kBarred) {
    entry = Barred(level, file, function, line, std::move(entry));
  }
  Send(level, entry);
}

}  // namespace milvus_backup::log
