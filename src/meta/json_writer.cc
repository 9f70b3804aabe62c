#include "json_writer_internal.h"

#include "milvus_backup/base/bytes.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>

namespace milvus_backup::meta {
namespace {

constexpr size_t kFlushBytes = 64 * kKiB;
constexpr char kHexDigits[] = "0123456789abcdef";

/// Smallest value a sequence of this length may encode; anything below is an overlong form.
constexpr std::array<uint32_t, 5> kLeastCodePoint = {0, 0, 0x80, 0x800, 0x10000};

/// Bytes that are written as they stand and need no look at their neighbours.
bool StandsForItself(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x20 && byte < 0x80 && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&';
}

struct CodePoint {
  /// 0 when the bytes are no UTF-8.
  size_t length = 0;
  uint32_t value = 0;
};

CodePoint DecodeUtf8(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  size_t length = 0;
  uint32_t value = 0;
  if (lead < 0x80) return {1, lead};
  if ((lead & 0xE0U) == 0xC0U) {
    length = 2;
    value = lead & 0x1FU;
  } else if ((lead & 0xF0U) == 0xE0U) {
    length = 3;
    value = lead & 0x0FU;
  } else if ((lead & 0xF8U) == 0xF0U) {
    length = 4;
    value = lead & 0x07U;
  }
  if (length == 0 || text.size() < length) return {};
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0U) != 0x80U) return {};
    value = (value << 6U) | (byte(i) & 0x3FU);
  }
  const bool surrogate = value >= 0xD800 && value <= 0xDFFF;
  if (value < kLeastCodePoint.at(length) || value > 0x10FFFF || surrogate) return {};
  return {length, value};
}

}  // namespace

void JsonWriter::Begin(char bracket) {
  BeforeValue();
  buffer_ += bracket;
  has_items_.push_back(false);
}

void JsonWriter::End(char bracket) {
  const bool had_items = has_items_.back();
  has_items_.pop_back();
  if (had_items) NewLine();
  buffer_ += bracket;
  FlushIfLarge();
}

void JsonWriter::Key(std::string_view key) {
  Separate();
  Quote(key);
  buffer_ += indent_ > 0 ? ": " : ":";
  after_key_ = true;
}

void JsonWriter::BeforeValue() {
  if (!after_key_) Separate();
  after_key_ = false;
}

void JsonWriter::Separate() {
  if (has_items_.empty()) return;
  if (has_items_.back()) buffer_ += ',';
  has_items_.back() = true;
  NewLine();
}

void JsonWriter::NewLine() {
  if (indent_ == 0) return;
  buffer_ += '\n';
  buffer_.append(static_cast<size_t>(indent_) * has_items_.size(), ' ');
}

void JsonWriter::String(std::string_view value) {
  BeforeValue();
  Quote(value);
  FlushIfLarge();
}

void JsonWriter::Signed(int64_t value) {
  BeforeValue();
  buffer_ += std::to_string(value);
}

void JsonWriter::Unsigned(uint64_t value) {
  BeforeValue();
  buffer_ += std::to_string(value);
}

void JsonWriter::Bool(bool value) {
  BeforeValue();
  buffer_ += value ? "true" : "false";
}

void JsonWriter::Quote(std::string_view text) {
  buffer_ += '"';
  while (!text.empty()) {
    const auto special = std::find_if_not(text.begin(), text.end(), StandsForItself);
    const auto plain = static_cast<size_t>(special - text.begin());
    buffer_ += text.substr(0, plain);
    text.remove_prefix(plain);
    if (text.empty()) break;
    const CodePoint point = DecodeUtf8(text);
    if (point.length == 0) {
      buffer_ += "\\ufffd";
      text.remove_prefix(1);
      continue;
    }
    if (point.length == 1) {
      QuoteAscii(static_cast<unsigned char>(point.value));
    } else if (point.value == 0x2028 || point.value == 0x2029) {
      // Line ends to JavaScript, so Go escapes them.
      buffer_ += point.value == 0x2028 ? "\\u2028" : "\\u2029";
    } else {
      buffer_ += text.substr(0, point.length);
    }
    text.remove_prefix(point.length);
  }
  buffer_ += '"';
}

void JsonWriter::QuoteAscii(unsigned char c) {
  switch (c) {
    case '"':
      buffer_ += "\\\"";
      return;
    case '\\':
      buffer_ += "\\\\";
      return;
    case '\b':
      buffer_ += "\\b";
      return;
    case '\f':
      buffer_ += "\\f";
      return;
    case '\n':
      buffer_ += "\\n";
      return;
    case '\r':
      buffer_ += "\\r";
      return;
    case '\t':
      buffer_ += "\\t";
      return;
    default:
      break;
  }
  // Go escapes <, > and & so that the text can stand inside HTML.
  if (c < 0x20 || c == '<' || c == '>' || c == '&') {
    buffer_ += "\\u00";
    buffer_ += kHexDigits[c >> 4U];
    buffer_ += kHexDigits[c & 0xFU];
    return;
  }
  buffer_ += static_cast<char>(c);
}

void JsonWriter::FlushIfLarge() {
  if (buffer_.size() < kFlushBytes) return;
  if (status_.ok()) status_ = sink_(buffer_);
  buffer_.clear();
}

Status JsonWriter::Finish() {
  if (status_.ok() && !buffer_.empty()) status_ = sink_(buffer_);
  buffer_.clear();
  return status_;
}

}  // namespace milvus_backup::meta
