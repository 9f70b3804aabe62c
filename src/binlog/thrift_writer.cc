#include "thrift_writer_internal.h"

#include "milvus_backup/base/status.h"

namespace milvus_backup::binlog {

void ThriftWriter::Varint(uint64_t value) {
  for (; value >= 0x80; value >>= 7U) bytes_ += static_cast<char>((value & 0x7FU) | 0x80U);
  bytes_ += static_cast<char>(value);
}

void ThriftWriter::Zigzag(int64_t value) {
  Varint((static_cast<uint64_t>(value) << 1U) ^ static_cast<uint64_t>(value >> 63));
}

void ThriftWriter::Binary(std::string_view value) {
  Varint(value.size());
  bytes_ += value;
}

void ThriftWriter::Header(int id, uint8_t type) {
  const int delta = id - last_id_;
  MB_CHECK(delta > 0 && delta < 16);
  bytes_ += static_cast<char>(static_cast<unsigned>(delta) << 4U | type);
  last_id_ = id;
}

void ThriftWriter::ListHeader(int id, uint8_t element_type, size_t size) {
  Header(id, kList);
  if (size < 15) {
    bytes_ += static_cast<char>(static_cast<unsigned>(size) << 4U | element_type);
    return;
  }
  bytes_ += static_cast<char>(0xF0U | element_type);
  Varint(size);
}

ThriftWriter& ThriftWriter::Number(int id, uint8_t type, int64_t value) {
  Header(id, type);
  Zigzag(value);
  return *this;
}

ThriftWriter& ThriftWriter::Text(int id, std::string_view value) {
  Header(id, kBinary);
  Binary(value);
  return *this;
}

ThriftWriter& ThriftWriter::Struct(int id, const ThriftWriter& value) {
  Header(id, kStruct);
  bytes_ += value.Bytes();
  return *this;
}

ThriftWriter& ThriftWriter::Structs(int id, const std::vector<ThriftWriter>& values) {
  ListHeader(id, kStruct, values.size());
  for (const ThriftWriter& value : values) bytes_ += value.Bytes();
  return *this;
}

ThriftWriter& ThriftWriter::I32s(int id, const std::vector<int32_t>& values) {
  ListHeader(id, kI32, values.size());
  for (const int32_t value : values) Zigzag(value);
  return *this;
}

ThriftWriter& ThriftWriter::Texts(int id, const std::vector<std::string_view>& values) {
  ListHeader(id, kBinary, values.size());
  for (const std::string_view value : values) Binary(value);
  return *this;
}

}  // namespace milvus_backup::binlog
