#include "npy.h"

#include <fmt/format.h>

#include <charconv>

namespace milvus_backup::migration {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
/// Magic, two bytes of version, two of length.
constexpr size_t kFixedBytes = 10;
constexpr size_t kAlignment = 64;

/// What follows `key` and a colon in the text of a header, without blanks before it.
std::string_view ValueOf(std::string_view text, std::string_view key) {
  const std::string quoted = fmt::format("'{}':", key);
  const size_t at = text.find(quoted);
  if (at == std::string_view::npos) return {};
  text.remove_prefix(at + quoted.size());
  const size_t begin = text.find_first_not_of(' ');
  return begin == std::string_view::npos ? std::string_view() : text.substr(begin);
}

bool ParseShape(std::string_view text, std::vector<uint64_t>& shape) {
  if (!text.starts_with('(')) return false;
  const size_t end = text.find(')');
  if (end == std::string_view::npos) return false;
  text = text.substr(1, end - 1);
  while (true) {
    const size_t begin = text.find_first_not_of(", ");
    if (begin == std::string_view::npos) return true;
    text.remove_prefix(begin);
    uint64_t extent = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), extent);
    if (parsed.ec != std::errc()) return false;
    shape.push_back(extent);
    text.remove_prefix(static_cast<size_t>(parsed.ptr - text.data()));
  }
}

}  // namespace

std::string EncodeNpyHeader(std::string_view descr, const std::vector<uint64_t>& shape) {
  std::string extents;
  for (const uint64_t extent : shape) {
    extents += extents.empty() ? fmt::format("{}", extent) : fmt::format(", {}", extent);
  }
  if (shape.size() == 1) extents += ',';
  std::string text =
      fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}), }}", descr, extents);
  const size_t unpadded = kFixedBytes + text.size() + 1;
  text.append((kAlignment - unpadded % kAlignment) % kAlignment, ' ');
  text += '\n';
  std::string header(kMagic);
  header +=
      {'\x01', '\x00', static_cast<char>(text.size() & 0xff), static_cast<char>(text.size() >> 8)};
  return header + text;
}

Result<NpyHeader> DecodeNpyHeader(ByteView begin) {
  const std::string_view bytes = AsText(begin);
  const Status broken = DataLossError("no header of a NumPy file of version 1.0");
  if (bytes.size() < kFixedBytes || !bytes.starts_with(kMagic)) return broken;
  if (bytes[6] != 1 || bytes[7] != 0) return broken;
  const size_t length = static_cast<unsigned char>(bytes[8]) +
                        (static_cast<size_t>(static_cast<unsigned char>(bytes[9])) << 8);
  if (bytes.size() < kFixedBytes + length) return broken;
  const std::string_view text = bytes.substr(kFixedBytes, length);
  const std::string_view descr = ValueOf(text, "descr");
  if (!descr.starts_with('\'') || descr.find('\'', 1) == std::string_view::npos) return broken;
  NpyHeader header;
  header.descr = descr.substr(1, descr.find('\'', 1) - 1);
  header.bytes = kFixedBytes + length;
  if (!ValueOf(text, "fortran_order").starts_with("False")) {
    return DataLossError("a NumPy file in Fortran order");
  }
  if (!ParseShape(ValueOf(text, "shape"), header.shape)) return broken;
  return header;
}

}  // namespace milvus_backup::migration
