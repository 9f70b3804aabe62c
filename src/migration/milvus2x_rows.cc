#include "milvus2x_rows.h"

#include "row_columns.h"

#include "milvus_backup/base/clock.h"
#include "milvus_backup/base/log.h"
#include "milvus_backup/migration/milvus2x.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string_view>
#include <type_traits>
#include <utility>

namespace milvus_backup::migration {
namespace {

using milvus::Column;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

/// Milvus' number for a collection that is not loaded, which it is for some seconds after a
/// restart.
constexpr std::string_view kNotLoaded = "101";

bool Has(const Status& status, std::string_view part) {
  return status.message().find(part) != std::string::npos;
}

/// An answer larger than a server sends, or than we take.
bool IsLargerThanTaken(const Status& status) { return Has(status, "larger than max"); }

/// Also one larger than a server makes (quotaAndLimits.limits.maxOutputSize).
bool IsTooLarge(const Status& status) {
  return Has(status, "maxOutputSize") || IsLargerThanTaken(status);
}

/// Errors of a server that is on its way up.
bool IsOfRestart(const Status& status) {
  return status.code() == Code::kUnavailable || status.code() == Code::kAborted ||
         status.code() == Code::kDeadlineExceeded || status.service_code() == kNotLoaded ||
         status.retry_class() == RetryClass::kTransient ||
         status.retry_class() == RetryClass::kExhausted;
}

/// Also those that the server has no number for.
bool MayPass(const Status& status) {
  if (status.origin() != Origin::kMilvus || IsTooLarge(status)) return false;
  return IsOfRestart(status) || status.code() == Code::kInternal || status.code() == Code::kUnknown;
}

/// What a server has no number for is given this long: it may be there for good.
constexpr milliseconds kUnknownPatience{20000};

/// Make a call again while its error may pass, for at most `patience`. `call` gives a Status or a
/// Result.
template <typename Call>
auto WithPatience(const CallContext& ctx, milliseconds patience, const Call& call)
    -> decltype(call()) {
  constexpr milliseconds kFirst{100};
  constexpr milliseconds kLongest{2000};
  const auto begun = steady_clock::now();
  for (milliseconds pause = kFirst;; pause = std::min(pause * 2, kLongest)) {
    auto outcome = call();
    if (outcome.ok()) return outcome;
    Status status;
    if constexpr (std::is_same_v<decltype(call()), Status>) {
      status = outcome;
    } else {
      status = outcome.status();
    }
    const milliseconds limit =
        IsOfRestart(status) ? patience : std::min(patience, kUnknownPatience);
    if (!MayPass(status) || steady_clock::now() - begun + pause > limit) return outcome;
    log::Warn("msg=\"waiting for Milvus\" pause_ms={} error=\"{}\"", pause.count(),
              status.ToString());
    if (!Clock::Real().SleepFor(pause, ctx.stop)) return CancelledError();
  }
}

Status Unexpected(const std::string& what) {
  return InternalError("the source answered a query " + what).WithOrigin(Origin::kMilvus);
}

}  // namespace

Result<milvus::Client*> WiderClient::Get(const CallContext& ctx) {
  const std::scoped_lock lock(mutex_);
  if (client_ == nullptr) {
    MB_ASSIGN_OR_RETURN(client_, connect_(ctx));
  }
  return client_.get();
}

milvus::QueryRequest CollectionReader::Request(const std::string& partition,
                                               std::string expr) const {
  milvus::QueryRequest request{.db_name = place_.db,
                               .collection_name = place_.name,
                               .expr = std::move(expr),
                               .guarantee_timestamp = timestamp_};
  if (!partition.empty()) request.partition_names = {partition};
  return request;
}

Result<uint64_t> CollectionReader::Count(const CallContext& ctx) const {
  milvus::QueryRequest request = Request("", "");
  request.guarantee_timestamp = 0;
  request.output_fields = {"count(*)"};
  MB_ASSIGN_OR_RETURN(const std::vector<Column> columns, WithPatience(ctx, patience_, [&] {
                        return place_.client->Query(ctx, request);
                      }));
  uint64_t count = 0;
  if (columns.size() != 1 || columns[0].fixed.size() != sizeof(count)) {
    return Unexpected("for the number of rows without one");
  }
  std::memcpy(&count, columns[0].fixed.data(), sizeof(count));
  return count;
}

Result<std::vector<RowKey>> CollectionReader::NextKeys(const CallContext& ctx,
                                                       const std::string& partition,
                                                       const std::optional<RowKey>& after,
                                                       int64_t limit) const {
  milvus::QueryRequest request = Request(partition, rows_.key.After(after));
  request.output_fields = {rows_.key.name()};
  std::vector<Column> columns;
  for (request.limit = limit;; request.limit /= 2) {
    auto answer = WithPatience(ctx, patience_, [&] { return place_.client->Query(ctx, request); });
    if (answer.ok()) {
      columns = *std::move(answer);
      break;
    }
    if (!IsTooLarge(answer.status()) || request.limit <= 1) return answer.status();
  }
  std::vector<RowKey> keys;
  const auto column = std::ranges::find(columns, rows_.key.name(), &Column::field_name);
  if (column == columns.end()) {
    if (columns.empty()) return keys;
    return Unexpected("without the primary key");
  }
  keys.reserve(column->rows);
  for (size_t row = 0; row < column->rows; ++row) keys.push_back(rows_.key.At(*column, row));
  std::ranges::sort(keys);
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  if (!keys.empty() && after && keys.front() <= *after) return Unexpected("with other rows");
  return keys;
}

Result<std::vector<Column>> CollectionReader::Query(const CallContext& ctx, milvus::Client& client,
                                                    const milvus::QueryRequest& request) const {
  MB_ASSIGN_OR_RETURN(std::vector<Column> found,
                      WithPatience(ctx, patience_, [&] { return client.Query(ctx, request); }));
  std::vector<Column> columns;
  columns.reserve(rows_.fields.size());
  for (const milvus::FieldSchema& field : rows_.fields) {
    const auto column = std::ranges::find_if(found, [&](const Column& each) {
      return field.is_dynamic ? each.is_dynamic : each.field_name == field.name;
    });
    if (column == found.end()) {
      if (found.empty()) return columns;
      return Unexpected("without field " + field.name);
    }
    if (column->rows > 0 && column->data_type != field.data_type) {
      return Unexpected("with another type for field " + field.name);
    }
    column->field_name = field.name;
    column->element_type = field.element_type;
    columns.push_back(std::move(*column));
  }
  return columns;
}

Result<std::vector<Column>> CollectionReader::QueryAlone(
    const CallContext& ctx, const milvus::QueryRequest& request) const {
  auto columns = Query(ctx, *place_.client, request);
  if (columns.ok() || place_.wider == nullptr || !IsLargerThanTaken(columns.status())) {
    return columns;
  }
  MB_ASSIGN_OR_RETURN(milvus::Client* const wider, place_.wider->Get(ctx));
  return Query(ctx, *wider, request);
}

Status CollectionReader::Read(const CallContext& ctx, const std::string& partition,
                              const KeyRange& range, size_t expected, const Sink& sink) const {
  milvus::QueryRequest request = Request(partition, rows_.key.In(range));
  for (const milvus::FieldSchema& field : rows_.fields) request.output_fields.push_back(field.name);
  auto columns = Query(ctx, *place_.client, request);
  if (columns.ok()) return columns->empty() ? Status::Ok() : sink(*std::move(columns));
  if (!IsTooLarge(columns.status())) return columns.status();
  const auto half = static_cast<int64_t>(std::max<size_t>(expected / 2, 1));
  return ReadInPages(ctx, partition, range, std::min(half, kMaxPageRows), sink);
}

Status CollectionReader::ReadInPages(const CallContext& ctx, const std::string& partition,
                                     KeyRange range, int64_t limit, const Sink& sink) const {
  while (true) {
    milvus::QueryRequest request = Request(partition, rows_.key.In(range));
    for (const milvus::FieldSchema& field : rows_.fields) {
      request.output_fields.push_back(field.name);
    }
    request.limit = limit;
    auto columns = limit == 1 ? QueryAlone(ctx, request) : Query(ctx, *place_.client, request);
    if (!columns.ok()) {
      if (!IsTooLarge(columns.status()) || limit == 1) return columns.status();
      limit /= 2;
      continue;
    }
    if (columns->empty() || columns->front().rows == 0) return Status::Ok();
    const Column& keys = KeyColumn(*columns);
    RowKey last = rows_.key.At(keys, 0);
    for (size_t row = 1; row < keys.rows; ++row) last = std::max(last, rows_.key.At(keys, row));
    MB_RETURN_IF_ERROR(sink(*std::move(columns)));
    if (last == range.upto) return Status::Ok();
    range.after = last;
  }
}

Result<std::vector<Column>> CollectionReader::Fetch(const CallContext& ctx,
                                                    const std::string& partition,
                                                    const std::vector<RowKey>& keys) const {
  milvus::QueryRequest request = Request(partition, rows_.key.AmongThese(keys));
  for (const milvus::FieldSchema& field : rows_.fields) request.output_fields.push_back(field.name);
  if (keys.size() == 1) return QueryAlone(ctx, request);
  auto columns = Query(ctx, *place_.client, request);
  if (columns.ok() || !IsTooLarge(columns.status()) || keys.empty()) return columns;
  const auto middle = keys.begin() + static_cast<std::ptrdiff_t>(keys.size() / 2);
  MB_ASSIGN_OR_RETURN(std::vector<Column> first,
                      Fetch(ctx, partition, std::vector<RowKey>(keys.begin(), middle)));
  MB_ASSIGN_OR_RETURN(std::vector<Column> second,
                      Fetch(ctx, partition, std::vector<RowKey>(middle, keys.end())));
  return Joined(std::move(first), std::move(second));
}

Result<uint64_t> CollectionReader::CountKeys(const CallContext& ctx, const std::string& partition,
                                             int64_t keys_per_page) const {
  uint64_t count = 0;
  std::optional<RowKey> after;
  while (true) {
    MB_ASSIGN_OR_RETURN(const std::vector<RowKey> keys,
                        NextKeys(ctx, partition, after, keys_per_page));
    if (keys.empty()) return count;
    count += keys.size();
    after = keys.back();
  }
}

const Column& CollectionReader::KeyColumn(const std::vector<Column>& columns) const {
  return *std::ranges::find(columns, rows_.key.name(), &Column::field_name);
}

Status CollectionWriter::Write(const CallContext& ctx, const std::string& partition,
                               std::vector<Column> columns, bool may_be_there) {
  if (!rows_.keeps_keys) {
    std::erase_if(columns, [&](const Column& each) { return each.field_name == rows_.key.name(); });
  }
  milvus::InsertRequest request{
      .db_name = place_.db, .collection_name = place_.name, .partition_name = partition};
  const auto stretches = CutByBytes(columns, rules_.max_bytes);
  if (stretches.size() == 1) {
    request.columns = std::move(columns);
    return WriteOne(ctx, request, may_be_there);
  }
  for (const auto& [begin, end] : stretches) {
    request.columns = RowsOf(columns, begin, end);
    MB_RETURN_IF_ERROR(WriteOne(ctx, request, may_be_there));
  }
  return Status::Ok();
}

Status CollectionWriter::WriteOne(const CallContext& ctx, const milvus::InsertRequest& request,
                                  bool may_be_there) {
  const size_t rows = request.columns.front().rows;
  if (rules_.upsert || (may_be_there && rows_.keeps_keys)) {
    if (may_be_there) repeated_ += rows;
    return Upsert(ctx, request);
  }
  const auto inserted = place_.client->Insert(ctx, request);
  if (inserted.ok()) {
    if (std::cmp_equal(*inserted, rows)) return Status::Ok();
    return InternalError(fmt::format("the target has taken {} of {} rows", *inserted, rows))
        .WithOrigin(Origin::kMilvus);
  }
  if (!MayPass(inserted.status())) return inserted.status();
  if (!rows_.keeps_keys) {
    return Status(Code::kAborted, "nobody can tell whether rows were taken that get new keys: " +
                                      inserted.status().message())
        .WithOrigin(Origin::kMilvus)
        .WithAdvice("run the same command again: it tells how to go on");
  }
  log::Warn("msg=\"rows are sent again\" rows={} error=\"{}\"", rows, inserted.status().ToString());
  repeated_ += rows;
  return Upsert(ctx, request);
}

Status CollectionWriter::Upsert(const CallContext& ctx, const milvus::InsertRequest& request) {
  const auto upserted =
      WithPatience(ctx, rules_.patience, [&] { return place_.client->Upsert(ctx, request); });
  return upserted.status();
}

}  // namespace milvus_backup::migration
