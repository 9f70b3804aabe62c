/// A backup with a manifest on a service whose ETags are MD5s.
#pragma once

#include "backup/manifest_build.h"
#include "restore_fixture.h"
#include "support/fake_s3.h"

#include "milvus_backup/meta/codec.h"
#include "milvus_backup/meta/reader.h"
#include "milvus_backup/storage/open.h"

#include <string>
#include <utility>

namespace milvus_backup::backup {

/// The backup `b` of two collections on a fake S3. No Milvus runs until Start.
class SealedBackupTest : public RestoreTest {
 protected:
  static constexpr char kBackupDir[] = "backup/b/";

  void SetUp() override {
    auto backend = storage::OpenS3(server_.OptionsFor("bkt"));
    ASSERT_OK(backend);
    storage_ = *std::move(backend);
    ASSERT_OK(storage_->CreateContainer({}));
    Write({Collection(7, "default", "c1"), Collection(8, "default", "c2")});
  }

  /// Give the backup its manifest.
  void Seal() {
    ASSERT_OK_AND_ASSIGN(meta::BackupInfo info, meta::ReadBackup({}, *storage_, kBackupDir));
    const std::string header = meta::EncodeToString(
        [&](const meta::TextSink& sink) { return meta::EncodeHeader(info, sink); });
    ASSERT_OK_AND_ASSIGN(built_, BuildManifest({}, *storage_, kBackupDir, {.header = header}));
    info.manifest_sha256 = built_.sha256;
    ASSERT_OK(meta::WriteHeader({}, *storage_, kBackupDir, info));
  }

  void Put(const std::string& key, const std::string& text) {
    ASSERT_OK(storage_->Put({}, key, AsBytes(text), {}));
  }
  std::string Get(const std::string& key) {
    auto text = storage::ReadAll({}, *storage_, key, kMiB);
    EXPECT_OK(text);
    return text.ok() ? *text : "";
  }
  void Replace(const std::string& key, const std::string& old, const std::string& by) {
    std::string text = Get(key);
    const size_t at = text.find(old);
    ASSERT_NE(at, std::string::npos) << text;
    Put(key, text.replace(at, old.size(), by));
  }

  testing::FakeS3 server_;
  BuiltManifest built_;
};

}  // namespace milvus_backup::backup
