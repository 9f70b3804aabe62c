#include "milvus_backup/net/http_client.h"

#include "http_calls.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

namespace milvus_backup::net {
namespace {

using milvus_backup::testing::ClosedPort;
using milvus_backup::testing::FakeHttpServer;
using milvus_backup::testing::FakeReply;
using milvus_backup::testing::FakeRequest;
using milvus_backup::testing::IsError;
using namespace std::chrono_literals;

/// Milliseconds a call takes.
template <typename F>
std::chrono::milliseconds Timed(F&& call) {
  const auto start = std::chrono::steady_clock::now();
  call();
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() -
                                                               start);
}

TEST(HttpClientTest, SendsTheRequestAsItStands) {
  FakeRequest seen;
  FakeHttpServer server([&](const FakeRequest& request) {
    seen = request;
    FakeReply reply;
    reply.headers = {{"X-Mixed-Case", "  Value "}, {"ETag", "\"e\""}};
    reply.body = "answer";
    return reply;
  });
  const auto client = MakeClient();
  // Small ones leave with the head, larger ones after it.
  for (const size_t size : {4U, 65'535U, 65'536U, 200'000U}) {
    HttpRequest request = Get(server.url() + "/a/../b//%20%2F?x=%2B&y=");
    request.method = "PUT";
    request.headers = {{"x-empty", ""}, {"x-full", "1 2"}};
    const std::string body(size, 'b');
    request.body = AsBytes(body);
    ASSERT_OK_AND_ASSIGN(const HttpResponse response, client->Send({}, request));
    EXPECT_EQ(seen.method, "PUT");
    EXPECT_EQ(seen.target, "/a/../b//%20%2F?x=%2B&y=");
    EXPECT_EQ(seen.body, body);
    EXPECT_EQ(seen.Header("content-length"), std::to_string(size));
    EXPECT_EQ(seen.Header("accept-encoding"), "identity");
    EXPECT_TRUE(seen.Has("x-empty"));
    EXPECT_FALSE(seen.Has("expect"));
    EXPECT_FALSE(seen.Has("content-type"));
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body, "answer");
    EXPECT_EQ(response.Header("x-mixed-case"), "Value");
    EXPECT_FALSE(response.Has("x-other"));
  }
}

TEST(HttpClientTest, OneHandleServesAllMethods) {
  std::vector<std::string> seen;
  FakeHttpServer server([&](const FakeRequest& request) {
    seen.push_back(request.method + " " + request.body);
    FakeReply reply;
    reply.body = "body";
    return reply;
  });
  const auto client = MakeClient();
  for (const char* method : {"GET", "HEAD", "PUT", "POST", "DELETE", "HEAD", "POST", "GET"}) {
    HttpRequest request = Get(server.url() + "/");
    request.method = method;
    request.body = AsBytes("data");
    ASSERT_OK_AND_ASSIGN(const HttpResponse response, client->Send({}, request));
    EXPECT_EQ(response.body, std::string(method) == "HEAD" ? "" : "body") << method;
  }
  EXPECT_EQ(seen, (std::vector<std::string>{"GET ", "HEAD ", "PUT data", "POST data", "DELETE ",
                                            "HEAD ", "POST data", "GET "}));
  EXPECT_EQ(server.connections(), 1U);
}

TEST(HttpClientTest, EmptyBodiesHaveALength) {
  std::string length;
  FakeHttpServer server([&](const FakeRequest& request) {
    length = request.Header("content-length");
    return FakeReply{};
  });
  const auto client = MakeClient();
  for (const char* method : {"PUT", "POST"}) {
    HttpRequest request = Get(server.url() + "/");
    request.method = method;
    ASSERT_OK(client->Send({}, request));
    EXPECT_EQ(length, "0") << method;
  }
}

TEST(HttpClientTest, StreamsOnlySuccessToTheSink) {
  FakeHttpServer server([](const FakeRequest& request) {
    FakeReply reply;
    reply.status = request.target == "/good" ? 206 : 503;
    reply.headers = {{"ETag", "e1"}};
    reply.body = std::string(100'000, 'x');
    return reply;
  });
  const auto client = MakeClient();
  uint64_t streamed = 0;
  const BodySink sink = [&](const HttpResponse& head, ByteView chunk) {
    EXPECT_EQ(head.status, 206);
    EXPECT_EQ(head.Header("etag"), "e1");
    streamed += chunk.size();
    return Status::Ok();
  };
  ASSERT_OK_AND_ASSIGN(const HttpResponse good,
                       client->Send({}, Get(server.url() + "/good"), sink));
  EXPECT_EQ(streamed, 100'000U);
  EXPECT_TRUE(good.body.empty());
  ASSERT_OK_AND_ASSIGN(const HttpResponse bad, client->Send({}, Get(server.url() + "/bad"), sink));
  EXPECT_EQ(streamed, 100'000U);
  EXPECT_EQ(bad.status, 503);
  EXPECT_EQ(bad.body.size(), 100'000U);
}

TEST(HttpClientTest, ErrorBodiesAreCutAtOneMebibyte) {
  FakeHttpServer server([](const FakeRequest&) {
    FakeReply reply;
    reply.status = 500;
    reply.body = std::string(3 * kMiB, 'x');
    return reply;
  });
  ASSERT_OK_AND_ASSIGN(const HttpResponse response,
                       MakeClient()->Send({}, Get(server.url() + "/")));
  EXPECT_EQ(response.body.size(), kMiB);
}

TEST(HttpClientTest, SinkErrorComesBackUnchanged) {
  FakeHttpServer server([](const FakeRequest&) {
    FakeReply reply;
    reply.body = std::string(kMiB, 'x');
    return reply;
  });
  const auto client = MakeClient();
  EXPECT_THAT(client->Send({}, Get(server.url() + "/"),
                           [](const HttpResponse&, ByteView) { return DataLossError("full"); }),
              IsError(Code::kDataLoss, "full"));
  EXPECT_OK(client->Send({}, Get(server.url() + "/")));
}

TEST(HttpClientTest, RedirectsAreNotFollowed) {
  FakeHttpServer server([](const FakeRequest&) {
    FakeReply reply;
    reply.status = 307;
    reply.headers = {{"Location", "http://127.0.0.1:1/"}};
    return reply;
  });
  ASSERT_OK_AND_ASSIGN(const HttpResponse response,
                       MakeClient()->Send({}, Get(server.url() + "/")));
  EXPECT_EQ(response.status, 307);
}

TEST(HttpClientTest, ClosedPortIsPermanentUntilTheEndpointAnswered) {
  const auto client = MakeClient();
  const std::string nowhere = "http://127.0.0.1:" + std::to_string(ClosedPort());
  Result<HttpResponse> failed = InternalError("not called");
  EXPECT_LT(Timed([&] { failed = client->Send({}, Get(nowhere + "/")); }), 2s);
  ASSERT_THAT(failed, IsError(Code::kUnavailable, nowhere));
  EXPECT_EQ(failed.status().retry_class(), RetryClass::kNever);
  EXPECT_EQ(failed.status().service_code(), kConnectFailed);
  EXPECT_FALSE(failed.status().advice().empty());

  auto server = std::make_unique<FakeHttpServer>([](const FakeRequest&) { return FakeReply{}; });
  const std::string url = server->url() + "/";
  EXPECT_OK(client->Send({}, Get(url)));
  server.reset();
  failed = client->Send({}, Get(url));
  ASSERT_THAT(failed, IsError(Code::kUnavailable, ""));
  EXPECT_EQ(failed.status().retry_class(), RetryClass::kTransient);
}

TEST(HttpClientTest, UnresolvableNameIsPermanentAndFast) {
  const auto client = MakeClient();
  CallContext ctx;
  ctx.deadline = std::chrono::steady_clock::now() + 1900ms;
  Result<HttpResponse> failed = InternalError("not called");
  EXPECT_LT(Timed([&] { failed = client->Send(ctx, Get("http://no-such-host.invalid/")); }), 2s);
  ASSERT_FALSE(failed.ok());
  if (failed.status().code() == Code::kDeadlineExceeded) GTEST_SKIP() << "name server is silent";
  EXPECT_EQ(failed.status().service_code(), kNameNotResolved);
  EXPECT_EQ(failed.status().retry_class(), RetryClass::kNever);
}

TEST(HttpClientTest, TruncatedAndResetBodiesAreTransient) {
  for (const auto ending : {FakeReply::Ending::kClose, FakeReply::Ending::kReset}) {
    FakeHttpServer server([ending](const FakeRequest&) {
      FakeReply reply;
      reply.body = std::string(100'000, 'x');
      reply.cut_after = 60'000;
      reply.ending = ending;
      return reply;
    });
    uint64_t seen = 0;
    const Result<HttpResponse> cut =
        MakeClient()->Send({}, Get(server.url() + "/"), [&](const HttpResponse&, ByteView chunk) {
          seen += chunk.size();
          return Status::Ok();
        });
    ASSERT_THAT(cut, IsError(Code::kUnavailable, ""));
    EXPECT_EQ(cut.status().retry_class(), RetryClass::kTransient);
    EXPECT_LE(seen, 60'000U);
  }
}

TEST(HttpClientTest, DeadIdleConnectionIsReplacedSilently) {
  std::atomic<int> requests{0};
  FakeHttpServer server([&](const FakeRequest& request) {
    ++requests;
    FakeReply reply;
    reply.body = request.body;
    reply.close_quietly = true;
    return reply;
  });
  const auto client = MakeClient();
  for (int i = 0; i < 5; ++i) {
    HttpRequest request = Get(server.url() + "/");
    request.method = "PUT";
    const std::string body = "body " + std::to_string(i);
    request.body = AsBytes(body);
    ASSERT_OK_AND_ASSIGN(const HttpResponse response, client->Send({}, request));
    EXPECT_EQ(response.body, body);
  }
  EXPECT_EQ(requests, 5);
  EXPECT_EQ(server.connections(), 5U);
}

TEST(HttpClientTest, ResetOfAReusedConnectionIsRepeatedOnce) {
  std::atomic<int> requests{0};
  FakeHttpServer server([&](const FakeRequest& request) {
    FakeReply reply;
    // The first connection dies on its second request, before a byte of the reply.
    if (++requests == 2) {
      EXPECT_EQ(request.connection, 1U);
      reply.silent = true;
      reply.ending = FakeReply::Ending::kReset;
    }
    return reply;
  });
  const auto client = MakeClient();
  EXPECT_OK(client->Send({}, Get(server.url() + "/")));
  EXPECT_OK(client->Send({}, Get(server.url() + "/")));
  EXPECT_EQ(requests, 3);
}

TEST(HttpClientTest, ALargeBodyIsSentAnewWhenAReusedConnectionIsReset) {
  std::atomic<int> requests{0};
  FakeHttpServer server([&](const FakeRequest& request) {
    FakeReply reply;
    reply.silent = ++requests == 2;
    reply.ending = FakeReply::Ending::kReset;
    reply.body = request.body;
    return reply;
  });
  const auto client = MakeClient();
  // The small one leaves with the head, which libcurl remembers of the handle.
  for (const size_t size : {size_t{100}, size_t{kMiB}}) {
    const std::string body(size, 'x');
    HttpRequest request = Get(server.url() + "/");
    request.method = "PUT";
    request.body = AsBytes(body);
    request.stall_timeout = 2s;
    ASSERT_OK_AND_ASSIGN(const HttpResponse response, client->Send({}, request));
    EXPECT_TRUE(response.body == body);
  }
  EXPECT_EQ(requests, 3);
}

// Its owner may use the memory for something else as soon as it is told.
TEST(HttpClientTest, ABodyThatHasLeftMayBeOverwritten) {
  FakeHttpServer server([](const FakeRequest& request) {
    FakeReply reply;
    reply.body = request.body;
    return reply;
  });
  const auto client = MakeClient();
  for (const size_t size : {size_t{100}, size_t{60'000}, size_t{kMiB}, size_t{5 * kMiB + 7}}) {
    std::string body(size, 'x');
    int told = 0;
    HttpRequest request = Get(server.url() + "/");
    request.method = "PUT";
    request.body = AsBytes(body);
    request.on_body_sent = [&] {
      ++told;
      std::ranges::fill(body, 'y');
    };
    ASSERT_OK_AND_ASSIGN(const HttpResponse response, client->Send({}, request));
    EXPECT_EQ(told, 1) << size;
    EXPECT_TRUE(response.body == std::string(size, 'x')) << size;
  }
}

TEST(HttpClientTest, ABodyThatHasLeftIsNotSentAnew) {
  std::atomic<int> requests{0};
  FakeHttpServer server([&](const FakeRequest&) {
    FakeReply reply;
    reply.silent = ++requests % 2 == 0;
    reply.ending = FakeReply::Ending::kReset;
    return reply;
  });
  const auto client = MakeClient();
  for (const size_t size : {size_t{100}, size_t{kMiB}}) {
    EXPECT_OK(client->Send({}, Get(server.url() + "/")));
    std::string body(size, 'x');
    int told = 0;
    HttpRequest request = Get(server.url() + "/");
    request.method = "PUT";
    request.body = AsBytes(body);
    request.on_body_sent = [&] {
      ++told;
      body.clear();
      body.shrink_to_fit();
    };
    // The connection is a reused one that is reset: without the call this is sent once more.
    const Result<HttpResponse> lost = client->Send({}, request);
    ASSERT_THAT(lost, IsError(Code::kUnavailable, ""));
    EXPECT_EQ(lost.status().retry_class(), RetryClass::kTransient);
    EXPECT_EQ(told, 1);
  }
  EXPECT_EQ(requests, 4);
}

TEST(HttpClientTest, WhatIsNotRepeatableIsSentOnce) {
  std::atomic<int> requests{0};
  FakeHttpServer server([&](const FakeRequest&) {
    FakeReply reply;
    reply.silent = ++requests == 3;
    reply.ending = FakeReply::Ending::kReset;
    return reply;
  });
  const auto client = MakeClient();
  HttpRequest request = Get(server.url() + "/");
  request.method = "POST";
  request.repeatable = false;
  EXPECT_OK(client->Send({}, request));
  EXPECT_OK(client->Send({}, request));
  EXPECT_EQ(server.connections(), 1U);
  const auto lost = client->Send({}, request);
  EXPECT_THAT(lost, IsError(Code::kUnavailable, ""));
  EXPECT_EQ(lost.status().retry_class(), RetryClass::kTransient);
  EXPECT_EQ(requests, 3);
}

TEST(HttpClientTest, StopCutsAStalledCall) {
  for (const bool before_head : {true, false}) {
    FakeHttpServer server([before_head](const FakeRequest&) {
      FakeReply reply;
      reply.body = "never complete";
      reply.cut_after = 5;
      reply.silent = before_head;
      reply.ending = FakeReply::Ending::kStall;
      return reply;
    });
    const auto client = MakeClient();
    std::stop_source stop;
    std::chrono::steady_clock::time_point stopped;
    std::jthread stopper([&] {
      std::this_thread::sleep_for(150ms);
      stopped = std::chrono::steady_clock::now();
      stop.request_stop();
    });
    EXPECT_THAT(client->Send({stop.get_token(), std::nullopt}, Get(server.url() + "/")),
                IsError(Code::kCancelled, ""));
    const auto end = std::chrono::steady_clock::now();
    stopper.join();
    EXPECT_LT(end - stopped, 3s);  // not the stall timeout
  }
}

TEST(HttpClientTest, DeadlineCutsAStalledCall) {
  FakeHttpServer server([](const FakeRequest&) {
    FakeReply reply;
    reply.silent = true;
    reply.ending = FakeReply::Ending::kStall;
    return reply;
  });
  CallContext ctx;
  ctx.deadline = std::chrono::steady_clock::now() + 200ms;
  const auto took = Timed([&] {
    EXPECT_THAT(MakeClient()->Send(ctx, Get(server.url() + "/")),
                IsError(Code::kDeadlineExceeded, ""));
  });
  EXPECT_GE(took, 190ms);
  EXPECT_LT(took, 3s);  // not the stall timeout
}

TEST(HttpClientTest, SilentConnectionIsGivenUpAfterTheStallTimeout) {
  FakeHttpServer server([](const FakeRequest&) {
    FakeReply reply;
    reply.silent = true;
    reply.ending = FakeReply::Ending::kStall;
    return reply;
  });
  HttpRequest request = Get(server.url() + "/");
  request.stall_timeout = 1s;
  const Result<HttpResponse> stalled = MakeClient()->Send({}, request);
  ASSERT_THAT(stalled, IsError(Code::kUnavailable, ""));
  EXPECT_EQ(stalled.status().service_code(), kStalled);
  EXPECT_EQ(stalled.status().retry_class(), RetryClass::kTransient);
}

TEST(HttpClientTest, TlsToAPlainPortIsPermanent) {
  FakeHttpServer server([](const FakeRequest&) { return FakeReply{}; });
  // Long enough that the server sees a complete head in the TLS greeting is not needed: any answer
  // in plain text will do, so one is sent to whatever comes first.
  std::string url = "https" + server.url().substr(4) + "/";
  HttpOptions options;
  options.connect_timeout = 500ms;
  const Result<HttpResponse> refused = MakeClient(options)->Send({}, Get(url));
  ASSERT_THAT(refused, IsError(Code::kUnavailable, ""));
  EXPECT_EQ(refused.status().retry_class(), RetryClass::kNever);
}

TEST(HttpClientTest, MissingCaFileIsRefused) {
  HttpOptions options;
  options.ca_file = "/no/such/file.pem";
  EXPECT_THAT(HttpClient::Create(options), IsError(Code::kInvalidArgument, "/no/such/file.pem"));
}

TEST(HttpClientTest, ManyThreadsShareAClient) {
  FakeHttpServer server([](const FakeRequest& request) {
    FakeReply reply;
    reply.body = request.body + request.target;
    return reply;
  });
  const auto client = MakeClient();
  std::atomic<int> wrong{0};
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 16; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < 20; ++i) {
          const std::string name = "/" + std::to_string(t) + "/" + std::to_string(i);
          HttpRequest request = Get(server.url() + name);
          request.method = "PUT";
          request.body = AsBytes(name);
          const Result<HttpResponse> response = client->Send({}, request);
          if (!response.ok() || response->body != name + name) ++wrong;
        }
      });
    }
  }
  EXPECT_EQ(wrong, 0);
  EXPECT_LE(server.connections(), 16U);
}

TEST(HttpUrlTest, KnowsLoopbackHosts) {
  EXPECT_TRUE(IsLoopback("http://localhost:9000/x"));
  EXPECT_TRUE(IsLoopback("https://127.0.0.1/"));
  EXPECT_TRUE(IsLoopback("http://127.1.2.3:1/"));
  EXPECT_TRUE(IsLoopback("http://[::1]:9000/b"));
  EXPECT_FALSE(IsLoopback("http://127.0.0.1.example.com/"));
  EXPECT_FALSE(IsLoopback("http://10.0.0.1:9000/"));
  EXPECT_FALSE(IsLoopback("http://localhost.example.com/"));
  EXPECT_EQ(EndpointOf("https://h:1/p?q"), "https://h:1");
  EXPECT_EQ(EndpointOf("https://h"), "https://h");
}

}  // namespace
}  // namespace milvus_backup::net
