/// What migration.yaml says of a migration from Milvus 0.9–1.x or from Faiss. Plain data.
#pragma once

#include "milvus_backup/base/secret.h"
#include "milvus_backup/migration/meta.h"
#include "milvus_backup/milvus/options.h"
#include "milvus_backup/storage/s3_options.h"

#include <cstdint>
#include <string>

namespace milvus_backup::migration {

/// Where `dump` learns of the collections.
enum class MetaMode {
  kFile,    ///< meta.json on this machine
  kRemote,  ///< meta.json in the source's bucket
  kSqlite,  ///< meta.sqlite of the old Milvus
  kMysql,   ///< its MySQL
};

struct MetaSource {
  MetaMode mode = MetaMode::kFile;
  /// Path, or key in the source's bucket; not of kMysql.
  std::string path;
  /// Data source name of kMysql.
  Secret dsn;
  /// What the configuration calls it, for messages.
  std::string key;
};

/// A directory of this machine, or keys with a common prefix in a bucket.
struct StorePlace {
  bool is_local = true;
  /// The tables directory of a source, or that of its Faiss file; the output directory of a target.
  /// Of a bucket without slashes at its ends.
  std::string directory;
  /// Of a bucket.
  storage::S3Options s3;
  /// Credentials of the machine, which this version cannot get.
  bool use_iam = false;
  /// `source` or `target`, for messages.
  std::string key;
};

enum class WorkMode { kMilvus1x, kFaiss };

/// WorkMode::kFaiss: which file, and what the collection is.
struct FaissSource {
  /// Below the source's directory.
  std::string file;
  /// A name that Milvus takes.
  std::string collection;
  /// 0 leaves the number to the server.
  int32_t shards = 0;
  Metric metric = Metric::kL2;
  /// Of binary vectors in bits.
  int64_t dim = 0;
};

struct Options {
  WorkMode work_mode = WorkMode::kMilvus1x;
  /// Segments dumped at the same time.
  int dump_limit = 2;
  /// Bytes read from a segment file at a time.
  uint64_t reader_buffer_bytes = uint64_t{1} << 20;
  /// Unfinished import tasks at the same time.
  int load_limit = 2;
  MetaSource meta;
  FaissSource faiss;
  StorePlace source;
  StorePlace target;
  /// The target server.
  milvus::ClientOptions milvus;
  /// Database of the target; made when missing. Empty means the default one.
  std::string database;
};

}  // namespace milvus_backup::migration
