#include "dm_finished.h"

#include "load_record.h"

#include "milvus_backup/base/encoding.h"
#include "milvus_backup/base/json_number.h"
#include "milvus_backup/storage/tree.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdint>
#include <utility>

namespace milvus_backup::migration {
namespace {

using nlohmann::json;

/// Directories of units have a dot in their names.
constexpr char kFinishedDir[] = "finished/";
constexpr size_t kMaxNoteBytes = 64 * kMiB;

/// A unit that the run has filled; others had no rows or were skipped.
struct FilledUnit {
  /// Of its records, below that of all.
  std::string dir;
  std::string collection;
  int64_t collection_id = 0;
};

std::string EncodeNote(const std::vector<FilledUnit>& units) {
  json filled = json::array();
  for (const FilledUnit& unit : units) {
    filled.push_back({{"dir", unit.dir},
                      {"collection", unit.collection},
                      {"collection_id", unit.collection_id}});
  }
  return json{{"version", 1}, {"filled", std::move(filled)}}.dump(-1, ' ', false,
                                                                  json::error_handler_t::replace);
}

Result<std::vector<FilledUnit>> DecodeNote(const std::string& text, const std::string& key) {
  try {
    const json document = json::parse(text);
    if (WholeNumber<int>(document.at("version")) != 1) {
      return DataLossError(key + " was written by a later version of this program");
    }
    std::vector<FilledUnit> units;
    for (const json& unit : document.at("filled")) {
      units.push_back({.dir = unit.at("dir").get<std::string>(),
                       .collection = unit.at("collection").get<std::string>(),
                       .collection_id = WholeNumber<int64_t>(unit.at("collection_id"))});
    }
    return units;
  } catch (const json::exception& error) {
    return DataLossError(fmt::format("{} does not tell of a finished run: {}", key, error.what()));
  }
}

/// Differs for every other set of units, or of files that they are filled from.
std::string NoteKey(const Store& base, const std::vector<DmUnit>& units) {
  json all = json::array();
  for (const DmUnit& unit : units) {
    json marks = json::array();
    for (const DmInput& input : unit.inputs) marks.push_back(input.mark);
    all.push_back({RecordsDir(unit), static_cast<int>(unit.mode), std::move(marks)});
  }
  const std::string text = all.dump(-1, ' ', false, json::error_handler_t::replace);
  return base.prefix + kFinishedDir + HexEncode(Sha256(AsBytes(text))) + ".json";
}

Store Below(const Store& base, const std::string& dir) {
  Store store = base;
  store.prefix += dir;
  return store;
}

Status ForgetRecords(const CallContext& ctx, const Store& store) {
  const auto record = ReadLoadRecord(ctx, store, 0);
  const bool is_damaged = record.status().code() == Code::kDataLoss;
  if (!record.ok() && !is_damaged) return record.status();
  // Another run has begun with this partition since.
  if (is_damaged || (*record && (*record)->state != LoadState::kDone)) return Status::Ok();
  return storage::DeleteTree(ctx, *store.backend, store.prefix).status();
}

Status ForgetFilled(const CallContext& ctx, const Store& base, const std::string& note_key,
                    const std::vector<FilledUnit>& units) {
  for (const FilledUnit& unit : units) {
    MB_RETURN_IF_ERROR(ForgetRecords(ctx, Below(base, unit.dir)));
  }
  return base.backend->Delete(ctx, note_key);
}

Status CheckStillThere(const CallContext& ctx, const DmRun& run, const Store& base,
                       const std::string& note_key, const std::vector<FilledUnit>& units) {
  for (const FilledUnit& unit : units) {
    const auto existing = run.client.DescribeCollection(ctx, kDmDatabase, unit.collection);
    const bool is_gone = existing.status().code() == Code::kNotFound;
    if (!existing.ok() && !is_gone) return existing.status();
    if (existing.ok() && existing->id == unit.collection_id) continue;
    return FailedPreconditionError(fmt::format("collection {}, which an earlier run has filled, {}",
                                               unit.collection,
                                               is_gone ? "is gone" : "was replaced"))
        .WithAdvice(fmt::format("that run had filled everything; to bring all of it once more, "
                                "remove {} from {}",
                                note_key, base.backend->Describe()));
  }
  return Status::Ok();
}

std::vector<DmFilled> Reported(const std::vector<DmUnit>& units,
                               const std::vector<FilledUnit>& filled) {
  std::vector<DmFilled> reported;
  for (const DmUnit& unit : units) {
    DmFilled& one = reported.emplace_back();
    one.collection = unit.collection;
    one.partition = unit.partition_name();
    one.is_empty = unit.rows() == 0;
    one.load.expected = unit.rows();
    one.load.was_done = std::ranges::count(filled, RecordsDir(unit), &FilledUnit::dir) > 0;
    one.load.skipped = !one.is_empty && !one.load.was_done;
  }
  return reported;
}

}  // namespace

std::string LeftWarning(const Status& status) {
  return "all rows are in Milvus, but what was written on the way is left: " + status.ToString();
}

Result<std::optional<std::vector<DmFilled>>> FinishEarlierRun(const CallContext& ctx,
                                                              const DmRun& run,
                                                              const std::vector<DmUnit>& units,
                                                              std::vector<std::string>& warnings) {
  const Store base = RecordsStore(run);
  const std::string own_key = NoteKey(base, units);
  std::vector<std::string> keys;
  MB_RETURN_IF_ERROR(storage::ForEachObject(ctx, *base.backend, base.prefix + kFinishedDir,
                                            [&](const storage::ObjectInfo& object) {
                                              keys.push_back(object.key);
                                              return Status::Ok();
                                            }));
  std::optional<std::vector<DmFilled>> reported;
  for (const std::string& key : keys) {
    const auto text = storage::ReadAll(ctx, *base.backend, key, kMaxNoteBytes);
    if (text.status().code() == Code::kNotFound) continue;  // that run has just ended
    MB_RETURN_IF_ERROR(text.status());
    MB_ASSIGN_OR_RETURN(const std::vector<FilledUnit> filled, DecodeNote(*text, key));
    if (key != own_key) {
      MB_RETURN_IF_ERROR(
          ForgetFilled(ctx, base, key, filled).Annotate("forgetting a finished run"));
      continue;
    }
    MB_RETURN_IF_ERROR(CheckStillThere(ctx, run, base, key, filled));
    reported = Reported(units, filled);
    const Status forgotten = ForgetFilled(ctx, base, key, filled);
    if (!forgotten.ok()) warnings.push_back(LeftWarning(forgotten));
  }
  return reported;
}

Status ForgetUnits(const CallContext& ctx, const DmRun& run, const std::vector<DmUnit>& units) {
  const Store base = RecordsStore(run);
  std::vector<FilledUnit> filled;
  for (const DmUnit& unit : units) {
    const std::string dir = RecordsDir(unit);
    MB_ASSIGN_OR_RETURN(const auto record, ReadLoadRecord(ctx, Below(base, dir), 0));
    if (!record) {
      // Skipped: what its lock has left.
      if (unit.rows() > 0) MB_RETURN_IF_ERROR(ForgetRecords(ctx, Below(base, dir)));
      continue;
    }
    filled.push_back(
        {.dir = dir, .collection = unit.collection, .collection_id = record->collection_id});
  }
  const std::string key = NoteKey(base, units);
  // One record goes at once or not at all.
  if (filled.size() > 1) {
    MB_RETURN_IF_ERROR(
        base.backend->Put(ctx, key, AsBytes(EncodeNote(filled)), {}).status().Annotate(key));
  }
  return ForgetFilled(ctx, base, key, filled);
}

}  // namespace milvus_backup::migration
