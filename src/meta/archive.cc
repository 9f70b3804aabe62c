#include "milvus_backup/meta/archive.h"

#include "milvus_backup/base/json_number.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace milvus_backup::meta {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kArchiveVersion = 1;
constexpr size_t kSha256Digits = 64;

bool IsSha256(std::string_view text) {
  return text.size() == kSha256Digits && std::ranges::all_of(text, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

}  // namespace

std::string EncodeArchivePreface(const ArchivePreface& preface) {
  Json json = {{"format_version", kArchiveVersion},
               {"min_reader", kArchiveVersion},
               {"tool", preface.tool},
               {"name", preface.name},
               {"header_sha256", preface.header_sha256}};
  if (!preface.manifest_sha256.empty()) json["manifest_sha256"] = preface.manifest_sha256;
  json["objects"] = preface.objects;
  json["bytes"] = preface.bytes;
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Result<ArchivePreface> DecodeArchivePreface(std::string_view text) {
  try {
    const Json json = Json::parse(text);
    if (WholeNumber<int>(json.at("min_reader")) > kArchiveVersion) {
      return UnimplementedError(
          fmt::format("the archive was written by {} and needs a newer program",
                      json.value("tool", "another program")));
    }
    ArchivePreface preface{.tool = json.at("tool").get<std::string>(),
                           .name = json.at("name").get<std::string>(),
                           .header_sha256 = json.at("header_sha256").get<std::string>(),
                           .manifest_sha256 = json.value("manifest_sha256", ""),
                           .objects = WholeNumber<uint64_t>(json.at("objects")),
                           .bytes = WholeNumber<uint64_t>(json.at("bytes"))};
    if (IsSha256(preface.header_sha256) &&
        (preface.manifest_sha256.empty() || IsSha256(preface.manifest_sha256))) {
      return preface;
    }
    return DataLossError(fmt::format("{} holds a hash that is none", kArchivePrefaceName));
  } catch (const Json::exception& error) {
    return DataLossError(fmt::format("{} is damaged: {}", kArchivePrefaceName, error.what()));
  }
}

}  // namespace milvus_backup::meta
