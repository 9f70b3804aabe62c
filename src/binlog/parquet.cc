#include "milvus_backup/binlog/parquet.h"

#include "little_endian_internal.h"
#include "thrift_internal.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <utility>

// Numbers of fields are those of parquet.thrift.
namespace milvus_backup::binlog {
namespace {

using Field = ThriftReader::Field;

constexpr uint64_t kMagicSize = 4;
constexpr uint64_t kTailSize = 8;
constexpr std::string_view kMagic = "PAR1";
constexpr std::string_view kEncryptedMagic = "PARE";

/// Which fields of a struct have been read. A damaged field header turns one into another, or into
/// one to be skipped, so those that are used, and that every writer must write, have to be there.
class SeenFields {
 public:
  void Add(const Field& field) {
    if (field.id >= 0 && field.id < 64) seen_ |= uint64_t{1} << static_cast<unsigned>(field.id);
  }
  bool HasAll(std::initializer_list<unsigned> ids) const {
    return std::ranges::all_of(ids, [this](unsigned id) { return (seen_ >> id & 1U) != 0; });
  }

 private:
  uint64_t seen_ = 0;
};

struct SchemaElement {
  ParquetColumn column{};
  bool is_group = false;
  bool is_repeated = false;
  uint64_t child_count = 0;
  /// Has a name, as parquet.thrift requires.
  bool is_complete = false;
};

SchemaElement ReadSchemaElement(ThriftReader& thrift) {
  SchemaElement element;
  element.is_group = true;
  SeenFields seen;
  thrift.ReadStruct([&](const Field& field) {
    seen.Add(field);
    ParquetColumn& column = element.column;
    switch (field.id) {
      case 1:
        column.type = static_cast<PhysicalType>(thrift.ReadInt(field));
        element.is_group = false;
        return;
      case 2:
        column.type_length = static_cast<uint32_t>(thrift.ReadCount(field));
        return;
      case 3: {
        const int64_t repetition = thrift.ReadInt(field);
        column.optional = repetition == 1;
        element.is_repeated = repetition != 0 && repetition != 1;
        return;
      }
      case 4:
        column.name = AsText(thrift.ReadBinary(field));
        return;
      case 5:
        element.child_count = thrift.ReadCount(field);
        return;
      case 9:
        column.field_id = static_cast<int32_t>(thrift.ReadInt(field));
        return;
      default:
        thrift.Skip(field);
    }
  });
  element.is_complete = seen.HasAll({4});
  return element;
}

// Values stand without a length, as in a page of encoding PLAIN.
std::optional<int64_t> IntegerOf(ByteView value) {
  if (value.size() == sizeof(int64_t)) return LoadLe<int64_t>(value);
  if (value.size() == sizeof(int32_t)) return LoadLe<int32_t>(value);
  return std::nullopt;
}

void ReadStatistics(ThriftReader& thrift, ColumnChunk& chunk) {
  thrift.ReadStruct([&](const Field& field) {
    if (field.id == 5) {
      chunk.max = IntegerOf(thrift.ReadBinary(field));
    } else if (field.id == 6) {
      chunk.min = IntegerOf(thrift.ReadBinary(field));
    } else {
      thrift.Skip(field);
    }
  });
}

struct ChunkMeta {
  ColumnChunk chunk{};
  int64_t type = -1;
  uint64_t data_offset = 0;
  uint64_t dictionary_offset = 0;
  /// Has everything that is used of what parquet.thrift requires of ColumnMetaData.
  bool is_complete = false;
};

ChunkMeta ReadChunkMeta(ThriftReader& thrift) {
  ChunkMeta meta;
  SeenFields seen;
  thrift.ReadStruct([&](const Field& field) {
    seen.Add(field);
    switch (field.id) {
      case 1:
        meta.type = thrift.ReadInt(field);
        return;
      case 4:
        meta.chunk.codec = static_cast<int32_t>(thrift.ReadInt(field));
        return;
      case 5:
        meta.chunk.value_count = thrift.ReadCount(field);
        return;
      case 6:
        meta.chunk.uncompressed_size = thrift.ReadCount(field);
        return;
      case 7:
        meta.chunk.size = thrift.ReadCount(field);
        return;
      case 9:
        meta.data_offset = thrift.ReadCount(field);
        return;
      case 11:
        meta.dictionary_offset = thrift.ReadCount(field);
        return;
      case 12:
        ReadStatistics(thrift, meta.chunk);
        return;
      default:
        thrift.Skip(field);
    }
  });
  meta.is_complete = seen.HasAll({1, 4, 5, 6, 7, 9});
  // Some writers say 0 where there is no dictionary.
  meta.chunk.offset = meta.dictionary_offset != 0
                          ? std::min(meta.data_offset, meta.dictionary_offset)
                          : meta.data_offset;
  return meta;
}

/// The leaves of the schema, in the order of the chunks of a row group.
std::vector<ParquetColumn> LeavesOf(const std::vector<SchemaElement>& schema) {
  std::vector<ParquetColumn> leaves;
  // A leaf directly below the root is flat. The root's own repetition means nothing.
  std::vector<uint64_t> open = {schema.front().child_count};
  for (size_t i = 1; i < schema.size() && !open.empty(); ++i) {
    --open.back();
    const SchemaElement& element = schema[i];
    if (!element.is_group) {
      leaves.push_back(element.column);
      leaves.back().nested = open.size() > 1 || element.is_repeated;
    }
    if (element.is_group && element.child_count > 0) open.push_back(element.child_count);
    while (!open.empty() && open.back() == 0) open.pop_back();
  }
  if (!open.empty()) leaves.clear();
  return leaves;
}

bool IsLeafSound(const ParquetColumn& column) {
  const auto type = static_cast<int32_t>(column.type);
  if (type < 0 || type > 7) return false;
  return column.type != PhysicalType::kFixedLenByteArray || column.type_length > 0;
}

class FooterReader {
 public:
  FooterReader(ByteView bytes, const Limits& limits) : thrift_(bytes), limits_(limits) {}

  Result<ParquetFile> Read() {
    ParquetFile file;
    SeenFields seen;
    thrift_.ReadStruct([&](const Field& field) {
      seen.Add(field);
      switch (field.id) {
        case 2:
          thrift_.ReadStructList(field, [&] { return AddSchemaElement(); });
          return;
        case 3:
          file.row_count = thrift_.ReadCount(field);
          return;
        case 4:
          thrift_.ReadStructList(field, [&] { return ReadRowGroup(file); });
          return;
        default:
          thrift_.Skip(field);
      }
    });
    is_complete_ = is_complete_ && seen.HasAll({1, 2, 3, 4});
    if (!excess_.ok()) return excess_;
    if (!thrift_.ok() || !is_complete_) return DataLossError("the Parquet footer is damaged");
    if (!schema_.empty()) file.columns = LeavesOf(schema_);
    if (file.columns.empty()) return DataLossError("the Parquet footer names no column");
    MB_RETURN_IF_ERROR(CheckTypes(file));
    return file;
  }

 private:
  // The readers of elements return whether to go on: a few bytes make an element, and what is not
  // sound must not take memory to its end.
  bool AddSchemaElement() {
    if (schema_.size() == limits_.max_schema_elements) {
      return Exceeds("columns", limits_.max_schema_elements);
    }
    schema_.push_back(ReadSchemaElement(thrift_));
    is_complete_ = is_complete_ && schema_.back().is_complete;
    return is_complete_;
  }

  bool ReadRowGroup(ParquetFile& file) {
    RowGroup& group = file.row_groups.emplace_back();
    SeenFields seen;
    thrift_.ReadStruct([&](const Field& field) {
      seen.Add(field);
      if (field.id == 1) {
        thrift_.ReadStructList(field, [&] { return ReadChunk(group); });
      } else if (field.id == 3) {
        group.row_count = thrift_.ReadCount(field);
      } else {
        thrift_.Skip(field);
      }
    });
    // So that row groups are no more than chunks.
    is_complete_ = is_complete_ && seen.HasAll({1, 3}) && !group.chunks.empty();
    return is_complete_;
  }

  bool ReadChunk(RowGroup& group) {
    if (types_.size() == limits_.max_chunks) return Exceeds("column chunks", limits_.max_chunks);
    ChunkMeta meta;
    thrift_.ReadStruct([&](const Field& field) {
      if (field.id == 3) {
        meta = ReadChunkMeta(thrift_);
      } else {
        thrift_.Skip(field);
      }
    });
    is_complete_ = is_complete_ && meta.is_complete;
    group.chunks.push_back(meta.chunk);
    types_.push_back(meta.type);
    return is_complete_;
  }

  bool Exceeds(const char* what, size_t limit) {
    if (thrift_.ok()) {
      excess_ = UnimplementedError(
          fmt::format("a Parquet footer of more than {} {}, the most that are read", limit, what));
    }
    return false;
  }

  Status CheckTypes(const ParquetFile& file) const {
    for (const ParquetColumn& column : file.columns) {
      if (!IsLeafSound(column)) {
        return DataLossError(
            fmt::format("the type of the Parquet column {} is not possible", column.name));
      }
    }
    size_t next = 0;
    for (const RowGroup& group : file.row_groups) {
      if (group.chunks.size() != file.columns.size()) {
        return DataLossError(fmt::format("a row group has {} columns instead of {}",
                                         group.chunks.size(), file.columns.size()));
      }
      for (const ParquetColumn& column : file.columns) {
        if (types_[next++] != static_cast<int64_t>(column.type)) {
          return DataLossError(
              fmt::format("the Parquet column {} has two different types", column.name));
        }
      }
    }
    return Status::Ok();
  }

  ThriftReader thrift_;
  const Limits& limits_;
  /// What there is too much of.
  Status excess_;
  /// No struct lacks anything that is used of what parquet.thrift requires of it.
  bool is_complete_ = true;
  std::vector<SchemaElement> schema_;
  /// Of every chunk, in order.
  std::vector<int64_t> types_;
};

// Offsets in the footer count from the start of the Parquet file.
Status PlaceChunk(const ParquetFile& file, uint64_t file_offset, const RowGroup& group,
                  const ParquetColumn& column, ColumnChunk& chunk) {
  const uint64_t pages_size = file.pages_end - file.pages_begin;
  if (chunk.offset < kMagicSize || chunk.offset - kMagicSize > pages_size ||
      chunk.size > pages_size - (chunk.offset - kMagicSize)) {
    return DataLossError(fmt::format("the pages of column {} would lie outside the file: {} at {}",
                                     column.name, chunk.size, chunk.offset));
  }
  chunk.offset += file_offset;
  if (!column.nested && chunk.value_count != group.row_count) {
    return DataLossError(fmt::format("the column {} has {} values in {} rows", column.name,
                                     chunk.value_count, group.row_count));
  }
  return Status::Ok();
}

Status PlaceChunks(ParquetFile& file, uint64_t file_offset) {
  uint64_t rows = 0;
  for (RowGroup& group : file.row_groups) {
    if (group.row_count > file.row_count - rows) {
      return DataLossError(
          fmt::format("the row groups hold more rows than the file, {}", file.row_count));
    }
    rows += group.row_count;
    for (size_t i = 0; i < group.chunks.size(); ++i) {
      MB_RETURN_IF_ERROR(PlaceChunk(file, file_offset, group, file.columns[i], group.chunks[i]));
    }
  }
  if (rows == file.row_count) return Status::Ok();
  return DataLossError(
      fmt::format("the row groups hold {} rows, the file {}", rows, file.row_count));
}

}  // namespace

const char* PhysicalTypeName(PhysicalType type) {
  switch (type) {
    case PhysicalType::kBoolean:
      return "BOOLEAN";
    case PhysicalType::kInt32:
      return "INT32";
    case PhysicalType::kInt64:
      return "INT64";
    case PhysicalType::kInt96:
      return "INT96";
    case PhysicalType::kFloat:
      return "FLOAT";
    case PhysicalType::kDouble:
      return "DOUBLE";
    case PhysicalType::kByteArray:
      return "BYTE_ARRAY";
    case PhysicalType::kFixedLenByteArray:
      return "FIXED_LEN_BYTE_ARRAY";
  }
  return "unknown";
}

Result<ParquetFile> OpenParquet(ByteSource& source, uint64_t offset, uint64_t size,
                                const Limits& limits) {
  if (size < kMagicSize + kTailSize) {
    return DataLossError(fmt::format("{} bytes are too few for a Parquet file", size));
  }
  MB_ASSIGN_OR_RETURN(ByteView bytes, source.View(offset, kMagicSize));
  if (AsText(bytes) == kEncryptedMagic) return UnimplementedError("the file is encrypted");
  if (AsText(bytes) != kMagic) {
    return DataLossError(fmt::format("no Parquet file starts at {}", offset));
  }
  MB_ASSIGN_OR_RETURN(bytes, source.View(offset + size - kTailSize, kTailSize));
  if (AsText(bytes.subspan(kMagicSize)) != kMagic) {
    return DataLossError(fmt::format("no Parquet file ends at {}", offset + size));
  }
  const uint64_t footer_size = LoadLe<uint32_t>(bytes);
  if (footer_size > size - kMagicSize - kTailSize) {
    return DataLossError(
        fmt::format("a footer of {} bytes in a Parquet file of {}", footer_size, size));
  }
  if (footer_size > limits.max_footer_bytes) {
    return UnimplementedError(
        fmt::format("a Parquet footer of {} bytes, more than the {} that "
                    "are read",
                    footer_size, limits.max_footer_bytes));
  }
  const uint64_t footer_offset = offset + size - kTailSize - footer_size;
  MB_ASSIGN_OR_RETURN(bytes, source.View(footer_offset, footer_size));
  MB_ASSIGN_OR_RETURN(ParquetFile file, FooterReader(bytes, limits).Read());
  file.pages_begin = offset + kMagicSize;
  file.pages_end = footer_offset;
  MB_RETURN_IF_ERROR(PlaceChunks(file, offset));
  return file;
}

}  // namespace milvus_backup::binlog
