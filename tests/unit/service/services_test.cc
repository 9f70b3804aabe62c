#include "milvus_backup/service/services.h"

#include "support/fake_milvus.h"
#include "support/status_matchers.h"
#include "support/temp_dir.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace milvus_backup::service
