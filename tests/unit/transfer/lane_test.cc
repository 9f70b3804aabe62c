#include "support/fake_http.h"
#include "support/status_matchers.h"
#include "transfer/lane_internal.h"

#include "milvus_backup/net/http_client.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
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

/// A server that answers when told, and tasks for loops that ask it one thing.
class LaneLoopTest : public ::testing::Test {
 protected:
  LaneLoopTest()
      : server_([this](const auto&) {
          on_request_();
          return milvus_backup::testing::FakeReply{};
        }) {
    auto client = net::HttpClient::Create({});
    EXPECT_OK(client);
    client_ = *std::move(client);
  }
  /// `then` is called on the loop when the answer is there.
  Lane::LoopTask Asking(std::function<void()> then) {
    return [this, then = std::move(then)](Lane::Seat seat) {
      auto held = std::make_shared<Lane::Seat>(std::move(seat));
      net::HttpRequest request;
      request.method = "GET";
      request.url = server_.url();
      held->requests().Start(*client_, {}, std::move(request), nullptr,
                             [held, then](const Result<net::HttpResponse>& reply) {
                               EXPECT_OK(reply);
                               then();
                             });
    };
  }

  std::function<void()> on_request_ = [] {};
  milvus_backup::testing::FakeHttpServer server_;
  std::unique_ptr<net::HttpClient> client_;
};

TEST_F(LaneLoopTest, AllOfAWidthAreUnderWayAtOnce) {
  Meeting meeting;
  on_request_ = [&] { meeting.Await(24); };
  std::atomic<int> done{0};
  {
    Lane lane(1);
    for (int i = 0; i < 24; ++i) lane.SubmitToLoop(Asking([&] { ++done; }));
    lane.SetWidth(24);
  }
  EXPECT_EQ(done, 24);
}

TEST_F(LaneLoopTest, WidthHoldsForThreadsAndLoopsTogether) {
  std::atomic<int> running{0};
  std::atomic<int> most{0};
  std::atomic<int> done{0};
  const auto begin = [&] {
    const int now = ++running;
    for (int seen = most; seen < now && !most.compare_exchange_weak(seen, now);) {
    }
  };
  on_request_ = begin;
  {
    Lane lane(5);
    for (int i = 0; i < 300; ++i) {
      lane.SubmitToLoop(Asking([&] {
        --running;
        ++done;
      }));
      if (i % 3 != 0) continue;
      lane.Submit([&] {
        begin();
        --running;
        ++done;
      });
    }
    EXPECT_LE(lane.peak(), 5U);
  }
  EXPECT_EQ(done, 400);
  EXPECT_LE(most, 5);
  EXPECT_GE(most, 2);
}

TEST_F(LaneLoopTest, TasksOfALoopMayLeaveTheirWorkToThreads) {
  std::atomic<int> done{0};
  {
    Lane lane(3);
    for (int i = 0; i < 100; ++i) {
      // Some before they have asked, some after.
      if (i % 2 == 0) {
        lane.SubmitToLoop([&](const Lane::Seat&) { lane.Spawn(1, [&](size_t) { ++done; }); });
      } else {
        lane.SubmitToLoop(Asking([&] { lane.Spawn(1, [&](size_t) { ++done; }); }));
      }
    }
  }
  EXPECT_EQ(done, 100);
}

TEST_F(LaneLoopTest, NarrowerLaneGoesOn) {
  std::atomic<int> done{0};
  {
    Lane lane(32);
    for (int i = 0; i < 200; ++i) {
      lane.SubmitToLoop(Asking([&] { ++done; }));
      if (i == 50) lane.SetWidth(1);
    }
  }
  EXPECT_EQ(done, 200);
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
