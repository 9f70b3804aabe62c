#include "selection_flags.h"

#include "milvus_backup/service/json_options.h"

#include <CLI/CLI.hpp>

namespace milvus_backup::cli {
namespace {

using backup::Selection;

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
    return service::ParseDatabaseCollections(flags.database_collections);
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
                   [](const std::string& text) { return service::ParseDatabaseCollections(text); });
  AddSelectionFlag(command, "--filter", flags.filter,
                   "What to work on, comma-separated: DB.*, DB.COLL, COLL or DB.",
                   [](const std::string& text) { return Selection::ParseFilter(text); });
}

}  // namespace milvus_backup::cli
