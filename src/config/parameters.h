/// The table of configuration keys and the rules by which a value is found.
#pragma once

#include "milvus_backup/base/status.h"
#include "milvus_backup/config/config.h"

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace milvus_backup::config {

/// Lower-case dotted path → scalar text. Null leaves are absent.
using FlatFile = std::map<std::string, std::string>;

/// Parse YAML into dotted paths. Origin::kConfig, with file and line, when it is not YAML or not a
/// mapping.
Result<FlatFile> ParseYaml(std::string_view text, const std::string& path);

struct Parameter {
  /// Accepted key names; the first one present wins. The first name is the one messages use.
  std::vector<std::string> names;
  /// Environment variable; empty when none.
  std::string environment;
  std::string fallback;
  bool secret = false;
};

/// Looks values up and remembers where each came from.
class Resolver {
 public:
  Resolver(FlatFile file,
           std::function<std::optional<std::string>(const std::string&)> environment);

  /// Take the texts of --set: `key=value`, several in one text separated by commas.
  Status AddSets(const std::vector<std::string>& sets);

  /// The value of a parameter; `inherited` replaces the fallback when given.
  std::string Text(const Parameter& parameter, const std::optional<std::string>& inherited = {});
  Result<bool> Bool(const Parameter& parameter, const std::optional<bool>& inherited = {});
  Result<int64_t> Integer(const Parameter& parameter, int64_t min, int64_t max,
                          const std::optional<int64_t>& inherited = {});

  std::vector<Setting> TakeSettings() { return std::move(settings_); }

 private:
  struct Found {
    std::string value;
    std::string source;
  };
  Found Find(const Parameter& parameter) const;

  FlatFile file_;
  std::function<std::optional<std::string>(const std::string&)> environment_;
  /// Lower-case key or environment name → value.
  std::map<std::string, std::string> sets_;
  std::vector<Setting> settings_;
};

std::string ToLower(std::string_view text);

}  // namespace milvus_backup::config
