/// What the readers of migration.yaml have in common.
#pragma once

#include "resolver.h"

#include "milvus_backup/base/status.h"
#include "milvus_backup/milvus/options.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace milvus_backup::config {

struct Endpoint {
  std::string address;
  /// 0 when the text has none.
  uint16_t port = 0;
  bool is_tls = false;
};
/// `[http[s]://]host[:port]`; errors name `key`.
Result<Endpoint> ParseEndpoint(const std::string& key, std::string text);

/// The keys of the file, whatever their case. Errors name the key. Must not outlive the file.
class MigrationKeys {
 public:
  explicit MigrationKeys(const FlatFile& file) : file_(file) {}

  std::string Text(const std::string& key, const std::string& fallback = "") const;
  Result<std::string> Required(const std::string& key) const;
  /// False when it is not set.
  Result<bool> Bool(const std::string& key) const;
  Result<std::optional<bool>> OptionalBool(const std::string& key) const;
  Result<int64_t> Number(const std::string& key, int64_t fallback, int64_t max) const;
  /// A list, or one text with commas; items of a list may be mappings, whose `name` counts.
  std::vector<std::string> Names(const std::string& key) const;
  /// The server that `section` names by `endpoint`, `username` and `password`.
  Result<milvus::ClientOptions> MilvusAt(const std::string& section) const;

 private:
  const FlatFile& file_;
};

}  // namespace milvus_backup::config
