#include "milvus_backup/service/amounts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <string>

namespace milvus_backup::service {
namespace {

constexpr std::string_view kUnits = "kmgt";

/// The power of 1024 that a unit, in lower case, begins with; 0 for another one.
int PowerOf(std::string_view unit) {
  const size_t at = unit.empty() ? kUnits.npos : kUnits.find(unit.front());
  return at == kUnits.npos ? 0 : static_cast<int>(at) + 1;
}

std::string LowerCase(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return lower;
}

}  // namespace

Result<uint64_t> ParseBytes(std::string_view text) {
  const auto wrong = [text] {
    return InvalidArgumentError(fmt::format("'{}' is not a size", text))
        .WithAdvice("write bytes, or a number with K, M, G or T such as 20M or 8MiB");
  };
  double number = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (error != std::errc() || number < 0) return wrong();
  const std::string unit = LowerCase({end, text.data() + text.size()});
  if (!unit.empty() && unit != "b") {
    const int power = PowerOf(unit);
    const std::string rest = unit.substr(1);
    if (power == 0 || (rest != "" && rest != "b" && rest != "ib")) return wrong();
    number = std::ldexp(number, 10 * power);
  }
  constexpr double kMost = 9.0e18;
  if (!(number <= kMost) || (number > 0 && number < 1)) return wrong();
  return static_cast<uint64_t>(number);
}

std::string AmountLike(std::string_view sample, uint64_t bytes) {
  const size_t digits = std::min(sample.find_first_not_of("0123456789."), sample.size());
  const std::string_view unit = sample.substr(digits);
  const auto is_whole = [bytes](int power) { return bytes % (uint64_t{1} << (10 * power)) == 0; };
  const auto number = [bytes](int power) { return bytes >> (10 * power); };
  int power = PowerOf(LowerCase(unit));
  if (is_whole(power)) return fmt::format("{}{}", number(power), unit);
  while (!is_whole(power)) --power;
  return power == 0 ? std::to_string(bytes)
                    : fmt::format("{}{}", number(power), "kMGT"[static_cast<size_t>(power) - 1]);
}

Status CheckAmount(std::string_view text, uint64_t least, uint64_t most) {
  MB_ASSIGN_OR_RETURN(const uint64_t bytes, ParseBytes(text));
  if (bytes > most) {
    return InvalidArgumentError(fmt::format("'{}' is more than {} bytes", text, most));
  }
  if (bytes >= least) return Status::Ok();
  return InvalidArgumentError(fmt::format("'{}' is less than {} bytes", text, least));
}

}  // namespace milvus_backup::service
