/// The keys of a dump below its prefix `<output directory>/migration/`, and what is recorded of a
/// dumped segment. docs/migration.md describes them. Pure functions, thread-safe.
#pragma once

#include "segment_files.h"

#include "milvus_backup/base/status.h"
#include "milvus_backup/migration/meta.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace milvus_backup::migration {

inline constexpr char kMetaName[] = "meta.json";
/// Records of loads; see load_record.h.
inline constexpr char kLoadDir[] = "load/";
/// Base names are the names of the fields that bulk insert fills.
inline constexpr char kVectorsName[] = "data.npy";
inline constexpr char kIdsName[] = "id.npy";

/// `tables/<table>/<segment>/`.
std::string SegmentDir(const Table& table, const Segment& segment);
/// Directory of piece `index`, counted from 0, of what is dumped to `dir`: that when it is in one
/// piece, else `<dir><index + 1>/`.
std::string PieceDir(const std::string& dir, size_t index, size_t pieces);

/// NumPy headers of a piece of `rows` rows.
std::string VectorsHeader(const Table& table, uint64_t rows);
std::string IdsHeader(uint64_t rows);
/// Bytes of the files of a piece, headers included.
uint64_t VectorsBytes(const Table& table, uint64_t rows);
uint64_t IdsBytes(uint64_t rows);

/// Written beside the files of a segment, or of another source, once all are there: what they were
/// made from, and how many rows each piece has.
struct DumpRecord {
  /// Sizes and ETags, or times, of the source's files.
  std::string source;
  /// Rows with a NaN or an infinity, which were left out.
  uint64_t bad_rows = 0;
  uint64_t deleted_rows = 0;
  /// Empty when no row is alive.
  std::vector<uint64_t> piece_rows;
  friend bool operator==(const DumpRecord&, const DumpRecord&) = default;

  uint64_t rows() const;
};

/// `<dir>dump.json`.
std::string RecordKey(const std::string& dir);
std::string SourceMark(const SegmentFiles& files);
std::string EncodeDumpRecord(const DumpRecord& record);
/// kDataLoss naming `what` when the text is no record.
Result<DumpRecord> DecodeDumpRecord(std::string_view text, const std::string& what);

}  // namespace milvus_backup::migration
