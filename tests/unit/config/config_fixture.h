/// Loads configuration texts with an environment of the test's own.
#pragma once

#include "support/status_matchers.h"
#include "support/temp_dir.h"
#include "support/test_paths.h"

#include "milvus_backup/config/config.h"

#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace milvus_backup::config {

// The two blocks of the multi-storage guide, with keys in the guide's order and its addresses.
inline constexpr const char* kGuideConfig = R"(
# milvus proxy address, compatible to milvus.yaml
milvus:
  address: milvus_A
  port: 19530
  authorizationEnabled: false
  tlsMode: 0
  user: "root"
  password: "Milvus"

minio:
  # cloudProvider: "minio" # deprecated use storageType instead
  storageType: "minio" # support storage type: local, minio, s3, aws, gcp, ali(aliyun), azure, tc(tencent)

  address: minio_A # Address of MinIO/S3
  port: 9000   # Port of MinIO/S3
  accessKeyID: minioadmin  # accessKeyID of MinIO/S3
  secretAccessKey: minioadmin # MinIO/S3 encryption string
  useSSL: false # Access to MinIO/S3 with SSL
  useIAM: false
  iamEndpoint: ""

  bucketName: "bucket_A" # Milvus Bucket name in MinIO/S3
  rootPath: "files" # Milvus storage root path in MinIO/S3

  # only for azure
  backupAccessKeyID: minioadmin  # accessKeyID of MinIO/S3
  backupSecretAccessKey: minioadmin # MinIO/S3 encryption string

  backupBucketName: "bucket_A" # Bucket name to store backup data
  backupRootPath: "backup" # Rootpath to store backup data
)";

class ConfigFixture : public ::testing::Test {
 protected:
  /// Write a file in the test's directory; returns its path.
  std::string WriteFile(const std::string& name, const std::string& text) const {
    std::string path = dir_.path() + "/" + name;
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }
  LoadOptions OptionsFor(const std::string& path, std::vector<std::string> sets = {}) const {
    return {.path = path, .sets = std::move(sets), .environment = Environment()};
  }
  Result<Config> LoadText(const std::string& text, std::vector<std::string> sets = {}) const {
    return Load(OptionsFor(WriteFile("backup.yaml", text), std::move(sets)));
  }
  /// As LoadText, in version 2.
  Result<Config> LoadV2Text(const std::string& text, std::vector<std::string> sets = {}) const {
    return LoadText("configVersion: v2\n" + text, std::move(sets));
  }
  std::function<std::optional<std::string>(const std::string&)> Environment() const {
    return [this](const std::string& name) -> std::optional<std::string> {
      const auto it = environment_.find(name);
      return it == environment_.end() ? std::nullopt : std::optional(it->second);
    };
  }
  static std::map<std::string, Setting> ByKey(const Config& config) {
    std::map<std::string, Setting> settings;
    for (const Setting& setting : config.settings) settings[setting.key] = setting;
    return settings;
  }

  testing::TempDir dir_;
  std::map<std::string, std::string> environment_;
};

}  // namespace milvus_backup::config
