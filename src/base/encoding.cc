#include "milvus_backup/base/encoding.h"

#include "milvus_backup/base/status.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <array>
#include <random>
#include <span>
#include <string_view>

namespace milvus_backup {
namespace {

const unsigned char* Raw(ByteView bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

bool IsUnreserved(unsigned char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_' || c == '.' || c == '~';
}

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// Whether a sequence of UTF-8 moves the cursor or the text around it instead of being shown.
bool SteersTerminal(std::string_view sequence) {
  const auto byte = [sequence](size_t i) { return static_cast<uint8_t>(sequence[i]); };
  if (sequence.size() == 1) return byte(0) < 0x20 || byte(0) == 0x7F;
  if (sequence.size() == 2) {
    // U+0080 to U+009F, U+061C.
    return (byte(0) == 0xC2 && byte(1) < 0xA0) || sequence == "\xD8\x9C";
  }
  if (sequence.size() != 3 || byte(0) != 0xE2) return false;
  // U+200E and U+200F, U+202A to U+202E, U+2066 to U+2069.
  return (byte(1) == 0x80 && ((byte(2) >= 0xAA && byte(2) <= 0xAE) || (byte(2) | 1U) == 0x8F)) ||
         (byte(1) == 0x81 && byte(2) >= 0xA6 && byte(2) <= 0xA9);
}

/// `text` as Printable has it, but characters of `kept`, which are ASCII, stay.
std::string WithoutControls(std::string_view text, std::string_view kept) {
  std::string shown;
  shown.reserve(text.size());
  while (!text.empty()) {
    const size_t length = Utf8Length(text);
    const std::string_view sequence = text.substr(0, length);
    const bool is_kept = length == 1 && kept.find(text.front()) != std::string_view::npos;
    if (length == 0 || (SteersTerminal(sequence) && !is_kept)) {
      shown.push_back('?');
    } else {
      shown.append(sequence);
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return shown;
}

template <typename Digest>
Digest EvpDigest(const EVP_MD* algorithm, ByteView bytes) {
  Digest digest{};
  unsigned int length = 0;
  MB_CHECK(EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(digest.data()),
                      &length, algorithm, nullptr) == 1);
  return digest;
}

}  // namespace

std::string HexEncode(ByteView bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const std::byte b : bytes) {
    const auto value = static_cast<unsigned>(b);
    text.push_back(kDigits[value >> 4U]);
    text.push_back(kDigits[value & 15U]);
  }
  return text;
}

std::optional<std::vector<std::byte>> HexDecode(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  std::vector<std::byte> bytes;
  bytes.reserve(text.size() / 2);
  for (size_t i = 0; i < text.size(); i += 2) {
    const int high = HexValue(text[i]);
    const int low = HexValue(text[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    bytes.push_back(static_cast<std::byte>(high * 16 + low));
  }
  return bytes;
}

std::string RandomHex(size_t digits) {
  std::random_device device;
  std::string text;
  while (text.size() < digits) {
    const std::array<uint32_t, 1> word = {device()};
    text += HexEncode(std::as_bytes(std::span(word)));
  }
  text.resize(digits);
  return text;
}

std::string RandomUuid() {
  std::string hex = RandomHex(32);
  hex[12] = '4';                                              // version 4
  hex[16] = "89ab"[static_cast<unsigned char>(hex[16]) % 4];  // variant 1
  return fmt::format("{}-{}-{}-{}-{}", hex.substr(0, 8), hex.substr(8, 4), hex.substr(12, 4),
                     hex.substr(16, 4), hex.substr(20));
}

std::string RandomWord(size_t length) {
  constexpr std::string_view kAlphabet =
      "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  std::random_device device;
  std::uniform_int_distribution<size_t> any(0, kAlphabet.size() - 1);
  std::string word;
  while (word.size() < length) word += kAlphabet[any(device)];
  return word;
}

bool EqualInConstantTime(std::string_view a, std::string_view b) {
  // Digests have one length whatever that of the texts is.
  const Sha256Digest left = Sha256(AsBytes(a));
  const Sha256Digest right = Sha256(AsBytes(b));
  return CRYPTO_memcmp(left.data(), right.data(), left.size()) == 0;
}

std::string Base64Encode(ByteView bytes) {
  std::string text((bytes.size() + 2) / 3 * 4, '\0');
  if (bytes.empty()) return text;
  // EVP_EncodeBlock also writes a terminating zero, which lands on the string's own terminator.
  EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), Raw(bytes),
                  static_cast<int>(bytes.size()));
  return text;
}

Result<std::string> Base64Decode(std::string_view text) {
  if (text.size() % 4 != 0)
    return InvalidArgumentError("base64 text of a length not divisible by 4");
  if (text.empty()) return std::string();
  std::string bytes(text.size() / 4 * 3, '\0');
  const int length = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                                     reinterpret_cast<const unsigned char*>(text.data()),
                                     static_cast<int>(text.size()));
  if (length < 0) return InvalidArgumentError("invalid base64 text");
  size_t padding = 0;
  while (padding < 2 && text[text.size() - 1 - padding] == '=') ++padding;
  bytes.resize(static_cast<size_t>(length) - padding);
  return bytes;
}

Sha256Digest Sha256(ByteView bytes) { return EvpDigest<Sha256Digest>(EVP_sha256(), bytes); }

Md5Digest Md5(ByteView bytes) { return EvpDigest<Md5Digest>(EVP_md5(), bytes); }

struct Md5Hasher::State {
  EVP_MD_CTX* const context = EVP_MD_CTX_new();
};

Md5Hasher::Md5Hasher() : state_(std::make_unique<State>()) {
  MB_CHECK(state_->context != nullptr);
  MB_CHECK(EVP_DigestInit_ex(state_->context, EVP_md5(), nullptr) == 1);
}

Md5Hasher::~Md5Hasher() { EVP_MD_CTX_free(state_->context); }

void Md5Hasher::Add(ByteView bytes) {
  MB_CHECK(EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) == 1);
}

Md5Digest Md5Hasher::Finish() {
  Md5Digest digest{};
  unsigned int length = 0;
  MB_CHECK(EVP_DigestFinal_ex(state_->context, reinterpret_cast<unsigned char*>(digest.data()),
                              &length) == 1);
  return digest;
}

Sha256Digest HmacSha256(ByteView key, std::string_view text) {
  // Looking the algorithm up costs more than the sum itself; each thread does it once.
  struct Context {
    Context() {
      EVP_MAC* const mac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
      context = EVP_MAC_CTX_new(mac);
      EVP_MAC_free(mac);
      char digest[] = "SHA256";
      const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string("digest", digest, 0),
                                   OSSL_PARAM_construct_end()};
      MB_CHECK(context != nullptr && EVP_MAC_CTX_set_params(context, params) == 1);
    }
    Context(const Context&) = delete;
    Context& operator=(const Context&) = delete;
    ~Context() { EVP_MAC_CTX_free(context); }
    EVP_MAC_CTX* context;
  };
  thread_local const Context mac;
  Sha256Digest digest{};
  size_t length = 0;
  // Without a key OpenSSL would go on with the one before.
  static constexpr unsigned char kNoKey = 0;
  const unsigned char* const secret = key.empty() ? &kNoKey : Raw(key);
  MB_CHECK(EVP_MAC_init(mac.context, secret, key.size(), nullptr) == 1);
  MB_CHECK(EVP_MAC_update(mac.context, Raw(AsBytes(text)), text.size()) == 1);
  MB_CHECK(EVP_MAC_final(mac.context, reinterpret_cast<unsigned char*>(digest.data()), &length,
                         digest.size()) == 1);
  return digest;
}

size_t Utf8Length(std::string_view text) {
  if (text.empty()) return 0;
  const auto byte = [text](size_t i) { return static_cast<uint8_t>(text[i]); };
  const auto is_tail = [&](size_t i) { return i < text.size() && (byte(i) & 0xC0U) == 0x80; };
  const uint8_t first = byte(0);
  if (first < 0x80) return 1;
  if (first < 0xC2 || first > 0xF4 || !is_tail(1)) return 0;
  if (first < 0xE0) return 2;
  const uint8_t second = byte(1);
  if (first < 0xF0) {
    // No overlong forms, no surrogates.
    const bool is_sound = (first != 0xE0 || second >= 0xA0) && (first != 0xED || second < 0xA0);
    return is_sound && is_tail(2) ? 3 : 0;
  }
  const bool is_sound = (first != 0xF0 || second >= 0x90) && (first != 0xF4 || second < 0x90);
  return is_sound && is_tail(2) && is_tail(3) ? 4 : 0;
}

std::string Printable(std::string_view text) { return WithoutControls(text, ""); }

std::string PrintableLines(std::string_view text) { return WithoutControls(text, "\n\t"); }

std::string PercentEncode(std::string_view text, bool keep_slash) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string encoded;
  encoded.reserve(text.size() + text.size() / 8);
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (IsUnreserved(byte) || (keep_slash && c == '/')) {
      encoded.push_back(c);
    } else {
      encoded.push_back('%');
      encoded.push_back(kDigits[byte >> 4U]);
      encoded.push_back(kDigits[byte & 15U]);
    }
  }
  return encoded;
}

std::string PercentDecode(std::string_view text, bool plus_is_space) {
  std::string decoded;
  decoded.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      const int high = HexValue(text[i + 1]);
      const int low = HexValue(text[i + 2]);
      if (high >= 0 && low >= 0) {
        decoded.push_back(static_cast<char>(high * 16 + low));
        i += 2;
        continue;
      }
    }
    decoded.push_back(plus_is_space && text[i] == '+' ? ' ' : text[i]);
  }
  return decoded;
}

}  // namespace milvus_backup
