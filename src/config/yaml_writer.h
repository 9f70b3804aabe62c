/// Writing a configuration file.
#pragma once

#include "keys.h"

#include <string>
#include <vector>

namespace milvus_backup::config {

struct WrittenKey {
  /// Dotted; keys of one section are put together where the first of them stands.
  std::string path;
  std::string text;
  /// How the value looks: kNumber and kBool stand plain, kList and kWords are `items`.
  Kind kind = Kind::kText;
  std::vector<std::string> items{};
};

std::string WriteYaml(const std::vector<WrittenKey>& keys);

}  // namespace milvus_backup::config
