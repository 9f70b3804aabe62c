#include "support/faulty_backend.h"
#include "support/status_matchers.h"

#include "milvus_backup/base/checksum.h"
#include "milvus_backup/storage/memory_backend.h"
#include "milvus_backup/transfer/copy_engine.h"
#include "milvus_backup/transfer/upload_ledger.h"

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>

namespace milvus_backup::transfer {
namespace {

using storage::Method;
using testing::Fault;
using testing::FaultyBackend;
using testing::IsError;

std::string Bytes(size_t size) {
  std::string bytes(size, '\0');
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 31 % 251);
  return bytes;
}

class MemoryLedger final : public UploadLedger {
 public:
  std::optional<Entry> Find(const std::string& key) override {
    const std::scoped_lock lock(mutex_);
    const auto found = entries.find(key);
    if (found == entries.end()) return std::nullopt;
    return found->second;
  }
  Status Note(const CallContext&, const Entry& entry) override {
    const std::scoped_lock lock(mutex_);
    MB_RETURN_IF_ERROR(note_error);
    entries[entry.key] = entry;
    ++notes;
    return Status::Ok();
  }
  Status Forget(const CallContext&, const std::string& key) override {
    const std::scoped_lock lock(mutex_);
    entries.erase(key);
    return Status::Ok();
  }

  std::map<std::string, Entry> entries;
  int notes = 0;
  Status note_error;

 private:
  std::mutex mutex_;
};

/// Flips a byte of what is read, the first so many times.
class Flipping final : public storage::InterceptingBackend {
 public:
  explicit Flipping(std::unique_ptr<storage::Backend> inner)
      : InterceptingBackend(std::move(inner)) {}

  Result<storage::ReadInfo> Read(const CallContext& ctx, const std::string& key,
                                 const storage::ReadOptions& options,
                                 const storage::Sink& sink) override {
    const bool flip = flips > 0 && flips-- > 0;
    return InterceptingBackend::Read(ctx, key, options,
                                     [&](const storage::ReadInfo& info, ByteView chunk) -> Status {
                                       if (!flip) return sink(info, chunk);
                                       std::string bytes(AsText(chunk));
                                       if (!bytes.empty()) bytes[bytes.size() / 2] ^= 0x20;
                                       return sink(info, AsBytes(bytes));
                                     });
  }

  std::atomic<int> flips{0};

 protected:
  Status Around(const CallContext&, const storage::CallInfo&, storage::CallRef call) override {
    return call();
  }
};

class LargeCopyTest : public ::testing::Test {
 protected:
  static constexpr size_t kSize = 3 * kMiB + 7;

  LargeCopyTest()
      : source_(storage::MakeMemoryBackend()), destination_(storage::MakeMemoryBackend()) {
    const auto stored = source_.Put({}, "k", AsBytes(Bytes(kSize)), {});
    EXPECT_OK(stored);
    item_ = {"k", "copy", kSize, stored->etag};
  }

  CopySummary Copy(CopyItem item) {
    CopyEngine engine({.concurrency = 1, .part_size = kMiB, .force_streaming = true}, nullptr);
    CopyBatch batch(engine, source_, destination_, {}, Existing::kOverwrite, &ledger_);
    EXPECT_OK(batch.Add(std::move(item)));
    return batch.Wait();
  }
  CopySummary Copy() { return Copy(item_); }

  void ExpectCopied() {
    const auto bytes = storage::ReadAll({}, destination_, "copy", 64 * kMiB);
    ASSERT_OK(bytes);
    EXPECT_EQ(*bytes, Bytes(kSize));
  }
  size_t OpenUploads() {
    const auto uploads = destination_.ListUploads({}, "copy");
    EXPECT_OK(uploads);
    return uploads.ok() ? uploads->size() : 999;
  }
  /// Fail as a storage that is gone does, at the third part.
  void BreakOff() {
    Fault fault;
    fault.error = Status(Code::kUnavailable, "gone").WithRetry(RetryClass::kExhausted);
    fault.skip = 2;
    destination_.Plan(Method::kUploadPart, fault);
    EXPECT_THAT(Copy().ToStatus(), IsError(Code::kUnavailable, "gone"));
  }

  Flipping source_;
  FaultyBackend destination_;
  MemoryLedger ledger_;
  CopyItem item_;
};

TEST_F(LargeCopyTest, SuccessLeavesNothingInTheLedger) {
  EXPECT_OK(Copy().ToStatus());
  ExpectCopied();
  EXPECT_EQ(ledger_.notes, 1);
  EXPECT_TRUE(ledger_.entries.empty());
  EXPECT_EQ(OpenUploads(), 0U);
}

TEST_F(LargeCopyTest, LaterRunSendsOnlyWhatIsMissing) {
  BreakOff();
  ASSERT_EQ(ledger_.entries.count("copy"), 1U);
  EXPECT_EQ(ledger_.entries["copy"].source_etag, item_.etag);
  EXPECT_EQ(ledger_.entries["copy"].source_size, kSize);
  EXPECT_EQ(ledger_.entries["copy"].part_size, kMiB);
  EXPECT_EQ(OpenUploads(), 1U);
  const CopySummary summary = Copy();
  EXPECT_OK(summary.ToStatus());
  EXPECT_EQ(summary.reused_bytes, 2 * kMiB);
  EXPECT_EQ(ledger_.notes, 1);
  ExpectCopied();
  EXPECT_TRUE(ledger_.entries.empty());
  EXPECT_EQ(OpenUploads(), 0U);
}

TEST_F(LargeCopyTest, PartsOfAnotherSourceOrLayoutAreNotUsed) {
  for (const bool other_layout : {false, true}) {
    BreakOff();
    UploadLedger::Entry& entry = ledger_.entries["copy"];
    if (other_layout) {
      entry.part_size = kMiB / 2;
    } else {
      entry.source_etag = "another";
    }
    const CopySummary summary = Copy();
    EXPECT_OK(summary.ToStatus());
    EXPECT_EQ(summary.reused_bytes, 0U);
    ExpectCopied();
    EXPECT_TRUE(ledger_.entries.empty());
    EXPECT_EQ(OpenUploads(), 0U);
  }
}

TEST_F(LargeCopyTest, UploadThatIsGoneIsStartedAnew) {
  ledger_.entries["copy"] = {"copy", "no-such-upload", item_.etag, kSize, kMiB};
  const CopySummary summary = Copy();
  EXPECT_OK(summary.ToStatus());
  EXPECT_EQ(summary.reused_bytes, 0U);
  ExpectCopied();
  EXPECT_TRUE(ledger_.entries.empty());
}

TEST_F(LargeCopyTest, DamagedPartOfAnEarlierRunIsFoundOut) {
  BreakOff();
  const auto upload = destination_.ResumeUpload({}, "copy", ledger_.entries["copy"].upload_id);
  ASSERT_OK(upload);
  std::string other = Bytes(kMiB);
  other[17] ^= 1;
  ASSERT_OK((*upload)->UploadPart({}, 1, AsBytes(other), Crc32c(AsBytes(other))));
  (*upload)->Detach();
  const CopySummary summary = Copy();
  EXPECT_OK(summary.ToStatus());
  EXPECT_EQ(summary.reused_bytes, 0U);
  ExpectCopied();
  EXPECT_TRUE(ledger_.entries.empty());
  EXPECT_EQ(OpenUploads(), 0U);
}

TEST_F(LargeCopyTest, UnfinishedUploadOfAnObjectThatIsSmallNowIsAborted) {
  BreakOff();
  const auto stored = source_.Put({}, "k", AsBytes(Bytes(10)), {});
  ASSERT_OK(stored);
  EXPECT_OK(Copy({"k", "copy", 10, stored->etag}).ToStatus());
  EXPECT_TRUE(ledger_.entries.empty());
  EXPECT_EQ(OpenUploads(), 0U);
}

TEST_F(LargeCopyTest, UploadThatCannotBeNotedIsAborted) {
  ledger_.note_error = Status(Code::kPermissionDenied, "read-only");
  EXPECT_THAT(Copy().ToStatus(), IsError(Code::kPermissionDenied, "read-only"));
  EXPECT_EQ(OpenUploads(), 0U);
  EXPECT_THAT(destination_.Stat({}, "copy"), IsError(Code::kNotFound, ""));
}

TEST_F(LargeCopyTest, FlippedByteOfTheReadLegIsNeverPublished) {
  source_.flips = 1;
  EXPECT_OK(Copy().ToStatus());
  ExpectCopied();
  EXPECT_EQ(OpenUploads(), 0U);

  ASSERT_OK(destination_.Delete({}, "copy"));
  source_.flips = 1000;
  EXPECT_THAT(Copy().ToStatus(), IsError(Code::kDataLoss, "copying k"));
  EXPECT_THAT(destination_.Stat({}, "copy"), IsError(Code::kNotFound, ""));
  EXPECT_EQ(OpenUploads(), 0U);
  EXPECT_TRUE(ledger_.entries.empty());
}

TEST_F(LargeCopyTest, FlippedByteOfASmallObjectIsReadAgain) {
  const auto stored = source_.Put({}, "small", AsBytes(Bytes(1000)), {});
  ASSERT_OK(stored);
  const CopyItem small{"small", "copy", 1000, stored->etag};
  source_.flips = 1;
  EXPECT_OK(Copy(small).ToStatus());
  const auto bytes = storage::ReadAll({}, destination_, "copy", kMiB);
  ASSERT_OK(bytes);
  EXPECT_EQ(*bytes, Bytes(1000));
}

TEST_F(LargeCopyTest, StopKeepsTheUploadForTheNextRun) {
  std::stop_source stop;
  Fault fault;
  fault.callback = [&] { stop.request_stop(); };
  destination_.Plan(Method::kUploadPart, fault);
  {
    CopyEngine engine({.concurrency = 1, .part_size = kMiB, .force_streaming = true}, nullptr);
    CopyBatch batch(engine, source_, destination_, stop.get_token(), Existing::kOverwrite,
                    &ledger_);
    EXPECT_OK(batch.Add(item_));
    EXPECT_THAT(batch.Wait().ToStatus(), IsError(Code::kCancelled, ""));
  }
  EXPECT_EQ(ledger_.entries.count("copy"), 1U);
  const CopySummary summary = Copy();
  EXPECT_OK(summary.ToStatus());
  // The part that was on its way when the stop came was let through.
  EXPECT_EQ(summary.reused_bytes, kMiB);
  ExpectCopied();
}

}  // namespace
}  // namespace milvus_backup::transfer
