#include "output.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <array>
#include <cstdio>

namespace milvus_backup::cli {

void PrintLine(std::string_view text) { PrintText(fmt::format("{}\n", text)); }

void PrintText(std::string_view text) {
  fmt::print(stdout, "{}", text);
  std::fflush(stdout);
}

void PrintErrorLine(std::string_view text) { fmt::print(stderr, "{}\n", text); }

nlohmann::ordered_json ErrorJson(const Status& status) {
  return {{"code", CodeName(status.code())},
          {"message", status.ToString()},
          {"service_code", status.service_code()},
          {"advice", status.advice()}};
}

void PrintErrorJson(const Status& status, int exit_code) {
  const nlohmann::ordered_json document = {
      {"status", "error"},
      {"exit_code", exit_code},
      {"error", ErrorJson(status)},
  };
  PrintLine(document.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
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
