/// A Milvus server inside the test program: gRPC on a free loopback port, collections in memory.
/// It answers and refuses like Milvus 2.3.5 (texts and numbers taken from the real server), records
/// every call, and can be told to misbehave. Thread-safe.
#pragma once

#include "milvus_backup/milvus/options.h"
#include "milvus_backup/milvus/types.h"

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace milvus_backup::testing {

struct FakeMilvusOptions {
  /// Reported by Connect and GetVersion.
  std::string version = "v2.3.5-lite";
  /// False: ListDatabases and CreateDatabase are unknown and database names are ignored, as before
  /// 2.2.9.
  bool has_databases = true;
  /// Methods the server does not know.
  std::set<std::string> unimplemented;
  /// Asked for on every call when the user is not empty.
  std::string user;
  std::string password;
  /// PEM texts; TLS when the certificate is not empty, client certificates asked for when there is
  /// an authority for them.
  std::string tls_certificate;
  std::string tls_key;
  std::string tls_client_authority;
  /// Import tasks run one at a time and end at the next tick (2 s on a real server).
  std::chrono::milliseconds import_tick{10};
  /// Added to the ids and times that the server gives: two servers have none in common.
  int64_t id_offset = 0;
  /// Most rows of a query for more than keys, 0 for any number
  /// (quotaAndLimits.limits.maxOutputSize).
  size_t max_output_rows = 0;
  /// Polls of GetFlushState that answer "not yet" after a flush.
  int unflushed_polls = 0;
  /// False: partitions are listed by name alone, as Milvus Lite does.
  bool tells_partition_ids = true;
  /// False: inserted rows are counted and forgotten, so that measuring a client takes no memory.
  bool keeps_rows = true;
  /// False: a flush tells no timestamps, as before 2.3.
  bool tells_flush_times = true;
  /// Listings that show what a flush has sealed as being stored (state 5), with no rows yet,
  /// although the flush has ended.
  int flushing_listings = 0;
  /// Listings of loaded segments that leave the last one out, as until queries read it.
  int late_listings = 0;
  /// Flushes after which the first segment of the collection is gone, compacted into another whose
  /// id is greater by 50.
  int compactions = 0;
  /// False: collections are made without nullable fields and without what functions make, as by
  /// servers before 2.5, which pass over the flags.
  bool knows_nullable = true;
};

/// Values by field name, as bytes of a milvus::Column; `$meta` for the dynamic field.
using FakeRow = std::map<std::string, std::string>;

struct FakeCollection {
  /// `schema.name` is the name; an id or a created_timestamp of 0 is replaced by a new one.
  milvus::Collection info;
  /// `_default` when empty.
  std::vector<milvus::Partition> partitions;
  std::vector<milvus::Index> indexes;
  /// Loaded partitions of a collection that is loading.
  std::set<std::string> loaded_partitions;
  /// State 2 (growing) becomes 4 (flushed) by a flush; flushed ones and those in the states 3
  /// (sealed) and 5 (flushing) are listed.
  std::vector<milvus::Segment> segments;
  milvus::LoadState load_state = milvus::LoadState::kNotLoad;
  /// What was inserted, by partition. Rows with the same key may be there several times.
  std::map<std::string, std::vector<FakeRow>> rows;
  /// Told by a flush; empty as on servers before 2.4.
  std::map<std::string, std::string> channel_checkpoints;
};

/// An answer planned for a method. All zero with a delay: answer as usual, but late.
struct FakeAnswer {
  int grpc_code = 0;
  int code = 0;
  int error_code = 0;
  std::string reason;
  bool retriable = false;
  std::chrono::milliseconds delay{0};
};

enum class FakeImport { kComplete, kFail, kFailAndClean, kNeverEnd };

struct FakeCall {
  std::string method;
  /// Method, object and essential arguments, for example
  /// `Import default.c/_default files=[a/,b/] options=[backup=true]`.
  std::string text;
  std::map<std::string, std::string> metadata;
  std::chrono::steady_clock::time_point at;
};

class FakeMilvus {
 public:
  explicit FakeMilvus(FakeMilvusOptions options = {});
  FakeMilvus(const FakeMilvus&) = delete;
  FakeMilvus& operator=(const FakeMilvus&) = delete;
  ~FakeMilvus();

  int port() const;
  /// Address, port, user and password of this server, ample time to connect; no TLS.
  milvus::ClientOptions client_options() const;
  /// Close the port, cutting running calls; open it again with the state kept.
  void Stop();
  void Start();

  void AddDatabase(const std::string& db, std::vector<milvus::KeyValue> properties = {});
  /// What BackupRBAC answers.
  void SetRbac(milvus::Rbac rbac);
  milvus::Rbac rbac() const;
  /// Returns the collection's id. The database is made when missing.
  int64_t Add(const std::string& db, FakeCollection collection);
  void Drop(const std::string& db, const std::string& name);
  std::optional<FakeCollection> Find(const std::string& db, const std::string& name) const;

  /// Let `change` have the collection, which must be there.
  void Change(const std::string& db, const std::string& name,
              const std::function<void(FakeCollection&)>& change);

  /// Answer the next `times` calls of `method` so.
  void Plan(const std::string& method, const FakeAnswer& answer, int times = 1);
  /// Planned answers nobody has asked for yet.
  size_t unused_plans() const;
  /// How the next import task not yet planned ends.
  void PlanImport(FakeImport outcome, const std::string& reason = "");
  /// Rows an import brings, 0 without; the real server reports success for an empty directory too.
  void SetImportRows(std::function<int64_t(const milvus::ImportRequest&)> rows);

  /// What queries of loaded collections answer instead of the rows that were inserted, types of
  /// Milvus 2.3 only.
  void SetQuery(std::function<std::vector<milvus::Column>(const milvus::QueryRequest&)> answer);
  /// Change what queries answer, as a server does that is wrong.
  void AlterAnswers(
      std::function<void(const milvus::QueryRequest&, std::vector<milvus::Column>&)> alter);

  /// In the order they came.
  std::vector<FakeCall> calls() const;
  /// The texts of `calls()`, of one method when it is not empty.
  std::vector<std::string> texts(const std::string& method = "") const;
  size_t count(const std::string& method) const { return texts(method).size(); }

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace milvus_backup::testing
