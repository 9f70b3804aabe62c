/// Thrift's compact protocol, as far as Parquet needs it. Errors stick: after one, every call
/// returns zero or false and ok() is false.
#pragma once

#include "milvus_backup/base/bytes.h"

#include <cstddef>
#include <cstdint>

namespace milvus_backup::binlog {

class ThriftReader {
 public:
  enum class Error { kNone, kTruncated, kMalformed };

  struct Field {
    int32_t id = 0;
    uint8_t type = 0;
  };

  explicit ThriftReader(ByteView bytes) : bytes_(bytes) {}

  bool ok() const { return error_ == Error::kNone; }
  Error error() const { return error_; }
  /// Bytes read so far.
  size_t position() const { return position_; }

  /// Call `on_field` for every field of a struct, which must read it or Skip it.
  template <typename OnField>
  void ReadStruct(const OnField& on_field) {
    if (!Enter()) return;
    const int32_t outer_id = last_id_;
    last_id_ = 0;
    for (Field field; NextField(field);) on_field(field);
    last_id_ = outer_id;
    --depth_;
  }

  /// Call `on_element` for every element of a list of structs, until it returns false. What is read
  /// after that means nothing.
  template <typename OnElement>
  void ReadStructList(const Field& field, const OnElement& on_element) {
    for (size_t left = ListSize(field, kStruct); left > 0 && ok(); --left) {
      if (!on_element()) Fail(Error::kMalformed);
    }
  }

  /// An integer of any width.
  int64_t ReadInt(const Field& field);
  /// Not below 0.
  uint64_t ReadCount(const Field& field);
  /// Points into the bytes given to the constructor.
  ByteView ReadBinary(const Field& field);
  void Skip(const Field& field) { SkipValue(field.type, false); }

 private:
  static constexpr uint8_t kTrue = 1;
  static constexpr uint8_t kFalse = 2;
  static constexpr uint8_t kByte = 3;
  static constexpr uint8_t kI16 = 4;
  static constexpr uint8_t kI64 = 6;
  static constexpr uint8_t kDouble = 7;
  static constexpr uint8_t kBinary = 8;
  static constexpr uint8_t kList = 9;
  static constexpr uint8_t kSet = 10;
  static constexpr uint8_t kStruct = 12;
  static constexpr int kMaxDepth = 16;

  bool Enter();
  bool NextField(Field& field);
  /// Checks the type of the elements.
  size_t ListSize(const Field& field, uint8_t element_type);
  size_t ListHeader(uint8_t& element_type);
  uint8_t ReadByte();
  uint64_t ReadVarint();
  ByteView ReadBytes(uint64_t length);
  void SkipValue(uint8_t type, bool in_list);
  void Fail(Error error);

  ByteView bytes_;
  size_t position_ = 0;
  int depth_ = 0;
  int32_t last_id_ = 0;
  Error error_ = Error::kNone;
};

}  // namespace milvus_backup::binlog
