#include "milvus_backup/backup/import_match.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

namespace milvus_backup::backup {
namespace {

using milvus::ImportState;
using milvus::ImportTask;

bool HasFailed(const ImportTask& task) {
  return task.state == ImportState::kFailed || task.state == ImportState::kFailedAndCleaned;
}

std::string InfoOf(const ImportTask& task, const std::string& key) {
  const auto it = task.infos.find(key);
  return it == task.infos.end() ? std::string() : it->second;
}

bool IsSame(const meta::RecordedImport& record, const milvus::ImportRequest& request) {
  return record.partition == request.partition_name && record.files == request.files;
}

/// As Milvus 2.2 and 2.3 tell of a task; later ones do not tell the files.
bool Tells(const ImportTask& task, const std::string& partition,
           const std::vector<std::string>& files) {
  return InfoOf(task, "partition") == partition &&
         InfoOf(task, "files") == fmt::format("{}", fmt::join(files, ","));
}

Result<std::vector<ImportTask>> List(const CallContext& ctx, milvus::Client& client,
                                     const OwnTasks& own) {
  MB_ASSIGN_OR_RETURN(std::vector<ImportTask> tasks,
                      client.ListImportTasks(ctx, own.db, own.collection));
  std::erase_if(tasks, [&](const ImportTask& task) {
    // Of an earlier collection of the same name, or of somebody else.
    return (task.collection_id != 0 && task.collection_id != own.collection_id) ||
           (task.id != 0 && task.id <= own.after_task);
  });
  return tasks;
}

class Matcher {
 public:
  Matcher(const CallContext& ctx, milvus::Client& client, const OwnTasks& own,
          const std::vector<ImportTask>& tasks, const std::vector<meta::RecordedImport>& recorded)
      : ctx_(ctx), client_(client), own_(own), tasks_(tasks), recorded_(recorded) {
    // A task whose id was written down is not to be found a second time by its files.
    for (const meta::RecordedImport& record : recorded) claimed_.insert(record.task_id);
  }

  Result<MatchedImports> Run(const std::vector<milvus::ImportRequest>& planned) {
    for (const milvus::ImportRequest& request : planned) {
      const auto record = std::ranges::find_if(
          recorded_, [&](const meta::RecordedImport& one) { return IsSame(one, request); });
      if (record == recorded_.end()) {
        matched_.to_send.push_back(request);
      } else {
        MB_RETURN_IF_ERROR(Judge(request, *record));
      }
    }
    for (const meta::RecordedImport& record : recorded_) {
      const bool is_planned = std::ranges::any_of(
          planned, [&](const milvus::ImportRequest& one) { return IsSame(record, one); });
      if (is_planned) continue;
      return FailedPreconditionError(
                 fmt::format("an unfinished {} has imported {} into partition '{}', which this one "
                             "would not",
                             own_.run, fmt::join(record.files, ","), record.partition))
          .WithAdvice(own_.advice);
    }
    return std::move(matched_);
  }

 private:
  Status Judge(const milvus::ImportRequest& request, const meta::RecordedImport& record) {
    MB_ASSIGN_OR_RETURN(const std::optional<ImportTask> task, FindTask(record));
    if (!task && record.task_id != 0) {
      matched_.forgotten.push_back(request);
    } else if (!task) {
      matched_.unknown_since_ms = matched_.unknown.empty()
                                      ? record.announced_ms
                                      : std::min(matched_.unknown_since_ms, record.announced_ms);
      matched_.unknown.push_back(request);
    } else if (HasFailed(*task)) {
      // A failed import brings no rows.
      matched_.to_send.push_back(request);
    } else {
      matched_.taken.push_back(*task);
      matched_.records.push_back({record.partition, record.files, task->id, record.announced_ms});
    }
    return Status::Ok();
  }

  Result<std::optional<ImportTask>> FindTask(const meta::RecordedImport& record) {
    if (record.task_id == 0) return FindByFiles(record);
    const auto listed = std::ranges::find(tasks_, record.task_id, &ImportTask::id);
    if (listed != tasks_.end()) return std::optional(*listed);
    auto task = client_.GetImportTask(ctx_, own_.db, record.task_id);
    std::optional<ImportTask> found;
    if (task.status().code() == Code::kNotFound) return found;
    MB_RETURN_IF_ERROR(task.status());
    found = *std::move(task);
    return found;
  }

  std::optional<ImportTask> FindByFiles(const meta::RecordedImport& record) {
    // One that has failed tells nothing while there is another of the same files.
    std::optional<ImportTask> found;
    for (const ImportTask& task : tasks_) {
      if (claimed_.contains(task.id) || !Tells(task, record.partition, record.files)) continue;
      if (!found || HasFailed(*found)) found = task;
    }
    if (found) claimed_.insert(found->id);
    return found;
  }

  const CallContext& ctx_;
  milvus::Client& client_;
  const OwnTasks& own_;
  const std::vector<ImportTask>& tasks_;
  const std::vector<meta::RecordedImport>& recorded_;
  std::set<int64_t> claimed_;
  MatchedImports matched_;
};

}  // namespace

Result<MatchedImports> MatchImports(const CallContext& ctx, milvus::Client& client,
                                    const OwnTasks& own,
                                    const std::vector<meta::RecordedImport>& recorded,
                                    const std::vector<milvus::ImportRequest>& planned) {
  std::vector<ImportTask> tasks;
  if (!recorded.empty()) {
    MB_ASSIGN_OR_RETURN(tasks, List(ctx, client, own));
  }
  return Matcher(ctx, client, own, tasks, recorded).Run(planned);
}

Result<size_t> CountCompletedImports(const CallContext& ctx, milvus::Client& client,
                                     const OwnTasks& own) {
  MB_ASSIGN_OR_RETURN(const std::vector<ImportTask> tasks, List(ctx, client, own));
  size_t completed = 0;
  for (const ImportTask& task : tasks) {
    if (HasFailed(task)) continue;
    if (task.state != ImportState::kCompleted) {
      return FailedPreconditionError(fmt::format("import task {} into {}.{} still runs", task.id,
                                                 own.db, own.collection))
          .WithOrigin(Origin::kMilvus);
    }
    ++completed;
  }
  return completed;
}

Result<std::optional<milvus::ImportRequest>> FindImportedTwice(
    const CallContext& ctx, milvus::Client& client, const OwnTasks& own,
    const std::vector<milvus::ImportRequest>& planned) {
  MB_ASSIGN_OR_RETURN(const std::vector<ImportTask> tasks, List(ctx, client, own));
  for (const milvus::ImportRequest& request : planned) {
    const auto times = std::ranges::count_if(tasks, [&](const ImportTask& task) {
      return !HasFailed(task) && Tells(task, request.partition_name, request.files);
    });
    if (times > 1) return std::optional(request);
  }
  return std::optional<milvus::ImportRequest>();
}

Result<bool> HasUncleanedImports(const CallContext& ctx, milvus::Client& client,
                                 const OwnTasks& own,
                                 const std::vector<milvus::ImportRequest>& planned) {
  const auto tasks = List(ctx, client, own);
  if (tasks.status().code() == Code::kUnimplemented) return false;
  MB_RETURN_IF_ERROR(tasks.status());
  return std::ranges::any_of(*tasks, [&](const ImportTask& task) {
    return task.state == ImportState::kFailed &&
           std::ranges::any_of(planned, [&](const milvus::ImportRequest& request) {
             return Tells(task, request.partition_name, request.files);
           });
  });
}

Result<int64_t> NewestTask(const CallContext& ctx, milvus::Client& client, const std::string& db,
                           const std::string& collection) {
  const auto tasks = client.ListImportTasks(ctx, db, collection);
  if (tasks.status().code() == Code::kUnimplemented) return 0;
  MB_RETURN_IF_ERROR(tasks.status());
  int64_t newest = 0;
  for (const ImportTask& task : *tasks) newest = std::max(newest, task.id);
  return newest;
}

}  // namespace milvus_backup::backup
