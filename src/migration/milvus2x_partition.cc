#include "milvus2x_partition.h"

#include "row_columns.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace milvus_backup::migration {
namespace {

using std::chrono::steady_clock;

/// Most rows of a range while nobody knows how large they are.
constexpr uint64_t kFirstRows = 64;
/// Keys of the first page, and bytes of the later ones: text keys may be long.
constexpr int64_t kFirstKeys = 1024;
constexpr size_t kKeyBytesPerPage = size_t{2} << 20;

/// Keys of a partition that are written down to be compared.
constexpr size_t kMostSampled = 256;
/// Rows asked for by their keys at once: few enough for the widest vectors.
constexpr size_t kKeysPerFetch = 50;

size_t BytesOfKeys(const std::vector<RowKey>& keys) {
  size_t bytes = 0;
  for (const RowKey& key : keys) bytes += sizeof(key.number) + key.text.size();
  return bytes;
}

}  // namespace

Status PartitionCopy::Run(const CallContext& ctx, const std::string& name,
                          PartitionRecord& record) {
  if (record.done) return Status::Ok();
  saved_ = steady_clock::now();
  ranges_ = 0;
  sample_every_ = 1;
  TaskGroup group(static_cast<size_t>(rules_.parallel_ranges), ctx.stop);
  const Status walked = Walk(ctx, name, record, group);
  const Status copied = group.Wait();
  const std::scoped_lock lock(mutex_);
  record.done = walked.ok() && copied.ok();
  // Also when the run is being stopped: what is confirmed need not be sent again.
  Status saved = save_({});
  MB_RETURN_IF_ERROR(copied);
  MB_RETURN_IF_ERROR(walked);
  return saved;
}

Status PartitionCopy::Walk(const CallContext& ctx, const std::string& name, PartitionRecord& record,
                           TaskGroup& group) {
  const std::optional<RowKey> resumed = record.frontier;
  const RangeSet done = record.confirmed;
  std::optional<RowKey> after = done.contiguous_end();
  int64_t limit = std::min(kFirstKeys, rules_.run.keys_per_page);
  while (true) {
    MB_ASSIGN_OR_RETURN(const std::vector<RowKey> keys, source_.NextKeys(ctx, name, after, limit));
    if (keys.empty()) return Status::Ok();
    {
      const std::scoped_lock lock(mutex_);
      if (!record.frontier || *record.frontier < keys.back()) {
        // Before the first of these rows is sent: a run that finds less here would send it again.
        record.frontier = keys.back();
        MB_RETURN_IF_ERROR(save_(ctx));
      }
    }
    // Submit waits for a worker, so that each range is cut by what the ones before have shown.
    for (size_t begin = 0; begin < keys.size();) {
      if (done.Contains(keys[begin])) {
        ++begin;
        continue;
      }
      Cut cut = NextCut(keys, begin, after, resumed, done);
      begin += cut.keys.size();
      const bool taken =
          group.Submit([this, &name, &record, cut = std::move(cut)](const std::stop_token& stop) {
            return CopyRange({.stop = stop}, name, cut, record);
          });
      // What has stopped the group says Wait.
      if (!taken) return Status::Ok();
    }
    after = keys.back();
    const size_t key_bytes = std::max<size_t>(BytesOfKeys(keys) / keys.size(), 1);
    limit = std::clamp<int64_t>(static_cast<int64_t>(kKeyBytesPerPage / key_bytes), 1,
                                rules_.run.keys_per_page);
  }
}

PartitionCopy::Cut PartitionCopy::NextCut(const std::vector<RowKey>& keys, size_t begin,
                                          const std::optional<RowKey>& after,
                                          const std::optional<RowKey>& resumed,
                                          const RangeSet& done) const {
  Cut cut;
  cut.range.after = after;
  if (begin > 0) cut.range.after = keys[begin - 1];
  // The keys are in order.
  cut.may_be_there = resumed && keys[begin] <= *resumed;
  const size_t end = begin + std::min(RowsPerRange(), keys.size() - begin);
  for (size_t i = begin; i < end && !done.Contains(keys[i]); ++i) cut.keys.push_back(keys[i]);
  cut.range.upto = cut.keys.back();
  return cut;
}

size_t PartitionCopy::RowsPerRange() const {
  constexpr auto kMost = static_cast<uint64_t>(kMaxPageRows);
  if (rules_.page_rows) return std::min(static_cast<uint64_t>(*rules_.page_rows), kMost);
  const uint64_t rows = read_;
  const uint64_t mean = rows == 0 ? 0 : read_bytes_ / rows;
  const uint64_t row_bytes =
      std::max({mean, last_row_bytes_.load(), rules_.least_row_bytes, uint64_t{1}});
  return std::clamp<uint64_t>(rules_.run.range_bytes / row_bytes, 1,
                              rows == 0 ? kFirstRows : kMost);
}

Status PartitionCopy::CopyRange(const CallContext& ctx, const std::string& name, const Cut& cut,
                                PartitionRecord& record) {
  std::vector<RowKey> arrived;
  const CollectionReader::Sink write = [&](std::vector<milvus::Column> columns) {
    return WriteRows(ctx, name, cut, std::move(columns), arrived);
  };
  MB_RETURN_IF_ERROR(source_.Read(ctx, name, cut.range, cut.keys.size(), write));
  MB_RETURN_IF_ERROR(FetchMissing(ctx, name, cut, arrived));
  return Confirm(ctx, cut, arrived, record);
}

Status PartitionCopy::WriteRows(const CallContext& ctx, const std::string& name, const Cut& cut,
                                std::vector<milvus::Column> columns, std::vector<RowKey>& arrived) {
  const milvus::Column& keys = source_.KeyColumn(columns);
  const size_t count = keys.rows;
  if (count == 0) return Status::Ok();
  arrived.reserve(arrived.size() + count);
  for (size_t row = 0; row < count; ++row) arrived.push_back(key_.At(keys, row));
  const uint64_t bytes = BytesOf(columns);
  last_row_bytes_ = bytes / count;
  read_bytes_ += bytes;
  read_ += count;
  on_progress_(read_, written_);
  MB_RETURN_IF_ERROR(target_.Write(ctx, name, std::move(columns), cut.may_be_there));
  written_ += count;
  on_progress_(read_, written_);
  return Status::Ok();
}

Status PartitionCopy::FetchMissing(const CallContext& ctx, const std::string& name, const Cut& cut,
                                   std::vector<RowKey>& arrived) {
  std::ranges::sort(arrived);
  std::vector<RowKey> missing;
  std::ranges::set_difference(cut.keys, arrived, std::back_inserter(missing));
  size_t fetched = 0;
  for (size_t begin = 0; begin < missing.size(); begin += kKeysPerFetch) {
    const size_t end = std::min(begin + kKeysPerFetch, missing.size());
    const std::vector<RowKey> asked(missing.begin() + static_cast<std::ptrdiff_t>(begin),
                                    missing.begin() + static_cast<std::ptrdiff_t>(end));
    MB_ASSIGN_OR_RETURN(std::vector<milvus::Column> columns, source_.Fetch(ctx, name, asked));
    if (columns.empty()) continue;
    const size_t before = arrived.size();
    MB_RETURN_IF_ERROR(WriteRows(ctx, name, cut, std::move(columns), arrived));
    fetched += arrived.size() - before;
  }
  if (fetched < missing.size()) source_changed_ = true;
  return Status::Ok();
}

Status PartitionCopy::Confirm(const CallContext& ctx, const Cut& cut,
                              const std::vector<RowKey>& arrived, PartitionRecord& record) {
  const std::scoped_lock lock(mutex_);
  record.confirmed.Add(cut.range);
  record.rows += arrived.size();
  if (!arrived.empty()) Sample(arrived.front(), record);
  const auto now = steady_clock::now();
  if (now - saved_ < rules_.run.record_interval) return Status::Ok();
  saved_ = now;
  return save_(ctx);
}

void PartitionCopy::Sample(const RowKey& key, PartitionRecord& record) {
  if (ranges_++ % sample_every_ != 0) return;
  record.sample.push_back(key);
  if (record.sample.size() <= kMostSampled) return;
  sample_every_ *= 2;
  std::vector<RowKey> kept;
  for (size_t i = 0; i < record.sample.size(); i += 2) kept.push_back(std::move(record.sample[i]));
  record.sample = std::move(kept);
}

}  // namespace milvus_backup::migration
