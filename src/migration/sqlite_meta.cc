#include "sqlite_meta.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string_view>
#include <sys/stat.h>
#include <system_error>
#include <utility>
#include <vector>

namespace milvus_backup::migration {
namespace {

namespace fs = std::filesystem;

/// The database, its write-ahead log, and the journal of an interrupted transaction.
constexpr std::array<std::string_view, 3> kSuffixes = {"", "-wal", "-journal"};
constexpr int kCopyAttempts = 5;

/// A directory that vanishes with the object.
class PrivateDirectory {
 public:
  static Result<PrivateDirectory> Create() {
    std::error_code error;
    const fs::path base = fs::temp_directory_path(error);
    std::string path = (base / "milvus-migration-XXXXXX").string();
    if (error || mkdtemp(path.data()) == nullptr) {
      return FailedPreconditionError("cannot create a temporary directory " + path)
          .WithAdvice("set TMPDIR to a directory that can be written");
    }
    return PrivateDirectory(std::move(path));
  }
  PrivateDirectory(PrivateDirectory&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  PrivateDirectory& operator=(PrivateDirectory&&) = delete;
  PrivateDirectory(const PrivateDirectory&) = delete;
  PrivateDirectory& operator=(const PrivateDirectory&) = delete;
  ~PrivateDirectory() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  explicit PrivateDirectory(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

struct Stamp {
  bool exists = false;
  off_t size = 0;
  timespec modified{};
  bool operator==(const Stamp& other) const {
    return exists == other.exists && size == other.size &&
           modified.tv_sec == other.modified.tv_sec && modified.tv_nsec == other.modified.tv_nsec;
  }
};
using Stamps = std::array<Stamp, kSuffixes.size()>;

Stamps StampsOf(const std::string& path) {
  Stamps stamps;
  for (size_t i = 0; i < kSuffixes.size(); ++i) {
    struct stat info {};
    if (stat((path + std::string(kSuffixes[i])).c_str(), &info) != 0) continue;
    stamps[i] = {true, info.st_size, info.st_mtim};
  }
  return stamps;
}

Status CopyFiles(const std::string& path, const std::string& copy, const Stamps& stamps) {
  for (size_t i = 0; i < kSuffixes.size(); ++i) {
    const std::string suffix(kSuffixes[i]);
    std::error_code error;
    fs::remove(copy + suffix, error);
    if (!stamps[i].exists) continue;
    fs::copy_file(path + suffix, copy + suffix, error);
    if (error && error != std::errc::no_such_file_or_directory) {
      return FailedPreconditionError(
          fmt::format("cannot copy {}{} to {}: {}", path, suffix, copy, error.message()));
    }
  }
  return Status::Ok();
}

/// A copy is good when nothing has changed meanwhile.
Status CopyUnchanged(const CallContext& ctx, const std::string& path, const std::string& copy) {
  for (int attempt = 0; attempt < kCopyAttempts; ++attempt) {
    MB_RETURN_IF_ERROR(ctx.Check());
    const Stamps before = StampsOf(path);
    MB_RETURN_IF_ERROR(CopyFiles(path, copy, before));
    if (StampsOf(path) == before) return Status::Ok();
  }
  return Status(Code::kAborted, path + " keeps changing while it is read")
      .WithAdvice("stop the old Milvus, or at least all writes to it");
}

struct Close {
  void operator()(sqlite3* database) const { sqlite3_close(database); }
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Database = std::unique_ptr<sqlite3, Close>;
using Statement = std::unique_ptr<sqlite3_stmt, Close>;

Status Fault(sqlite3* database, const std::string& path) {
  const int code = sqlite3_errcode(database);
  std::string text = fmt::format("reading {}: {}", path, sqlite3_errmsg(database));
  const bool damaged = code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
  return damaged ? DataLossError(std::move(text)) : FailedPreconditionError(std::move(text));
}

std::string Text(sqlite3_stmt* row, int column) {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(row, column));
  if (text == nullptr) return {};
  return {text, static_cast<size_t>(sqlite3_column_bytes(row, column))};
}

/// Call `visit` for every row of the query's result.
template <typename Visit>
Status ForEachRow(const CallContext& ctx, sqlite3* database, const std::string& path,
                  const char* query, Visit visit) {
  sqlite3_stmt* raw = nullptr;
  if (sqlite3_prepare_v2(database, query, -1, &raw, nullptr) != SQLITE_OK) {
    return Fault(database, path);
  }
  const Statement statement(raw);
  int step = sqlite3_step(raw);
  for (; step == SQLITE_ROW; step = sqlite3_step(raw)) {
    MB_RETURN_IF_ERROR(ctx.Check());
    visit(raw);
  }
  return step == SQLITE_DONE ? Status::Ok() : Fault(database, path);
}

Result<MetaRows> ReadRows(const CallContext& ctx, sqlite3* database, const std::string& path) {
  std::vector<std::string> names;
  MB_RETURN_IF_ERROR(ForEachRow(ctx, database, path,
                                "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name",
                                [&](sqlite3_stmt* row) { names.push_back(Text(row, 0)); }));
  MB_RETURN_IF_ERROR(CheckGeneration(names, path));
  MetaRows rows;
  MB_RETURN_IF_ERROR(ForEachRow(ctx, database, path, kTableQuery, [&](sqlite3_stmt* row) {
    rows.tables.push_back({.table_id = Text(row, 0),
                           .state = sqlite3_column_int64(row, 1),
                           .dimension = sqlite3_column_int64(row, 2),
                           .flag = sqlite3_column_int64(row, 3),
                           .engine_type = sqlite3_column_int64(row, 4),
                           .index_params = Text(row, 5),
                           .metric_type = sqlite3_column_int64(row, 6),
                           .owner_table = Text(row, 7),
                           .partition_tag = Text(row, 8),
                           .index_file_size = sqlite3_column_int64(row, 9),
                           .version = Text(row, 10)});
  }));
  MB_RETURN_IF_ERROR(ForEachRow(ctx, database, path, kFileQuery, [&](sqlite3_stmt* row) {
    rows.files.push_back({.table_id = Text(row, 0),
                          .segment_id = Text(row, 1),
                          .row_count = sqlite3_column_int64(row, 2),
                          .file_size = sqlite3_column_int64(row, 3)});
  }));
  return rows;
}

}  // namespace

Result<MetaRows> ReadSqliteMeta(const CallContext& ctx, const std::string& path) {
  std::error_code error;
  if (!fs::is_regular_file(path, error)) {
    return FailedPreconditionError(path +
                                   (error || !fs::exists(path) ? " does not exist" : " is no file"))
        .WithAdvice("name the meta.sqlite below the db directory of the old Milvus");
  }
  MB_ASSIGN_OR_RETURN(const PrivateDirectory directory, PrivateDirectory::Create());
  const std::string copy = directory.path() + "/meta.sqlite";
  MB_RETURN_IF_ERROR(CopyUnchanged(ctx, path, copy));
  sqlite3* raw = nullptr;
  // Read and write, for the copy's log and journal have to be taken up.
  const int opened = sqlite3_open_v2(copy.c_str(), &raw, SQLITE_OPEN_READWRITE, nullptr);
  const Database database(raw);
  if (opened != SQLITE_OK) return Fault(raw, path);
  return ReadRows(ctx, raw, path);
}

}  // namespace milvus_backup::migration
