/// Reading the meta of a Milvus 0.9–1.x out of its database.
#pragma once

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/secret.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/migration/meta.h"

#include <string>
#include <vector>

namespace milvus_backup::migration {

struct ReadMeta {
  Meta meta;
  /// One line each, for people: rows that may be missing, tables left out.
  std::vector<std::string> warnings;
};

/// What becomes of collections and partitions without segments.
enum class EmptyTables {
  kLeftOut,  ///< only the tags of such partitions are noted, with a collection that has segments
  kKept,
};

/// Read `meta.sqlite`; the file is neither changed nor locked. Warns when the write-ahead log of
/// that Milvus holds something. Errors: kAborted (it keeps changing), kDataLoss (damaged),
/// kFailedPrecondition (no file, nothing in it, or not of Milvus 0.9 to 1.x).
Result<ReadMeta> ReadMetaFromSqlite(const CallContext& ctx, const std::string& path,
                                    EmptyTables empty = EmptyTables::kLeftOut);

/// Read the database that a data source name of Go's MySQL driver names, as of one point in time.
/// Errors also: kInvalidArgument (the name), kUnauthenticated, kUnavailable.
Result<ReadMeta> ReadMetaFromMysql(const CallContext& ctx, const Secret& dsn,
                                   EmptyTables empty = EmptyTables::kLeftOut);

/// Write `<directory>/meta.json`, as a whole or not at all, making the directory when it is
/// missing. Returns its path.
Result<std::string> WriteMetaFile(const CallContext& ctx, const Meta& meta,
                                  const std::string& directory);

}  // namespace milvus_backup::migration
