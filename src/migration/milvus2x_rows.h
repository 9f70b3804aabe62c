/// The two ends of a migration from Milvus 2.x: rows out of one collection, rows into another.
#pragma once

#include "milvus2x_schema.h"
#include "row_key.h"

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/milvus/client.h"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace milvus_backup::migration {

/// A second client of a source, which takes larger answers. Connected when it is first needed.
/// Thread-safe.
class WiderClient {
 public:
  using Connect = std::function<Result<std::unique_ptr<milvus::Client>>(const CallContext& ctx)>;

  explicit WiderClient(Connect connect) : connect_(std::move(connect)) {}

  /// The client, which lives as long as this.
  Result<milvus::Client*> Get(const CallContext& ctx);

 private:
  const Connect connect_;
  std::mutex mutex_;
  std::unique_ptr<milvus::Client> client_;
};

/// A collection of a server, as messages and calls name it.
struct CollectionPlace {
  milvus::Client* client = nullptr;
  std::string db;
  std::string name;
  /// For rows that `client` does not take alone; may be absent.
  WiderClient* wider = nullptr;
};

/// Rows of a source. Thread-safe. Every call is repeated while the server restarts, for at most
/// `patience`.
class CollectionReader {
 public:
  /// `rows` must outlive the source. What was written until `timestamp` is seen by every call, see
  /// milvus::QueryRequest; 0 leaves it to each call.
  CollectionReader(CollectionPlace place, const RowPlan& rows, uint64_t timestamp,
                   std::chrono::milliseconds patience)
      : place_(std::move(place)), rows_(rows), timestamp_(timestamp), patience_(patience) {}

  /// All rows, those with the same key too, as of this call.
  Result<uint64_t> Count(const CallContext& ctx) const;

  /// The smallest keys above `after`, in order and each once: at least one if there is any, about
  /// `limit`. An empty partition name means the whole collection.
  Result<std::vector<RowKey>> NextKeys(const CallContext& ctx, const std::string& partition,
                                       const std::optional<RowKey>& after, int64_t limit) const;

  using Sink = std::function<Status(std::vector<milvus::Column>)>;
  /// The rows of a range with all fields of the plan, in one piece, or in several when the server
  /// finds that too large. `expected` rows may be in there. An error of the sink ends the reading.
  Status Read(const CallContext& ctx, const std::string& partition, const KeyRange& range,
              size_t expected, const Sink& sink) const;

  /// The rows with these keys, with all fields of the plan. An empty partition name means the whole
  /// collection.
  Result<std::vector<milvus::Column>> Fetch(const CallContext& ctx, const std::string& partition,
                                            const std::vector<RowKey>& keys) const;

  /// Keys in a partition, each once.
  Result<uint64_t> CountKeys(const CallContext& ctx, const std::string& partition,
                             int64_t keys_per_page) const;

  /// Of rows that Read or Fetch has returned. There is one.
  const milvus::Column& KeyColumn(const std::vector<milvus::Column>& columns) const;

 private:
  milvus::QueryRequest Request(const std::string& partition, std::string expr) const;
  /// The columns of the plan, in its order, of a query.
  Result<std::vector<milvus::Column>> Query(const CallContext& ctx, milvus::Client& client,
                                            const milvus::QueryRequest& request) const;
  /// The same for a single row, which may be larger than other answers.
  Result<std::vector<milvus::Column>> QueryAlone(const CallContext& ctx,
                                                 const milvus::QueryRequest& request) const;
  Status ReadInPages(const CallContext& ctx, const std::string& partition, KeyRange range,
                     int64_t limit, const Sink& sink) const;

  const CollectionPlace place_;
  const RowPlan& rows_;
  const uint64_t timestamp_;
  const std::chrono::milliseconds patience_;
};

struct WriteRules {
  uint64_t max_bytes = 0;
  /// Upsert everything.
  bool upsert = false;
  std::chrono::milliseconds patience{0};
};

/// Rows into a target. Thread-safe.
class CollectionWriter {
 public:
  /// `rows` must outlive the target.
  CollectionWriter(CollectionPlace place, const RowPlan& rows, const WriteRules& rules)
      : place_(std::move(place)), rows_(rows), rules_(rules) {}

  /// Write rows of CollectionReader::Read in requests of at most `max_bytes`. Rows that keep their
  /// keys are upserted where they `may_be_there`, and where it was not answered whether they were
  /// taken. Without their keys that is an error: kAborted.
  Status Write(const CallContext& ctx, const std::string& partition,
               std::vector<milvus::Column> columns, bool may_be_there);

  /// Rows that were sent again.
  uint64_t repeated() const { return repeated_; }

 private:
  Status WriteOne(const CallContext& ctx, const milvus::InsertRequest& request, bool may_be_there);
  Status Upsert(const CallContext& ctx, const milvus::InsertRequest& request);

  const CollectionPlace place_;
  const RowPlan& rows_;
  const WriteRules rules_;
  std::atomic<uint64_t> repeated_ = 0;
};

}  // namespace milvus_backup::migration
