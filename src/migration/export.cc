#include "milvus_backup/migration/export.h"

#include "meta_rows.h"
#include "mysql_dsn.h"
#include "mysql_meta.h"
#include "sqlite_meta.h"

#include "milvus_backup/storage/open.h"

#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>

namespace milvus_backup::migration {
namespace {

namespace fs = std::filesystem;

Result<ReadMeta> Build(Result<MetaRows> rows, EmptyTables empty) {
  MB_RETURN_IF_ERROR(rows.status());
  MB_ASSIGN_OR_RETURN(BuiltMeta built, BuildMeta(*std::move(rows), empty));
  return ReadMeta{std::move(built.meta), std::move(built.warnings)};
}

bool HoldsBytes(const fs::path& directory) {
  std::error_code error;
  for (fs::directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
    std::error_code ignored;
    if (it->is_regular_file(ignored) && it->file_size(ignored) > 0) return true;
  }
  return false;
}

/// The log of rows lies beside the db directory, or in it where the configuration was changed.
void WarnOfUnflushedRows(const std::string& sqlite, std::vector<std::string>& warnings) {
  std::error_code error;
  const fs::path db = fs::absolute(sqlite, error).parent_path();
  for (const fs::path& wal : {db / "wal", db.parent_path() / "wal"}) {
    if (!HoldsBytes(wal)) continue;
    warnings.push_back(
        fmt::format("{} is not empty: rows that were not flushed are only there and are not "
                    "migrated; start the old Milvus, flush every collection, stop it and export "
                    "again",
                    wal.string()));
  }
}

}  // namespace

Result<ReadMeta> ReadMetaFromSqlite(const CallContext& ctx, const std::string& path,
                                    EmptyTables empty) {
  MB_ASSIGN_OR_RETURN(ReadMeta read, Build(ReadSqliteMeta(ctx, path), empty));
  WarnOfUnflushedRows(path, read.warnings);
  return read;
}

Result<ReadMeta> ReadMetaFromMysql(const CallContext& ctx, const Secret& dsn, EmptyTables empty) {
  MB_ASSIGN_OR_RETURN(const MysqlDsn parsed, ParseMysqlDsn(dsn.Reveal()));
  return Build(ReadMysqlMeta(ctx, parsed), empty);
}

Result<std::string> WriteMetaFile(const CallContext& ctx, const Meta& meta,
                                  const std::string& directory) {
  MB_ASSIGN_OR_RETURN(const std::unique_ptr<storage::Backend> backend,
                      storage::OpenLocal({.root = directory, .create = true}));
  MB_RETURN_IF_ERROR(backend->Put(ctx, "meta.json", AsBytes(EncodeMeta(meta)), {}).status());
  return (fs::path(directory) / "meta.json").string();
}

}  // namespace milvus_backup::migration
