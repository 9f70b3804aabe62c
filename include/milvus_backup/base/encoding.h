/// Hex, base64, hashes of short texts and percent encoding, as the wire formats need them.
#pragma once

#include "milvus_backup/base/bytes.h"
#include "milvus_backup/base/status.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace milvus_backup {

std::string HexEncode(ByteView bytes);
/// Digits of either case; none when the text is not an even number of hex digits.
std::optional<std::vector<std::byte>> HexDecode(std::string_view text);
/// So many random lower-case hex digits, from the system's source of randomness.
std::string RandomHex(size_t digits);
/// A random UUID (RFC 9562 version 4), lower case.
std::string RandomUuid();
/// So many random letters and digits.
std::string RandomWord(size_t length);
/// Whether the texts are equal, in a time that does not tell how much of them is: for secrets.
bool EqualInConstantTime(std::string_view a, std::string_view b);
/// Standard alphabet with padding (RFC 4648 §4).
std::string Base64Encode(ByteView bytes);
Result<std::string> Base64Decode(std::string_view text);

using Sha256Digest = std::array<std::byte, 32>;
using Md5Digest = std::array<std::byte, 16>;
Sha256Digest Sha256(ByteView bytes);
Sha256Digest HmacSha256(ByteView key, std::string_view text);
Md5Digest Md5(ByteView bytes);

/// MD5 of bytes that come in pieces. Used by one thread.
class Md5Hasher {
 public:
  Md5Hasher();
  Md5Hasher(const Md5Hasher&) = delete;
  Md5Hasher& operator=(const Md5Hasher&) = delete;
  ~Md5Hasher();

  void Add(ByteView bytes);
  /// Of all bytes added; to be called once, last.
  Md5Digest Finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Bytes of the UTF-8 sequence that `text` begins with; 0 when it begins with none, or is empty.
size_t Utf8Length(std::string_view text);
/// `text` with a `?` for every control character, those of Unicode's second block and those that
/// change the direction of writing too, and for every byte that is no UTF-8: what others have
/// written must not steer a terminal.
std::string Printable(std::string_view text);
/// The same, but newlines and tabs stay.
std::string PrintableLines(std::string_view text);
/// Percent-encode everything outside `A-Za-z0-9-_.~`, upper-case hex; `/` stays when `keep_slash`.
/// The rule of AWS signature version 4, used for the wire as well.
std::string PercentEncode(std::string_view text, bool keep_slash);
/// Decode `%XX`; a broken escape is kept as it stands. `+` is decoded to a blank when
/// `plus_is_space` (the form encoding some servers use in listings).
std::string PercentDecode(std::string_view text, bool plus_is_space = false);

}  // namespace milvus_backup
