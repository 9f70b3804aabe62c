#include "mysql_meta.h"

#include <fmt/format.h>

#include <charconv>
#include <memory>
#include <mysql.h>
#include <string>
#include <string_view>
#include <vector>

namespace milvus_backup::migration {
namespace {

constexpr unsigned int kConnectSeconds = 10;
constexpr unsigned int kAnswerSeconds = 60;
/// Of the server: ER_ACCESS_DENIED_ERROR, ER_DBACCESS_DENIED_ERROR, ER_BAD_DB_ERROR.
constexpr unsigned int kAccessDenied = 1045;
constexpr unsigned int kDatabaseDenied = 1044;
constexpr unsigned int kNoSuchDatabase = 1049;
/// From here on error numbers are those of the client: no connection, or a lost one.
constexpr unsigned int kFirstClientError = 2000;

struct Close {
  void operator()(MYSQL* connection) const { mysql_close(connection); }
  void operator()(MYSQL_RES* result) const { mysql_free_result(result); }
};
using Connection = std::unique_ptr<MYSQL, Close>;
using Rows = std::unique_ptr<MYSQL_RES, Close>;

Status Fault(MYSQL* connection, const MysqlDsn& dsn) {
  const unsigned int number = mysql_errno(connection);
  std::string text = fmt::format("MySQL at {}: {}", dsn.ToString(), mysql_error(connection));
  if (number == kAccessDenied || number == kDatabaseDenied) {
    return Status(Code::kUnauthenticated, std::move(text)).WithAdvice("check user and password");
  }
  if (number == kNoSuchDatabase) return FailedPreconditionError(std::move(text));
  if (number >= kFirstClientError) {
    return Status(Code::kUnavailable, std::move(text)).WithAdvice("check host, port and database");
  }
  return FailedPreconditionError(std::move(text));
}

Result<Connection> Connect(const MysqlDsn& dsn) {
  Connection connection(mysql_init(nullptr));
  if (!connection) return InternalError("no memory for a MySQL connection");
  MYSQL* const raw = connection.get();
  mysql_options(raw, MYSQL_OPT_CONNECT_TIMEOUT, &kConnectSeconds);
  mysql_options(raw, MYSQL_OPT_READ_TIMEOUT, &kAnswerSeconds);
  mysql_options(raw, MYSQL_SET_CHARSET_NAME, "utf8mb4");
  if (dsn.tls != MysqlDsn::Tls::kOff) {
    const my_bool on = 1;
    mysql_options(raw, MYSQL_OPT_SSL_ENFORCE, &on);
    if (dsn.tls == MysqlDsn::Tls::kVerified) {
      mysql_options(raw, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &on);
    }
  }
  const char* const host = dsn.socket.empty() ? dsn.host.c_str() : nullptr;
  const char* const socket = dsn.socket.empty() ? nullptr : dsn.socket.c_str();
  const unsigned int protocol = dsn.socket.empty() ? MYSQL_PROTOCOL_TCP : MYSQL_PROTOCOL_SOCKET;
  mysql_options(raw, MYSQL_OPT_PROTOCOL, &protocol);
  if (mysql_real_connect(raw, host, dsn.user.c_str(), dsn.password.Reveal().c_str(),
                         dsn.database.c_str(), dsn.port, socket, 0) == nullptr) {
    return Fault(raw, dsn);
  }
  return connection;
}

/// One row of a result whose cells are texts.
class Row {
 public:
  Row(MYSQL_ROW cells, const unsigned long* lengths) : cells_(cells), lengths_(lengths) {}

  std::string Text(unsigned int column) const {
    return cells_[column] == nullptr ? "" : std::string(cells_[column], lengths_[column]);
  }
  int64_t Number(unsigned int column) const {
    int64_t number = 0;
    if (cells_[column] != nullptr) {
      std::from_chars(cells_[column], cells_[column] + lengths_[column], number);
    }
    return number;
  }

 private:
  MYSQL_ROW cells_;
  const unsigned long* lengths_;
};

Status Execute(MYSQL* connection, const MysqlDsn& dsn, std::string_view query) {
  return mysql_real_query(connection, query.data(), query.size()) == 0 ? Status::Ok()
                                                                       : Fault(connection, dsn);
}

/// Call `visit` for every row of the query's result, which is not held as a whole.
template <typename Visit>
Status ForEachRow(const CallContext& ctx, MYSQL* connection, const MysqlDsn& dsn,
                  std::string_view query, Visit visit) {
  MB_RETURN_IF_ERROR(ctx.Check());
  MB_RETURN_IF_ERROR(Execute(connection, dsn, query));
  const Rows rows(mysql_use_result(connection));
  if (!rows) return Fault(connection, dsn);
  while (MYSQL_ROW cells = mysql_fetch_row(rows.get())) {
    visit(Row(cells, mysql_fetch_lengths(rows.get())));
  }
  return mysql_errno(connection) == 0 ? Status::Ok() : Fault(connection, dsn);
}

}  // namespace

Result<MetaRows> ReadMysqlMeta(const CallContext& ctx, const MysqlDsn& dsn) {
  MB_RETURN_IF_ERROR(ctx.Check());
  MB_ASSIGN_OR_RETURN(const Connection connection, Connect(dsn));
  MYSQL* const raw = connection.get();
  MB_RETURN_IF_ERROR(Execute(raw, dsn, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"));
  MB_RETURN_IF_ERROR(Execute(raw, dsn, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"));
  std::vector<std::string> names;
  MB_RETURN_IF_ERROR(ForEachRow(ctx, raw, dsn, "SHOW TABLES",
                                [&](const Row& row) { names.push_back(row.Text(0)); }));
  MB_RETURN_IF_ERROR(CheckGeneration(names, dsn.ToString()));
  MetaRows rows;
  MB_RETURN_IF_ERROR(ForEachRow(ctx, raw, dsn, kTableQuery, [&](const Row& row) {
    rows.tables.push_back({.table_id = row.Text(0),
                           .state = row.Number(1),
                           .dimension = row.Number(2),
                           .flag = row.Number(3),
                           .engine_type = row.Number(4),
                           .index_params = row.Text(5),
                           .metric_type = row.Number(6),
                           .owner_table = row.Text(7),
                           .partition_tag = row.Text(8),
                           .index_file_size = row.Number(9),
                           .version = row.Text(10)});
  }));
  MB_RETURN_IF_ERROR(ForEachRow(ctx, raw, dsn, kFileQuery, [&](const Row& row) {
    rows.files.push_back({.table_id = row.Text(0),
                          .segment_id = row.Text(1),
                          .row_count = row.Number(2),
                          .file_size = row.Number(3)});
  }));
  return rows;
}

}  // namespace milvus_backup::migration
