#include "archive_claim.h"
#include "archive_objects.h"
#include "archive_path.h"
#include "archive_stream.h"
#include "copy_source.h"
#include "seal.h"

#include "milvus_backup/backup/archive.h"
#include "milvus_backup/base/checksum.h"
#include "milvus_backup/base/encoding.h"
#include "milvus_backup/base/log.h"
#include "milvus_backup/meta/archive.h"
#include "milvus_backup/meta/codec.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/meta/manifest.h"
#include "milvus_backup/meta/run_record.h"
#include "milvus_backup/meta/writer.h"
#include "milvus_backup/storage/object_stream.h"

#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <optional>
#include <utility>

namespace milvus_backup::backup {
namespace {

/// An index takes some 200 bytes for each 4 MiB of the manifest.
constexpr size_t kMaxIndexBytes = 16 * kMiB;

Status NotOurs(std::string_view why) {
  return DataLossError(fmt::format("this is no archive that `export` has written: {}", why));
}

class Import {
 public:
  Import(const CallContext& ctx, const Place& place, const ImportOptions& options)
      : ctx_(ctx), place_(place), options_(options) {}

  Result<ImportReport> Run(const ByteFeed& feed) {
    const auto start = std::chrono::steady_clock::now();
    Enter("import");
    MB_ASSIGN_OR_RETURN(reader_, ArchiveReader::Open(feed));
    MB_RETURN_IF_ERROR(ReadPreface());
    MB_RETURN_IF_ERROR(OpenDestination());
    MB_ASSIGN_OR_RETURN(claim_, ImportClaim::Take(ctx_, place_, dir_, preface_.header_sha256));
    report_.already_there = claim_->found() == ImportClaim::Found::kComplete;
    report_.resumed = claim_->found() == ImportClaim::Found::kUnfinished;
    if (!report_.already_there) {
      Status status = Receive();
      if (status.ok()) status = Commit();
      if (!status.ok()) {
        claim_->Withdraw();
        return status;
      }
    }
    report_.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return std::move(report_);
  }

 private:
  Status ReadPreface() {
    MB_ASSIGN_OR_RETURN(const std::optional<ArchiveEntry> first, reader_->Next());
    if (!first) return NotOurs("it is empty");
    if (first->name != meta::kArchivePrefaceName) {
      return NotOurs(fmt::format("it begins with {} and not with {}", ForMessage(first->name),
                                 meta::kArchivePrefaceName));
    }
    MB_ASSIGN_OR_RETURN(const std::string text, ReadText(*first, meta::kMaxArchivePreface));
    MB_ASSIGN_OR_RETURN(preface_, meta::DecodeArchivePreface(text));
    if (const Status bad = meta::BackupDir("", preface_.name).status(); !bad.ok()) {
      return NotOurs(bad.message());
    }
    report_.name = options_.name.empty() ? preface_.name : options_.name;
    report_.has_manifest = !preface_.manifest_sha256.empty();
    report_.objects = preface_.objects;
    report_.bytes = preface_.bytes;
    if (!report_.has_manifest) {
      report_.warnings.push_back(
          fmt::format("{} has no manifest: names and sizes were checked, but nothing could prove "
                      "its bytes",
                      report_.name));
    }
    if (options_.progress != nullptr) {
      options_.progress->objects_planned += preface_.objects;
      options_.progress->bytes_planned += preface_.bytes;
    }
    MB_ASSIGN_OR_RETURN(dir_, meta::BackupDir(place_.root, report_.name));
    return Status::Ok();
  }

  Status OpenDestination() {
    const Status access = place_.backend->CheckAccess(ctx_);
    if (!IsMissing(access)) return access.Annotate("opening the backup storage");
    MB_RETURN_IF_ERROR(place_.backend->CreateContainer(ctx_).Annotate("making the destination"));
    report_.made_destination = true;
    log::Info("made the missing destination: {}", place_.backend->Describe());
    return Status::Ok();
  }

  /// Everything but the header, which is held, up to the end of the archive.
  Status Receive() {
    ArrivingObjects objects(ctx_, *place_.backend, claim_->marker(), options_);
    if (report_.has_manifest) MB_RETURN_IF_ERROR(ReceiveManifest());
    const std::string header = meta::MetaKey("", meta::MetaFile::kHeader);
    while (true) {
      MB_ASSIGN_OR_RETURN(const ArchiveEntry entry, NextEntry(header));
      if (entry.name == header) {
        MB_RETURN_IF_ERROR(ReceiveHeader(entry));
        break;
      }
      MB_RETURN_IF_ERROR(ReceiveObject(objects, entry));
    }
    MB_ASSIGN_OR_RETURN(const std::optional<ArchiveEntry> extra, reader_->Next());
    if (extra) {
      return DataLossError(fmt::format("the archive goes on after its last entry, with {}",
                                       ForMessage(extra->name)));
    }
    return objects.Finish();
  }

  /// The next entry of the backup, its name without the backup's. `awaited` is what must come if
  /// nothing else does.
  Result<ArchiveEntry> NextEntry(std::string_view awaited) {
    MB_RETURN_IF_ERROR(ctx_.Check());
    MB_ASSIGN_OR_RETURN(std::optional<ArchiveEntry> entry, reader_->Next());
    if (!entry) {
      return DataLossError(fmt::format("the archive ends without {}: it was cut short", awaited));
    }
    const std::string inside = preface_.name + "/";
    if (!entry->name.starts_with(inside)) {
      return DataLossError(fmt::format("'{}' in the archive lies outside the backup, {}",
                                       ForMessage(entry->name), inside));
    }
    entry->name.erase(0, inside.size());
    if (const Status bad = CheckArchivePath(entry->name); !bad.ok()) {
      return DataLossError("an entry of the archive, " + bad.message());
    }
    ++arrived_objects_;
    arrived_bytes_ += entry->size;
    if (arrived_objects_ > preface_.objects || entry->size > preface_.bytes ||
        arrived_bytes_ > preface_.bytes) {
      return DataLossError(
          fmt::format("with {} the archive holds more than the {} objects of {} "
                      "bytes that it speaks of",
                      entry->name, preface_.objects, preface_.bytes));
    }
    return *std::move(entry);
  }

  Status ReceiveManifest() {
    const std::string path = meta::ManifestKey("");
    MB_ASSIGN_OR_RETURN(const std::string text, ReceiveText(path, kMaxIndexBytes));
    if (HexEncode(Sha256(AsBytes(text))) != preface_.manifest_sha256) return OtherBytes(path);
    MB_ASSIGN_OR_RETURN(const meta::ManifestIndex index, meta::DecodeManifestIndex(text, path));
    MB_RETURN_IF_ERROR(Put(path, text));
    for (const meta::ManifestPart& part : index.parts) {
      MB_ASSIGN_OR_RETURN(const std::string bytes, ReceiveText(part.path, part.size));
      if (bytes.size() != part.size || HexEncode(Sha256(AsBytes(bytes))) != part.sha256) {
        return OtherBytes(part.path);
      }
      MB_RETURN_IF_ERROR(Put(part.path, bytes));
    }
    MB_ASSIGN_OR_RETURN(manifest_, Walk("in the archive"));
    return Status::Ok();
  }

  Result<std::unique_ptr<ManifestWalk>> Walk(std::string where) {
    return ManifestWalk::Open(ctx_, *place_.backend, dir_, preface_.manifest_sha256,
                              std::move(where));
  }

  /// The text of the next entry, which must be `path`.
  Result<std::string> ReceiveText(const std::string& path, size_t max_bytes) {
    MB_ASSIGN_OR_RETURN(const ArchiveEntry entry, NextEntry(path));
    if (entry.name != path) {
      return DataLossError(fmt::format("the archive has {} where {} belongs", entry.name, path));
    }
    return ReadText(entry, max_bytes);
  }

  Result<std::string> ReadText(const ArchiveEntry& entry, size_t max_bytes) {
    if (entry.size > max_bytes) {
      return DataLossError(fmt::format("{} in the archive has {} bytes, more than it can have",
                                       entry.name, entry.size));
    }
    std::string text;
    text.reserve(entry.size);
    MB_RETURN_IF_ERROR(reader_->Read([&](ByteView bytes) {
      text += AsText(bytes);
      return Status::Ok();
    }));
    return text;
  }

  Status ReceiveObject(ArrivingObjects& objects, const ArchiveEntry& entry) {
    if (meta::IsOutsideManifest(entry.name) || entry.name <= last_path_) {
      return DataLossError(
          fmt::format("{} comes twice in the archive, or out of order", entry.name));
    }
    last_path_ = entry.name;
    ArrivingObject object{.key = dir_ + entry.name, .size = entry.size};
    if (manifest_ != nullptr) {
      MB_ASSIGN_OR_RETURN(const std::optional<meta::ManifestEntry> listed,
                          manifest_->Take(ctx_, entry.name));
      MB_CHECK(listed.has_value());
      if (listed->size != entry.size) {
        return DataLossError(fmt::format("{} has {} bytes in the archive and {} in the manifest",
                                         entry.name, entry.size, listed->size));
      }
      object.hash = listed->hash;
    }
    return objects.Take(*reader_, object);
  }

  Status ReceiveHeader(const ArchiveEntry& entry) {
    if (manifest_ != nullptr) MB_RETURN_IF_ERROR(manifest_->End());
    if (arrived_objects_ != preface_.objects || arrived_bytes_ != preface_.bytes) {
      return DataLossError(
          fmt::format("the archive holds {} objects of {} bytes and not the {} of "
                      "{} that it speaks of: some were taken out",
                      arrived_objects_, arrived_bytes_, preface_.objects, preface_.bytes));
    }
    MB_ASSIGN_OR_RETURN(header_, ReadText(entry, kMaxHeaderBytes));
    if (HexEncode(Sha256(AsBytes(header_))) != preface_.header_sha256) {
      return OtherBytes(entry.name);
    }
    // Made by hand: an export writes no such archive.
    MB_ASSIGN_OR_RETURN(const meta::BackupInfo info,
                        meta::DecodeBackup(meta::SourceOf(header_), entry.name));
    if (info.partial || info.manifest_sha256 != preface_.manifest_sha256) {
      return DataLossError(entry.name + " is the header of another backup than the archive begins");
    }
    return Status::Ok();
  }

  Status Commit() {
    Enter("check");
    MB_RETURN_IF_ERROR(CheckArrived());
    MB_RETURN_IF_ERROR(claim_->marker().EndUploads(ctx_));
    if (report_.resumed) {
      MB_RETURN_IF_ERROR(meta::RemoveRemains(ctx_, *place_.backend, dir_));
    }
    MB_RETURN_IF_ERROR(claim_->Check(ctx_));
    MB_RETURN_IF_ERROR(ctx_.Check());
    claim_->BeginCommit();
    MB_RETURN_IF_ERROR(Put(meta::MetaKey("", meta::MetaFile::kHeader), header_));
    if (const Status ended = claim_->marker().End(ctx_); !ended.ok()) {
      log::Warn("the import of {} is finished, but {}", report_.name, ended.ToString());
    }
    return Status::Ok();
  }

  /// That the storage lists what was sent, and nothing else.
  Status CheckArrived() {
    std::unique_ptr<ManifestWalk> walk;
    if (report_.has_manifest) {
      MB_ASSIGN_OR_RETURN(walk, Walk("in the storage after it was written"));
    }
    uint64_t objects = 1;  // the header
    uint64_t bytes = header_.size();
    storage::ObjectStream listing(ctx_, *place_.backend, {.prefix = dir_});
    while (true) {
      MB_ASSIGN_OR_RETURN(const storage::ObjectInfo* object, listing.Next());
      if (object == nullptr) break;
      const std::string_view path = std::string_view(object->key).substr(dir_.size());
      if (object->key == meta::MarkerKey(dir_)) continue;
      ++objects;
      bytes += object->size;
      if (walk == nullptr) continue;
      MB_ASSIGN_OR_RETURN(const std::optional<meta::ManifestEntry> listed, walk->Take(ctx_, path));
      if (listed && listed->size != object->size) return NotArrived(object->key);
    }
    if (walk != nullptr) MB_RETURN_IF_ERROR(walk->End());
    return objects == preface_.objects && bytes == preface_.bytes ? Status::Ok() : NotArrived(dir_);
  }

  static Status NotArrived(const std::string& key) {
    return DataLossError(key + " is not in the storage as it was written")
        .WithOrigin(Origin::kStorage);
  }

  static Status OtherBytes(const std::string& path) {
    return DataLossError(path + " has other bytes in the archive than it must have");
  }

  Status Put(const std::string& path, std::string_view text) {
    const ByteView body = AsBytes(text);
    MB_RETURN_IF_ERROR(place_.backend->Put(ctx_, dir_ + path, body, {.crc32c = Crc32c(body)})
                           .status()
                           .Annotate("writing " + dir_ + path));
    if (options_.progress != nullptr) {
      ++options_.progress->objects_done;
      options_.progress->bytes_done += text.size();
    }
    return Status::Ok();
  }

  void Enter(const char* phase) {
    if (options_.progress != nullptr) options_.progress->SetPhase(phase);
  }

  const CallContext& ctx_;
  const Place& place_;
  const ImportOptions& options_;
  ImportReport report_;
  meta::ArchivePreface preface_;
  std::string dir_;
  std::unique_ptr<ArchiveReader> reader_;
  std::unique_ptr<ImportClaim> claim_;
  std::unique_ptr<ManifestWalk> manifest_;
  std::string last_path_;
  uint64_t arrived_objects_ = 0;
  uint64_t arrived_bytes_ = 0;
  std::string header_;
};

}  // namespace

Result<ImportReport> ImportBackup(const CallContext& ctx, const Place& place,
                                  const ImportOptions& options, const ByteFeed& feed) {
  return Import(ctx, place, options).Run(feed);
}

}  // namespace milvus_backup::backup
