#include "milvus_backup/service/migration_api.h"

#include "migration/npy.h"
#include "migration/row_columns.h"
#include "support/latch.h"
#include "support/status_matchers.h"
#include "support/temp_dir.h"
#include "support/test_paths.h"
#include "unit/migration/milvus2x_fixture.h"

#include "milvus_backup/service/migration_runs.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <utility>

namespace milvus_backup::service {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;

/// Closed until it is opened; tells whether somebody waits.
class Gate {
 public:
  void Pass() {
    reached_.Open();
    open_.Wait();
  }
  void AwaitReached() { reached_.Wait(); }
  void Open() { open_.Open(); }

 private:
  testing::Latch reached_;
  testing::Latch open_;
};

std::string Slurp(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// A server whose configuration lies in a directory of the test's own; a source and a target.
class MigrationApiTest : public migration::Milvus2xFixture {
 protected:
  MigrationApiTest() {
    target_->SetImportRows([](const milvus::ImportRequest& request) {
      const std::string text = Slurp(request.files.at(0));
      const auto header = migration::DecodeNpyHeader(AsBytes(text));
      return header.ok() ? static_cast<int64_t>(header->shape.at(0)) : 0;
    });
    StartServer(dir_.path() + "/state");
  }

  /// A server with the records in `directory`.
  void StartServer(const std::string& directory) {
    jobs_.reset();
    auto jobs = JobRunner::Create({.directory = directory, .max_running = 2, .clock = &clock_});
    ASSERT_OK(jobs);
    jobs_ = *std::move(jobs);
    api_ = std::make_unique<MigrationApi>(
        config::LoadOptions{.path = ConfigPath(),
                            .sets = {},
                            .environment = [](const std::string&) { return std::nullopt; }},
        *jobs_);
  }

  std::string ConfigPath() const { return dir_.path() + "/migration.yaml"; }
  void Configure(const std::string& text) const { std::ofstream(ConfigPath()) << text; }
  std::string Endpoint(const FakeMilvus& server) const {
    return fmt::format("{}:{}", server.client_options().address, server.port());
  }
  /// The guide's file.
  void ConfigureMilvus2x(const std::string& collections = "collection: c") const {
    Configure(fmt::format(
        "dumper:\n  worker:\n    workMode: milvus2x\n    reader:\n      bufferSize: 20\n"
        "meta:\n  mode: config\n  version: 2.3.0\n  {}\n"
        "source:\n  milvus2x:\n    endpoint: {}\ntarget:\n  milvus2x:\n    endpoint: {}\n",
        collections, Endpoint(*source_), Endpoint(*target_)));
  }
  /// The sample of Milvus 1.x: 7 segments, of which one is without rows.
  void ConfigureMilvus1x() const {
    const std::string db = testing::TestDataDir() + "/milvus1x/db";
    Configure(
        fmt::format("dumper:\n  worker:\n    workMode: milvus1x\n"
                    "meta:\n  mode: sqlite\n  sqliteFile: {0}/meta.sqlite\n"
                    "source:\n  mode: local\n  local:\n    tablesDir: {0}/tables\n"
                    "target:\n  mode: local\n  local:\n    outputDir: {1}/out\n  milvus2x:\n    "
                    "endpoint: {2}\n",
                    db, dir_.path(), Endpoint(*target_)));
  }

  HttpReply Send(const std::string& method, const std::string& path,
                 std::map<std::string, std::string> query = {}, const std::string& body = "") {
    return api_->Handle({.method = method,
                         .path = "/api/v1" + path,
                         .query = std::move(query),
                         .headers = {{"requestid", "r1"}},
                         .body = body});
  }
  /// The text of an answer of HTTP status 200.
  std::string Text(const HttpReply& reply) {
    EXPECT_EQ(reply.status, 200) << reply.body;
    EXPECT_EQ(reply.content_type, "application/json; charset=utf-8");
    return reply.body;
  }
  std::string Post(const std::string& path, const std::string& body = "") {
    return Text(Send("POST", path, {}, body));
  }
  std::string GetJob(const std::string& id) {
    return Text(Send("GET", "/get_job", {{"jobId", id}}));
  }
  static std::string IdOf(const std::string& answer) {
    const json document = json::parse(answer);
    EXPECT_EQ(document["data"].size(), 1U) << answer;
    return document["data"]["jobId"].get<std::string>();
  }
  /// What a success of the job `id` is answered with.
  static std::string Success(const std::string& id) {
    return fmt::format(R"({{"code":0,"data":{{"jobId":"{}"}},"msg":"success","requestId":"r1"}})",
                       id);
  }
  static std::string Job(const std::string& id, const std::string& status, int process,
                         const std::string& message, int total, int finished) {
    return fmt::format(
        R"({{"code":0,"data":{{"jobId":"{}","jobStatus":"{}","jobProcess":{},"msg":{},)"
        R"("totalTasks":{},"finishTasks":{}}},"msg":"success","requestId":"r1"}})",
        id, status, process, json(message).dump(), total, finished);
  }
  static std::string Failure(const std::string& message, const std::string& data = "null") {
    return fmt::format(R"({{"code":500,"data":{},"msg":{},"requestId":"r1"}})", data,
                       json(message).dump());
  }
  /// Start a job that waits at `gate`, which queries of the source meet.
  std::string StartAtGate(Gate& gate) {
    source_->AlterAnswers(
        [&gate](const milvus::QueryRequest&, std::vector<milvus::Column>&) { gate.Pass(); });
    const std::string id = IdOf(Post("/start", R"({"async":true})"));
    gate.AwaitReached();
    return id;
  }

  testing::TempDir dir_;
  FakeClock clock_;
  std::unique_ptr<JobRunner> jobs_;
  std::unique_ptr<MigrationApi> api_;
};

TEST_F(MigrationApiTest, Healthy) {
  EXPECT_EQ(Text(Send("GET", "/healthy")),
            R"({"code":0,"data":"ok","msg":"success","requestId":"r1"})");
  const HttpReply fresh = api_->Handle({.method = "GET", .path = "/api/v1/healthy"});
  EXPECT_THAT(fresh.body, MatchesRegex("\\{\"code\":0,\"data\":\"ok\",\"msg\":\"success\","
                                       "\"requestId\":\"req-[0-9a-zA-Z]{21}\"\\}"));
  EXPECT_EQ(Send("POST", "/healthy").status, 404);
  EXPECT_EQ(api_->Handle({.method = "GET", .path = "/healthy"}).status, 404);
  EXPECT_EQ(Send("GET", "/docs/index.html").status, 404);
}

TEST_F(MigrationApiTest, TheGuidesRequestWithoutABodyMigrates) {
  FillWithNumbers(50);
  ConfigureMilvus2x();
  for (const char* body : {"", "\r\n", "{}"}) {  // the later ones find everything done
    const std::string answer = Post("/start", body);
    const std::string id = IdOf(answer);
    EXPECT_THAT(id, MatchesRegex("start_[0-9a-zA-Z]{21}"));
    EXPECT_EQ(answer, Success(id));
    EXPECT_EQ(GetJob(id), Job(id, "success", 100, "", 1, 1));
    EXPECT_EQ(Rows(*target_, "c"), Rows(*source_, "c"));
  }
}

TEST_F(MigrationApiTest, DatabasesGoOverWhole) {
  FillWithNumbers(20, "a");
  FillWithNumbers(30, "a", "sales");
  ConfigureMilvus2x("databases: [default, sales]");
  for (int run = 0; run < 2; ++run) {  // the second finds everything done
    const std::string id = IdOf(Post("/start"));
    EXPECT_EQ(GetJob(id), Job(id, "success", 100, "", 2, 2));
  }
  EXPECT_EQ(Rows(*target_, "a"), Rows(*source_, "a"));
  EXPECT_EQ(Rows(*target_, "a", "sales"), Rows(*source_, "a", "sales"));
  ConfigureMilvus2x("databases: sales\n  collection: a");
  EXPECT_THAT(Post("/start"), HasSubstr("meta.collection is set, but whole databases are to be"));
  ConfigureMilvus2x("databases: sales\n  milvus:\n    collection: a");
  EXPECT_THAT(Post("/start"), HasSubstr("meta.milvus.collection is set"));
}

TEST_F(MigrationApiTest, TheFlagsSayWhichCollectionsAreMeant) {
  const config::LoadOptions config{.path = ConfigPath(),
                                   .sets = {},
                                   .environment = [](const std::string&) { return std::nullopt; }};
  const auto load = [&config](const Milvus2xChoices& choices) {
    return LoadMilvus2xOptions(config, choices);
  };
  ConfigureMilvus2x("databases: sales");
  ASSERT_OK_AND_ASSIGN(const migration::Milvus2xOptions whole, load({}));
  EXPECT_THAT(whole.databases, ElementsAre("sales"));
  ASSERT_OK_AND_ASSIGN(const migration::Milvus2xOptions one, load({.table = "t"}));
  EXPECT_THAT(one.databases, IsEmpty());
  EXPECT_THAT(one.collections, ElementsAre("t"));
  ASSERT_OK_AND_ASSIGN(const migration::Milvus2xOptions all, load({.all = true}));
  EXPECT_THAT(all.databases, IsEmpty());
  ConfigureMilvus2x();
  ASSERT_OK_AND_ASSIGN(const migration::Milvus2xOptions named, load({.databases = {"a", "b"}}));
  EXPECT_THAT(named.databases, ElementsAre("a", "b"));
  EXPECT_THAT(named.collections, IsEmpty());
  EXPECT_THAT(load({.table = "t", .databases = {"a"}}).status(),
              testing::IsError(Code::kInvalidArgument, "--table and --databases exclude each"));
  EXPECT_THAT(load({.databases = {"a"}, .all = true}).status(),
              testing::IsError(Code::kInvalidArgument, "--all and --databases exclude each"));
  ConfigureMilvus2x("collection:");
  EXPECT_THAT(load({}).status(),
              testing::IsError(Code::kInvalidArgument, "meta.collection is not set"));
}

TEST_F(MigrationApiTest, TheConfigurationIsReadForEachRequest) {
  const std::string before = Post("/start");
  EXPECT_EQ(json::parse(before)["code"], 500);
  EXPECT_THAT(before, HasSubstr("does not exist"));
  FillWithNumbers(10);
  ConfigureMilvus2x();
  EXPECT_EQ(json::parse(Post("/start"))["code"], 0);
}

TEST_F(MigrationApiTest, DumpLoadAndStartOfMilvus1x) {
  ConfigureMilvus1x();
  const std::string dump = IdOf(Post("/dump"));
  EXPECT_THAT(dump, MatchesRegex("dump_[0-9a-zA-Z]{21}"));
  EXPECT_EQ(GetJob(dump), Job(dump, "success", 100, "", 7, 7));
  EXPECT_TRUE(std::filesystem::exists(dir_.path() + "/out/migration/meta.json"));
  const std::string load = IdOf(Post("/load"));
  EXPECT_THAT(load, MatchesRegex("load_[0-9a-zA-Z]{21}"));
  const json loaded = json::parse(GetJob(load))["data"];
  EXPECT_EQ(loaded["jobStatus"], "success") << loaded;
  EXPECT_EQ(loaded["jobProcess"], 100);
  // The small segments of each of the three partitions together.
  EXPECT_EQ(loaded["totalTasks"], 3);
  EXPECT_EQ(loaded["finishTasks"], 3);
  EXPECT_TRUE(target_->Find("default", "demo_l2").has_value());
  EXPECT_FALSE(std::filesystem::exists(dir_.path() + "/out/migration/meta.json"));
  target_->Drop("default", "demo_l2");
  // Segments and imports.
  const std::string start = IdOf(Post("/start"));
  EXPECT_EQ(json::parse(GetJob(start))["data"]["totalTasks"], 10);
  EXPECT_TRUE(target_->Find("default", "demo_l2").has_value());
}

TEST_F(MigrationApiTest, CollectionsAreChosen) {
  ConfigureMilvus1x();
  ASSERT_EQ(json::parse(Post("/dump", R"({"collectionNames":["demo_bin"]})"))["code"], 0);
  EXPECT_FALSE(std::filesystem::exists(dir_.path() + "/out/migration/tables/demo_l2"));
  const std::string unknown = Post("/dump", R"({"collectionNames":["nope"],"async":false})");
  const std::string id = IdOf(unknown);
  const std::string message = json::parse(unknown)["msg"].get<std::string>();
  EXPECT_THAT(message, HasSubstr("no required collection exist, col=nope"));
  EXPECT_EQ(unknown, Failure(message, fmt::format(R"({{"jobId":"{}"}})", id)));
  EXPECT_EQ(GetJob(id), Job(id, "fail", 1, message, 0, 0));
  EXPECT_EQ(json::parse(Post("/load", R"({"collectionNames":["demo_bin"]})"))["code"], 0);
  EXPECT_TRUE(target_->Find("default", "demo_bin").has_value());
}

TEST_F(MigrationApiTest, JobsTellWhichWereAskedForTheSame) {
  ConfigureMilvus1x();
  const std::string one = R"({"collectionNames":["demo_bin"]})";
  for (const std::string& body : {one, std::string("{}"), one}) {
    ASSERT_EQ(json::parse(Post("/dump", body))["code"], 0) << body;
  }
  const json jobs = json::parse(Text(Send("GET", "/jobs")))["data"];
  ASSERT_EQ(jobs.size(), 3U);
  EXPECT_EQ(jobs[0]["request"].get<std::string>().size(), 64U);
  EXPECT_NE(jobs[0]["request"], jobs[1]["request"]);
  EXPECT_EQ(jobs[0]["request"], jobs[2]["request"]);
}

TEST_F(MigrationApiTest, AnAsyncJobThatCannotBeginFails) {
  const std::pair<std::string, std::string> cases[] = {
      {"dumper:\n  worker:\n    workMode: nope\n", "workMode"},
      {"dumper:\n  worker:\n    workMode: milvus2x\n", "source.milvus2x.endpoint"},
      {"{", "migration.yaml"}};
  for (const auto& [text, part] : cases) {
    Configure(text);
    for (const char* path : {"/start", "/dump", "/load"}) {
      const std::string answer = Post(path, R"({"async":true})");
      const std::string id = IdOf(answer);
      EXPECT_EQ(answer, Success(id));
      ASSERT_OK(jobs_->Wait(id));
      const json job = json::parse(GetJob(id))["data"];
      EXPECT_EQ(job["jobStatus"], "fail") << path << text;
      EXPECT_FALSE(job["msg"].get<std::string>().empty());
    }
    EXPECT_THAT(Post("/start"), HasSubstr(part));
  }
  ConfigureMilvus2x();
  source_->Stop();
  const std::string unreachable = Post("/start");
  EXPECT_THAT(unreachable, HasSubstr("source.milvus2x: "));
  EXPECT_EQ(json::parse(GetJob(IdOf(unreachable)))["data"]["jobStatus"], "fail");
  // What the commands refuse.
  ConfigureMilvus2x();
  EXPECT_THAT(Post("/dump"), HasSubstr("not support workMode milvus2x"));
}

TEST_F(MigrationApiTest, ASourceThatChangedIsAFailure) {
  FillWithNumbers(50);
  ConfigureMilvus2x();
  // Rows that are counted and cannot be read.
  source_->AlterAnswers(
      [](const milvus::QueryRequest& request, std::vector<milvus::Column>& columns) {
        if (request.limit != 0 || request.expr.empty() || columns.empty()) return;
        if (columns[0].rows > 1) {
          columns = migration::RowsOf(columns, 0, columns[0].rows - 1);
        } else {
          columns.clear();
        }
      });
  const std::string answer = Post("/start");
  const json document = json::parse(answer);
  EXPECT_EQ(document["code"], 500);
  EXPECT_THAT(answer, HasSubstr("the source did not answer the same"));
  const json jobs = json::parse(Text(Send("GET", "/jobs")))["data"];
  EXPECT_THAT(jobs[0]["warnings"].dump(), HasSubstr("the source did not answer the same"));
}

TEST_F(MigrationApiTest, ARunningJobIsShown) {
  FillWithNumbers(50);
  ConfigureMilvus2x();
  Gate gate;
  const std::string id = StartAtGate(gate);
  EXPECT_EQ(GetJob(id), Job(id, "running", 0, "", 1, 0));
  // Where it is at work no other one begins.
  const std::string second = Post("/start");
  EXPECT_THAT(second, HasSubstr("task " + id + ", which is running, works on "));
  EXPECT_EQ(json::parse(second)["data"], nullptr);
  const json jobs = json::parse(Text(Send("GET", "/jobs")))["data"];
  ASSERT_EQ(jobs.size(), 1U);
  EXPECT_EQ(jobs[0]["id"], id);
  EXPECT_EQ(jobs[0]["kind"], "start");
  EXPECT_EQ(jobs[0]["subject"], "c");
  EXPECT_EQ(jobs[0]["state"], "running");
  // Elsewhere it does.
  ConfigureMilvus1x();
  EXPECT_EQ(json::parse(Post("/dump"))["code"], 0);
  gate.Open();
  ASSERT_OK(jobs_->Wait(id));
  EXPECT_EQ(GetJob(id), Job(id, "success", 100, "", 1, 1));
}

TEST_F(MigrationApiTest, ADumpThatHasNotCountedIsAtOnePercent) {
  Gate gate;
  ASSERT_OK(jobs_->Submit({.id = "dump_1", .kind = "dump"}, [&gate](JobContext&) {
    gate.Pass();
    return Status::Ok();
  }));
  gate.AwaitReached();
  EXPECT_EQ(GetJob("dump_1"), Job("dump_1", "running", 1, "", 0, 0));
  gate.Open();
  ASSERT_OK(jobs_->Wait("dump_1"));
  Gate counted;
  ASSERT_OK(jobs_->Submit({.id = "dump_2", .kind = "dump"}, [&counted](JobContext& job) {
    job.progress().segments_planned = 4;
    job.progress().segments_done = 1;
    counted.Pass();
    return FailedPreconditionError("no room");
  }));
  counted.AwaitReached();
  EXPECT_EQ(GetJob("dump_2"), Job("dump_2", "running", 25, "", 4, 1));
  counted.Open();
  ASSERT_OK(jobs_->Wait("dump_2"));
  EXPECT_EQ(GetJob("dump_2"), Job("dump_2", "fail", 25, "no room", 4, 1));
}

TEST_F(MigrationApiTest, ACancelledJobIsGoneOnWith) {
  FillWithNumbers(200);
  ConfigureMilvus2x();
  Gate gate;
  const std::string id = StartAtGate(gate);
  const json asked = json::parse(Text(Send("POST", "/cancel", {{"jobId", id}})));
  EXPECT_EQ(asked["code"], 0);
  EXPECT_EQ(asked["data"]["jobId"], id);
  gate.Open();
  ASSERT_OK(jobs_->Wait(id));
  const json job = json::parse(GetJob(id))["data"];
  EXPECT_EQ(job["jobStatus"], "fail");
  EXPECT_EQ(job["msg"], "cancelled; the same request goes on with it");
  const std::string again = Text(Send("POST", "/cancel", {{"jobId", id}}));
  EXPECT_THAT(again, HasSubstr(fmt::format("task {} has ended: it is cancelled", id)));
  EXPECT_EQ(json::parse(Post("/start"))["code"], 0);
  EXPECT_EQ(Rows(*target_, "c"), Rows(*source_, "c"));
}

TEST_F(MigrationApiTest, ARestartTellsWhatWasInterruptedAndTheSameRequestGoesOn) {
  FillWithNumbers(200);
  ConfigureMilvus2x();
  Gate gate;
  const std::string id = StartAtGate(gate);
  // As a process that was killed by now leaves them.
  std::filesystem::copy(dir_.path() + "/state", dir_.path() + "/copy");
  jobs_->Stop();
  gate.Open();
  struct Case {
    std::string directory;
    std::string why;
    int collections;
  };
  for (const Case& each : {Case{"/copy", "the server ended before the task did", 0},
                           Case{"/state", "the server was stopped", 1}}) {
    StartServer(dir_.path() + each.directory);
    const std::string message =
        fmt::format("interrupted: {}; the same request goes on with it", each.why);
    EXPECT_EQ(GetJob(id), Job(id, "fail", 0, message, each.collections, 0));
  }
  EXPECT_EQ(json::parse(Post("/start"))["code"], 0);
  EXPECT_EQ(Rows(*target_, "c"), Rows(*source_, "c"));
}

TEST_F(MigrationApiTest, WhatIsNotThere) {
  EXPECT_EQ(Text(Send("GET", "/get_job")), Failure("jobid is empty"));
  EXPECT_EQ(GetJob("foo"), Failure("Gstore No such key: foo"));
  EXPECT_EQ(Text(Send("POST", "/cancel")), Failure("jobid is empty"));
  EXPECT_EQ(Text(Send("POST", "/cancel", {{"jobId", "foo"}})), Failure("Gstore No such key: foo"));
  EXPECT_EQ(Text(Send("GET", "/jobs")), R"({"code":0,"data":[],"msg":"success","requestId":"r1"})");
}

TEST_F(MigrationApiTest, BadBodies) {
  ConfigureMilvus1x();
  const std::pair<const char*, const char*> cases[] = {
      {"{", "the body is not a JSON object"},
      {"[]", "the body is not a JSON object"},
      {R"({"async":"yes"})", "async is not true or false"},
      {R"({"requestId":1})", "requestId is not a string"},
      {R"({"collectionNames":"a"})", "collectionNames is not a list of strings"},
      {R"({"collectionNames":[1]})", "collectionNames is not a list of strings"}};
  for (const auto& [body, message] : cases) {
    for (const char* path : {"/dump", "/load"}) {
      const HttpReply reply = Send("POST", path, {}, body);
      EXPECT_EQ(reply.status, 400) << body;
      EXPECT_EQ(reply.body, Failure(message)) << body;
    }
  }
  EXPECT_EQ(Send("POST", "/start", {}, "{").status, 400);
  EXPECT_TRUE(jobs_->List().empty());
}

TEST_F(MigrationApiTest, TheRequestMayNameItself) {
  const HttpReply reply = api_->Handle({.method = "POST",
                                        .path = "/api/v1/start",
                                        .query = {},
                                        .headers = {},
                                        .body = R"({"requestId":"mine","async":true})"});
  EXPECT_EQ(json::parse(reply.body)["requestId"], "mine");
  EXPECT_EQ(json::parse(Post("/start", R"({"requestId":"mine"})"))["requestId"], "r1");
}

}  // namespace
}  // namespace milvus_backup::service
