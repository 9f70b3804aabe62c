#include "log_builder.h"

namespace milvus_backup::testing {
namespace {

constexpr int kInt64Type = 6;
constexpr int kTextType = 8;
constexpr int kListType = 9;
constexpr int kStructType = 12;

std::string Varint(uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7U) bytes += static_cast<char>(value | 0x80U);
  return bytes += static_cast<char>(value);
}

std::string Zigzag(int64_t value) {
  return Varint((static_cast<uint64_t>(value) << 1U) ^ static_cast<uint64_t>(value >> 63U));
}

std::string MakeEventHeader(int type, size_t offset, size_t length) {
  return Le(uint64_t{470629250807000000}) + static_cast<char>(type) +
         Le(static_cast<int32_t>(length)) + Le(static_cast<int32_t>(offset + length));
}

ThriftStruct SchemaOf(const ColumnSpec& column) {
  ThriftStruct element;
  element.Int(1, column.type);
  if (column.type_length > 0) element.Int(2, column.type_length);
  return element.Int(3, column.optional ? 1 : 0).Text(4, column.name);
}

}  // namespace

void ThriftStruct::Header(int id, int type) {
  const int delta = id - last_id_;
  bytes_ += static_cast<char>(static_cast<unsigned>(delta) << 4U | static_cast<unsigned>(type));
  last_id_ = id;
}

ThriftStruct& ThriftStruct::Int(int id, int64_t value) {
  Header(id, kInt64Type);
  bytes_ += Zigzag(value);
  return *this;
}

ThriftStruct& ThriftStruct::Text(int id, std::string_view value) {
  Header(id, kTextType);
  (bytes_ += Varint(value.size())) += value;
  return *this;
}

ThriftStruct& ThriftStruct::Struct(int id, const ThriftStruct& value) {
  Header(id, kStructType);
  bytes_ += value.Bytes();
  return *this;
}

ThriftStruct& ThriftStruct::List(int id, const std::vector<ThriftStruct>& values) {
  Header(id, kListType);
  bytes_ += static_cast<char>(0xF0U | static_cast<unsigned>(kStructType));
  bytes_ += Varint(values.size());
  for (const ThriftStruct& value : values) bytes_ += value.Bytes();
  return *this;
}

std::string MakePage(const PageSpec& page) {
  const auto size = static_cast<int64_t>(page.content.size());
  ThriftStruct header;
  header.Int(1, page.type).Int(2, size).Int(3, size);
  const ThriftStruct counts = ThriftStruct().Int(1, page.values).Int(2, page.encoding);
  header.Struct(page.type == 0 ? 5 : 7, counts);
  return header.Bytes() + page.content;
}

std::string MakeParquet(const std::vector<ColumnSpec>& columns) {
  std::string file = "PAR1";
  const int64_t rows = columns.front().rows;
  std::vector<ThriftStruct> schema = {
      ThriftStruct().Int(3, 2).Text(4, "schema").Int(5, static_cast<int64_t>(columns.size()))};
  std::vector<ThriftStruct> chunks;
  for (const ColumnSpec& column : columns) {
    const auto begin = static_cast<int64_t>(file.size());
    for (const PageSpec& page : column.pages) file += MakePage(page);
    const auto size = static_cast<int64_t>(file.size()) - begin;
    schema.push_back(SchemaOf(column));
    const ThriftStruct meta = ThriftStruct()
                                  .Int(1, column.type)
                                  .Int(4, 0)
                                  .Int(5, column.rows)
                                  .Int(6, size)
                                  .Int(7, size)
                                  .Int(9, begin);
    chunks.push_back(ThriftStruct().Int(2, 0).Struct(3, meta));
  }
  const std::vector<ThriftStruct> groups = {ThriftStruct().List(1, chunks).Int(3, rows)};
  const std::string footer =
      ThriftStruct().Int(1, 2).List(2, schema).Int(3, rows).List(4, groups).Bytes();
  return file + footer + Le(static_cast<uint32_t>(footer.size())) + "PAR1";
}

std::string MakeContainer(const ContainerSpec& spec) {
  std::string file = Le(uint32_t{0x00fffabc});
  file += MakeEventHeader(0, 4, 81 + spec.extras.size());
  for (const int64_t id : {spec.collection_id, spec.partition_id, spec.segment_id, spec.field_id}) {
    file += Le(id);
  }
  file += Le(uint64_t{0}) + Le(uint64_t{0}) + Le(static_cast<int32_t>(spec.payload_type));
  file += "\x34\x10\x10\x10\x10\x10\x10\x10";
  file += Le(static_cast<int32_t>(spec.extras.size())) + spec.extras;
  for (const std::string& payload : spec.payloads) {
    file += MakeEventHeader(spec.event_type, file.size(), 33 + payload.size());
    file += Le(uint64_t{1}) + Le(uint64_t{1}) + payload;
  }
  return file;
}

std::string PlainText(std::string_view text) {
  return Le(static_cast<uint32_t>(text.size())).append(text);
}

std::string MakeDeltaLog(const std::vector<std::string>& rows) {
  const auto count = static_cast<int64_t>(rows.size());
  std::string content;
  for (const std::string& row : rows) content += PlainText(row);
  const ColumnSpec column = {
      .type = 6, .rows = count, .pages = {{.values = count, .content = content}}};
  return MakeContainer(
      {.field_id = -1, .payload_type = 20, .event_type = 2, .payloads = {MakeParquet({column})}});
}

}  // namespace milvus_backup::testing
