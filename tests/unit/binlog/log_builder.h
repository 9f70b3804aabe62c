/// Builds logs byte by byte, as reference texts describe them and independent of the code under
/// test: Thrift's compact protocol, pages without compression, containers.
#pragma once

#include "milvus_backup/base/bytes.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace milvus_backup::testing {

/// `value` in little-endian.
template <typename T>
std::string Le(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof(value)};
}

/// A Thrift struct being written: fields by ascending id.
class ThriftStruct {
 public:
  ThriftStruct& Int(int id, int64_t value);
  ThriftStruct& Text(int id, std::string_view value);
  ThriftStruct& Struct(int id, const ThriftStruct& value);
  ThriftStruct& List(int id, const std::vector<ThriftStruct>& values);
  /// With the byte that ends it.
  std::string Bytes() const { return bytes_ + '\0'; }

 private:
  void Header(int id, int type);
  std::string bytes_;
  int last_id_ = 0;
};

struct PageSpec {
  /// 0 data, 2 dictionary.
  int type = 0;
  int encoding = 0;
  int64_t values = 0;
  std::string content{};
};
/// Header and content of an uncompressed page.
std::string MakePage(const PageSpec& page);

struct ColumnSpec {
  std::string name = "val";
  /// Number of a PhysicalType.
  int type = 2;
  int type_length = 0;
  bool optional = false;
  int64_t rows = 0;
  std::vector<PageSpec> pages{};
};
/// A Parquet file of one row group.
std::string MakeParquet(const std::vector<ColumnSpec>& columns);

struct ContainerSpec {
  int64_t collection_id = 1;
  int64_t partition_id = 2;
  int64_t segment_id = 3;
  int64_t field_id = 100;
  int payload_type = 5;
  std::string extras = R"({"original_size":"8"})";
  int event_type = 1;
  /// One event each.
  std::vector<std::string> payloads{};
};
std::string MakeContainer(const ContainerSpec& spec);

/// A delta log with these rows as one column of texts.
std::string MakeDeltaLog(const std::vector<std::string>& rows);
/// A length and the bytes, as PLAIN stores texts.
std::string PlainText(std::string_view text);

}  // namespace milvus_backup::testing
