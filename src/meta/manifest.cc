#include "milvus_backup/meta/manifest.h"

#include "manifest_text_internal.h"

#include "milvus_backup/base/bytes.h"
#include "milvus_backup/base/json_number.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/meta/run_record.h"
#include "milvus_backup/meta/tags.h"
#include "milvus_backup/meta/tombstone.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstddef>
#include <utility>

namespace milvus_backup::meta {
namespace {

using Json = nlohmann::ordered_json;

/// What stands before the checksum, which is the last member: SHA-256 of all bytes before it.
constexpr std::string_view kChecksumMember = ",\"checksum\":\"";
constexpr size_t kSha256Digits = 64;
/// What WithManifest adds, up to the digits.
constexpr std::string_view kHashMember = ",\"manifest_sha256\":\"";
constexpr std::string_view kBlanks = " \t\r\n";

std::string Sha256Text(std::string_view text) { return HexEncode(Sha256(AsBytes(text))); }

Status NoIndex(std::string_view what, std::string_view problem) {
  return DataLossError(fmt::format("{} {}", what, problem))
      .WithAdvice("without its manifest the backup's bytes cannot be proved");
}

/// The text before the checksum; empty when the checksum is not the text's.
std::string_view WithoutChecksum(std::string_view text) {
  const size_t at = text.rfind(kChecksumMember);
  if (at == std::string_view::npos) return {};
  const std::string_view body = text.substr(0, at);
  const std::string_view rest = text.substr(at + kChecksumMember.size());
  if (rest.size() != kSha256Digits + 2 || rest.substr(kSha256Digits) != "\"}") return {};
  return rest.substr(0, kSha256Digits) == Sha256Text(body) ? body : std::string_view();
}

ManifestIndex IndexFromJson(const Json& json) {
  ManifestIndex index{.tool = json.at("tool").get<std::string>(),
                      .header_sha256 = json.at("header_sha256").get<std::string>(),
                      .sealed = json.value("sealed", ""),
                      .objects = WholeNumber<uint64_t>(json.at("objects")),
                      .bytes = WholeNumber<uint64_t>(json.at("bytes"))};
  for (const Json& part : json.at("parts")) {
    index.parts.push_back({.path = part.at("key").get<std::string>(),
                           .size = WholeNumber<uint64_t>(part.at("size")),
                           .sha256 = part.at("sha256").get<std::string>(),
                           .objects = WholeNumber<uint64_t>(part.at("objects"))});
  }
  return index;
}

/// Paths of parts are made, not taken: one that leads elsewhere would be read from there.
bool HasPartsInPlace(const ManifestIndex& index) {
  for (size_t i = 0; i < index.parts.size(); ++i) {
    const ManifestPart& part = index.parts[i];
    if (part.path != fmt::format("meta/manifest/{:05}.jsonl.zst", i)) return false;
    if (part.size > kMaxManifestPart || part.sha256.size() != kSha256Digits) return false;
  }
  return true;
}

std::optional<ContentHash> HashFromJson(const Json& json) {
  ContentHash hash;
  if (json.contains("crc32c")) {
    const auto bytes = HexDecode(json.at("crc32c").get_ref<const std::string&>());
    if (!bytes || bytes->size() != sizeof(uint32_t)) return std::nullopt;
    uint32_t crc = 0;
    for (const std::byte byte : *bytes) crc = crc << 8U | std::to_integer<uint32_t>(byte);
    hash.crc32c = crc;
  }
  if (json.contains("md5")) {
    const auto bytes = HexDecode(json.at("md5").get_ref<const std::string&>());
    if (!bytes || bytes->size() != Md5Digest().size()) return std::nullopt;
    Md5Digest digest{};
    std::ranges::copy(*bytes, digest.begin());
    hash.md5 = digest;
  }
  return hash;
}

Status BadLine(std::string_view why) {
  return DataLossError(fmt::format("a line of the manifest {}", why));
}

}  // namespace

std::string ManifestKey(std::string_view backup_dir) {
  return MetaDir(backup_dir) + "manifest.json";
}

std::string ManifestPartsDir(std::string_view backup_dir) {
  return MetaDir(backup_dir) + "manifest/";
}

bool IsOutsideManifest(std::string_view path) {
  return path == MetaKey("", MetaFile::kHeader) || path == MarkerKey("") || path == TagsKey("") ||
         path == TombstoneKey("") || path == ManifestKey("") ||
         path.starts_with(ManifestPartsDir(""));
}

bool IsFolderMark(const storage::ObjectInfo& object) {
  return object.size == 0 && object.key.ends_with('/');
}

Result<std::string> WithManifest(std::string_view header, const std::string& sha256) {
  const size_t end = header.find_last_not_of(kBlanks);
  if (end == std::string_view::npos || header[end] != '}') {
    return DataLossError("the header is not a JSON object");
  }
  return fmt::format("{}{}{}\"}}", header.substr(0, end), kHashMember, sha256);
}

std::string WithoutManifest(std::string_view header) {
  const size_t end = header.find_last_not_of(kBlanks);
  header = header.substr(0, end == std::string_view::npos ? 0 : end + 1);
  const size_t at = header.rfind(kHashMember);
  if (at == std::string_view::npos ||
      header.size() != at + kHashMember.size() + kSha256Digits + 2) {
    return std::string(header);
  }
  return std::string(header.substr(0, at)) + "}";
}

std::string EncodeManifestIndex(const ManifestIndex& index) {
  Json json = {{"format_version", kManifestVersion},
               {"min_reader", kManifestVersion},
               {"tool", index.tool},
               {"header_sha256", index.header_sha256}};
  if (!index.sealed.empty()) json["sealed"] = index.sealed;
  json["objects"] = index.objects;
  json["bytes"] = index.bytes;
  json["parts"] = Json::array();
  for (const ManifestPart& part : index.parts) {
    json["parts"].push_back({{"key", part.path},
                             {"size", part.size},
                             {"sha256", part.sha256},
                             {"objects", part.objects}});
  }
  std::string text = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  text.pop_back();  // the brace that closes the object
  const std::string checksum = Sha256Text(text);
  text += kChecksumMember;
  return text + checksum + "\"}";
}

Result<ManifestIndex> DecodeManifestIndex(std::string_view text, std::string_view what) {
  if (WithoutChecksum(text).empty()) return NoIndex(what, "is damaged: its checksum is wrong");
  try {
    const Json json = Json::parse(text);
    if (WholeNumber<int>(json.at("min_reader")) > kManifestVersion) {
      return UnimplementedError(fmt::format("{} was written by {} and needs a newer program", what,
                                            json.value("tool", "another program")));
    }
    ManifestIndex index = IndexFromJson(json);
    if (!HasPartsInPlace(index)) return NoIndex(what, "names parts that no manifest has");
    return index;
  } catch (const Json::exception& error) {
    return NoIndex(what, fmt::format("is not the index of a manifest: {}", error.what()));
  }
}

Result<std::string> EncodeManifestLine(const ManifestEntry& entry) {
  if (!entry.hash.known()) {
    return InvalidArgumentError("nothing is known of the bytes of " + entry.path);
  }
  Json json = {{"key", entry.path}, {"size", entry.size}};
  if (entry.hash.crc32c) json["crc32c"] = fmt::format("{:08x}", *entry.hash.crc32c);
  if (entry.hash.md5) json["md5"] = HexEncode(*entry.hash.md5);
  try {
    return json.dump() + "\n";
  } catch (const Json::exception&) {
    return InvalidArgumentError("a manifest cannot list a key that is not UTF-8: " +
                                PercentEncode(entry.path, true));
  }
}

Result<ManifestEntry> DecodeManifestLine(std::string_view line) {
  try {
    const Json json = Json::parse(line);
    std::optional<ContentHash> hash = HashFromJson(json);
    if (!hash || !hash->known()) return BadLine("has no hash that can be read");
    return ManifestEntry{json.at("key").get<std::string>(), WholeNumber<uint64_t>(json.at("size")),
                         *hash};
  } catch (const Json::exception& error) {
    return BadLine(fmt::format("is not an entry: {}", error.what()));
  }
}

}  // namespace milvus_backup::meta
