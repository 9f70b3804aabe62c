#include "config/keys.h"
#include "config/sections.h"
#include "config_fixture.h"

#include <sstream>

namespace milvus_backup::config {
namespace {

class SamplesTest : public ConfigFixture {
 protected:
  Result<Config> LoadSample(const std::string& name) const {
    return Load(OptionsFor(testing::ConfigsDir() + "/" + name));
  }
  static std::string ReadSource(const std::string& path) {
    std::ifstream file(testing::ConfigsDir() + "/" + path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    EXPECT_FALSE(text.str().empty()) << path;
    return text.str();
  }
  static bool Holds(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
  }
};

TEST_F(SamplesTest, V1Loads) {
  ASSERT_OK_AND_ASSIGN(const Config config, LoadSample("backup.yaml"));
  EXPECT_EQ(config.backup_storage.root_path, "backup");
  EXPECT_EQ(config.milvus_storage.bucket, "a-bucket");
}

TEST_F(SamplesTest, V2Loads) {
  ASSERT_OK_AND_ASSIGN(const Config config, LoadSample("backup-v2.yaml"));
  EXPECT_EQ(config.backup_storage.root_path, "backup");
  EXPECT_EQ(config.milvus_storage.bucket, "a-bucket");
  EXPECT_TRUE(config.warnings.empty()) << config.warnings.front();
}

TEST_F(SamplesTest, LocalLoads) {
  ASSERT_OK_AND_ASSIGN(const Config config, LoadSample("backup-local.yaml"));
  EXPECT_EQ(config.milvus_storage.milvus_path, "/var/lib/milvus/data");
  EXPECT_EQ(config.backup_storage.kind, StorageKind::kLocal);
  EXPECT_EQ(config.backup_storage.root_path, "/srv/milvus-backup");
  EXPECT_TRUE(config.warnings.empty());
}

// The values in the samples are the defaults, so a sample that says nothing of a key lies about
// none.
TEST_F(SamplesTest, HoldTheDefaults) {
  for (const std::string version : {"v1", "v2"}) {
    ASSERT_OK_AND_ASSIGN(const Config sample,
                         LoadSample(version == "v1" ? "backup.yaml" : "backup-v2.yaml"));
    ASSERT_OK_AND_ASSIGN(const Config empty, LoadText("configVersion: " + version));
    ASSERT_EQ(sample.settings.size(), empty.settings.size());
    for (size_t i = 0; i < sample.settings.size(); ++i) {
      if (empty.settings[i].key == "minio.backupRootPath") continue;
      EXPECT_EQ(sample.settings[i].value, empty.settings[i].value) << sample.settings[i].key;
    }
  }
}

TEST_F(SamplesTest, SamplesAndDocumentationNameEveryKey) {
  const std::string v1 = ReadSource("backup.yaml");
  const std::string v2 = ReadSource("backup-v2.yaml");
  const std::string documentation = ReadSource("../docs/configuration.md");
  const std::string compatibility = ReadSource("../docs/compatibility.md");
  const auto leaf = [](const std::string& name) { return name.substr(name.rfind('.') + 1) + ":"; };
  for (const Key& key : Keys()) {
    for (const Version version : {Version::kV1, Version::kV2}) {
      if (!HasKey(key, version)) continue;
      const Parameter parameter = ToParameter(key, version);
      const std::string& name = parameter.names.front();
      for (const std::string& spelling : parameter.names) {
        EXPECT_TRUE(Holds(documentation, "`" + spelling + "`")) << spelling;
      }
      EXPECT_TRUE(Holds(documentation, "`" + parameter.environment + "`") ||
                  parameter.environment.empty())
          << parameter.environment;
      EXPECT_TRUE(Holds(compatibility, "`" + name + "`")) << name;
      if (version == Version::kV1) {
        EXPECT_TRUE(Holds(v1, leaf(name))) << name;
      }
      if (version == Version::kV2) {
        EXPECT_TRUE(Holds(v2, leaf(name))) << name;
      }
      if (version == Version::kV1 && !parameter.environment.empty()) {
        EXPECT_TRUE(Holds(v1, "[" + parameter.environment + "]")) << parameter.environment;
      }
    }
  }
  for (const std::string& name : StorageEntryKeys()) {
    EXPECT_TRUE(Holds(documentation, "`" + name + "`")) << name;
  }
}

}  // namespace
}  // namespace milvus_backup::config
