#include "trial_rows.h"

#include "milvus_backup/meta/layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <span>
#include <utility>

namespace milvus_backup::backup {
namespace {

using binlog::DataType;
using binlog::PhysicalType;
using RowsByKey = std::map<std::string, std::vector<std::string>>;

/// Rows of a query: few enough that answers with the widest vectors stay within the 64 MiB that
/// Milvus sends at most.
constexpr size_t kRowsPerQuery = 50;

bool CanBeAskedFor(const meta::FieldSchema& field) {
  const auto type = static_cast<DataType>(field.data_type);
  const bool is_known = (type >= DataType::kBool && type <= DataType::kInt64) ||
                        type == DataType::kFloat || type == DataType::kDouble ||
                        (type >= DataType::kString && type <= DataType::kJson) ||
                        type == DataType::kTimestamptz ||
                        (type >= DataType::kBinaryVector && type <= DataType::kInt8Vector);
  return is_known && !field.is_function_output;
}

/// As AppendJson. Servers return an array without elements as no bytes at all.
Status AppendValue(std::string& out, const ShownField& field, const Cell& cell) {
  const bool is_array = field.type == DataType::kArray && !cell.IsNull() &&
                        cell.batch->type == PhysicalType::kByteArray;
  if (is_array && cell.batch->texts[cell.row].empty()) {
    out += "[]";
    return Status::Ok();
  }
  return AppendJson(out, field, cell);
}

/// A column of an answer in the form that logs are read in.
class AnsweredColumn {
 public:
  AnsweredColumn(const milvus::Column& column, DataType type)
      : texts_(column.texts.begin(), column.texts.end()) {
    batch_ = {.type = binlog::PhysicalTypeOf(type).value_or(PhysicalType::kByteArray),
              .rows = column.rows,
              .width = column.width,
              .fixed = AsBytes(column.fixed),
              .texts = texts_,
              .nulls = column.nulls};
    const bool fits = (batch_.type == PhysicalType::kByteArray) == (column.width == 0);
    fits_ = fits || column.rows == 0;
  }
  AnsweredColumn(const AnsweredColumn&) = delete;
  AnsweredColumn& operator=(const AnsweredColumn&) = delete;
  ~AnsweredColumn() = default;

  Status Append(std::string& out, const ShownField& field, size_t row) const {
    if (!fits_) {
      return InternalError("the server returned values of another type for field " + field.name)
          .WithOrigin(Origin::kMilvus);
    }
    return AppendValue(out, field, {.batch = &batch_, .row = row});
  }

 private:
  std::vector<std::string_view> texts_;
  binlog::Batch batch_;
  bool fits_ = true;
};

/// Rows of a collection in the form that is compared.
class RowShape {
 public:
  static Result<RowShape> Of(const meta::CollectionBackup& collection) {
    RowShape shape;
    shape.fields_ = ComparedFields(collection.schema);
    MB_ASSIGN_OR_RETURN(const int64_t id, KeyFieldOf(collection));
    const auto key = std::ranges::find(shape.fields_, id, &ShownField::id);
    if (key == shape.fields_.end()) return DataLossError("the primary key is of an unknown type");
    shape.key_ = static_cast<size_t>(key - shape.fields_.begin());
    const std::vector<ShownField> all = ShownFieldsOf(collection.schema);
    for (const ShownField& field : shape.fields_) {
      const auto cell = std::ranges::find(all, field.name, &ShownField::name);
      shape.cells_.push_back(static_cast<size_t>(cell - all.begin()));
    }
    return shape;
  }

  const std::vector<ShownField>& fields() const { return fields_; }
  const ShownField& key_field() const { return fields_[key_]; }
  const std::string& KeyOf(const std::vector<std::string>& values) const { return values[key_]; }

  /// `cells` are those of ForEachLiveRow.
  Result<SampledRow> ToRow(const std::vector<Cell>& cells) const {
    SampledRow row;
    for (size_t i = 0; i < fields_.size(); ++i) {
      MB_RETURN_IF_ERROR(AppendValue(row.values.emplace_back(), fields_[i], cells[cells_[i]]));
    }
    row.key = row.values[key_];
    return row;
  }

 private:
  std::vector<ShownField> fields_;
  /// Of each field among the cells of a row.
  std::vector<size_t> cells_;
  /// Of the primary key among the fields.
  size_t key_ = 0;
};

class Comparer {
 public:
  Comparer(const CallContext& ctx, milvus::Client& client, const BackupLocation& backup,
           const meta::CollectionBackup& collection, const std::string& scratch,
           const RowShape& shape)
      : ctx_(ctx),
        client_(client),
        backup_(backup),
        collection_(collection),
        scratch_(scratch),
        shape_(shape) {}

  Result<std::vector<RowDifference>> Run(const std::vector<SampledRow>& sample) {
    RowsByKey found;
    for (size_t begin = 0; begin < sample.size(); begin += kRowsPerQuery) {
      const size_t count = std::min(kRowsPerQuery, sample.size() - begin);
      MB_RETURN_IF_ERROR(Ask(std::span(sample).subspan(begin, count), found));
    }
    std::map<std::string, const SampledRow*> different;
    for (const SampledRow& row : sample) {
      const auto other = found.find(row.key);
      if (other == found.end() || other->second != row.values) different[row.key] = &row;
    }
    MB_RETURN_IF_ERROR(LeaveOutTwins(found, different));
    std::vector<RowDifference> differences;
    for (const auto& [key, row] : different) Describe(*row, found, differences);
    return differences;
  }

 private:
  Status Ask(std::span<const SampledRow> rows, RowsByKey& found) {
    milvus::QueryRequest request{.db_name = std::string(meta::kDefaultDatabase),
                                 .collection_name = scratch_};
    request.expr = shape_.key_field().name + " in [";
    for (const SampledRow& row : rows) request.expr += (&row == &rows[0] ? "" : ",") + row.key;
    request.expr += "]";
    for (const ShownField& field : shape_.fields()) request.output_fields.push_back(field.name);
    MB_ASSIGN_OR_RETURN(const std::vector<milvus::Column> columns, client_.Query(ctx_, request));
    std::vector<std::vector<std::string>> values(columns.empty() ? 0 : columns.front().rows);
    for (const ShownField& field : shape_.fields()) {
      const auto column = std::ranges::find_if(columns, [&](const milvus::Column& each) {
        return each.field_name == field.name || (field.is_dynamic && each.is_dynamic);
      });
      if (column == columns.end() && !values.empty()) {
        return InternalError("the server did not return field " + field.name)
            .WithOrigin(Origin::kMilvus);
      }
      if (values.empty()) break;
      const AnsweredColumn answered(*column, field.type);
      for (size_t row = 0; row < values.size(); ++row) {
        MB_RETURN_IF_ERROR(answered.Append(values[row].emplace_back(), field, row));
      }
    }
    for (auto& row : values) {
      std::string key = shape_.KeyOf(row);
      found.insert_or_assign(std::move(key), std::move(row));
    }
    return Status::Ok();
  }

  /// Take out of `different` what the server has from another row of the backup with the same key.
  Status LeaveOutTwins(const RowsByKey& found,
                       std::map<std::string, const SampledRow*>& different) const {
    const bool may_have_twins = std::ranges::any_of(
        different, [&](const auto& each) { return found.contains(each.first); });
    if (!may_have_twins) return Status::Ok();
    const RowVisitor look = [&](const std::vector<Cell>& cells) -> Result<bool> {
      MB_ASSIGN_OR_RETURN(const SampledRow row, shape_.ToRow(cells));
      const auto other = found.find(row.key);
      if (other != found.end() && other->second == row.values) different.erase(row.key);
      return !different.empty();
    };
    return ForEachLiveRow(ctx_, backup_, collection_, look);
  }

  void Describe(const SampledRow& row, const RowsByKey& found,
                std::vector<RowDifference>& differences) const {
    const auto other = found.find(row.key);
    if (other == found.end()) {
      differences.push_back({.key = row.key, .field = "", .expected = "a row", .found = "nothing"});
      return;
    }
    for (size_t i = 0; i < row.values.size(); ++i) {
      if (row.values[i] == other->second[i]) continue;
      differences.push_back({.key = row.key,
                             .field = shape_.fields()[i].name,
                             .expected = row.values[i],
                             .found = other->second[i]});
    }
  }

 private:
  const CallContext& ctx_;
  milvus::Client& client_;
  const BackupLocation& backup_;
  const meta::CollectionBackup& collection_;
  const std::string& scratch_;
  const RowShape& shape_;
};

}  // namespace

std::vector<ShownField> ComparedFields(const meta::CollectionSchema& schema) {
  std::vector<ShownField> fields = ShownFieldsOf(schema);
  std::erase_if(fields, [&](const ShownField& field) {
    const auto found = std::ranges::find(schema.fields, field.id, &meta::FieldSchema::field_id);
    return found != schema.fields.end() && !CanBeAskedFor(*found);
  });
  return fields;
}

Result<std::vector<SampledRow>> SampleRows(const CallContext& ctx, const BackupLocation& backup,
                                           const meta::CollectionBackup& collection,
                                           uint64_t live_rows, uint64_t count) {
  std::vector<SampledRow> sample;
  count = std::min(count, live_rows);
  if (count == 0) return sample;
  MB_ASSIGN_OR_RETURN(const RowShape shape, RowShape::Of(collection));
  uint64_t carry = 0;
  const RowVisitor take = [&](const std::vector<Cell>& cells) -> Result<bool> {
    carry += count;
    if (carry < live_rows) return true;
    carry -= live_rows;
    MB_ASSIGN_OR_RETURN(SampledRow taken, shape.ToRow(cells));
    sample.push_back(std::move(taken));
    return sample.size() < count;
  };
  MB_RETURN_IF_ERROR(ForEachLiveRow(ctx, backup, collection, take));
  return sample;
}

Result<std::vector<RowDifference>> CompareRows(const CallContext& ctx, milvus::Client& client,
                                               const BackupLocation& backup,
                                               const meta::CollectionBackup& collection,
                                               const std::string& scratch,
                                               const std::vector<SampledRow>& sample) {
  if (sample.empty()) return std::vector<RowDifference>();
  MB_ASSIGN_OR_RETURN(const RowShape shape, RowShape::Of(collection));
  return Comparer(ctx, client, backup, collection, scratch, shape).Run(sample);
}

}  // namespace milvus_backup::backup
