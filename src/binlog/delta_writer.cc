#include "milvus_backup/binlog/delta_writer.h"

#include "thrift_writer_internal.h"

#include "milvus_backup/binlog/values.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <string_view>
#include <zstd.h>

// Numbers of fields are those of parquet.thrift; the container is the one that container.cc reads.
namespace milvus_backup::binlog {
namespace {

constexpr std::string_view kParquetMagic = "PAR1";
constexpr size_t kPageBytes = kMiB;
constexpr int kLevel = 3;
constexpr int32_t kByteArray = 6;
constexpr int32_t kUtf8 = 0;
constexpr int32_t kPlain = 0;
constexpr int32_t kRunLengths = 3;
constexpr int32_t kZstandard = 6;
constexpr size_t kEventHeaderSize = 17;
constexpr size_t kEventFixedSize = kEventHeaderSize + 16;
/// schema.DataType String.
constexpr int32_t kPayloadType = 20;
constexpr int64_t kNoField = -1;
/// Bits of a hybrid timestamp below the milliseconds.
constexpr unsigned kLogicalBits = 18;

template <typename T>
void AppendLe(std::string& bytes, T value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

void AppendJsonText(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      (out += '\\') += c;
    } else if (static_cast<uint8_t>(c) < 0x20) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  out += '"';
}

std::string ToJson(const Delete& record) {
  std::string json = R"({"pk":)";
  if (record.key.is_text) {
    AppendJsonText(json, record.key.text);
  } else {
    json += std::to_string(record.key.number);
  }
  const DataType type = record.key.is_text ? DataType::kVarChar : DataType::kInt64;
  json += fmt::format(R"(,"ts":{},"pkType":{}}})", record.timestamp, static_cast<int32_t>(type));
  return json;
}

void AppendEventHeader(std::string& bytes, uint64_t write_time, EventType type, size_t length) {
  const auto end = static_cast<int32_t>(bytes.size() + length);
  AppendLe(bytes, write_time);
  AppendLe(bytes, static_cast<uint8_t>(type));
  AppendLe(bytes, static_cast<int32_t>(length));
  AppendLe(bytes, end);
}

}  // namespace

struct DeltaLogWriter::Packer {
  Packer() : context(ZSTD_createCCtx()) {
    MB_CHECK(context != nullptr);
    ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, kLevel);
    // The only checksum a log has.
    ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
  }
  Packer(const Packer&) = delete;
  Packer& operator=(const Packer&) = delete;
  ~Packer() { ZSTD_freeCCtx(context); }

  std::string Pack(std::string_view bytes) const {
    std::string packed(ZSTD_compressBound(bytes.size()), '\0');
    const size_t size =
        ZSTD_compress2(context, packed.data(), packed.size(), bytes.data(), bytes.size());
    MB_CHECK(ZSTD_isError(size) == 0);
    packed.resize(size);
    return packed;
  }

  ZSTD_CCtx* context;
};

DeltaLogWriter::DeltaLogWriter(int64_t collection_id, int64_t partition_id, int64_t segment_id)
    : collection_id_(collection_id),
      partition_id_(partition_id),
      segment_id_(segment_id),
      packer_(std::make_unique<Packer>()),
      parquet_(kParquetMagic) {}

DeltaLogWriter::~DeltaLogWriter() = default;

void DeltaLogWriter::Add(const Delete& record) {
  const std::string json = ToJson(record);
  if (page_rows_ > 0 && page_.size() + json.size() > kPageBytes) EndPage();
  AppendLe(page_, static_cast<uint32_t>(json.size()));
  page_ += json;
  ++page_rows_;
  ++row_count_;
  text_size_ += json.size();
  first_timestamp_ = std::min(first_timestamp_, record.timestamp);
  last_timestamp_ = std::max(last_timestamp_, record.timestamp);
}

void DeltaLogWriter::EndPage() {
  if (page_rows_ == 0) return;
  const std::string packed = packer_->Pack(page_);
  const ThriftWriter counts =
      ThriftWriter().I32(1, page_rows_).I32(2, kPlain).I32(3, kRunLengths).I32(4, kRunLengths);
  const std::string header = ThriftWriter()
                                 .I32(1, 0)
                                 .I32(2, static_cast<int32_t>(page_.size()))
                                 .I32(3, static_cast<int32_t>(packed.size()))
                                 .Struct(5, counts)
                                 .Bytes();
  (parquet_ += header) += packed;
  unpacked_size_ += header.size() + page_.size();
  page_.clear();
  page_rows_ = 0;
}

std::string DeltaLogWriter::Footer() const {
  const auto rows = static_cast<int64_t>(row_count_);
  const auto unpacked = static_cast<int64_t>(unpacked_size_);
  const auto pages_begin = static_cast<int64_t>(kParquetMagic.size());
  const auto packed = static_cast<int64_t>(parquet_.size()) - pages_begin;
  const ThriftWriter root = ThriftWriter().I32(3, 0).Text(4, "schema").I32(5, 1);
  const ThriftWriter is_text = ThriftWriter().Struct(1, ThriftWriter());
  const ThriftWriter column =
      ThriftWriter().I32(1, kByteArray).I32(3, 0).Text(4, "val").I32(6, kUtf8).Struct(10, is_text);
  const ThriftWriter meta = ThriftWriter()
                                .I32(1, kByteArray)
                                .I32s(2, {kPlain, kRunLengths})
                                .Texts(3, {"val"})
                                .I32(4, kZstandard)
                                .I64(5, rows)
                                .I64(6, unpacked)
                                .I64(7, packed)
                                .I64(9, pages_begin);
  const ThriftWriter chunk = ThriftWriter().I64(2, pages_begin).Struct(3, meta);
  const ThriftWriter group = ThriftWriter().Structs(1, {chunk}).I64(2, unpacked).I64(3, rows);
  return ThriftWriter()
      .I32(1, 2)
      .Structs(2, {root, column})
      .I64(3, rows)
      .Structs(4, {group})
      .Text(6, "milvus-backup")
      .Bytes();
}

std::string DeltaLogWriter::Container(std::string_view parquet) const {
  constexpr uint32_t kMagic = 0x00fffabc;
  constexpr size_t kDescriptorFixedSize = 81;
  constexpr std::string_view kPostHeaderLengths = "\x34\x10\x10\x10\x10\x10\x10\x10";
  const std::string extras = fmt::format(R"({{"original_size":"{}"}})", text_size_);
  const uint64_t write_time = last_timestamp_ >> kLogicalBits << kLogicalBits;
  std::string bytes;
  AppendLe(bytes, kMagic);
  AppendEventHeader(bytes, write_time, EventType::kDescriptor,
                    kDescriptorFixedSize + extras.size());
  for (const int64_t id : {collection_id_, partition_id_, segment_id_, kNoField}) {
    AppendLe(bytes, id);
  }
  AppendLe(bytes, first_timestamp_);
  AppendLe(bytes, last_timestamp_);
  AppendLe(bytes, kPayloadType);
  bytes += kPostHeaderLengths;
  AppendLe(bytes, static_cast<int32_t>(extras.size()));
  bytes += extras;
  AppendEventHeader(bytes, write_time, EventType::kDelete, kEventFixedSize + parquet.size());
  AppendLe(bytes, first_timestamp_);
  AppendLe(bytes, last_timestamp_);
  bytes += parquet;
  return bytes;
}

Result<std::string> DeltaLogWriter::Finish() {
  MB_CHECK(row_count_ > 0);
  EndPage();
  const std::string footer = Footer();
  parquet_ += footer;
  AppendLe(parquet_, static_cast<uint32_t>(footer.size()));
  parquet_ += kParquetMagic;
  if (parquet_.size() > std::numeric_limits<int32_t>::max() - kMiB) {
    return UnimplementedError(
        fmt::format("{} deletes take more bytes than a delta log can hold", row_count_));
  }
  return Container(parquet_);
}

}  // namespace milvus_backup::binlog
