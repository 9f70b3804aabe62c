/// What a FakeMilvus knows: databases, collections, import tasks. Not thread-safe.
#pragma once

#include "support/fake_milvus.h"

#include <deque>
#include <utility>

namespace milvus_backup::testing {

/// What a reply's status says; all zero means success.
struct Refusal {
  int code = 0;
  int error_code = 0;
  std::string reason;
  bool retriable = false;
  bool ok() const { return code == 0 && error_code == 0; }
};

Refusal CollectionNotFound(const std::string& db, const std::string& name);

class FakeMilvusState {
 public:
  explicit FakeMilvusState(const FakeMilvusOptions& options);

  std::vector<std::string> ListDatabases() const;
  Refusal CreateDatabase(const std::string& db);
  bool HasDatabase(const std::string& db) const { return databases_.contains(db); }
  void AddDatabase(const std::string& db, std::vector<milvus::KeyValue> properties = {}) {
    databases_[db];
    properties_[db] = std::move(properties);
  }
  milvus::Database DescribeDatabase(const std::string& db) const;
  void SetRbac(milvus::Rbac rbac) { rbac_ = std::move(rbac); }
  const milvus::Rbac& rbac() const { return rbac_; }
  Refusal AddRbac(const milvus::Rbac& added);

  int64_t Add(const std::string& db, FakeCollection collection);
  std::vector<std::string> ListCollections(const std::string& db) const;
  /// Null when missing.
  FakeCollection* Find(const std::string& db, const std::string& name);
  Refusal CreateCollection(const std::string& db, FakeCollection collection,
                           int64_t num_partitions);
  Refusal DropCollection(const std::string& db, const std::string& name);
  Refusal RenameCollection(const std::string& db, const std::string& from, const std::string& to);
  Refusal CreatePartition(FakeCollection& collection, const std::string& partition);
  Refusal DropPartition(FakeCollection& collection, const std::string& partition);
  Refusal CreateIndex(FakeCollection& collection, milvus::Index index);
  Refusal CreateAlias(const std::string& db, FakeCollection& collection, const std::string& alias);
  Refusal AlterAlias(const std::string& db, FakeCollection& collection, const std::string& alias);
  Refusal DropAlias(const std::string& db, const std::string& alias);
  static Refusal DropIndex(FakeCollection& collection, const std::string& name);
  static Refusal Load(FakeCollection& collection);

  int64_t NewId() { return next_id_++; }
  /// Greater than all before it.
  uint64_t NewTimestamp() { return ++next_timestamp_; }
  milvus::FlushTicket Flush(FakeCollection& collection);
  bool IsFlushed();
  /// Flush every collection; returns the timestamp up to which data is flushed.
  uint64_t FlushAll();
  static std::vector<milvus::Segment> Flushed(const FakeCollection& collection);
  /// What GetPersistentSegmentInfo tells: also segments that are sealed and not stored yet.
  std::vector<milvus::Segment> ListPersistent(FakeCollection& collection);

  struct Task {
    milvus::ImportTask task;
    milvus::ImportRequest request;
    FakeImport outcome = FakeImport::kComplete;
    std::string reason;
  };
  /// Puts the id of the new task into `request`'s task; see Refusal for the rest.
  Refusal Import(const milvus::ImportRequest& request, int64_t& task_id);
  const milvus::ImportTask* FindTask(int64_t id);
  std::vector<milvus::ImportTask> ListTasks(int64_t collection_id);
  void PlanImport(FakeImport outcome, const std::string& reason);
  void SetImportRows(std::function<int64_t(const milvus::ImportRequest&)> rows);

 private:
  bool IsAtLeast(int minor) const;
  Refusal CheckName(const std::string& name) const;
  /// Null when missing. Names change while imports run.
  FakeCollection* FindById(const std::string& db, int64_t id);
  /// The collection that has this alias; null when nobody has it.
  FakeCollection* OwnerOf(const std::string& db, const std::string& alias);
  /// Let the ticks that are due happen.
  void AdvanceImports();
  void StartNextTask();
  void EndTask(Task& task);
  void FailTask(Task& task, const std::string& reason, milvus::ImportState state);

  const FakeMilvusOptions options_;
  int compactions_ = 0;
  std::map<std::string, std::map<std::string, FakeCollection>> databases_;
  std::map<std::string, std::vector<milvus::KeyValue>> properties_;
  milvus::Rbac rbac_;
  int64_t next_id_;
  uint64_t next_timestamp_;
  int polls_until_flushed_ = 0;
  int flushing_listings_left_ = 0;
  std::vector<Task> tasks_;
  std::optional<size_t> running_;
  std::chrono::steady_clock::time_point next_tick_;
  std::deque<std::pair<FakeImport, std::string>> planned_imports_;
  std::function<int64_t(const milvus::ImportRequest&)> import_rows_;
};

}  // namespace milvus_backup::testing
