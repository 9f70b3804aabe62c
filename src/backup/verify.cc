#include "milvus_backup/backup/verify.h"

#include "failed_reads.h"
#include "seal.h"
#include "verify_quick.h"

#include "milvus_backup/backup/verify_deep.h"
#include "milvus_backup/base/checksum.h"
#include "milvus_backup/base/task_group.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/meta/levels.h"
#include "milvus_backup/meta/run_record.h"

#include <fmt/format.h>

#include <chrono>
#include <limits>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

namespace milvus_backup::backup {
namespace {

std::string Crc32cText(uint32_t crc) { return fmt::format("CRC32C {:08x}", crc); }
std::string Md5Text(const Md5Digest& md5) { return "MD5 " + HexEncode(md5); }

/// Reads the bytes of a backup and compares them with its manifest.
class ByteCheck {
 public:
  ByteCheck(const CallContext& ctx, const BackupLocation& backup, const VerifyOptions& options,
            const QuickResult& quick, VerifyLog& log)
      : ctx_(ctx),
        backup_(backup),
        options_(options),
        quick_(quick),
        log_(log),
        failed_reads_(*backup.backend) {}

  Status Run() {
    // What the listing has compared is compared again here.
    log_.report.hashes = 0;
    if (quick_.info) {
      MB_RETURN_IF_ERROR(ReadLogs());
      MB_RETURN_IF_ERROR(ReadOthers());
    } else if (log_.report.has_manifest) {
      MB_RETURN_IF_ERROR(ReadListed());
    }
    read_.Sort();
    return Status::Ok();
  }

  /// Hashes of what was read, sorted; for sealing.
  const HashIndex& read() const { return read_; }

 private:
  bool NeedsMd5(const std::string& path) const {
    const auto known = quick_.manifest.Find(path);
    return known && !known->hash.crc32c;
  }

  bool IsInSample(const std::string& path) const {
    if (options_.sample >= 1) return true;
    const uint32_t draw = Crc32c(AsBytes(fmt::format("{}:{}", options_.seed, path)));
    return draw < options_.sample * std::numeric_limits<uint32_t>::max();
  }

  void Compare(const ObjectDigest& digest) {
    if (options_.seal) read_.Add(digest.path, digest.size, {.crc32c = digest.crc32c});
    const auto known = quick_.manifest.Find(digest.path);
    if (!known || known->size != digest.size) return;  // the quick check has said so
    if (known->hash.crc32c && *known->hash.crc32c != digest.crc32c) {
      log_.Problem(digest.path, Crc32cText(*known->hash.crc32c), Crc32cText(digest.crc32c),
                   kAnotherCopy);
    } else if (!known->hash.crc32c && digest.md5 && known->hash.md5 != digest.md5) {
      log_.Problem(digest.path, Md5Text(*known->hash.md5), Md5Text(*digest.md5), kAnotherCopy);
    } else {
      ++log_.report.hashes;
    }
  }

  void Report(const VerifyFinding& finding) {
    const std::string expected = fmt::format("{} {}", finding.what, finding.expected);
    if (finding.is_error) {
      log_.Problem(finding.path, expected, finding.found, finding.advice);
    } else {
      log_.Oddity(finding.path, expected, finding.found);
    }
  }

  /// What the metas list, and what it says.
  Status ReadLogs() {
    VerifyDeepOptions deep{.needs_md5 = [this](const std::string& path) { return NeedsMd5(path); }};
    if (options_.sample < 1) {
      deep.wanted = [this](const std::string& path) { return IsInSample(path); };
    }
    VerifyDeepSinks sinks{.on_object =
                              [this](const ObjectDigest& digest) {
                                Compare(digest);
                                return Status::Ok();
                              },
                          .on_finding =
                              [this](const VerifyFinding& finding) {
                                Report(finding);
                                return Status::Ok();
                              }};
    MB_ASSIGN_OR_RETURN(const VerifyDeepReport read,
                        VerifyDeep(ctx_, backup_, *quick_.info, deep, sinks));
    log_.report.read_objects = read.objects;
    log_.report.read_bytes = read.bytes;
    return Status::Ok();
  }

  Status ReadOthers() {
    for (const storage::ObjectInfo& object : quick_.others) {
      MB_RETURN_IF_ERROR(ReadObject(ctx_, object.key));
    }
    return Status::Ok();
  }

  /// All that the manifest lists, for metas that cannot be read do not say what is a log.
  Status ReadListed() {
    TaskGroup tasks(VerifyDeepOptions().parallel, ctx_.stop);
    Status listed = storage::ForEachObject(
        ctx_, *backup_.backend, backup_.dir, [&](const storage::ObjectInfo& object) -> Status {
          const std::string path = object.key.substr(backup_.dir.size());
          if (!quick_.manifest.Find(path)) return Status::Ok();
          if (path.starts_with(meta::BinlogsDir("")) && !IsInSample(path)) return Status::Ok();
          const bool goes_on = tasks.Submit([this, key = object.key](const std::stop_token& stop) {
            return ReadObject({.stop = stop, .deadline = ctx_.deadline}, key);
          });
          return goes_on ? Status::Ok() : CancelledError();
        });
    // What a task has failed with is why the listing was left.
    MB_RETURN_IF_ERROR(tasks.Wait());
    return listed;
  }

  Status ReadObject(const CallContext& ctx, const std::string& key) {
    ObjectDigest digest{.path = key.substr(backup_.dir.size())};
    std::optional<Md5Hasher> md5;
    if (NeedsMd5(digest.path)) md5.emplace();
    const auto read =
        backup_.backend->Read(ctx, key, {}, [&](const storage::ReadInfo&, ByteView chunk) {
          digest.crc32c = ExtendCrc32c(digest.crc32c, chunk);
          digest.size += chunk.size();
          if (md5) md5->Add(chunk);
          return Status::Ok();
        });
    if (!read.ok()) return PassOver(ctx, digest.path, read.status());
    failed_reads_.NoteSuccess();
    if (md5) digest.md5 = md5->Finish();
    const std::scoped_lock lock(mutex_);
    ++log_.report.read_objects;
    log_.report.read_bytes += digest.size;
    Compare(digest);
    return Status::Ok();
  }

  /// Go on after an object that cannot be read, unless it is not the object that is to blame.
  Status PassOver(const CallContext& ctx, const std::string& path, const Status& failure) {
    MB_RETURN_IF_ERROR(failed_reads_.Judge(ctx, failure.Annotate("reading " + backup_.dir + path)));
    const std::scoped_lock lock(mutex_);
    log_.Problem(path, "an object that can be read", failure.ToString(), kAnotherCopy);
    return Status::Ok();
  }

  const CallContext& ctx_;
  const BackupLocation& backup_;
  const VerifyOptions& options_;
  const QuickResult& quick_;
  VerifyLog& log_;
  FailedReads failed_reads_;
  /// Guards `log_` and `read_` where several threads read.
  std::mutex mutex_;
  HashIndex read_;
};

Status CheckDeep(const CallContext& ctx, const Place& place, const BackupLocation& backup,
                 const VerifyOptions& options, const QuickResult& quick, VerifyLog& log) {
  ByteCheck bytes(ctx, backup, options, quick, log);
  MB_RETURN_IF_ERROR(bytes.Run());
  if (!options.seal || log.report.problems > 0) return Status::Ok();
  if (log.report.has_manifest) {
    log.report.warnings.emplace_back("it has a manifest already, which was left as it is");
    if (!quick.sealing_left) return Status::Ok();
    return place.backend->Delete(ctx, meta::MarkerKey(backup.dir));
  }
  MB_ASSIGN_OR_RETURN(log.report.sealed, SealBackup(ctx, place, options.name, bytes.read()));
  log.report.sealed_now = true;
  return Status::Ok();
}

}  // namespace

Result<VerifyReport> VerifyBackup(const CallContext& ctx, const Place& place,
                                  const VerifyOptions& options) {
  const auto begun = std::chrono::steady_clock::now();
  MB_ASSIGN_OR_RETURN(const std::string backup_dir, meta::BackupDir(place.root, options.name));
  VerifyLog log(backup_dir, options);
  MB_ASSIGN_OR_RETURN(const QuickResult quick,
                      VerifyQuick(ctx, *place.backend, backup_dir, options.deep, log));
  if (options.deep) {
    if (quick.info) {
      MB_RETURN_IF_ERROR(meta::CompareLevels(
          ctx, *place.backend, backup_dir, *quick.info, [&log](const meta::LevelProblem& problem) {
            log.Problem(meta::MetaKey("", problem.file), problem.expected, problem.found,
                        kAnotherCopy);
          }));
    }
    MB_RETURN_IF_ERROR(
        CheckDeep(ctx, place, {.backend = place.backend, .dir = backup_dir}, options, quick, log));
  }
  log.report.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  return std::move(log.report);
}

}  // namespace milvus_backup::backup
