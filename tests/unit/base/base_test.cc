#include "support/status_matchers.h"

#include "milvus_backup/base/bounded_queue.h"
#include "milvus_backup/base/checksum.h"
#include "milvus_backup/base/clock.h"
#include "milvus_backup/base/encoding.h"
#include "milvus_backup/base/memory_budget.h"
#include "milvus_backup/base/secret.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/base/task_group.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>

namespace milvus_backup {
namespace {

using testing::IsError;
using namespace std::chrono_literals;

TEST(StatusTest, CarriesEverythingThroughCopies) {
  const Status status = Status(Code::kUnavailable, "slow down")
                            .WithRetry(RetryClass::kThrottled)
                            .WithRetryAfter(250ms)
                            .WithService("SlowDown", 503, "REQ1")
                            .WithOrigin(Origin::kStorage)
                            .WithAdvice("wait")
                            .Annotate("putting a/b")
                            .Annotate("copying");
  const Status copy = status;
  EXPECT_EQ(copy.ToString(), "copying: putting a/b: slow down (SlowDown) [request id REQ1]; wait");
  EXPECT_EQ(copy.retry_class(), RetryClass::kThrottled);
  EXPECT_EQ(copy.retry_after(), 250ms);
  EXPECT_EQ(copy.http_status(), 503);
  EXPECT_EQ(copy.origin(), Origin::kStorage);
}

TEST(StatusTest, WhatSeveralLayersSayIsHeardOnce) {
  const Status once = Status(Code::kNotFound, "gone").Annotate("reading a/b").Annotate("reading b");
  EXPECT_EQ(once.ToString(), "reading b: reading a/b: gone");
  EXPECT_EQ(once.Annotate("reading a/b").ToString(), once.ToString());
  EXPECT_EQ(once.Annotate("reading b").Annotate("copying").ToString(),
            "copying: " + once.ToString());
  EXPECT_EQ(DataLossError("reading a: no bytes came").Annotate("reading a").ToString(),
            "reading a: no bytes came");
}

Result<int> Half(int value) {
  if (value % 2 != 0) return InvalidArgumentError("odd");
  return value / 2;
}

Result<int> Quarter(int value) {
  MB_ASSIGN_OR_RETURN(const int half, Half(value));
  return Half(half);
}

TEST(ResultTest, AssignOrReturnPassesErrorsOn) {
  ASSERT_OK_AND_ASSIGN(const int quarter, Quarter(12));
  EXPECT_EQ(quarter, 3);
  EXPECT_THAT(Quarter(6), IsError(Code::kInvalidArgument, "odd"));
}

TEST(EncodingTest, KnownValues) {
  EXPECT_EQ(HexEncode(Sha256(AsBytes(""))),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Base64Encode(Md5(AsBytes("hello"))), "XUFAKrxLKna5cZ2REBfFkg==");
  // RFC 4231, test case 2.
  EXPECT_EQ(HexEncode(HmacSha256(AsBytes("Jefe"), "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  ASSERT_OK_AND_ASSIGN(const std::string decoded, Base64Decode("MgNhYmM="));
  EXPECT_EQ(decoded,
            "2\x03"
            "abc");
  EXPECT_THAT(Base64Decode("abc"), IsError(Code::kInvalidArgument, "base64"));
  EXPECT_THAT(Base64Decode("a?c="), IsError(Code::kInvalidArgument, "base64"));
}

TEST(EncodingTest, PercentEncodingRoundTrips) {
  EXPECT_EQ(PercentEncode("dir a/b+c%~/\xC3\xA9=", true), "dir%20a/b%2Bc%25~/%C3%A9%3D");
  EXPECT_EQ(PercentEncode("a/b", false), "a%2Fb");
  std::string all;
  for (int c = 0; c < 256; ++c) all.push_back(static_cast<char>(c));
  EXPECT_EQ(PercentDecode(PercentEncode(all, true)), all);
  EXPECT_EQ(PercentDecode("a+b%zz%4"), "a+b%zz%4");
  EXPECT_EQ(PercentDecode("a+b", true), "a b");
}

TEST(EncodingTest, WhatIsPrintableSteersNoTerminal) {
  EXPECT_EQ(Printable("a\x1b[2J\n\x7f\xC2\x9B"
                      "b\xC3\xA9\xC2\xA0\xC2"),
            "a?[2J???b\xC3\xA9\xC2\xA0?");
  EXPECT_EQ(Printable(""), "");
  // Directions of writing, and their neighbours in Unicode.
  EXPECT_EQ(Printable("\xE2\x80\xA9\xE2\x80\xAA\xE2\x80\xAE\xE2\x80\xAF"),
            "\xE2\x80\xA9??\xE2\x80\xAF");
  EXPECT_EQ(Printable("\xE2\x81\xA5\xE2\x81\xA6\xE2\x81\xA9\xE2\x81\xAA"),
            "\xE2\x81\xA5??\xE2\x81\xAA");
  // No UTF-8: a control character by itself, cut, overlong, a surrogate, beyond the last.
  EXPECT_EQ(Printable("\x9B\xFF"
                      "a\xE2\x80"
                      "b\xC0\x9B\xED\xA0\x80\xF4\x90\x80\x80"),
            "??a??b?????????");
  EXPECT_EQ(Printable("\xE2\x82\xAC\xF0\x9F\x98\x80"), "\xE2\x82\xAC\xF0\x9F\x98\x80");
}

TEST(EncodingTest, PrintableLinesKeepNewlinesAndTabs) {
  EXPECT_EQ(PrintableLines("a\n\tb\r\x1b[2J\xE2\x80\xAE\n"), "a\n\tb??[2J?\n");
  EXPECT_EQ(PrintableLines("\xD8\x9C\xE2\x80\x8E\xE2\x80\x8F\xE2\x80\x8D"), "???\xE2\x80\x8D");
}

TEST(ChecksumTest, Crc32cKnownValues) {
  EXPECT_EQ(Crc32c(AsBytes("123456789")), 0xE3069283U);
  EXPECT_EQ(EncodeCrc32c(Crc32c(AsBytes("hello"))), "mnG7TA==");
  EXPECT_EQ(DecodeCrc32c("mnG7TA=="), Crc32c(AsBytes("hello")));
  EXPECT_EQ(DecodeCrc32c("mnG7TA"), std::nullopt);
  EXPECT_EQ(DecodeCrc32c("XUFAKrxLKna5cZ2REBfFkg=="), std::nullopt);
}

TEST(ChecksumTest, ExtendAndCombineAgree) {
  std::string text;
  for (int i = 0; i < 100000; ++i) text.push_back(static_cast<char>(i * 7 % 251));
  const uint32_t whole = Crc32c(AsBytes(text));
  for (const size_t cut : {size_t{0}, size_t{1}, size_t{63}, size_t{65536}, text.size()}) {
    const std::string_view view = text;
    const uint32_t a = Crc32c(AsBytes(view.substr(0, cut)));
    const uint32_t b = Crc32c(AsBytes(view.substr(cut)));
    EXPECT_EQ(ExtendCrc32c(a, AsBytes(view.substr(cut))), whole) << cut;
    EXPECT_EQ(CombineCrc32c(a, b, text.size() - cut), whole) << cut;
  }
}

TEST(SecretTest, PrintsStars) {
  EXPECT_EQ(Secret("hidden").ToString(), "***");
  EXPECT_EQ(Secret().ToString(), "");
}

TEST(BoundedQueueTest, BlocksWhenFullAndDrainsAfterClose) {
  BoundedQueue<int> queue(2);
  std::atomic<int> pushed = 0;
  std::jthread producer([&] {
    for (int i = 0; i < 100; ++i) {
      if (queue.Push(i)) ++pushed;
    }
    queue.Close();
  });
  int expected = 0;
  while (const auto item = queue.Pop()) EXPECT_EQ(*item, expected++);
  EXPECT_EQ(expected, 100);
  EXPECT_EQ(pushed, 100);
  EXPECT_FALSE(queue.Push(1));
}

TEST(TaskGroupTest, FirstErrorStopsTheRest) {
  std::atomic<int> ran = 0;
  TaskGroup group(4, {});
  for (int i = 0; i < 1000; ++i) {
    const bool taken = group.Submit([&, i](const std::stop_token&) {
      ++ran;
      return i == 10 ? NotFoundError("ten") : Status::Ok();
    });
    if (!taken) break;
  }
  EXPECT_THAT(group.Wait(), IsError(Code::kNotFound, "ten"));
  EXPECT_LT(ran, 1000);
}

TEST(TaskGroupTest, ParentStopCancelsRunningTasks) {
  std::stop_source parent;
  TaskGroup group(2, parent.get_token());
  std::atomic<bool> started = false;
  group.Submit([&](const std::stop_token& stop) {
    started = true;
    return Clock::Real().SleepFor(1h, stop) ? Status::Ok() : CancelledError();
  });
  while (!started) std::this_thread::yield();
  parent.request_stop();
  EXPECT_THAT(group.Wait(), IsError(Code::kCancelled, ""));
}

TEST(MemoryBudgetTest, NeverLendsMoreThanTheLimit) {
  MemoryBudget budget(4 * kMiB);
  TaskGroup group(8, {});
  for (int i = 0; i < 200; ++i) {
    group.Submit([&, i](const std::stop_token& stop) -> Status {
      const size_t size = i % 3 == 0 ? kMiB : 64 * kKiB;
      MB_ASSIGN_OR_RETURN(Buffer buffer, budget.Acquire({stop, {}}, size));
      EXPECT_EQ(buffer.size(), size);
      buffer.data()[size - 1] = std::byte{1};
      return Status::Ok();
    });
  }
  EXPECT_OK(group.Wait());
  EXPECT_LE(budget.peak(), 4 * kMiB);
  EXPECT_EQ(budget.in_use(), 0U);
}

TEST(MemoryBudgetTest, OversizedRequestIsServedAlone) {
  MemoryBudget budget(kMiB);
  ASSERT_OK_AND_ASSIGN(const Buffer buffer, budget.Acquire({}, 3 * kMiB));
  EXPECT_EQ(buffer.size(), 3 * kMiB);
}

TEST(MemoryBudgetTest, WhoDoesNotWaitGetsWhatNobodyWaitsFor) {
  MemoryBudget budget(kMiB);
  std::optional<Buffer> half = budget.TryAcquire(kMiB / 2);
  ASSERT_TRUE(half);
  EXPECT_EQ(half->size(), kMiB / 2);
  EXPECT_FALSE(budget.TryAcquire(kMiB));
  std::jthread waiting([&] { EXPECT_OK(budget.Acquire({}, kMiB)); });
  // A quarter is there, but it would come before the one that waits.
  for (std::optional<Buffer> quarter; (quarter = budget.TryAcquire(kMiB / 4));) {
    quarter.reset();
    std::this_thread::yield();
  }
  half.reset();
  waiting.join();
  EXPECT_TRUE(budget.TryAcquire(kMiB));
  EXPECT_EQ(budget.peak(), kMiB);
}

TEST(MemoryBudgetTest, AbandonedTicketDoesNotBlockTheNext) {
  MemoryBudget budget(kMiB);
  ASSERT_OK_AND_ASSIGN(Buffer first, budget.Acquire({}, kMiB));
  const CallContext soon{{}, std::chrono::steady_clock::now() + 20ms};
  EXPECT_THAT(budget.Acquire(soon, kMiB), IsError(Code::kDeadlineExceeded, "memory"));
  std::stop_source stop;
  std::jthread canceller([&] { stop.request_stop(); });
  EXPECT_THAT(budget.Acquire({stop.get_token(), {}}, kMiB), IsError(Code::kCancelled, ""));
  first = Buffer();
  EXPECT_OK(budget.Acquire({}, kMiB));
}

TEST(ClockTest, FakeSleepsAtOnceAndFormats) {
  FakeClock clock;
  EXPECT_EQ(FormatIso8601(clock.WallNow()), "2026-01-02T03:04:05Z");
  EXPECT_TRUE(clock.SleepFor(55s, {}));
  EXPECT_EQ(FormatIso8601(clock.WallNow()), "2026-01-02T03:05:00Z");
  std::stop_source stop;
  stop.request_stop();
  EXPECT_FALSE(clock.SleepFor(1s, stop.get_token()));
  EXPECT_EQ(clock.elapsed(), 55s);
}

}  // namespace
}  // namespace milvus_backup
