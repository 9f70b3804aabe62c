#include "milvus_backup/service/backup_api.h"

#include "backup_api_fixture.h"

#include "milvus_backup/service/backup_view.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>

namespace milvus_backup::service {
namespace {

using nlohmann::json;

using BackupApiTest = BackupApiFixture;

// Every path and method of docs/openapi.json is answered, and none beside them.
TEST_F(BackupApiTest, TheDocumentNamesEveryRequest) {
  const HttpReply reply = Send("GET", "/openapi.json");
  EXPECT_EQ(reply.status, 200);
  const json document = Parse(reply);
  size_t named = 0;
  for (const auto& [path, methods] : document["paths"].items()) {
    for (const char* method : {"GET", "POST", "DELETE", "PUT"}) {
      std::string key = method;
      std::ranges::transform(key, key.begin(), [](unsigned char c) { return std::tolower(c); });
      const HttpReply answer = api_->Handle({.method = method, .path = path, .body = "["});
      EXPECT_EQ(answer.status != 404, methods.contains(key)) << method << " " << path;
      if (methods.contains(key)) ++named;
    }
  }
  EXPECT_GE(named, 15U);
}

TEST_F(BackupApiTest, ShowsMetrics) {
  Create(R"({"backup_name":"demo","collection_names":["hello"]})");
  const HttpReply page = api_->Handle({.method = "GET", .path = "/metrics"});
  EXPECT_EQ(page.status, 200);
  EXPECT_EQ(page.content_type, "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_NE(page.body.find("\nmilvus_backup_tasks_ended_total"
                           "{kind=\"create\",state=\"succeeded\"} 1\n"),
            std::string::npos)
      << page.body;
  EXPECT_NE(page.body.find("\nmilvus_backup_storage_requests_total{method=\"put\"} "),
            std::string::npos);
  EXPECT_EQ(api_->Handle({.method = "POST", .path = "/metrics"}).status, 404);
}

TEST_F(BackupApiTest, Hello) {
  for (const char* path : {"/", "/api/v1/hello"}) {
    const HttpReply reply = api_->Handle({.method = "GET", .path = path});
    EXPECT_EQ(reply.status, 200);
    EXPECT_EQ(reply.body, "Hello, This is backup service");
  }
  EXPECT_EQ(api_->Handle({.method = "PUT", .path = "/"}).status, 200);
  EXPECT_EQ(Send("HEAD", "/hello").status, 200);
  EXPECT_EQ(Send("GET", "/create").status, 404);
  EXPECT_EQ(Send("GET", "/nothing").status, 404);
  EXPECT_EQ(api_->Handle({.method = "GET", .path = "/list"}).status, 404);
}

TEST_F(BackupApiTest, CreateAnswersWhenTheBackupIsThere) {
  const json created = Create(R"({"backup_name":"demo"})");
  const int64_t meta_size = created["data"]["meta_size"].get<int64_t>();
  EXPECT_GT(meta_size, 0);
  const json brief = HelloBrief("r1", meta_size);
  EXPECT_EQ(created, (json{{"requestId", "r1"}, {"msg", "success"}, {"data", brief}}));
  const json got{{"requestId", "r1"}, {"msg", "success"}, {"data", brief}};
  EXPECT_EQ(Get("/get_backup", {{"backup_name", "demo"}}), got);
  EXPECT_EQ(Get("/get_backup", {{"backup_id", "r1"}}), got);
  EXPECT_EQ(Get("/list"), json::parse(R"({"requestId":"r1","data":
      [{"id":"r1","name":"demo","size":0,"milvus_version":"v2.3.5-lite"}]})"));
}

TEST_F(BackupApiTest, AsyncCreateIsToldByItsTask) {
  {
    const Occupied occupied(*jobs_, {.id = "other", .kind = "x"});
    EXPECT_EQ(Create(R"({"backup_name":"demo","async":true})"),
              json::parse(R"({"requestId":"r1","data":null,
                              "msg":"create backup is executing asynchronously"})"));
    const json waiting = json::parse(R"({"requestId":"r1","msg":"success",
      "data":{"id":"r1","state_code":0,"progress":0,"name":"demo","size":0,"meta_size":0}})");
    EXPECT_EQ(Get("/get_backup", {{"backup_name", "demo"}}), waiting);
    EXPECT_EQ(Get("/get_backup", {{"backup_id", "r1"}}), waiting);
    // The id is in use.
    EXPECT_EQ(Create(R"({"backup_name":"demo2","async":true})")["code"], 3);
  }
  ASSERT_OK(jobs_->Wait("r1"));
  EXPECT_EQ(Get("/get_backup", {{"backup_name", "demo"}})["data"]["state_code"], 2);
}

TEST_F(BackupApiTest, ARunningTaskShowsItsProgress) {
  const Occupied occupied(*jobs_, {.id = "c1", .kind = "create", .subject = "demo"});
  EXPECT_EQ(Get("/get_backup", {{"backup_name", "demo"}}), json::parse(R"({"requestId":"r1",
      "msg":"success","data":{"id":"c1","state_code":1,"start_time":1717000000,"progress":37,
      "name":"demo","size":0,"meta_size":0}})"));
}

TEST_F(BackupApiTest, AFailedCreateSaysWhy) {
  const json failed = Create(R"({"backup_name":"demo","collection_names":["nope"]})");
  EXPECT_EQ(failed["code"], 3);
  EXPECT_EQ(failed["data"], nullptr);
  EXPECT_TRUE(failed["msg"].get<std::string>().starts_with("backup: ")) << failed;
  const json data = Get("/get_backup", {{"backup_name", "demo"}})["data"];
  EXPECT_EQ(data["state_code"], 3);
  EXPECT_NE(data["errorMessage"].get<std::string>().find("nope"), std::string::npos) << data;
  EXPECT_EQ(Get("/list"), json::parse(R"({"requestId":"r1","data":null})"));
}

TEST_F(BackupApiTest, ARestartLosesNothing) {
  const json data = Create(R"({"backup_name":"demo"})")["data"];
  {
    const Occupied occupied(*jobs_, {.id = "other", .kind = "x"});
    Create(R"({"backup_name":"late","async":true})", "r2");
    jobs_->Cancel("r2").status().IgnoreError("looked at below");
  }
  StartServer();
  EXPECT_EQ(Get("/get_backup", {{"backup_name", "demo"}})["data"], data);
  EXPECT_EQ(Get("/get_backup", {{"backup_id", "r1"}})["data"], data);
  const json late = Get("/get_backup", {{"backup_id", "r2"}})["data"];
  EXPECT_EQ(late["state_code"], 3);
  EXPECT_NE(late["errorMessage"].get<std::string>().find("the same request goes on with it"),
            std::string::npos);
}

// The same request would take another one.
TEST_F(BackupApiTest, ABackupWithoutANameIsGoneOnWithByItsName) {
  const Occupied occupied(*jobs_, {.id = "other", .kind = "x"});
  Create(R"({"async":true})", "r2");
  const json task = Answer(Send("POST", "/cancel", {{"id", "r2"}}))["data"];
  const std::string name = task["subject"];
  EXPECT_EQ(task["error"], "cancelled before it began; the request with backup_name " + name +
                               " goes on with it, a delete of the backup removes what it has left");
}

TEST_F(BackupApiTest, BackupsOfNoTaskAreRead) {
  Create(R"({"backup_name":"demo"})");
  std::filesystem::remove_all(dir_.path() + "/state");
  StartServer();
  const json data = Get("/get_backup", {{"backup_name", "demo"}})["data"];
  EXPECT_EQ(data["state_code"], 2);
  EXPECT_EQ(data["progress"], 100);
  EXPECT_FALSE(data.contains("start_time"));
  EXPECT_EQ(Get("/get_backup", {{"backup_id", "r1"}})["data"], data);
}

TEST_F(BackupApiTest, WhatIsNotThere) {
  EXPECT_EQ(Get("/get_backup", {{"backup_name", "no"}})["code"], 404);
  const json unknown = Get("/get_backup", {{"backup_id", "no"}});
  EXPECT_EQ(unknown["code"], 3);
  EXPECT_EQ(unknown["data"], nullptr);
  EXPECT_EQ(Get("/get_backup")["code"], 400);
  EXPECT_EQ(Get("/get_restore"),
            json::parse(R"({"requestId":"r1","code":3,"msg":"empty restore id","data":null})"));
  EXPECT_EQ(Get("/get_restore", {{"id", "x"}}),
            json::parse(R"({"requestId":"r1","code":3,"msg":"restore task x not found",
                            "data":null})"));
  EXPECT_EQ(Get("/list", {{"collection_name", "c"}}),
            json::parse(R"({"requestId":"r1","code":400,"msg":"collection_name is deprecated",
                            "data":null})"));
}

TEST_F(BackupApiTest, Delete) {
  Create(R"({"backup_name":"demo"})");
  EXPECT_EQ(Answer(Send("DELETE", "/delete", {{"backup_name", "demo"}})),
            json::parse(R"({"requestId":"r1","msg":"success"})"));
  EXPECT_EQ(Get("/list")["data"], nullptr);
  EXPECT_EQ(Get("/get_backup", {{"backup_name", "demo"}})["code"], 404);
  EXPECT_EQ(Answer(Send("DELETE", "/delete")),
            json::parse(R"({"requestId":"r1","code":400,"msg":"backup name is required"})"));
  EXPECT_EQ(Answer(Send("DELETE", "/delete", {{"backup_name", "demo"}}))["code"], 3);
  EXPECT_EQ(Answer(Send("DELETE", "/delete", {{"backup_name", "../data"}}))["code"], 400);
}

TEST_F(BackupApiTest, Restore) {
  Create(R"({"backup_name":"demo"})");
  const json answer = Restore(R"({"backup_name":"demo","collection_suffix":"_back","id":"t1"})");
  ASSERT_FALSE(answer.contains("code")) << answer;
  json expected = json::parse(R"({"requestId":"r1","msg":"success","data":{"id":"t1",
      "state_code":2,"start_time":1717000000,"end_time":1717000000,"progress":100,
      "collection_restore_tasks":[{"state_code":2,"start_time":1717000000,"end_time":1717000000,
        "progress":100,"target_db_name":"default","target_collection_name":"hello_back"}]}})");
  expected["data"]["collection_restore_tasks"][0]["id"] =
      answer["data"]["collection_restore_tasks"][0]["id"];
  EXPECT_EQ(answer, expected);
  EXPECT_EQ(Get("/get_restore", {{"id", "t1"}}), expected);
  EXPECT_TRUE(milvus_.Find("default", "hello_back").has_value());
}

TEST_F(BackupApiTest, AsyncRestoreIsToldByItsTask) {
  Create(R"({"backup_name":"demo"})");
  std::string id;
  {
    const Occupied occupied(*jobs_, {.id = "o1", .kind = "restore", .subject = "demo"});
    const json running = Get("/get_restore", {{"id", "o1"}})["data"];
    EXPECT_EQ(running["state_code"], 1);
    EXPECT_EQ(running["progress"], 37);
    EXPECT_EQ(running["collection_restore_tasks"][0]["target_db_name"], "db2");
    EXPECT_EQ(running["collection_restore_tasks"][0]["target_collection_name"], "c2");
    EXPECT_EQ(running["collection_restore_tasks"][0]["state_code"], 1);
    EXPECT_EQ(running["collection_restore_tasks"][0]["progress"], 37);
    const json answer =
        Restore(R"({"backup_name":"demo","collection_suffix":"_back","async":true})");
    id = answer["data"]["id"].get<std::string>();
    EXPECT_TRUE(id.starts_with("restore_2024_05_29_16_26_40_")) << id;
    EXPECT_EQ(answer, (json{{"requestId", "r1"},
                            {"msg", "restore backup is executing asynchronously"},
                            {"data", {{"id", id}, {"state_code", 0}, {"progress", 0}}}}));
  }
  ASSERT_OK(jobs_->Wait(id));
  EXPECT_EQ(Get("/get_restore", {{"id", id}})["data"]["state_code"], 2);
}

TEST_F(BackupApiTest, ARestoreThatFailsSaysWhy) {
  Create(R"({"backup_name":"demo"})");
  const json answer = Restore(R"({"backup_name":"demo","id":"t1"})");  // hello is there
  EXPECT_EQ(answer["code"], 3);
  EXPECT_NE(answer["msg"].get<std::string>().find("hello"), std::string::npos);
  const json data = Get("/get_restore", {{"id", "t1"}})["data"];
  EXPECT_EQ(data["state_code"], 3);
  EXPECT_NE(data["errorMessage"].get<std::string>().find("hello"), std::string::npos);
}

TEST_F(BackupApiTest, BadBodies) {
  const HttpReply create = Send("POST", "/create", {}, "{");
  EXPECT_EQ(create.status, 400);
  EXPECT_EQ(Parse(create)["error"], "Invalid request body");
  const HttpReply typed = Send("POST", "/create", {}, R"({"async":"yes"})");
  EXPECT_EQ(typed.status, 400);
  EXPECT_EQ(Parse(typed)["detail"], "async is not true or false");
  for (const char* body : {"", "[]", "1", "null", R"({"backup_name":1})"}) {
    const HttpReply restore = Send("POST", "/restore", {}, body);
    EXPECT_EQ(restore.status, 400) << body;
    EXPECT_TRUE(Parse(restore)["error"].get<std::string>().starts_with("invalid request body: "));
    EXPECT_EQ(Send("POST", "/create", {}, body).status, 400) << body;
  }
  EXPECT_TRUE(jobs_->List().empty());
}

TEST_F(BackupApiTest, CodesTellErrorsApart) {
  const std::pair<const char*, int> creates[] = {
      {R"({"backup_name":"1bad"})", 400},
      {R"({"strategy":"nope"})", 400},
      {R"({"filter":{}})", 400},
      {R"({"filter":{"db":{"colls":["a,b"]}}})", 400},
      {R"({"format":"snapshot"})", 1},
      {R"({"with_index_extra":true})", 1},
      {R"({"backup_root_path":"/etc"})", 2},
      {R"({"gc_pause_address":"http://elsewhere:9091"})", 2}};
  for (const auto& [body, code] : creates) EXPECT_EQ(Create(body)["code"], code) << body;
  const std::pair<const char*, int> restores[] = {
      {"{}", 400},
      {R"({"backup_name":"none"})", 400},
      {R"({"backup_name":"none","collection_suffix":"-"})", 400},
      {R"({"backup_name":"none","dropExistCollection":true,"skipCreateCollection":true})", 400},
      {R"({"backup_name":"none","collection_suffix":"_x","restorePlan":{}})", 400},
      {R"({"backup_name":"none","collection_renames":{"a":"b"},"restorePlan":{}})", 400},
      {R"({"backup_name":"none","truncateBinlogByTs":true})", 1},
      {R"({"backup_name":"none","ezkMapping":{"a":"b"}})", 1},
      {R"({"backup_name":"none","path":"/etc"})", 2}};
  for (const auto& [body, code] : restores) EXPECT_EQ(Restore(body)["code"], code) << body;
  EXPECT_EQ(Restore("{}")["msg"], "backup name is required");
  EXPECT_EQ(Restore(R"({"backup_name":"none"})")["msg"], "backup none not found");
  EXPECT_EQ(Answer(Send("POST", "/restore_secondary", {}, "{}"))["code"], 1);
  EXPECT_EQ(Get("/get_backup", {{"backup_name", "x"}, {"path", "/etc"}})["code"], 2);
  EXPECT_EQ(Create(R"({"backup_name":"demo"})", "no/id")["code"], 400);
  EXPECT_TRUE(jobs_->List().empty());
}

TEST_F(BackupApiTest, TasksAreListedAndCancelled) {
  const Occupied occupied(*jobs_, {.id = "other", .kind = "x"});
  clock_.Advance(std::chrono::seconds(1));
  Create(R"({"backup_name":"demo","async":true})", "r2");
  const json tasks = Get("/tasks")["data"];
  ASSERT_EQ(tasks.size(), 2U);
  EXPECT_EQ(tasks[0]["id"], "r2");
  EXPECT_EQ(tasks[0]["kind"], "create");
  EXPECT_EQ(tasks[0]["subject"], "demo");
  EXPECT_EQ(tasks[0]["state"], "queued");
  EXPECT_EQ(tasks[1]["state"], "running");
  EXPECT_EQ(tasks[1]["progress"], 37);
  const json cancelled = Answer(Send("POST", "/cancel", {{"id", "r2"}}));
  EXPECT_EQ(cancelled["msg"], "success");
  EXPECT_EQ(cancelled["data"]["state"], "cancelled");
  EXPECT_EQ(Answer(Send("POST", "/cancel", {{"id", "r2"}}))["code"], 3);
  EXPECT_EQ(Answer(Send("POST", "/cancel", {{"id", "none"}}))["code"], 404);
  EXPECT_EQ(Answer(Send("POST", "/cancel"))["code"], 400);
}

TEST_F(BackupApiTest, AnotherRestoreOfTheBackupTakesNoAdviceAway) {
  Create(R"({"backup_name":"demo"})");
  const auto advice_of = [this](const std::string& id) {
    const json tasks = Get("/tasks")["data"];
    for (const json& task : tasks) {
      if (task["id"] == id) return task["advice"].get<std::string>();
    }
    return std::string("not there");
  };
  {
    const Occupied occupied(*jobs_, {.id = "busy", .kind = "other"});
    Restore(R"({"backup_name":"demo","collection_suffix":"_one","id":"t1","async":true})");
    Answer(Send("POST", "/cancel", {{"id", "t1"}}));
  }
  const std::string advice = advice_of("t1");
  EXPECT_NE(advice, "");
  EXPECT_EQ(Restore(R"({"backup_name":"demo","collection_suffix":"_two","id":"t2"})")["msg"],
            "success");
  EXPECT_EQ(advice_of("t1"), advice);
  EXPECT_EQ(Restore(R"({"backup_name":"demo","collection_suffix":"_one","id":"t3"})")["msg"],
            "success");
  EXPECT_EQ(advice_of("t1"), "");
}

TEST_F(BackupApiTest, PruneAnswersWithWhatBecameOfTheBackups) {
  Create(R"({"backup_name":"demo1"})", "r1");
  Create(R"({"backup_name":"demo2"})", "r2");
  const json kept = json::parse(R"({"name":"demo2","time":"2023-11-14T22:13:20Z","outcome":"kept",
      "reasons":["keep-last","last good backup of default.hello"],"tags":[]})");
  json marked = json::parse(R"({"name":"demo1","time":"2023-11-14T22:13:20Z","outcome":"marked",
      "reasons":["no rule keeps it"],"tags":[],"remove_after":"2024-05-29T17:26:40Z"})");
  const auto expected = [&](const std::string& id, bool dry_run) {
    return json{{"requestId", id},
                {"msg", "success"},
                {"data",
                 {{"status", "ok"},
                  {"dry_run", dry_run},
                  {"backups", {kept, marked}},
                  {"warnings", json::array()}}}};
  };
  const auto prune = [this](const std::string& body, const std::string& id) {
    return Answer(Send("POST", "/prune", {}, body, id));
  };
  EXPECT_EQ(prune(R"({"keep_last":1,"grace":"1h","dry_run":true})", "r0"), expected("r0", true));
  EXPECT_EQ(Get("/list")["data"].size(), 2U);
  // A dry run is no prune, for metrics either.
  const json trial = Get("/tasks")["data"][0];
  EXPECT_EQ(trial["kind"], "prune_dry_run");
  EXPECT_EQ(trial["items"][0]["name"], "would be marked demo1");
  EXPECT_FALSE(jobs_->Totals().contains("prune"));
  EXPECT_EQ(prune(R"({"Keep_Last":1,"grace":"1h"})", "r3"), expected("r3", false));
  EXPECT_EQ(Get("/list")["data"].size(), 1U);
  EXPECT_EQ(Get("/get_backup", {{"backup_name", "demo1"}})["code"], 404);
  const json task = Get("/tasks")["data"][0];
  EXPECT_EQ(task["kind"], "prune");
  EXPECT_EQ(task["items"][0]["name"], "marked demo1");
  EXPECT_EQ(task["advice"], "");  // nothing has to be gone on with
  EXPECT_EQ(jobs_->Totals().at("prune").ended.at(JobState::kSucceeded), 1U);
  // The id is that task's.
  const json again = prune(R"({"keep_last":1})", "r3");
  EXPECT_EQ(again["code"], 3);
  EXPECT_NE(again["msg"].get<std::string>().find("another id"), std::string::npos);

  clock_.Advance(std::chrono::hours(1));
  EXPECT_EQ(Answer(Send("POST", "/prune", {}, R"({"keep_last":1,"async":true})", "r4"))["data"],
            json());
  ASSERT_OK(jobs_->Wait("r4"));
  EXPECT_EQ(Get("/tasks")["data"][0]["items"][0]["name"], "removed demo1");
}

TEST_F(BackupApiTest, PruneRefusesWhatItDoesNotUnderstand) {
  Create(R"({"backup_name":"demo1"})", "r1");
  const std::pair<const char*, int> bodies[] = {{"{}", 400},
                                                {R"({"keep_last":0})", 400},
                                                {R"({"keep_last":-1})", 400},
                                                {R"({"keep_last":1,"keep_dayly":7})", 400},
                                                {R"({"keep_within":"7w"})", 400},
                                                {R"({"keep_tags":["a b"]})", 400},
                                                {R"({"keep_last":1,"keep_tags":[]})", 400},
                                                {R"({"keep_last":1,"grace":"soon"})", 400},
                                                {R"({"keep_last":1,"grace":""})", 400},
                                                {R"({"keep_last":1,"keep_within":""})", 400},
                                                {R"({"keep_last":1,"schedule":""})", 400},
                                                {R"({"keep_last":1,"storage":""})", 400},
                                                {R"({"keep_last":1,"storage":"nowhere"})", 400}};
  for (const auto& [body, code] : bodies) {
    EXPECT_EQ(Answer(Send("POST", "/prune", {}, body, "r2"))["code"], code) << body;
  }
  EXPECT_EQ(Send("POST", "/prune", {}, R"({"keep_last":"1"})").status, 400);
  EXPECT_EQ(Send("POST", "/prune", {}, "x").status, 400);
  EXPECT_EQ(Get("/list")["data"].size(), 1U);
}

TEST_F(BackupApiTest, PruneMayNameAConfiguredStorage) {
  Create(R"({"backup_name":"demo1"})", "r1");
  config::StorageSettings other = config_.backup_storage;
  other.root_path = dir_.path() + "/other";
  std::filesystem::create_directories(other.root_path);
  config_.storages["other"] = other;
  const json answer =
      Answer(Send("POST", "/prune", {}, R"({"keep_last":1,"storage":"Other"})", "r2"));
  EXPECT_EQ(answer["msg"], "success") << answer;
  EXPECT_EQ(answer["data"]["backups"], json::array());
}

TEST_F(BackupApiTest, MetricsTellWhenSchedulesSucceeded) {
  config_.server.state_dir = dir_.path() + "/state";
  config_.schedules = {{.name = "nightly", .cron = "@daily"},
                       {.name = "weekly", .cron = "@weekly"}};
  const auto page = [this] { return api_->Handle({.method = "GET", .path = "/metrics"}).body; };
  EXPECT_EQ(page().find("schedule="), std::string::npos);
  std::filesystem::create_directories(dir_.path() + "/state/schedules");
  std::ofstream(dir_.path() + "/state/schedules/nightly.json")
      << R"({"handled":1717000000,"last_success":1717000123})";
  std::ofstream(dir_.path() + "/state/schedules/weekly.json") << "{";
  StartServer();
  EXPECT_NE(page().find("\nmilvus_backup_schedule_last_success_timestamp_seconds"
                        "{schedule=\"nightly\"} 1717000123"),
            std::string::npos)
      << page();
  EXPECT_EQ(page().find("weekly"), std::string::npos);
}

TEST_F(BackupApiTest, Check) {
  const HttpReply reply = Send("GET", "/check");
  EXPECT_EQ(reply.status, 200) << reply.body;
  EXPECT_EQ(reply.content_type, "text/plain; charset=utf-8");
  EXPECT_NE(reply.body.find("Milvus version: v2.3.5-lite\n"), std::string::npos) << reply.body;
  EXPECT_TRUE(reply.body.ends_with("Success!\n")) << reply.body;
  milvus_.Stop();
  const HttpReply failed = Send("GET", "/check");
  EXPECT_EQ(failed.status, 500);
  EXPECT_NE(Parse(failed)["error"].get<std::string>().find("connecting to Milvus"),
            std::string::npos);
}

TEST(CheckTextTest, AVersionThatWasToldIsShownAsTold) {
  const backup::CheckReport report{.milvus_version = "2.3.5"};
  config::Config config;
  const backup::Site site{};
  EXPECT_NE(CheckText(report, config, site).find("Milvus version: 2.3.5\n"), std::string::npos);
  config.milvus.server_version = "2.3.5";
  EXPECT_NE(CheckText(report, config, site)
                .find("Milvus version: 2.3.5 (told by --milvus-version, not by Milvus)\n"),
            std::string::npos);
}

TEST(CheckTextTest, SaysOneThingAboutTheRootPath) {
  config::Config config;
  config.milvus_storage.root_path = "wrong";
  const backup::Site site{};
  const auto text = [&](const backup::CheckReport& report) {
    return CheckText(report, config, site);
  };
  const std::string empty = text({.milvus_root_is_empty = true});
  EXPECT_NE(empty.find("Nothing lies under wrong: either"), std::string::npos) << empty;
  const std::string found = text({.milvus_root_is_empty = true, .likely_milvus_root = "files"});
  EXPECT_NE(found.find("No rows lie under wrong, but under files: set minio.rootPath to that."),
            std::string::npos)
      << found;
  EXPECT_EQ(found.find("is empty"), std::string::npos) << found;
  const std::string top = text({.likely_milvus_root = ""});
  EXPECT_NE(top.find("but under the top of the bucket: set minio.rootPath to an empty text."),
            std::string::npos)
      << top;
  config.milvus_storage.root_path = "";
  EXPECT_NE(text({.milvus_root_is_empty = true}).find("Nothing lies under the top of the bucket:"),
            std::string::npos);
  EXPECT_NE(text({.likely_milvus_root = "files"})
                .find("No rows lie under the top of the bucket, but under files:"),
            std::string::npos);
}

}  // namespace
}  // namespace milvus_backup::service
