/// Backups in a storage in memory whose clock, like that of prune, stands still until told.
#pragma once

#include "mortal_backend.h"
#include "support/mortal.h"
#include "support/status_matchers.h"

#include "milvus_backup/backup/prune.h"
#include "milvus_backup/backup/run_lock.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/meta/reader.h"
#include "milvus_backup/meta/run_record.h"
#include "milvus_backup/meta/tombstone.h"
#include "milvus_backup/meta/writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

namespace milvus_backup::backup {

using Outcomes = std::map<std::string, std::string>;
using Objects = std::map<std::string, std::string>;

class PruneTest : public ::testing::Test {
 protected:
  static std::string Dir(const std::string& name) { return "backup/" + name + "/"; }

  /// A backup taken now, of `default.` and each of these.
  void Take(const std::string& name, const std::vector<std::string>& collections,
            bool is_partial = false) {
    meta::BackupInfo info{.id = "id-" + name, .name = name, .partial = is_partial};
    if (is_partial) info.failed_collections = {"default.gone"};
    int64_t id = 1;
    for (const std::string& collection : collections) {
      meta::CollectionBackup one;
      one.collection_id = id;
      one.db_name = "default";
      one.collection_name = collection;
      one.backup_physical_timestamp = static_cast<uint64_t>(Now().time_since_epoch().count());
      info.collection_backups.push_back(one);
      Put(Dir(name) + "binlogs/insert_log/" + std::to_string(id) + "/2/3/3/100/1", "rows " + name);
      ++id;
    }
    ASSERT_OK(meta::WriteBackup({}, storage_, Dir(name), info));
  }
  /// What a `create` has left that was killed now.
  void Abandon(const std::string& name) {
    meta::RunRecord record = meta::NewRunRecord("create", name);
    ASSERT_OK(meta::WriteRunRecord({}, storage_, meta::MarkerKey(Dir(name)), record));
    Put(Dir(name) + "binlogs/insert_log/1/2/3/3/100/1", "rows " + name);
  }
  void Put(const std::string& key, const std::string& bytes) {
    ASSERT_OK(storage_.Put({}, key, AsBytes(bytes), {}));
  }
  void Pass(std::chrono::hours time) { clock_.Advance(time); }
  std::chrono::sys_seconds Now() const {
    return std::chrono::floor<std::chrono::seconds>(clock_.WallNow());
  }

  Result<PruneReport> Run(const PruneRequest& request) {
    return Prune({}, place_, request, clock_);
  }
  /// Of a run that must succeed.
  Outcomes OutcomesOf(const PruneRequest& request) {
    const auto report = Run(request);
    EXPECT_OK(report);
    return report.ok() ? ByName(*report) : Outcomes();
  }
  static Outcomes ByName(const PruneReport& report) {
    Outcomes outcomes;
    for (const PrunedBackup& one : report.backups) {
      outcomes[one.name] = std::string(NameOf(one.outcome));
    }
    return outcomes;
  }

  /// Below `prefix`, locks left out.
  Objects Stored(const std::string& prefix = "") {
    Objects objects;
    storage::Backend& backend = storage_.immortal();
    EXPECT_OK(storage::ForEachObject({}, backend, prefix, [&](const storage::ObjectInfo& object) {
      if (object.key.find("/.locks/") != std::string::npos) return Status::Ok();
      auto bytes = storage::ReadAll({}, backend, object.key, kMiB);
      EXPECT_OK(bytes);
      objects[object.key.substr(prefix.size())] = bytes.ok() ? *bytes : "";
      return Status::Ok();
    }));
    return objects;
  }
  /// Have these objects and no others, all of them old.
  void Restore(const Objects& objects) {
    constexpr std::chrono::hours kAge{24 * 9};
    storage::Backend& backend = storage_.immortal();
    for (const auto& [key, bytes] : Stored()) ASSERT_OK(backend.Delete({}, key));
    clock_.Advance(-kAge);
    for (const auto& [key, bytes] : objects) ASSERT_OK(backend.Put({}, key, AsBytes(bytes), {}));
    clock_.Advance(kAge);
  }

  FakeClock clock_;
  testing::Life life_;
  testing::LivingBackend storage_{life_, clock_};
  const Place place_{.backend = &storage_, .root = "backup"};
};

}  // namespace milvus_backup::backup
