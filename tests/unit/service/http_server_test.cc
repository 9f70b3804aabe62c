#include "milvus_backup/service/http_server.h"

#include "http_fixture.h"
#include "service/body.h"
#include "support/status_matchers.h"

#include "milvus_backup/service/http_guard.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

namespace milvus_backup::service {
namespace {

using testing::IsError;

class HttpServerTest : public ::testing::Test {
 protected:
  void Start(HttpServerOptions options = {}) {
    auto server = HttpServer::Start(options, [this](const HttpRequest& request) {
      const std::scoped_lock lock(mutex_);
      requests_.push_back(request);
      if (request.path == "/throw") throw std::runtime_error("secret of this program");
      return HttpReply{.status = 201, .content_type = "text/plain", .body = "seen"};
    });
    ASSERT_OK(server);
    server_ = *std::move(server);
  }
  std::string Send(const std::string& text) { return Exchange(server_->port(), text); }
  std::string Post(const std::string& body, const std::string& headers = "") {
    return Send(fmt::format("POST /p HTTP/1.1\r\nHost: x\r\n{}Content-Length: {}\r\n\r\n{}",
                            headers, body.size(), body));
  }

  std::mutex mutex_;
  std::vector<HttpRequest> requests_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpServerTest, TheHandlerSeesTheRequest) {
  Start();
  const std::string reply =
      Send("GET /a%20b?x=1%2B1&y=&x=2 HTTP/1.1\r\nHost: h:1\r\nRequest_Id: r\r\n\r\n");
  EXPECT_EQ(StatusOf(reply), "201");
  EXPECT_EQ(BodyOf(reply), "seen");
  EXPECT_NE(reply.find("nosniff"), std::string::npos);
  ASSERT_EQ(requests_.size(), 1U);
  EXPECT_EQ(requests_[0].method, "GET");
  EXPECT_EQ(requests_[0].path, "/a b");
  EXPECT_EQ(requests_[0].Query("x"), "1+1");
  EXPECT_EQ(requests_[0].Query("z"), "");
  EXPECT_EQ(requests_[0].Header("host"), "h:1");
  EXPECT_EQ(requests_[0].Header("request_id"), "r");
}

TEST_F(HttpServerTest, EveryMethodReachesTheHandler) {
  Start();
  for (const char* method : {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}) {
    const std::string reply = Send(fmt::format("{} / HTTP/1.1\r\nHost: x\r\n\r\n", method));
    EXPECT_EQ(StatusOf(reply), "201") << method << reply;
    EXPECT_EQ(requests_.back().method, method);
  }
  EXPECT_EQ(StatusOf(Post("{}")), "201");
  EXPECT_EQ(requests_.back().body, "{}");
  EXPECT_EQ(StatusOf(Send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                          "2\r\nab\r\n1\r\nc\r\n0\r\n\r\n")),
            "201");
  EXPECT_EQ(requests_.back().body, "abc");
}

TEST_F(HttpServerTest, LargeBodiesAreRefused) {
  Start({.max_body_bytes = 10});
  EXPECT_EQ(StatusOf(Post("0123456789")), "201");
  EXPECT_EQ(StatusOf(Post("0123456789a")), "413");
  EXPECT_EQ(StatusOf(Send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                          "6\r\n012345\r\n6\r\n012345\r\n0\r\n\r\n")),
            "413");
  EXPECT_EQ(requests_.size(), 1U);
}

TEST_F(HttpServerTest, OddRequestsHaveAnAnswerAndDoNoHarm) {
  Start();
  EXPECT_EQ(StatusOf(Send("nonsense\r\n\r\n")), "400");
  EXPECT_EQ(StatusOf(Post("--b\r\n\r\n--b--", "Content-Type: multipart/form-data; boundary=b\r\n")),
            "415");
  EXPECT_EQ(StatusOf(Send("GET /" + std::string(7000, 'a') + " HTTP/1.1\r\nHost: x\r\n\r\n")),
            "414");
  EXPECT_TRUE(requests_.empty());
  const std::string reply = Send("GET /throw HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(StatusOf(reply), "500");
  EXPECT_EQ(reply.find("secret of this program"), std::string::npos);
  EXPECT_EQ(StatusOf(Post("{}")), "201");
}

TEST_F(HttpServerTest, AnswersAreNotCutByRanges) {
  Start();
  const auto with_ranges = [this](const std::string& ranges) {
    return StatusOf(Send("GET / HTTP/1.1\r\nHost: x\r\nRange: bytes=" + ranges + "\r\n\r\n"));
  };
  EXPECT_EQ(with_ranges("0-0"), "416");
  std::string many = "0-";
  for (int i = 0; i < 1000; ++i) many += ",0-";
  EXPECT_NE(with_ranges(many), "201");
  std::string odd = "-";
  for (int i = 0; i < 4000; ++i) odd += ",-";
  EXPECT_NE(with_ranges(odd), "201");
  EXPECT_EQ(StatusOf(Send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")), "201");
}

TEST_F(HttpServerTest, AHeadWithoutEndIsGivenUp) {
  Start({.max_body_bytes = 10});
  const std::string endless(size_t{1} << 20, 'a');
  EXPECT_NE(StatusOf(Send("GET /" + endless)), "201");
  EXPECT_NE(StatusOf(Send("GET / HTTP/1.1\r\nX: " + endless)), "201");
  EXPECT_TRUE(requests_.empty());
  EXPECT_EQ(StatusOf(Post("{}")), "201");
}

TEST_F(HttpServerTest, AStopDoesNotWaitForWhatNeverComes) {
  Start({.read_timeout = std::chrono::hours(1)});
  const int silent = SendTo(server_->port(), "");
  const int dripping = SendTo(server_->port(), "GET / HT");
  const int bodiless =
      SendTo(server_->port(), "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nab");
  // Answered after the others were accepted.
  EXPECT_EQ(StatusOf(Send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")), "201");
  server_->Stop();
  for (const int connection : {silent, dripping, bodiless}) {
    EXPECT_NE(StatusOf(ReadFrom(connection)), "201");
  }
}

TEST_F(HttpServerTest, APortThatIsTakenIsNamed) {
  Start();
  const auto second =
      HttpServer::Start({.port = server_->port()}, [](const HttpRequest&) { return HttpReply(); });
  EXPECT_THAT(second, IsError(Code::kUnavailable, fmt::format("127.0.0.1:{}", server_->port())));
  EXPECT_THAT(HttpServer::Start({.address = "no.such.host.invalid"},
                                [](const HttpRequest&) { return HttpReply(); }),
              IsError(Code::kUnavailable, "no.such.host.invalid"));
}

TEST(BodyDepthTest, WhatIsNestedWithoutEndIsRefused) {
  std::string deep = R"({"filter":{"d":)";
  deep.append(200'000, '[');
  deep.append(200'000, ']');
  deep += "}}";
  EXPECT_THAT(Body::Parse(deep), IsError(Code::kInvalidArgument, "nested too deeply"));
  deep.resize(1000);
  EXPECT_FALSE(Body::Parse(deep).ok());
  EXPECT_OK(Body::Parse(R"({"filter":{"d":[[["a"]]]}})"));
}

class GuardTest : public ::testing::Test {
 protected:
  static int StatusFor(const GuardOptions& options, const HttpRequest& request) {
    return Guard(options, [](const HttpRequest&) { return HttpReply(); })(request).status;
  }
  static HttpRequest With(std::map<std::string, std::string> headers) {
    return {.method = "POST", .path = "/api/v1/create", .headers = std::move(headers)};
  }
};

TEST_F(GuardTest, NothingGoesWithoutTheToken) {
  const GuardOptions options{.address = "10.0.0.1", .token = Secret("s3cret")};
  EXPECT_EQ(StatusFor(options, With({{"authorization", "Bearer s3cret"}})), 200);
  EXPECT_EQ(StatusFor(options, With({{"authorization", "bearer s3cret"}})), 200);
  for (const char* header : {"", "s3cret", "Bearer", "Bearer ", "Bearer s3cre", "Bearer s3cretx",
                             "Bearer S3CRET", "Basic s3cret"}) {
    EXPECT_EQ(StatusFor(options, With({{"authorization", header}})), 401) << header;
  }
  EXPECT_EQ(StatusFor(options, With({})), 401);
  // What is asked for does not matter.
  EXPECT_EQ(StatusFor(options, {.method = "GET", .path = "/"}), 401);
}

TEST_F(GuardTest, OnLoopbackOnlyPagesOfOnesOwnAreServed) {
  const GuardOptions options{.address = "127.0.0.1"};
  for (const char* host : {"localhost", "localhost:8080", "LOCALHOST:8080", "127.0.0.1:8080",
                           "[::1]:8080", "127.1.2.3"}) {
    EXPECT_EQ(StatusFor(options, With({{"host", host}})), 200) << host;
  }
  for (const char* host : {"", "evil.example", "evil.example:8080", "127.0.0.1.evil.example",
                           "localhost.evil.example", "10.0.0.1"}) {
    EXPECT_EQ(StatusFor(options, With({{"host", host}})), 403) << host;
  }
  EXPECT_EQ(StatusFor(options, With({{"host", "localhost:1"}, {"origin", "http://localhost:1"}})),
            200);
  for (const char* origin : {"http://evil.example", "null", "", "http://localhost:2",
                             "https://localhost:1", "http://localhost"}) {
    EXPECT_EQ(StatusFor(options, With({{"host", "localhost:1"}, {"origin", origin}})), 403)
        << origin;
  }
}

TEST_F(GuardTest, WithTlsItsOwnPagesAreHttps) {
  const GuardOptions options{.address = "127.0.0.1", .token = {}, .has_tls = true};
  EXPECT_EQ(StatusFor(options, With({{"host", "localhost:1"}, {"origin", "https://localhost:1"}})),
            200);
  EXPECT_EQ(StatusFor(options, With({{"host", "localhost:1"}, {"origin", "http://localhost:1"}})),
            403);
}

TEST_F(GuardTest, PagesOfOthersCannotLoadAnythingFromHere) {
  const GuardOptions options{.address = "127.0.0.1"};
  for (const char* site : {"same-origin", "none"}) {
    EXPECT_EQ(StatusFor(options, With({{"host", "localhost"}, {"sec-fetch-site", site}})), 200);
  }
  for (const char* site : {"cross-site", "same-site", "anything"}) {
    EXPECT_EQ(StatusFor(options, With({{"host", "localhost"}, {"sec-fetch-site", site}})), 403);
  }
}

TEST_F(GuardTest, AnAddressThatOthersReachNeedsAToken) {
  for (const char* address : {"localhost", "127.0.0.1", "127.8.9.10", "::1"}) {
    EXPECT_OK(GuardOptions{.address = address}.Validate()) << address;
  }
  for (const char* address : {"", "0.0.0.0", "::", "10.0.0.1", "127.evil.example", "host"}) {
    EXPECT_THAT(GuardOptions{.address = address}.Validate(),
                IsError(Code::kInvalidArgument, "server.token"))
        << address;
    EXPECT_OK((GuardOptions{.address = address, .token = Secret("x")}.Validate())) << address;
  }
}

}  // namespace
}  // namespace milvus_backup::service
