#include "support/fake_s3.h"
#include "support/status_matchers.h"

#include "milvus_backup/storage/open.h"
#include "milvus_backup/storage/s3_backend.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <functional>
#include <string>

namespace milvus_backup::testing {
namespace {

using namespace storage;  // NOLINT(google-build-using-namespace)
using namespace std::chrono_literals;

/// What CheckAccess of a fully wrapped backend says, and that it says so at once.
Status Refusal(const S3Options& options) {
  Result<std::unique_ptr<Backend>> backend = OpenS3(options);
  EXPECT_OK(backend);
  if (!backend.ok()) return backend.status();
  const auto start = std::chrono::steady_clock::now();
  Status status = (*backend)->CheckAccess({});
  EXPECT_LT(std::chrono::steady_clock::now() - start, 2s);
  EXPECT_EQ(status.origin(), status.ok() ? Origin::kSelf : Origin::kStorage);
  return status;
}

class S3Credentials : public ::testing::Test {
 protected:
  S3Credentials() { server_.CreateBucket("bkt"); }

  FakeS3 server_;
};

TEST_F(S3Credentials, WrongAccessKeyIsToldAtOnce) {
  S3Options options = server_.OptionsFor("bkt");
  options.access_key = Secret("nobody");
  options.key_names.access_key = "minio.backupAccessKeyID";
  const Status status = Refusal(options);
  EXPECT_THAT(status, IsError(Code::kUnauthenticated, "minio.backupAccessKeyID"));
  EXPECT_EQ(status.service_code(), "InvalidAccessKeyId");
  EXPECT_NE(status.ToString().find("bucket bkt at http://127.0.0.1:"), std::string::npos);
  EXPECT_EQ(status.retry_class(), RetryClass::kNever);
}

TEST_F(S3Credentials, WrongSecretIsToldAtOnceAndNeverPrinted) {
  S3Options options = server_.OptionsFor("bkt");
  options.secret_key = Secret("wrong-secret-value");
  const Status status = Refusal(options);
  EXPECT_THAT(status, IsError(Code::kUnauthenticated, "minio.secretAccessKey"));
  EXPECT_EQ(status.ToString().find("wrong-secret-value"), std::string::npos);
  ASSERT_OK_AND_ASSIGN(const auto backend, OpenS3(options));
  // A HEAD has no body to tell the reason: it is asked for.
  EXPECT_THAT(backend->Stat({}, "k"), IsError(Code::kUnauthenticated, "SignatureDoesNotMatch"));
}

TEST_F(S3Credentials, MissingBucketIsToldAtOnce) {
  S3Options options = server_.OptionsFor("nowhere");
  options.key_names.bucket = "minio.backupBucketName";
  const Status status = Refusal(options);
  EXPECT_THAT(status, IsError(Code::kNotFound, "minio.backupBucketName"));
  EXPECT_EQ(status.service_code(), "NoSuchBucket");
}

TEST_F(S3Credentials, ForbiddenIsPermissionDenied) {
  FakeFault fault;
  fault.instead = ErrorReply(403, "AccessDenied", "Access Denied.");
  server_.Plan(std::move(fault));
  EXPECT_THAT(Refusal(server_.OptionsFor("bkt")), IsError(Code::kPermissionDenied, "bkt"));
}

TEST_F(S3Credentials, ExpiredTokenIsToldAtOnce) {
  FakeFault fault;
  fault.instead = ErrorReply(400, "ExpiredToken", "The provided token has expired.");
  server_.Plan(std::move(fault));
  EXPECT_THAT(Refusal(server_.OptionsFor("bkt")),
              IsError(Code::kUnauthenticated, "credentials have expired"));
}

TEST(S3CredentialsOwnServer, SessionTokensAreSentAndSigned) {
  FakeS3 server({.session_token = "token/abc+=="});
  server.CreateBucket("bkt");
  S3Options options = server.OptionsFor("bkt");
  EXPECT_OK(Refusal(options));
  options.session_token = Secret();
  EXPECT_THAT(Refusal(options), IsError(Code::kUnauthenticated, ""));
}

TEST(S3CredentialsOwnServer, AnonymousRequestsAreNotSigned) {
  FakeS3 server({.anonymous = true});
  server.CreateBucket("bkt");
  S3Options options = server.OptionsFor("bkt");
  options.access_key = Secret();
  options.secret_key = Secret();
  options.anonymous = true;
  EXPECT_OK(Refusal(options));
  EXPECT_FALSE(server.requests().back().Has("authorization"));
  EXPECT_FALSE(server.requests().back().Has("x-amz-date"));
}

TEST_F(S3Credentials, WhoDoesNotSignIsToldSo) {
  S3Options options = server_.OptionsFor("bkt");
  options.access_key = Secret();
  options.secret_key = Secret();
  options.anonymous = true;
  options.key_names.access_key = "minio.backupAccessKeyID";
  const std::string wanted =
      "requests are not signed, for minio.backupAccessKeyID or minio.secretAccessKey is empty";
  for (const char* code : {"AccessDenied", ""}) {
    FakeFault fault;
    fault.instead = ErrorReply(403, code);
    server_.Plan(std::move(fault));
    EXPECT_THAT(Refusal(options), IsError(Code::kPermissionDenied, wanted));
  }
}

TEST_F(S3Credentials, CredentialsMayComeFromTheEnvironment) {
  S3Options options = server_.OptionsFor("bkt");
  // NOLINTBEGIN(concurrency-mt-unsafe): no other thread reads the environment here
  setenv("AWS_ACCESS_KEY_ID", options.access_key.Reveal().c_str(), 1);
  setenv("AWS_SECRET_ACCESS_KEY", options.secret_key.Reveal().c_str(), 1);
  unsetenv("AWS_SESSION_TOKEN");
  options.access_key = Secret();
  options.secret_key = Secret();
  options.credentials_from_environment = true;
  EXPECT_OK(Refusal(options));
  unsetenv("AWS_SECRET_ACCESS_KEY");
  EXPECT_THAT(OpenS3(options), IsError(Code::kInvalidArgument, "AWS_SECRET_ACCESS_KEY"));
  unsetenv("AWS_ACCESS_KEY_ID");
  // NOLINTEND(concurrency-mt-unsafe)
}

TEST(S3CredentialsOwnServer, WrongClockIsCorrectedOnce) {
  for (const auto ahead : {2h, -3h}) {
    FakeS3 server({.clock_ahead = ahead});
    server.CreateBucket("bkt");
    ASSERT_OK_AND_ASSIGN(const auto backend, OpenS3(server.OptionsFor("bkt")));
    EXPECT_OK(backend->CheckAccess({}));
    EXPECT_OK(backend->Put({}, "k", AsBytes("v"), {}));
    // The second call knows already.
    EXPECT_EQ(server.log().size(), 3U);
  }
}

TEST(S3CredentialsOwnServer, RegionIsLearntFromTheRefusal) {
  FakeS3 server({.region = "eu-west-7"});
  server.CreateBucket("bkt");
  ASSERT_OK_AND_ASSIGN(const auto backend, CreateS3Backend(server.OptionsFor("bkt")));
  EXPECT_THAT(backend->Stat({}, "k"), IsError(Code::kNotFound, ""));
  EXPECT_OK(backend->Put({}, "k", AsBytes("v"), {}));
  const auto before = server.log().size();
  EXPECT_OK(backend->Stat({}, "k"));
  EXPECT_EQ(server.log().size(), before + 1);
}

TEST_F(S3Credentials, RedirectsAreFollowedOnceAndOnlyByRegion) {
  FakeReply moved = ErrorReply(301, "PermanentRedirect");
  moved.headers.push_back({"x-amz-bucket-region", "us-east-1"});
  moved.headers.push_back({"Location", "http://127.0.0.1:1/stolen"});
  FakeFault fault;
  fault.instead = moved;
  server_.Plan(std::move(fault));
  // Nothing new in it: the region is the one that was used.
  const Status status = Refusal(server_.OptionsFor("bkt"));
  EXPECT_THAT(status, IsError(Code::kFailedPrecondition, "minio.region"));
  moved.headers[1].value = "elsewhere-1";
  for (int i = 0; i < 2; ++i) {
    FakeFault again;
    again.instead = moved;
    again.target = "list-type";
    server_.Plan(std::move(again));
  }
  const size_t before = server_.log().size();
  EXPECT_FALSE(Refusal(server_.OptionsFor("bkt")).ok());
  EXPECT_EQ(server_.log().size(), before + 2);
}

TEST(S3CredentialsOwnServer, WrongEndpointsFailFast) {
  S3Options options;
  options.bucket = "bkt";
  options.access_key = Secret("a");
  options.secret_key = Secret("s");
  options.address = "127.0.0.1";
  options.port = ClosedPort();
  const Status closed = Refusal(options);
  EXPECT_THAT(closed, IsError(Code::kUnavailable, "minio.port"));
  EXPECT_EQ(closed.retry_class(), RetryClass::kNever);
  // Not S3 at all.
  FakeHttpServer web([](const FakeRequest&) {
    FakeReply reply;
    reply.status = 404;
    reply.body = "<html>not here</html>";
    return reply;
  });
  options.port = web.port();
  EXPECT_THAT(Refusal(options), IsError(Code::kNotFound, "not here"));
  // Plain HTTP to a port that wants TLS, as Go's servers word it.
  FakeHttpServer tls([](const FakeRequest&) {
    FakeReply reply;
    reply.status = 400;
    reply.body = "Client sent an HTTP request to an HTTPS server.\n";
    return reply;
  });
  options.port = tls.port();
  EXPECT_THAT(Refusal(options), IsError(Code::kInvalidArgument, "minio.useSSL"));
}

TEST(S3CredentialsRealServer, TlsMistakesAreTold) {
  // NOLINTBEGIN(concurrency-mt-unsafe)
  const char* port = std::getenv("MB_TEST_MINIO_TLS_PORT");
  const char* plain_port = std::getenv("MB_TEST_MINIO_PORT");
  // NOLINTEND(concurrency-mt-unsafe)
  if (port == nullptr || plain_port == nullptr) {
    GTEST_SKIP() << "MB_TEST_MINIO_TLS_PORT and MB_TEST_MINIO_PORT are not set";
  }
  S3Options options;
  options.address = "127.0.0.1";
  options.port = static_cast<uint16_t>(std::stoi(port));
  options.bucket = "bkt";
  options.access_key = Secret("a");
  options.secret_key = Secret("s");
  options.use_ssl = true;
  EXPECT_THAT(Refusal(options), IsError(Code::kUnavailable, "minio.caCert"));
  options.use_ssl = false;
  EXPECT_THAT(Refusal(options), IsError(Code::kInvalidArgument, "minio.useSSL"));
  options.use_ssl = true;
  options.port = static_cast<uint16_t>(std::stoi(plain_port));
  EXPECT_THAT(Refusal(options), IsError(Code::kUnavailable, "minio.useSSL"));
}

}  // namespace
}  // namespace milvus_backup::testing
