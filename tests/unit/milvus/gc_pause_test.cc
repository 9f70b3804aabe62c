#include "milvus_backup/milvus/gc_pause.h"

#include "support/fake_http.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace milvus_backup::milvus {
namespace {

using ::milvus_backup::testing::FakeHttpServer;
using ::milvus_backup::testing::FakeReply;
using ::milvus_backup::testing::FakeRequest;
using std::chrono::milliseconds;
using ::testing::ElementsAre;

constexpr const char* kPause = "/management/datacoord/garbage_collection/pause?pause_seconds=300";

class GcPauseTest : public ::testing::Test {
 protected:
  // Answers every request with `body` and remembers it.
  void Serve(int status, const std::string& body) {
    server_ = std::make_unique<FakeHttpServer>([this, status, body](const FakeRequest& request) {
      const std::scoped_lock lock(mutex_);
      targets_.push_back(request.target);
      return FakeReply{.status = status, .body = body};
    });
  }

  void WaitForRequests(size_t count) {
    while (targets().size() < count) std::this_thread::sleep_for(milliseconds(1));
  }

  std::vector<std::string> targets() {
    const std::scoped_lock lock(mutex_);
    return targets_;
  }

  std::mutex mutex_;
  std::vector<std::string> targets_;
  std::unique_ptr<FakeHttpServer> server_;
};

TEST_F(GcPauseTest, WithoutATicketNobodyElsesPauseIsEnded) {
  Serve(200, R"({"msg": "OK"})");
  {
    const GcPause pause({.address = server_->url() + "/"});
    WaitForRequests(1);
  }
  EXPECT_THAT(targets(), ElementsAre(kPause));
}

TEST_F(GcPauseTest, ATicketIsGivenBack) {
  Serve(200, R"({"msg":"OK","ticket":"a+b="})");
  {
    const GcPause pause({.address = server_->url()});
    WaitForRequests(1);
    // The reply to the first request has to arrive too.
    std::this_thread::sleep_for(milliseconds(50));
  }
  EXPECT_THAT(
      targets(),
      ElementsAre(kPause, "/management/datacoord/garbage_collection/resume?ticket=a%2Bb%3D"));
}

TEST_F(GcPauseTest, TheLeaseIsRenewed) {
  Serve(200, R"({"msg":"OK"})");
  const GcPause pause({.address = server_->url(), .renew_every = milliseconds(5)});
  WaitForRequests(3);
  EXPECT_EQ(targets()[2], kPause);
}

TEST_F(GcPauseTest, ARefusalIsAskedAgainAndNeverFatal) {
  Serve(500, R"({"msg":"failed to pause garbage collection"})");
  const GcPause pause({.address = server_->url(), .renew_every = milliseconds(5)});
  WaitForRequests(2);
}

// As Milvus 2.3.5 answers.
TEST_F(GcPauseTest, AServerWithoutThePathIsAskedOnce) {
  Serve(404, "404 page not found");
  const GcPause pause({.address = server_->url(), .renew_every = milliseconds(5)});
  WaitForRequests(1);
  std::this_thread::sleep_for(milliseconds(50));
  EXPECT_EQ(targets().size(), 1U);
}

TEST_F(GcPauseTest, AnAddressThatIsNoUrlIsNotFatal) {
  const GcPause pause({.address = "nonsense"});
}

}  // namespace
}  // namespace milvus_backup::milvus
