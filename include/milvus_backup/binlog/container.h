/// The container around the rows of one field or around deletes: a magic number, a descriptor, then
/// events with one Parquet file each. Layout: docs/format.md, "Logs". Free functions.
#pragma once

#include "milvus_backup/base/status.h"
#include "milvus_backup/binlog/byte_source.h"

#include <cstdint>
#include <string>
#include <vector>

namespace milvus_backup::binlog {

enum class EventType : uint8_t { kDescriptor = 0, kInsert = 1, kDelete = 2 };

/// What a container says of itself.
struct Descriptor {
  int64_t collection_id = 0;
  int64_t partition_id = 0;
  int64_t segment_id = 0;
  /// -1 in delta logs.
  int64_t field_id = 0;
  /// Hybrid timestamps; both 0 when the writer did not know them.
  uint64_t start_timestamp = 0;
  uint64_t end_timestamp = 0;
  /// schema.DataType of the rows.
  int32_t payload_type = 0;
  /// The field may hold nulls.
  bool nullable = false;
  /// Everything after the descriptor is encrypted.
  bool encrypted = false;
  /// `MULTI_FIELD` in delta logs with two columns, else empty.
  std::string version{};
  /// Where the first event starts.
  uint64_t size = 0;
};

struct Event {
  uint64_t offset = 0;
  EventType type = EventType::kInsert;
  /// Bytes, header included.
  uint64_t length = 0;
  /// Both 1 when the writer did not know them.
  uint64_t start_timestamp = 0;
  uint64_t end_timestamp = 0;
  uint64_t payload_offset = 0;
  uint64_t payload_size = 0;
};

/// Whether an object of these first bytes is a container.
bool StartsAsContainer(ByteView first_bytes);

Result<Descriptor> ReadDescriptor(ByteSource& source);

/// The headers of all events, which must be of type `expected`, follow each other without gaps and
/// reach exactly to the end of the object. Reads headers only. kUnimplemented when encrypted.
Result<std::vector<Event>> ReadEvents(ByteSource& source, const Descriptor& descriptor,
                                      EventType expected, const Limits& limits);

}  // namespace milvus_backup::binlog
