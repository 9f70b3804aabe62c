/// What migration.yaml says of a migration from Milvus 2.x. Plain data.
#pragma once

#include "milvus_backup/milvus/options.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace milvus_backup::migration {

/// Whether this stands for all databases of a server.
inline bool IsEveryDatabase(const std::string& name) { return name == "*"; }

struct Milvus2xOptions {
  milvus::ClientOptions source;
  milvus::ClientOptions target;
  /// Empty means the default one; the target's is made when missing.
  std::string source_database;
  std::string target_database;
  /// Of the source; may be empty when the command line names them.
  std::vector<std::string> collections;
  /// Every collection of these databases of the source, each into the database of the same name;
  /// see IsEveryDatabase. With it no database and no collection is named in another way.
  std::vector<std::string> databases;
  /// Only these fields, in this order; all when empty.
  std::vector<std::string> fields;
  /// Instead of the source's name; only for a single collection.
  std::string target_collection;
  /// Of a collection that is created; without a value as the source has it.
  std::optional<int32_t> shards_num;
  std::optional<bool> dynamic_field;
  std::optional<int32_t> consistency_level;
  /// True lets the target make new primary keys.
  std::optional<bool> auto_id;
  /// Rows take the place of those with the same keys.
  bool upsert = false;
  /// Rows of one query; chosen by their size when not set. Milvus allows 16384.
  std::optional<int64_t> page_rows;
  /// Ranges of keys that are read and written at the same time.
  int parallel_ranges = 4;
  /// Directory of this machine where runs write down how far they are.
  std::string state_dir;
};

}  // namespace milvus_backup::migration
