#include "verify_quick.h"

#include "etag_check.h"
#include "expected_files.h"
#include "failed_reads.h"
#include "read_backup.h"
#include "seal.h"

#include "milvus_backup/meta/layout.h"
#include "milvus_backup/meta/levels.h"
#include "milvus_backup/meta/manifest.h"
#include "milvus_backup/meta/reader.h"
#include "milvus_backup/meta/run_record.h"
#include "milvus_backup/meta/tombstone.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

namespace milvus_backup::backup {
namespace {

constexpr const char* kRemoveIt = "remove it if nothing of yours, or take a new backup";

std::string Bytes(uint64_t size) { return fmt::format("{} bytes", size); }

/// Walks three streams that are in the order of their paths - what the metas say, what the manifest
/// says, and what is there - and reports where they differ.
class Comparison {
 public:
  Comparison(const CallContext& ctx, storage::Backend& backend, const std::string& backup_dir,
             bool keep_entries, VerifyLog& log)
      : ctx_(ctx),
        backend_(backend),
        backup_dir_(backup_dir),
        keep_entries_(keep_entries),
        log_(log),
        report_(log.report) {}

  Result<QuickResult> Run() {
    MB_RETURN_IF_ERROR(ReadMetas());
    MB_RETURN_IF_ERROR(OpenManifest());
    MB_RETURN_IF_ERROR(NextEntry());
    MB_RETURN_IF_ERROR(storage::ForEachObject(
        ctx_, backend_, backup_dir_,
        [this](const storage::ObjectInfo& object) { return Visit(object); }));
    MB_RETURN_IF_ERROR(ReportMissing(""));
    if (strangers_ > 0) {
      report_.warnings.push_back(
          fmt::format("{} objects, first {}, are of no collection or partition of the backup",
                      strangers_, first_stranger_));
    }
    if (next_expected_) result_.info = std::move(info_);
    result_.manifest.Sort();
    return std::move(result_);
  }

 private:
  void Problem(const std::string& path, std::string expected, std::string found,
               std::string advice) {
    log_.Problem(path, std::move(expected), std::move(found), std::move(advice));
  }

  /// Damage becomes a problem; other errors end the check.
  Status ReportDamage(const std::string& path, const std::string& expected, const Status& status,
                      const char* advice) {
    if (status.code() != Code::kDataLoss) return status;
    Problem(path, expected, std::string(status.message()), advice);
    return Status::Ok();
  }

  Status ReadMetas() {
    const auto marker = meta::ReadRunRecord(ctx_, backend_, meta::MarkerKey(backup_dir_));
    MB_RETURN_IF_ERROR(ctx_.Check());
    const std::string left = marker.ok() && *marker ? (*marker)->ToString() : "";
    auto header = meta::ReadHeader(ctx_, backend_, backup_dir_);
    if (!header.ok() && header.status().code() == Code::kNotFound && !left.empty()) {
      return FailedPreconditionError(fmt::format("backup {} is unfinished: {}", report_.name, left))
          .WithAdvice("run the same command again to finish it");
    }
    if (header.status().code() == Code::kNotFound) return ReportNoHeader(header.status());
    if (!left.empty()) {
      report_.warnings.push_back(fmt::format("a run has not ended: {}", left));
    }
    has_header_ = header.ok();
    if (!header.ok()) {
      return ReportDamage(meta::MetaKey("", meta::MetaFile::kHeader), "a header", header.status(),
                          kAnotherCopy);
    }
    manifest_sha256_ = header->manifest_sha256;
    result_.sealing_left = marker.ok() && *marker && (*marker)->operation == kSealOperation;
    report_.partial = header->partial;
    auto info = ReadRestorable(ctx_, backend_, backup_dir_);
    if (!info.ok() && info.status().code() == Code::kDataLoss) {
      MB_ASSIGN_OR_RETURN(const meta::MetaFile file,
                          meta::FindDamagedMeta(ctx_, backend_, backup_dir_));
      return ReportDamage(meta::MetaKey("", file), "metas that agree", info.status(), kAnotherCopy);
    }
    if (!info.ok()) return std::move(info).status();
    info_ = *std::move(info);
    expected_ = ExpectedFiles(info_);
    next_expected_.emplace(expected_.begin());
    closed_dirs_ = expected_.closed_dirs();
    std::ranges::sort(closed_dirs_);
    return CheckIdentity(*header);
  }

  /// `missing` when it was pruned, or unless the directory holds what only backups have.
  Status ReportNoHeader(const Status& missing) {
    MB_ASSIGN_OR_RETURN(const std::optional<meta::Tombstone> tombstone,
                        meta::ReadTombstone(ctx_, backend_, backup_dir_));
    if (tombstone) return missing;
    MB_ASSIGN_OR_RETURN(const meta::DirectoryContent content,
                        meta::InspectDirectory(ctx_, backend_, backup_dir_));
    if (content.kind != meta::DirectoryKind::kBackupParts) return missing;
    Problem(meta::MetaKey("", meta::MetaFile::kHeader), "a header, which is written last",
            "nothing: the backup was never finished, or its header was removed",
            "take the backup again, or restore the header from another copy");
    return Status::Ok();
  }

  /// A header of another backup would pass for this one's.
  Status CheckIdentity(const meta::BackupInfo& header) {
    const auto differs = [](const std::string& a, const std::string& b) {
      return !a.empty() && !b.empty() && a != b;
    };
    if (differs(header.id, info_.id) || differs(header.milvus_version, info_.milvus_version)) {
      Problem(
          meta::MetaKey("", meta::MetaFile::kHeader),
          fmt::format("id {} of Milvus {}, as in full_meta.json", info_.id, info_.milvus_version),
          fmt::format("id {} of Milvus {}", header.id, header.milvus_version), kAnotherCopy);
    }
    return Status::Ok();
  }

  Status OpenManifest() {
    // Nothing says which manifest it should be, or it is not finished.
    if (!has_header_ || (result_.sealing_left && manifest_sha256_.empty())) return Status::Ok();
    auto manifest = meta::ManifestReader::Open(ctx_, backend_, backup_dir_, manifest_sha256_);
    if (!manifest.ok()) {
      has_entries_ = false;
      return ReportDamage(meta::ManifestKey(""), "the manifest of this backup", manifest.status(),
                          kAnotherCopy);
    }
    manifest_ = *std::move(manifest);
    has_entries_ = manifest_ != nullptr;
    report_.has_manifest = has_entries_;
    if (!has_entries_) return Status::Ok();
    report_.sealed = manifest_->index().sealed;
    return CheckHeaderText();
  }

  Status CheckHeaderText() {
    const std::string path = meta::MetaKey("", meta::MetaFile::kHeader);
    const auto text = storage::ReadAll(ctx_, backend_, backup_dir_ + path, kMaxHeaderBytes);
    if (!text.ok()) return text.status().Annotate("reading " + backup_dir_ + path);
    const std::string sha256 = HexEncode(Sha256(AsBytes(meta::WithoutManifest(*text))));
    if (sha256 != manifest_->index().header_sha256) {
      Problem(path, "the header that the manifest was written with",
              "a header that was changed, or another backup's", kAnotherCopy);
    }
    return Status::Ok();
  }

  Status NextEntry() {
    entry_.reset();
    if (!has_entries_) return Status::Ok();
    auto next = manifest_->Next(ctx_);
    if (next.ok()) {
      entry_ = *std::move(next);
      if (keep_entries_ && entry_) result_.manifest.Add(entry_->path, entry_->size, entry_->hash);
      return Status::Ok();
    }
    has_entries_ = false;  // what it says of the rest is not known
    return ReportDamage(meta::ManifestPartsDir(""), "parts as the manifest's index says",
                        next.status(), kAnotherCopy);
  }

  const ExpectedFile* NextExpected() const {
    if (!next_expected_ || *next_expected_ == expected_.end()) return nullptr;
    return &**next_expected_;
  }

  /// Report everything before `path`, or with an empty one all that is left, as missing.
  Status ReportMissing(const std::string& path) {
    const auto is_before = [&](const std::string& other) { return path.empty() || other < path; };
    while (true) {
      const ExpectedFile* file = NextExpected();
      const bool of_metas = file != nullptr && is_before(file->path);
      const bool of_manifest = entry_.has_value() && is_before(entry_->path);
      if (!of_metas && !of_manifest) return Status::Ok();
      if (of_metas && of_manifest && file->path == entry_->path) {
        Problem(file->path, Bytes(entry_->size), "nothing", kAnotherCopy);
        ++*next_expected_;
        MB_RETURN_IF_ERROR(NextEntry());
      } else if (of_metas && (!of_manifest || file->path < entry_->path)) {
        Problem(file->path, Bytes(file->size), "nothing", kAnotherCopy);
        ++*next_expected_;
      } else {
        Problem(entry_->path, Bytes(entry_->size), "nothing", kAnotherCopy);
        MB_RETURN_IF_ERROR(NextEntry());
      }
    }
  }

  Status Visit(const storage::ObjectInfo& object) {
    const std::string path = object.key.substr(backup_dir_.size());
    if (meta::IsFolderMark(object)) return Status::Ok();
    ++report_.objects;
    report_.bytes += object.size;
    if (meta::IsOutsideManifest(path)) return CheckManifestPart(path);
    MB_RETURN_IF_ERROR(ReportMissing(path));
    const ExpectedFile* file = NextExpected();
    const bool of_metas = file != nullptr && file->path == path;
    const bool of_manifest = entry_.has_value() && entry_->path == path;
    if (of_manifest) {
      MB_RETURN_IF_ERROR(CompareWithManifest(path, object));
    } else if (of_metas && file->size != object.size) {
      Problem(path, Bytes(file->size), Bytes(object.size), kAnotherCopy);
    }
    JudgeMembership(path, of_metas ? file : nullptr, of_manifest);
    if (keep_entries_ && of_manifest && next_expected_ && !of_metas)
      result_.others.push_back(object);
    if (of_metas) ++*next_expected_;
    return of_manifest ? NextEntry() : Status::Ok();
  }

  Status CompareWithManifest(const std::string& path, const storage::ObjectInfo& object) {
    if (entry_->size != object.size) {
      Problem(path, Bytes(entry_->size), Bytes(object.size), kAnotherCopy);
      return Status::Ok();
    }
    if (!entry_->hash.md5) return Status::Ok();
    const std::string expected = "MD5 " + HexEncode(*entry_->hash.md5);
    const auto verdict = etags_.Compare(ctx_, backend_, object, *entry_->hash.md5);
    if (!verdict.ok()) {
      MB_RETURN_IF_ERROR(FailedReads(backend_).Judge(ctx_, verdict.status()));
      Problem(path, expected, verdict.status().ToString(), kAnotherCopy);
      return Status::Ok();
    }
    if (*verdict == EtagCheck::Verdict::kEqual) ++report_.hashes;
    if (*verdict == EtagCheck::Verdict::kDiffers) {
      Problem(path, expected, "other bytes, ETag " + object.etag, kAnotherCopy);
    }
    return Status::Ok();
  }

  /// Whether an object that is there belongs to the backup, by what metas and manifest say.
  void JudgeMembership(const std::string& path, const ExpectedFile* file, bool of_manifest) {
    if (of_manifest && file != nullptr) {
      if (file->size == entry_->size) return;
      Problem(path, fmt::format("{} in the manifest", Bytes(entry_->size)),
              fmt::format("{} in the metas", Bytes(file->size)), kAnotherCopy);
      return;
    }
    const bool is_log = path.starts_with(meta::BinlogsDir(""));
    if (file != nullptr) {
      if (!has_entries_) return;
      Problem(path, "an entry in the manifest", "it is in the metas only", kAnotherCopy);
    } else if (is_log && next_expected_ && LiesInAny(path, closed_dirs_)) {
      Problem(path, of_manifest ? "an entry in the metas" : "no such object",
              of_manifest ? "it is in the manifest only" : "an object", kRemoveIt);
    } else if (!of_manifest && has_entries_) {
      Problem(path, "no such object", "an object", kRemoveIt);
    } else if (is_log && next_expected_ && !of_manifest) {
      if (strangers_++ == 0) first_stranger_ = backup_dir_ + path;
    }
  }

  /// Parts that the index does not name were left by somebody else.
  Status CheckManifestPart(const std::string& path) {
    if (!path.starts_with(meta::ManifestPartsDir("")) || !report_.has_manifest) return Status::Ok();
    const auto& parts = manifest_->index().parts;
    if (std::ranges::count(parts, path, &meta::ManifestPart::path) == 0) {
      Problem(path, "no such object", "an object", kRemoveIt);
    }
    return Status::Ok();
  }

  const CallContext& ctx_;
  storage::Backend& backend_;
  const std::string& backup_dir_;
  const bool keep_entries_;
  VerifyLog& log_;
  VerifyReport& report_;
  QuickResult result_;
  bool has_header_ = false;
  meta::BackupInfo info_;
  ExpectedFiles expected_;
  /// None when the metas cannot be read.
  std::optional<ExpectedFiles::Iterator> next_expected_;
  std::vector<std::string> closed_dirs_;
  std::string manifest_sha256_;
  std::unique_ptr<meta::ManifestReader> manifest_;
  /// There is a manifest, and it could be read up to here.
  bool has_entries_ = false;
  std::optional<meta::ManifestEntry> entry_;
  EtagCheck etags_;
  uint64_t strangers_ = 0;
  std::string first_stranger_;
};

}  // namespace

Result<QuickResult> VerifyQuick(const CallContext& ctx, storage::Backend& backend,
                                const std::string& backup_dir, bool keep_entries, VerifyLog& log) {
  return Comparison(ctx, backend, backup_dir, keep_entries, log).Run();
}

}  // namespace milvus_backup::backup
