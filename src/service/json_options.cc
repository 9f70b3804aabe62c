#include "milvus_backup/service/json_options.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <array>
#include <map>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

namespace milvus_backup::service {
namespace {

using ListsByKey = std::map<std::string, std::vector<std::string>>;

/// An object of lists of strings.
Result<ListsByKey> ParseLists(const std::string& text, std::string_view option,
                              std::string_view example) {
  const auto bad = [&] {
    return InvalidArgumentError(
        fmt::format("{} '{}' is not of the form {}", option, text, example));
  };
  const nlohmann::json object = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) return bad();
  ListsByKey lists;
  for (const auto& [key, list] : object.items()) {
    if (!list.is_array()) return bad();
    std::vector<std::string>& names = lists[key];
    for (const nlohmann::json& name : list) {
      if (!name.is_string()) return bad();
      names.push_back(name.get<std::string>());
    }
  }
  return lists;
}

}  // namespace

Result<backup::SkipParams> ParseSkipParams(const std::string& text, std::string_view option) {
  backup::SkipParams skip;
  if (text.empty()) return skip;
  MB_ASSIGN_OR_RETURN(
      const ListsByKey lists,
      ParseLists(text, option, R"({"collectionProperties":["collection.ttl.seconds"]})"));
  const std::array<std::pair<std::string_view, std::set<std::string>*>, 4> kinds = {{
      {"collectionProperties", &skip.collection_properties},
      {"fieldIndexParams", &skip.field_index_params},
      {"fieldTypeParams", &skip.field_type_params},
      {"indexParams", &skip.index_params},
  }};
  for (const auto& [key, names] : lists) {
    std::set<std::string>* keys = nullptr;
    for (const auto& [kind, set] : kinds) {
      if (kind == key) keys = set;
    }
    if (keys == nullptr) {
      return InvalidArgumentError(
          fmt::format("{} has no '{}'; it knows collectionProperties, fieldIndexParams, "
                      "fieldTypeParams and indexParams",
                      option, key));
    }
    keys->insert(names.begin(), names.end());
  }
  return skip;
}

Result<backup::Selection> ParseDatabaseCollections(const std::string& text,
                                                   std::string_view option) {
  if (text.empty()) return backup::Selection();
  MB_ASSIGN_OR_RETURN(const ListsByKey lists,
                      ParseLists(text, option, R"({"db1":["coll1","coll2"],"db2":[]})"));
  return backup::Selection::FromDatabases(lists);
}

}  // namespace milvus_backup::service
