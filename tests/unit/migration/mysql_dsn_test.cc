#include "migration/mysql_dsn.h"

#include "support/status_matchers.h"

#include <string>

namespace milvus_backup::migration {
namespace {

using milvus_backup::testing::IsError;

TEST(MysqlDsnTest, TheGuidesNameIsUnderstood) {
  ASSERT_OK_AND_ASSIGN(const MysqlDsn dsn,
                       ParseMysqlDsn("user:password@tcp(adderss)/"
                                     "milvus?charset=utf8mb4&parseTime=True&loc=Local"));
  EXPECT_EQ(dsn.user, "user");
  EXPECT_EQ(dsn.password.Reveal(), "password");
  EXPECT_EQ(dsn.host, "adderss");
  EXPECT_EQ(dsn.port, 3306);
  EXPECT_EQ(dsn.database, "milvus");
  EXPECT_EQ(dsn.tls, MysqlDsn::Tls::kOff);
  EXPECT_EQ(dsn.ToString(), "user@adderss:3306/milvus");
}

TEST(MysqlDsnTest, FormsOfTheGoDriver) {
  ASSERT_OK_AND_ASSIGN(const MysqlDsn odd, ParseMysqlDsn("u:p@:/?x)y@tcp([::1]:3307)/db?tls=true"));
  EXPECT_EQ(odd.password.Reveal(), "p@:/?x)y");
  EXPECT_EQ(odd.host, "::1");
  EXPECT_EQ(odd.port, 3307);
  EXPECT_EQ(odd.tls, MysqlDsn::Tls::kVerified);
  ASSERT_OK_AND_ASSIGN(const MysqlDsn local, ParseMysqlDsn("root@unix(/run/my.sock)/db"));
  EXPECT_EQ(local.socket, "/run/my.sock");
  EXPECT_TRUE(local.password.empty());
  ASSERT_OK_AND_ASSIGN(const MysqlDsn bare, ParseMysqlDsn("/db"));
  EXPECT_EQ(bare.ToString(), "@127.0.0.1:3306/db");
}

TEST(MysqlDsnTest, BrokenNamesAreRefusedWithoutShowingThePassword) {
  for (const char* text :
       {"", "u:secret@tcp(h)", "u:secret@tcp(h)/", "u:secret@tcp(h/db", "u:secret@tcp(h:x)/db",
        "u:secret@tcp(h:0)/db", "u:secret@tcp(h:70000)/db", "u:secret@pipe(h)/db",
        "u:secret@unix()/db", "u:secret@tcp([::1)/db"}) {
    const Status status = ParseMysqlDsn(text).status();
    EXPECT_THAT(status, IsError(Code::kInvalidArgument, "MySQL data source name")) << text;
    EXPECT_EQ(status.ToString().find("secret"), std::string::npos);
  }
}

}  // namespace
}  // namespace milvus_backup::migration
