#include "milvus_backup/service/services.h"

#include "support/fake_milvus.h"
#include "support/status_matchers.h"
#include "support/temp_dir.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

namespace milvus_backup::service {
namespace {

class ServicesTest : public ::testing::Test {
 protected:
  ServicesTest() {
    config_.milvus = milvus_.client_options();
    for (config::StorageSettings* storage : {&config_.milvus_storage, &config_.backup_storage}) {
      storage->kind = config::StorageKind::kLocal;
      storage->provider = "local";
    }
    config_.milvus_storage.root_path = dir_.path() + "/data";
    config_.backup_storage.root_path = dir_.path() + "/backup";
  }

  testing::TempDir dir_;
  testing::FakeMilvus milvus_;
  config::Config config_;
};

TEST_F(ServicesTest, MilvusSeesALocalStorageWhereWeDo) {
  ASSERT_OK_AND_ASSIGN(const auto services,
                       Services::Create({}, config_, Services::Needs::kEverything));
  EXPECT_EQ(services->site().milvus_storage.milvus_prefix, dir_.path() + "/data/");
  EXPECT_EQ(services->site().backup_storage.milvus_prefix, dir_.path() + "/backup/");
  EXPECT_TRUE(services->site().backup_visible_to_milvus);
}

TEST_F(ServicesTest, RelativeRootsLieBelowTheWorkingDirectory) {
  config_.milvus_storage.root_path = "data";
  config_.backup_storage.root_path = "backups/of/all";
  ASSERT_OK_AND_ASSIGN(const auto services,
                       Services::Create({}, config_, Services::Needs::kEverything));
  const std::string here = std::filesystem::current_path().string();
  EXPECT_EQ(services->site().milvus_storage.milvus_prefix, here + "/data/");
  EXPECT_EQ(services->site().backup_storage.milvus_prefix, here + "/backups/of/all/");
}

TEST_F(ServicesTest, MilvusInAContainerSeesOnlyWhatIsSaid) {
  config_.milvus_storage.milvus_path = "/var/lib/milvus/data";
  ASSERT_OK_AND_ASSIGN(const auto staged,
                       Services::Create({}, config_, Services::Needs::kEverything));
  EXPECT_EQ(staged->site().milvus_storage.milvus_prefix, "/var/lib/milvus/data/");
  EXPECT_FALSE(staged->site().backup_visible_to_milvus);

  config_.backup_storage.milvus_path = "/backups";
  ASSERT_OK_AND_ASSIGN(const auto in_place,
                       Services::Create({}, config_, Services::Needs::kEverything));
  EXPECT_EQ(in_place->site().backup_storage.milvus_prefix, "/backups/");
  EXPECT_TRUE(in_place->site().backup_visible_to_milvus);
}

TEST_F(ServicesTest, SettingsReachWhatIsDoneByThem) {
  config_.parallelism = {.backup_collection = 3, .copy_data = 5, .import_job = 7};
  config_.multipart_copy_threshold_mib = 11;
  config_.keep_temp_files = true;
  config_.gc_pause.address = "http://gc";
  ASSERT_OK_AND_ASSIGN(const auto services,
                       Services::Create({}, config_, Services::Needs::kEverything));
  const backup::Site& site = services->site();
  EXPECT_EQ(site.parallel_collections, 3U);
  EXPECT_EQ(site.copy.concurrency, 5U);
  EXPECT_EQ(site.parallel_imports, 7U);
  EXPECT_EQ(site.copy.server_copy_threshold, 11 * kMiB);
  EXPECT_FALSE(site.copy.force_streaming);
  EXPECT_TRUE(site.keep_temp_files);
  ASSERT_TRUE(site.gc_pause.has_value());
  EXPECT_EQ(site.gc_pause->address, "http://gc");

  config_.cross_storage = true;
  config_.gc_pause.enable = false;
  ASSERT_OK_AND_ASSIGN(const auto streamed,
                       Services::Create({}, config_, Services::Needs::kEverything));
  EXPECT_TRUE(streamed->site().copy.force_streaming);
  EXPECT_FALSE(streamed->site().backup_visible_to_milvus);
  EXPECT_FALSE(streamed->site().gc_pause.has_value());
}

}  // namespace
}  // namespace milvus_backup::service
