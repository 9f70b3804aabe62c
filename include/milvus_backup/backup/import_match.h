/// Finding out which imports of a killed run Milvus has taken.
#pragma once

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/meta/restore_progress.h"
#include "milvus_backup/milvus/client.h"
#include "milvus_backup/milvus/types.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace milvus_backup::backup {

/// The imports of one collection, told apart by what a killed run has done about them.
struct MatchedImports {
  /// Not sent yet, or failed.
  std::vector<milvus::ImportRequest> to_send;
  /// Milvus has them: they are done, run, or wait.
  std::vector<milvus::ImportTask> taken;
  /// Records of `taken`, in the same order.
  std::vector<meta::RecordedImport> records;
  /// About to be sent when the run was killed, and Milvus does not tell of them: perhaps they are
  /// still on their way.
  std::vector<milvus::ImportRequest> unknown;
  /// When the first of them was announced, as records tell; only with `unknown`.
  int64_t unknown_since_ms = 0;
  /// Taken once, and Milvus does not tell of them any more.
  std::vector<milvus::ImportRequest> forgotten;
};

/// The import tasks of one collection that are a restore's, or a load's, own.
struct OwnTasks {
  std::string db;
  std::string collection;
  int64_t collection_id = 0;
  /// Only those with greater ids: the others were there before.
  int64_t after_task = 0;
  /// For messages: what the run is called, and what to do when it cannot be gone on with.
  std::string run = "restore";
  std::string advice{};
};

/// Find each of `planned` among `recorded`, and those among Milvus' tasks, by task id, else by
/// partition and files. kFailedPrecondition when `recorded` has an import that is not planned.
Result<MatchedImports> MatchImports(const CallContext& ctx, milvus::Client& client,
                                    const OwnTasks& own,
                                    const std::vector<meta::RecordedImport>& recorded,
                                    const std::vector<milvus::ImportRequest>& planned);

/// How many of the tasks have ended well. kFailedPrecondition while one is pending or started.
Result<size_t> CountCompletedImports(const CallContext& ctx, milvus::Client& client,
                                     const OwnTasks& own);

/// The first of `planned` that more than one task, which has not failed, imports; nothing when
/// there is none, and from servers that do not tell the files of a task (2.4 and later).
Result<std::optional<milvus::ImportRequest>> FindImportedTwice(
    const CallContext& ctx, milvus::Client& client, const OwnTasks& own,
    const std::vector<milvus::ImportRequest>& planned);

/// Whether a task that imports one of `planned` has failed and is not cleaned up yet.
Result<bool> HasUncleanedImports(const CallContext& ctx, milvus::Client& client,
                                 const OwnTasks& own,
                                 const std::vector<milvus::ImportRequest>& planned);

/// The greatest id of the collection's tasks, 0 when it has none.
Result<int64_t> NewestTask(const CallContext& ctx, milvus::Client& client, const std::string& db,
                           const std::string& collection);

}  // namespace milvus_backup::backup
