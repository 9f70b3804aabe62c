#include "selection_flags.h"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <map>
#include <vector>

namespace milvus_backup::cli {
namespace {

using backup::Selection;

Result<Selection> ParseDatabaseCollections(const std::string& text) {
  if (text.empty()) return Selection();
  Status bad = InvalidArgumentError(
      R"(-a/--database_collections is not of the form {"db1":["coll1","coll2"],"db2":[]})");
  const auto document = nlohmann::json::parse(text, nullptr, false);
  if (!document.is_object()) return bad;
  std::map<std::string, std::vector<std::string>> databases;
  for (const auto& [db, collections] : document.items()) {
    if (!collections.is_array()) return bad;
    std::vector<std::string>& names = databases[db];
    for (const auto& name : collections) {
      if (!name.is_string()) return bad;
      names.push_back(name.get<std::string>());
    }
  }
  return Selection::FromDatabases(databases);
}

using Parser = Result<Selection> (*)(const std::string& text);

void AddSelectionFlag(CLI::App& command, const std::string& names, std::string& value,
                      const std::string& help, Parser parse) {
  command.add_option(names, value, help)->check([parse](const std::string& text) {
    return parse(text).status().message();
  });
}

}  // namespace

Result<Selection> ParseSelection(const SelectionFlags& flags) {
  if (!flags.filter.empty()) return Selection::ParseFilter(flags.filter);
  if (!flags.database_collections.empty()) {
    return ParseDatabaseCollections(flags.database_collections);
  }
  if (!flags.collections.empty()) return Selection::ParseCollections(flags.collections);
  return Selection::ParseDatabases(flags.databases);
}

void AddSelectionFlags(CLI::App& command, SelectionFlags& flags) {
  AddSelectionFlag(command, "-c,--colls,--collections", flags.collections,
                   "Collections, comma-separated: COLL or DB.COLL; default all",
                   [](const std::string& text) { return Selection::ParseCollections(text); });
  AddSelectionFlag(command, "-d,--databases", flags.databases, "Databases, comma-separated",
                   [](const std::string& text) { return Selection::ParseDatabases(text); });
  AddSelectionFlag(command, "-a,--database_collections", flags.database_collections,
                   R"(Collections by database, as JSON: {"db1":["coll1"],"db2":[]}; [] takes all)",
                   ParseDatabaseCollections);
  AddSelectionFlag(command, "--filter", flags.filter,
                   "What to work on, comma-separated: DB.*, DB.COLL, COLL or DB.",
                   [](const std::string& text) { return Selection::ParseFilter(text); });
}

}  // namespace milvus_backup::cli
