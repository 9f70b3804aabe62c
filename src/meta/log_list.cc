#include "milvus_backup/meta/log_list.h"

#include "milvus_backup/base/status.h"

#include <charconv>
#include <optional>
#include <string_view>
#include <utility>

// A list without fields is an empty text. Any other is
//   number of fields, number of logs, path head (length and bytes),
//   per field: field id less the one before it, number of its logs,
//   per log: flags, number at the end of its path or log id, less the one before it, size,
//            and what the flags announce, in the order of their bits.
// Numbers are LEB128; those that may be negative are folded first (0, -1, 1, -2 … → 0, 1, 2, 3 …).
namespace milvus_backup::meta {
namespace {

/// How log_path is kept. The head is what the paths of all logs of a segment begin with.
enum class PathForm : uint8_t { kNone, kHeadFieldNumber, kHeadNumber, kText };
constexpr uint8_t kPathMask = 0x03;
/// The file had no log_id; the number that stands in its place is the end of the path.
constexpr uint8_t kNoLogId = 0x04;
constexpr uint8_t kHasEntries = 0x08;
constexpr uint8_t kHasFrom = 0x10;
constexpr uint8_t kHasTo = 0x20;

uint64_t Fold(uint64_t value) {
  return (value << 1U) ^ (static_cast<int64_t>(value) < 0 ? ~uint64_t{0} : 0);
}
uint64_t Unfold(uint64_t value) { return (value >> 1U) ^ ((value & 1U) != 0 ? ~uint64_t{0} : 0); }

class Packer {
 public:
  void Number(uint64_t value) {
    for (; value >= 0x80; value >>= 7U) packed_ += static_cast<char>(value | 0x80U);
    packed_ += static_cast<char>(value);
  }
  void Signed(int64_t value) { Number(Fold(static_cast<uint64_t>(value))); }
  /// The difference wraps around, so that any two ids have one.
  void Difference(int64_t value, int64_t& before) {
    Number(Fold(static_cast<uint64_t>(value) - static_cast<uint64_t>(before)));
    before = value;
  }
  void Text(std::string_view text) {
    Number(text.size());
    packed_ += text;
  }
  void Byte(uint8_t byte) { packed_ += static_cast<char>(byte); }

  /// Without room to spare.
  std::string Take() const { return packed_; }

 private:
  std::string packed_;
};

class Unpacker {
 public:
  explicit Unpacker(std::string_view packed) : rest_(packed) {}

  uint64_t Number() {
    uint64_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
      const uint8_t byte = Byte();
      value |= uint64_t{byte & 0x7FU} << shift;
      if (byte < 0x80) return value;
    }
  }
  int64_t Signed() { return static_cast<int64_t>(Unfold(Number())); }
  int64_t Difference(int64_t& before) {
    before = static_cast<int64_t>(static_cast<uint64_t>(before) + Unfold(Number()));
    return before;
  }
  std::string_view Text() {
    const size_t length = Number();
    const std::string_view text = rest_.substr(0, length);
    rest_.remove_prefix(length);
    return text;
  }
  uint8_t Byte() {
    MB_CHECK(!rest_.empty());
    const auto byte = static_cast<uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return byte;
  }

 private:
  std::string_view rest_;
};

/// The number at the end of a path, in the only form in which it can be written again.
std::optional<int64_t> NumberAtEnd(std::string_view path) {
  const std::string_view last = path.substr(path.rfind('/') + 1);
  int64_t number = 0;
  const auto [end, error] = std::from_chars(last.data(), last.data() + last.size(), number);
  if (error != std::errc() || std::to_string(number) != last) return std::nullopt;
  return number;
}

std::string_view HeadOf(const FieldBinlog& field, std::string_view path) {
  path.remove_suffix(path.size() - (path.rfind('/') + 1));
  const std::string level = "/" + std::to_string(field.field_id) + "/";
  if (path.ends_with(level)) path.remove_suffix(level.size() - 1);
  return path;
}

std::string_view FindHead(std::span<const FieldBinlog> fields) {
  for (const FieldBinlog& field : fields) {
    for (const Binlog& log : field.binlogs) {
      if (NumberAtEnd(log.log_path)) return HeadOf(field, log.log_path);
    }
  }
  return {};
}

struct KeptPath {
  PathForm form = PathForm::kNone;
  int64_t number = 0;
};

KeptPath KeepPath(const FieldBinlog& field, const Binlog& log, std::string_view head) {
  if (log.log_path.empty()) return {PathForm::kNone, log.log_id};
  const std::optional<int64_t> number = NumberAtEnd(log.log_path);
  const bool says_id = number && (*number == log.log_id || log.log_id == 0);
  if (!says_id || !log.log_path.starts_with(head)) return {PathForm::kText, log.log_id};
  const std::string_view rest = std::string_view(log.log_path).substr(head.size());
  const std::string end = std::to_string(*number);
  if (rest == end) return {PathForm::kHeadNumber, *number};
  if (rest == std::to_string(field.field_id) + "/" + end) {
    return {PathForm::kHeadFieldNumber, *number};
  }
  return {PathForm::kText, log.log_id};
}

void PackLog(const FieldBinlog& field, const Binlog& log, std::string_view head, int64_t& number,
             Packer& packer) {
  const KeptPath path = KeepPath(field, log, head);
  auto flags = static_cast<uint8_t>(path.form);
  if (path.number != log.log_id) flags |= kNoLogId;
  if (log.entries_num != 0) flags |= kHasEntries;
  if (log.timestamp_from != 0) flags |= kHasFrom;
  if (log.timestamp_to != 0) flags |= kHasTo;
  packer.Byte(flags);
  packer.Difference(path.number, number);
  packer.Signed(log.log_size);
  if (path.form == PathForm::kText) packer.Text(log.log_path);
  if (log.entries_num != 0) packer.Signed(log.entries_num);
  if (log.timestamp_from != 0) packer.Number(log.timestamp_from);
  if (log.timestamp_to != 0) packer.Number(log.timestamp_to);
}

std::string PathOf(PathForm form, std::string_view head, int64_t field_id, int64_t number) {
  std::string path(head);
  if (form == PathForm::kHeadFieldNumber) path += std::to_string(field_id) + "/";
  return path + std::to_string(number);
}

/// Call `open_field(id, logs)` and, for each of its logs, `add(log)`; log_path only `with_paths`.
template <typename OpenField, typename Add>
void Walk(std::string_view packed, bool with_paths, const OpenField& open_field, const Add& add) {
  if (packed.empty()) return;
  Unpacker unpacker(packed);
  const uint64_t fields = unpacker.Number();
  unpacker.Number();
  const std::string_view head = unpacker.Text();
  int64_t field_id = 0;
  int64_t number = 0;
  for (uint64_t i = 0; i < fields; ++i) {
    unpacker.Difference(field_id);
    const uint64_t logs = unpacker.Number();
    open_field(field_id, logs);
    for (uint64_t j = 0; j < logs; ++j) {
      const uint8_t flags = unpacker.Byte();
      const auto form = static_cast<PathForm>(flags & kPathMask);
      Binlog log;
      unpacker.Difference(number);
      log.log_id = (flags & kNoLogId) != 0 ? 0 : number;
      log.log_size = unpacker.Signed();
      if (form == PathForm::kText) {
        const std::string_view text = unpacker.Text();
        if (with_paths) log.log_path = text;
      } else if (form != PathForm::kNone && with_paths) {
        log.log_path = PathOf(form, head, field_id, number);
      }
      if ((flags & kHasEntries) != 0) log.entries_num = unpacker.Signed();
      if ((flags & kHasFrom) != 0) log.timestamp_from = unpacker.Number();
      if ((flags & kHasTo) != 0) log.timestamp_to = unpacker.Number();
      add(std::move(log));
    }
  }
}

}  // namespace

LogList::LogList(std::span<const FieldBinlog> fields) {
  if (fields.empty()) return;
  size_t logs = 0;
  for (const FieldBinlog& field : fields) logs += field.binlogs.size();
  const std::string_view head = FindHead(fields);
  Packer packer;
  packer.Number(fields.size());
  packer.Number(logs);
  packer.Text(head);
  int64_t field_id = 0;
  int64_t number = 0;
  for (const FieldBinlog& field : fields) {
    packer.Difference(field.field_id, field_id);
    packer.Number(field.binlogs.size());
    for (const Binlog& log : field.binlogs) PackLog(field, log, head, number, packer);
  }
  packed_ = packer.Take();
}

size_t LogList::log_count() const {
  if (packed_.empty()) return 0;
  Unpacker unpacker(packed_);
  unpacker.Number();
  return unpacker.Number();
}

std::vector<LogEntry> LogList::Entries() const {
  std::vector<LogEntry> entries;
  entries.reserve(log_count());
  int64_t field = 0;
  Walk(
      packed_, false, [&](int64_t id, uint64_t) { field = id; },
      [&](const Binlog& log) {
        entries.push_back({field, log.log_id, log.log_size});
      });
  return entries;
}

std::vector<FieldBinlog> LogList::Unpack() const {
  std::vector<FieldBinlog> fields;
  Walk(
      packed_, true,
      [&](int64_t id, uint64_t logs) {
        fields.push_back({.field_id = id});
        fields.back().binlogs.reserve(logs);
      },
      [&](Binlog&& log) { fields.back().binlogs.push_back(std::move(log)); });
  return fields;
}

}  // namespace milvus_backup::meta
