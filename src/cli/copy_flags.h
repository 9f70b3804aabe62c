/// The flags of `copy` and what they mean together.
#pragma once

#include "milvus_backup/backup/copy.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/config/config.h"
#include "milvus_backup/transfer/copy_engine.h"

#include <cstdint>
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
  std::string name;
  bool all = false;
  std::string to;
  std::string to_config;
  std::string from;
  std::string from_config;
  std::string as;
  bool dry_run = false;
  bool overwrite = false;
  bool delete_extra = false;
  std::vector<std::string> include;
  std::vector<std::string> exclude;
  /// 0 leaves it to the engine.
  uint32_t concurrency = 0;
  std::string part_size;
  std::string memory;
  std::string bandwidth;
  /// Per second; 0 means no bound.
  uint64_t requests = 0;
  bool no_check = false;
};

/// Add the flags to `command`, each checked by itself. `flags` must outlive it.
void AddCopyFlags(CLI::App& command, CopyFlags& flags);

/// kInvalidArgument naming flags that are missing or exclude each other.
Status CheckCopyFlags(const CopyFlags& flags);

backup::CopyRules RulesOf(const CopyFlags& flags);
transfer::CopyOptions TransferOptionsOf(const CopyFlags& flags, const config::Config& config);

}  // namespace milvus_backup::cli
