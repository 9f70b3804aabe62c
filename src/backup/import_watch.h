/// Starting imports and waiting for them.
#pragma once

#include "milvus_backup/backup/selection.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/milvus/client.h"
#include "milvus_backup/transfer/progress.h"

#include <cstdint>
#include <string>
#include <vector>

namespace milvus_backup::backup {

/// Import tasks of one collection. Not thread-safe.
class ImportWatch {
 public:
  /// All arguments must outlive the watch; `progress` may be null.
  ImportWatch(milvus::Client& client, const CollectionName& target, size_t max_in_flight,
              transfer::Progress* progress)
      : client_(client),
        db_(target.db),
        collection_(target.collection),
        max_in_flight_(max_in_flight),
        progress_(progress) {}

  /// Hand every request to the server, never more than `max_in_flight` unfinished ones at once, and
  /// wait for all of them. The first failed task ends the wait with the server's reason.
  Status Run(const CallContext& ctx, const std::vector<milvus::ImportRequest>& requests);

  /// Wait until no import into the collection is pending or started, whatever became of it, also
  /// one whose id never reached us. For cleaning up.
  Status Drain(const CallContext& ctx);

  int64_t rows_imported() const { return rows_imported_; }

 private:
  struct Task {
    int64_t id = 0;
    std::string what;
  };

  Status Poll(const CallContext& ctx, bool tolerate_failure);
  Status AwaitUnknownTasks(const CallContext& ctx);

  milvus::Client& client_;
  const std::string db_;
  const std::string collection_;
  const size_t max_in_flight_;
  transfer::Progress* const progress_;
  /// Oldest first.
  std::vector<Task> unfinished_;
  std::string last_state_;
  int64_t rows_imported_ = 0;
};

}  // namespace milvus_backup::backup
