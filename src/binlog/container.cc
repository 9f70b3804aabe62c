#include "milvus_backup/binlog/container.h"

#include "little_endian_internal.h"

#include "milvus_backup/binlog/values.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace milvus_backup::binlog {
namespace {

// Offsets and sizes of the descriptor in a file, magic number included.
constexpr uint32_t kMagic = 0x00fffabc;
constexpr uint64_t kHeaderSize = 17;
constexpr uint64_t kFixedDescriptorEnd = 85;
constexpr uint64_t kEventDataSize = 16;
constexpr size_t kMaxExtras = kMiB;
/// Sizes of the fixed parts behind the headers of event types 0 to 7.
constexpr std::array<uint8_t, 8> kPostHeaderLengths = {52, 16, 16, 16, 16, 16, 16, 16};

struct EventHeader {
  uint8_t type = 0;
  int32_t length = 0;
  int32_t next_position = 0;
};

EventHeader ReadHeader(ByteView bytes) {
  return {.type = LoadLe<uint8_t>(bytes, 8),
          .length = LoadLe<int32_t>(bytes, 9),
          .next_position = LoadLe<int32_t>(bytes, 13)};
}

// Writers that stream do not know positions and say -1.
Status CheckNextPosition(const EventHeader& header, uint64_t offset) {
  if (header.next_position == -1) return Status::Ok();
  const uint64_t end = offset + static_cast<uint64_t>(header.length);
  if (static_cast<uint64_t>(header.next_position) == end) return Status::Ok();
  return DataLossError(
      fmt::format("the event at {} ends at {} but says {}", offset, end, header.next_position));
}

Status ReadExtras(std::string_view text, Descriptor& descriptor) {
  const Status read = ForEachMember(text, [&](const std::string& name, std::string_view value) {
    if (name == "nullable") descriptor.nullable = value == "true";
    if (name == "edek") descriptor.encrypted = true;
    if (name == "version") {
      MB_ASSIGN_OR_RETURN(descriptor.version, DecodeJsonString(value));
    }
    return Status::Ok();
  });
  return read.ok() ? read : DataLossError("the extras of the descriptor are not a JSON object");
}

Status CheckDescriptor(ByteView fixed, const EventHeader& header, uint64_t file_size) {
  if (header.type != 0) {
    return DataLossError(fmt::format("the first event has type {} instead of 0", header.type));
  }
  for (size_t i = 0; i < kPostHeaderLengths.size(); ++i) {
    if (LoadLe<uint8_t>(fixed, 73 + i) != kPostHeaderLengths[i]) {
      return DataLossError(fmt::format("the length of the header of event type {} is {}", i,
                                       LoadLe<uint8_t>(fixed, 73 + i)));
    }
  }
  const auto extra_length = LoadLe<int32_t>(fixed, 81);
  const auto room = static_cast<int64_t>(file_size - kFixedDescriptorEnd);
  if (extra_length < 0 || extra_length > room || extra_length > int64_t{kMaxExtras} ||
      header.length != extra_length + 81) {
    return DataLossError(fmt::format("the descriptor takes {} bytes, its extras {}, the file {}",
                                     header.length, extra_length, file_size));
  }
  return CheckNextPosition(header, 4);
}

Result<Event> ReadEvent(ByteSource& source, uint64_t offset, EventType expected) {
  const uint64_t room = source.size() - offset;
  if (room < kHeaderSize + kEventDataSize) {
    return DataLossError(
        fmt::format("{} bytes are left at {}, too few for an event", room, offset));
  }
  MB_ASSIGN_OR_RETURN(const ByteView bytes, source.View(offset, kHeaderSize + kEventDataSize));
  const EventHeader header = ReadHeader(bytes);
  if (header.type != static_cast<uint8_t>(expected)) {
    return DataLossError(fmt::format("the event at {} has type {} instead of {}", offset,
                                     header.type, static_cast<int>(expected)));
  }
  if (header.length < static_cast<int64_t>(kHeaderSize + kEventDataSize) ||
      static_cast<uint64_t>(header.length) > room) {
    return DataLossError(fmt::format("the event at {} takes {} bytes of {} that are left", offset,
                                     header.length, room));
  }
  MB_RETURN_IF_ERROR(CheckNextPosition(header, offset));
  const auto length = static_cast<uint64_t>(header.length);
  return Event{.offset = offset,
               .type = expected,
               .length = length,
               .start_timestamp = LoadLe<uint64_t>(bytes, 17),
               .end_timestamp = LoadLe<uint64_t>(bytes, 25),
               .payload_offset = offset + kHeaderSize + kEventDataSize,
               .payload_size = length - kHeaderSize - kEventDataSize};
}

}  // namespace

bool StartsAsContainer(ByteView first_bytes) {
  return first_bytes.size() >= 4 && LoadLe<uint32_t>(first_bytes) == kMagic;
}

Result<Descriptor> ReadDescriptor(ByteSource& source) {
  if (source.size() < kFixedDescriptorEnd) {
    return DataLossError(fmt::format("{} bytes are too few for a log", source.size()));
  }
  MB_ASSIGN_OR_RETURN(ByteView fixed, source.View(0, kFixedDescriptorEnd));
  if (!StartsAsContainer(fixed)) return DataLossError("does not start as a log of Milvus");
  MB_RETURN_IF_ERROR(CheckDescriptor(fixed, ReadHeader(fixed.subspan(4)), source.size()));
  const auto extra_length = static_cast<size_t>(LoadLe<int32_t>(fixed, 81));
  Descriptor descriptor = {.collection_id = LoadLe<int64_t>(fixed, 21),
                           .partition_id = LoadLe<int64_t>(fixed, 29),
                           .segment_id = LoadLe<int64_t>(fixed, 37),
                           .field_id = LoadLe<int64_t>(fixed, 45),
                           .start_timestamp = LoadLe<uint64_t>(fixed, 53),
                           .end_timestamp = LoadLe<uint64_t>(fixed, 61),
                           .payload_type = LoadLe<int32_t>(fixed, 69),
                           .size = kFixedDescriptorEnd + extra_length};
  MB_ASSIGN_OR_RETURN(const ByteView extras, source.View(kFixedDescriptorEnd, extra_length));
  MB_RETURN_IF_ERROR(ReadExtras(AsText(extras), descriptor));
  return descriptor;
}

Result<std::vector<Event>> ReadEvents(ByteSource& source, const Descriptor& descriptor,
                                      EventType expected, const Limits& limits) {
  if (descriptor.encrypted) return UnimplementedError("the log is encrypted");
  std::vector<Event> events;
  for (uint64_t offset = descriptor.size; offset < source.size();) {
    if (events.size() == limits.max_events) {
      return UnimplementedError(fmt::format("the log has more than {} events", events.size()));
    }
    MB_ASSIGN_OR_RETURN(const Event event, ReadEvent(source, offset, expected));
    events.push_back(event);
    offset += event.length;
  }
  if (events.empty()) return DataLossError("the log ends after its descriptor");
  return events;
}

}  // namespace milvus_backup::binlog
