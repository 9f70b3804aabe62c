#include "service/hook.h"

#include "support/fake_http.h"
#include "support/status_matchers.h"
#include "support/temp_dir.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>

namespace milvus_backup::service {
namespace {

using config::HookSettings;
using testing::FakeReply;
using testing::FakeRequest;
using testing::IsError;

constexpr const char* kKey = "schedules.nightly.hooks.before";

class HookTest : public ::testing::Test {
 protected:
  static HookSettings Shell(const std::string& text) {
    return {.command = {text}, .shell = true, .key = kKey};
  }
  std::string Path(const std::string& name) const { return dir_.path() + "/" + name; }
  std::string Read(const std::string& name) const {
    std::ostringstream text;
    text << std::ifstream(Path(name)).rdbuf();
    return text.str();
  }

  testing::TempDir dir_;
};

TEST_F(HookTest, NothingIsDoneWithoutOne) { EXPECT_OK(RunHook({}, HookSettings(), "{}")); }

TEST_F(HookTest, ACommandFindsTheDescriptionOnItsInput) {
  EXPECT_OK(RunHook({}, Shell("cat > " + Path("in")), R"({"a":1})"));
  EXPECT_EQ(Read("in"), "{\"a\":1}\n");
}

TEST_F(HookTest, AListIsNoTextOfAShell) {
  const std::string path = Path("$HOME; echo x > y");
  EXPECT_OK(RunHook({}, {.command = {"touch", path}, .key = kKey}, "{}"));
  EXPECT_TRUE(std::filesystem::exists(path));
}

TEST_F(HookTest, ACommandNeedNotReadItsInput) {
  EXPECT_OK(RunHook({}, {.command = {"true"}, .key = kKey}, std::string(1 << 20, 'x')));
  // And may read all of it after it has printed more than a pipe holds.
  EXPECT_OK(
      RunHook({}, Shell("head -c 300000 /dev/zero; cat >/dev/null"), std::string(1 << 20, 'x')));
}

TEST_F(HookTest, AFailureTellsStatusAndOutput) {
  EXPECT_THAT(RunHook({}, Shell("echo one; echo two >&2; exit 7"), "{}"),
              IsError(Code::kFailedPrecondition,
                      std::string(kKey) + ": '/bin/sh' ended with status 7: one two"));
  EXPECT_THAT(RunHook({}, Shell("kill -9 $$"), "{}"),
              IsError(Code::kFailedPrecondition, "ended with signal 9"));
  EXPECT_THAT(RunHook({}, {.command = {Path("missing")}, .key = kKey}, "{}"),
              IsError(Code::kFailedPrecondition, "cannot start '" + Path("missing")));
}

TEST_F(HookTest, NoSecretIsInItsEnvironment) {
  // NOLINTBEGIN(concurrency-mt-unsafe): there is no other thread
  setenv("MINIO_SECRET_KEY", "s3cret", 1);
  setenv("LC_TIME", "C", 1);
  EXPECT_OK(
      RunHook({}, Shell("env > " + Path("env") + "; ls /proc/self/fd > " + Path("fd")), "{}"));
  unsetenv("MINIO_SECRET_KEY");
  unsetenv("LC_TIME");
  // NOLINTEND(concurrency-mt-unsafe)
  const std::string environment = Read("env");
  EXPECT_EQ(environment.find("s3cret"), std::string::npos) << environment;
  EXPECT_NE(environment.find("PATH="), std::string::npos) << environment;
  EXPECT_NE(environment.find("LC_TIME=C"), std::string::npos) << environment;
}

TEST_F(HookTest, ACommandIsEndedWithAllItStarted) {
  HookSettings hook = Shell("sleep 60 & echo $! > " + Path("pid") + "; wait");
  hook.timeout = std::chrono::seconds(1);
  EXPECT_THAT(RunHook({}, hook, "{}"),
              IsError(Code::kDeadlineExceeded, "'/bin/sh' was ended after 1 s"));
  std::ifstream file(Path("pid"));
  int pid = 0;
  ASSERT_TRUE(file >> pid);
  // It is gone soon, or waits for somebody to ask how it ended.
  const auto has_ended = [pid] {
    std::ostringstream stat;
    stat << std::ifstream("/proc/" + std::to_string(pid) + "/stat").rdbuf();
    return stat.str().empty() || stat.str().find(") Z ") != std::string::npos;
  };
  for (int look = 0; look < 1000 && !has_ended(); ++look) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_TRUE(has_ended());
}

TEST_F(HookTest, AStopEndsACommand) {
  std::stop_source stop;
  const std::jthread stopper([&] {
    while (!std::filesystem::exists(Path("begun"))) std::this_thread::yield();
    stop.request_stop();
  });
  const CallContext ctx{.stop = stop.get_token()};
  EXPECT_THAT(RunHook(ctx, Shell("touch " + Path("begun") + "; exec sleep 60"), "{}"),
              IsError(Code::kCancelled, kKey));
}

TEST_F(HookTest, AWebhookGetsTheDescription) {
  FakeRequest seen;
  testing::FakeHttpServer server([&](const FakeRequest& request) {
    seen = request;
    return FakeReply{.status = 204};
  });
  std::ofstream(Path("headers")) << "Authorization: Bearer s3cret\r\n\nX-Team:  blue\n";
  const HookSettings hook{
      .webhook = Secret(server.url() + "/hook?x=1"), .headers_file = Path("headers"), .key = kKey};
  EXPECT_OK(RunHook({}, hook, R"({"a":1})"));
  EXPECT_EQ(seen.method, "POST");
  EXPECT_EQ(seen.target, "/hook?x=1");
  EXPECT_EQ(seen.body, R"({"a":1})");
  EXPECT_EQ(seen.Header("content-type"), "application/json");
  EXPECT_EQ(seen.Header("authorization"), "Bearer s3cret");
  EXPECT_EQ(seen.Header("x-team"), "blue");
}

TEST_F(HookTest, AWebhookThatFailsIsNamedByItsHostAlone) {
  testing::FakeHttpServer server([](const FakeRequest&) { return FakeReply{.status = 500}; });
  const HookSettings hook{.webhook = Secret(server.url() + "/s3cret"), .key = kKey};
  const Status status = RunHook({}, hook, "{}");
  EXPECT_THAT(status, IsError(Code::kFailedPrecondition, std::string(kKey) + ": " + server.url() +
                                                             " answered with status 500"));
  EXPECT_EQ(status.ToString().find("s3cret"), std::string::npos);
  EXPECT_EQ(server.connections(), 1U);
  const HookSettings closed{
      .webhook = Secret("http://127.0.0.1:" + std::to_string(testing::ClosedPort()) + "/s3cret"),
      .key = kKey};
  const Status refused = RunHook({}, closed, "{}");
  EXPECT_EQ(refused.code(), Code::kUnavailable);
  EXPECT_EQ(refused.ToString().find("s3cret"), std::string::npos);
}

TEST_F(HookTest, AWebhookThatIsSilentIsGivenUp) {
  testing::FakeHttpServer server([](const FakeRequest&) {
    return FakeReply{.ending = FakeReply::Ending::kStall, .silent = true};
  });
  const HookSettings hook{
      .webhook = Secret(server.url()), .timeout = std::chrono::seconds(1), .key = kKey};
  EXPECT_THAT(RunHook({}, hook, "{}"), IsError(Code::kDeadlineExceeded, kKey));
}

TEST_F(HookTest, AFileOfHeadersTellsNoSecrets) {
  const HookSettings hook{
      .webhook = Secret("http://127.0.0.1:1/"), .headers_file = Path("headers"), .key = kKey};
  EXPECT_THAT(RunHook({}, hook, "{}"), IsError(Code::kFailedPrecondition, "cannot read"));
  std::ofstream(Path("headers")) << "A: b\ns3cret\n";
  const Status status = RunHook({}, hook, "{}");
  EXPECT_THAT(status, IsError(Code::kInvalidArgument, "headers line 2 is no header"));
  EXPECT_EQ(status.ToString().find("s3cret"), std::string::npos);
}

}  // namespace
}  // namespace milvus_backup::service
