#include "s3_time_internal.h"

#include <cstdio>
#include <ctime>
#include <string>

namespace milvus_backup::storage {
namespace {

std::chrono::system_clock::time_point FromParts(std::tm parts) {
  return std::chrono::system_clock::from_time_t(timegm(&parts));
}

/// Also that the clock, which counts nanoseconds from 1970 in 64 bits, can hold it.
bool InRange(const std::tm& parts) {
  return parts.tm_year >= 70 && parts.tm_year < 300 && parts.tm_mon >= 0 && parts.tm_mon < 12 &&
         parts.tm_mday >= 1 && parts.tm_mday <= 31 && parts.tm_hour >= 0 && parts.tm_hour < 24 &&
         parts.tm_min >= 0 && parts.tm_min < 60 && parts.tm_sec >= 0 && parts.tm_sec <= 60;
}

}  // namespace

std::chrono::system_clock::time_point ParseIso8601(std::string_view text) {
  std::tm parts{};
  int consumed = 0;
  const std::string copy(text);
  if (std::sscanf(copy.c_str(), "%4d-%2d-%2dT%2d:%2d:%2d%n", &parts.tm_year, &parts.tm_mon,
                  &parts.tm_mday, &parts.tm_hour, &parts.tm_min, &parts.tm_sec, &consumed) != 6) {
    return {};
  }
  parts.tm_year -= 1900;
  parts.tm_mon -= 1;
  if (!InRange(parts)) return {};
  std::chrono::system_clock::time_point time = FromParts(parts);
  auto rest = static_cast<size_t>(consumed);
  if (rest < copy.size() && copy[rest] == '.') {
    std::chrono::nanoseconds digit(100'000'000);
    for (++rest; rest < copy.size() && copy[rest] >= '0' && copy[rest] <= '9'; ++rest) {
      time += std::chrono::duration_cast<std::chrono::system_clock::duration>(digit *
                                                                              (copy[rest] - '0'));
      digit /= 10;
    }
  }
  return time;
}

std::optional<std::chrono::system_clock::time_point> ParseHttpDate(std::string_view text) {
  std::tm parts{};
  char month[4] = {};
  const std::string copy(text);
  if (std::sscanf(copy.c_str(), "%*3s, %2d %3s %4d %2d:%2d:%2d GMT", &parts.tm_mday, month,
                  &parts.tm_year, &parts.tm_hour, &parts.tm_min, &parts.tm_sec) != 6) {
    return std::nullopt;
  }
  constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  const size_t found = kMonths.find(month);
  if (found == std::string_view::npos || found % 3 != 0) return std::nullopt;
  parts.tm_mon = static_cast<int>(found / 3);
  parts.tm_year -= 1900;
  if (!InRange(parts)) return std::nullopt;
  return FromParts(parts);
}

}  // namespace milvus_backup::storage
