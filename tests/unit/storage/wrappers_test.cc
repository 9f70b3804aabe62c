#include "support/faulty_backend.h"
#include "support/status_matchers.h"

#include "milvus_backup/base/clock.h"
#include "milvus_backup/storage/limit_backend.h"
#include "milvus_backup/storage/memory_backend.h"
#include "milvus_backup/storage/metrics_backend.h"
#include "milvus_backup/storage/open.h"
#include "milvus_backup/storage/prefix_backend.h"
#include "milvus_backup/storage/read_only_backend.h"
#include "milvus_backup/storage/retry_backend.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace milvus_backup::storage {
namespace {

using milvus_backup::testing::Fault;
using milvus_backup::testing::FaultyBackend;
using milvus_backup::testing::IsError;
using milvus_backup::testing::ThrottledError;
using milvus_backup::testing::TransientError;
using namespace std::chrono_literals;

Fault FaultOf(Status error, uint32_t times = 1) {
  Fault fault;
  fault.error = std::move(error);
  fault.times = times;
  return fault;
}

/// Retry over Faulty over Memory, on a clock that nobody waits for.
class RetryTest : public ::testing::Test {
 protected:
  RetryTest() {
    MemoryOptions options;
    options.chunk_size = 10;
    auto faulty = std::make_unique<FaultyBackend>(MakeMemoryBackend(options, clock_), clock_);
    faulty_ = faulty.get();
    retry_ = std::make_unique<RetryBackend>(std::move(faulty), RetryOptions{}, clock_);
  }
  void TearDown() override { EXPECT_TRUE(faulty_->AllHit()) << faulty_->NotHit(); }

  Status Put(const std::string& key, std::string_view bytes) {
    const Result<ObjectInfo> put = retry_->Put({}, key, AsBytes(bytes), {});
    return put.ok() ? Status::Ok() : put.status();
  }
  /// Everything a sink saw, and what came of it.
  Status ReadTo(std::string& seen, const std::string& key, const ReadOptions& options = {}) {
    const Result<ReadInfo> read =
        retry_->Read({}, key, options, [&](const ReadInfo&, ByteView chunk) {
          seen.append(AsText(chunk));
          return Status::Ok();
        });
    return read.ok() ? Status::Ok() : read.status();
  }

  FakeClock clock_;
  FaultyBackend* faulty_ = nullptr;
  std::unique_ptr<RetryBackend> retry_;
};

TEST_F(RetryTest, TransientErrorsAreCured) {
  faulty_->Plan(Method::kPut, FaultOf(TransientError(), 3));
  EXPECT_OK(Put("k", "v"));
  // Between half of 200 + 400 + 800 ms and all of it.
  EXPECT_GE(clock_.elapsed(), 700ms);
  EXPECT_LE(clock_.elapsed(), 1400ms);
}

TEST_F(RetryTest, GivesUpAfterItsTries) {
  faulty_->Plan(Method::kStat, FaultOf(TransientError("down"), 14));
  const Result<ObjectInfo> info = retry_->Stat({}, "k");
  ASSERT_THAT(info, IsError(Code::kUnavailable, "gave up after 14 tries"));
  EXPECT_EQ(info.status().retry_class(), RetryClass::kExhausted);
  EXPECT_EQ(faulty_->calls(), 14U);
  EXPECT_LE(clock_.elapsed(), 3min);
}

TEST_F(RetryTest, HalfAMinuteIsOutlastedByEveryCall) {
  // Many wait together, and one that gives up ends the run.
  for (int i = 0; i < 200; ++i) {
    faulty_->Plan(Method::kStat, FaultOf(TransientError("down"), 14));
    const auto before = clock_.elapsed();
    EXPECT_THAT(retry_->Stat({}, "k"), IsError(Code::kUnavailable, "gave up"));
    EXPECT_GE(clock_.elapsed() - before, 40s);
  }
}

/// Lets bodies go, and loses its first answers.
class LettingGo final : public InterceptingBackend {
 public:
  LettingGo(std::unique_ptr<Backend> inner, int lost)
      : InterceptingBackend(std::move(inner)), lost_(lost) {}
  Result<ObjectInfo> Put(const CallContext& ctx, const std::string& key, ByteView body,
                         const PutOptions& options) override {
    ++puts;
    auto put = inner().Put(ctx, key, body, {});
    if (options.on_sent) options.on_sent();
    if (puts <= lost_) return TransientError("the answer was lost");
    return put;
  }

  int puts = 0;

 protected:
  Status Around(const CallContext&, const CallInfo&, CallRef call) override { return call(); }

 private:
  const int lost_;
};

TEST(RetryPutTest, WhatHasLetItsBodyGoIsTheCallersToRepeat) {
  FakeClock clock;
  auto inner = std::make_unique<LettingGo>(MakeMemoryBackend(), 2);
  const LettingGo& seen = *inner;
  RetryBackend retry(std::move(inner), RetryOptions{}, clock);
  int told = 0;
  const Result<ObjectInfo> lost =
      retry.Put({}, "k", AsBytes(std::string_view("v")), {.on_sent = [&] { ++told; }});
  EXPECT_THAT(lost, IsError(Code::kUnavailable, "the answer was lost"));
  EXPECT_EQ(lost.status().retry_class(), RetryClass::kExhausted);
  EXPECT_EQ(seen.puts, 1);
  EXPECT_EQ(told, 1);
  // The wait is made in any case.
  EXPECT_GE(clock.elapsed(), 100ms);
  // Nobody lets this one go.
  EXPECT_OK(retry.Put({}, "k", AsBytes(std::string_view("v")), {}));
  EXPECT_EQ(seen.puts, 3);
}

TEST_F(RetryTest, PermanentErrorsAreToldAtOnce) {
  faulty_->Plan(Method::kPut, FaultOf(Status(Code::kPermissionDenied, "no")));
  EXPECT_THAT(Put("k", "v"), IsError(Code::kPermissionDenied, "no"));
  EXPECT_EQ(clock_.elapsed(), 0ms);
}

TEST_F(RetryTest, RetryAfterIsWaitedFor) {
  Status throttled = ThrottledError();
  faulty_->Plan(Method::kList, FaultOf(std::move(throttled).WithRetryAfter(4s)));
  EXPECT_OK(retry_->List({}, {}));
  EXPECT_GE(clock_.elapsed(), 4s);
  EXPECT_LE(clock_.elapsed(), 5s);
}

TEST_F(RetryTest, DeadlineIsNotSleptPast) {
  faulty_->Plan(Method::kList, FaultOf(std::move(ThrottledError()).WithRetryAfter(4s)));
  CallContext ctx;
  // The context speaks of the real clock, the fake one stands at the beginning of time.
  ctx.deadline = std::chrono::steady_clock::now() + 1h;
  EXPECT_OK(retry_->List(ctx, {}));
}

TEST_F(RetryTest, StopEndsTheWait) {
  std::stop_source stop;
  Fault fault = FaultOf(TransientError());
  fault.callback = [&] { stop.request_stop(); };
  faulty_->Plan(Method::kStat, fault);
  EXPECT_THAT(retry_->Stat({stop.get_token(), std::nullopt}, "k"), IsError(Code::kCancelled, ""));
}

TEST_F(RetryTest, DamagedBytesAreRetriedTwiceOnly) {
  const Status damaged = Status(Code::kDataLoss, "BadDigest").WithRetry(RetryClass::kTransient);
  faulty_->Plan(Method::kPut, FaultOf(damaged, 3));
  EXPECT_THAT(Put("k", "v"), IsError(Code::kDataLoss, "gave up after 3 tries"));
}

TEST_F(RetryTest, ReadResumesBehindWhatWasDelivered) {
  const std::string bytes = "0123456789abcdefghijklmnopqrstuvwxyz";
  ASSERT_OK(Put("k", bytes));
  for (const uint64_t cut : {0U, 5U, 10U, 25U}) {
    Fault fault = FaultOf(TransientError());
    fault.after_bytes = cut;
    faulty_->Plan(Method::kRead, fault);
    std::string seen;
    EXPECT_OK(ReadTo(seen, "k"));
    EXPECT_EQ(seen, bytes) << cut;
  }
  Fault fault = FaultOf(TransientError());
  fault.after_bytes = 4;
  faulty_->Plan(Method::kRead, fault);
  faulty_->Plan(Method::kRead, fault);
  ReadOptions range;
  range.offset = 3;
  range.length = 20;
  std::string seen;
  EXPECT_OK(ReadTo(seen, "k", range));
  EXPECT_EQ(seen, bytes.substr(3, 20));
}

TEST_F(RetryTest, ErrorBehindTheLastByteIsNoError) {
  ASSERT_OK(Put("k", "0123456789"));
  Fault fault = FaultOf(TransientError());
  fault.after_bytes = 10;
  faulty_->Plan(Method::kRead, fault);
  std::string seen;
  EXPECT_OK(ReadTo(seen, "k"));
  EXPECT_EQ(seen, "0123456789");
}

TEST_F(RetryTest, ObjectChangedDuringAReadIsAborted) {
  ASSERT_OK(Put("k", "0123456789abcdefghij"));
  Fault cut = FaultOf(TransientError());
  cut.after_bytes = 5;
  faulty_->Plan(Method::kRead, cut);
  Fault change;
  change.callback = [&] { EXPECT_OK(Put("k", "something else entirely")); };
  faulty_->Plan(Method::kRead, change);
  std::string seen;
  EXPECT_THAT(ReadTo(seen, "k"), IsError(Code::kAborted, ""));
  EXPECT_EQ(seen, "01234");
}

TEST_F(RetryTest, ProgressStartsTheCountAnew) {
  const std::string bytes(200, 'x');
  ASSERT_OK(Put("k", bytes));
  Fault fault = FaultOf(TransientError(), 20);
  fault.after_bytes = 5;
  faulty_->Plan(Method::kRead, fault);
  std::string seen;
  EXPECT_OK(ReadTo(seen, "k"));
  EXPECT_EQ(seen, bytes);
}

TEST_F(RetryTest, SinkErrorIsNeverRetried) {
  ASSERT_OK(Put("k", "0123456789"));
  int calls = 0;
  EXPECT_THAT(retry_->Read({}, "k", {},
                           [&](const ReadInfo&, ByteView) {
                             ++calls;
                             return TransientError("the sink's own");
                           }),
              IsError(Code::kUnavailable, "the sink's own"));
  EXPECT_EQ(calls, 1);
}

TEST_F(RetryTest, LostAnswerOfAConditionalPutIsASuccess) {
  Fault lost = FaultOf(TransientError());
  lost.after_call = true;
  faulty_->Plan(Method::kPut, lost);
  PutOptions options;
  options.if_absent = true;
  ASSERT_OK_AND_ASSIGN(const ObjectInfo info, retry_->Put({}, "k", AsBytes("mine"), options));
  EXPECT_EQ(info.size, 4U);
  // Somebody else's object stays somebody else's.
  ASSERT_OK(Put("other", "them"));
  faulty_->Plan(Method::kPut, FaultOf(TransientError()));
  EXPECT_THAT(retry_->Put({}, "other", AsBytes("mine"), options),
              IsError(Code::kAlreadyExists, ""));
}

TEST_F(RetryTest, UploadsAreRetriedCallByCall) {
  faulty_->Plan(Method::kStartUpload, FaultOf(TransientError()));
  faulty_->Plan(Method::kUploadPart, FaultOf(TransientError(), 2));
  faulty_->Plan(Method::kComplete, FaultOf(TransientError()));
  ASSERT_OK_AND_ASSIGN(const auto upload, retry_->StartUpload({}, "k", {false, 4, false}));
  ASSERT_OK_AND_ASSIGN(const PartInfo part, upload->UploadPart({}, 1, AsBytes("part"), {}));
  ASSERT_OK(upload->Complete({}, {part}));
  ASSERT_OK_AND_ASSIGN(const std::string bytes, ReadAll({}, *retry_, "k", 10));
  EXPECT_EQ(bytes, "part");
}

/// Starts uploads whose ids never arrive.
class LostStarts final : public InterceptingBackend {
 public:
  explicit LostStarts(std::unique_ptr<Backend> inner) : InterceptingBackend(std::move(inner)) {}
  int losses = 0;

  Result<std::unique_ptr<Upload>> StartUpload(const CallContext& ctx, const std::string& key,
                                              const StartUploadOptions& options) override {
    auto upload = InterceptingBackend::StartUpload(ctx, key, options);
    if (losses == 0 || !upload.ok()) return upload;
    --losses;
    (*upload)->Detach();
    return TransientError();
  }

 protected:
  Status Around(const CallContext&, const CallInfo&, CallRef call) override { return call(); }
};

TEST(RetryUploadTest, WhatALostAnswerHasStartedIsAbortedAndNothingElse) {
  FakeClock clock;
  auto lossy = std::make_unique<LostStarts>(MakeMemoryBackend({}, clock));
  LostStarts& losses = *lossy;
  RetryBackend retry(std::move(lossy), RetryOptions{}, clock);
  std::set<std::string> expected;
  const auto start = [&](const std::string& key) {
    auto upload = retry.StartUpload({}, key, {false, 4, false});
    EXPECT_OK(upload);
    if (!upload.ok()) return;
    (*upload)->Detach();
    expected.insert((*upload)->upload_id());
  };
  // One to be gone on with, and one of another key.
  start("k");
  clock.Advance(10s);
  start("k2");
  losses.losses = 3;
  start("k");
  std::set<std::string> left;
  for (const std::string key : {"k", "k2"}) {
    ASSERT_OK_AND_ASSIGN(const auto uploads, retry.ListUploads({}, key));
    for (const UploadInfo& upload : uploads) left.insert(upload.upload_id);
  }
  EXPECT_EQ(left, expected);
  EXPECT_EQ(left.size(), 3U);
}

TEST(LimitTest, NeverMoreThanAllowedAtOnce) {
  std::atomic<int> running{0};
  std::atomic<int> most{0};
  auto faulty = std::make_unique<FaultyBackend>(MakeMemoryBackend());
  Fault slow;
  slow.times = FaultyBackend::kAlways;
  slow.callback = [&] {
    const int now = ++running;
    int seen = most;
    while (now > seen && !most.compare_exchange_weak(seen, now)) {
    }
    std::this_thread::sleep_for(2ms);
    --running;
  };
  faulty->Plan(Method::kPut, slow);
  auto limiter = std::make_shared<RequestLimiter>(LimitOptions{.max_requests = 3});
  LimitBackend limited(std::move(faulty), limiter);
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 12; ++i) {
      threads.emplace_back(
          [&, i] { EXPECT_OK(limited.Put({}, "k" + std::to_string(i), AsBytes("v"), {})); });
    }
  }
  EXPECT_LE(most, 3);
  EXPECT_GE(most, 2);
  EXPECT_EQ(limiter->in_flight(), 0U);
}

TEST(LimitTest, ThrottlingNarrowsAndSuccessWidens) {
  FakeClock clock;
  RequestLimiter limiter({.max_requests = 8}, clock);
  const auto one = [&](const Status& status) {
    EXPECT_OK(limiter.Enter({}));
    limiter.Leave(status);
  };
  one(ThrottledError());
  EXPECT_EQ(limiter.width(), 4U);
  one(ThrottledError());
  EXPECT_EQ(limiter.width(), 4U);
  clock.Advance(2s);
  one(ThrottledError());
  EXPECT_EQ(limiter.width(), 2U);
  for (int i = 0; i < 2; ++i) one(Status::Ok());
  EXPECT_EQ(limiter.width(), 3U);
  for (int i = 0; i < 100; ++i) one(Status::Ok());
  EXPECT_EQ(limiter.width(), 8U);
}

TEST(LimitTest, WaitingForASlotCanBeCancelled) {
  RequestLimiter limiter({.max_requests = 1});
  ASSERT_OK(limiter.Enter({}));
  std::stop_source stop;
  std::jthread stopper([&] {
    std::this_thread::sleep_for(20ms);
    stop.request_stop();
  });
  EXPECT_THAT(limiter.Enter({stop.get_token(), std::nullopt}), IsError(Code::kCancelled, ""));
  CallContext ctx;
  ctx.deadline = std::chrono::steady_clock::now() + 20ms;
  EXPECT_THAT(limiter.Enter(ctx), IsError(Code::kDeadlineExceeded, ""));
  limiter.Leave(Status::Ok());
  EXPECT_EQ(limiter.in_flight(), 0U);
}

TEST(LimitTest, BytesPassAtTheirRate) {
  FakeClock clock;
  auto limiter =
      std::make_shared<RequestLimiter>(LimitOptions{.bytes_per_second = 1'000'000}, clock);
  LimitBackend limited(MakeMemoryBackend({}, clock), limiter);
  const std::string body(500'000, 'x');
  for (int i = 0; i < 4; ++i) ASSERT_OK(limited.Put({}, "k", AsBytes(body), {}));
  EXPECT_GE(clock.elapsed(), 1300ms);
  EXPECT_LE(clock.elapsed(), 2s);
  const auto before = clock.elapsed();
  for (int i = 0; i < 2; ++i) ASSERT_OK(ReadAll({}, limited, "k", kMiB));
  EXPECT_GE(clock.elapsed() - before, 700ms);
}

TEST(LimitTest, BytesOfAnyTwoSecondsKeepToTheRate) {
  constexpr uint64_t kRate = 20 * kMiB;
  constexpr auto kWindow = 2s;
  constexpr double kBound = 2.0 * kRate;
  constexpr double kTolerance = 0.05;
  FakeClock clock;
  RequestLimiter limiter({.bytes_per_second = kRate}, clock);
  std::minstd_rand random(1);
  struct Passed {
    std::chrono::nanoseconds when;
    uint64_t total;
  };
  std::vector<Passed> passed;
  uint64_t total = 0;
  const auto send_until = [&](std::chrono::nanoseconds end) {
    while (clock.elapsed() < end) {
      // Now and then a sender wakes up late.
      if (random() % 50 == 0) clock.Advance(std::chrono::milliseconds(random() % 30));
      const uint64_t bytes = 1 + random() % (64 * kKiB);
      ASSERT_OK(limiter.Pass({}, bytes));
      passed.push_back({clock.elapsed(), total});
      total += bytes;
    }
  };
  send_until(20s);
  const size_t pause = passed.size();
  // What was not sent in a pause is not made up for.
  clock.Advance(5s);
  send_until(35s);
  size_t last = 0;
  for (size_t first = 0; passed[first].when < 33s; ++first) {
    while (passed[last].when < passed[first].when + kWindow) ++last;
    const double share = static_cast<double>(passed[last].total - passed[first].total) / kBound;
    ASSERT_LE(share, 1 + kTolerance) << passed[first].when.count();
    if (last < pause || first >= pause) {
      ASSERT_GE(share, 1 - kTolerance) << passed[first].when.count();
    }
  }
}

TEST(MetricsTest, CountsCallsBytesAndErrors) {
  auto metrics = std::make_shared<StorageMetrics>();
  MetricsBackend backend(MakeMemoryBackend(), metrics);
  ASSERT_OK(backend.Put({}, "k", AsBytes("12345"), {}));
  ASSERT_OK(ReadAll({}, backend, "k", 10));
  EXPECT_FALSE(backend.Stat({}, "none").ok());
  EXPECT_FALSE(ReadAll({}, backend, "k", 1).ok());
  EXPECT_EQ(metrics->Of(Method::kPut).calls, 1U);
  EXPECT_EQ(metrics->Of(Method::kPut).bytes, 5U);
  EXPECT_EQ(metrics->Of(Method::kRead).errors, 1U);
  EXPECT_EQ(metrics->Of(Method::kStat).calls, 1U);
  EXPECT_EQ(metrics->Of(Method::kStat).errors, 0U);
  EXPECT_EQ(metrics->Total().calls, 4U);
}

TEST(MetricsTest, TellsTriesFromCalls) {
  OpenOptions options;
  options.metrics = std::make_shared<StorageMetrics>();
  options.tries = std::make_shared<StorageMetrics>();
  FakeClock clock;
  auto faulty = std::make_unique<FaultyBackend>(MakeMemoryBackend(), clock);
  faulty->Plan(Method::kPut, FaultOf(TransientError(), 2));
  const std::unique_ptr<Backend> backend = Wrap(std::move(faulty), options, clock);
  ASSERT_OK(backend->Put({}, "k", AsBytes("12345"), {}));
  EXPECT_EQ(options.metrics->Of(Method::kPut).calls, 1U);
  EXPECT_EQ(options.metrics->Of(Method::kPut).errors, 0U);
  EXPECT_EQ(options.tries->Of(Method::kPut).calls, 3U);
  EXPECT_EQ(options.tries->Of(Method::kPut).errors, 2U);
}

TEST(ReadOnlyTest, RefusesEveryChange) {
  auto memory = MakeMemoryBackend();
  ASSERT_OK(memory->Put({}, "k", AsBytes("v"), {}));
  ReadOnlyBackend backend(std::move(memory));
  EXPECT_OK(backend.CheckAccess({}));
  EXPECT_OK(backend.Stat({}, "k"));
  EXPECT_OK(backend.List({}, {}));
  EXPECT_OK(ReadAll({}, backend, "k", 10));
  EXPECT_THAT(backend.Put({}, "k", AsBytes("x"), {}), IsError(Code::kFailedPrecondition, "put k"));
  EXPECT_THAT(backend.Delete({}, "k"), IsError(Code::kFailedPrecondition, ""));
  EXPECT_THAT(backend.DeleteMany({}, {"k"}), IsError(Code::kFailedPrecondition, ""));
  EXPECT_THAT(backend.StartUpload({}, "k", {false, 5, false}),
              IsError(Code::kFailedPrecondition, ""));
  EXPECT_THAT(backend.Copy({}, {&backend, "k", 1, ""}, "l"),
              IsError(Code::kFailedPrecondition, ""));
  EXPECT_THAT(backend.CreateContainer({}), IsError(Code::kFailedPrecondition, ""));
}

TEST(PrefixTest, IsAViewOfASubTree) {
  auto memory = MakeMemoryBackend();
  Backend& whole = *memory;
  ASSERT_OK(whole.Put({}, "p/a", AsBytes("1"), {}));
  ASSERT_OK(whole.Put({}, "q/b", AsBytes("2"), {}));
  const auto view = MakePrefixBackend(std::move(memory), "p/");
  ASSERT_OK_AND_ASSIGN(const ListPage page, view->List({}, {}));
  ASSERT_EQ(page.objects.size(), 1U);
  EXPECT_EQ(page.objects[0].key, "a");
  // A copy whose source is a view finds the object the view means.
  ASSERT_TRUE(whole.CanCopyFrom(*view));
  ASSERT_OK(whole.Copy({}, {view.get(), "a", 1, ""}, "r"));
  ASSERT_OK_AND_ASSIGN(const ObjectInfo copied, whole.Stat({}, "r"));
  EXPECT_EQ(copied.size, 1U);
  EXPECT_EQ(&Innermost(*view), &whole);
  ASSERT_OK_AND_ASSIGN(const auto failures, view->DeleteMany({}, {"a"}));
  EXPECT_TRUE(failures.empty());
  EXPECT_THAT(whole.Stat({}, "p/a"), IsError(Code::kNotFound, ""));
}

TEST(ForEachObjectTest, ErrorsOfPagesAndVisitsComeThrough) {
  MemoryOptions options;
  options.page_size = 2;
  auto owned = std::make_unique<FaultyBackend>(MakeMemoryBackend(options));
  FaultyBackend& backend = *owned;
  for (const char* key : {"a", "b", "c", "d", "e"}) {
    ASSERT_OK(backend.Put({}, key, AsBytes(key), {}));
  }
  std::string seen;
  const auto visit = [&](const ObjectInfo& object) {
    seen += object.key;
    return Status::Ok();
  };
  EXPECT_OK(ForEachObject({}, backend, "", visit));
  EXPECT_EQ(seen, "abcde");
  Fault fault = FaultOf(Status(Code::kPermissionDenied, "no more"));
  fault.skip = 1;
  backend.Plan(Method::kList, fault);
  seen.clear();
  EXPECT_THAT(ForEachObject({}, backend, "", visit), IsError(Code::kPermissionDenied, "no more"));
  EXPECT_EQ(seen, "ab");
  EXPECT_TRUE(backend.AllHit());
}

TEST(ReadAllTest, RefusesWhatIsTooLarge) {
  auto memory = MakeMemoryBackend();
  ASSERT_OK(memory->Put({}, "k", AsBytes("12345"), {}));
  EXPECT_THAT(ReadAll({}, *memory, "k", 4), IsError(Code::kOutOfRange, "larger than 4"));
  EXPECT_OK(ReadAll({}, *memory, "k", 5));
}

TEST(ForEachObjectTest, RangesHoldWhatLiesBetweenTheirBounds) {
  const std::unique_ptr<Backend> backend = MakeMemoryBackend({.page_size = 2});
  for (const char* key : {"a/1", "a/10", "a/2", "a/2/x", "a/3", "a/4", "b"}) {
    ASSERT_OK(backend->Put({}, key, {}, {}));
  }
  const auto keys = [&](const KeyRange& range) {
    std::string found;
    EXPECT_OK(ForEachObject({}, *backend, range, [&](const ObjectInfo& object) {
      found += object.key + " ";
      return Status::Ok();
    }));
    return found;
  };
  EXPECT_EQ(keys({.prefix = "a/"}), "a/1 a/10 a/2 a/2/x a/3 a/4 ");
  EXPECT_EQ(keys({.prefix = "a/", .last = "a/2"}), "a/1 a/10 a/2 ");
  EXPECT_EQ(keys({.prefix = "a/", .after = "a/2", .last = "a/3"}), "a/2/x a/3 ");
  EXPECT_EQ(keys({.prefix = "a/", .after = "a/3"}), "a/4 ");
  EXPECT_EQ(keys({.prefix = "a/", .after = "a/4", .last = "a/5"}), "");
}

}  // namespace
}  // namespace milvus_backup::storage
