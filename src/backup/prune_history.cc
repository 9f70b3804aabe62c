#include "prune_history.h"

#include "milvus_backup/backup/run_lock.h"
#include "milvus_backup/base/task_group.h"
#include "milvus_backup/meta/codec.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/meta/reader.h"
#include "milvus_backup/meta/tags.h"
#include "milvus_backup/meta/tombstone.h"
#include "milvus_backup/storage/object_stream.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <set>
#include <unordered_map>
#include <utility>

namespace milvus_backup::backup {
namespace {

using std::chrono::seconds;
using std::chrono::sys_seconds;
using State = HistoryEntry::State;

constexpr size_t kParallelBackups = 16;

/// 2010 and 2200: other numbers are no times of backups.
constexpr int64_t kFirstTime = 1262304000;
constexpr int64_t kLastTime = 7258118400;

sys_seconds Seconds(std::chrono::system_clock::time_point time) {
  return std::chrono::floor<seconds>(time);
}

/// The later of the two, `number` being unix seconds that may be none.
void Raise(sys_seconds& time, uint64_t number) {
  if (number < uint64_t{kFirstTime} || number > uint64_t{kLastTime}) return;
  time = std::max(time, sys_seconds(seconds(static_cast<int64_t>(number))));
}

/// When the collections were sealed; 1970 when none tells.
sys_seconds TimeOf(const std::vector<meta::CollectionBackup>& collections) {
  // The low bits of a hybrid timestamp count within a millisecond.
  constexpr int kLogicalBits = 18;
  sys_seconds time{};
  for (const meta::CollectionBackup& collection : collections) {
    Raise(time, collection.backup_physical_timestamp);
    Raise(time, (collection.backup_timestamp >> kLogicalBits) / 1000);
  }
  return time;
}

/// `backup_YYYY_MM_DD_HH_MM_SS_…`, the name of a backup that was given none, as a schedule would
/// write its time.
std::optional<sys_seconds> TimeOfDefaultName(std::string_view name) {
  constexpr std::string_view kPrefix = "backup_";
  constexpr std::string_view kForm = "YYYY_MM_DD_HH_MM_SS_";
  if (!name.starts_with(kPrefix) || name.size() <= kPrefix.size() + kForm.size()) {
    return std::nullopt;
  }
  name.remove_prefix(kPrefix.size());
  for (size_t i = 0; i < kForm.size(); ++i) {
    if ((kForm[i] == '_') != (name[i] == '_')) return std::nullopt;
  }
  const auto part = [name](size_t at, size_t length) { return name.substr(at, length); };
  const auto time =
      ScheduledTime("", fmt::format("_{}{}{}T{}{}{}Z", part(0, 4), part(5, 2), part(8, 2),
                                    part(11, 2), part(14, 2), part(17, 2)));
  return time ? std::optional(Seconds(*time)) : std::nullopt;
}

/// What names say: of a schedule's backup, whichever schedule that is, or of one without a name of
/// its own.
std::optional<sys_seconds> TimeOfName(const std::string& name) {
  const size_t last = name.rfind('_');
  if (last != std::string::npos) {
    const auto scheduled = ScheduledTime(name.substr(0, last), name);
    if (scheduled) return Seconds(*scheduled);
  }
  return TimeOfDefaultName(name);
}

/// A backup that is looked at. Collections have no numbers yet.
struct Found {
  HistoryEntry entry;
  std::optional<meta::BackupInfo> header;
  std::set<std::string> collections;
  std::set<std::string> with_rows;
  bool has_tombstone = false;
  std::string warning;
};

/// What lies in `meta/`, by name.
Result<std::map<std::string, storage::ObjectInfo>> ListMeta(const CallContext& ctx,
                                                            storage::Backend& backend,
                                                            const std::string& backup_dir) {
  const std::string dir = meta::MetaDir(backup_dir);
  std::map<std::string, storage::ObjectInfo> objects;
  storage::ListRequest request{.prefix = dir, .delimiter = "/"};
  do {
    MB_ASSIGN_OR_RETURN(const storage::ListPage page, backend.List(ctx, request));
    for (const storage::ObjectInfo& object : page.objects) {
      objects[object.key.substr(dir.size())] = object;
    }
    request.token = page.next_token;
  } while (!request.token.empty());
  return objects;
}

/// Looks into one directory.
class Inspection {
 public:
  Inspection(const CallContext& ctx, storage::Backend& backend, const std::string& root,
             sys_seconds now, Found& found)
      : ctx_(ctx), backend_(backend), root_(root), now_(now), found_(found) {}

  Status Run() {
    MB_ASSIGN_OR_RETURN(dir_, meta::BackupDir(root_, found_.entry.name));
    Status status = Look();
    const bool is_closed = status.code() == Code::kPermissionDenied && status.http_status() == 0;
    if (status.code() != Code::kDataLoss && !is_closed) return status;
    // What is damaged or may not be read is kept, whatever it is.
    found_.entry.state = State::kUnreadable;
    found_.warning =
        fmt::format("{} is kept, for it cannot be read: {}", found_.entry.name, status.ToString());
    return Status::Ok();
  }

 private:
  Status Look() {
    HistoryEntry& entry = found_.entry;
    // Of others nothing matters but which collections their complete backups have.
    if (!entry.is_in_scope && entry.state != State::kComplete) return Status::Ok();
    // As good as it can be told when nothing else can be read.
    const std::optional<sys_seconds> named = TimeOfName(entry.name);
    if (named) entry.time = *named;
    MB_ASSIGN_OR_RETURN(meta_, ListMeta(ctx_, backend_, dir_));
    if (!named) NoteWhenWritten();
    if (entry.state == State::kUnfinished && meta_.contains("backup_meta.json")) {
      return DataLossError(meta::MetaKey(dir_, meta::MetaFile::kHeader) + " is damaged");
    }
    if (entry.state == State::kUnfinished && meta_.contains("tombstone.json")) {
      return DataLossError(meta::TombstoneKey(dir_) + " is damaged");
    }
    if (entry.state == State::kUnfinished) MB_RETURN_IF_ERROR(FindSignOfLife());
    if (meta_.contains("tags.json")) {
      MB_ASSIGN_OR_RETURN(entry.tags, meta::ReadTags(ctx_, backend_, dir_));
    }
    if (entry.state == State::kUnfinished) return Status::Ok();
    if (entry.state == State::kPruned) return ReadPruned();
    found_.has_tombstone = meta_.contains("tombstone.json");
    return ReadTaken();
  }

  /// A complete or partial backup.
  Status ReadTaken() {
    MB_ASSIGN_OR_RETURN(const std::vector<meta::CollectionBackup> collections,
                        meta::ReadCollections(ctx_, backend_, dir_));
    NoteCollections(collections);
    NoteWhenSealed(collections);
    return Status::Ok();
  }

  /// The header's own time is a late resort: sealing a backup, or taking it back, writes that anew.
  /// A pruned one has none.
  void NoteWhenWritten() {
    for (const char* name : {"full_meta.json", "collection_meta.json", "backup_meta.json",
                             "run.json", "tombstone.json"}) {
      const auto found = meta_.find(name);
      if (found == meta_.end()) continue;
      found_.entry.time = Seconds(found->second.modified);
      return;
    }
  }

  void NoteWhenSealed(const std::vector<meta::CollectionBackup>& collections) {
    const sys_seconds sealed = TimeOf(collections);
    if (sealed != sys_seconds{}) found_.entry.time = sealed;
  }

  /// Its metas are still there, unless it was unfinished or is being removed.
  Status ReadPruned() {
    HistoryEntry& entry = found_.entry;
    const auto collections = meta::ReadCollections(ctx_, backend_, dir_);
    if (collections.ok()) {
      NoteWhenSealed(*collections);
      if (entry.is_restorable) NoteCollections(*collections);
      return Status::Ok();
    }
    if (collections.status().code() != Code::kDataLoss) return collections.status();
    entry.is_restorable = false;
    return Status::Ok();
  }

  void NoteCollections(const std::vector<meta::CollectionBackup>& collections) {
    for (const meta::CollectionBackup& collection : collections) {
      const std::string name = collection.db_name + "." + collection.collection_name;
      found_.collections.insert(name);
      if (collection.size > 0) found_.with_rows.insert(name);
    }
    found_.entry.has_rows = !found_.with_rows.empty() || collections.empty();
  }

  /// The time of the first object that is young enough to show that somebody writes, else of the
  /// newest.
  Status FindSignOfLife() {
    HistoryEntry& entry = found_.entry;
    entry.has_marker = meta_.contains("run.json");
    entry.time = {};
    storage::ObjectStream objects(ctx_, backend_, {.prefix = dir_});
    while (true) {
      MB_ASSIGN_OR_RETURN(const storage::ObjectInfo* object, objects.Next());
      if (object == nullptr) return Status::Ok();
      entry.time = std::max(entry.time, Seconds(object->modified));
      if (now_ - entry.time < kUnfinishedAge) return Status::Ok();
    }
  }

  const CallContext& ctx_;
  storage::Backend& backend_;
  const std::string& root_;
  const sys_seconds now_;
  Found& found_;
  std::string dir_;
  std::map<std::string, storage::ObjectInfo> meta_;
};

std::vector<Found> FoundOf(meta::BackupList list) {
  std::vector<Found> all;
  const auto add = [&all](std::string name, State state) -> Found& {
    Found& found = all.emplace_back();
    found.entry.name = std::move(name);
    found.entry.state = state;
    return found;
  };
  for (meta::ListedBackup& one : list.backups) {
    const State state = one.header.partial ? State::kPartial : State::kComplete;
    add(std::move(one.name), state).header = std::move(one.header);
  }
  for (meta::UnfinishedBackup& one : list.unfinished) {
    add(std::move(one.name), State::kUnfinished);
  }
  for (meta::ListedTombstone& one : list.pruned) {
    HistoryEntry& entry = add(std::move(one.name), State::kPruned).entry;
    entry.time = one.tombstone.pruned;
    entry.remove_after = one.tombstone.remove_after;
    entry.is_removing = one.tombstone.is_removing;
    if (one.tombstone.header.empty()) continue;
    const auto header =
        meta::DecodeBackup(meta::SourceOf(one.tombstone.header), meta::TombstoneKey(""));
    entry.is_restorable = header.ok() && !header->partial;
  }
  return all;
}

/// Give the collections numbers.
History Number(std::vector<Found> all) {
  History history;
  std::unordered_map<std::string, uint32_t> numbers;
  for (Found& found : all) {
    for (const std::string& name : found.collections) {
      const auto [at, is_new] =
          numbers.try_emplace(name, static_cast<uint32_t>(history.collections.size()));
      if (is_new) history.collections.push_back(name);
      found.entry.collections.push_back(at->second);
      if (found.with_rows.contains(name)) found.entry.with_rows.push_back(at->second);
    }
    std::ranges::sort(found.entry.collections);
    std::ranges::sort(found.entry.with_rows);
    if (!found.warning.empty()) history.warnings.push_back(std::move(found.warning));
    history.entries.push_back(std::move(found.entry));
    history.headers.push_back(std::move(found.header));
    history.has_stale_tombstone.push_back(found.has_tombstone);
  }
  return history;
}

}  // namespace

Result<History> ReadHistory(const CallContext& ctx, const Place& place, const std::string& schedule,
                            std::chrono::system_clock::time_point now) {
  storage::Backend& backend = *place.backend;
  // Before the backups: a run that begins later finds them as they are listed.
  MB_ASSIGN_OR_RETURN(auto locked, FindLocked(ctx, backend, place.root, now));
  MB_ASSIGN_OR_RETURN(meta::BackupList list, meta::ListBackups(ctx, backend, place.root));
  std::vector<Found> all = FoundOf(std::move(list));
  TaskGroup group(kParallelBackups, ctx.stop);
  for (Found& found : all) {
    found.entry.is_in_scope = schedule.empty() || ScheduledTime(schedule, found.entry.name);
    if (const auto lock = locked.find(found.entry.name); lock != locked.end()) {
      found.entry.is_in_use = true;
      found.entry.is_going =
          lock->second.operation == "delete" || lock->second.operation == "prune";
    }
    const bool taken = group.Submit([&](const std::stop_token& stop) {
      const CallContext call{stop, ctx.deadline};
      return Inspection(call, backend, place.root, Seconds(now), found).Run();
    });
    if (!taken) break;
  }
  MB_RETURN_IF_ERROR(group.Wait());
  History history = Number(std::move(all));
  history.locked = std::move(locked);
  return history;
}

}  // namespace milvus_backup::backup
