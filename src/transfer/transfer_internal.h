/// Pieces of the copy engine that do not depend on its threads.
#pragma once

#include "pace_internal.h"

#include "milvus_backup/base/memory_budget.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/storage/backend.h"
#include "milvus_backup/transfer/copy_engine.h"
#include "milvus_backup/transfer/etag.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace milvus_backup::transfer {

/// Bytes of a range of an object in a pooled buffer, with their CRC32C.
struct LoadedRange {
  Buffer buffer;
  uint32_t crc32c = 0;
  std::string etag;
  /// The ETag is the MD5 of the whole object.
  bool etag_is_md5 = false;
  /// Of the whole object, as the source stores it; only when the whole object was read.
  std::optional<uint32_t> stored_crc32c;
  /// Spent on waiting for the buffer.
  std::chrono::nanoseconds waited{0};
};

/// kAborted: the source is not the object that was planned.
Status SourceChanged(const CopyItem& item);

/// Fills a range's buffer with what a read delivers. Borrows everything.
class RangeFill {
 public:
  RangeFill(const CopyItem& item, const storage::ByteRange& range, LoadedRange& loaded)
      : item_(item), range_(range), loaded_(loaded) {
    loaded_.crc32c = 0;
  }

  storage::ReadOptions options() const;
  /// kAborted when it is not the object that was planned, before the first byte is stored.
  Status Check(const storage::ReadInfo& info, ByteView chunk) const;
  /// The buffer must be there, and Check have passed.
  void Store(ByteView chunk);
  Status End(const storage::ReadInfo& info) const;

 private:
  const CopyItem& item_;
  const storage::ByteRange range_;
  LoadedRange& loaded_;
  size_t filled_ = 0;
};
/// Whether the bytes of a whole object are not those of the checksum that its storage keeps.
bool IsBelied(const LoadedRange& loaded);

/// Reads of one copy engine. Borrows everything.
struct SourceReader {
  storage::Backend& source;
  MemoryBudget& budget;
  Pace& pace;

  /// Read exactly `range` of an object into a buffer that is taken when its bytes arrive; kAborted
  /// when the object has another size or ETag than the item says. A whole object that the source's
  /// own checksum belies is read again, and is kDataLoss when that does not help.
  Result<LoadedRange> Load(const CallContext& ctx, const CopyItem& item,
                           const storage::ByteRange& range);
  /// The same in two steps, for who must have its buffer first: the right to read and a buffer, and
  /// the reading.
  struct Reserved {
    InTurn::Turn turn;
    Buffer buffer;
    /// Spent on waiting for the buffer.
    std::chrono::nanoseconds waited{0};
  };
  Result<Reserved> Reserve(const CallContext& ctx, uint64_t length);
  Result<LoadedRange> LoadInto(const CallContext& ctx, const CopyItem& item,
                               const storage::ByteRange& range, Reserved reserved);
  /// CRC32C of a whole object, read through a small window. kDataLoss when the item's hashes speak
  /// of other bytes.
  Result<uint32_t> Crc32cOf(const CallContext& ctx, const CopyItem& item);

 private:
  /// Takes a buffer when `loaded` has none.
  Status LoadOnce(const CallContext& ctx, const CopyItem& item, const storage::ByteRange& range,
                  LoadedRange& loaded);
  Result<LoadedRange> LoadProved(const CallContext& ctx, const CopyItem& item,
                                 const storage::ByteRange& range, LoadedRange loaded);
};

/// kDataLoss: the bytes are not those of an ETag that is an MD5.
Status OtherThanEtag();
/// kDataLoss: the bytes are not those of the manifest.
Status OtherThanManifest();

/// That what the service has copied by itself is what the item's hashes say, by what it states of
/// the copy or the source, or else by reading the copy, which is told. OK without a hash.
Status ProveServerCopy(const CallContext& ctx, SourceReader source, SourceReader destination,
                       const CopyItem& item, const storage::ObjectInfo& copied, bool& second_read);

/// Whether the destination holds the item's bytes. False when it has nothing there or an object of
/// another size; otherwise what the services state decides, and where that says nothing, reading
/// both.
Result<bool> IsAlreadyThere(const CallContext& ctx, SourceReader source, SourceReader destination,
                            const CopyItem& item);

/// Whether their answers can be enough for that: asked before the bytes are let go.
bool AnswersMayProve(const CopyItem& item, const LoadedRange& loaded,
                     const storage::Capabilities& caps, bool reads);
/// Whether what both services have said of a whole object proves that the destination holds the
/// source's bytes, so that they are not needed any more. `reads`: the read leg is to be proved,
/// too.
bool IsProvedByAnswers(const CopyItem& item, const LoadedRange& loaded,
                       const storage::ObjectInfo& stored, const storage::Capabilities& caps,
                       bool reads);

/// That the destination holds the loaded bytes of a whole object, as its answer `stored` shows or,
/// where that leaves a doubt, as reading it back does. kDataLoss when it holds others.
Status ProveWritten(const CallContext& ctx, SourceReader destination, const CopyItem& item,
                    const LoadedRange& loaded, const storage::ObjectInfo& stored);
/// That the loaded bytes of a whole object are the source's: by the item's hashes, by its stored
/// checksum, by its ETag, or else by reading it again, which is told. kDataLoss when they are not.
/// Frees the buffer.
Status ProveRead(const CallContext& ctx, SourceReader source, const CopyItem& item,
                 LoadedRange loaded, const storage::ObjectInfo& stored, bool& second_read);

/// Whether the ETag is the MD5 of these bytes, uploaded whole or as a single part.
bool IsEtagOf(std::string_view etag, ByteView bytes);
/// Whether the ETag is this MD5.
bool IsPlainEtagOf(std::string_view etag, const Md5Digest& md5);
/// Whether the ETag has the form of a plain MD5.
bool LooksLikeMd5(std::string_view etag);
/// Number of parts that the ETag of a multipart object states; 0 when it is none.
uint64_t PartsOfEtag(std::string_view etag);
/// The ETag that S3 gives an object of these parts; empty when an MD5 of one is not known.
std::string EtagOfParts(const std::vector<std::string>& part_md5s);

/// Size of the parts in which an object should be sent, none when it should be sent whole. A
/// multipart source is sent in its own layout, so that the ETags of both sides can be compared:
/// `first_part` is the size of its first part; 0 means unknown, and it is guessed from the number
/// of parts. A layout whose parts are larger than `max_buffer` is not kept. A source sent whole, as
/// its plain MD5 tells, is sent whole again up to some size.
std::optional<uint64_t> ChoosePartSize(const CopyItem& item, uint64_t preferred,
                                       const storage::Capabilities& caps, uint64_t first_part,
                                       uint64_t max_buffer);

/// Errors after which no other object of the same pair of storages can succeed.
bool IsHopeless(const Status& status);

}  // namespace milvus_backup::transfer
