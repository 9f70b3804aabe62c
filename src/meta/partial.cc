#include "milvus_backup/meta/partial.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace milvus_backup::meta {

std::string MissingText(const std::vector<std::string>& failed_collections) {
  if (failed_collections.empty()) return "collections that its header does not name";
  return fmt::format("{}", fmt::join(failed_collections, ", "));
}

}  // namespace milvus_backup::meta
