/// A fake Milvus, a backup written by hand, and restores of it.
#pragma once

#include "support/fake_milvus.h"
#include "support/status_matchers.h"

#include "milvus_backup/backup/restore.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/meta/writer.h"
#include "milvus_backup/milvus/client.h"
#include "milvus_backup/storage/memory_backend.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace milvus_backup::backup {

class RestoreTest : public ::testing::Test {
 protected:
  void SetUp() override { Start({}); }

  void Start(testing::FakeMilvusOptions options) {
    client_.reset();
    fake_ = std::make_unique<testing::FakeMilvus>(std::move(options));
    auto client = milvus::Connect({}, fake_->client_options());
    ASSERT_OK(client);
    client_ = *std::move(client);
    site_.client = client_.get();
    site_.milvus_storage = {.backend = storage_.get(), .root = "files"};
    site_.backup_storage = {.backend = storage_.get(), .root = "backup"};
    site_.backup_visible_to_milvus = true;
    site_.parallel_collections = 1;
    fake_->SetImportRows([](const milvus::ImportRequest&) { return 10; });
  }

  /// A collection of ten rows in one segment.
  static meta::CollectionBackup Collection(int64_t id, const std::string& db,
                                           const std::string& name) {
    meta::CollectionBackup collection{
        .collection_id = id, .db_name = db, .collection_name = name, .shards_num = 2};
    collection.schema.name = name;
    collection.schema.fields = {
        {.field_id = 100, .name = "id", .is_primary_key = true, .data_type = 5},
        {.field_id = 101, .name = "v", .data_type = 101, .type_params = {{"dim", "4"}}}};
    collection.index_infos = {{.field_name = "v",
                               .index_name = "v_idx",
                               .index_type = "FLAT",
                               .params = {{"index_type", "FLAT"}, {"metric_type", "L2"}}}};
    collection.load_state = "Loaded";
    meta::SegmentBackup segment{.segment_id = id * 10,
                                .collection_id = id,
                                .partition_id = id + 1,
                                .num_of_rows = 10,
                                .size = 9,
                                .group_id = id * 10};
    std::vector<meta::FieldBinlog> fields;
    for (const int64_t field : {0, 1, 100, 101}) {
      fields.push_back({field, {{.log_size = 3, .log_id = id * 1000 + field}}});
    }
    segment.binlogs = meta::LogList(fields);
    collection.partition_backups = {{.partition_id = id + 1,
                                     .partition_name = "_default",
                                     .collection_id = id,
                                     .segment_backups = {segment}}};
    return collection;
  }

  /// Write the backup `b` with these collections and their logs.
  void Write(std::vector<meta::CollectionBackup> collections,
             std::vector<std::string> databases = {}, std::vector<std::string> failed = {},
             std::optional<meta::RbacMeta> rbac = {}) {
    meta::BackupInfo info{.name = "b"};
    info.rbac_meta = std::move(rbac);
    info.partial = !failed.empty();
    info.failed_collections = std::move(failed);
    for (const std::string& db : databases) info.database_backups.push_back({.db_name = db});
    for (const meta::CollectionBackup& collection : collections) {
      for (const meta::PartitionBackup& partition : collection.partition_backups) {
        for (const meta::SegmentBackup& segment : partition.segment_backups) {
          for (const meta::LogEntry& log : segment.binlogs.Entries()) {
            const std::string key =
                meta::InsertLogKey("backup/b/", segment, log.field_id, log.log_id);
            ASSERT_OK(storage_->Put({}, key, AsBytes("log"), {}));
          }
        }
      }
    }
    info.collection_backups = std::move(collections);
    ASSERT_OK(meta::WriteBackup({}, *storage_, "backup/b/", info));
  }

  /// A collection of Milvus with the schema of Collection(), ready to be reused or replaced.
  static testing::FakeCollection Existing(const std::string& name) {
    testing::FakeCollection collection;
    collection.info.schema.name = name;
    collection.info.schema.fields = {
        {.field_id = 100, .name = "id", .is_primary_key = true, .data_type = 5},
        {.field_id = 101, .name = "v", .data_type = 101, .type_params = {{"dim", "4"}}}};
    collection.segments = {{.num_rows = 500, .state = 4}};
    return collection;
  }

  Result<RestoreReport> Restore(RestoreOptions options) {
    options.name = "b";
    return RestoreBackup({}, site_, options);
  }

  std::vector<std::string> ChangesSince(size_t first) {
    std::vector<std::string> changes;
    const auto calls = fake_->calls();
    for (size_t i = first; i < calls.size(); ++i) {
      const std::string& method = calls[i].method;
      const bool reads = method.starts_with("Get") || method.starts_with("List") ||
                         method.starts_with("Has") || method.starts_with("Describe") ||
                         method.starts_with("Show") || method == "AllocTimestamp";
      if (!reads) changes.push_back(calls[i].text);
    }
    return changes;
  }

  int64_t RowsOf(const std::string& db, const std::string& name) {
    const auto found = fake_->Find(db, name);
    int64_t rows = 0;
    if (!found) return -1;
    for (const milvus::Segment& segment : found->segments) rows += segment.num_rows;
    return rows;
  }

  std::unique_ptr<storage::Backend> storage_ = storage::MakeMemoryBackend();
  std::unique_ptr<testing::FakeMilvus> fake_;
  std::unique_ptr<milvus::Client> client_;
  Site site_;
};

}  // namespace milvus_backup::backup
