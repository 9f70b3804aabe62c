// Fuzz targets for what is text: metas, manifests, configuration files, replies of S3, keys and
// places.
#include "config/resolver.h"
#include "config/sections.h"
#include "meta/manifest_text_internal.h"
#include "storage/local_file_internal.h"
#include "storage/s3_xml_internal.h"
#include "targets.h"

#include "milvus_backup/base/encoding.h"
#include "milvus_backup/meta/codec.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/meta/manifest.h"
#include "milvus_backup/meta/restore_progress.h"
#include "milvus_backup/meta/run_record.h"
#include "milvus_backup/meta/tags.h"
#include "milvus_backup/meta/tombstone.h"
#include "milvus_backup/storage/location.h"
#include "milvus_backup/storage/memory_backend.h"

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>

namespace milvus_backup::fuzz {
namespace {

/// Errors of decoders say that the text is damaged, or made for a newer program.
void CheckStatus(const Status& status) {
  MB_CHECK(status.ok() || status.code() == Code::kDataLoss ||
           status.code() == Code::kUnimplemented);
}

bool HasElement(std::string_view path, std::string_view element) {
  while (true) {
    const size_t slash = path.find('/');
    if (path.substr(0, slash) == element) return true;
    if (slash == std::string_view::npos) return false;
    path.remove_prefix(slash + 1);
  }
}

bool HasControl(std::string_view text) {
  return std::ranges::any_of(text, [](char c) { return static_cast<uint8_t>(c) < 0x20; });
}

/// What was read can be written, and what is written then is read as the same.
void CheckBackup(std::string_view text) {
  const Result<meta::BackupInfo> info = meta::DecodeBackup(meta::SourceOf(text), "fuzz");
  CheckStatus(info.status());
  if (!info.ok()) return;
  const auto encode = [](const meta::BackupInfo& backup) {
    return meta::EncodeToString(
        [&](const meta::TextSink& sink) { return meta::EncodeFullMeta(backup, sink); });
  };
  const std::string written = encode(*info);
  const Result<meta::BackupInfo> again = meta::DecodeBackup(meta::SourceOf(written), "fuzz");
  MB_CHECK(again.ok() && encode(*again) == written);
}

/// The header comes back byte for byte.
void CheckTombstone(std::string_view text) {
  const auto tombstone = meta::DecodeTombstone(text, "fuzz");
  CheckStatus(tombstone.status());
  if (!tombstone.ok()) return;
  const auto again = meta::DecodeTombstone(meta::EncodeTombstone(*tombstone), "fuzz");
  MB_CHECK(again.ok() && again->header == tombstone->header && again->pruned == tombstone->pruned);
}

void CheckManifestLine(std::string_view text) {
  const Result<meta::ManifestEntry> entry = meta::DecodeManifestLine(text);
  CheckStatus(entry.status());
  if (!entry.ok()) return;
  MB_CHECK(entry->hash.known());
  const Result<std::string> line = meta::EncodeManifestLine(*entry);
  MB_CHECK(line.ok() && line->ends_with('\n'));
  const Result<meta::ManifestEntry> again =
      meta::DecodeManifestLine(std::string_view(*line).substr(0, line->size() - 1));
  MB_CHECK(again.ok() && *again == *entry);
}

/// Bytes of a part under an index that takes them for what was written.
void CheckManifestPart(ByteView bytes) {
  const std::unique_ptr<storage::Backend> backend = storage::MakeMemoryBackend();
  const std::string path = meta::ManifestPartsDir("") + "00000.jsonl.zst";
  const std::string index = meta::EncodeManifestIndex(
      {.tool = "fuzz",
       .header_sha256 = std::string(64, '0'),
       .sealed = "",
       .objects = 1,
       .bytes = 1,
       .parts = {{path, bytes.size(), HexEncode(milvus_backup::Sha256(bytes)), 1}}});
  MB_CHECK(backend->Put({}, path, bytes, {}).ok());
  MB_CHECK(backend->Put({}, meta::ManifestKey(""), AsBytes(index), {}).ok());
  const auto reader = meta::ManifestReader::Open({}, *backend, "",
                                                 HexEncode(milvus_backup::Sha256(AsBytes(index))));
  MB_CHECK(reader.ok() && *reader != nullptr);
  for (int entries = 0; entries < 100'000; ++entries) {
    const auto entry = (*reader)->Next({});
    CheckStatus(entry.status());
    if (!entry.ok() || !*entry) return;
  }
}

}  // namespace

void MetaJson(ByteView bytes) {
  if (bytes.empty()) return;
  const std::string_view text = AsText(bytes.subspan(1));
  const auto source = [&] { return meta::SourceOf(text); };
  switch (static_cast<uint8_t>(bytes.front()) % 8) {
    case 0:
      return CheckBackup(text);
    case 1:
      return CheckStatus(meta::DecodeCollectionMeta(source(), "fuzz").status());
    case 2:
      return CheckStatus(meta::DecodePartitionMeta(source(), "fuzz").status());
    case 3:
      return CheckStatus(meta::DecodeSegmentMeta(source(), "fuzz").status());
    case 4:
      return CheckStatus(meta::DecodeRunRecord(text, "fuzz").status());
    case 5:
      return CheckStatus(meta::DecodeRestoreProgress(text, "fuzz").status());
    case 6:
      return CheckTombstone(text);
    default:
      return CheckStatus(meta::DecodeTags(text, "fuzz").status());
  }
}

void Manifest(ByteView bytes) {
  if (bytes.empty()) return;
  const std::string_view text = AsText(bytes.subspan(1));
  switch (static_cast<uint8_t>(bytes.front()) % 4) {
    case 0:
      return CheckStatus(meta::DecodeManifestIndex(text, "fuzz").status());
    case 1:
      return CheckManifestLine(text);
    case 2:
      return CheckManifestPart(bytes.subspan(1));
    default:
      if (const auto with = meta::WithManifest(text, std::string(64, 'a')); with.ok()) {
        MB_CHECK(text.starts_with(std::string_view(meta::WithoutManifest(*with)).substr(0, 1)));
      }
  }
}

void ConfigYaml(ByteView bytes) {
  const Result<config::FlatFile> file = config::ParseYaml(AsText(bytes), "fuzz");
  MB_CHECK(file.ok() || file.status().origin() == Origin::kConfig);
  if (!file.ok()) return;
  for (const auto& [path, node] : *file) MB_CHECK(!path.empty() && node.line >= 1);
}

void S3Xml(ByteView bytes) {
  const std::string_view xml = AsText(bytes);
  const auto check = [](const Status& status) {
    MB_CHECK(status.ok() || status.code() == Code::kInternal);
  };
  storage::ParseErrorBody(xml);
  check(storage::ParseListReply(xml).status());
  check(storage::ParseUploadId(xml).status());
  check(storage::ParseObjectReply(xml).status());
  check(storage::ParsePartsReply(xml).status());
  check(storage::ParseUploadsReply(xml).status());
  check(storage::ParseDeleteReply(xml).status());
}

void Keys(ByteView bytes) {
  const std::string_view text = AsText(bytes);
  if (const auto place = storage::ParseLocation(text); place.ok()) {
    MB_CHECK(!HasControl(place->path) && !HasControl(place->bucket));
    const bool in_bucket = place->kind != storage::Location::Kind::kDisk;
    MB_CHECK(!in_bucket || (!place->bucket.empty() && !HasElement(place->BucketAndPath(), "..")));
  }
  if (const auto dir = meta::BackupDir("root", text); dir.ok()) {
    MB_CHECK(*dir == "root/" + std::string(text) + "/" && text.find('/') == text.npos);
    MB_CHECK(!HasElement(*dir, "..") && !HasControl(*dir));
  }
  // What may be a file below the root of a disk stays there.
  if (storage::CheckLocalKey(text).ok()) {
    MB_CHECK(!text.starts_with('/') && !HasElement(text, "..") &&
             text.find('\0') == std::string_view::npos);
  }
  if (const auto log = meta::ParseSourceKey(text, "files"); log.ok()) {
    MB_CHECK(!HasElement(text, "..") && !HasControl(text));
    MB_CHECK(text.ends_with(std::to_string(log->log_id)));
  }
  MB_CHECK(PercentDecode(PercentEncode(text, false)) == text);
  config::IsAbsoluteUrl(text);
}

}  // namespace milvus_backup::fuzz
