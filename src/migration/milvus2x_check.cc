#include "milvus2x_check.h"

#include "row_columns.h"

#include "milvus_backup/base/clock.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace milvus_backup::migration {
namespace {

using milvus::Column;

/// How long a server may take to load what was written.
constexpr std::chrono::minutes kLoadLimit{30};
/// common.SegmentState
constexpr int32_t kSealed = 3;
constexpr int32_t kFlushing = 5;
constexpr int32_t kDropped = 6;
/// common.SegmentLevel L0: only deletes.
constexpr int32_t kLevelZero = 1;
/// Between two looks at what is loaded.
constexpr std::chrono::milliseconds kLongestPause{1000};
/// Few enough that answers with the widest vectors stay small.
constexpr size_t kKeysPerQuery = 50;

bool HoldsRows(const milvus::Segment& segment) {
  return segment.state != kDropped && segment.level != kLevelZero && segment.num_rows > 0;
}

/// It may not tell its rows yet.
bool IsBeingStored(const milvus::Segment& segment) {
  return segment.level != kLevelZero && (segment.state == kSealed || segment.state == kFlushing);
}

/// Whether queries, which count that many rows, see all that is stored.
Result<bool> SeesStored(const CallContext& ctx, const CollectionPlace& place, uint64_t counted) {
  MB_ASSIGN_OR_RETURN(const std::vector<milvus::Segment> stored,
                      place.client->ListPersistentSegments(ctx, place.db, place.name));
  if (std::ranges::any_of(stored, IsBeingStored)) return false;
  uint64_t rows = 0;
  for (const milvus::Segment& segment : stored) {
    if (HoldsRows(segment)) rows += static_cast<uint64_t>(segment.num_rows);
  }
  if (counted == rows) return true;
  MB_ASSIGN_OR_RETURN(const std::vector<milvus::Segment> loaded,
                      place.client->ListLoadedSegments(ctx, place.db, place.name));
  std::set<int64_t> seen;
  for (const milvus::Segment& segment : loaded) seen.insert(segment.id);
  return std::ranges::all_of(stored, [&](const milvus::Segment& segment) {
    return !HoldsRows(segment) || seen.contains(segment.id);
  });
}

std::map<RowKey, size_t> RowsByKey(const RowPlan& rows, const std::vector<Column>& columns) {
  std::map<RowKey, size_t> found;
  const auto keys = std::ranges::find(columns, rows.key.name(), &Column::field_name);
  if (keys == columns.end()) return found;
  for (size_t row = 0; row < keys->rows; ++row) found[rows.key.At(*keys, row)] = row;
  return found;
}

std::string TextOf(const RowPlan& rows, const RowKey& key) {
  return rows.key.is_text() ? "'" + key.text + "'" : std::to_string(key.number);
}

}  // namespace

Status FlushAndWait(const CallContext& ctx, milvus::Client& client, const std::string& db,
                    const std::vector<std::string>& names,
                    std::chrono::milliseconds poll_interval) {
  if (names.empty()) return Status::Ok();
  MB_ASSIGN_OR_RETURN(const std::vector<milvus::FlushTicket> tickets,
                      client.FlushTogether(ctx, db, names));
  for (size_t i = 0; i < names.size();) {
    MB_ASSIGN_OR_RETURN(const bool done, client.IsFlushed(ctx, db, names[i], tickets[i]));
    if (done) {
      ++i;
    } else if (!Clock::Real().SleepFor(poll_interval, ctx.stop)) {
      return CancelledError();
    }
  }
  return Status::Ok();
}

Status FlushSource(const CallContext& ctx, milvus::Client& client, const std::string& db,
                   const std::vector<std::string>& names, const Milvus2xRules& rules) {
  CallContext limited = ctx;
  const auto limit = std::chrono::steady_clock::now() + rules.sight_patience;
  limited.deadline = std::min(ctx.deadline.value_or(limit), limit);
  Status flushed = FlushAndWait(limited, client, db, names, rules.poll_interval);
  if (flushed.ok() || flushed.code() == Code::kUnimplemented) return Status::Ok();
  MB_RETURN_IF_ERROR(ctx.Check());
  if (names.size() == 1 || flushed.retry_class() != RetryClass::kNever) return flushed;
  // One that is gone, or may not be flushed, is not to keep the others from it.
  flushed = Status::Ok();
  for (const std::string& name : names) {
    Status one = FlushSource(ctx, client, db, {name}, rules);
    if (!one.ok()) flushed = std::move(one).Annotate(name);
    MB_RETURN_IF_ERROR(ctx.Check());
  }
  return flushed;
}

Status AwaitSightOfStored(const CallContext& ctx, const CollectionPlace& place, uint64_t counted,
                          const Milvus2xRules& rules) {
  const auto give_up = std::chrono::steady_clock::now() + rules.sight_patience;
  std::chrono::milliseconds pause = rules.poll_interval;
  while (true) {
    const auto sees = SeesStored(ctx, place, counted);
    if (sees.status().code() == Code::kUnimplemented) return Status::Ok();
    MB_RETURN_IF_ERROR(sees.status());
    if (*sees) return Status::Ok();
    if (std::chrono::steady_clock::now() > give_up) {
      const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(rules.sight_patience);
      return Status(Code::kDeadlineExceeded,
                    fmt::format("after {} s not all that is stored is loaded", seconds.count()));
    }
    if (!Clock::Real().SleepFor(pause, ctx.stop)) return CancelledError();
    pause = std::min<std::chrono::milliseconds>(pause * 2, kLongestPause);
  }
}

Result<uint64_t> CountRowsIn(const CallContext& ctx, const CollectionPlace& place,
                             const milvus::Partition& partition, const Milvus2xRules& rules) {
  const auto limit = std::chrono::steady_clock::now() + rules.count_patience;
  while (true) {
    MB_ASSIGN_OR_RETURN(const std::vector<milvus::Segment> segments,
                        place.client->ListPersistentSegments(ctx, place.db, place.name));
    uint64_t rows = 0;
    bool is_whole = true;
    for (const milvus::Segment& segment : segments) {
      if (segment.partition_id != partition.id || segment.level == kLevelZero) continue;
      if (segment.state == kDropped) continue;
      if (IsBeingStored(segment)) is_whole = false;
      rows += static_cast<uint64_t>(segment.num_rows);
    }
    if (is_whole) return rows;
    if (std::chrono::steady_clock::now() > limit) {
      return Status(Code::kDeadlineExceeded,
                    fmt::format("Milvus has flushed {} and not stored all rows of partition {}",
                                place.name, partition.name))
          .WithOrigin(Origin::kMilvus)
          .WithAdvice("run the command again");
    }
    if (!Clock::Real().SleepFor(rules.poll_interval, ctx.stop)) return CancelledError();
  }
}

Result<bool> LoadAndWait(const CallContext& ctx, const CollectionPlace& place,
                         std::chrono::milliseconds poll_interval) {
  const auto limit = std::chrono::steady_clock::now() + kLoadLimit;
  MB_ASSIGN_OR_RETURN(milvus::LoadState state,
                      place.client->GetLoadState(ctx, place.db, place.name));
  if (state == milvus::LoadState::kLoaded) return false;
  MB_RETURN_IF_ERROR(place.client->LoadCollection(ctx, place.db, place.name));
  while (true) {
    MB_ASSIGN_OR_RETURN(state, place.client->GetLoadState(ctx, place.db, place.name));
    if (state == milvus::LoadState::kLoaded) return true;
    if (std::chrono::steady_clock::now() > limit) {
      return Status(Code::kDeadlineExceeded, fmt::format("Milvus has not loaded {} within {} min",
                                                         place.name, kLoadLimit.count()))
          .WithOrigin(Origin::kMilvus);
    }
    if (!Clock::Real().SleepFor(poll_interval, ctx.stop)) return CancelledError();
  }
}

Result<size_t> CompareRows(const CallContext& ctx, const CollectionReader& source,
                           const CollectionReader& target, const RowPlan& rows,
                           const std::string& partition, const std::vector<RowKey>& keys) {
  size_t compared = 0;
  for (size_t begin = 0; begin < keys.size(); begin += kKeysPerQuery) {
    const auto first = keys.begin() + static_cast<std::ptrdiff_t>(begin);
    const size_t count = std::min(kKeysPerQuery, keys.size() - begin);
    const std::vector<RowKey> asked(first, first + static_cast<std::ptrdiff_t>(count));
    MB_ASSIGN_OR_RETURN(const std::vector<Column> there, source.Fetch(ctx, partition, asked));
    MB_ASSIGN_OR_RETURN(const std::vector<Column> here, target.Fetch(ctx, partition, asked));
    const auto arrived = RowsByKey(rows, here);
    for (const auto& [key, row] : RowsByKey(rows, there)) {
      const auto other = arrived.find(key);
      if (other == arrived.end()) {
        return DataLossError(
            fmt::format("the target lacks the row with key {}", TextOf(rows, key)));
      }
      for (size_t i = 0; i < there.size(); ++i) {
        if (SameValue(there[i], row, here[i], other->second)) continue;
        return DataLossError(fmt::format("field {} of the row with key {} differs",
                                         there[i].field_name, TextOf(rows, key)));
      }
      ++compared;
    }
  }
  return compared;
}

}  // namespace milvus_backup::migration
