/// The rules by which the value of a configuration key is found.
#pragma once

#include "keys.h"

#include "milvus_backup/base/status.h"
#include "milvus_backup/config/config.h"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace milvus_backup::config {

/// What stands at one path of a file.
struct FlatNode {
  enum class Kind { kText, kList, kSection };
  /// Items of a list are joined by commas, mappings among them by their `name`; a section has none.
  std::string text;
  Kind kind = Kind::kText;
  /// Counted from 1.
  int line = 0;
  /// Of a list, one by one.
  std::vector<std::string> items{};
};

/// By lower-case dotted path. Null nodes are absent.
using FlatFile = std::map<std::string, FlatNode>;

/// Largest configuration file, bytes.
inline constexpr size_t kMaxFileBytes = size_t{1} << 20;

/// Parse YAML into dotted paths. Origin::kConfig, with file and line, when it is not YAML, not a
/// mapping, has a key twice, is nested too deeply, or larger than any configuration once its
/// aliases are followed. Keys that differ by nothing but case are the same, but those of the
/// mapping `exact_below` (`.name`), which are names.
Result<FlatFile> ParseYaml(std::string_view text, const std::string& path,
                           std::string_view exact_below = {});

/// A resolved parameter.
struct Value {
  Parameter parameter;
  std::string text;
  /// See Setting.
  std::string source;
  std::string source_key;
  /// The file that holds the secret, when a `…File` key named one.
  std::string secret_file;
  /// Of a kList or kWords, one by one.
  std::vector<std::string> items;

  /// Whether somebody wrote the value down, rather than left it to inheritance or default.
  bool is_set() const { return source != "default" && source != "inherited"; }
  /// The name messages use: the one the value was found under, or the key's first.
  const std::string& name() const { return is_set() ? source_key : parameter.names.front(); }
};

/// Looks parameters up and remembers what was found: --set over environment over file over parent
/// over fallback.
class Resolver {
 public:
  using Environment = std::function<std::optional<std::string>(const std::string& name)>;
  using SecretReader = std::function<Result<std::string>(const std::string& path)>;

  Resolver(FlatFile file, Environment environment, SecretReader read_secret);

  /// Take the texts of --set: `key=value`, several in one text separated by commas. Errors never
  /// repeat an item: it may be a piece of a secret with a comma in it.
  Status AddSets(const std::vector<std::string>& sets);

  /// Find the value and check that it is of the parameter's kind, and that the file has no list or
  /// text where the parameter's sections should be. Its parent must be resolved.
  Status Resolve(const Parameter& parameter);

  /// What Resolve has found. Asking for an id that was not resolved is a programmer's error.
  const Value& Get(const std::string& id) const;
  const std::string& Text(const std::string& id) const { return Get(id).text; }
  const std::vector<Value>& all() const { return values_; }
  bool Bool(const std::string& id) const;
  int64_t Number(const std::string& id) const;
  /// Of a kList or kWords; nothing when it is empty.
  const std::vector<std::string>& Items(const std::string& id) const { return Get(id).items; }

  /// Second path elements of the file's and --set's keys below `section`, in lower case.
  std::set<std::string> NamesBelow(const std::string& section) const;
  /// Keys, in lower case, that no parameter resolved so far answers to.
  std::vector<std::string> UnknownFileKeys() const;
  std::vector<std::string> UnknownSets() const;
  /// The error for an unknown key of --set, when there is one that `is_ignored` does not name.
  /// `other_name` says what this version calls a key that only the other one has, or nothing.
  Status CheckSets(const std::function<bool(const std::string& key)>& is_ignored,
                   const std::function<std::string(const std::string& key)>& other_name) const;

  /// Everything resolved, in order, with secrets masked.
  std::vector<Setting> Settings() const;

 private:
  /// One place values come from, and how a parameter is spelt there.
  struct Layer {
    std::string source;
    std::function<std::optional<std::string>(const std::string& name)> look_up;
    std::vector<std::string> names;
    /// Names whose value is the path of a file that holds the secret.
    std::vector<std::string> file_names;
  };
  std::vector<Layer> LayersOf(const Parameter& parameter) const;
  Result<bool> FindIn(const Layer& layer, Value& value) const;
  Status CheckFileKinds(const Parameter& parameter, const std::vector<std::string>& names) const;
  void Remember(const Parameter& parameter);

  FlatFile file_;
  Environment environment_;
  SecretReader read_secret_;
  /// Lower-case key or environment name → value.
  std::map<std::string, std::string> sets_;
  /// Where an item of --set stands: which --set and which item of it, counted from 1.
  struct Position {
    size_t flag = 0;
    size_t item = 0;
    std::string ToString() const;
  };
  std::map<std::string, Position> set_positions_;
  std::vector<Value> values_;
  std::map<std::string, size_t> index_;
  /// Every spelling that means something, by its lower-case form.
  std::map<std::string, std::string> known_;
};

/// Go's strconv.ParseBool, which the reference tool uses.
std::optional<bool> ParseBool(std::string_view text);

/// The name (mapped from its lower-case form) that a person may have meant by `text`, which is in
/// lower case; empty when none is near.
std::string Closest(const std::string& text, const std::map<std::string, std::string>& names);

/// kInvalidArgument with Origin::kConfig.
Status ConfigError(std::string message);

}  // namespace milvus_backup::config
