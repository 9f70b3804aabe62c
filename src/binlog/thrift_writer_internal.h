/// Writes Thrift's compact protocol, as far as Parquet needs it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace milvus_backup::binlog {

/// One struct; fields in ascending order of their ids, which are below 16 apart.
class ThriftWriter {
 public:
  ThriftWriter& I32(int id, int32_t value) { return Number(id, kI32, value); }
  ThriftWriter& I64(int id, int64_t value) { return Number(id, kI64, value); }
  ThriftWriter& Text(int id, std::string_view value);
  ThriftWriter& Struct(int id, const ThriftWriter& value);
  ThriftWriter& Structs(int id, const std::vector<ThriftWriter>& values);
  ThriftWriter& I32s(int id, const std::vector<int32_t>& values);
  ThriftWriter& Texts(int id, const std::vector<std::string_view>& values);

  /// With the byte that ends it.
  std::string Bytes() const { return bytes_ + '\0'; }

 private:
  static constexpr uint8_t kI32 = 5;
  static constexpr uint8_t kI64 = 6;
  static constexpr uint8_t kBinary = 8;
  static constexpr uint8_t kList = 9;
  static constexpr uint8_t kStruct = 12;

  ThriftWriter& Number(int id, uint8_t type, int64_t value);
  void Header(int id, uint8_t type);
  void ListHeader(int id, uint8_t element_type, size_t size);
  void Varint(uint64_t value);
  void Zigzag(int64_t value);
  void Binary(std::string_view value);

  std::string bytes_;
  int last_id_ = 0;
};

}  // namespace milvus_backup::binlog
