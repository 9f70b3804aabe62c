/// A SQLite database of a test's own.
#pragma once

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <memory>
#include <string>

namespace milvus_backup::migration::testing {

class Sqlite {
 public:
  explicit Sqlite(const std::string& path) {
    sqlite3* raw = nullptr;
    EXPECT_EQ(sqlite3_open(path.c_str(), &raw), SQLITE_OK);
    database_.reset(raw);
  }
  void Run(const std::string& statements) {
    EXPECT_EQ(sqlite3_exec(database_.get(), statements.c_str(), nullptr, nullptr, nullptr),
              SQLITE_OK)
        << sqlite3_errmsg(database_.get());
  }

 private:
  struct Close {
    void operator()(sqlite3* database) const { sqlite3_close(database); }
  };
  std::unique_ptr<sqlite3, Close> database_;
};

}  // namespace milvus_backup::migration::testing
