#include "milvus_backup/meta/tags.h"

#include "milvus_backup/base/bytes.h"
#include "milvus_backup/base/checksum.h"
#include "milvus_backup/base/encoding.h"
#include "milvus_backup/meta/layout.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <utility>

namespace milvus_backup::meta {
namespace {

using Json = nlohmann::ordered_json;

/// Ample for kMaxTags of kMaxTagLength.
constexpr size_t kMaxTagsBytes = 64 * kKiB;

bool BeginsTag(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

bool FitsTag(char c) {
  return BeginsTag(c) || std::string_view("-.:=@+/").find(c) != std::string_view::npos;
}

}  // namespace

Status ValidateTag(std::string_view tag) {
  if (!tag.empty() && tag.size() <= kMaxTagLength && BeginsTag(tag.front()) &&
      std::ranges::all_of(tag, FitsTag)) {
    return Status::Ok();
  }
  return InvalidArgumentError(
             fmt::format("invalid tag '{}'", Printable(tag.substr(0, kMaxTagLength))))
      .WithAdvice(fmt::format("a tag is a letter, digit or _ first, then also - . : = @ + /, at "
                              "most {} characters",
                              kMaxTagLength));
}

std::string TagsKey(std::string_view backup_dir) { return MetaDir(backup_dir) + "tags.json"; }

Result<std::vector<std::string>> DecodeTags(std::string_view text, std::string_view what) {
  std::vector<std::string> tags;
  try {
    tags = Json::parse(text).at("tags").get<std::vector<std::string>>();
  } catch (const Json::exception& error) {
    return DataLossError(fmt::format("{} holds no tags: {}", what, error.what()))
        .WithAdvice("remove that object, and tag the backup again");
  }
  const auto is_tag = [](const std::string& tag) { return ValidateTag(tag).ok(); };
  if (tags.size() > kMaxTags || !std::ranges::all_of(tags, is_tag)) {
    return DataLossError(fmt::format("{} holds what cannot be tags", what))
        .WithAdvice("remove that object, and tag the backup again");
  }
  std::ranges::sort(tags);
  tags.erase(std::unique(tags.begin(), tags.end()), tags.end());
  return tags;
}

Result<std::vector<std::string>> ReadTags(const CallContext& ctx, storage::Backend& backend,
                                          const std::string& backup_dir) {
  const std::string key = TagsKey(backup_dir);
  const auto text = storage::ReadAll(ctx, backend, key, kMaxTagsBytes);
  if (!text.ok() && text.status().code() == Code::kNotFound) return std::vector<std::string>();
  if (text.status().code() == Code::kOutOfRange) {
    return DataLossError(key + " holds no tags: it is too large");
  }
  if (!text.ok()) return text.status().Annotate("reading " + key);
  return DecodeTags(*text, key);
}

Status WriteTags(const CallContext& ctx, storage::Backend& backend, const std::string& backup_dir,
                 const std::vector<std::string>& tags) {
  const std::string key = TagsKey(backup_dir);
  if (tags.empty()) {
    Status removed = backend.Delete(ctx, key);
    // On a disk nothing is deleted through a link, but written: then the object stays, with no
    // tags.
    if (removed.code() != Code::kFailedPrecondition) {
      return std::move(removed).Annotate("removing " + key);
    }
  }
  const Json json = {{"tags", tags}};
  const std::string text = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  const ByteView body = AsBytes(text);
  return backend.Put(ctx, key, body, {.crc32c = Crc32c(body)}).status().Annotate("writing " + key);
}

}  // namespace milvus_backup::meta
