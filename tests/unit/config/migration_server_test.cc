#include "config_fixture.h"

#include "milvus_backup/config/migration.h"

namespace milvus_backup::config {
namespace {

using milvus_backup::testing::IsError;

class MigrationServerTest : public ConfigFixture {
 protected:
  Result<ServerSettings> LoadText(const std::string& text) const {
    return LoadMigrationServer(OptionsFor(WriteFile("m.yaml", text)));
  }
};

TEST_F(MigrationServerTest, WithoutAFileItHasItsDefaults) {
  // A name of nothing in the directory of the tests.
  ASSERT_OK_AND_ASSIGN(const ServerSettings settings,
                       LoadMigrationServer(OptionsFor(kMigrationFile)));
  EXPECT_EQ(settings.address, "127.0.0.1");
  EXPECT_TRUE(settings.token.empty());
  EXPECT_EQ(settings.state_dir, "migration-server-state");
  EXPECT_EQ(settings.max_jobs, 2);
  // One that was asked for is another matter.
  EXPECT_THAT(LoadMigrationServer(OptionsFor("other.yaml")),
              IsError(Code::kInvalidArgument, "no configuration file found"));
  EXPECT_THAT(LoadMigrationServer(OptionsFor(dir_.path() + "/migration.yaml")),
              IsError(Code::kInvalidArgument, "does not exist"));
}

TEST_F(MigrationServerTest, ReadsItsSectionInAnyCaseBesideTheOthers) {
  ASSERT_OK_AND_ASSIGN(const ServerSettings settings, LoadText(R"(
dumper: {worker: {workMode: milvus2x}}
Server:
  Address: 10.0.0.1
  token: s3cret
  STATEDIR: /var/lib/state
  maxJobs: "5"
)"));
  EXPECT_EQ(settings.address, "10.0.0.1");
  EXPECT_EQ(settings.token.Reveal(), "s3cret");
  EXPECT_EQ(settings.state_dir, "/var/lib/state");
  EXPECT_EQ(settings.max_jobs, 5);
  ASSERT_OK_AND_ASSIGN(const ServerSettings defaults, LoadText("source: {}"));
  EXPECT_EQ(defaults.state_dir, "migration-server-state");
}

TEST_F(MigrationServerTest, TheTokenMayBeElsewhere) {
  const std::string file = WriteFile("token", "from-file\n");
  ASSERT_OK_AND_ASSIGN(const ServerSettings named, LoadText("server: {tokenFile: " + file + "}"));
  EXPECT_EQ(named.token.Reveal(), "from-file");
  environment_["MILVUS_BACKUP_SERVER_TOKEN"] = "from-environment";
  ASSERT_OK_AND_ASSIGN(const ServerSettings set, LoadText("server: {token: from-yaml}"));
  EXPECT_EQ(set.token.Reveal(), "from-environment");
}

TEST_F(MigrationServerTest, TlsNeedsBothFiles) {
  ASSERT_OK_AND_ASSIGN(const ServerSettings both,
                       LoadText("server: {tlsCertPath: c.pem, tlsKeyPath: k.pem}"));
  EXPECT_EQ(both.tls_cert_path, "c.pem");
  EXPECT_EQ(both.tls_key_path, "k.pem");
  EXPECT_THAT(LoadText("server: {tlsCertPath: c.pem}"),
              IsError(Code::kInvalidArgument, "server.tlsKeyPath is missing"));
  EXPECT_THAT(LoadText("server: {tlsKeyPath: k.pem}"),
              IsError(Code::kInvalidArgument, "server.tlsCertPath is missing"));
}

TEST_F(MigrationServerTest, WrongValuesAreNamed) {
  EXPECT_THAT(LoadText("server: {maxJobs: 0}"), IsError(Code::kInvalidArgument, "server.maxJobs"));
  EXPECT_THAT(LoadText("server: 1"), IsError(Code::kInvalidArgument, "server"));
  EXPECT_THAT(LoadText("{"), IsError(Code::kInvalidArgument, "m.yaml"));
}

}  // namespace
}  // namespace milvus_backup::config
