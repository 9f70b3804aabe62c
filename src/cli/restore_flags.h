/// The flags of `restore` and what they mean together.
#pragma once

#include "milvus_backup/backup/restore.h"
#include "milvus_backup/base/status.h"

#include <cstdint>
#include <string>

namespace milvus_backup::cli {

/// As given on the command line; empty texts were not given.
struct RestoreFlags {
  std::string name;
  std::string collections;
  std::string databases;
  std::string database_collections;
  std::string filter;
  std::string suffix;
  std::string rename;
  std::string skip_params;
  std::string from;
  std::string from_config;
  int32_t max_shard_num = 0;
  bool rebuild_index = false;
  bool use_auto_index = false;
  bool rbac = false;
  bool use_v2_restore = false;
  bool meta_only = false;
  bool drop_exist_collection = false;
  bool drop_exist_index = false;
  bool skip_create_collection = false;
  bool load = false;
  bool dry_run = false;
  bool allow_partial = false;
  bool no_check = false;
};

/// kInvalidArgument naming the flags that exclude each other or whose value is wrong.
Result<backup::RestoreOptions> ToOptions(const RestoreFlags& flags);

}  // namespace milvus_backup::cli
