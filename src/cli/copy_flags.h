/// The flags of `copy` and what they mean together.
#pragma once

#include "milvus_backup/base/status.h"
#include "milvus_backup/service/copy_run.h"

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace milvus_backup::cli {

/// As given on the command line; empty texts were not given.
struct CopyFlags {
  /// SRC and DST.
  std::vector<std::string> places;
  std::string to_config;
  std::string from_config;
  service::CopyChoices choices;
};

/// Add the flags to `command`, each checked by itself. `flags` must outlive it.
void AddCopyFlags(CLI::App& command, CopyFlags& flags);

/// kInvalidArgument naming flags that are missing or exclude each other.
Status CheckCopyFlags(const CopyFlags& flags);

}  // namespace milvus_backup::cli
