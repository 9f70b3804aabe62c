#include "verify_segment.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace milvus_backup::backup {
namespace {

uint64_t DimOf(const meta::FieldSchema& field) {
  const auto param = std::ranges::find_if(
      field.type_params, [](const meta::KeyValue& each) { return each.key == "dim"; });
  uint64_t dim = 0;
  if (param == field.type_params.end()) return dim;
  std::from_chars(param->value.data(), param->value.data() + param->value.size(), dim);
  return dim;
}

}  // namespace

CollectionFacts::CollectionFacts(const meta::CollectionBackup& collection)
    : has_dynamic_field(collection.schema.enable_dynamic_field) {
  for (const meta::FieldSchema& field : collection.schema.fields) {
    fields.push_back({.field_id = field.field_id,
                      .name = field.name,
                      .type = static_cast<binlog::DataType>(field.data_type),
                      .element_type = static_cast<binlog::DataType>(field.element_type),
                      .dim = DimOf(field),
                      .is_primary_key = field.is_primary_key});
  }
}

SegmentCheck::SegmentCheck(const meta::SegmentBackup& segment,
                           std::shared_ptr<const CollectionFacts> facts)
    : segment_(segment), facts_(std::move(facts)), logs_left_(Logs().size()) {}

std::vector<SegmentLog> SegmentCheck::Logs() const {
  std::vector<SegmentLog> logs;
  for (const meta::LogEntry& log : segment_.binlogs.Entries()) {
    logs.push_back({.field_id = log.field_id, .log_id = log.log_id, .size = log.log_size});
  }
  for (const meta::LogEntry& log : segment_.deltalogs.Entries()) {
    logs.push_back({.log_id = log.log_id, .size = log.log_size, .is_delta = true});
  }
  return logs;
}

binlog::LogFacts SegmentCheck::FactsOf(const SegmentLog& log) const {
  return {.collection_id = segment_.collection_id,
          .partition_id = segment_.partition_id,
          .segment_id = segment_.segment_id,
          .field_id = log.field_id,
          .fields = &facts_->fields,
          .has_dynamic_field = facts_->has_dynamic_field};
}

void SegmentCheck::AddRows(const SegmentLog& log, const std::vector<binlog::ColumnFacts>& columns) {
  const std::scoped_lock lock(mutex_);
  for (const binlog::ColumnFacts& column : columns) {
    rows_[column.field_id][log.log_id] += column.rows;
  }
}

void SegmentCheck::MarkIncomplete() {
  const std::scoped_lock lock(mutex_);
  is_complete_ = false;
}

bool SegmentCheck::FinishLog() {
  const std::scoped_lock lock(mutex_);
  return --logs_left_ == 0;
}

// A field that was added later has fewer rows: its logs belong to the last of the others.
void SegmentCheck::CompareSums(std::vector<binlog::Finding>& findings) const {
  const auto expected = static_cast<uint64_t>(segment_.num_of_rows);
  size_t most_logs = 0;
  for (const auto& [field, logs] : rows_) most_logs = std::max(most_logs, logs.size());
  for (const auto& [field, logs] : rows_) {
    uint64_t rows = 0;
    for (const auto& [log, count] : logs) rows += count;
    if (rows == expected || (rows < expected && logs.size() < most_logs)) continue;
    findings.push_back({binlog::Severity::kError, fmt::format("rows of field {}", field),
                        std::to_string(expected), std::to_string(rows)});
  }
}

// Row i of every field's n-th log belongs together; shorter lists are aligned at their ends.
void SegmentCheck::CompareFiles(std::vector<binlog::Finding>& findings) const {
  const auto reference =
      std::ranges::max_element(rows_, {}, [](const auto& field) { return field.second.size(); });
  for (const auto& [field, logs] : rows_) {
    auto other = reference->second.rbegin();
    for (auto log = logs.rbegin(); log != logs.rend(); ++log, ++other) {
      if (log->second == other->second) continue;
      findings.push_back({binlog::Severity::kError,
                          fmt::format("rows of log {} of field {}", log->first, field),
                          fmt::format("{}, as in log {} of field {}", other->second, other->first,
                                      reference->first),
                          std::to_string(log->second)});
      break;
    }
  }
}

std::vector<binlog::Finding> SegmentCheck::Compare() const {
  const std::scoped_lock lock(mutex_);
  std::vector<binlog::Finding> findings;
  if (!is_complete_ || segment_.is_l0) return findings;
  if (rows_.empty()) {
    if (segment_.num_of_rows > 0) {
      findings.push_back({binlog::Severity::kError, "rows of the segment",
                          std::to_string(segment_.num_of_rows), "no logs"});
    }
    return findings;
  }
  for (const int64_t field : {binlog::kRowIdField, binlog::kTimestampField}) {
    if (rows_.contains(field)) continue;
    findings.push_back(
        {binlog::Severity::kError, fmt::format("logs of field {}", field), "one at least", "none"});
  }
  for (const binlog::FieldFacts& field : facts_->fields) {
    if (!field.is_primary_key || rows_.contains(field.field_id)) continue;
    findings.push_back(
        {binlog::Severity::kError, "logs of the primary key", "one at least", "none"});
  }
  CompareSums(findings);
  // Groups of packed segments were written together.
  CompareFiles(findings);
  return findings;
}

}  // namespace milvus_backup::backup
