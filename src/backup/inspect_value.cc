#include "inspect_value.h"

#include "milvus_backup/base/bytes.h"
#include "milvus_backup/base/encoding.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <iterator>
#include <type_traits>
#include <variant>
#include <vector>

namespace milvus_backup::backup {
namespace {

using binlog::DataType;
using binlog::PhysicalType;

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

template <typename T>
void AppendNumber(std::string& out, T number) {
  if constexpr (std::is_floating_point_v<T>) {
    // JSON has no numbers for these.
    if (std::isnan(number)) {
      out += "\"NaN\"";
      return;
    }
    if (std::isinf(number)) {
      out += number < 0 ? "\"-Infinity\"" : "\"Infinity\"";
      return;
    }
  }
  fmt::format_to(std::back_inserter(out), "{}", number);
}

/// A JSON list; `append` writes element i.
template <typename Append>
void AppendList(std::string& out, size_t size, const Append& append) {
  out += '[';
  for (size_t i = 0; i < size; ++i) {
    if (i > 0) out += ',';
    append(i);
  }
  out += ']';
}

void AppendArray(std::string& out, const binlog::ArrayValue& value) {
  std::visit(
      [&](const auto& elements) {
        using Elements = std::decay_t<decltype(elements)>;
        if constexpr (std::is_same_v<Elements, std::monostate>) {
          out += "null";
        } else {
          AppendList(out, elements.size(), [&](size_t i) {
            if constexpr (std::is_same_v<Elements, std::vector<bool>>) {
              out += elements[i] ? "true" : "false";
            } else if constexpr (std::is_same_v<Elements, std::vector<std::string_view>>) {
              AppendJsonString(out, elements[i]);
            } else {
              AppendNumber(out, elements[i]);
            }
          });
        }
      },
      value);
}

template <typename T>
T Load(ByteView bytes, size_t index) {
  T value;
  std::memcpy(&value, bytes.data() + index * sizeof(T), sizeof(T));
  return value;
}

void AppendVector(std::string& out, DataType type, ByteView bytes) {
  switch (type) {
    case DataType::kFloatVector:
      return AppendList(out, bytes.size() / 4,
                        [&](size_t i) { AppendNumber(out, Load<float>(bytes, i)); });
    case DataType::kFloat16Vector:
      return AppendList(out, bytes.size() / 2, [&](size_t i) {
        AppendNumber(out, binlog::FromFloat16(Load<uint16_t>(bytes, i)));
      });
    case DataType::kBFloat16Vector:
      return AppendList(out, bytes.size() / 2, [&](size_t i) {
        AppendNumber(out, binlog::FromBFloat16(Load<uint16_t>(bytes, i)));
      });
    case DataType::kInt8Vector:
      return AppendList(out, bytes.size(),
                        [&](size_t i) { AppendNumber(out, int{Load<int8_t>(bytes, i)}); });
    default:
      out += '"' + HexEncode(bytes) + '"';
  }
}

Status AppendSparse(std::string& out, std::string_view bytes) {
  MB_ASSIGN_OR_RETURN(const std::vector<binlog::SparseEntry> entries, binlog::DecodeSparse(bytes));
  out += '{';
  for (const binlog::SparseEntry& entry : entries) {
    if (out.back() != '{') out += ',';
    fmt::format_to(std::back_inserter(out), "\"{}\":", entry.index);
    AppendNumber(out, entry.value);
  }
  out += '}';
  return Status::Ok();
}

Status AppendBytes(std::string& out, DataType type, std::string_view bytes) {
  switch (type) {
    case DataType::kString:
    case DataType::kVarChar:
    case DataType::kText:
      AppendJsonString(out, bytes);
      return Status::Ok();
    case DataType::kJson:
      if (bytes.empty()) {
        out += "null";
      } else if (binlog::IsJson(bytes)) {
        out += bytes;
      } else {
        return DataLossError("a value that is not JSON");
      }
      return Status::Ok();
    case DataType::kArray: {
      MB_ASSIGN_OR_RETURN(const binlog::ArrayValue value, binlog::DecodeArray(bytes));
      AppendArray(out, value);
      return Status::Ok();
    }
    case DataType::kSparseFloatVector:
      return AppendSparse(out, bytes);
    default:
      AppendVector(out, type, AsBytes(bytes));
      return Status::Ok();
  }
}

bool IsText(DataType type) {
  return type == DataType::kString || type == DataType::kVarChar || type == DataType::kText;
}

/// Whether values of `type` may come as these numbers.
bool IsNumberOf(DataType type, PhysicalType physical) {
  switch (type) {
    case DataType::kBool:
      return physical == PhysicalType::kBoolean;
    case DataType::kInt8:
    case DataType::kInt16:
    case DataType::kInt32:
      return physical == PhysicalType::kInt32;
    case DataType::kInt64:
    case DataType::kTimestamptz:
      return physical == PhysicalType::kInt64;
    case DataType::kFloat:
      return physical == PhysicalType::kFloat;
    case DataType::kDouble:
      return physical == PhysicalType::kDouble;
    default:
      return false;
  }
}

void AppendScalar(std::string& out, const binlog::Batch& batch, size_t row) {
  switch (batch.type) {
    case PhysicalType::kBoolean:
      out += batch.As<uint8_t>()[row] != 0 ? "true" : "false";
      return;
    case PhysicalType::kInt32:
      AppendNumber(out, batch.As<int32_t>()[row]);
      return;
    case PhysicalType::kInt64:
      AppendNumber(out, batch.As<int64_t>()[row]);
      return;
    case PhysicalType::kFloat:
      AppendNumber(out, batch.As<float>()[row]);
      return;
    default:
      AppendNumber(out, batch.As<double>()[row]);
  }
}

}  // namespace

void AppendJsonString(std::string& out, std::string_view text) {
  const bool is_utf8 = binlog::IsUtf8(text);
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    if (c == '"' || c == '\\') {
      (out += '\\') += c;
    } else if (byte < 0x20) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", byte);
    } else if (byte >= 0x80 && !is_utf8) {
      out += kReplacement;
    } else {
      out += c;
    }
  }
  out += '"';
}

Status AppendJson(std::string& out, const ShownField& field, const Cell& cell) {
  if (cell.IsNull()) {
    out += "null";
    return Status::Ok();
  }
  const binlog::Batch& batch = *cell.batch;
  const bool is_sound =
      IsNumberOf(field.type, batch.type) ||
      (batch.type == PhysicalType::kByteArray && !IsNumberOf(field.type, PhysicalType::kBoolean)) ||
      (batch.type == PhysicalType::kFixedLenByteArray && binlog::IsDenseVector(field.type));
  if (!is_sound) {
    return DataLossError(fmt::format("field {} is {} but its log holds {}", field.name,
                                     binlog::DataTypeName(field.type),
                                     binlog::PhysicalTypeName(batch.type)));
  }
  if (batch.type == PhysicalType::kByteArray) {
    return AppendBytes(out, field.type, batch.texts[cell.row])
        .Annotate(fmt::format("field {}", field.name));
  }
  if (batch.type == PhysicalType::kFixedLenByteArray) {
    AppendVector(out, field.type, batch.Value(cell.row));
  } else {
    AppendScalar(out, batch, cell.row);
  }
  return Status::Ok();
}

Status AppendPlain(std::string& out, const ShownField& field, const Cell& cell) {
  if (cell.IsNull()) return Status::Ok();
  if (IsText(field.type) && cell.batch->type == PhysicalType::kByteArray) {
    out += cell.batch->texts[cell.row];
    return Status::Ok();
  }
  return AppendJson(out, field, cell);
}

}  // namespace milvus_backup::backup
