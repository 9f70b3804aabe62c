#include "milvus_backup/binlog/values.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace milvus_backup::binlog {
namespace {

/// Goes through a JSON text without making a tree of it. Nesting costs a bit per level, no stack.
class JsonScanner {
 public:
  explicit JsonScanner(std::string_view text) : text_(text) {}

  void SkipBlanks() {
    while (position_ < text_.size() &&
           std::string_view(" \t\r\n").find(text_[position_]) != std::string_view::npos) {
      ++position_;
    }
  }
  bool at_end() const { return position_ == text_.size(); }
  size_t position() const { return position_; }
  std::string_view From(size_t begin) const { return text_.substr(begin, position_ - begin); }

  bool Take(char wanted) {
    if (at_end() || text_[position_] != wanted) return false;
    ++position_;
    return true;
  }
  bool Take(std::string_view wanted) {
    if (!text_.substr(position_).starts_with(wanted)) return false;
    position_ += wanted.size();
    return true;
  }

  /// Pass a string with its quotes.
  bool SkipString() {
    if (!Take('"')) return false;
    while (!at_end()) {
      const char c = text_[position_++];
      if (c == '"') return true;
      if (static_cast<uint8_t>(c) < 0x20) return false;
      if (c == '\\' && !SkipEscape()) return false;
    }
    return false;
  }

  /// Pass one value of any kind.
  bool SkipValue() {
    std::vector<bool> objects;  // the kinds of what is open
    do {
      SkipBlanks();
      if (Take('{')) {
        SkipBlanks();
        if (!Take('}')) {
          if (!SkipName()) return false;
          objects.push_back(true);
          continue;
        }
      } else if (Take('[')) {
        SkipBlanks();
        if (!Take(']')) {
          objects.push_back(false);
          continue;
        }
      } else if (!SkipScalar()) {
        return false;
      }
      if (!CloseValue(objects)) return false;
    } while (!objects.empty());
    return true;
  }

  /// Pass `"name":`.
  bool SkipName() {
    SkipBlanks();
    if (!SkipString()) return false;
    SkipBlanks();
    return Take(':');
  }

 private:
  /// After a value: pass what ends lists and objects, up to the next value or the end of all.
  bool CloseValue(std::vector<bool>& objects) {
    while (!objects.empty()) {
      SkipBlanks();
      if (Take(',')) return !objects.back() || SkipName();
      if (!Take(objects.back() ? '}' : ']')) return false;
      objects.pop_back();
    }
    return true;
  }

  bool SkipEscape() {
    if (at_end()) return false;
    const char c = text_[position_++];
    if (c != 'u') return std::string_view("\"\\/bfnrt").find(c) != std::string_view::npos;
    for (int i = 0; i < 4; ++i, ++position_) {
      if (at_end() || std::isxdigit(static_cast<unsigned char>(text_[position_])) == 0)
        return false;
    }
    return true;
  }

  bool SkipDigits() {
    const size_t begin = position_;
    while (!at_end() && text_[position_] >= '0' && text_[position_] <= '9') ++position_;
    return position_ > begin;
  }

  bool SkipScalar() {
    if (at_end()) return false;
    if (text_[position_] == '"') return SkipString();
    for (const std::string_view word : {"true", "false", "null", "NaN", "Infinity", "-Infinity"}) {
      if (Take(word)) return true;
    }
    Take('-');
    if (!Take('0') && !SkipDigits()) return false;
    if (Take('.') && !SkipDigits()) return false;
    if (!Take('e') && !Take('E')) return true;
    if (!Take('+')) Take('-');
    return SkipDigits();
  }

  std::string_view text_;
  size_t position_ = 0;
};

void AppendUtf8(std::string& text, uint32_t code) {
  const auto tail = [&](unsigned shift) {
    text += static_cast<char>(0x80U | ((code >> shift) & 0x3FU));
  };
  if (code < 0x80) {
    text += static_cast<char>(code);
  } else if (code < 0x800) {
    text += static_cast<char>(0xC0U | (code >> 6U));
    tail(0);
  } else if (code < 0x10000) {
    text += static_cast<char>(0xE0U | (code >> 12U));
    tail(6);
    tail(0);
  } else {
    text += static_cast<char>(0xF0U | (code >> 18U));
    tail(12);
    tail(6);
    tail(0);
  }
}

uint32_t FourHexDigits(std::string_view text, size_t position) {
  uint32_t value = 0;
  if (position + 4 <= text.size()) {
    std::from_chars(text.data() + position, text.data() + position + 4, value, 16);
  }
  return value;
}

/// The code point of the escape whose digits start at `position`, moved behind it. A surrogate
/// without its partner becomes U+FFFD.
uint32_t TakeCodePoint(std::string_view text, size_t& position) {
  const uint32_t first = FourHexDigits(text, position);
  position += 4;
  if (first < 0xD800 || first > 0xDFFF) return first;
  if (first < 0xDC00 && text.substr(position).starts_with("\\u")) {
    const uint32_t second = FourHexDigits(text, position + 2);
    if (second >= 0xDC00 && second <= 0xDFFF) {
      position += 6;
      return 0x10000 + ((first - 0xD800) << 10U) + (second - 0xDC00);
    }
  }
  return 0xFFFD;
}

std::string Unescape(std::string_view text) {
  constexpr std::string_view kLetters = "bfnrt";
  constexpr std::string_view kMeanings = "\b\f\n\r\t";
  std::string plain;
  for (size_t i = 0; i < text.size();) {
    const size_t escape = std::min(text.find('\\', i), text.size());
    plain += text.substr(i, escape - i);
    if (escape == text.size()) break;
    const char c = text[escape + 1];
    i = escape + 2;
    if (c == 'u') {
      AppendUtf8(plain, TakeCodePoint(text, i));
    } else {
      const size_t letter = kLetters.find(c);
      plain += letter == std::string_view::npos ? c : kMeanings[letter];
    }
  }
  return plain;
}

}  // namespace

bool IsJson(std::string_view text) {
  JsonScanner scanner(text);
  if (!scanner.SkipValue()) return false;
  scanner.SkipBlanks();
  return scanner.at_end() && IsUtf8(text);
}

Result<std::string> DecodeJsonString(std::string_view json) {
  JsonScanner scanner(json);
  if (!scanner.SkipString() || !scanner.at_end()) return DataLossError("not a JSON string");
  return Unescape(json.substr(1, json.size() - 2));
}

Status ForEachMember(
    std::string_view text,
    const std::function<Status(const std::string& name, std::string_view value)>& visit) {
  const auto broken = [] { return DataLossError("not a JSON object"); };
  JsonScanner scanner(text);
  scanner.SkipBlanks();
  if (!scanner.Take('{')) return broken();
  scanner.SkipBlanks();
  for (bool more = !scanner.Take('}'); more;) {
    scanner.SkipBlanks();
    const size_t name_begin = scanner.position();
    if (!scanner.SkipString()) return broken();
    const std::string_view name = scanner.From(name_begin);
    scanner.SkipBlanks();
    if (!scanner.Take(':')) return broken();
    scanner.SkipBlanks();
    const size_t value_begin = scanner.position();
    if (!scanner.SkipValue()) return broken();
    MB_RETURN_IF_ERROR(visit(Unescape(name.substr(1, name.size() - 2)), scanner.From(value_begin)));
    scanner.SkipBlanks();
    more = scanner.Take(',');
    if (!more && !scanner.Take('}')) return broken();
  }
  scanner.SkipBlanks();
  return scanner.at_end() ? Status::Ok() : broken();
}

}  // namespace milvus_backup::binlog
