#include "thrift_internal.h"

#include <limits>

namespace milvus_backup::binlog {
namespace {

int64_t Unfold(uint64_t value) {
  return static_cast<int64_t>((value >> 1U) ^ ((value & 1U) != 0 ? ~uint64_t{0} : 0));
}

}  // namespace

void ThriftReader::Fail(Error error) {
  if (ok()) error_ = error;
}

bool ThriftReader::Enter() {
  if (!ok()) return false;
  if (depth_ == kMaxDepth) {
    Fail(Error::kMalformed);
    return false;
  }
  ++depth_;
  return true;
}

uint8_t ThriftReader::ReadByte() {
  const ByteView byte = ReadBytes(1);
  return byte.empty() ? 0 : static_cast<uint8_t>(byte.front());
}

ByteView ThriftReader::ReadBytes(uint64_t length) {
  if (!ok()) return {};
  if (length > bytes_.size() - position_) {
    Fail(Error::kTruncated);
    return {};
  }
  const ByteView view = bytes_.subspan(position_, length);
  position_ += length;
  return view;
}

uint64_t ThriftReader::ReadVarint() {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    const uint8_t byte = ReadByte();
    value |= uint64_t{byte & 0x7FU} << shift;
    if (byte < 0x80) return value;
  }
  Fail(Error::kMalformed);
  return 0;
}

bool ThriftReader::NextField(Field& field) {
  const uint8_t header = ReadByte();
  if (!ok() || header == 0) return false;
  const uint8_t delta = header >> 4U;
  const int64_t id = delta != 0 ? int64_t{last_id_} + delta : Unfold(ReadVarint());
  if (id < 0 || id > std::numeric_limits<int16_t>::max()) Fail(Error::kMalformed);
  if (!ok()) return false;
  last_id_ = static_cast<int32_t>(id);
  field = {.id = last_id_, .type = static_cast<uint8_t>(header & 0x0FU)};
  return true;
}

int64_t ThriftReader::ReadInt(const Field& field) {
  if (field.type == kByte) return static_cast<int8_t>(ReadByte());
  if (field.type < kI16 || field.type > kI64) Fail(Error::kMalformed);
  return Unfold(ReadVarint());
}

uint64_t ThriftReader::ReadCount(const Field& field) {
  const int64_t value = ReadInt(field);
  if (value < 0) Fail(Error::kMalformed);
  return value < 0 ? 0 : static_cast<uint64_t>(value);
}

ByteView ThriftReader::ReadBinary(const Field& field) {
  if (field.type != kBinary) Fail(Error::kMalformed);
  return ReadBytes(ReadVarint());
}

size_t ThriftReader::ListHeader(uint8_t& element_type) {
  const uint8_t header = ReadByte();
  element_type = header & 0x0FU;
  const uint64_t size = (header >> 4U) == 15 ? ReadVarint() : header >> 4U;
  // Every element takes a byte at least.
  if (size > bytes_.size() - position_) Fail(Error::kTruncated);
  return ok() ? size : 0;
}

size_t ThriftReader::ListSize(const Field& field, uint8_t element_type) {
  if (field.type != kList) Fail(Error::kMalformed);
  uint8_t found = 0;
  const size_t size = ListHeader(found);
  if (size > 0 && found != element_type) Fail(Error::kMalformed);
  return ok() ? size : 0;
}

void ThriftReader::SkipValue(uint8_t type, bool in_list) {  // NOLINT(misc-no-recursion): Enter
  if (!ok()) return;
  if (type == kTrue || type == kFalse) {
    if (in_list) ReadByte();
  } else if (type == kByte) {
    ReadByte();
  } else if (type >= kI16 && type <= kI64) {
    ReadVarint();
  } else if (type == kDouble) {
    ReadBytes(8);
  } else if (type == kBinary) {
    ReadBytes(ReadVarint());
  } else if (type == kStruct) {
    ReadStruct([this](const Field& field) { Skip(field); });
  } else if (type == kList || type == kSet) {
    uint8_t element_type = 0;
    size_t left = ListHeader(element_type);
    if (!Enter()) return;
    for (; left > 0 && ok(); --left) SkipValue(element_type, true);
    --depth_;
  } else {
    Fail(Error::kMalformed);
  }
}

}  // namespace milvus_backup::binlog
