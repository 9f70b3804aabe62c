#include "milvus_backup/transfer/copy_engine.h"

#include "support/fake_s3.h"
#include "support/faulty_backend.h"
#include "support/status_matchers.h"
#include "transfer/transfer_internal.h"

#include "milvus_backup/base/checksum.h"
#include "milvus_backup/base/encoding.h"
#include "milvus_backup/storage/intercepting_backend.h"
#include "milvus_backup/storage/memory_backend.h"
#include "milvus_backup/storage/open.h"

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace milvus_backup::transfer {
namespace {

using ::milvus_backup::testing::IsError;

std::string Bytes(size_t size) {
  std::string bytes(size, '\0');
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 31 % 251);
  return bytes;
}

class CopyEngineTest : public ::testing::Test {
 protected:
  CopyItem Store(const std::string& key, size_t size) {
    const auto stored = source_->Put({}, key, AsBytes(Bytes(size)), {});
    EXPECT_OK(stored);
    return {key, "copy/" + key, size, stored->etag};
  }
  /// One that a manifest speaks of, so that answers may prove it.
  CopyItem StoreHashed(const std::string& key, size_t size) {
    CopyItem item = Store(key, size);
    item.crc32c = Crc32c(AsBytes(Bytes(size)));
    item.md5 = Md5(AsBytes(Bytes(size)));
    return item;
  }
  void ExpectCopied(const std::string& key, size_t size) {
    const auto bytes = storage::ReadAll({}, *destination_, "copy/" + key, 64 * kMiB);
    ASSERT_OK(bytes);
    EXPECT_EQ(*bytes, Bytes(size)) << key;
  }

  std::unique_ptr<storage::Backend> source_ = storage::MakeMemoryBackend();
  std::unique_ptr<storage::Backend> destination_ = storage::MakeMemoryBackend();
  Progress progress_;
};

TEST_F(CopyEngineTest, ServerCopiesWhatItCan) {
  CopyEngine engine({.concurrency = 4}, &progress_);
  CopyBatch batch(engine, *source_, *destination_, {});
  EXPECT_TRUE(batch.server_side());
  for (int i = 0; i < 50; ++i) {
    EXPECT_OK(batch.Add(Store("k" + std::to_string(i), static_cast<size_t>(i) * 100)));
  }
  const CopySummary summary = batch.Wait();
  EXPECT_OK(summary.ToStatus());
  EXPECT_EQ(summary.objects, 50U);
  EXPECT_EQ(summary.server_side_objects, 50U);
  EXPECT_EQ(engine.budget().peak(), 0U);
  EXPECT_EQ(progress_.bytes_done, progress_.bytes_planned);
  ExpectCopied("k49", 4900);
}

TEST_F(CopyEngineTest, StreamsWholeObjectsAndParts) {
  CopyEngine engine({.concurrency = 4,
                     .memory_bytes = 2 * kMiB,
                     .part_size = 256 * kKiB,
                     .force_streaming = true},
                    &progress_);
  CopyBatch batch(engine, *source_, *destination_, {});
  const std::vector<size_t> sizes = {
      0, 1, 256 * kKiB - 1, 256 * kKiB, 256 * kKiB + 1, 3 * kMiB, 3 * kMiB + 7};
  for (const size_t size : sizes) EXPECT_OK(batch.Add(Store(std::to_string(size), size)));
  const CopySummary summary = batch.Wait();
  EXPECT_OK(summary.ToStatus());
  EXPECT_EQ(summary.objects, sizes.size());
  EXPECT_EQ(summary.server_side_objects, 0U);
  EXPECT_LE(engine.budget().peak(), 2 * kMiB);
  for (const size_t size : sizes) ExpectCopied(std::to_string(size), size);
  EXPECT_EQ(progress_.objects_done, sizes.size());
  EXPECT_EQ(progress_.bytes_done, progress_.bytes_planned);
}

/// A service that has the bytes before it answers.
class Distant final : public storage::InterceptingBackend {
 public:
  explicit Distant(std::unique_ptr<storage::Backend> inner)
      : InterceptingBackend(std::move(inner)) {}
  Result<storage::ObjectInfo> Put(const CallContext& ctx, const std::string& key, ByteView body,
                                  const storage::PutOptions& options) override {
    auto put = inner().Put(ctx, key, body, {.crc32c = options.crc32c});
    if (options.on_sent) options.on_sent();
    std::unique_lock lock(mutex_);
    ++puts;
    if (lost-- > 0) return ::milvus_backup::testing::TransientError("the answer was lost");
    arrived_.notify_all();
    // Far above what is waited for, and no error when it is not enough: the buffers tell.
    arrived_.wait_for(lock, std::chrono::seconds(10), [this] { return puts >= awaited; });
    return put;
  }

  int puts = 0;
  /// Answers that do not arrive.
  int lost = 0;
  /// No answer before so many have come.
  int awaited = 0;

 protected:
  Status Around(const CallContext&, const storage::CallInfo&, storage::CallRef call) override {
    return call();
  }

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
};

TEST_F(CopyEngineTest, BuffersAreFreeWhileTheServiceAnswers) {
  auto distant = std::make_unique<Distant>(std::move(destination_));
  Distant& service = *distant;
  destination_ = std::move(distant);
  // One buffer, and four objects whose answers come together.
  service.awaited = 4;
  CopyEngine engine({.concurrency = 4, .memory_bytes = 64 * kKiB, .force_streaming = true},
                    &progress_);
  CopyBatch batch(engine, *source_, *destination_, {});
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 4; ++i) {
    EXPECT_OK(batch.Add(StoreHashed("k" + std::to_string(i), 30'000)));
  }
  EXPECT_OK(batch.Wait().ToStatus());
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
  for (int i = 0; i < 4; ++i) ExpectCopied("k" + std::to_string(i), 30'000);
  EXPECT_EQ(service.puts, 4);
  EXPECT_EQ(engine.budget().in_use(), 0U);
}

TEST_F(CopyEngineTest, WhatWasLetGoIsReadAgainWhenItsAnswerIsLost) {
  auto distant = std::make_unique<Distant>(std::move(destination_));
  Distant& service = *distant;
  destination_ = std::move(distant);
  service.lost = 1;
  CopyEngine engine({.concurrency = 1, .force_streaming = true}, &progress_);
  CopyBatch batch(engine, *source_, *destination_, {});
  EXPECT_OK(batch.Add(StoreHashed("k", 30'000)));
  const CopySummary summary = batch.Wait();
  EXPECT_OK(summary.ToStatus());
  EXPECT_EQ(summary.objects, 1U);
  EXPECT_EQ(service.puts, 2);
  ExpectCopied("k", 30'000);
  EXPECT_EQ(progress_.bytes_done, 30'000U);
}

/// A source that says nothing of its bytes.
class Silent final : public storage::InterceptingBackend {
 public:
  explicit Silent(std::unique_ptr<storage::Backend> inner)
      : InterceptingBackend(std::move(inner)) {}
  Result<storage::ReadInfo> Read(const CallContext& ctx, const std::string& key,
                                 const storage::ReadOptions& options,
                                 const storage::Sink& sink) override {
    ++reads;
    auto info = inner().Read(ctx, key, options, [&](const storage::ReadInfo& told, ByteView chunk) {
      storage::ReadInfo less = told;
      less.crc32c.reset();
      return sink(less, chunk);
    });
    if (info.ok()) info->crc32c.reset();
    return info;
  }

  int reads = 0;

 protected:
  Status Around(const CallContext&, const storage::CallInfo&, storage::CallRef call) override {
    return call();
  }
};

TEST_F(CopyEngineTest, WhereAnswersCanProveNothingBytesAreKept) {
  auto silent = std::make_unique<Silent>(std::move(source_));
  Silent& source = *silent;
  source_ = std::move(silent);
  auto distant = std::make_unique<Distant>(std::move(destination_));
  Distant& service = *distant;
  destination_ = std::move(distant);
  CopyEngine engine({.concurrency = 1, .force_streaming = true}, &progress_);
  CopyBatch batch(engine, *source_, *destination_, {});
  EXPECT_OK(batch.Add(Store("a", 30'000)));
  EXPECT_OK(batch.Add(Store("b", 30'000)));
  const CopySummary summary = batch.Wait();
  EXPECT_OK(summary.ToStatus());
  EXPECT_EQ(summary.second_reads, 2U);
  ExpectCopied("a", 30'000);
  ExpectCopied("b", 30'000);
  EXPECT_EQ(service.puts, 2);
  EXPECT_EQ(source.reads, 4);
}

TEST_F(CopyEngineTest, WhatTheAnswersDoNotProveIsReadAgain) {
  ::milvus_backup::testing::FakeS3 server;
  server.CreateBucket("bkt");
  server.Put("bkt", "a", Bytes(30'000));
  server.Put("bkt", "b", Bytes(30'000));
  ASSERT_OK_AND_ASSIGN(source_, storage::OpenS3(server.OptionsFor("bkt")));
  // Its ETags are none that the source's could equal.
  auto distant = std::make_unique<Distant>(std::move(destination_));
  Distant& service = *distant;
  destination_ = std::move(distant);
  CopyEngine engine({.concurrency = 1, .force_streaming = true}, &progress_);
  for (const std::string key : {"a", "b"}) {
    CopyBatch batch(engine, *source_, *destination_, {});
    ASSERT_OK_AND_ASSIGN(const storage::ObjectInfo stored, source_->Stat({}, key));
    EXPECT_OK(batch.Add({key, "copy/" + key, stored.size, stored.etag}));
    const CopySummary summary = batch.Wait();
    EXPECT_OK(summary.ToStatus());
    EXPECT_EQ(summary.second_reads, key == "a" ? 1U : 0U);
    ExpectCopied(key, 30'000);
  }
  // Only of the first the bytes were let go.
  EXPECT_EQ(service.puts, 3);
}

TEST_F(CopyEngineTest, WhatNobodyVouchesForDoesNotStay) {
  ::milvus_backup::testing::FakeS3 server;
  server.CreateBucket("bkt");
  server.Put("bkt", "a", Bytes(30'000));
  ASSERT_OK_AND_ASSIGN(source_, storage::OpenS3(server.OptionsFor("bkt")));
  destination_ = std::make_unique<Distant>(std::move(destination_));
  CopyEngine engine({.concurrency = 1, .force_streaming = true}, &progress_);
  CopyBatch batch(engine, *source_, *destination_, {});
  ASSERT_OK_AND_ASSIGN(const storage::ObjectInfo stored, source_->Stat({}, "a"));
  // The second look at the source finds nothing.
  server.Plan({.method = "GET",
               .target = "/bkt/a",
               .skip = 1,
               .instead = ::milvus_backup::testing::ErrorReply(404, "NoSuchKey")});
  EXPECT_OK(batch.Add({"a", "copy/a", stored.size, stored.etag}));
  EXPECT_FALSE(batch.Wait().ToStatus().ok());
  EXPECT_THAT(destination_->Stat({}, "copy/a"), IsError(Code::kNotFound, ""));
}

TEST_F(CopyEngineTest, KeepsWhatIsThereOnlyWhenItsBytesAreEqual) {
  CopyEngine engine({.concurrency = 2, .part_size = 256 * kKiB, .force_streaming = true},
                    &progress_);
  CopyBatch batch(engine, *source_, *destination_, {}, Existing::kKeepIfEqual);
  const std::vector<CopyItem> items = {
      Store("same", 1000),  Store("same_large", 3 * kMiB),  Store("shorter", 1000),
      Store("other", 1000), Store("other_large", 3 * kMiB), Store("absent", 1000)};
  const auto put = [&](const std::string& key, const std::string& bytes) {
    EXPECT_OK(destination_->Put({}, "copy/" + key, AsBytes(bytes), {}));
  };
  put("same", Bytes(1000));
  put("same_large", Bytes(3 * kMiB));
  put("shorter", Bytes(999));
  put("other", std::string(1000, 'x'));
  put("other_large", std::string(3 * kMiB, 'x'));
  for (const CopyItem& item : items) EXPECT_OK(batch.Add(item));
  const CopySummary summary = batch.Wait();
  EXPECT_OK(summary.ToStatus());
  EXPECT_EQ(summary.kept_objects, 2U);
  EXPECT_EQ(summary.objects, 4U);
  for (const CopyItem& item : items) ExpectCopied(item.source_key, item.size);
  EXPECT_EQ(progress_.objects_done, items.size());
  EXPECT_EQ(progress_.bytes_done, progress_.bytes_planned);
}

TEST_F(CopyEngineTest, OfVeryManyFailuresTheFirstAreKeptAndTheOneThatEndsIt) {
  CopyEngine engine({.concurrency = 1, .force_streaming = true}, &progress_);
  testing::FaultyBackend full(storage::MakeMemoryBackend());
  full.Plan(storage::Method::kPut,
            {.error = Status(Code::kResourceExhausted, "full").WithOrigin(Origin::kStorage)});
  CopyBatch batch(engine, *source_, full, {});
  const size_t missing = kMostFailures + 5;
  for (size_t i = 0; i < missing; ++i) {
    ASSERT_OK(batch.Add({"missing" + std::to_string(i), "copy/missing", 10, ""}));
  }
  ASSERT_OK(batch.Add(Store("there", 10)));
  const CopySummary summary = batch.Wait();
  EXPECT_EQ(summary.failure_count, missing + 1);
  ASSERT_EQ(summary.failures.size(), kMostFailures);
  EXPECT_EQ(summary.failures.front().source_key, "missing0");
  EXPECT_THAT(summary.failures.back().status, IsError(Code::kResourceExhausted, "full"));
  EXPECT_THAT(summary.ToStatus(), IsError(Code::kNotFound, "10006 objects failed, the first"));
}

TEST_F(CopyEngineTest, RefusesToReplaceOtherBytesWhereItMayOnlyAdd) {
  CopyEngine engine({.concurrency = 2, .force_streaming = true}, &progress_);
  CopyBatch batch(engine, *source_, *destination_, {}, Existing::kKeepOrRefuse);
  const std::vector<CopyItem> items = {Store("same", 1000), Store("other", 1000),
                                       Store("shorter", 1000), Store("absent", 1000)};
  const auto put = [&](const std::string& key, const std::string& bytes) {
    EXPECT_OK(destination_->Put({}, "copy/" + key, AsBytes(bytes), {}));
  };
  put("same", Bytes(1000));
  put("other", std::string(1000, 'x'));
  put("shorter", Bytes(999));
  for (const CopyItem& item : items) EXPECT_OK(batch.Add(item));
  const CopySummary summary = batch.Wait();
  EXPECT_EQ(summary.kept_objects, 1U);
  EXPECT_EQ(summary.objects, 1U);
  ASSERT_EQ(summary.failures.size(), 2U);
  for (const CopyFailure& failure : summary.failures) {
    EXPECT_THAT(failure.status, IsError(Code::kAlreadyExists, "other bytes"));
  }
  ASSERT_OK_AND_ASSIGN(const std::string kept,
                       storage::ReadAll({}, *destination_, "copy/other", 2000));
  EXPECT_EQ(kept, std::string(1000, 'x'));
  ExpectCopied("absent", 1000);
}

TEST_F(CopyEngineTest, LargeServerSideCopiesGoInParts) {
  CopyEngine engine({.concurrency = 2, .server_copy_threshold = kMiB}, &progress_);
  CopyBatch batch(engine, *source_, *destination_, {});
  EXPECT_OK(batch.Add(Store("large", 2 * kMiB)));
  EXPECT_OK(batch.Wait().ToStatus());
  ExpectCopied("large", 2 * kMiB);
}

TEST_F(CopyEngineTest, OneFailureDoesNotHideTheOthers) {
  CopyEngine engine({.concurrency = 2, .force_streaming = true}, &progress_);
  CopyBatch batch(engine, *source_, *destination_, {});
  EXPECT_OK(batch.Add(Store("a", 10)));
  EXPECT_OK(batch.Add({"missing", "copy/missing", 10, ""}));
  EXPECT_OK(batch.Add(Store("z", 10)));
  const CopySummary summary = batch.Wait();
  EXPECT_EQ(summary.objects, 2U);
  ASSERT_EQ(summary.failures.size(), 1U);
  EXPECT_THAT(summary.ToStatus(), IsError(Code::kNotFound, "copying missing"));
  ExpectCopied("z", 10);
}

TEST_F(CopyEngineTest, ChangedSourceIsNotCopied) {
  CopyEngine engine({.concurrency = 2, .part_size = 64 * kKiB, .force_streaming = true}, nullptr);
  CopyBatch batch(engine, *source_, *destination_, {});
  CopyItem grown = Store("grown", 10);
  grown.etag.clear();
  Store("grown", 20);
  const CopyItem replaced = Store("replaced", 300 * kKiB);
  Store("replaced", 300 * kKiB - 1);
  EXPECT_OK(batch.Add(grown));
  EXPECT_OK(batch.Add(replaced));
  const CopySummary summary = batch.Wait();
  ASSERT_EQ(summary.failures.size(), 2U);
  for (const CopyFailure& failure : summary.failures) {
    EXPECT_EQ(failure.status.code(), Code::kAborted) << failure.status.ToString();
  }
  EXPECT_THAT(destination_->Stat({}, "copy/grown"), IsError(Code::kNotFound, ""));
  EXPECT_THAT(destination_->Stat({}, "copy/replaced"), IsError(Code::kNotFound, ""));
}

/// A source that says its objects were uploaded in three parts.
class ThreeParts final : public storage::InterceptingBackend {
 public:
  ThreeParts() : InterceptingBackend(storage::MakeMemoryBackend()) {}

  Result<storage::ObjectInfo> Stat(const CallContext& ctx, const std::string& key) override {
    Result<storage::ObjectInfo> info = InterceptingBackend::Stat(ctx, key);
    if (info.ok()) info->etag = kEtag;
    return info;
  }
  Result<storage::ReadInfo> Read(const CallContext& ctx, const std::string& key,
                                 const storage::ReadOptions& options,
                                 const storage::Sink& sink) override {
    storage::ReadOptions any = options;
    EXPECT_EQ(std::exchange(any.if_match, ""), kEtag);
    ranges.insert({options.offset, options.length.value_or(0)});
    return InterceptingBackend::Read(ctx, key, any, sink);
  }

  /// Offset and length of what was read.
  std::set<std::pair<uint64_t, uint64_t>> ranges;

 protected:
  Status Around(const CallContext&, const storage::CallInfo&, storage::CallRef call) override {
    return call();
  }

 private:
  static constexpr char kEtag[] = "d41d8cd98f00b204e9800998ecf8427e-3";
};

TEST_F(CopyEngineTest, MissingEtagIsAskedForWhereAnObjectGoesInParts) {
  ThreeParts source;
  const std::string bytes = Bytes(12 * kMiB);
  ASSERT_OK(source.Put({}, "large", AsBytes(bytes), {}));
  CopyEngine engine({.concurrency = 1, .part_size = kMiB, .force_streaming = true}, nullptr);
  CopyBatch batch(engine, source, *destination_, {});
  EXPECT_OK(batch.Add({"large", "copy/large", bytes.size(), ""}));
  EXPECT_OK(batch.Wait().ToStatus());
  ExpectCopied("large", bytes.size());
  // Three parts of 5 MiB, as the source was made; its stored checksum saves a second look.
  EXPECT_TRUE(source.ranges.contains({5 * kMiB, 5 * kMiB}));
  EXPECT_EQ(source.ranges.size(), 3U);

  CopyBatch other(engine, source, *destination_, {});
  EXPECT_OK(other.Add({"large", "copy/grown", bytes.size() - 1, ""}));
  EXPECT_THAT(other.Wait().ToStatus(), IsError(Code::kAborted, "copying large"));
}

TEST_F(CopyEngineTest, StopAccountsForEveryObject) {
  std::stop_source stop;
  CopyEngine engine({.concurrency = 2}, &progress_);
  CopyBatch batch(engine, *source_, *destination_, stop.get_token());
  for (int i = 0; i < 20; ++i) EXPECT_OK(batch.Add(Store("k" + std::to_string(i), 10)));
  stop.request_stop();
  EXPECT_THAT(batch.Add(Store("late", 10)), IsError(Code::kCancelled, ""));
  const CopySummary summary = batch.Wait();
  EXPECT_EQ(summary.objects + summary.failures.size(), 20U);
}

TEST(PartSizeTest, FollowsTheSourcesOwnLayout) {
  const storage::Capabilities caps;
  const std::string md5(32, 'a');
  const auto choose = [&](uint64_t size, const std::string& etag) {
    return ChoosePartSize({"k", "k", size, etag}, 8 * kMiB, caps, 0, 32 * kMiB);
  };
  EXPECT_EQ(choose(8 * kMiB, md5), std::nullopt);
  EXPECT_EQ(choose(8 * kMiB + 1, ""), 8 * kMiB);
  EXPECT_EQ(choose(16 * kMiB, md5), std::nullopt);  // the ETag of one PUT proves it
  EXPECT_EQ(choose(16 * kMiB + 1, md5), 8 * kMiB);
  EXPECT_EQ(ChoosePartSize({"k", "k", 12 * kMiB, md5, 7U}, 8 * kMiB, caps, 0, 32 * kMiB), 8 * kMiB);
  EXPECT_EQ(ChoosePartSize({"k", "k", 12 * kMiB, md5}, 8 * kMiB, caps, 0, 16 * kMiB), 8 * kMiB);
  EXPECT_EQ(choose(40 * kMiB, md5 + "-3"), 16 * kMiB);
  EXPECT_EQ(choose(40 * kMiB, md5 + "-8"), 5 * kMiB);
  EXPECT_EQ(choose(1, md5 + "-1"), 16 * kMiB);
  EXPECT_EQ(choose(40 * kMiB, md5 + "-7"), 8 * kMiB);  // no usual layout has seven parts
  EXPECT_EQ(choose(40 * kMiB, "opaque-3"), 8 * kMiB);
  EXPECT_EQ(choose(200000 * kMiB, ""), 20 * kMiB);  // 10,000 parts at most

  const auto told = [&](uint64_t size, const std::string& etag, uint64_t first, uint64_t buffer) {
    return ChoosePartSize({"k", "k", size, etag}, 8 * kMiB, caps, first, buffer);
  };
  EXPECT_EQ(told(20 * kMiB, md5 + "-2", 11 * kMiB, 32 * kMiB), 11 * kMiB);
  EXPECT_EQ(told(40 * kMiB, md5 + "-2", 39 * kMiB, 32 * kMiB), 8 * kMiB);    // larger than a buffer
  EXPECT_EQ(told(20 * kMiB, md5 + "-2", 4 * kMiB, 32 * kMiB), 8 * kMiB);     // parts of many sizes
  EXPECT_EQ(told(6 * kMiB, md5 + "-2", 4 * kMiB, 32 * kMiB), std::nullopt);  // below the smallest
}

TEST(EtagTest, OnlyContentHashesProveEquality) {
  const std::string md5 = HexEncode(Md5(AsBytes("x")));
  EXPECT_TRUE(EtagsProveEqual(md5, md5));
  EXPECT_TRUE(EtagsProveEqual(md5 + "-2", md5 + "-2"));
  EXPECT_FALSE(EtagsProveEqual(md5, md5 + "-1"));
  EXPECT_FALSE(EtagsProveEqual("", ""));
  EXPECT_FALSE(EtagsProveEqual("abc", "abc"));
  EXPECT_FALSE(EtagsProveEqual(md5 + "-0", md5 + "-0"));
}

}  // namespace
}  // namespace milvus_backup::transfer
