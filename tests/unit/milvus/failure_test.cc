// What the client makes of errors, silence, interruptions and restarts.
#include "client_fixture.h"

#include <gmock/gmock.h>

#include <netinet/in.h>
#include <stop_token>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

namespace milvus_backup::milvus {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using ::testing::Contains;
using testing::FakeAnswer;
using ::testing::Ge;
using ::testing::HasSubstr;
using testing::IsError;
using testing::IsOk;
using ::testing::Lt;
using ::testing::Not;
using ::testing::Pair;

class FailureTest : public ClientTest {
 protected:
  /// The status of a call answered so, one that only rate limits make the client repeat.
  Status Answered(const FakeAnswer& answer) {
    server_->Plan("CreateDatabase", answer);
    return client_->CreateDatabase(ctx_, "d");
  }
};

TEST_F(FailureTest, NumbersAreMapped) {
  Start();
  EXPECT_EQ(Answered({.code = 100, .reason = "x"}).code(), Code::kNotFound);
  EXPECT_EQ(Answered({.error_code = 4, .reason = "x"}).code(), Code::kNotFound);
  EXPECT_EQ(Answered({.code = 200, .reason = "x"}).code(), Code::kNotFound);
  EXPECT_EQ(Answered({.code = 800, .reason = "x"}).code(), Code::kNotFound);
  EXPECT_EQ(Answered({.code = 1100, .reason = "x"}).code(), Code::kInvalidArgument);
  EXPECT_EQ(Answered({.code = 1400, .reason = "x"}).code(), Code::kUnauthenticated);
  EXPECT_EQ(Answered({.code = 1401, .reason = "x"}).code(), Code::kPermissionDenied);
  EXPECT_EQ(Answered({.code = 1602, .reason = "x"}).code(), Code::kAlreadyExists);
  EXPECT_EQ(Answered({.code = 7, .reason = "disk"}).code(), Code::kResourceExhausted);
  EXPECT_EQ(Answered({.code = 10, .reason = "x"}).code(), Code::kUnimplemented);
  EXPECT_EQ(Answered({.code = 10000, .reason = "x"}).code(), Code::kAborted);
  EXPECT_EQ(Answered({.code = 2100, .reason = "x"}).code(), Code::kFailedPrecondition);
  EXPECT_EQ(Answered({.code = 4242, .reason = "x"}).code(), Code::kUnknown);
}

TEST_F(FailureTest, TextsDecideWhereNumbersSayNothing) {
  Start();
  EXPECT_EQ(Answered({.code = 65535, .reason = "database already exist: d"}).code(),
            Code::kAlreadyExists);
  EXPECT_EQ(Answered({.error_code = 1, .reason = "can't find collection: c"}).code(),
            Code::kNotFound);
  EXPECT_EQ(Answered({.grpc_code = 2, .reason = "auth check failure"}).code(),
            Code::kUnauthenticated);
  EXPECT_EQ(Answered({.grpc_code = 2, .reason = "missing authorization in header"}).code(),
            Code::kUnauthenticated);
  EXPECT_EQ(Answered({.code = 65535, .reason = "PrivilegeDropCollection: permission deny"}).code(),
            Code::kPermissionDenied);
}

TEST_F(FailureTest, ErrorsCarryReasonNumberAndOrigin) {
  Start();
  const Status status = Answered({.code = 5, .error_code = 1, .reason = "the whole reason"});
  EXPECT_EQ(status.origin(), Origin::kMilvus);
  EXPECT_EQ(status.service_code(), "5");
  EXPECT_EQ(status.message(), "the whole reason");
  EXPECT_EQ(status.retry_class(), RetryClass::kNever);
  EXPECT_THAT(status.ToString(), HasSubstr("CreateDatabase d: the whole reason"));
  EXPECT_EQ(Answered({.error_code = 26}).message(), "error 26 without a reason");
}

TEST_F(FailureTest, AdviceNamesTheConfigKeys) {
  Start();
  EXPECT_THAT(Answered({.code = 1400, .reason = "x"}).advice(), HasSubstr("milvus.password"));
  EXPECT_THAT(Answered({.grpc_code = 7, .reason = "x"}).advice(), HasSubstr("milvus.user"));
}

TEST_F(FailureTest, RateLimitsAreWaitedFor) {
  Start();
  server_->Add("default", SmallCollection("c"));
  server_->Plan("Flush", {.code = 8, .error_code = 49, .reason = "rate limit exceeded"});
  server_->Plan("Flush", {.error_code = 49, .reason = "too fast"});
  server_->Plan("Flush", {.grpc_code = 8, .reason = "quota"});
  ASSERT_OK(client_->Flush(ctx_, "default", "c"));
  EXPECT_EQ(server_->count("Flush"), 4U);
}

TEST_F(FailureTest, PatienceWithRateLimitsEnds) {
  Start();
  server_->Plan("Flush", {.code = 65535, .reason = "rate limit exceeded[rate=0.1]"}, 100);
  ASSERT_OK_AND_ASSIGN(const auto impatient, Connect(ctx_, Impatient(*server_)));
  const Status status = impatient->Flush(ctx_, "default", "c").status();
  EXPECT_EQ(status.code(), Code::kResourceExhausted);
  EXPECT_EQ(status.retry_class(), RetryClass::kExhausted);
  EXPECT_GT(server_->count("Flush"), 1U);
}

TEST_F(FailureTest, WhatMayHaveBeenDoneIsNotRepeated) {
  Start();
  server_->Add("default", SmallCollection("c"));
  CreateCollectionRequest create;
  create.db_name = "default";
  create.schema = SmallCollection("new").info.schema;
  const ImportRequest import{.db_name = "default",
                             .collection_name = "c",
                             .partition_name = "_default",
                             .files = {"/a/", ""},
                             .options = {}};
  server_->Plan("CreateCollection", {.grpc_code = 14, .reason = "gone"});
  server_->Plan("Import", {.grpc_code = 14, .reason = "gone"});
  EXPECT_THAT(client_->CreateCollection(ctx_, create), IsError(Code::kUnavailable, "gone"));
  EXPECT_THAT(client_->Import(ctx_, import), IsError(Code::kUnavailable, "gone"));
  EXPECT_EQ(server_->count("CreateCollection"), 1U);
  EXPECT_EQ(server_->count("Import"), 1U);

  // A rate limit says that nothing was done.
  server_->Plan("CreateCollection", {.code = 8, .reason = "rate limit exceeded"});
  EXPECT_OK(client_->CreateCollection(ctx_, create));
  EXPECT_EQ(server_->count("CreateCollection"), 3U);
}

TEST_F(FailureTest, RetriableRepliesAreRepeatedForReadingOnly) {
  Start();
  server_->Plan("ListDatabases", {.code = 1, .reason = "service not ready", .retriable = true});
  server_->Plan("ListDatabases", {.code = 5, .reason = "internal", .retriable = true});
  EXPECT_OK(client_->ListDatabases(ctx_));
  EXPECT_EQ(server_->unused_plans(), 0U);
  server_->Plan("ListDatabases", {.code = 5, .reason = "internal", .retriable = false});
  EXPECT_THAT(client_->ListDatabases(ctx_), IsError(Code::kInternal, "internal"));
}

TEST_F(FailureTest, NodesThatARestartTookAwayAreWaitedFor) {
  Start();
  server_->Add("default", SmallCollection("c"));
  server_->Plan("Flush", {.code = 901, .error_code = 1, .reason = "node not found[node=3]"});
  server_->Plan("Flush", {.code = 65535, .error_code = 1, .reason = "x: node not found[node=3]"});
  ASSERT_OK(client_->Flush(ctx_, "default", "c"));
  EXPECT_EQ(server_->count("Flush"), 3U);
}

TEST_F(FailureTest, ARestartIsSurvived) {
  Start();
  server_->Stop();
  // A call that is sent before the client has seen the connection break is lost: let it see.
  CallContext brief;
  brief.deadline = steady_clock::now() + milliseconds(200);
  EXPECT_THAT(client_->ListDatabases(brief), Not(IsOk()));
  std::jthread restart([this] {
    std::this_thread::sleep_for(milliseconds(300));
    server_->Start();
  });
  // Not to be sent twice, but sent once the server is back.
  EXPECT_OK(client_->CreateDatabase(ctx_, "shop"));
  EXPECT_OK(client_->ListDatabases(ctx_));
  EXPECT_EQ(server_->count("CreateDatabase"), 1U);
}

TEST_F(FailureTest, PatienceWithADeadServerEnds) {
  Start();
  ASSERT_OK_AND_ASSIGN(const auto impatient, Connect(ctx_, Impatient(*server_)));
  server_->Stop();
  const auto begun = steady_clock::now();
  const Status status = impatient->ListDatabases(ctx_).status();
  EXPECT_EQ(status.code(), Code::kUnavailable);
  EXPECT_EQ(status.retry_class(), RetryClass::kExhausted);
  EXPECT_THAT(status.advice(), HasSubstr("milvus.address"));
  EXPECT_THAT(Since(begun), Lt(milliseconds(3000)));
}

TEST_F(FailureTest, AdviceNamesTheKeysThatWereGiven) {
  Start();
  ClientOptions options = server_->client_options();
  options.key_names = {.address = "H2M.dest_host", .user = "u", .password = "p", .tls = ""};
  server_->Stop();
  EXPECT_EQ(Connect(ctx_, options).status().advice(),
            "check H2M.dest_host, and that Milvus is running");
}

TEST_F(FailureTest, AClosedPortFailsFast) {
  Start();
  const ClientOptions options = server_->client_options();
  server_->Stop();
  const auto begun = steady_clock::now();
  const Status status = Connect(ctx_, options).status();
  EXPECT_THAT(Since(begun), Lt(milliseconds(2000)));
  EXPECT_EQ(status.code(), Code::kUnavailable);
  EXPECT_EQ(status.origin(), Origin::kMilvus);
  EXPECT_THAT(status.ToString(), HasSubstr("Connection refused"));
  EXPECT_THAT(status.ToString(), HasSubstr("milvus.port"));
}

TEST_F(FailureTest, ASilentPortFailsFast) {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), length), 0);
  ASSERT_EQ(listen(listener, 8), 0);
  ASSERT_EQ(getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length), 0);
  ClientOptions options;
  options.address = "127.0.0.1";
  options.port = ntohs(address.sin_port);
  options.connect_timeout = milliseconds(300);
  const auto begun = steady_clock::now();
  EXPECT_THAT(Connect(ctx_, options), IsError(Code::kUnavailable, "no connection within 300 ms"));
  EXPECT_THAT(Since(begun), Lt(milliseconds(2000)));
  close(listener);
}

TEST_F(FailureTest, SomethingElseThanMilvusIsRecognised) {
  testing::FakeMilvus server({.unimplemented = {"Connect", "GetVersion"}});
  EXPECT_THAT(Connect(ctx_, server.client_options()),
              IsError(Code::kFailedPrecondition, "is not Milvus"));
}

TEST_F(FailureTest, AStopCutsARunningCall) {
  Start();
  std::stop_source stop;
  CallContext ctx;
  ctx.stop = stop.get_token();
  server_->Plan("ListDatabases", {.delay = std::chrono::seconds(20)});
  std::jthread interrupt([&stop] {
    std::this_thread::sleep_for(milliseconds(50));
    stop.request_stop();
  });
  const auto begun = steady_clock::now();
  EXPECT_EQ(client_->ListDatabases(ctx).status().code(), Code::kCancelled);
  EXPECT_THAT(Since(begun), Lt(milliseconds(10'000)));
}

TEST_F(FailureTest, AStopLetsARunningCallAboutImportsEnd) {
  Start();
  std::stop_source stop;
  CallContext ctx;
  ctx.stop = stop.get_token();
  ctx.deadline = steady_clock::now() + milliseconds(100);
  // The fake answers a cancelled call with an error, and would not know this task.
  server_->Plan("GetImportState", {.delay = milliseconds(300)});
  std::jthread interrupt([&stop] {
    std::this_thread::sleep_for(milliseconds(50));
    stop.request_stop();
  });
  const auto begun = steady_clock::now();
  EXPECT_THAT(client_->GetImportTask(ctx, "default", 1),
              IsError(Code::kNotFound, "key=by-dev/meta/importtask/1"));
  EXPECT_THAT(Since(begun), Ge(milliseconds(300)));
  EXPECT_EQ(client_->GetImportTask(ctx, "default", 1).status().code(), Code::kCancelled);
  EXPECT_EQ(server_->count("GetImportState"), 1U);
}

TEST_F(FailureTest, AStopCutsTheWaitForARateLimit) {
  Start();
  std::stop_source stop;
  CallContext ctx;
  ctx.stop = stop.get_token();
  server_->Plan("Flush", {.code = 8, .reason = "rate limit exceeded"}, 1000);
  std::jthread interrupt([&stop] {
    std::this_thread::sleep_for(milliseconds(400));
    stop.request_stop();
  });
  const auto begun = steady_clock::now();
  EXPECT_EQ(client_->Flush(ctx, "default", "c").status().code(), Code::kCancelled);
  EXPECT_THAT(Since(begun), Lt(milliseconds(1500)));
}

TEST_F(FailureTest, NothingIsSentAfterAStop) {
  Start();
  std::stop_source stop;
  stop.request_stop();
  CallContext ctx;
  ctx.stop = stop.get_token();
  const size_t before = server_->count("ListDatabases");
  EXPECT_EQ(client_->ListDatabases(ctx).status().code(), Code::kCancelled);
  EXPECT_EQ(Connect(ctx, server_->client_options()).status().code(), Code::kCancelled);
  EXPECT_EQ(server_->count("ListDatabases"), before);
}

TEST_F(FailureTest, TheDeadlineOfTheContextEndsACall) {
  Start();
  server_->Plan("ListDatabases", {.delay = std::chrono::seconds(20)});
  CallContext ctx;
  ctx.deadline = steady_clock::now() + milliseconds(100);
  const auto begun = steady_clock::now();
  EXPECT_THAT(client_->ListDatabases(ctx), IsError(Code::kDeadlineExceeded, "in time"));
  EXPECT_THAT(Since(begun), Lt(milliseconds(10'000)));
  EXPECT_EQ(server_->unused_plans(), 0U);
}

TEST_F(FailureTest, AnAttemptThatTakesTooLongIsRepeated) {
  Start();
  ClientOptions options = server_->client_options();
  options.call_timeout = milliseconds(1000);
  ASSERT_OK_AND_ASSIGN(const auto client, Connect(ctx_, options));
  server_->Plan("ListDatabases", {.delay = std::chrono::seconds(20)});
  EXPECT_OK(client->ListDatabases(ctx_));
}

TEST_F(FailureTest, LoginIsSentAndRefusalsAreClear) {
  Start({.user = "root", .password = "Milvus"});
  ASSERT_OK(client_->ListDatabases(ctx_));
  EXPECT_THAT(server_->calls().back().metadata,
              Contains(Pair("authorization", "cm9vdDpNaWx2dXM=")));
  ClientOptions options = server_->client_options();
  options.password = Secret("wrong");
  const Status status = Connect(ctx_, options).status();
  EXPECT_EQ(status.code(), Code::kUnauthenticated);
  EXPECT_THAT(status.ToString(), HasSubstr("milvus.user and milvus.password"));
  EXPECT_EQ(status.ToString().find("wrong"), std::string::npos);
  options.user.clear();
  options.password = Secret();
  EXPECT_EQ(Connect(ctx_, options).status().code(), Code::kUnauthenticated);
}

TEST_F(FailureTest, ManyThreadsShareAClient) {
  Start();
  std::vector<std::jthread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([this] {
      for (int call = 0; call < 20; ++call) EXPECT_OK(client_->ListDatabases(ctx_));
    });
  }
  threads.clear();
  EXPECT_EQ(server_->count("ListDatabases"), 161U);
}

TEST(ClientOptions, KeysAtFaultAreNamed) {
  ClientOptions options;
  EXPECT_OK(options.Validate());
  options.port = 70000;
  EXPECT_THAT(options.Validate(), IsError(Code::kInvalidArgument, "milvus.port"));
  EXPECT_EQ(options.Validate().origin(), Origin::kConfig);
  options.port = 1;
  options.address = "http://milvus";
  EXPECT_THAT(options.Validate(), IsError(Code::kInvalidArgument, "milvus.address"));
  options.address = "";
  EXPECT_THAT(options.Validate(), IsError(Code::kInvalidArgument, "milvus.address"));
  options.address = "::1";
  options.tls_mode = static_cast<TlsMode>(3);
  EXPECT_THAT(options.Validate(), IsError(Code::kInvalidArgument, "milvus.tlsMode"));
  options.tls_mode = TlsMode::kMutual;
  options.mtls_cert_path = "/x";
  EXPECT_THAT(options.Validate(), IsError(Code::kInvalidArgument, "milvus.mtlsKeyPath"));
}

}  // namespace
}  // namespace milvus_backup::milvus
