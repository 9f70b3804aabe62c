#include "milvus_backup/meta/tombstone.h"

#include "milvus_backup/base/bytes.h"
#include "milvus_backup/base/checksum.h"
#include "milvus_backup/base/clock.h"
#include "milvus_backup/base/encoding.h"
#include "milvus_backup/base/json_number.h"
#include "milvus_backup/meta/layout.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cstdint>
#include <utility>

namespace milvus_backup::meta {
namespace {

using Json = nlohmann::ordered_json;

/// A header in base64 and a few members.
constexpr size_t kMaxTombstoneBytes = 32 * kMiB;

/// Unix seconds that a point of the system's clock can hold: up to the year 2255.
constexpr int64_t kLastSecond = 9'000'000'000;

Result<std::chrono::sys_seconds> TimeOf(int64_t number, std::string_view what) {
  if (number < 0 || number > kLastSecond) {
    return DataLossError(fmt::format("{} is no tombstone: {} is no time", what, number));
  }
  return std::chrono::sys_seconds(std::chrono::seconds(number));
}

}  // namespace

std::string Tombstone::ToString() const {
  if (is_removing) {
    return fmt::format("pruned at {}; its data is being removed", FormatIso8601(pruned));
  }
  return fmt::format("pruned at {}; its data may go after {}", FormatIso8601(pruned),
                     FormatIso8601(remove_after));
}

std::string TombstoneKey(std::string_view backup_dir) {
  return MetaDir(backup_dir) + "tombstone.json";
}

std::string EncodeTombstone(const Tombstone& tombstone) {
  Json json = {{"pruned", tombstone.pruned.time_since_epoch().count()},
               {"remove_after", tombstone.remove_after.time_since_epoch().count()},
               {"reason", tombstone.reason},
               {"host", tombstone.host}};
  if (tombstone.is_removing) json["removing"] = true;
  if (!tombstone.header.empty()) json["header"] = Base64Encode(AsBytes(tombstone.header));
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<Tombstone> DecodeTombstone(std::string_view text, std::string_view what) {
  Tombstone tombstone;
  std::string header;
  int64_t pruned = 0;
  int64_t remove_after = 0;
  try {
    const Json json = Json::parse(text);
    pruned = WholeNumber<int64_t>(json.at("pruned"));
    remove_after = WholeNumber<int64_t>(json.at("remove_after"));
    tombstone.reason = json.value("reason", "");
    tombstone.host = json.value("host", "");
    tombstone.is_removing = json.value("removing", false);
    header = json.value("header", "");
  } catch (const Json::exception& error) {
    return DataLossError(fmt::format("{} is no tombstone: {}", what, error.what()));
  }
  MB_ASSIGN_OR_RETURN(tombstone.pruned, TimeOf(pruned, what));
  MB_ASSIGN_OR_RETURN(tombstone.remove_after, TimeOf(remove_after, what));
  auto decoded = Base64Decode(header);
  if (!decoded.ok()) {
    return DataLossError(
        fmt::format("{} is damaged: its header is {}", what, decoded.status().message()));
  }
  tombstone.header = *std::move(decoded);
  return tombstone;
}

Status WriteTombstone(const CallContext& ctx, storage::Backend& backend,
                      const std::string& backup_dir, const Tombstone& tombstone) {
  const std::string key = TombstoneKey(backup_dir);
  const std::string text = EncodeTombstone(tombstone);
  const ByteView body = AsBytes(text);
  return backend.Put(ctx, key, body, {.crc32c = Crc32c(body)}).status().Annotate("writing " + key);
}

Result<std::optional<Tombstone>> ReadTombstone(const CallContext& ctx, storage::Backend& backend,
                                               const std::string& backup_dir) {
  const std::string key = TombstoneKey(backup_dir);
  const Result<std::string> text = storage::ReadAll(ctx, backend, key, kMaxTombstoneBytes);
  if (!text.ok() && text.status().code() == Code::kNotFound) return std::optional<Tombstone>();
  if (text.status().code() == Code::kOutOfRange) {
    return DataLossError(key + " is no tombstone: it is too large");
  }
  if (!text.ok()) return text.status().Annotate("reading " + key);
  MB_ASSIGN_OR_RETURN(Tombstone tombstone, DecodeTombstone(*text, key));
  return std::optional<Tombstone>(std::move(tombstone));
}

Status WasPruned(const std::string& backup_dir, const Tombstone& tombstone) {
  const std::string name = BackupName(backup_dir);
  Status status = NotFoundError(fmt::format("backup {} was {}", name, tombstone.ToString()));
  if (tombstone.is_removing) return status;
  return std::move(status).WithAdvice(
      fmt::format("`prune --undo {}` takes it back while its data is there", name));
}

}  // namespace milvus_backup::meta
