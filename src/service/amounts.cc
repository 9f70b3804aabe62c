#include "milvus_backup/service/amounts.h"

#include <fmt/format.h>

#include <cctype>
#include <charconv>
#include <cmath>
#include <string>

namespace milvus_backup::service {

Result<uint64_t> ParseBytes(std::string_view text) {
  const auto wrong = [text] {
    return InvalidArgumentError(fmt::format("'{}' is not a size", text))
        .WithAdvice("write bytes, or a number with K, M, G or T such as 20M or 8MiB");
  };
  double number = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (error != std::errc() || number < 0) return wrong();
  std::string unit(end, text.data() + text.size());
  for (char& c : unit) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  constexpr std::string_view kUnits = "kmgt";
  if (!unit.empty() && unit != "b") {
    const size_t power = kUnits.find(unit.front());
    const std::string rest = unit.substr(1);
    if (power == std::string_view::npos || (rest != "" && rest != "b" && rest != "ib")) {
      return wrong();
    }
    number = std::ldexp(number, 10 * (static_cast<int>(power) + 1));
  }
  constexpr double kMost = 9.0e18;
  if (!(number <= kMost) || (number > 0 && number < 1)) return wrong();
  return static_cast<uint64_t>(number);
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
