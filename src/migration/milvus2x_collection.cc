#include "milvus2x_collection.h"

#include "milvus2x_partition.h"

#include "milvus_backup/base/bytes.h"
#include "milvus_backup/base/clock.h"
#include "milvus_backup/base/log.h"
#include "milvus_backup/storage/backend.h"

#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <utility>

namespace milvus_backup::migration {
namespace {

constexpr std::chrono::seconds kCleanUpTime{10};
/// Every row is read and written, which are half of the way each.
constexpr uint64_t kHalf = 50;

std::string PlaceText(const CollectionPlace& place) {
  return fmt::format("{}/{}/{}", place.client->endpoint(), place.db, place.name);
}

/// The server's refusal to drop a partition because it is loaded; it has no number of its own.
bool IsLoadedPartition(const Status& status) {
  return status.message().find("partition is loaded") != std::string::npos;
}

/// At most `count` of the keys, evenly spread.
std::vector<RowKey> Thinned(const std::vector<RowKey>& keys, size_t count) {
  std::vector<RowKey> chosen;
  const size_t taken = std::min(keys.size(), count);
  for (size_t i = 0; i < taken; ++i) chosen.push_back(keys[i * keys.size() / taken]);
  return chosen;
}

/// Turns rows into percents that never fall, and reports each once. Thread-safe.
class PercentReporter {
 public:
  PercentReporter(const Milvus2xPercent& report, std::string name, uint64_t total)
      : report_(report), name_(std::move(name)), total_(std::max<uint64_t>(total, 1)) {}

  void Update(uint64_t read, uint64_t written) {
    // 100 is for the end alone.
    const uint64_t percent = std::min<uint64_t>((read + written) * kHalf / total_, 99);
    const std::scoped_lock lock(mutex_);
    if (percent <= known_) return;
    known_ = percent;
    report_(name_, static_cast<int>(percent));
  }

 private:
  const Milvus2xPercent& report_;
  const std::string name_;
  const uint64_t total_;
  std::mutex mutex_;
  uint64_t known_ = 0;
};

}  // namespace

CollectionMigration::CollectionMigration(const Milvus2xRun& run, CollectionPlace source,
                                         CollectionPlace target)
    : run_(run),
      source_(std::move(source)),
      target_(std::move(target)),
      title_(CollectionTitle(source_.db, source_.name)),
      record_key_(CollectionRecordKey(target_.name, PlaceText(target_))) {
  migrated_ = {.source = source_.name,
               .target = target_.name,
               .source_database = source_.db,
               .target_database = target_.db};
}

Status CollectionMigration::CannotContinue(const std::string& why) const {
  // Rows that were there before, or came by others, must not be dropped.
  const std::string first =
      is_target_ours_ ? fmt::format("drop {} in the target,", target_.name)
                      : fmt::format("put the rows of {} in the target right, then", target_.name);
  return FailedPreconditionError(
             fmt::format("an earlier run has begun to fill {} and cannot be continued: {}",
                         target_.name, why))
      .WithAdvice(fmt::format("{} remove {}/{} and run the command again", first,
                              run_.options.state_dir, record_key_));
}

Status CollectionMigration::Save(const CallContext& ctx) const {
  return WriteCollectionRecord(ctx, run_.state, record_key_, *record_);
}

Status CollectionMigration::Prepare(const CallContext& ctx) {
  MB_RETURN_IF_ERROR(LookAtSource(ctx));
  return LookAtTarget(ctx);
}

Status CollectionMigration::LookAtSource(const CallContext& ctx) {
  milvus::Client& client = *source_.client;
  MB_ASSIGN_OR_RETURN(described_, client.DescribeCollection(ctx, source_.db, source_.name));
  MB_ASSIGN_OR_RETURN(const std::vector<milvus::Partition> partitions,
                      client.ListPartitions(ctx, source_.db, source_.name));
  MB_ASSIGN_OR_RETURN(plan_, PlanTarget(described_, partitions, run_.options, target_.name,
                                        run_.target.server_version()));
  plan_.create.db_name = target_.db;
  for (const std::string& warning : plan_.warnings) {
    warnings_.push_back(fmt::format("collection '{}': {}", title_, warning));
  }
  MB_ASSIGN_OR_RETURN(const milvus::LoadState state,
                      client.GetLoadState(ctx, source_.db, source_.name));
  if (state != milvus::LoadState::kLoaded) {
    if (!run_.rules.load_source) {
      return FailedPreconditionError(
                 fmt::format("collection not loaded: {} cannot be read", title_))
          .WithAdvice("load it, or have it loaded and released again with --load-source");
    }
    must_load_source_ = true;
    return Status::Ok();
  }
  for (const milvus::Partition& partition : partitions) {
    const auto loaded = client.GetPartitionLoadState(ctx, source_.db, source_.name, partition.name);
    MB_RETURN_IF_ERROR(ctx.Check());
    // Servers that do not tell refuse queries of what is not loaded.
    if (!loaded.ok() || *loaded == milvus::LoadState::kLoaded) continue;
    return FailedPreconditionError(
               fmt::format("collection not loaded: partition {} of {} cannot be read",
                           partition.name, title_))
        .WithAdvice("load all of its partitions, or release it and use --load-source");
  }
  return Status::Ok();
}

Status CollectionMigration::CountBeforeFlush(const CallContext& ctx) {
  if (must_load_source_) return Status::Ok();
  const CollectionReader source(source_, plan_.rows, 0, run_.rules.restart_patience);
  MB_ASSIGN_OR_RETURN(before_flush_, source.Count(ctx));
  return Status::Ok();
}

Status CollectionMigration::OpenSource(const CallContext& ctx) {
  if (must_load_source_) {
    const auto loaded = LoadAndWait(ctx, source_, run_.rules.poll_interval);
    // Not if somebody else has loaded it by now.
    has_loaded_source_ = !loaded.ok() || *loaded;
    MB_RETURN_IF_ERROR(loaded.status());
    MB_RETURN_IF_ERROR(Sight().Forget(ctx));
  }
  const CollectionReader source(source_, plan_.rows, 0, run_.rules.restart_patience);
  if (before_flush_ && !migrated_.was_done) {
    MB_RETURN_IF_ERROR(Sight().Check(ctx, source, *before_flush_, warnings_));
  }
  MB_ASSIGN_OR_RETURN(migrated_.counted, source.Count(ctx));
  log::Event(log::Level::kInfo, "[Milvus23x] Count(*) ===>",
             {{"collection", title_}, {"Count", std::to_string(migrated_.counted)}});
  return Status::Ok();
}

SourceSight CollectionMigration::Sight() const {
  return {run_, source_, title_, fmt::format("{}.{}.lost-sight", record_key_, described_.id)};
}

Status CollectionMigration::LookAtTarget(const CallContext& ctx) {
  MB_ASSIGN_OR_RETURN(record_, ReadCollectionRecord(ctx, run_.state, record_key_));
  std::optional<milvus::Collection> existing;
  auto described = run_.target.DescribeCollection(ctx, target_.db, target_.name);
  if (described.ok()) {
    existing = *std::move(described);
  } else if (described.status().code() != Code::kNotFound) {
    return described.status();
  }
  if (existing && existing->id == described_.id &&
      existing->created_timestamp == described_.created_timestamp) {
    return InvalidArgumentError("source and target are one and the same collection")
        .WithOrigin(Origin::kConfig)
        .WithAdvice("set meta.milvus.collection or target.milvus2x.database to another name");
  }
  MB_ASSIGN_OR_RETURN(begin_, DecideBegin(ctx, existing));
  migrated_.was_done = begin_ == Begin::kDone;
  if (migrated_.was_done) return Status::Ok();
  if (existing && !must_drop_) MB_RETURN_IF_ERROR(CheckRowsFit(*existing, plan_.rows));
  if (begin_ == Begin::kContinue) return Status::Ok();
  record_ = CollectionRecord{.source = PlaceText(source_),
                             .target = PlaceText(target_),
                             .source_id = described_.id,
                             .target_id = existing && !must_drop_ ? existing->id : 0,
                             .created = !existing || must_drop_,
                             .keeps_keys = plan_.rows.keeps_keys};
  return Status::Ok();
}

Result<CollectionMigration::Begin> CollectionMigration::DecideBegin(
    const CallContext& ctx, const std::optional<milvus::Collection>& existing) {
  if (!record_ || !existing) return Begin::kFresh;
  is_target_ours_ = record_->created && record_->target_id == existing->id;
  const bool is_finished = record_->state == CollectionState::kDone;
  if (record_->source != PlaceText(source_) || record_->source_id != described_.id) {
    // A target of its own for each run is what people want who replace rows.
    if (is_finished && run_.options.upsert) return Begin::kFresh;
    return CannotContinue("its rows came from another collection, " + record_->source);
  }
  if (record_->state == CollectionState::kCreating) return ContinueCreating(ctx, existing);
  if (record_->target_id != existing->id) {
    if (is_finished) return Begin::kFresh;
    return CannotContinue("it was dropped and created anew");
  }
  if (!is_finished) return ContinueFilling(ctx, existing);
  return run_.options.upsert ? Begin::kFresh : Begin::kDone;
}

Result<CollectionMigration::Begin> CollectionMigration::ContinueCreating(
    const CallContext& ctx, const std::optional<milvus::Collection>& existing) {
  MB_ASSIGN_OR_RETURN(const int64_t rows,
                      run_.target.CountStoredRows(ctx, target_.db, target_.name));
  if (rows > 0) return CannotContinue("somebody else has put rows into it");
  record_->target_id = existing->id;
  record_->state = CollectionState::kFilling;
  return Begin::kContinue;
}

Result<CollectionMigration::Begin> CollectionMigration::ContinueFilling(
    const CallContext& ctx, const std::optional<milvus::Collection>& existing) {
  if (record_->keeps_keys != plan_.rows.keeps_keys) {
    return CannotContinue("meta.milvus.autoId has changed");
  }
  std::vector<std::string> unsure;
  for (const auto& [name, partition] : record_->partitions) {
    if (partition.has_unconfirmed()) unsure.push_back(name);
  }
  if (record_->keeps_keys || unsure.empty()) return Begin::kContinue;
  if (!record_->created) return BeginPartitionsAnew(ctx, unsure);
  warnings_.push_back(fmt::format(
      "collection '{}': an earlier run had created {} and was interrupted while rows got new keys; "
      "it is dropped and begun anew",
      title_, existing->schema.name));
  must_drop_ = true;
  return Begin::kFresh;
}

Result<CollectionMigration::Begin> CollectionMigration::BeginPartitionsAnew(
    const CallContext& ctx, const std::vector<std::string>& names) {
  MB_ASSIGN_OR_RETURN(const std::vector<milvus::Partition> existing,
                      run_.target.ListPartitions(ctx, target_.db, target_.name));
  for (const std::string& name : names) {
    const int64_t made = record_->partitions.at(name).created_id;
    const auto found = std::ranges::find(existing, name, &milvus::Partition::name);
    // One that is gone was dropped by a run that was interrupted then.
    if (made != 0 && (found == existing.end() || found->id == made)) continue;
    return CannotContinue(fmt::format(
        "rows get new keys, so nobody can tell which of them are there, and {} was there before",
        name.empty() ? "the collection" : "partition " + name));
  }
  for (const std::string& name : names) {
    warnings_.push_back(fmt::format(
        "collection '{}': an earlier run had created partition {} in {} and was interrupted while "
        "rows got new keys; it is dropped and begun anew",
        title_, name, target_.name));
  }
  partitions_to_drop_ = names;
  return Begin::kContinue;
}

Status CollectionMigration::Copy(const CallContext& ctx) {
  transfer::Progress& progress = run_.progress;
  if (migrated_.was_done) {
    migrated_.source_changed = record_->source_changed;
    progress.rows_done += migrated_.counted;
    warnings_.push_back(fmt::format(
        "collection '{}' was brought over by an earlier run and is left alone; to migrate it again "
        "remove {}/{}",
        title_, run_.options.state_dir, record_key_));
    return Status::Ok();
  }
  if (begin_ == Begin::kFresh) MB_RETURN_IF_ERROR(MakeTarget(ctx));
  migrated_.created = record_->created;
  migrated_.before = record_->rows_before;
  MB_RETURN_IF_ERROR(DropPartitions(ctx));
  MB_RETURN_IF_ERROR(MakePartitions(ctx));

  // Every page is read as of the same time or a later one; also where a server does not tell it.
  const auto now = run_.source.CurrentTimestamp(ctx);
  const CollectionReader source(source_, plan_.rows, now.ok() ? *now : 0,
                                run_.rules.restart_patience);
  CollectionWriter target(target_, plan_.rows,
                          {.max_bytes = run_.rules.insert_bytes,
                           .upsert = run_.options.upsert,
                           .patience = run_.rules.restart_patience});
  uint64_t rows_before = 0;
  for (const auto& [name, partition] : record_->partitions) rows_before += partition.rows;
  const uint64_t shown_before = progress.rows_done;
  PercentReporter percents(run_.on_percent, title_, migrated_.counted);
  uint64_t finished = rows_before;
  PartitionCopy copy(
      source, target, plan_.rows.key,
      {.parallel_ranges = run_.options.parallel_ranges,
       .page_rows = run_.options.page_rows,
       .least_row_bytes = LeastRowBytes(plan_.rows),
       .run = run_.rules},
      [this, &target, repeated = record_->repeated](const CallContext& save_ctx) {
        record_->repeated = repeated + target.repeated();
        return Save(save_ctx);
      },
      [&](uint64_t read, uint64_t written) {
        progress.rows_done = shown_before + finished + written;
        percents.Update(finished + read, finished + written);
      });
  log::Event(log::Level::kInfo, "start iterator milvus collection",
             {{"collection", title_}, {"target", target_.name}});
  for (auto& [name, partition] : record_->partitions) {
    Status status = copy.Run(ctx, name, partition);
    if (!status.ok()) {
      return name.empty() ? status : std::move(status).Annotate("partition " + name);
    }
  }
  log::Event(log::Level::kInfo, "milvus no data, iterator reach EOF", {{"collection", title_}});
  migrated_.source_changed = copy.source_changed();
  return Status::Ok();
}

Status CollectionMigration::MakeTarget(const CallContext& ctx) {
  if (must_drop_) {
    MB_RETURN_IF_ERROR(run_.target.DropCollection(ctx, target_.db, target_.name));
  }
  if (record_->created) {
    MB_RETURN_IF_ERROR(Save(ctx));
    MB_RETURN_IF_ERROR(run_.target.CreateCollection(ctx, plan_.create));
    MB_ASSIGN_OR_RETURN(const milvus::Collection made,
                        run_.target.DescribeCollection(ctx, target_.db, target_.name));
    record_->target_id = made.id;
  } else {
    MB_RETURN_IF_ERROR(
        FlushAndWait(ctx, run_.target, target_.db, {target_.name}, run_.rules.poll_interval));
    MB_ASSIGN_OR_RETURN(record_->rows_before,
                        run_.target.CountStoredRows(ctx, target_.db, target_.name));
    if (record_->rows_before > 0 && !run_.options.upsert) {
      warnings_.push_back(fmt::format(
          "collection {} holds {} rows already; rows are added to them whatever their keys "
          "(target.milvus2x.writeMode: upsert replaces rows)",
          target_.name, record_->rows_before));
    }
  }
  record_->state = CollectionState::kFilling;
  return Save(ctx);
}

Status CollectionMigration::DropPartitions(const CallContext& ctx) {
  if (partitions_to_drop_.empty()) return Status::Ok();
  MB_ASSIGN_OR_RETURN(const std::vector<milvus::Partition> existing,
                      run_.target.ListPartitions(ctx, target_.db, target_.name));
  std::vector<milvus::Partition> there;
  for (const std::string& name : partitions_to_drop_) {
    const auto found = std::ranges::find(existing, name, &milvus::Partition::name);
    if (found != existing.end()) there.push_back(*found);
  }
  MB_RETURN_IF_ERROR(CheckOnlyOurRows(ctx, there));
  for (const milvus::Partition& partition : there) {
    Status dropped = run_.target.DropPartition(ctx, target_.db, target_.name, partition.name);
    if (IsLoadedPartition(dropped)) {
      return std::move(dropped).WithAdvice(
          fmt::format("release {} in the target and run the command again", target_.name));
    }
    MB_RETURN_IF_ERROR(dropped);
  }
  for (const std::string& name : partitions_to_drop_) record_->partitions[name] = {};
  record_->dropped_partitions = true;
  return Save(ctx);
}

Status CollectionMigration::CheckOnlyOurRows(const CallContext& ctx,
                                             const std::vector<milvus::Partition>& partitions) {
  if (partitions.empty()) return Status::Ok();
  MB_RETURN_IF_ERROR(
      FlushAndWait(ctx, run_.target, target_.db, {target_.name}, run_.rules.poll_interval));
  for (const milvus::Partition& partition : partitions) {
    MB_ASSIGN_OR_RETURN(const uint64_t most, MostRowsSent(ctx, partition.name));
    MB_ASSIGN_OR_RETURN(const uint64_t held, CountRowsIn(ctx, target_, partition, run_.rules));
    if (held <= most) continue;
    return CannotContinue(
        fmt::format("partition {} holds {} rows, of which that run can have sent at most {}, so "
                    "others have written to it",
                    partition.name, held, most));
  }
  return Status::Ok();
}

Result<uint64_t> CollectionMigration::MostRowsSent(const CallContext& ctx,
                                                   const std::string& name) const {
  const PartitionRecord& partition = record_->partitions.at(name);
  uint64_t rows = partition.rows;
  if (!partition.frontier) return rows;
  const RowKey& last = *partition.frontier;
  const CollectionReader source(source_, plan_.rows, 0, run_.rules.restart_patience);
  std::optional<RowKey> after = partition.confirmed.contiguous_end();
  while (!after || *after < last) {
    MB_ASSIGN_OR_RETURN(const std::vector<RowKey> keys,
                        source.NextKeys(ctx, name, after, run_.rules.keys_per_page));
    if (keys.empty()) break;
    rows += static_cast<uint64_t>(std::ranges::count_if(keys, [&](const RowKey& key) {
      return key <= last && !partition.confirmed.Contains(key);
    }));
    after = keys.back();
  }
  return rows;
}

Status CollectionMigration::MakePartitions(const CallContext& ctx) {
  if (plan_.rows.has_partition_key) {
    record_->partitions.try_emplace("");
    return Status::Ok();
  }
  MB_ASSIGN_OR_RETURN(const std::vector<milvus::Partition> existing,
                      run_.target.ListPartitions(ctx, target_.db, target_.name));
  std::vector<std::string> made;
  for (const std::string& name : plan_.rows.partitions) {
    record_->partitions.try_emplace(name);
    if (std::ranges::count(existing, name, &milvus::Partition::name) > 0) continue;
    MB_RETURN_IF_ERROR(run_.target.CreatePartition(ctx, target_.db, target_.name, name));
    made.push_back(name);
  }
  if (made.empty() || record_->created) return Status::Ok();
  // By their ids the next run knows that they are ours.
  MB_ASSIGN_OR_RETURN(const std::vector<milvus::Partition> all,
                      run_.target.ListPartitions(ctx, target_.db, target_.name));
  for (const std::string& name : made) {
    const auto found = std::ranges::find(all, name, &milvus::Partition::name);
    if (found != all.end()) record_->partitions[name].created_id = found->id;
  }
  return Save(ctx);
}

Result<Migrated> CollectionMigration::Finish(const CallContext& ctx) {
  if (migrated_.was_done) {
    MB_RETURN_IF_ERROR(CreateIndexes(ctx));
    run_.on_percent(title_, 100);
    return migrated_;
  }
  migrated_.repeated = record_->repeated;
  for (const auto& [name, partition] : record_->partitions) migrated_.rows += partition.rows;
  const CollectionReader source(source_, plan_.rows, 0, run_.rules.restart_patience);
  MB_ASSIGN_OR_RETURN(const uint64_t counted, source.Count(ctx));
  if (counted != migrated_.counted || migrated_.rows > migrated_.counted) {
    migrated_.source_changed = true;
  } else if (!migrated_.source_changed && migrated_.rows < migrated_.counted) {
    uint64_t keys = 0;
    for (const auto& [name, partition] : record_->partitions) {
      MB_ASSIGN_OR_RETURN(const uint64_t in_partition,
                          source.CountKeys(ctx, name, run_.rules.keys_per_page));
      keys += in_partition;
    }
    if (keys != migrated_.rows) migrated_.source_changed = true;
  }
  if (!migrated_.source_changed && migrated_.rows < migrated_.counted) {
    warnings_.push_back(fmt::format(
        "collection '{}': {} of {} rows have a primary key that another row has too; of rows with "
        "one key Milvus answers only one, and that was brought over{}",
        title_, migrated_.counted - migrated_.rows, migrated_.counted,
        !plan_.rows.key.is_text() ? " (a row with the key 9223372036854775807 it answers to no "
                                    "query at all: --via-storage brings it over)"
                                  : ""));
  }
  MB_RETURN_IF_ERROR(CompareCounts(ctx));
  MB_RETURN_IF_ERROR(CreateIndexes(ctx));
  MB_RETURN_IF_ERROR(CompareAsLoaded(ctx, source));
  record_->state = CollectionState::kDone;
  record_->source_changed = migrated_.source_changed;
  MB_RETURN_IF_ERROR(Save(ctx));
  run_.on_percent(title_, 100);
  return migrated_;
}

Status CollectionMigration::CreateIndexes(const CallContext& ctx) {
  if (!run_.rules.create_indexes) return Status::Ok();
  MB_ASSIGN_OR_RETURN(const std::vector<milvus::Index> wanted,
                      run_.source.ListIndexes(ctx, source_.db, source_.name));
  MB_ASSIGN_OR_RETURN(const std::vector<milvus::Index> existing,
                      run_.target.ListIndexes(ctx, target_.db, target_.name));
  for (const milvus::Index& index : IndexesToCopy(wanted, plan_.create.schema.fields)) {
    if (std::ranges::count(existing, index.field_name, &milvus::Index::field_name) > 0) continue;
    MB_RETURN_IF_ERROR(run_.target.CreateIndex(ctx, target_.db, target_.name, index));
  }
  return Status::Ok();
}

Status CollectionMigration::CompareCounts(const CallContext& ctx) {
  const auto rows = static_cast<int64_t>(migrated_.rows);
  // Rows that were sent again, or took the place of others, are counted until they are compacted;
  // those of a dropped partition until the server has looked after it.
  const bool is_exact =
      migrated_.repeated == 0 && !run_.options.upsert && !record_->dropped_partitions;
  const auto is_right = [&](int64_t stored) {
    if (run_.options.upsert) return stored >= rows;
    const int64_t added = stored - migrated_.before;
    return is_exact ? added == rows : added >= rows;
  };
  const auto limit = std::chrono::steady_clock::now() + run_.rules.count_patience;
  while (true) {
    MB_ASSIGN_OR_RETURN(migrated_.after,
                        run_.target.CountStoredRows(ctx, target_.db, target_.name));
    if (is_right(migrated_.after)) return Status::Ok();
    if (std::chrono::steady_clock::now() > limit) break;
    if (!Clock::Real().SleepFor(run_.rules.poll_interval, ctx.stop)) return CancelledError();
  }
  return DataLossError(fmt::format("{} holds {} rows; it had {} and {} were brought over",
                                   target_.name, migrated_.after, migrated_.before, rows))
      .WithAdvice("look for others that write to or delete from the target");
}

Status CollectionMigration::CompareAsLoaded(const CallContext& ctx,
                                            const CollectionReader& source) {
  MB_ASSIGN_OR_RETURN(const milvus::Collection described,
                      run_.target.DescribeCollection(ctx, target_.db, target_.name));
  MB_ASSIGN_OR_RETURN(const std::vector<milvus::Index> indexes,
                      run_.target.ListIndexes(ctx, target_.db, target_.name));
  // Without indexes it cannot be loaded, and without being loaded not be read.
  if (const std::string field = VectorWithoutIndex(described.schema, indexes); !field.empty()) {
    if (run_.rules.create_indexes) {
      warnings_.push_back(fmt::format(
          "collection {}: field {} has no index in the source either, so no row was compared",
          target_.name, field));
    }
    return Status::Ok();
  }
  MB_ASSIGN_OR_RETURN(const bool was_loaded, LoadAndWait(ctx, target_, run_.rules.poll_interval));
  Status compared = CompareLoaded(ctx, source);
  if (!was_loaded) return compared;
  // Also when the run is being stopped.
  const CallContext clean_up{.deadline = std::chrono::steady_clock::now() + kCleanUpTime};
  const Status released = run_.target.ReleaseCollection(clean_up, target_.db, target_.name);
  return compared.ok() ? released : compared;
}

Status CollectionMigration::CompareLoaded(const CallContext& ctx, const CollectionReader& source) {
  const CollectionReader target(target_, plan_.rows, 0, run_.rules.restart_patience);
  MB_ASSIGN_OR_RETURN(const uint64_t count, target.Count(ctx));
  if (record_->created && count != migrated_.rows) {
    return DataLossError(
        fmt::format("{} holds {} rows instead of {}", target_.name, count, migrated_.rows));
  }
  if (!plan_.rows.keeps_keys || migrated_.source_changed) return Status::Ok();
  const auto sampled = static_cast<size_t>(std::ranges::count_if(
      record_->partitions, [](const auto& each) { return !each.second.sample.empty(); }));
  const size_t share = std::max<size_t>(run_.rules.sample_rows / std::max<size_t>(sampled, 1), 1);
  for (const auto& [name, partition] : record_->partitions) {
    MB_ASSIGN_OR_RETURN(const size_t compared, CompareRows(ctx, source, target, plan_.rows, name,
                                                           Thinned(partition.sample, share)));
    migrated_.compared += compared;
  }
  return Status::Ok();
}

Status CollectionMigration::ReleaseSource(const CallContext& ctx) {
  if (!has_loaded_source_) return Status::Ok();
  has_loaded_source_ = false;
  return run_.source.ReleaseCollection(ctx, source_.db, source_.name);
}

}  // namespace milvus_backup::migration
