/// Two storages in memory, and trees in them.
#pragma once

#include "backup/manifest_build.h"
#include "mortal_backend.h"
#include "support/status_matchers.h"

#include "milvus_backup/backup/copy.h"
#include "milvus_backup/meta/codec.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/meta/manifest.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <string_view>

namespace milvus_backup::backup {

class CopyTest : public ::testing::Test {
 protected:
  static constexpr const char* kHeader = "meta/backup_meta.json";

  CopyTest() {
    // One at a time, so that every run makes the same calls.
    options_.concurrency = 1;
    options_.part_size = 256 * kKiB;
    options_.force_streaming = true;
  }

  void Put(storage::Backend& backend, const std::string& key, std::string_view bytes) {
    ASSERT_OK(backend.Put({}, key, AsBytes(bytes), {}));
  }
  /// A backup of two logs, one of which goes in parts.
  void PutBackup(storage::Backend& backend, const std::string& dir, char fill = 'x') {
    Put(backend, dir + "binlogs/insert_log/7/70/700/700/100/1", std::string(100, fill));
    Put(backend, dir + "binlogs/insert_log/7/70/700/700/101/2", std::string(600 * kKiB, fill));
    Put(backend, dir + "meta/full_meta.json", std::string("{\"id\":\"") + fill + "\"}");
    Put(backend, dir + "meta/collection_meta.json", "{}");
    Put(backend, dir + kHeader, std::string("{\"id\":\"") + fill + "\",\"size\":0}");
  }
  /// Give the backup in `dir` a manifest that its header speaks of.
  static void Seal(storage::Backend& backend, const std::string& dir) {
    ASSERT_OK_AND_ASSIGN(const std::string header,
                         storage::ReadAll({}, backend, dir + kHeader, kMiB));
    ASSERT_OK_AND_ASSIGN(const BuiltManifest built,
                         BuildManifest({}, backend, dir, {.header = header}));
    ASSERT_OK_AND_ASSIGN(const std::string sealed, meta::WithManifest(header, built.sha256));
    ASSERT_OK(backend.Put({}, dir + kHeader, AsBytes(sealed), {}));
  }
  static std::map<std::string, std::string> Read(storage::Backend& backend,
                                                 const std::string& prefix) {
    std::map<std::string, std::string> objects;
    EXPECT_OK(storage::ForEachObject({}, backend, prefix, [&](const storage::ObjectInfo& object) {
      auto bytes = storage::ReadAll({}, backend, object.key, 64 * kMiB);
      EXPECT_OK(bytes);
      if (bytes.ok()) objects[object.key.substr(prefix.size())] = *std::move(bytes);
      return Status::Ok();
    }));
    return objects;
  }
  std::map<std::string, std::string> Source(const std::string& dir) { return Read(source_, dir); }
  std::map<std::string, std::string> Copied(const std::string& dir) {
    return Read(destination_, dir);
  }
  static std::set<std::string> Keys(const std::map<std::string, std::string>& objects) {
    std::set<std::string> keys;
    for (const auto& [key, bytes] : objects) keys.insert(key);
    return keys;
  }

  Result<CopyReport> CopyB(const CopyRules& rules = {}) {
    transfer::CopyEngine engine(options_, nullptr);
    return CopyBackup({}, engine, {&source_, "a/b/"}, {&destination_, "c/b/"}, rules);
  }
  Result<CopyReport> Tree(const CopyRules& rules = {}) {
    transfer::CopyEngine engine(options_, nullptr);
    return CopyTree({}, engine, {&source_, "a/"}, {&destination_, "c/"}, rules);
  }
  Result<CopyAllReport> All(const CopyRules& rules = {}) {
    transfer::CopyEngine engine(options_, nullptr);
    return CopyAllBackups({}, engine, {&source_, "a/"}, {&destination_, "c/"}, rules);
  }
  void ExpectSame(const std::string& source_dir, const std::string& destination_dir) {
    const auto source = Source(source_dir);
    const auto copied = Copied(destination_dir);
    EXPECT_EQ(Keys(source), Keys(copied));
    EXPECT_TRUE(source == copied) << "the same keys, but other bytes";
  }

  transfer::CopyOptions options_;
  MortalBackend source_;
  MortalBackend destination_;
};

}  // namespace milvus_backup::backup
