/// The calls of a Milvus server that backup and restore need. Thread-safe; every call blocks until
/// its reply, the deadline or a stop. Only what is retriable is retried: UNAVAILABLE once the
/// server has answered before, RESOURCE_EXHAUSTED and rate limits. Errors carry Origin::kMilvus.
///
/// Error codes callers may act on: kNotFound (collection, partition, index, database absent),
/// kUnimplemented (the server is too old for the call), kUnauthenticated and kPermissionDenied
/// (user or password), kUnavailable (no server at the address; the first call is not retried).
#pragma once

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/milvus/options.h"
#include "milvus_backup/milvus/types.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace milvus_backup::milvus {

class Client {
 public:
  Client() = default;
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  virtual ~Client() = default;

  /// `host:port`, for messages.
  virtual const std::string& endpoint() const = 0;
  /// As the server reports it, for example `v2.3.5-lite`; asked once at Connect.
  virtual const std::string& server_version() const = 0;
  /// False on servers before 2.2.9, which know only the database `default`.
  virtual bool has_databases() const = 0;

  /// The server's own time, hybrid as `Collection::created_timestamp`: what is created from now on
  /// has a greater one. kUnimplemented on servers that do not tell.
  virtual Result<uint64_t> CurrentTimestamp(const CallContext& ctx) = 0;

  virtual Result<std::vector<std::string>> ListDatabases(const CallContext& ctx) = 0;
  /// kUnimplemented before 2.4.3.
  virtual Result<Database> DescribeDatabase(const CallContext& ctx, const std::string& db) = 0;
  virtual Status CreateDatabase(const CallContext& ctx, const std::string& db) = 0;

  virtual Result<std::vector<std::string>> ListCollections(const CallContext& ctx,
                                                           const std::string& db) = 0;
  virtual Result<bool> HasCollection(const CallContext& ctx, const std::string& db,
                                     const std::string& collection) = 0;
  virtual Result<Collection> DescribeCollection(const CallContext& ctx, const std::string& db,
                                                const std::string& collection) = 0;
  /// Once sent it is not cut off by a stop or by the context's deadline, so its outcome is known.
  virtual Status CreateCollection(const CallContext& ctx,
                                  const CreateCollectionRequest& request) = 0;
  virtual Status DropCollection(const CallContext& ctx, const std::string& db,
                                const std::string& collection) = 0;

  /// The new name must be free. Rows, indexes, load state and aliases stay with the collection.
  /// kUnimplemented before 2.2.9.
  virtual Status RenameCollection(const CallContext& ctx, const std::string& db,
                                  const std::string& from, const std::string& to) = 0;

  /// Their ids are 0 where the server tells none.
  virtual Result<std::vector<Partition>> ListPartitions(const CallContext& ctx,
                                                        const std::string& db,
                                                        const std::string& collection) = 0;
  virtual Status CreatePartition(const CallContext& ctx, const std::string& db,
                                 const std::string& collection, const std::string& partition) = 0;
  /// With its rows. The server refuses a partition that is loaded, and the default one.
  virtual Status DropPartition(const CallContext& ctx, const std::string& db,
                               const std::string& collection, const std::string& partition) = 0;

  /// Empty when the collection has no index.
  virtual Result<std::vector<Index>> ListIndexes(const CallContext& ctx, const std::string& db,
                                                 const std::string& collection) = 0;
  virtual Status CreateIndex(const CallContext& ctx, const std::string& db,
                             const std::string& collection, const Index& index) = 0;
  virtual Status DropIndex(const CallContext& ctx, const std::string& db,
                           const std::string& collection, const std::string& field,
                           const std::string& index) = 0;

  virtual Status CreateAlias(const CallContext& ctx, const std::string& db,
                             const std::string& collection, const std::string& alias) = 0;
  /// Point an existing alias at another collection.
  virtual Status AlterAlias(const CallContext& ctx, const std::string& db,
                            const std::string& collection, const std::string& alias) = 0;
  virtual Status DropAlias(const CallContext& ctx, const std::string& db,
                           const std::string& alias) = 0;

  virtual Result<LoadState> GetLoadState(const CallContext& ctx, const std::string& db,
                                         const std::string& collection) = 0;
  virtual Result<LoadState> GetPartitionLoadState(const CallContext& ctx, const std::string& db,
                                                  const std::string& collection,
                                                  const std::string& partition) = 0;
  /// Start loading with one replica; returns before the collection is loaded. Needs an index on
  /// every vector field.
  virtual Status LoadCollection(const CallContext& ctx, const std::string& db,
                                const std::string& collection) = 0;
  virtual Status ReleaseCollection(const CallContext& ctx, const std::string& db,
                                   const std::string& collection) = 0;

  /// Seal the growing segments of a collection. Rate limits are waited for.
  virtual Result<FlushTicket> Flush(const CallContext& ctx, const std::string& db,
                                    const std::string& collection) = 0;
  /// The same for several collections by one request, of which Milvus 2.3 takes one in 10 s,
  /// whatever it is about. Tickets are in the order of the names.
  virtual Result<std::vector<FlushTicket>> FlushTogether(
      const CallContext& ctx, const std::string& db,
      const std::vector<std::string>& collections) = 0;
  /// Whether everything the ticket names has reached storage. Error replies are errors.
  virtual Result<bool> IsFlushed(const CallContext& ctx, const std::string& db,
                                 const std::string& collection, const FlushTicket& ticket) = 0;
  /// Seal the growing segments of every collection in every database. kUnimplemented on servers
  /// that do not tell what to wait for, before 2.6.8; those may have begun to flush all the same.
  virtual Result<FlushAllTicket> FlushAll(const CallContext& ctx) = 0;
  virtual Result<bool> IsAllFlushed(const CallContext& ctx, const FlushAllTicket& ticket) = 0;
  /// Rows of all sealed segments as the server counts them: deleted rows are still counted.
  virtual Result<int64_t> CountStoredRows(const CallContext& ctx, const std::string& db,
                                          const std::string& collection) = 0;
  /// Segments that are in storage.
  virtual Result<std::vector<Segment>> ListPersistentSegments(const CallContext& ctx,
                                                              const std::string& db,
                                                              const std::string& collection) = 0;
  /// Sealed segments of a loaded collection that queries read. Milvus 2.3 takes notice of what was
  /// flushed within some 20 s.
  virtual Result<std::vector<Segment>> ListLoadedSegments(const CallContext& ctx,
                                                          const std::string& db,
                                                          const std::string& collection) = 0;

  /// Returns how many rows were taken. A request is at most what the server receives (64 MiB in
  /// 2.3). Rate limits are waited for; otherwise never retried after the request may have been
  /// taken, and not cut off by a stop or by the context's deadline once it was sent.
  virtual Result<int64_t> Insert(const CallContext& ctx, const InsertRequest& request) = 0;
  /// As Insert, with the rows in the place of those with the same primary keys, so it is repeated
  /// after any failure that may pass. Refused by collections with automatic keys.
  virtual Result<int64_t> Upsert(const CallContext& ctx, const InsertRequest& request) = 0;

  /// Rows of a collection, which must be loaded. kInternal when the reply is not what was asked
  /// for.
  virtual Result<std::vector<Column>> Query(const CallContext& ctx,
                                            const QueryRequest& request) = 0;

  /// Returns the id of the import task. Never retried after the request may have been taken. Like
  /// the two calls below it is not cut off by a stop or by the context's deadline once it was sent.
  virtual Result<int64_t> Import(const CallContext& ctx, const ImportRequest& request) = 0;
  virtual Result<ImportTask> GetImportTask(const CallContext& ctx, const std::string& db,
                                           int64_t task_id) = 0;
  /// Newest tasks of a collection; empty name means all.
  virtual Result<std::vector<ImportTask>> ListImportTasks(const CallContext& ctx,
                                                          const std::string& db,
                                                          const std::string& collection) = 0;

  /// Users, roles, grants and privilege groups of the server. kUnimplemented before 2.4.10.
  virtual Result<Rbac> BackupRbac(const CallContext& ctx) = 0;
  /// Add them. The server refuses what it has already. kUnimplemented before 2.4.10.
  virtual Status RestoreRbac(const CallContext& ctx, const Rbac& rbac) = 0;
};

/// Connect, learn version and features. Fails within `connect_timeout` when nothing listens, at
/// once when user or password is refused.
Result<std::unique_ptr<Client>> Connect(const CallContext& ctx, const ClientOptions& options);

}  // namespace milvus_backup::milvus
