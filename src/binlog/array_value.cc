#include "little_endian_internal.h"

#include "milvus_backup/binlog/values.h"

#include <fmt/format.h>

#include <optional>
#include <type_traits>
#include <utility>

// A schema.ScalarField in protobuf's wire format: one member whose number tells the kind of the
// elements, and in it a message with the elements as member 1. A schema.ValueField is one member
// whose number tells the kind of the value.
namespace milvus_backup::binlog {
namespace {

constexpr unsigned kVarint = 0;
constexpr unsigned kFixed64 = 1;
constexpr unsigned kLengthDelimited = 2;
constexpr unsigned kFixed32 = 5;

/// Takes pieces off the front of a message; nothing when it is cut off.
class WireReader {
 public:
  explicit WireReader(std::string_view bytes) : rest_(bytes) {}

  bool at_end() const { return rest_.empty(); }

  std::optional<uint64_t> Varint() {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
      const auto byte = static_cast<uint8_t>(rest_.front());
      rest_.remove_prefix(1);
      value |= uint64_t{byte & 0x7FU} << shift;
      if (byte < 0x80) return value;
    }
    return std::nullopt;
  }

  std::optional<std::string_view> Bytes(uint64_t length) {
    if (length > rest_.size()) return std::nullopt;
    const std::string_view bytes = rest_.substr(0, length);
    rest_.remove_prefix(length);
    return bytes;
  }

  template <typename T>
  std::optional<T> Fixed() {
    const auto bytes = Bytes(sizeof(T));
    if (!bytes) return std::nullopt;
    return LoadLe<T>(AsBytes(*bytes));
  }

  /// Pass a value of this wire type.
  bool Skip(unsigned wire_type) {
    switch (wire_type) {
      case kVarint:
        return Varint().has_value();
      case kFixed64:
        return Bytes(8).has_value();
      case kLengthDelimited: {
        const auto length = Varint();
        return length && Bytes(*length).has_value();
      }
      case kFixed32:
        return Bytes(4).has_value();
      default:
        return false;
    }
  }

 private:
  std::string_view rest_;
};

/// One element as it stands in a packed list.
template <typename T>
bool TakeElement(WireReader& reader, std::vector<T>& elements) {
  if constexpr (std::is_floating_point_v<T>) {
    const auto value = reader.Fixed<T>();
    if (value) elements.push_back(*value);
    return value.has_value();
  } else {
    const auto value = reader.Varint();
    if (value) elements.push_back(static_cast<T>(*value));
    return value.has_value();
  }
}

template <typename T>
constexpr unsigned WireTypeOf() {
  if (std::is_same_v<T, float>) return kFixed32;
  return std::is_same_v<T, double> ? kFixed64 : kVarint;
}

/// Member 1 of wire type `wire_type`: one element, or a list of them.
template <typename T>
bool TakeMember(WireReader& reader, unsigned wire_type, std::vector<T>& elements) {
  if (wire_type == WireTypeOf<T>()) return TakeElement(reader, elements);
  if (wire_type != kLengthDelimited) return false;
  const auto length = reader.Varint();
  const auto packed = length ? reader.Bytes(*length) : std::nullopt;
  if (!packed) return false;
  for (WireReader list(*packed); !list.at_end();) {
    if (!TakeElement(list, elements)) return false;
  }
  return true;
}

bool TakeMember(WireReader& reader, unsigned wire_type, std::vector<std::string_view>& elements) {
  if (wire_type != kLengthDelimited) return false;
  const auto length = reader.Varint();
  const auto text = length ? reader.Bytes(*length) : std::nullopt;
  if (text) elements.push_back(*text);
  return text.has_value();
}

template <typename T>
std::optional<ArrayValue> DecodeElements(std::string_view message) {
  std::vector<T> elements;
  for (WireReader reader(message); !reader.at_end();) {
    const auto tag = reader.Varint();
    if (!tag) return std::nullopt;
    const auto wire_type = static_cast<unsigned>(*tag & 7U);
    const bool taken =
        *tag >> 3U == 1 ? TakeMember(reader, wire_type, elements) : reader.Skip(wire_type);
    if (!taken) return std::nullopt;
  }
  return ArrayValue(std::move(elements));
}

std::optional<ArrayValue> DecodeKind(uint64_t kind, std::string_view message) {
  switch (kind) {
    case 1:
      return DecodeElements<bool>(message);
    case 2:
      return DecodeElements<int32_t>(message);
    case 3:
      return DecodeElements<int64_t>(message);
    case 4:
      return DecodeElements<float>(message);
    case 5:
      return DecodeElements<double>(message);
    case 6:
      return DecodeElements<std::string_view>(message);
    default:
      return std::nullopt;
  }
}

/// Member `number` of a schema.ValueField; std::monostate for one that is not known.
std::optional<ScalarValue> TakeScalar(WireReader& reader, uint64_t number, unsigned wire_type) {
  const auto as_value = [](const auto& taken) {
    return taken ? std::optional<ScalarValue>(*taken) : std::nullopt;
  };
  if ((number == 1 || number == 2 || number == 3 || number == 8) && wire_type == kVarint) {
    const auto taken = reader.Varint();
    if (!taken) return std::nullopt;
    if (number == 1) return ScalarValue(*taken != 0);
    return ScalarValue(static_cast<int64_t>(*taken));
  }
  if (number == 4 && wire_type == kFixed32) return as_value(reader.Fixed<float>());
  if (number == 5 && wire_type == kFixed64) return as_value(reader.Fixed<double>());
  if ((number == 6 || number == 7) && wire_type == kLengthDelimited) {
    const auto length = reader.Varint();
    return as_value(length ? reader.Bytes(*length) : std::nullopt);
  }
  if (!reader.Skip(wire_type)) return std::nullopt;
  return ScalarValue();
}

}  // namespace

Result<ArrayValue> DecodeArray(std::string_view bytes) {
  ArrayValue value;
  for (WireReader reader(bytes); !reader.at_end();) {
    const auto tag = reader.Varint();
    const auto length = tag && (*tag & 7U) == kLengthDelimited ? reader.Varint() : std::nullopt;
    const auto message = length ? reader.Bytes(*length) : std::nullopt;
    auto elements = message ? DecodeKind(*tag >> 3U, *message) : std::nullopt;
    if (!elements) {
      return DataLossError(fmt::format("an array value of {} bytes is damaged", bytes.size()));
    }
    value = *std::move(elements);
  }
  return value;
}

Result<ScalarValue> DecodeScalar(std::string_view bytes) {
  ScalarValue value;
  for (WireReader reader(bytes); !reader.at_end();) {
    const auto tag = reader.Varint();
    const auto next =
        tag ? TakeScalar(reader, *tag >> 3U, static_cast<unsigned>(*tag & 7U)) : std::nullopt;
    if (!next) return DataLossError(fmt::format("a value of {} bytes is damaged", bytes.size()));
    if (!std::holds_alternative<std::monostate>(*next)) value = *next;
  }
  return value;
}

bool FitsElementType(const ArrayValue& value, DataType element_type) {
  if (std::holds_alternative<std::monostate>(value)) return true;
  switch (element_type) {
    case DataType::kBool:
      return std::holds_alternative<std::vector<bool>>(value);
    case DataType::kInt8:
    case DataType::kInt16:
    case DataType::kInt32:
      return std::holds_alternative<std::vector<int32_t>>(value);
    case DataType::kInt64:
      return std::holds_alternative<std::vector<int64_t>>(value);
    case DataType::kFloat:
      return std::holds_alternative<std::vector<float>>(value);
    case DataType::kDouble:
      return std::holds_alternative<std::vector<double>>(value);
    case DataType::kString:
    case DataType::kVarChar:
    case DataType::kText:
      return std::holds_alternative<std::vector<std::string_view>>(value);
    default:
      return true;
  }
}

}  // namespace milvus_backup::binlog
