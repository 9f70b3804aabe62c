#include "segment_dump.h"

#include "float_check.h"
#include "object_writer.h"

#include "milvus_backup/base/log.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <utility>

namespace milvus_backup::migration {
namespace {

/// Rows of a segment that cannot be migrated and that a message names.
constexpr size_t kNamedRows = 5;
constexpr size_t kMaxRecordBytes = kMiB;
/// A request to a service costs a round trip, so blocks are not smaller than this there.
constexpr uint64_t kLeastRemoteBlock = 8 * kMiB;

/// A stretch of a segment's rows, dead ones included, that goes into one pair of files.
struct Piece {
  uint64_t first_row = 0;
  uint64_t end_row = 0;
  uint64_t live_rows = 0;
};

std::vector<Piece> CutIntoPieces(const Table& table, const RowSet& skipped, uint64_t piece_bytes) {
  const uint64_t live = skipped.rows() - skipped.size();
  if (live == 0) return {};
  const uint64_t row_bytes = table.vector_bytes() + kIdBytes;
  const uint64_t most = std::max<uint64_t>(piece_bytes / row_bytes, 1);
  const uint64_t count = (live + most - 1) / most;
  std::vector<Piece> pieces;
  uint64_t first = 0;
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t rows = live / count + (i < live % count ? 1 : 0);
    // The next piece begins with the live row behind this one's.
    uint64_t end = first;
    for (uint64_t left = rows; left > 0;) {
      const uint64_t begin = skipped.NextOut(end);
      const uint64_t run = std::min(left, skipped.NextIn(begin) - begin);
      end = begin + run;
      left -= run;
    }
    pieces.push_back({first, end, rows});
    first = end;
  }
  return pieces;
}

class SegmentDump {
 public:
  SegmentDump(const DumpRun& run, const Table& table, const Segment& segment, SegmentFiles files)
      : run_(run),
        table_(table),
        segment_(segment),
        dir_(SegmentDir(table, segment)),
        files_(std::move(files)) {
    skipped_ = files_.deleted;
  }

  Result<DumpedSegment> Run(const CallContext& ctx) {
    MB_ASSIGN_OR_RETURN(std::optional<DumpRecord> earlier, FindEarlier(ctx));
    if (earlier) return DumpedSegment{*std::move(earlier), true};
    if (run_.is_loading) {
      return FailedPreconditionError(
                 fmt::format("segment {} of '{}' differs from the dump that is being loaded",
                             segment_.id, table_.id))
          .WithAdvice("finish that with load, or remove it, before another dump to this place");
    }
    // A record of other files must not survive beside what is written now.
    MB_RETURN_IF_ERROR(target().Delete(ctx, Key(RecordKey(dir_))));
    MB_RETURN_IF_ERROR(WriteVectors(ctx));
    for (size_t i = 0; i < pieces_.size(); ++i) MB_RETURN_IF_ERROR(WriteIds(ctx, i));
    DumpRecord record{
        .source = SourceMark(files_), .bad_rows = bad_rows_, .deleted_rows = files_.deleted.size()};
    for (const Piece& piece : pieces_) record.piece_rows.push_back(piece.live_rows);
    MB_RETURN_IF_ERROR(
        target().Put(ctx, Key(RecordKey(dir_)), AsBytes(EncodeDumpRecord(record)), {}).status());
    return DumpedSegment{std::move(record), false};
  }

 private:
  storage::Backend& target() { return *run_.target.backend; }
  std::string Key(const std::string& relative) const { return run_.target.prefix + relative; }

  /// The record of a dump of the same files whose results are all there.
  Result<std::optional<DumpRecord>> FindEarlier(const CallContext& ctx) {
    const std::string key = Key(RecordKey(dir_));
    auto text = storage::ReadAll(ctx, target(), key, kMaxRecordBytes);
    if (text.status().code() == Code::kNotFound) return std::optional<DumpRecord>();
    MB_RETURN_IF_ERROR(text.status());
    auto record = DecodeDumpRecord(*text, key);
    if (!record.ok()) return std::optional<DumpRecord>();
    const bool same_rows = record->bad_rows == 0 || run_.rules.skip_bad_rows;
    if (record->source != SourceMark(files_) || !same_rows) return std::optional<DumpRecord>();
    const size_t count = record->piece_rows.size();
    for (size_t i = 0; i < count; ++i) {
      const std::string dir = PieceDir(dir_, i, count);
      const uint64_t rows = record->piece_rows[i];
      MB_ASSIGN_OR_RETURN(const bool vectors,
                          Has(ctx, dir + kVectorsName, VectorsBytes(table_, rows)));
      MB_ASSIGN_OR_RETURN(const bool ids, Has(ctx, dir + kIdsName, IdsBytes(rows)));
      if (!vectors || !ids) return std::optional<DumpRecord>();
    }
    return std::optional(*std::move(record));
  }

  Result<bool> Has(const CallContext& ctx, const std::string& relative, uint64_t size) {
    const auto info = target().Stat(ctx, Key(relative));
    if (info.status().code() == Code::kNotFound) return false;
    MB_RETURN_IF_ERROR(info.status());
    return info->size == size;
  }

  /// Rows that cannot be imported are only known once all were read, and change the header at the
  /// beginning of the file: then everything is written once more.
  Status WriteVectors(const CallContext& ctx) {
    pieces_ = CutIntoPieces(table_, skipped_, run_.rules.piece_bytes);
    RowSet bad(files_.rows());
    for (size_t i = 0; i < pieces_.size(); ++i) {
      MB_RETURN_IF_ERROR(WriteVectorsOf(ctx, i, bad));
    }
    if (bad.size() == 0) return Status::Ok();
    const std::string what = Describe(bad);
    if (!run_.rules.skip_bad_rows) {
      return DataLossError(what + ", which Milvus 2.x refuses")
          .WithAdvice("run dump with --skip-bad-rows to leave such rows out");
    }
    log::Warn("{}: left out", what);
    bad_rows_ = bad.size();
    for (uint64_t row = bad.NextIn(0); row < bad.rows(); row = bad.NextIn(row + 1)) {
      skipped_.Add(row);
    }
    pieces_ = CutIntoPieces(table_, skipped_, run_.rules.piece_bytes);
    RowSet none(files_.rows());
    for (size_t i = 0; i < pieces_.size(); ++i) {
      MB_RETURN_IF_ERROR(WriteVectorsOf(ctx, i, none));
    }
    if (none.size() == 0) return Status::Ok();
    return Status(Code::kAborted, files_.vectors.key + " has changed while it was read");
  }

  std::string Describe(const RowSet& bad) const {
    std::vector<uint64_t> named;
    for (uint64_t row = bad.NextIn(0); row < bad.rows() && named.size() < kNamedRows;
         row = bad.NextIn(row + 1)) {
      named.push_back(row);
    }
    return fmt::format(
        "collection '{}'{} segment {}: {} rows with NaN or infinity: row {}{}", table_.collection(),
        table_.owner.empty() ? "" : " partition '" + table_.partition_tag + "'", segment_.id,
        bad.size(), fmt::join(named, ", "), bad.size() > named.size() ? ", …" : "");
  }

  Status WriteVectorsOf(const CallContext& ctx, size_t index, RowSet& bad) {
    const Piece& piece = pieces_[index];
    const std::string header = VectorsHeader(table_, piece.live_rows);
    MB_ASSIGN_OR_RETURN(ObjectWriter writer,
                        ObjectWriter::Create(ctx, target(), KeyOf(index, kVectorsName),
                                             VectorsBytes(table_, piece.live_rows), run_.budget));
    if (!IsBinary(table_.metric)) {
      writer.set_inspect([&](uint64_t position, ByteView stretch) {
        NoteBadRows(piece, header.size(), position, stretch, bad);
        // Nothing of this is going to be used.
        if (bad.size() > 0) writer.StopSending();
        return Status::Ok();
      });
    }
    return Write(ctx, writer, header, files_.vectors, table_.vector_bytes(), piece);
  }

  /// `stretch` stands at `position` of the file, whose first `header_bytes` are no vectors. It
  /// begins with a float, but not with a row.
  void NoteBadRows(const Piece& piece, uint64_t header_bytes, uint64_t position, ByteView stretch,
                   RowSet& bad) const {
    const uint64_t header_left = position < header_bytes ? header_bytes - position : 0;
    const ByteView floats = stretch.subspan(std::min<uint64_t>(header_left, stretch.size()));
    const uint64_t begin = position + header_left - header_bytes;
    const size_t count = floats.size() / sizeof(float);
    // Of the live row `index` of the piece.
    uint64_t row = skipped_.NextOut(piece.first_row);
    uint64_t index = 0;
    for (size_t at = FindNonFinite(floats, 0); at < count;) {
      const uint64_t wanted = (begin + at * sizeof(float)) / table_.vector_bytes();
      for (uint64_t end = skipped_.NextIn(row); wanted - index >= end - row;
           end = skipped_.NextIn(row)) {
        index += end - row;
        row = skipped_.NextOut(end);
      }
      row += wanted - index;
      index = wanted;
      bad.Add(row);
      const uint64_t next = (wanted + 1) * table_.vector_bytes();
      at = next - begin >= floats.size() ? count
                                         : FindNonFinite(floats, (next - begin) / sizeof(float));
    }
  }

  Status WriteIds(const CallContext& ctx, size_t index) {
    const Piece& piece = pieces_[index];
    MB_ASSIGN_OR_RETURN(ObjectWriter writer,
                        ObjectWriter::Create(ctx, target(), KeyOf(index, kIdsName),
                                             IdsBytes(piece.live_rows), run_.budget));
    return Write(ctx, writer, IdsHeader(piece.live_rows), files_.ids, kIdBytes, piece);
  }

  std::string KeyOf(size_t index, const char* name) const {
    return Key(PieceDir(dir_, index, pieces_.size()) + name);
  }

  Status Write(const CallContext& ctx, ObjectWriter& writer, const std::string& header,
               const SourceFile& file, uint64_t row_bytes, const Piece& piece) {
    const char* const kind = &file == &files_.ids ? "uid" : "rv";
    log::Event(log::Level::kInfo, fmt::format("Begin to dump {} file to numpy", kind),
               {{"Source", file.key}, {"Target", writer.key()}});
    MB_RETURN_IF_ERROR(writer.Append(ctx, AsBytes(header)));
    const bool is_local = !run_.source.local_root.empty();
    const RowStream stream{.row_bytes = row_bytes,
                           .block_bytes = is_local
                                              ? run_.rules.block_bytes
                                              : std::max(run_.rules.block_bytes, kLeastRemoteBlock),
                           .room = [&writer] { return writer.room(); },
                           .filled = [&](uint64_t count) { return writer.Filled(ctx, count); }};
    MB_RETURN_IF_ERROR(
        StreamRows(ctx, run_.source, file, skipped_, piece.first_row, piece.end_row, stream));
    MB_RETURN_IF_ERROR(writer.Finish(ctx));
    log::Event(log::Level::kInfo, fmt::format("End to dump {} file to numpy", kind),
               {{"Source", file.key}, {"Target", writer.key()}});
    return Status::Ok();
  }

  const DumpRun& run_;
  const Table& table_;
  const Segment& segment_;
  const std::string dir_;
  const SegmentFiles files_;
  /// Deleted rows, and rows that cannot be imported.
  RowSet skipped_;
  uint64_t bad_rows_ = 0;
  std::vector<Piece> pieces_;
};

}  // namespace

Result<DumpedSegment> DumpSegment(const CallContext& ctx, const DumpRun& run, const Table& table,
                                  const Segment& segment) {
  MB_ASSIGN_OR_RETURN(SegmentFiles files, OpenSegment(ctx, run.source, table, segment));
  return SegmentDump(run, table, segment, std::move(files)).Run(ctx);
}

}  // namespace milvus_backup::migration
