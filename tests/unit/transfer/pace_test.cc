// Limits of bytes and requests where no byte passes through this process.
#include "support/fake_s3.h"
#include "support/status_matchers.h"
#include "support/temp_dir.h"
#include "transfer/pace_internal.h"

#include "milvus_backup/storage/open.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <optional>
#include <string>
#include <thread>
#include <utility>

namespace milvus_backup::transfer {
namespace {

using namespace std::chrono_literals;
using ::milvus_backup::testing::FakeS3;
using ::milvus_backup::testing::IsError;

/// Counts what it is asked.
class Counting final : public CallPacer {
 public:
  bool limits_bytes() const override { return true; }
  Status BeforeRequest(const CallContext&) override {
    ++requests;
    return Status::Ok();
  }
  Status BeforeBytes(const CallContext&, uint64_t count) override {
    bytes += count;
    largest = std::max(largest, count);
    return Status::Ok();
  }
  void OnThrottled() override {}

  uint64_t requests = 0;
  uint64_t bytes = 0;
  uint64_t largest = 0;
};

TEST(PaceTest, WhatAServiceCopiesByItselfCountsInFull) {
  FakeS3 server;
  ASSERT_OK_AND_ASSIGN(const auto backend, storage::OpenS3(server.OptionsFor("bkt")));
  server.CreateBucket("bkt");
  server.Put("bkt", "k", std::string(5000, 'x'));
  Counting pacer;
  const CallContext ctx{.pacer = &pacer};
  ASSERT_OK(backend->Copy(ctx, {backend.get(), "k", 5000, ""}, "copy"));
  EXPECT_EQ(pacer.requests, 1U);
  EXPECT_EQ(pacer.bytes, 5000U);
  ASSERT_OK_AND_ASSIGN(
      const auto upload,
      backend->StartUpload(ctx, "parts", {.part_size = 5 * kMiB, .copies_parts = true}));
  ASSERT_OK(upload->CopyPart(ctx, 1, {backend.get(), "k", 5000, ""}, {0, 3000}));
  EXPECT_EQ(pacer.requests, 3U);
  EXPECT_EQ(pacer.bytes, 8000U);
}

TEST(PaceTest, ADiskIsPacedInSmallPortions) {
  testing::TempDir dir;
  ASSERT_OK_AND_ASSIGN(const auto backend, storage::OpenLocal({.root = dir.path()}));
  const std::string body(3 * kMiB, 'x');
  Counting pacer;
  const CallContext ctx{.pacer = &pacer};
  ASSERT_OK(backend->Put(ctx, "k", AsBytes(body), {}));
  EXPECT_EQ(pacer.requests, 1U);
  EXPECT_EQ(pacer.bytes, 3 * kMiB);
  ASSERT_OK_AND_ASSIGN(const auto upload,
                       backend->StartUpload(ctx, "copy", {.part_size = 2 * kMiB}));
  ASSERT_OK(upload->CopyPart(ctx, 1, {backend.get(), "k", 3 * kMiB, ""}, {0, 2 * kMiB}));
  ASSERT_OK(upload->UploadPart(ctx, 2, AsBytes(body).first(kMiB), std::nullopt));
  EXPECT_EQ(pacer.requests, 4U);
  EXPECT_EQ(pacer.bytes, 6 * kMiB);
  EXPECT_LE(pacer.largest, 256 * kKiB);
  ASSERT_OK_AND_ASSIGN(const auto copied, storage::ReadAll({}, *backend, "k", 4 * kMiB));
  EXPECT_EQ(copied, body);
}

// All workers reading together and then writing together would lose half of either bound.
TEST(PaceTest, AReadWaitsWhileTheOthersUseUpTheBound) {
  FakeClock clock;
  Pace pace(
      kMiB, 0, kMiB, [] {}, clock);
  auto begun = pace.BeginRead({});
  ASSERT_OK(begun);
  std::optional<InTurn::Turn> first(*std::move(begun));
  ASSERT_OK(pace.AfterRead({}, kMiB));
  const auto soon = [] { return CallContext{.deadline = std::chrono::steady_clock::now() + 30ms}; };
  EXPECT_THAT(pace.BeginRead(soon()).status(), IsError(Code::kDeadlineExceeded, ""));
  // The first one is slow by itself: there is room for another.
  clock.Advance(1100ms);
  {
    ASSERT_OK_AND_ASSIGN(const InTurn::Turn second, pace.BeginRead(soon()));
    ASSERT_OK(pace.AfterRead({}, kMiB));
  }
  EXPECT_THAT(pace.BeginRead(soon()).status(), IsError(Code::kDeadlineExceeded, ""));
  first.reset();
  EXPECT_OK(pace.BeginRead(soon()).status());
  // Writes have a bound of their own.
  EXPECT_OK(pace.BeginWrite(soon()).status());
}

TEST(PaceTest, ReadsAndWritesHaveTheWholeBoundEach) {
  constexpr uint64_t kPortion = 64 * kKiB;
  FakeClock clock;
  Pace pace(
      20 * kMiB, 0, kMiB, [] {}, clock);
  for (uint64_t moved = 0; moved < 100 * kMiB; moved += kPortion) {
    ASSERT_OK(pace.AfterRead({}, kPortion));
    ASSERT_OK(pace.BeforeBytes({}, kPortion));
  }
  EXPECT_GE(clock.elapsed(), 4900ms);
  EXPECT_LE(clock.elapsed(), 5100ms);
}

TEST(ByteBoundTest, FirstComeFirstServed) {
  ByteBound bound(100);
  ASSERT_OK_AND_ASSIGN(ByteBound::Permit first, bound.Begin({}, 80));
  std::atomic<int> served{0};
  const auto serve = [&](uint64_t bytes, int place) {
    auto permit = bound.Begin({}, bytes);
    EXPECT_OK(permit);
    EXPECT_EQ(++served, place);
  };
  std::thread large(serve, 95, 1);
  // The large one waits; a small one that would fit comes behind it.
  const auto soon = [] { return CallContext{.deadline = std::chrono::steady_clock::now() + 30ms}; };
  for (bool waits = false; !waits;) {
    waits = bound.Begin(soon(), 10).status().code() == Code::kDeadlineExceeded;
  }
  std::thread small(serve, 10, 2);
  EXPECT_EQ(served, 0);
  first.End();
  large.join();
  small.join();
  EXPECT_EQ(served, 2);
  // One alone may exceed it.
  EXPECT_OK(bound.Begin(soon(), 1000));
}

TEST(ByteBoundTest, WhoDoesNotWaitGetsWhatNobodyWaitsFor) {
  ByteBound bound(100);
  std::optional<ByteBound::Permit> first = bound.TryBegin(60);
  ASSERT_TRUE(first);
  EXPECT_FALSE(bound.TryBegin(50));
  std::jthread waiting([&] { EXPECT_OK(bound.Begin({}, 90)); });
  // There is room, but it would come before the one that waits.
  for (std::optional<ByteBound::Permit> some; (some = bound.TryBegin(10));) {
    some.reset();
    std::this_thread::yield();
  }
  first.reset();
  waiting.join();
  EXPECT_TRUE(bound.TryBegin(1000));
}

TEST(PaceTest, WithoutABoundNoReadWaits) {
  Pace pace(0, 0, kMiB, [] {});
  ASSERT_OK_AND_ASSIGN(const InTurn::Turn first, pace.BeginRead({}));
  ASSERT_OK(pace.AfterRead({}, kGiB));
  EXPECT_OK(pace.BeginRead({}).status());
}

}  // namespace
}  // namespace milvus_backup::transfer
