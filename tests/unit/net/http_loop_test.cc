#include "milvus_backup/net/http_loop.h"

#include "http_calls.h"

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace milvus_backup::net {
namespace {

using milvus_backup::testing::ClosedPort;
using milvus_backup::testing::FakeHttpServer;
using milvus_backup::testing::FakeReply;
using milvus_backup::testing::FakeRequest;
using milvus_backup::testing::IsError;
using namespace std::chrono_literals;

/// Turns a loop until nothing runs.
void Finish(HttpLoop& loop) {
  while (loop.running() > 0) loop.Turn(10s);
}

/// One request on a loop of its own.
Result<HttpResponse> SendOn(HttpClient& client, const CallContext& ctx, HttpRequest request,
                            BodySink sink = nullptr) {
  HttpLoop loop;
  Result<HttpResponse> result = InternalError("not done");
  loop.Start(client, ctx, std::move(request), std::move(sink),
             [&](Result<HttpResponse> response) { result = std::move(response); });
  Finish(loop);
  return result;
}

TEST(HttpLoopTest, ManyAreUnderWayAtOnce) {
  constexpr size_t kRequests = 40;
  std::mutex mutex;
  std::condition_variable changed;
  size_t here = 0;
  // Answers nobody before all have come.
  FakeHttpServer server([&](const FakeRequest& request) {
    std::unique_lock lock(mutex);
    ++here;
    changed.notify_all();
    changed.wait(lock, [&] { return here == kRequests; });
    FakeReply reply;
    reply.body = request.target + request.body;
    return reply;
  });
  const auto client = MakeClient();
  HttpLoop loop;
  std::vector<std::string> bodies(kRequests);
  std::vector<std::string> answers(kRequests);
  for (size_t i = 0; i < kRequests; ++i) {
    HttpRequest request = Get(server.url() + "/" + std::to_string(i));
    // Small bodies leave with the head, larger ones after it.
    bodies[i] = std::string(i % 2 == 0 ? 10 : 100'000, 'b');
    request.method = i % 4 == 0 ? "GET" : "PUT";
    request.body = AsBytes(bodies[i]);
    loop.Start(*client, {}, std::move(request), nullptr, [&, i](Result<HttpResponse> response) {
      ASSERT_OK(response);
      answers[i] = response->body;
    });
  }
  EXPECT_EQ(loop.running(), kRequests);
  Finish(loop);
  for (size_t i = 0; i < kRequests; ++i) {
    EXPECT_EQ(answers[i], "/" + std::to_string(i) + (i % 4 == 0 ? "" : bodies[i]));
  }
}

TEST(HttpLoopTest, OneRequestAfterTheOtherKeepsItsConnection) {
  FakeHttpServer server([](const FakeRequest& request) {
    FakeReply reply;
    reply.body = request.target;
    return reply;
  });
  const auto client = MakeClient();
  HttpLoop loop;
  std::string seen;
  std::function<void(int)> next = [&](int left) {
    loop.Start(*client, {}, Get(server.url() + "/" + std::to_string(left)), nullptr,
               [&, left](Result<HttpResponse> response) {
                 ASSERT_OK(response);
                 seen += response->body;
                 if (left > 0) next(left - 1);
               });
  };
  next(5);
  Finish(loop);
  EXPECT_EQ(seen, "/5/4/3/2/1/0");
  EXPECT_EQ(server.connections(), 1U);
}

TEST(HttpLoopTest, BodiesGoToTheSinkAndItsErrorComesBack) {
  FakeHttpServer server([](const FakeRequest&) {
    FakeReply reply;
    reply.body = std::string(300'000, 'x');
    return reply;
  });
  const auto client = MakeClient();
  size_t bytes = 0;
  ASSERT_OK(SendOn(*client, {}, Get(server.url()), [&](const HttpResponse& head, ByteView chunk) {
    EXPECT_EQ(head.status, 200);
    bytes += chunk.size();
    return Status::Ok();
  }));
  EXPECT_EQ(bytes, 300'000U);
  EXPECT_THAT(SendOn(*client, {}, Get(server.url()),
                     [](const HttpResponse&, ByteView) { return DataLossError("mine"); }),
              IsError(Code::kDataLoss, "mine"));
}

TEST(HttpLoopTest, BodyMayBeFreedWhenItHasLeft) {
  FakeHttpServer server([](const FakeRequest& request) {
    FakeReply reply;
    reply.body = std::to_string(request.body.size());
    return reply;
  });
  const auto client = MakeClient();
  for (const size_t size : {1'000U, 200'000U}) {
    auto body = std::make_unique<std::string>(size, 'b');
    HttpRequest request = Get(server.url());
    request.method = "PUT";
    request.body = AsBytes(*body);
    request.on_body_sent = [&] { body.reset(); };
    ASSERT_OK_AND_ASSIGN(const HttpResponse response, SendOn(*client, {}, std::move(request)));
    EXPECT_EQ(response.body, std::to_string(size));
    EXPECT_EQ(body, nullptr);
  }
}

TEST(HttpLoopTest, ErrorsAreThoseOfTheClient) {
  const auto client = MakeClient();
  const std::string nobody = "http://127.0.0.1:" + std::to_string(ClosedPort());
  const Status refused = SendOn(*client, {}, Get(nobody)).status();
  EXPECT_EQ(refused.code(), Code::kUnavailable);
  EXPECT_EQ(refused.service_code(), kConnectFailed);
  EXPECT_EQ(refused.retry_class(), RetryClass::kNever);

  FakeHttpServer server([](const FakeRequest& request) {
    FakeReply reply;
    reply.body = std::string(1'000, 'x');
    if (request.target == "/cut") reply.cut_after = 10;
    if (request.target == "/reset") {
      reply.silent = true;
      reply.cut_after = 0;
      reply.ending = FakeReply::Ending::kReset;
    }
    return reply;
  });
  const Status cut = SendOn(*client, {}, Get(server.url() + "/cut")).status();
  EXPECT_EQ(cut.service_code(), kTruncated);
  EXPECT_EQ(cut.retry_class(), RetryClass::kTransient);
  const Status lost = SendOn(*client, {}, Get(server.url() + "/reset")).status();
  EXPECT_EQ(lost.service_code(), kConnectionLost);
  EXPECT_EQ(lost.retry_class(), RetryClass::kTransient);
}

TEST(HttpLoopTest, SilentServersDoNotOutlastTheContext) {
  FakeHttpServer server([](const FakeRequest&) { return Silence(); });
  const auto client = MakeClient();
  EXPECT_THAT(
      SendOn(*client, {.deadline = std::chrono::steady_clock::now() + 150ms}, Get(server.url())),
      IsError(Code::kDeadlineExceeded, ""));
  std::stop_source stop;
  const std::jthread later([&] {
    std::this_thread::sleep_for(100ms);
    stop.request_stop();
  });
  EXPECT_THAT(SendOn(*client, {.stop = stop.get_token()}, Get(server.url())),
              IsError(Code::kCancelled, ""));
}

TEST(HttpLoopTest, ItsEndEndsWhatIsRunning) {
  FakeHttpServer server([](const FakeRequest&) { return Silence(); });
  const auto client = MakeClient();
  std::vector<Code> codes;
  {
    HttpLoop loop;
    for (int i = 0; i < 3; ++i) {
      loop.Start(*client, {}, Get(server.url()), nullptr, [&](const Result<HttpResponse>& reply) {
        codes.push_back(reply.status().code());
      });
    }
    loop.Turn(10ms);
  }
  EXPECT_EQ(codes, std::vector<Code>(3, Code::kCancelled));
}

TEST(HttpLoopTest, ClientMayEndWithItsLastRequest) {
  FakeHttpServer server([](const FakeRequest&) { return FakeReply{}; });
  HttpLoop loop;
  for (int i = 0; i < 3; ++i) {
    auto client = MakeClient();
    bool done = false;
    loop.Start(*client, {}, Get(server.url()), nullptr, [&](const Result<HttpResponse>& reply) {
      EXPECT_OK(reply);
      client.reset();
      done = true;
    });
    Finish(loop);
    EXPECT_TRUE(done);
  }
}

TEST(HttpLoopTest, WakeEndsATurn) {
  HttpLoop loop;
  // Also one that comes before.
  loop.Wake();
  loop.Turn(1h);
  const std::jthread later([&] {
    std::this_thread::sleep_for(50ms);
    loop.Wake();
  });
  loop.Turn(1h);
}

}  // namespace
}  // namespace milvus_backup::net
