/// The flags that say which collections a command works on.
#pragma once

#include "milvus_backup/backup/selection.h"
#include "milvus_backup/base/status.h"

#include <string>

namespace CLI {
class App;
}

namespace milvus_backup::cli {

struct SelectionFlags {
  std::string filter;
  /// JSON: `{"db1":["c1","c2"],"db2":[]}`.
  std::string database_collections;
  std::string collections;
  std::string databases;
};

/// The first of --filter, -a, -c and -d that is not empty; all collections when none is.
/// kInvalidArgument for what does not follow the flag's grammar.
Result<backup::Selection> ParseSelection(const SelectionFlags& flags);

/// Add `-a`, `-c`, `-d` and `--filter`, checked as they are read. `flags` must outlive `command`.
void AddSelectionFlags(CLI::App& command, SelectionFlags& flags);

}  // namespace milvus_backup::cli
