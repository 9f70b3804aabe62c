#include "support/fake_milvus_rows.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <map>
#include <optional>
#include <set>
#include <string_view>

namespace milvus_backup::testing {
namespace {

namespace data_type = milvus::data_type;
using milvus::Column;
using milvus::FieldSchema;

constexpr char kDynamicField[] = "$meta";
constexpr int64_t kMaxWindow = 16384;

Refusal BadRequest(const std::string& reason) {
  return {.code = 1100, .error_code = 5, .reason = reason + ": invalid parameter"};
}

size_t NumberOf(const FieldSchema& field, std::string_view key) {
  for (const milvus::KeyValue& param : field.type_params) {
    if (param.key == key) return std::stoul(param.value);
  }
  return 0;
}

bool HasPartitionKey(const FakeCollection& collection) {
  return std::ranges::any_of(collection.info.schema.fields, &FieldSchema::is_partition_key);
}

const FieldSchema& KeyOf(const FakeCollection& collection) {
  return *std::ranges::find(collection.info.schema.fields, true, &FieldSchema::is_primary_key);
}

size_t WidthOf(const FieldSchema& field) {
  switch (field.data_type) {
    case data_type::kBool:
      return 1;
    case data_type::kInt8:
    case data_type::kInt16:
    case data_type::kInt32:
    case data_type::kFloat:
      return 4;
    case data_type::kInt64:
    case data_type::kDouble:
      return 8;
    case data_type::kBinaryVector:
      return NumberOf(field, "dim") / 8;
    case data_type::kFloatVector:
      return NumberOf(field, "dim") * 4;
    default:
      return 0;
  }
}

std::string ValueOf(const Column& column, size_t row) {
  return column.width > 0 ? column.fixed.substr(row * column.width, column.width)
                          : column.texts.at(row);
}

Refusal CheckColumn(const FieldSchema& field, const Column& column, size_t rows) {
  if (column.rows != rows) return BadRequest("num_rows of a column is wrong: " + field.name);
  if (column.data_type != field.data_type || column.width != WidthOf(field)) {
    return BadRequest("data type or dimension of field " + field.name + " does not match");
  }
  if (field.data_type == data_type::kArray && column.element_type != field.element_type) {
    return BadRequest("element type of field " + field.name + " does not match");
  }
  const size_t longest = NumberOf(field, "max_length");
  for (const std::string& text : column.texts) {
    if (field.data_type == data_type::kVarChar && text.size() > longest) {
      return BadRequest("the length of string exceeds max length of field " + field.name);
    }
    if (field.data_type == data_type::kArray && text.empty()) {
      return BadRequest("insert data does not match element type of field " + field.name);
    }
  }
  return {};
}

/// The columns by field; refuses missing ones and those nobody asked for.
Refusal SortColumns(const FakeCollection& collection, const FakeWrite& write,
                    std::map<std::string, const Column*>& sorted) {
  const milvus::CollectionSchema& schema = collection.info.schema;
  for (const Column& column : write.columns) {
    const std::string name = column.is_dynamic ? kDynamicField : column.field_name;
    const auto field = std::ranges::find(schema.fields, name, &FieldSchema::name);
    if (field == schema.fields.end() && !(column.is_dynamic && schema.enable_dynamic_field)) {
      return BadRequest("field " + name + " not exist");
    }
    if (field != schema.fields.end()) {
      if (field->auto_id) return BadRequest("autoID is enabled, no data for field " + name);
      const Refusal refusal = CheckColumn(*field, column, write.rows);
      if (!refusal.ok()) return refusal;
    }
    sorted[name] = &column;
  }
  for (const FieldSchema& field : schema.fields) {
    if (!field.auto_id && !field.is_dynamic && !sorted.contains(field.name)) {
      return BadRequest("the data of field " + field.name + " is missing");
    }
  }
  return {};
}

/// A key in the order Milvus has.
struct Key {
  int64_t number = 0;
  std::string text;
  friend auto operator<=>(const Key&, const Key&) = default;
};

Key ToKey(const FieldSchema& field, const std::string& value) {
  if (field.data_type == data_type::kVarChar) return {.text = value};
  Key key;
  std::memcpy(&key.number, value.data(), sizeof(key.number));
  return key;
}

/// Reads a condition; stops at what it does not know.
class ConditionReader {
 public:
  ConditionReader(const FieldSchema& key, std::string_view text) : key_(key), left_(text) {}

  /// Whether the whole text was understood.
  bool Read() {
    while (!Word("")) {
      if (!Word(key_.name) || !ReadOne()) return false;
      if (!Word("&&") && !Word("and") && !left_.empty()) return false;
    }
    return true;
  }

  bool Matches(const Key& key) const {
    return std::ranges::all_of(tests_, [&](const auto& test) { return test(key); });
  }

 private:
  /// Skip blanks and the word; an empty word stands for the end.
  bool Word(std::string_view word) {
    while (left_.starts_with(' ')) left_.remove_prefix(1);
    if (word.empty()) return left_.empty();
    if (!left_.starts_with(word)) return false;
    left_.remove_prefix(word.size());
    return true;
  }

  bool ReadOne() {
    if (Word("in")) return ReadList();
    const std::vector<std::pair<std::string_view, std::function<bool(const Key&, const Key&)>>>
        operators = {{">=", std::greater_equal<>()},
                     {"<=", std::less_equal<>()},
                     {"==", std::equal_to<>()},
                     {">", std::greater<>()},
                     {"<", std::less<>()}};
    for (const auto& [word, compare] : operators) {
      if (!Word(word)) continue;
      const auto value = ReadValue();
      if (!value) return false;
      tests_.push_back(
          [compare = compare, limit = *value](const Key& key) { return compare(key, limit); });
      return true;
    }
    return false;
  }

  bool ReadList() {
    std::set<Key> keys;
    if (!Word("[")) return false;
    while (!Word("]")) {
      const auto value = ReadValue();
      if (!value) return false;
      keys.insert(*value);
      if (!Word(",") && !left_.starts_with(']')) return false;
    }
    tests_.push_back([keys](const Key& key) { return keys.contains(key); });
    return true;
  }

  std::optional<Key> ReadValue() {
    Word(" ");
    Key key;
    if (key_.data_type != data_type::kVarChar) {
      const auto read = std::from_chars(left_.data(), left_.data() + left_.size(), key.number);
      if (read.ec != std::errc()) return std::nullopt;
      left_.remove_prefix(static_cast<size_t>(read.ptr - left_.data()));
      return key;
    }
    if (!Word("\"")) return std::nullopt;
    while (!left_.empty() && left_.front() != '"') {
      const auto next = ReadCharacter();
      if (!next) return std::nullopt;
      key.text += *next;
    }
    if (left_.empty()) return std::nullopt;
    left_.remove_prefix(1);
    return key;
  }

  /// One of a Go string literal: control characters come escaped.
  std::optional<char> ReadCharacter() {
    const char first = left_.front();
    left_.remove_prefix(1);
    if (first != '\\')
      return static_cast<unsigned char>(first) < 0x20 ? std::nullopt : std::optional(first);
    if (left_.empty()) return std::nullopt;
    const char second = left_.front();
    left_.remove_prefix(1);
    if (second == '"' || second == '\\') return second;
    unsigned value = 0;
    if (second != 'x' || left_.size() < 2) return std::nullopt;
    if (std::from_chars(left_.data(), left_.data() + 2, value, 16).ptr != left_.data() + 2) {
      return std::nullopt;
    }
    left_.remove_prefix(2);
    return static_cast<char>(value);
  }

  const FieldSchema& key_;
  std::string_view left_;
  std::vector<std::function<bool(const Key&)>> tests_;
};

using Found = std::vector<std::pair<Key, const FakeRow*>>;

Refusal Select(const FakeCollection& collection, const milvus::QueryRequest& request,
               Found& found) {
  const FieldSchema& key = KeyOf(collection);
  ConditionReader condition(key, request.expr);
  if (!condition.Read()) {
    return BadRequest("failed to create query plan: cannot parse expression: " + request.expr);
  }
  for (const std::string& name : request.partition_names) {
    if (std::ranges::count(collection.partitions, name, &milvus::Partition::name) == 0) {
      return {.code = 200, .error_code = 1, .reason = "partition name " + name + " not found"};
    }
  }
  for (const auto& [partition, rows] : collection.rows) {
    if (!request.partition_names.empty() &&
        std::ranges::count(request.partition_names, partition) == 0) {
      continue;
    }
    for (const FakeRow& row : rows) {
      Key of_row = ToKey(key, row.at(key.name));
      if (condition.Matches(of_row)) found.emplace_back(std::move(of_row), &row);
    }
  }
  std::ranges::stable_sort(found, {}, &Found::value_type::first);
  return {};
}

Column Gather(const FieldSchema& field, const Found& found) {
  Column column{.field_name = field.name,
                .data_type = field.data_type,
                .element_type = field.element_type,
                .is_dynamic = field.is_dynamic,
                .rows = found.size(),
                .width = WidthOf(field)};
  for (const auto& [key, row] : found) {
    const auto value = row->find(field.name);
    const std::string bytes = value == row->end() ? "" : value->second;
    if (column.width > 0) {
      column.fixed += bytes;
    } else {
      // An array without elements is answered without its kind.
      const bool is_empty_array = field.data_type == data_type::kArray && bytes.size() == 2;
      column.texts.push_back(is_empty_array ? "" : bytes);
    }
  }
  return column;
}

}  // namespace

Refusal WriteRows(FakeCollection& collection, const FakeWrite& write,
                  const std::function<int64_t()>& new_key) {
  const FieldSchema& key = KeyOf(collection);
  if (write.is_upsert && key.auto_id) {
    return BadRequest("upsert can not assign primary field data when auto id enabled " + key.name);
  }
  if (!write.partition.empty() && HasPartitionKey(collection)) {
    return BadRequest(
        "not support manually specifying the partition names if partition key mode is used");
  }
  std::string partition = write.partition.empty() ? "_default" : write.partition;
  // Which one a key leads to is the server's own business.
  if (HasPartitionKey(collection)) partition = collection.partitions.front().name;
  if (std::ranges::count(collection.partitions, partition, &milvus::Partition::name) == 0) {
    return {
        .code = 200, .error_code = 1, .reason = "partition not found[partition=" + partition + "]"};
  }
  std::map<std::string, const Column*> sorted;
  if (const Refusal refusal = SortColumns(collection, write, sorted); !refusal.ok()) return refusal;
  std::vector<FakeRow>& rows = collection.rows[partition];
  for (size_t row = 0; row < write.rows; ++row) {
    FakeRow values;
    for (const auto& [name, column] : sorted) values[name] = ValueOf(*column, row);
    if (key.auto_id) {
      const int64_t id = new_key();
      values[key.name] = std::string(reinterpret_cast<const char*>(&id), sizeof(id));
    }
    if (write.is_upsert) {
      std::erase_if(rows, [&](const FakeRow& old) { return old.at(key.name) == values[key.name]; });
    }
    rows.push_back(std::move(values));
  }
  return {};
}

Refusal FindRows(const FakeCollection& collection, const milvus::QueryRequest& request,
                 size_t max_rows, std::vector<Column>& found) {
  const bool counts = request.output_fields == std::vector<std::string>{"count(*)"};
  if (request.expr.empty() && request.limit == 0 && !counts) {
    return BadRequest("empty expression should be used with limit");
  }
  if (request.limit > kMaxWindow) {
    return {.code = 65535, .error_code = 1, .reason = "invalid max query result window"};
  }
  Found rows;
  if (const Refusal refusal = Select(collection, request, rows); !refusal.ok()) return refusal;
  if (counts) {
    const auto count = static_cast<int64_t>(rows.size());
    found.push_back({.field_name = "count(*)",
                     .data_type = data_type::kInt64,
                     .rows = 1,
                     .width = sizeof(count),
                     .fixed = std::string(reinterpret_cast<const char*>(&count), sizeof(count))});
    return {};
  }
  // Of rows with one key the newest is answered.
  std::ranges::reverse(rows);
  rows.erase(std::unique(rows.begin(), rows.end(),
                         [](const auto& a, const auto& b) { return a.first == b.first; }),
             rows.end());
  std::ranges::reverse(rows);
  if (request.limit > 0 && rows.size() > static_cast<size_t>(request.limit)) {
    rows.resize(static_cast<size_t>(request.limit));
  }
  if (max_rows > 0 && rows.size() > max_rows && request.output_fields.size() > 1) {
    return {.code = 65535,
            .error_code = 1,
            .reason = "query results exceed the maxOutputSize Limit 104857600"};
  }
  FieldSchema dynamic{.name = kDynamicField, .data_type = data_type::kJson, .is_dynamic = true};
  for (const std::string& name : request.output_fields) {
    const auto& fields = collection.info.schema.fields;
    const auto field = std::ranges::find(fields, name, &FieldSchema::name);
    if (field == fields.end() && name != kDynamicField)
      return BadRequest("field " + name + " not exist");
    found.push_back(Gather(field == fields.end() ? dynamic : *field, rows));
  }
  return {};
}

}  // namespace milvus_backup::testing
