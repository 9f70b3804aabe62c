/// What Milvus 0.9–1.x says of its collections, and `meta.json`, the form in which it is exported.
/// Plain data and pure functions, thread-safe.
#pragma once

#include "milvus_backup/base/status.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace milvus_backup::migration {

/// metric_type of the 1.x meta; from kHamming on the vectors are binary.
enum class Metric {
  kL2 = 1,
  kIp = 2,
  kHamming = 3,
  kJaccard = 4,
  kTanimoto = 5,
  kSubstructure = 6,
  kSuperstructure = 7,
};
constexpr bool IsBinary(Metric metric) { return metric >= Metric::kHamming; }

/// A segment: the directory `<table>/<id>`.
struct Segment {
  std::string id;
  /// Live rows and payload bytes as the meta counts them. The files have the last word.
  std::optional<int64_t> rows;
  std::optional<int64_t> file_size;
  friend bool operator==(const Segment&, const Segment&) = default;
};

/// A collection's default partition, or one of its other partitions: both are tables in 1.x.
struct Table {
  /// Directory name; of a collection also its name.
  std::string id;
  Metric metric = Metric::kL2;
  /// Of binary vectors in bits.
  int64_t dim = 0;
  std::vector<Segment> segments;
  /// The collection a partition belongs to, and its name there; both empty for a collection.
  std::string owner;
  std::string partition_tag;
  /// engine_type and index_params of the meta, when known: index wanted and its parameters.
  std::optional<int64_t> index_type;
  std::string index_params;
  /// Bit 0: ids were made by the server; bit 1: given by the user.
  std::optional<int64_t> flag;
  /// Bytes, and the version of the server, when the meta comes from its database: meta.json does
  /// not tell them.
  int64_t index_file_size = 0;
  std::string version;
  /// Tags of the collection's partitions without any segment.
  std::vector<std::string> empty_partitions;
  friend bool operator==(const Table&, const Table&) = default;

  /// Name of the collection the rows belong to.
  const std::string& collection() const { return owner.empty() ? id : owner; }
  /// Bytes of one vector.
  uint64_t vector_bytes() const {
    return static_cast<uint64_t>(IsBinary(metric) ? dim / 8 : dim * 4);
  }
};

struct Meta {
  /// In the order of their ids in the meta database.
  std::vector<Table> tables;
  friend bool operator==(const Meta&, const Meta&) = default;

  /// Sum of what the segments say; those that say nothing count 0.
  int64_t rows() const;
};

int64_t RowsOf(const Table& table);

/// `meta.json` as the Go tool writes it, one line, with keys of ours behind its own: `owner`,
/// `partitionTag`, `indexType`, `indexParams`, `flag`, `emptyPartitions`. It ignores them.
std::string EncodeMeta(const Meta& meta);

/// kDataLoss naming `what` and the entry when the text is no meta.json, names a directory that
/// would lead out of the tables directory, or a metric or dimension that does not exist. Unknown
/// keys are ignored; without ours, every entry is a collection.
Result<Meta> DecodeMeta(std::string_view text, const std::string& what);

/// The tables of the collections called `collections`, or all when that is empty.
/// kInvalidArgument `no required collection exist, col=NAME` for a name that is not there.
Result<Meta> SelectCollections(Meta meta, const std::vector<std::string>& collections);

/// Largest meta.json that is read, bytes: about a million segments.
inline constexpr size_t kMaxMetaBytes = size_t{256} << 20;

}  // namespace milvus_backup::migration
