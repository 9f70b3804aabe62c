#include "collection_open.h"

#include "target_schema.h"

#include "milvus_backup/backup/import_match.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace milvus_backup::migration {
namespace {

class Opening {
 public:
  Opening(const LoadRun& run, const PlannedCollection& plan)
      : run_(run), plan_(plan), client_(run.client) {}

  Result<std::optional<LoadRecord>> Run(const CallContext& ctx) {
    MB_ASSIGN_OR_RETURN(std::optional<LoadRecord> earlier, FindEarlier(ctx));
    if (!earlier) {
      MB_ASSIGN_OR_RETURN(const bool skips, IsSkipped(ctx));
      if (skips) return std::optional<LoadRecord>();
      MB_RETURN_IF_ERROR(OpenNew(ctx));
    } else {
      record_ = *std::move(earlier);
      MB_RETURN_IF_ERROR(record_.state == LoadState::kCreating ? OpenHalfCreated(ctx)
                                                               : OpenRecorded(ctx));
    }
    if (record_.state != LoadState::kDone) MB_RETURN_IF_ERROR(CreatePartitions(ctx));
    return std::optional(record_);
  }

  Result<bool> NeedsNoRows(const CallContext& ctx) {
    MB_ASSIGN_OR_RETURN(const std::optional<LoadRecord> earlier, FindEarlier(ctx));
    if (earlier) return earlier->state == LoadState::kDone;
    return IsSkipped(ctx);
  }

 private:
  std::string target() const { return run_.db + "." + plan_.name; }
  const std::string& partition() const { return plan_.existing.partition; }
  bool overwrites() const { return plan_.existing.mode == WriteMode::kOverwrite; }

  /// The record of an earlier run with the same rows.
  Result<std::optional<LoadRecord>> FindEarlier(const CallContext& ctx) {
    MB_ASSIGN_OR_RETURN(std::optional<LoadRecord> earlier,
                        ReadLoadRecord(ctx, run_.target, plan_.number));
    if (!earlier) return earlier;
    if (earlier->target != target()) {
      return FailedPreconditionError(
                 fmt::format("an earlier load of this dump has begun with {}, not {}",
                             earlier->target, target()))
          .WithAdvice("set target.milvus2x.database to what it was");
    }
    if (earlier->source == plan_.source_mark) return earlier;
    if (earlier->state == LoadState::kDone || overwrites()) return std::optional<LoadRecord>();
    return FailedPreconditionError(
               fmt::format("an earlier run has begun to fill {}{} from files that have changed "
                           "since, or from others",
                           target(), partition().empty() ? "" : " partition " + partition()))
        .WithAdvice(fmt::format("run that one again, use mode overwrite, or, once the rows are "
                                "right, remove {} from {}",
                                LoadRecordKey(run_.target, plan_.number),
                                run_.target.backend->Describe()));
  }

  Result<bool> HasPartition(const CallContext& ctx) {
    MB_ASSIGN_OR_RETURN(const std::vector<milvus::Partition> existing,
                        client_.ListPartitions(ctx, run_.db, plan_.name));
    return std::ranges::count(existing, partition(), &milvus::Partition::name) > 0;
  }

  Result<bool> IsSkipped(const CallContext& ctx) {
    if (plan_.existing.mode != WriteMode::kSkip) return false;
    MB_ASSIGN_OR_RETURN(const bool exists, client_.HasCollection(ctx, run_.db, plan_.name));
    if (!exists || partition().empty() || plan_.existing.skip_by_collection) return exists;
    return HasPartition(ctx);
  }

  Status OpenNew(const CallContext& ctx) {
    record_ = {.target = target(),
               .endpoint = client_.endpoint(),
               .source = plan_.source_mark,
               .merge_bytes = run_.merge_bytes()};
    MB_ASSIGN_OR_RETURN(const bool exists, client_.HasCollection(ctx, run_.db, plan_.name));
    if (!exists || (overwrites() && partition().empty())) {
      record_.created = true;
      MB_RETURN_IF_ERROR(Write(ctx));
      return CreateAnew(ctx, exists);
    }
    MB_ASSIGN_OR_RETURN(const milvus::Collection existing,
                        client_.DescribeCollection(ctx, run_.db, plan_.name));
    MB_RETURN_IF_ERROR(CheckFits(existing, plan_.table, plan_.style));
    record_.collection_id = existing.id;
    if (!partition().empty()) {
      MB_ASSIGN_OR_RETURN(const bool has_partition, HasPartition(ctx));
      record_.created_partition = !has_partition || overwrites();
      if (record_.created_partition) {
        MB_RETURN_IF_ERROR(Write(ctx));
        MB_RETURN_IF_ERROR(CreatePartitionAnew(ctx, has_partition));
      }
    }
    return BeginFilling(ctx);
  }

  /// The collection was there before: note what it holds.
  Status BeginFilling(const CallContext& ctx) {
    record_.state = LoadState::kFilling;
    record_.inserting = false;
    MB_ASSIGN_OR_RETURN(record_.rows_before, client_.CountStoredRows(ctx, run_.db, plan_.name));
    MB_ASSIGN_OR_RETURN(record_.after_task, backup::NewestTask(ctx, client_, run_.db, plan_.name));
    return Write(ctx);
  }

  /// A killed run was about to create it.
  Status OpenHalfCreated(const CallContext& ctx) {
    if (record_.created_partition) return OpenHalfCreatedPartition(ctx);
    MB_ASSIGN_OR_RETURN(const bool exists, client_.HasCollection(ctx, run_.db, plan_.name));
    if (!partition().empty()) return OpenUntouched(ctx, exists);
    // What is there is what was to be overwritten, or empty.
    if (!exists || overwrites()) return CreateAnew(ctx, exists);
    MB_ASSIGN_OR_RETURN(const milvus::Collection existing,
                        client_.DescribeCollection(ctx, run_.db, plan_.name));
    MB_ASSIGN_OR_RETURN(const int64_t rows, client_.CountStoredRows(ctx, run_.db, plan_.name));
    MB_ASSIGN_OR_RETURN(const int64_t task, backup::NewestTask(ctx, client_, run_.db, plan_.name));
    const bool is_own = existing.schema.description == plan_.style.description;
    if (!is_own || rows != 0 || task != 0 || !CheckFits(existing, plan_.table, plan_.style).ok()) {
      return HasAppeared("collection " + plan_.name).WithAdvice("rename or drop it");
    }
    record_.state = LoadState::kFilling;
    record_.collection_id = existing.id;
    return Write(ctx);
  }

  /// Neither the collection nor anything in it is known to be of the killed run, which had only
  /// begun to create it: another may have done so since, and filled other partitions.
  Status OpenUntouched(const CallContext& ctx, bool exists) {
    if (exists && plan_.existing.mode == WriteMode::kSkip) {
      MB_ASSIGN_OR_RETURN(const bool has_partition, HasPartition(ctx));
      if (has_partition) {
        return HasAppeared(fmt::format("partition {} of {}", partition(), plan_.name))
            .WithAdvice(ForgetAdvice("to have it skipped"));
      }
    }
    return OpenNew(ctx);
  }

  static Status HasAppeared(const std::string& what) {
    return FailedPreconditionError(
        what +
        " has appeared in Milvus since the load that was not finished, and is not what that was "
        "about to create");
  }

  std::string ForgetAdvice(std::string_view what_for) const {
    return fmt::format("{}, remove {} from {}", what_for, LoadRecordKey(run_.target, plan_.number),
                       run_.target.backend->Describe());
  }

  Status OpenHalfCreatedPartition(const CallContext& ctx) {
    MB_ASSIGN_OR_RETURN(const bool same, IsSame(ctx));
    if (!same) return IsGone("begun to fill");
    MB_ASSIGN_OR_RETURN(const bool has_partition, HasPartition(ctx));
    if (!has_partition || overwrites() || record_.inserting) {
      MB_RETURN_IF_ERROR(CreatePartitionAnew(ctx, has_partition));
    } else {
      // Empty if it is ours, but somebody else may have made it.
      record_.created_partition = false;
    }
    return BeginFilling(ctx);
  }

  /// Whether the collection is the recorded one.
  Result<bool> IsSame(const CallContext& ctx) {
    const auto existing = client_.DescribeCollection(ctx, run_.db, plan_.name);
    is_there_ = existing.ok();
    if (!existing.ok() && existing.status().code() != Code::kNotFound) return existing.status();
    return existing.ok() && existing->id == record_.collection_id;
  }

  Status OpenRecorded(const CallContext& ctx) {
    MB_ASSIGN_OR_RETURN(const bool same, IsSame(ctx));
    const bool half_inserted = record_.state == LoadState::kFilling && record_.inserting;
    // Of a collection that is there only the partition is ours: others may have filled the rest.
    const bool owns_partition =
        record_.created_partition || (record_.created && !partition().empty());
    if (half_inserted && same && owns_partition) return BeginPartitionAnew(ctx);
    if (half_inserted && record_.created && (same || !is_there_)) {
      if (same && !overwrites()) MB_RETURN_IF_ERROR(CheckAllIsOurs(ctx));
      // Nobody can tell which rows are there, so the collection, which is ours, is made anew.
      record_ = {.target = record_.target,
                 .endpoint = record_.endpoint,
                 .source = record_.source,
                 .merge_bytes = run_.merge_bytes(),
                 .created = true};
      MB_RETURN_IF_ERROR(Write(ctx));
      return CreateAnew(ctx, same);
    }
    if (half_inserted && same) {
      return FailedPreconditionError(
                 fmt::format("an earlier load has inserted part of the rows into {}, which was "
                             "there before: they cannot be told from its own",
                             plan_.name))
          .WithAdvice(fmt::format("put it right, then remove {} from {}",
                                  LoadRecordKey(run_.target, plan_.number),
                                  run_.target.backend->Describe()));
    }
    if (same) return Status::Ok();
    return IsGone(record_.state == LoadState::kDone ? "filled" : "begun to fill");
  }

  /// Nobody can tell which rows are in the partition, which is ours.
  Status BeginPartitionAnew(const CallContext& ctx) {
    MB_ASSIGN_OR_RETURN(const bool has_partition, HasPartition(ctx));
    record_.state = LoadState::kCreating;
    record_.created = false;
    // `inserting` stays until it is dropped: a run that finds it knows that it is not empty.
    record_.created_partition = true;
    MB_RETURN_IF_ERROR(Write(ctx));
    MB_RETURN_IF_ERROR(CreatePartitionAnew(ctx, has_partition));
    return BeginFilling(ctx);
  }

  /// Before the collection is dropped.
  Status CheckAllIsOurs(const CallContext& ctx) {
    MB_ASSIGN_OR_RETURN(const std::string other, OtherPartition(ctx, run_, plan_));
    if (other.empty()) return Status::Ok();
    return FailedPreconditionError(
               fmt::format("an earlier load has inserted part of the rows into {}, and partition "
                           "{} was made there since: dropping the collection would cost that",
                           plan_.name, other))
        .WithAdvice("drop the collection yourself, or bring " + other +
                    " elsewhere; mode overwrite drops it as well");
  }

  Status IsGone(const char* what_was_done) const {
    return FailedPreconditionError(fmt::format("collection {}, which an earlier load has {}, {}",
                                               plan_.name, what_was_done,
                                               is_there_ ? "was replaced" : "is gone"))
        .WithAdvice(fmt::format("to load it anew, remove {} from {}",
                                LoadRecordKey(run_.target, plan_.number),
                                run_.target.backend->Describe()));
  }

  Status CreateAnew(const CallContext& ctx, bool exists) {
    if (exists) MB_RETURN_IF_ERROR(client_.DropCollection(ctx, run_.db, plan_.name));
    MB_RETURN_IF_ERROR(client_.CreateCollection(
        ctx, TargetCollection(run_.db, plan_.name, plan_.table, plan_.style)));
    MB_ASSIGN_OR_RETURN(const milvus::Collection created,
                        client_.DescribeCollection(ctx, run_.db, plan_.name));
    record_.state = LoadState::kFilling;
    record_.collection_id = created.id;
    return Write(ctx);
  }

  Status CreatePartitionAnew(const CallContext& ctx, bool exists) {
    if (exists) {
      MB_RETURN_IF_ERROR(client_.DropPartition(ctx, run_.db, plan_.name, partition()));
    }
    return client_.CreatePartition(ctx, run_.db, plan_.name, partition());
  }

  Status CreatePartitions(const CallContext& ctx) {
    MB_ASSIGN_OR_RETURN(const std::vector<milvus::Partition> existing,
                        client_.ListPartitions(ctx, run_.db, plan_.name));
    for (const auto& [tag, name] : plan_.partitions) {
      if (std::ranges::count(existing, name, &milvus::Partition::name) > 0) continue;
      MB_RETURN_IF_ERROR(client_.CreatePartition(ctx, run_.db, plan_.name, name)
                             .Annotate(fmt::format("partition '{}'", tag)));
    }
    return Status::Ok();
  }

  Status Write(const CallContext& ctx) {
    return WriteLoadRecord(ctx, run_.target, plan_.number, record_);
  }

  const LoadRun& run_;
  const PlannedCollection& plan_;
  milvus::Client& client_;
  LoadRecord record_;
  /// A collection of the name, whether it is the recorded one or not.
  bool is_there_ = false;
};

}  // namespace

Result<std::optional<LoadRecord>> OpenCollection(const CallContext& ctx, const LoadRun& run,
                                                 const PlannedCollection& plan) {
  return Opening(run, plan).Run(ctx);
}

Result<std::string> OtherPartition(const CallContext& ctx, const LoadRun& run,
                                   const PlannedCollection& plan) {
  MB_ASSIGN_OR_RETURN(const std::vector<milvus::Partition> existing,
                      run.client.ListPartitions(ctx, run.db, plan.name));
  for (const milvus::Partition& partition : existing) {
    const bool is_planned = partition.name == "_default" ||
                            std::ranges::any_of(plan.partitions, [&](const auto& planned) {
                              return planned.second == partition.name;
                            });
    if (!is_planned) return partition.name;
  }
  return std::string();
}

Result<bool> NeedsNoRows(const CallContext& ctx, const LoadRun& run,
                         const PlannedCollection& plan) {
  return Opening(run, plan).NeedsNoRows(ctx);
}

}  // namespace milvus_backup::migration
