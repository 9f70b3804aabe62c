#include "mysql_dsn.h"

#include <fmt/format.h>

#include <charconv>
#include <utility>

namespace milvus_backup::migration {
namespace {

Status Malformed(std::string_view why) {
  return InvalidArgumentError(fmt::format("the MySQL data source name {}", why))
      .WithAdvice("write it as user:password@tcp(host:3306)/database");
}

Status ParseAddress(std::string_view protocol, std::string_view address, MysqlDsn& dsn) {
  if (protocol == "unix") {
    if (address.empty()) return Malformed("names no socket in unix(…)");
    dsn.socket = address;
    return Status::Ok();
  }
  if (protocol != "tcp" && !protocol.empty()) {
    return Malformed("has a protocol other than tcp and unix");
  }
  std::string_view port;
  if (address.starts_with('[')) {
    const size_t end = address.find(']');
    if (end == std::string_view::npos) return Malformed("has an address with [ but no ]");
    port = address.substr(end + 1);
    dsn.host = address.substr(1, end - 1);
  } else {
    const size_t colon = address.find(':');
    dsn.host = address.substr(0, colon);
    if (colon != std::string_view::npos) port = address.substr(colon);
  }
  if (dsn.host.empty()) dsn.host = "127.0.0.1";
  if (port.empty()) return Status::Ok();
  const char* const end = port.data() + port.size();
  const auto parsed = std::from_chars(port.data() + 1, end, dsn.port);
  if (port.front() != ':' || parsed.ec != std::errc() || parsed.ptr != end || dsn.port == 0) {
    return Malformed("has a port that is none");
  }
  return Status::Ok();
}

MysqlDsn::Tls TlsOf(std::string_view parameters) {
  while (!parameters.empty()) {
    const size_t end = parameters.find('&');
    const std::string_view one = parameters.substr(0, end);
    parameters = end == std::string_view::npos ? "" : parameters.substr(end + 1);
    if (one == "tls=true") return MysqlDsn::Tls::kVerified;
    if (one == "tls=skip-verify" || one == "tls=preferred") return MysqlDsn::Tls::kUnverified;
  }
  return MysqlDsn::Tls::kOff;
}

}  // namespace

std::string MysqlDsn::ToString() const {
  const std::string address = socket.empty() ? fmt::format("{}:{}", host, port) : socket;
  return fmt::format("{}@{}/{}", user, address, database);
}

Result<MysqlDsn> ParseMysqlDsn(std::string_view text) {
  MysqlDsn dsn;
  // As the driver does: the last slash ends the address (the path of a socket has slashes too), and
  // the last @ before it ends the password.
  const size_t slash = text.rfind('/');
  if (slash == std::string_view::npos) return Malformed("has no / before the database");
  const std::string_view tail = text.substr(slash + 1);
  const size_t question = tail.find('?');
  dsn.database = tail.substr(0, question);
  if (dsn.database.empty()) return Malformed("names no database after the last /");
  if (question != std::string_view::npos) dsn.tls = TlsOf(tail.substr(question + 1));
  std::string_view head = text.substr(0, slash);
  if (const size_t at = head.rfind('@'); at != std::string_view::npos) {
    const std::string_view account = head.substr(0, at);
    const size_t colon = account.find(':');
    dsn.user = account.substr(0, colon);
    if (colon != std::string_view::npos) {
      dsn.password = Secret(std::string(account.substr(colon + 1)));
    }
    head = head.substr(at + 1);
  }
  const size_t bracket = head.find('(');
  if (bracket != std::string_view::npos && !head.ends_with(')')) {
    return Malformed("has an address with ( but no )");
  }
  const std::string_view address =
      bracket == std::string_view::npos ? "" : head.substr(bracket + 1, head.size() - bracket - 2);
  MB_RETURN_IF_ERROR(ParseAddress(head.substr(0, bracket), address, dsn));
  return dsn;
}

}  // namespace milvus_backup::migration
