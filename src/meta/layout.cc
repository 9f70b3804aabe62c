#include "milvus_backup/meta/layout.h"

#include "milvus_backup/base/encoding.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>
#include <vector>

namespace milvus_backup::meta {
namespace {

using std::chrono::duration_cast;
using std::chrono::nanoseconds;
using std::chrono::seconds;

bool IsLetterOrUnderscore(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

/// For messages.
std::string Shown(std::string_view name) { return Printable(name.substr(0, kMaxNameLength)); }

std::vector<std::string_view> Split(std::string_view path) {
  std::vector<std::string_view> elements;
  size_t start = 0;
  while (true) {
    const size_t slash = path.find('/', start);
    elements.push_back(path.substr(start, slash - start));
    if (slash == std::string_view::npos) return elements;
    start = slash + 1;
  }
}

std::string Clean(std::string_view path) {
  const bool rooted = path.starts_with('/');
  std::vector<std::string_view> kept;
  for (const std::string_view element : Split(path)) {
    if (element.empty() || element == ".") continue;
    const bool climbs = element == "..";
    if (climbs && !kept.empty() && kept.back() != "..") {
      kept.pop_back();
    } else if (!climbs || !rooted) {
      kept.push_back(element);
    }
  }
  std::string cleaned = rooted ? "/" : "";
  for (const std::string_view element : kept) {
    if (!cleaned.empty() && cleaned.back() != '/') cleaned += '/';
    cleaned += element;
  }
  return cleaned;
}

/// Append ids as path elements, each followed by a slash.
std::string AppendIds(std::string path, std::initializer_list<int64_t> ids) {
  for (const int64_t id : ids) {
    path += std::to_string(id);
    path += '/';
  }
  return path;
}

std::string GroupDir(std::string_view backup_dir, std::string_view kind, int64_t collection_id,
                     int64_t partition_id, int64_t group_id) {
  std::string path = BinlogsDir(backup_dir);
  path += kind;
  path = AppendIds(std::move(path), {collection_id, partition_id});
  return group_id == 0 ? path : AppendIds(std::move(path), {group_id});
}

/// Only the form Milvus writes: decimal, no padding, so that ids and keys are one to one.
bool ParseId(std::string_view text, bool may_be_negative, int64_t* id) {
  if (text.starts_with('-') && !may_be_negative) return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *id);
  return error == std::errc() && end == text.data() + text.size() && std::to_string(*id) == text;
}

std::string SourceDir(std::string_view milvus_root, std::string_view kind, int64_t collection_id,
                      int64_t partition_id, int64_t segment_id) {
  return AppendIds(JoinPath(milvus_root, kind) + "/", {collection_id, partition_id, segment_id});
}

}  // namespace

Status ValidateBackupName(std::string_view name) {
  const auto fits = [](char c) { return IsLetterOrUnderscore(c) || IsDigit(c); };
  if (!name.empty() && name.size() <= kMaxNameLength && IsLetterOrUnderscore(name.front()) &&
      std::all_of(name.begin(), name.end(), fits)) {
    return Status::Ok();
  }
  return InvalidArgumentError("invalid backup name '" + Shown(name) + "'")
      .WithAdvice("-n/--name takes a letter or _ first, then letters, digits and _, at most " +
                  std::to_string(kMaxNameLength) + " characters");
}

std::string DefaultBackupName(std::chrono::system_clock::time_point now) {
  const auto since_epoch = duration_cast<nanoseconds>(now.time_since_epoch());
  const auto whole = std::chrono::floor<seconds>(since_epoch);
  const std::time_t time = whole.count();
  std::tm utc{};
  gmtime_r(&time, &utc);
  std::array<char, 32> text{};
  const size_t length = std::strftime(text.data(), text.size(), "%Y_%m_%d_%H_%M_%S", &utc);
  return "backup_" + std::string(text.data(), length) + "_" +
         std::to_string((since_epoch - whole).count());
}

std::string JoinPath(std::string_view parent, std::string_view child) {
  if (parent.empty()) return Clean(child);
  return child.empty() ? Clean(parent) : Clean(std::string(parent) + "/" + std::string(child));
}

Result<std::string> BackupDir(std::string_view root, std::string_view name) {
  const auto hostile = [](char c) {
    return c == '/' || c == '\\' || static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
  };
  if (name.empty() || name == "." || name == ".." ||
      std::any_of(name.begin(), name.end(), hostile)) {
    return InvalidArgumentError("invalid backup name '" + Shown(name) + "'")
        .WithAdvice("-n/--name takes the name of one directory below the backup root");
  }
  return JoinPath(root, name) + "/";
}

std::string BackupName(std::string_view backup_dir) {
  while (backup_dir.ends_with('/')) backup_dir.remove_suffix(1);
  return std::string(backup_dir.substr(backup_dir.rfind('/') + 1));
}

std::string MetaDir(std::string_view backup_dir) { return std::string(backup_dir) + "meta/"; }

std::string BinlogsDir(std::string_view backup_dir) { return std::string(backup_dir) + "binlogs/"; }

std::string MetaKey(std::string_view backup_dir, MetaFile file) {
  constexpr std::array<std::string_view, 5> kNames = {"backup_meta.json", "collection_meta.json",
                                                      "partition_meta.json", "segment_meta.json",
                                                      "full_meta.json"};
  std::string key = MetaDir(backup_dir);
  key += kNames.at(static_cast<size_t>(file));
  return key;
}

std::strong_ordering CompareAsText(int64_t a, int64_t b) {
  if (a == b) return std::strong_ordering::equal;
  std::array<char, 24> a_text{};
  std::array<char, 24> b_text{};
  const auto* a_end = std::to_chars(a_text.data(), a_text.data() + a_text.size(), a).ptr;
  const auto* b_end = std::to_chars(b_text.data(), b_text.data() + b_text.size(), b).ptr;
  return std::string_view(a_text.data(), static_cast<size_t>(a_end - a_text.data())) <=>
         std::string_view(b_text.data(), static_cast<size_t>(b_end - b_text.data()));
}

std::string InsertGroupDir(std::string_view backup_dir, int64_t collection_id, int64_t partition_id,
                           int64_t group_id) {
  return GroupDir(backup_dir, "insert_log/", collection_id, partition_id, group_id);
}

std::string DeltaGroupDir(std::string_view backup_dir, int64_t collection_id, int64_t partition_id,
                          int64_t group_id) {
  return GroupDir(backup_dir, "delta_log/", collection_id, partition_id, group_id);
}

std::string InsertSegmentDir(std::string_view backup_dir, const SegmentBackup& segment) {
  return AppendIds(
      InsertGroupDir(backup_dir, segment.collection_id, segment.partition_id, segment.group_id),
      {segment.segment_id});
}

std::string DeltaSegmentDir(std::string_view backup_dir, const SegmentBackup& segment) {
  return AppendIds(
      DeltaGroupDir(backup_dir, segment.collection_id, segment.partition_id, segment.group_id),
      {segment.segment_id});
}

std::string InsertLogKey(std::string_view backup_dir, const SegmentBackup& segment,
                         int64_t field_id, int64_t log_id) {
  return AppendIds(InsertSegmentDir(backup_dir, segment), {field_id}) + std::to_string(log_id);
}

std::string DeltaLogKey(std::string_view backup_dir, const SegmentBackup& segment, int64_t log_id) {
  return DeltaSegmentDir(backup_dir, segment) + std::to_string(log_id);
}

Result<SourceLog> ParseSourceKey(std::string_view key, std::string_view milvus_root) {
  const std::string root = JoinPath(milvus_root, "") + "/";
  std::string_view rest = key;
  if (root.size() > 1 && rest.starts_with(root)) rest.remove_prefix(root.size());
  const std::vector<std::string_view> elements = Split(rest);
  SourceLog log;
  log.is_delta = elements.front() == "delta_log";
  const bool fits = log.is_delta
                        ? elements.size() == 5 && ParseId(elements[1], false, &log.collection_id) &&
                              ParseId(elements[2], true, &log.partition_id) &&
                              ParseId(elements[3], false, &log.segment_id) &&
                              ParseId(elements[4], false, &log.log_id)
                        : elements.size() == 6 && elements.front() == "insert_log" &&
                              ParseId(elements[1], false, &log.collection_id) &&
                              ParseId(elements[2], false, &log.partition_id) &&
                              ParseId(elements[3], false, &log.segment_id) &&
                              ParseId(elements[4], false, &log.field_id) &&
                              ParseId(elements[5], false, &log.log_id);
  if (!fits) {
    return InvalidArgumentError("'" + Printable(key) + "' is not the key of a Milvus binlog");
  }
  return log;
}

std::string SourceInsertDir(std::string_view milvus_root, int64_t collection_id,
                            int64_t partition_id, int64_t segment_id) {
  return SourceDir(milvus_root, "insert_log", collection_id, partition_id, segment_id);
}

std::string SourceDeltaDir(std::string_view milvus_root, int64_t collection_id,
                           int64_t partition_id, int64_t segment_id) {
  return SourceDir(milvus_root, "delta_log", collection_id, partition_id, segment_id);
}

}  // namespace milvus_backup::meta
