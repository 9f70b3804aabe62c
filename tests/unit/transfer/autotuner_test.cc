#include "transfer/autotuner_internal.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <queue>
#include <vector>

namespace milvus_backup::transfer {
namespace {

using std::chrono::nanoseconds;
using namespace std::chrono_literals;

/// A service on a long way that works on so many objects per second, simulated event by event.
class Simulation {
 public:
  Simulation(Autotuner::Limits limits, nanoseconds way, double objects_per_second)
      : tuner(limits, {}),
        way_(way),
        work_(nanoseconds(static_cast<int64_t>(1e9 / objects_per_second))) {}

  /// Copy so many objects with as many in flight as the tuner says; returns the time it took.
  nanoseconds Copy(size_t objects) {
    const auto start = now_;
    std::priority_queue<Autotuner::TimePoint, std::vector<Autotuner::TimePoint>, std::greater<>>
        ends;
    std::queue<Autotuner::TimePoint> starts;
    for (size_t begun = 0, done = 0; done < objects;) {
      while (begun < objects && ends.size() < tuner.width()) {
        // Served one after the other, after half of the way.
        free_ = std::max(free_, now_ + way_ / 2) + work_;
        ends.push(free_ + way_ / 2);
        starts.push(now_);
        ++begun;
      }
      now_ = ends.top();
      ends.pop();
      tuner.OnDone({.now = now_, .latency = now_ - starts.front(), .bytes = 20'000});
      starts.pop();
      ++done;
    }
    return now_ - start;
  }

  Autotuner tuner;

 private:
  const nanoseconds way_;
  const nanoseconds work_;
  Autotuner::TimePoint now_;
  Autotuner::TimePoint free_;
};

double Seconds(nanoseconds time) { return std::chrono::duration<double>(time).count(); }

TEST(AutotunerTest, NearServiceIsServedByFew) {
  Simulation near({.start = 8, .ceiling = 512}, 200us, 2000);
  near.Copy(20'000);
  EXPECT_LE(near.tuner.width(), 24U);
}

TEST(AutotunerTest, DistantServiceIsNearlyAsFastAsWithTheBestSettingByHand) {
  for (const auto way : {40ms, 160ms}) {
    for (const double rate : {800.0, 1500.0, 3000.0}) {
      double best = 1e9;
      for (const size_t width : {32U, 64U, 128U, 256U, 512U}) {
        Simulation fixed({.start = width, .ceiling = width}, way, rate);
        best = std::min(best, Seconds(fixed.Copy(5000)));
      }
      Simulation tuned({.start = 8, .ceiling = 512}, way, rate);
      EXPECT_LE(Seconds(tuned.Copy(5000)), best * 1.2 + 0.5)
          << way.count() << " ms, " << rate << "/s, width " << tuned.tuner.width();
    }
  }
}

TEST(AutotunerTest, FixedWidthStays) {
  Simulation fixed({.start = 5, .ceiling = 5}, 80ms, 1000);
  fixed.Copy(2000);
  EXPECT_EQ(fixed.tuner.width(), 5U);
}

TEST(AutotunerTest, FullMemoryEndsTheClimb) {
  Autotuner tuner({.start = 8, .ceiling = 512}, {});
  Autotuner::TimePoint now;
  for (int i = 0; i < 2000; ++i) {
    now += 10ms;
    tuner.OnDone({.now = now, .latency = 300ms, .bytes = 8 << 20, .waited_for_memory = true});
  }
  EXPECT_EQ(tuner.width(), 8U);
}

TEST(AutotunerTest, ThrottlingHalvesOnceASecondAndIsRecoveredFrom) {
  Autotuner tuner({.start = 64, .ceiling = 64}, {});
  Autotuner::TimePoint now{10s};
  EXPECT_EQ(tuner.OnThrottled(now), 32U);
  EXPECT_EQ(tuner.OnThrottled(now + 10ms), 32U);  // of the same overload
  EXPECT_EQ(tuner.OnThrottled(now + 1s), 16U);
  now += 2s;
  size_t rounds = 0;
  for (size_t before = tuner.width(); tuner.width() < 64 && rounds < 10'000; ++rounds) {
    now += 5ms;
    tuner.OnDone({.now = now, .latency = 50ms, .bytes = 1000});
    EXPECT_LE(tuner.width(), before + std::max<size_t>(1, before / 8));  // step by step
    before = tuner.width();
  }
  EXPECT_EQ(tuner.width(), 64U);
  EXPECT_GT(rounds, 64U);
}

TEST(AutotunerTest, NeverBelowOne) {
  Autotuner tuner({.start = 2, .ceiling = 2}, {});
  for (int i = 1; i < 10; ++i)
    tuner.OnThrottled(Autotuner::TimePoint{} + std::chrono::seconds(2 * i));
  EXPECT_EQ(tuner.width(), 1U);
}

}  // namespace
}  // namespace milvus_backup::transfer
