#include "copy_survey.h"

#include "copy_job.h"
#include "copy_source.h"

#include "milvus_backup/meta/layout.h"
#include "milvus_backup/meta/partial.h"
#include "milvus_backup/meta/reader.h"
#include "milvus_backup/meta/run_record.h"
#include "milvus_backup/meta/tombstone.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

namespace milvus_backup::backup {
namespace {

constexpr std::string_view kHeader = "meta/backup_meta.json";
constexpr std::string_view kMarker = "meta/run.json";
constexpr std::string_view kTags = "meta/tags.json";
constexpr std::string_view kTombstone = "meta/tombstone.json";

/// Objects of a tree that are kept from the first listing, a few MiB.
constexpr size_t kMostKept = 10'000;

bool IsAt(std::string_view key, std::string_view name, std::string_view& dir) {
  if (!key.ends_with(name)) return false;
  key.remove_suffix(name.size());
  if (!key.empty() && !key.ends_with('/')) return false;
  dir = key;
  return true;
}

struct Candidate {
  /// Of those that the patterns take.
  bool header = false;
  bool marker = false;
  bool tombstone = false;
  /// One of the three is there, whatever the patterns say.
  bool marked = false;
  bool logs = false;
  /// Whether the patterns take some of it, and leave out some.
  bool taken = false;
  bool left_out = false;

  bool is_backup() const { return marked || logs; }
  void Join(const Candidate& other) {
    header = header || other.header;
    marker = marker || other.marker;
    tombstone = tombstone || other.tombstone;
    marked = marked || other.marked;
    logs = logs || other.logs;
    taken = taken || other.taken;
    left_out = left_out || other.left_out;
  }
};

/// Takes the keys of a tree in their order. Remembers only what looks like a backup.
class Surveyor {
 public:
  using Found = std::map<std::string, Candidate, std::less<>>;

  explicit Surveyor(const KeyFilter& filter) : filter_(filter) {}

  void Visit(std::string_view key) {
    if (IsLockKey(key)) return;
    const bool taken = filter_.Takes(key);
    any_ = any_ || taken;
    const std::optional<std::string_view> dir = BackupDirOf(key);
    if (!dir || *dir != dir_) Leave();
    if (!dir) return;
    dir_ = *dir;
    const std::string_view rest = key.substr(dir->size());
    current_.Join(
        {.header = taken && rest == kHeader,
         .marker = taken && rest == kMarker,
         .tombstone = rest == kTombstone,
         .marked = rest == kHeader || rest == kMarker || rest == kTombstone,
         .logs = rest.starts_with("binlogs/insert_log/") || rest.starts_with("binlogs/delta_log/"),
         .taken = taken,
         .left_out = !taken});
    std::string_view inner;
    if (rest != kHeader && IsHeaderKey(key, inner)) {
      found_[std::string(inner)].Join({.header = taken, .marked = true, .taken = taken});
    }
  }

  bool any() const { return any_; }
  Found TakeFound() {
    Leave();
    return std::move(found_);
  }

 private:
  void Leave() {
    if (current_.is_backup()) found_[dir_].Join(current_);
    current_ = {};
    dir_.clear();
  }

  const KeyFilter& filter_;
  Found found_;
  std::string dir_;
  Candidate current_;
  bool any_ = false;
};

/// The objects of a listing as long as they are few.
class KeptObjects {
 public:
  void Add(const storage::ObjectInfo& object) {
    if (objects_ && objects_->size() < kMostKept) {
      objects_->push_back(object);
    } else {
      Drop();
    }
  }
  void Drop() { objects_.reset(); }
  std::optional<std::vector<storage::ObjectInfo>> Take() { return std::move(objects_); }

 private:
  std::optional<std::vector<storage::ObjectInfo>> objects_{std::in_place};
};

Status VisitAll(const CallContext& ctx, const Tree& tree, Surveyor& surveyor, KeptObjects* kept) {
  storage::KeyRange range{.prefix = tree.dir};
  if (kept != nullptr) range.passed_over = [kept](const std::string&) { kept->Drop(); };
  return storage::ForEachObject(ctx, *tree.backend, range, [&](const storage::ObjectInfo& object) {
    surveyor.Visit(std::string_view(object.key).substr(tree.dir.size()));
    if (kept != nullptr) kept->Add(object);
    return Status::Ok();
  });
}

Status Unusable(const std::string& full_dir, const Tree& tree, std::string_view problem) {
  return FailedPreconditionError(fmt::format("{} in {} is {}",
                                             full_dir.empty() ? "what lies" : full_dir,
                                             tree.backend->Describe(), problem))
      .WithAdvice(
          "finish it with the command that made it, or remove it with `delete`; a copy of a tree "
          "can leave it out with --exclude");
}

Status Unfinished(const CallContext& ctx, const Tree& tree, const std::string& full_dir) {
  const auto tombstone = meta::ReadTombstone(ctx, *tree.backend, full_dir);
  if (tombstone.ok() && *tombstone) return meta::WasPruned(full_dir, **tombstone);
  const auto marker = meta::ReadRunRecord(ctx, *tree.backend, meta::MarkerKey(full_dir));
  MB_RETURN_IF_ERROR(ctx.Check());
  const std::string why =
      marker.ok() && *marker ? ": " + (*marker)->ToString() : ": backup_meta.json is missing";
  return Unusable(full_dir, tree, "an unfinished backup" + why);
}

/// What the header says of its manifest.
Result<std::string> CheckComplete(const CallContext& ctx, const Tree& tree,
                                  const std::string& full_dir) {
  const auto header = meta::ReadHeader(ctx, *tree.backend, full_dir);
  MB_RETURN_IF_ERROR(header.status());
  if (!header->partial) return header->manifest_sha256;
  return Unusable(
      full_dir, tree,
      fmt::format("a partial backup, without {}", meta::MissingText(header->failed_collections)));
}

/// Relative directories, outermost ones only, with the headers below them.
std::vector<BackupInTree> Outermost(
    const std::vector<std::pair<std::string, Result<std::string>>>& manifests) {
  std::vector<BackupInTree> backups;
  for (const auto& [dir, manifest] : manifests) {
    if (backups.empty() || !dir.starts_with(backups.back().dir))
      backups.push_back({.dir = dir, .headers = {}, .manifests = {}});
    BackupInTree& backup = backups.back();
    backup.headers.push_back(dir + std::string(kHeader));
    backup.manifests.push_back(manifest.ok() ? *manifest : "");
    if (!manifest.ok()) backup.checked = manifest.status();
  }
  return backups;
}

}  // namespace

std::string Tree::Describe() const {
  return fmt::format("{} in {}", dir.empty() ? "everything" : dir, backend->Describe());
}

bool IsHeaderKey(std::string_view key, std::string_view& dir) { return IsAt(key, kHeader, dir); }

bool IsMarkerKey(std::string_view key, std::string_view& dir) { return IsAt(key, kMarker, dir); }

bool IsTagsKey(std::string_view key, std::string_view& dir) { return IsAt(key, kTags, dir); }

bool IsTombstoneKey(std::string_view key, std::string_view& dir) {
  return IsAt(key, kTombstone, dir);
}

bool IsLockKey(std::string_view key) {
  constexpr std::string_view kLocks = ".locks/";
  const size_t at = key.rfind(kLocks);
  if (at == std::string_view::npos || (at > 0 && key[at - 1] != '/')) return false;
  const std::string_view rest = key.substr(at + kLocks.size());
  const size_t slash = rest.find('/');
  if (slash == std::string_view::npos) return rest.ends_with(".run.json");
  constexpr size_t kIdDigits = 16;
  const std::string_view file = rest.substr(slash + 1);
  return file.size() == kIdDigits + std::string_view(".json").size() && file.ends_with(".json") &&
         file.find_first_not_of("0123456789abcdef") == kIdDigits;
}

Result<TreeSurvey> SurveyTree(const CallContext& ctx, const Tree& source, const KeyFilter& filter) {
  Surveyor surveyor(filter);
  KeptObjects kept;
  MB_RETURN_IF_ERROR(VisitAll(ctx, source, surveyor, &kept));
  const Surveyor::Found found = surveyor.TakeFound();
  if (!surveyor.any()) {
    return NotFoundError("nothing is to be copied from " + source.Describe())
        .WithAdvice(filter.takes_all() ? "check the bucket and the prefix"
                                       : "check bucket, prefix and the patterns");
  }
  TreeSurvey survey;
  std::vector<std::pair<std::string, Result<std::string>>> manifests;
  for (const auto& [dir, candidate] : found) {
    const std::string full_dir = source.dir + dir;
    if (!candidate.taken) continue;
    if (candidate.tombstone && !candidate.header && !dir.empty()) {
      if (survey.pruned.empty() || !dir.starts_with(survey.pruned.back())) {
        survey.pruned.push_back(dir);
      }
      continue;
    }
    if (!candidate.header) {
      // Without a header, or with it left out on purpose.
      const bool left_out = candidate.left_out && !candidate.marker &&
                            source.backend->Stat(ctx, full_dir + std::string(kHeader)).ok();
      if (left_out) continue;
      return Unfinished(ctx, source, full_dir);
    }
    if (candidate.left_out) {
      return InvalidArgumentError("the patterns take only a part of the backup " + full_dir)
          .WithAdvice("take it whole, or leave its meta/backup_meta.json out too");
    }
    Result<std::string> manifest = CheckComplete(ctx, source, full_dir);
    // A header that cannot be read is a matter of its own backup.
    if (!manifest.ok() &&
        (manifest.status().code() == Code::kFailedPrecondition || EndsTheCopy(manifest.status()))) {
      return manifest.status();
    }
    manifests.emplace_back(dir, std::move(manifest));
  }
  survey.backups = Outermost(manifests);
  if (found.empty()) survey.objects = kept.Take();
  return survey;
}

Result<std::vector<BackupInTree>> SurveyBackup(const CallContext& ctx, const Tree& source) {
  Result<std::string> manifest = CheckComplete(ctx, source, source.dir);
  const Status complete = manifest.ok() ? Status::Ok() : manifest.status();
  if (complete.code() == Code::kNotFound && complete.service_code() != "NoSuchBucket") {
    MB_ASSIGN_OR_RETURN(const meta::DirectoryContent content,
                        meta::InspectDirectory(ctx, *source.backend, source.dir));
    if (content.kind == meta::DirectoryKind::kBackupParts) {
      return Unfinished(ctx, source, source.dir);
    }
    return complete.Annotate(source.backend->Describe());
  }
  MB_RETURN_IF_ERROR(complete);
  return Outermost({{"", *std::move(manifest)}});
}

Status CheckSource(const CallContext& ctx, const Tree& source, const BackupInTree& backup) {
  for (size_t i = 0; i < backup.headers.size(); ++i) {
    std::string_view dir;
    MB_CHECK(IsHeaderKey(backup.headers[i], dir));
    MB_RETURN_IF_ERROR(CheckSourceBackup(ctx, *source.backend, source.dir + std::string(dir),
                                         !backup.manifests[i].empty()));
  }
  return Status::Ok();
}

bool IsStrayManifest(const BackupInTree& backup, std::string_view key) {
  for (size_t i = 0; i < backup.headers.size(); ++i) {
    std::string_view dir;
    MB_CHECK(IsHeaderKey(backup.headers[i], dir));
    if (backup.manifests[i].empty() && key.starts_with(dir) &&
        IsOfManifest(key.substr(dir.size()))) {
      return true;
    }
  }
  return false;
}

Result<std::vector<FoundBackup>> FindBackups(const CallContext& ctx, const Tree& tree,
                                             const KeyFilter& filter) {
  Surveyor surveyor(filter);
  MB_RETURN_IF_ERROR(VisitAll(ctx, tree, surveyor, nullptr));
  std::vector<FoundBackup> backups;
  for (const auto& [dir, candidate] : surveyor.TakeFound()) {
    if (candidate.marked && candidate.taken) backups.push_back({dir, candidate.left_out});
  }
  return backups;
}

std::optional<std::string_view> BackupDirOf(std::string_view key) {
  size_t start = 0;
  for (size_t slash = key.find('/'); slash != std::string_view::npos;
       slash = key.find('/', start)) {
    const std::string_view element = key.substr(start, slash - start);
    if (element == "binlogs" || element == "meta" || element == "bundle") {
      return key.substr(0, start);
    }
    start = slash + 1;
  }
  return std::nullopt;
}

}  // namespace milvus_backup::backup
