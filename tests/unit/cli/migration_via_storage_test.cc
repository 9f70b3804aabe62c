#include "cli/migration_via_storage.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace milvus_backup::cli {
namespace {

TEST(ViaStorageBackupNameTest, IsOneForASetOfNamesHoweverTheyAreGiven) {
  const auto of_databases = [](std::vector<std::string> names) {
    migration::Milvus2xOptions options;
    options.databases = std::move(names);
    return ViaStorageBackupName(options, false);
  };
  const std::string both = of_databases({"a", "b"});
  EXPECT_EQ(of_databases({"b", "a"}), both);
  EXPECT_EQ(of_databases({"a", "b", "a"}), both);
  EXPECT_NE(of_databases({"a"}), both);

  const auto of_collections = [](std::vector<std::string> names) {
    migration::Milvus2xOptions options;
    options.collections = std::move(names);
    return ViaStorageBackupName(options, false);
  };
  EXPECT_EQ(of_collections({"b", "a", "b"}), of_collections({"a", "b"}));
  EXPECT_NE(of_collections({"a", "b"}), both);
}

}  // namespace
}  // namespace milvus_backup::cli
