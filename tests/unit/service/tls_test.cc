#include "http_fixture.h"
#include "support/identity.h"
#include "support/status_matchers.h"
#include "support/temp_dir.h"

#include "milvus_backup/net/http_client.h"
#include "milvus_backup/service/http_server.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace milvus_backup::service {
namespace {

using testing::Identity;
using testing::IsError;
using testing::MakeIdentity;

class TlsServerTest : public ::testing::Test {
 protected:
  TlsServerTest() {
    options_.tls_certificate_file = WriteFile("server.pem", identity_.CertificatePem());
    options_.tls_key_file = WriteFile("server.key", identity_.KeyPem());
    authority_file_ = WriteFile("ca.pem", authority_.CertificatePem());
  }

  std::string WriteFile(const std::string& name, const std::string& text) const {
    std::string path = dir_.path() + "/" + name;
    std::ofstream(path) << text;
    return path;
  }

  Result<std::unique_ptr<HttpServer>> Try() {
    return HttpServer::Start(options_, [this](const HttpRequest& request) {
      const std::scoped_lock lock(mutex_);
      requests_.push_back(request);
      return HttpReply{.status = 201, .content_type = "text/plain", .body = answer_};
    });
  }
  void Start() {
    auto server = Try();
    ASSERT_OK(server);
    server_ = *std::move(server);
  }

  /// What a client that trusts `authority` is answered.
  Result<net::HttpResponse> Post(const std::string& body, const std::string& authority) const {
    MB_ASSIGN_OR_RETURN(const auto client, net::HttpClient::Create({.ca_file = authority}));
    return client->Send({}, {.method = "POST",
                             .url = fmt::format("https://localhost:{}/p?x=1", server_->port()),
                             .headers = {},
                             .body = AsBytes(body)});
  }
  Result<net::HttpResponse> Post(const std::string& body) const {
    return Post(body, authority_file_);
  }

  testing::TempDir dir_;
  const Identity authority_ = MakeIdentity("test authority", nullptr);
  const Identity identity_ = MakeIdentity("localhost", &authority_);
  std::string authority_file_;
  HttpServerOptions options_;
  std::string answer_ = "seen";
  std::mutex mutex_;
  std::vector<HttpRequest> requests_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(TlsServerTest, TheHandlerSeesTheRequest) {
  Start();
  ASSERT_OK_AND_ASSIGN(const net::HttpResponse reply, Post("{}"));
  EXPECT_EQ(reply.status, 201);
  EXPECT_EQ(reply.body, "seen");
  ASSERT_EQ(requests_.size(), 1U);
  EXPECT_EQ(requests_[0].method, "POST");
  EXPECT_EQ(requests_[0].Query("x"), "1");
  EXPECT_EQ(requests_[0].body, "{}");
}

TEST_F(TlsServerTest, LongBodiesAndAnswersPass) {
  answer_ = std::string(size_t{3} << 20, 'a');
  Start();
  const std::string body(options_.max_body_bytes, 'b');
  ASSERT_OK_AND_ASSIGN(const net::HttpResponse reply, Post(body));
  EXPECT_EQ(reply.body, answer_);
  EXPECT_EQ(requests_.at(0).body, body);
}

TEST_F(TlsServerTest, TheCertificateIsTheServers) {
  Start();
  const Identity stranger = MakeIdentity("stranger", nullptr);
  const auto reply = Post("{}", WriteFile("stranger.pem", stranger.CertificatePem()));
  EXPECT_EQ(reply.status().service_code(), net::kCertificateRefused) << reply.status().ToString();
  EXPECT_TRUE(requests_.empty());
}

TEST_F(TlsServerTest, NothingIsReadWithoutTls) {
  Start();
  for (const std::string& text :
       {std::string("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), std::string(size_t{1} << 20, '\x16')}) {
    EXPECT_EQ(StatusOf(Exchange(server_->port(), text)), "");
  }
  EXPECT_TRUE(requests_.empty());
  ASSERT_OK(Post("{}"));
}

TEST_F(TlsServerTest, SizesAreBounded) {
  options_.max_body_bytes = 10;
  Start();
  ASSERT_OK_AND_ASSIGN(const net::HttpResponse good, Post("0123456789"));
  EXPECT_EQ(good.status, 201);
  ASSERT_OK_AND_ASSIGN(const net::HttpResponse large, Post("0123456789a"));
  EXPECT_EQ(large.status, 413);
  const auto huge = Post(std::string(size_t{1} << 20, 'a'));
  EXPECT_TRUE(!huge.ok() || huge->status == 413);
  EXPECT_EQ(requests_.size(), 1U);
}

TEST_F(TlsServerTest, TimeIsBounded) {
  options_.read_timeout = std::chrono::seconds(0);
  Start();
  EXPECT_FALSE(Post("{}").ok());
  EXPECT_TRUE(requests_.empty());
}

TEST_F(TlsServerTest, AStopDoesNotWaitForWhatNeverComes) {
  options_.read_timeout = std::chrono::hours(1);
  Start();
  const int silent = SendTo(server_->port(), "");
  const int dripping = SendTo(server_->port(), "\x16\x03\x01\x02");
  // Answered after the others were accepted.
  ASSERT_OK(Post("{}"));
  server_->Stop();
  for (const int connection : {silent, dripping}) EXPECT_EQ(ReadFrom(connection), "");
}

TEST_F(TlsServerTest, FilesThatCannotBeUsedAreNamed) {
  const HttpServerOptions good = options_;
  options_.tls_certificate_file = dir_.path() + "/none.pem";
  EXPECT_THAT(Try(), IsError(Code::kInvalidArgument, "server.tlsCertPath: " + dir_.path()));
  EXPECT_EQ(Try().status().origin(), Origin::kConfig);
  options_ = good;
  options_.tls_key_file = WriteFile("bad.key", "nonsense");
  EXPECT_THAT(Try(), IsError(Code::kInvalidArgument, "server.tlsKeyPath: " + dir_.path()));
  const Identity other = MakeIdentity("localhost", &authority_);
  options_.tls_key_file = WriteFile("other.key", other.KeyPem());
  EXPECT_THAT(Try(), IsError(Code::kInvalidArgument, "server.tlsKeyPath"));
}

}  // namespace
}  // namespace milvus_backup::service
