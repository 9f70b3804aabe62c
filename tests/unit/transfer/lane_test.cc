#include "transfer/lane_internal.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <vector>

namespace milvus_backup::transfer {
namespace {

/// Lets tests see how many tasks run at once, without sleeping.
class Meeting {
 public:
  /// Block until so many are here together.
  void Await(size_t count) {
    std::unique_lock lock(mutex_);
    ++here_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return here_ >= count; });
  }
  size_t here() {
    const std::scoped_lock lock(mutex_);
    return here_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  size_t here_ = 0;
};

TEST(LaneTest, RunsEveryTaskBeforeItEnds) {
  std::atomic<int> done{0};
  {
    Lane lane(3);
    for (int i = 0; i < 2000; ++i) lane.Submit([&] { ++done; });
  }
  EXPECT_EQ(done, 2000);
}

TEST(LaneTest, AllOfAWidthRunAtOnce) {
  Meeting meeting;
  Lane lane(6);
  // Would never end if fewer than six ran together.
  for (int i = 0; i < 6; ++i) lane.Submit([&] { meeting.Await(6); });
}

TEST(LaneTest, WiderLaneStartsWhatIsQueued) {
  Meeting meeting;
  Lane lane(1);
  for (int i = 0; i < 5; ++i) lane.Submit([&] { meeting.Await(5); });
  lane.SetWidth(5);
}

TEST(LaneTest, NarrowLaneRunsOneAtATime) {
  std::atomic<int> running{0};
  std::atomic<int> most{0};
  {
    Lane lane(4);
    lane.SetWidth(1);
    for (int i = 0; i < 200; ++i) {
      lane.Submit([&] {
        most = std::max(most.load(), ++running);
        --running;
      });
    }
  }
  EXPECT_EQ(most, 1);
}

TEST(LaneTest, SeriesComeInOrderAheadOfWhatWasSubmitted) {
  std::vector<size_t> order;
  {
    Lane lane(1);
    lane.Submit([&] { lane.Spawn(3, [&](size_t index) { order.push_back(index); }); });
    lane.Submit([&] { order.push_back(100); });
  }
  EXPECT_EQ(order, (std::vector<size_t>{0, 1, 2, 100}));
}

TEST(LaneTest, TasksMaySpawnMoreThanTheQueueTakes) {
  std::atomic<size_t> done{0};
  {
    Lane lane(2);
    lane.Submit([&] { lane.Spawn(5000, [&](size_t) { ++done; }); });
  }
  EXPECT_EQ(done, 5000U);
}

}  // namespace
}  // namespace milvus_backup::transfer
