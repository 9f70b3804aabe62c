/// A process that is killed at a chosen operation, played by its storages and its Milvus falling
/// silent together. Thread-safe.
#pragma once

#include "support/sanitizer.h"

#include "milvus_backup/base/status.h"
#include "milvus_backup/milvus/client.h"
#include "milvus_backup/storage/intercepting_backend.h"
#include "milvus_backup/storage/memory_backend.h"

#include <atomic>
#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace milvus_backup::testing {

/// Distance between the operations after which a sweep falls silent. Under ThreadSanitizer a run
/// takes twenty times as long; what it looks for does not need every one of them.
#ifdef MB_UNDER_THREAD_SANITIZER
inline constexpr uint64_t kSweepStep = 5;
#else
inline constexpr uint64_t kSweepStep = 1;
#endif

/// Counts the operations of everything that shares it.
class Life {
 public:
  static constexpr uint64_t kForever = std::numeric_limits<uint64_t>::max();

  /// From now on so many operations are carried out. With `last_is_lost` the last of them is, and
  /// is not answered.
  void Live(uint64_t operations, bool last_is_lost = false) {
    alive_ = operations;
    last_is_lost_ = last_is_lost;
    operations_ = 0;
  }
  uint64_t operations() const { return operations_; }

  /// Carry `operation` out, or not.
  template <typename Operation>
  auto Around(Operation operation) -> decltype(operation()) {
    const uint64_t number = ++operations_;
    if (number <= alive_) {
      auto result = operation();
      if (number < alive_ || !last_is_lost_) return result;
      if constexpr (std::is_same_v<decltype(result), Status>) {
        result.IgnoreError("nobody hears it");
      }
    }
    return Status(Code::kUnavailable, "silent").WithOrigin(Origin::kStorage);
  }

 private:
  std::atomic<uint64_t> alive_{kForever};
  std::atomic<bool> last_is_lost_{false};
  std::atomic<uint64_t> operations_{0};
};

/// A storage in memory.
class LivingBackend final : public storage::InterceptingBackend {
 public:
  /// `life`, and `clock`, which dates the objects, must outlive the storage.
  explicit LivingBackend(Life& life, Clock& clock = Clock::Real())
      : InterceptingBackend(storage::MakeMemoryBackend({}, clock)), life_(life) {}

  /// What the world sees of the storage.
  storage::Backend& immortal() { return inner(); }

 protected:
  Status Around(const CallContext&, const storage::CallInfo&, storage::CallRef call) override {
    return life_.Around([&] { return call(); });
  }

 private:
  Life& life_;
};

/// A connection to Milvus; reading its properties is no operation.
class MortalClient : public milvus::Client {
 public:
  /// Both must outlive the client.
  MortalClient(Life& life, milvus::Client& inner) : life_(life), inner_(inner) {}

  const std::string& endpoint() const override { return inner_.endpoint(); }
  const std::string& server_version() const override { return inner_.server_version(); }
  bool has_databases() const override { return inner_.has_databases(); }
  Result<uint64_t> CurrentTimestamp(const CallContext& ctx) override {
    return life_.Around([&] { return inner_.CurrentTimestamp(ctx); });
  }
  Result<std::vector<std::string>> ListDatabases(const CallContext& ctx) override {
    return life_.Around([&] { return inner_.ListDatabases(ctx); });
  }
  Result<milvus::Database> DescribeDatabase(const CallContext& ctx,
                                            const std::string& db) override {
    return life_.Around([&] { return inner_.DescribeDatabase(ctx, db); });
  }
  Status CreateDatabase(const CallContext& ctx, const std::string& db) override {
    return life_.Around([&] { return inner_.CreateDatabase(ctx, db); });
  }
  Result<std::vector<std::string>> ListCollections(const CallContext& ctx,
                                                   const std::string& db) override {
    return life_.Around([&] { return inner_.ListCollections(ctx, db); });
  }
  Result<bool> HasCollection(const CallContext& ctx, const std::string& db,
                             const std::string& collection) override {
    return life_.Around([&] { return inner_.HasCollection(ctx, db, collection); });
  }
  Result<milvus::Collection> DescribeCollection(const CallContext& ctx, const std::string& db,
                                                const std::string& collection) override {
    return life_.Around([&] { return inner_.DescribeCollection(ctx, db, collection); });
  }
  Status CreateCollection(const CallContext& ctx,
                          const milvus::CreateCollectionRequest& request) override {
    return life_.Around([&] { return inner_.CreateCollection(ctx, request); });
  }
  Status DropCollection(const CallContext& ctx, const std::string& db,
                        const std::string& collection) override {
    return life_.Around([&] { return inner_.DropCollection(ctx, db, collection); });
  }
  Status RenameCollection(const CallContext& ctx, const std::string& db, const std::string& from,
                          const std::string& to) override {
    return life_.Around([&] { return inner_.RenameCollection(ctx, db, from, to); });
  }
  Result<std::vector<milvus::Partition>> ListPartitions(const CallContext& ctx,
                                                        const std::string& db,
                                                        const std::string& collection) override {
    return life_.Around([&] { return inner_.ListPartitions(ctx, db, collection); });
  }
  Status CreatePartition(const CallContext& ctx, const std::string& db,
                         const std::string& collection, const std::string& partition) override {
    return life_.Around([&] { return inner_.CreatePartition(ctx, db, collection, partition); });
  }
  Status DropPartition(const CallContext& ctx, const std::string& db, const std::string& collection,
                       const std::string& partition) override {
    return life_.Around([&] { return inner_.DropPartition(ctx, db, collection, partition); });
  }
  Result<std::vector<milvus::Index>> ListIndexes(const CallContext& ctx, const std::string& db,
                                                 const std::string& collection) override {
    return life_.Around([&] { return inner_.ListIndexes(ctx, db, collection); });
  }
  Status CreateIndex(const CallContext& ctx, const std::string& db, const std::string& collection,
                     const milvus::Index& index) override {
    return life_.Around([&] { return inner_.CreateIndex(ctx, db, collection, index); });
  }
  Status DropIndex(const CallContext& ctx, const std::string& db, const std::string& collection,
                   const std::string& field, const std::string& index) override {
    return life_.Around([&] { return inner_.DropIndex(ctx, db, collection, field, index); });
  }
  Status CreateAlias(const CallContext& ctx, const std::string& db, const std::string& collection,
                     const std::string& alias) override {
    return life_.Around([&] { return inner_.CreateAlias(ctx, db, collection, alias); });
  }
  Status AlterAlias(const CallContext& ctx, const std::string& db, const std::string& collection,
                    const std::string& alias) override {
    return life_.Around([&] { return inner_.AlterAlias(ctx, db, collection, alias); });
  }
  Status DropAlias(const CallContext& ctx, const std::string& db,
                   const std::string& alias) override {
    return life_.Around([&] { return inner_.DropAlias(ctx, db, alias); });
  }
  Result<milvus::LoadState> GetLoadState(const CallContext& ctx, const std::string& db,
                                         const std::string& collection) override {
    return life_.Around([&] { return inner_.GetLoadState(ctx, db, collection); });
  }
  Result<milvus::LoadState> GetPartitionLoadState(const CallContext& ctx, const std::string& db,
                                                  const std::string& collection,
                                                  const std::string& partition) override {
    return life_.Around(
        [&] { return inner_.GetPartitionLoadState(ctx, db, collection, partition); });
  }
  Status LoadCollection(const CallContext& ctx, const std::string& db,
                        const std::string& collection) override {
    return life_.Around([&] { return inner_.LoadCollection(ctx, db, collection); });
  }
  Status ReleaseCollection(const CallContext& ctx, const std::string& db,
                           const std::string& collection) override {
    return life_.Around([&] { return inner_.ReleaseCollection(ctx, db, collection); });
  }
  Result<milvus::FlushTicket> Flush(const CallContext& ctx, const std::string& db,
                                    const std::string& collection) override {
    return life_.Around([&] { return inner_.Flush(ctx, db, collection); });
  }
  Result<std::vector<milvus::FlushTicket>> FlushTogether(
      const CallContext& ctx, const std::string& db,
      const std::vector<std::string>& collections) override {
    return life_.Around([&] { return inner_.FlushTogether(ctx, db, collections); });
  }
  Result<bool> IsFlushed(const CallContext& ctx, const std::string& db,
                         const std::string& collection,
                         const milvus::FlushTicket& ticket) override {
    return life_.Around([&] { return inner_.IsFlushed(ctx, db, collection, ticket); });
  }
  Result<milvus::FlushAllTicket> FlushAll(const CallContext& ctx) override {
    return life_.Around([&] { return inner_.FlushAll(ctx); });
  }
  Result<bool> IsAllFlushed(const CallContext& ctx, const milvus::FlushAllTicket& ticket) override {
    return life_.Around([&] { return inner_.IsAllFlushed(ctx, ticket); });
  }
  Result<int64_t> CountStoredRows(const CallContext& ctx, const std::string& db,
                                  const std::string& collection) override {
    return life_.Around([&] { return inner_.CountStoredRows(ctx, db, collection); });
  }
  Result<std::vector<milvus::Segment>> ListPersistentSegments(
      const CallContext& ctx, const std::string& db, const std::string& collection) override {
    return life_.Around([&] { return inner_.ListPersistentSegments(ctx, db, collection); });
  }
  Result<std::vector<milvus::Segment>> ListLoadedSegments(const CallContext& ctx,
                                                          const std::string& db,
                                                          const std::string& collection) override {
    return life_.Around([&] { return inner_.ListLoadedSegments(ctx, db, collection); });
  }
  Result<int64_t> Insert(const CallContext& ctx, const milvus::InsertRequest& request) override {
    return life_.Around([&] { return inner_.Insert(ctx, request); });
  }
  Result<int64_t> Upsert(const CallContext& ctx, const milvus::InsertRequest& request) override {
    return life_.Around([&] { return inner_.Upsert(ctx, request); });
  }
  Result<int64_t> Import(const CallContext& ctx, const milvus::ImportRequest& request) override {
    return life_.Around([&] { return inner_.Import(ctx, request); });
  }
  Result<milvus::ImportTask> GetImportTask(const CallContext& ctx, const std::string& db,
                                           int64_t task_id) override {
    return life_.Around([&] { return inner_.GetImportTask(ctx, db, task_id); });
  }
  Result<std::vector<milvus::ImportTask>> ListImportTasks(const CallContext& ctx,
                                                          const std::string& db,
                                                          const std::string& collection) override {
    return life_.Around([&] { return inner_.ListImportTasks(ctx, db, collection); });
  }
  Result<std::vector<milvus::Column>> Query(const CallContext& ctx,
                                            const milvus::QueryRequest& request) override {
    return life_.Around([&] { return inner_.Query(ctx, request); });
  }
  Result<milvus::Rbac> BackupRbac(const CallContext& ctx) override {
    return life_.Around([&] { return inner_.BackupRbac(ctx); });
  }
  Status RestoreRbac(const CallContext& ctx, const milvus::Rbac& rbac) override {
    return life_.Around([&] { return inner_.RestoreRbac(ctx, rbac); });
  }

 private:
  Life& life_;
  milvus::Client& inner_;
};

}  // namespace milvus_backup::testing
