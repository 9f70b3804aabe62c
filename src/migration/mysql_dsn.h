/// Data source names in the form of Go's MySQL driver. Pure functions, thread-safe.
#pragma once

#include "milvus_backup/base/secret.h"
#include "milvus_backup/base/status.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace milvus_backup::migration {

struct MysqlDsn {
  std::string user;
  Secret password;
  /// Host name or address; empty when `socket` is set.
  std::string host;
  uint16_t port = 3306;
  /// Path of a Unix socket.
  std::string socket;
  std::string database;
  enum class Tls {
    kOff,
    kUnverified,  ///< tls=skip-verify, preferred
    kVerified,    ///< tls=true
  };
  Tls tls = Tls::kOff;

  /// `user@host:3306/db`, without the password.
  std::string ToString() const;
};

/// `[user[:password]@][protocol[(address)]]/database[?name=value&…]`, protocol `tcp` or `unix`.
/// Parameters other than `tls` are ignored. kInvalidArgument, which never repeats the text: it
/// holds a password.
Result<MysqlDsn> ParseMysqlDsn(std::string_view text);

}  // namespace milvus_backup::migration
