#include "support/temp_dir.h"

#include "milvus_backup/cli/main.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <fstream>
#include <sstream>
#include <string>
#include <sys/stat.h>
#include <vector>

namespace milvus_backup::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

struct Finished {
  int status = -1;
  std::string out;
  std::string err;
};

// These commands touch neither signals nor logs nor servers, so they can run in this process.
class ConfigCommandTest : public ::testing::Test {
 protected:
  std::string WriteFile(const std::string& name, const std::string& text) const {
    std::string path = Path(name);
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }
  std::string Path(const std::string& name) const { return dir_.path() + "/" + name; }
  static std::string ReadFile(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
  }
  static mode_t ModeOf(const std::string& path) {
    struct stat info {};
    EXPECT_EQ(stat(path.c_str(), &info), 0);
    return info.st_mode & 0777;
  }
  static Finished Run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "milvus-backup");
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    ::testing::internal::CaptureStdout();
    ::testing::internal::CaptureStderr();
    Finished finished;
    finished.status = Main(static_cast<int>(argv.size()), argv.data());
    finished.out = ::testing::internal::GetCapturedStdout();
    finished.err = ::testing::internal::GetCapturedStderr();
    return finished;
  }

  milvus_backup::testing::TempDir dir_;
  const std::string v1_ = WriteFile("v1.yaml",
                                    "minio: {secretAccessKey: hunter2hunter2, port: 9001}\n"
                                    "http: {enabled: true}\n");
};

TEST_F(ConfigCommandTest, ShowPrintsATableWithMaskedSecrets) {
  const Finished shown =
      Run({"config", "show", "--config", v1_, "--set", "MINIO_TOKEN=tokentoken"});
  EXPECT_EQ(shown.status, 0);
  EXPECT_THAT(shown.out, ::testing::MatchesRegex("PARAMETER +VALUE +SOURCE +SOURCE_KEY\n.*"));
  EXPECT_THAT(shown.out, ::testing::ContainsRegex("\nminio.port +9001 +file +minio.port\n"));
  EXPECT_THAT(shown.out, ::testing::ContainsRegex("\nminio.backupPort +9001 +inherited +minio.p"));
  EXPECT_THAT(shown.out, ::testing::ContainsRegex("\nminio.token +to[*]+en +--set +MINIO_TOKEN\n"));
  EXPECT_THAT(shown.out, ::testing::ContainsRegex("\nmilvus.user +\"\" +default +-\n"));
  EXPECT_THAT(shown.out, HasSubstr("hu****r2"));
  EXPECT_THAT(shown.out, Not(HasSubstr("hunter2")));
  EXPECT_EQ(shown.err, "");
  const std::string v2 = WriteFile("v2.yaml", "configVersion: v2\nno: {key: 1}\n");
  EXPECT_EQ(Run({"config", "show", "--config", v2}).err,
            "Warning: " + v2 + ": unknown key no.key is ignored\n");
}

TEST_F(ConfigCommandTest, ShowPrintsJson) {
  const Finished shown = Run({"--json", "config", "show", "--config", v1_});
  EXPECT_EQ(shown.status, 0);
  const auto document = nlohmann::json::parse(shown.out);
  EXPECT_EQ(document["status"], "ok");
  EXPECT_EQ(document["file"], v1_);
  bool found = false;
  for (const auto& setting : document["settings"]) {
    if (setting["key"] != "minio.secretAccessKey") continue;
    found = true;
    EXPECT_EQ(setting["value"], "hu****r2");
    EXPECT_EQ(setting["source"], "file");
    EXPECT_EQ(setting["source_key"], "minio.secretAccessKey");
  }
  EXPECT_TRUE(found);
}

TEST_F(ConfigCommandTest, CheckConfigPrintsTheSameTableAndAHint) {
  const Finished shown = Run({"config", "show", "--config", v1_});
  const Finished old = Run({"check", "config", "--config", v1_});
  EXPECT_EQ(old.status, 0);
  EXPECT_EQ(old.out, shown.out);
  EXPECT_THAT(old.err, HasSubstr("use config show"));
}

TEST_F(ConfigCommandTest, BadConfigurationIsStatus4) {
  const std::string bad = WriteFile("bad.yaml", "minio: {port: x}\n");
  EXPECT_EQ(Run({"config", "show", "--config", bad}).status, 4);
  EXPECT_EQ(Run({"config", "migrate", "--config", bad}).status, 4);
  EXPECT_EQ(Run({"config", "show", "--config", Path("none")}).status, 4);
  EXPECT_EQ(Run({"config"}).status, 2);
  EXPECT_EQ(Run({"config", "shw"}).status, 2);
}

TEST_F(ConfigCommandTest, MigrateWritesToStdoutAndReportsOnStderr) {
  const Finished migrated = Run({"config", "migrate", "--config", v1_});
  EXPECT_EQ(migrated.status, 0);
  EXPECT_THAT(migrated.out, ::testing::StartsWith("configVersion: v2\n"));
  EXPECT_THAT(migrated.out, HasSubstr("secretAccessKey: hunter2hunter2\n"));
  EXPECT_THAT(migrated.err, HasSubstr("left out: http.enabled"));
  EXPECT_THAT(migrated.err, Not(HasSubstr("hunter2")));
}

TEST_F(ConfigCommandTest, MigratedFileIsPrivateAndNotOverwritten) {
  const std::string v2 = Path("v2.yaml");
  ASSERT_EQ(Run({"config", "migrate", "--config", v1_, "-o", v2}).status, 0);
  EXPECT_EQ(ModeOf(v2), 0600U);
  const std::string first = ReadFile(v2);
  EXPECT_EQ(Run({"config", "show", "--config", v2}).status, 0);

  WriteFile("v1.yaml", "minio: {port: 9002}\n");
  const Finished again = Run({"config", "migrate", "--config", v1_, "--output", v2});
  EXPECT_EQ(again.status, 11);
  EXPECT_THAT(again.err, HasSubstr("--force"));
  EXPECT_EQ(ReadFile(v2), first);

  chmod(v2.c_str(), 0644);
  EXPECT_EQ(Run({"config", "migrate", "--config", v1_, "-o", v2, "--force"}).status, 0);
  EXPECT_THAT(ReadFile(v2), HasSubstr("port: 9002"));
  EXPECT_EQ(ModeOf(v2), 0600U);

  EXPECT_EQ(Run({"config", "migrate", "--config", v2}).status, 4);  // version 2 already
  EXPECT_EQ(Run({"config", "migrate", "--config", v1_, "-o", Path("no/dir")}).status, 1);
}

TEST_F(ConfigCommandTest, StrictFailsAndWritesNothing) {
  WriteFile("v1.yaml", "minio: {prot: 9002}\n");
  EXPECT_EQ(Run({"config", "migrate", "--config", v1_}).status, 0);
  const Finished strict =
      Run({"config", "migrate", "--config", v1_, "--strict", "-o", Path("v2.yaml")});
  EXPECT_EQ(strict.status, 4);
  EXPECT_THAT(strict.err, HasSubstr("minio.prot: unknown key"));
  EXPECT_FALSE(std::ifstream(Path("v2.yaml")).good());
}

TEST_F(ConfigCommandTest, MigratePrintsJson) {
  const auto document =
      nlohmann::json::parse(Run({"config", "migrate", "--config", v1_, "--json"}).out);
  EXPECT_THAT(document["yaml"].get<std::string>(), HasSubstr("port: 9001"));
  EXPECT_EQ(document["dropped"][0]["key"], "http.enabled");
  EXPECT_TRUE(document["not_translated"].empty());
}

}  // namespace
}  // namespace milvus_backup::cli
