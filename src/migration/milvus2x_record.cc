#include "milvus2x_record.h"

#include "milvus_backup/base/encoding.h"
#include "milvus_backup/base/json_number.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <array>
#include <exception>
#include <stdexcept>
#include <utility>

namespace milvus_backup::migration {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr size_t kMaxRecordBytes = size_t{64} << 20;

constexpr std::array<std::pair<CollectionState, std::string_view>, 3> kStates = {{
    {CollectionState::kCreating, "creating"},
    {CollectionState::kFilling, "filling"},
    {CollectionState::kDone, "done"},
}};

/// Texts in base 64: a key need not be what JSON can hold.
ordered_json ToJson(const std::optional<RowKey>& key) {
  if (!key) return nullptr;
  return {{"number", key->number}, {"text", Base64Encode(AsBytes(key->text))}};
}

std::optional<RowKey> KeyFrom(const json& value) {
  if (value.is_null()) return std::nullopt;
  RowKey key{.number = WholeNumber<int64_t>(value.at("number"))};
  auto text = Base64Decode(value.at("text").get<std::string>());
  if (!text.ok()) throw std::invalid_argument(text.status().message());
  key.text = *std::move(text);
  return key;
}

ordered_json ToJson(const PartitionRecord& record) {
  ordered_json ranges = ordered_json::array();
  for (const KeyRange& range : record.confirmed.ranges()) {
    ranges.push_back({{"after", ToJson(range.after)}, {"upto", ToJson(range.upto)}});
  }
  ordered_json sample = ordered_json::array();
  for (const RowKey& key : record.sample) sample.push_back(ToJson(std::optional(key)));
  return {{"done", record.done},
          {"frontier", ToJson(record.frontier)},
          {"confirmed", std::move(ranges)},
          {"rows", record.rows},
          {"sample", std::move(sample)},
          {"created_id", record.created_id}};
}

PartitionRecord PartitionFrom(const json& value) {
  PartitionRecord record{.done = value.at("done").get<bool>(),
                         .frontier = KeyFrom(value.at("frontier")),
                         .rows = WholeNumber<uint64_t>(value.at("rows")),
                         .created_id = WholeNumber<int64_t>(value.value("created_id", json(0)))};
  for (const json& range : value.at("confirmed")) {
    record.confirmed.Add(
        {.after = KeyFrom(range.at("after")), .upto = KeyFrom(range.at("upto")).value()});
  }
  for (const json& key : value.value("sample", json::array()))
    record.sample.push_back(KeyFrom(key).value());
  return record;
}

}  // namespace

std::string EncodeCollectionRecord(const CollectionRecord& record) {
  ordered_json partitions = ordered_json::object();
  for (const auto& [name, partition] : record.partitions) partitions[name] = ToJson(partition);
  std::string_view state;
  for (const auto& [value, name] : kStates) {
    if (value == record.state) state = name;
  }
  return ordered_json{{"version", 1},
                      {"source", record.source},
                      {"target", record.target},
                      {"source_id", record.source_id},
                      {"target_id", record.target_id},
                      {"state", state},
                      {"created", record.created},
                      {"keeps_keys", record.keeps_keys},
                      {"rows_before", record.rows_before},
                      {"repeated", record.repeated},
                      {"source_changed", record.source_changed},
                      {"dropped_partitions", record.dropped_partitions},
                      {"partitions", std::move(partitions)}}
      .dump(-1, ' ', false, json::error_handler_t::replace);
}

Result<CollectionRecord> DecodeCollectionRecord(std::string_view text, const std::string& what) {
  try {
    const json document = json::parse(text);
    CollectionRecord record{.source = document.at("source").get<std::string>(),
                            .target = document.at("target").get<std::string>(),
                            .source_id = WholeNumber<int64_t>(document.at("source_id")),
                            .target_id = WholeNumber<int64_t>(document.at("target_id")),
                            .created = document.at("created").get<bool>(),
                            .keeps_keys = document.at("keeps_keys").get<bool>(),
                            .rows_before = WholeNumber<int64_t>(document.at("rows_before")),
                            .repeated = WholeNumber<uint64_t>(document.at("repeated")),
                            .source_changed = document.value("source_changed", false),
                            .dropped_partitions = document.value("dropped_partitions", false)};
    const auto state = document.at("state").get<std::string>();
    bool is_known = false;
    for (const auto& [value, name] : kStates) {
      if (name != state) continue;
      record.state = value;
      is_known = true;
    }
    if (WholeNumber<int>(document.at("version")) != 1 || !is_known) {
      return DataLossError(what + " was written by a later version of this program");
    }
    for (const auto& [name, partition] : document.at("partitions").items()) {
      record.partitions[name] = PartitionFrom(partition);
    }
    return record;
  } catch (const std::exception& error) {
    return DataLossError(fmt::format("{} is no record of a migration: {}", what, error.what()));
  }
}

std::string CollectionRecordKey(const std::string& collection, const std::string& target) {
  constexpr size_t kDigits = 16;
  const std::string digest = HexEncode(Sha256(AsBytes(target)));
  return fmt::format("{}-{}.json", collection, digest.substr(0, kDigits));
}

Result<std::optional<CollectionRecord>> ReadCollectionRecord(const CallContext& ctx,
                                                             storage::Backend& state,
                                                             const std::string& key) {
  const auto text = storage::ReadAll(ctx, state, key, kMaxRecordBytes);
  if (text.status().code() == Code::kNotFound) return std::optional<CollectionRecord>();
  MB_RETURN_IF_ERROR(text.status());
  MB_ASSIGN_OR_RETURN(CollectionRecord record, DecodeCollectionRecord(*text, key));
  return std::optional(std::move(record));
}

Status WriteCollectionRecord(const CallContext& ctx, storage::Backend& state,
                             const std::string& key, const CollectionRecord& record) {
  return state.Put(ctx, key, AsBytes(EncodeCollectionRecord(record)), {})
      .status()
      .Annotate("writing " + key);
}

}  // namespace milvus_backup::migration
