#include "dump_layout.h"

#include "npy.h"

#include "milvus_backup/base/json_number.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <numeric>

namespace milvus_backup::migration {

std::string SegmentDir(const Table& table, const Segment& segment) {
  return fmt::format("tables/{}/{}/", table.id, segment.id);
}

std::string PieceDir(const std::string& dir, size_t index, size_t pieces) {
  return pieces == 1 ? dir : fmt::format("{}{}/", dir, index + 1);
}

std::string VectorsHeader(const Table& table, uint64_t rows) {
  const auto dim = static_cast<uint64_t>(table.dim);
  return IsBinary(table.metric) ? EncodeNpyHeader(kUint8, {rows, dim / 8})
                                : EncodeNpyHeader(kFloat32, {rows, dim});
}

std::string IdsHeader(uint64_t rows) { return EncodeNpyHeader(kInt64, {rows}); }

uint64_t VectorsBytes(const Table& table, uint64_t rows) {
  return VectorsHeader(table, rows).size() + rows * table.vector_bytes();
}

uint64_t IdsBytes(uint64_t rows) { return IdsHeader(rows).size() + rows * kIdBytes; }

uint64_t DumpRecord::rows() const {
  return std::accumulate(piece_rows.begin(), piece_rows.end(), uint64_t{0});
}

std::string RecordKey(const std::string& dir) { return dir + "dump.json"; }

std::string SourceMark(const SegmentFiles& files) {
  const auto mark = [](const SourceFile& file) {
    return fmt::format("{}:{}", file.payload_bytes, file.etag);
  };
  return fmt::format("{} {} {}", mark(files.vectors), mark(files.ids), mark(files.deleted_docs));
}

std::string EncodeDumpRecord(const DumpRecord& record) {
  return nlohmann::ordered_json{{"version", 1},
                                {"source", record.source},
                                {"bad_rows", record.bad_rows},
                                {"deleted_rows", record.deleted_rows},
                                {"piece_rows", record.piece_rows}}
      .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Result<DumpRecord> DecodeDumpRecord(std::string_view text, const std::string& what) {
  try {
    const auto json = nlohmann::json::parse(text);
    if (WholeNumber<int>(json.at("version")) != 1) {
      return DataLossError(what + " was written by a later version of this program");
    }
    return DumpRecord{.source = json.at("source").get<std::string>(),
                      .bad_rows = WholeNumber<uint64_t>(json.at("bad_rows")),
                      .deleted_rows = WholeNumber<uint64_t>(json.at("deleted_rows")),
                      .piece_rows = json.at("piece_rows").get<std::vector<uint64_t>>()};
  } catch (const nlohmann::json::exception& error) {
    return DataLossError(fmt::format("{} is no record of a dump: {}", what, error.what()))
        .WithAdvice("run dump again");
  }
}

}  // namespace milvus_backup::migration
