// Copies and checks of backups over HTTP.
#include "backup_api_fixture.h"

#include "milvus_backup/milvus/client.h"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace milvus_backup::service {
namespace {

using nlohmann::json;

class CopyApiTest : public BackupApiFixture {
 protected:
  CopyApiTest() {
    config::StorageSettings other = config_.backup_storage;
    other.root_path = dir_.path() + "/other";
    config_.storages["other"] = other;
    Create(R"({"backup_name":"demo"})");
  }
  json Post(const std::string& path, const std::string& body, const std::string& id = "r2") {
    return Answer(Send("POST", path, {}, body, id));
  }
  /// The same without what differs from run to run.
  json Copy(const std::string& body, const std::string& id = "r2") {
    json answer = Post("/copy", body, id);
    if (answer["data"].is_object()) answer["data"].erase("seconds");
    return answer;
  }
  json Task(const std::string& id) {
    const json tasks = Get("/tasks");
    for (const json& task : tasks["data"]) {
      if (task["id"] == id) return task;
    }
    return nullptr;
  }
  std::vector<std::string> Collections() const {
    const auto client = milvus::Connect({}, milvus_.client_options());
    EXPECT_OK(client);
    if (!client.ok()) return {};
    const auto names = (*client)->ListCollections({}, "default");
    EXPECT_OK(names);
    return names.ok() ? *names : std::vector<std::string>();
  }
  std::set<std::string> FilesBelow(const std::string& storage) const {
    std::set<std::string> files;
    const std::string root = dir_.path() + "/" + storage;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
      if (entry.is_regular_file()) files.insert(entry.path().lexically_relative(root).string());
    }
    return files;
  }
  std::string FileOf(const std::string& storage, const std::string& name) const {
    return dir_.path() + "/" + storage + "/" + name;
  }
};

TEST_F(CopyApiTest, ACopyAnswersWithWhatItDid) {
  const json planned = Copy(R"({"backup_name":"demo","to":"other","dry_run":true})", "r1b");
  EXPECT_EQ(planned["data"]["dry_run"], true);
  EXPECT_EQ(Task("r1b")["kind"], "copy_dry_run");
  EXPECT_EQ(Task("r1b")["items"][0]["name"], "would be copied demo");
  EXPECT_EQ(planned["data"]["backups"], json::parse(R"([{"name":"demo","outcome":"copied"}])"));
  EXPECT_FALSE(std::filesystem::exists(FileOf("other", "demo")));
  const json copied = Copy(R"({"backup_name":"demo","to":"other"})");
  EXPECT_EQ(copied["msg"], "success") << copied;
  EXPECT_EQ(copied["requestId"], "r2");
  const json& data = copied["data"];
  EXPECT_EQ(data["status"], "ok");
  EXPECT_EQ(data["backups"], json::parse(R"([{"name":"demo","outcome":"copied"}])"));
  EXPECT_GT(data["objects"], 0);
  EXPECT_EQ(data["objects"], planned["data"]["objects"]);
  EXPECT_FALSE(data.contains("left_out"));
  EXPECT_TRUE(std::filesystem::exists(FileOf("other", "demo/meta/backup_meta.json")));
  const json task = Task("r2");
  EXPECT_EQ(task["kind"], "copy");
  EXPECT_EQ(task["subject"], "demo");
  EXPECT_EQ(task["state"], "succeeded");
  EXPECT_EQ(task["items"][0]["name"], "copied demo");
  // The same once more finds it there.
  const json again = Copy(R"({"backup_name":"demo","to":"other"})", "r3");
  EXPECT_EQ(again["data"]["backups"][0]["outcome"], "already there");
  const json named = Copy(R"({"backup_name":"demo","from":"other","as":"demo2"})", "r4");
  EXPECT_EQ(named["data"]["backups"][0]["name"], "demo2");
  EXPECT_EQ(Get("/list")["data"].size(), 2U);
  const json all = Copy(R"({"all":true,"to":"other","include":["demo2"]})", "r5");
  EXPECT_EQ(all["data"]["left_out"], json::array());
  EXPECT_EQ(all["data"]["backups"], json::parse(R"([{"name":"demo2","outcome":"copied"}])"));
}

TEST_F(CopyApiTest, AsyncCopiesAreToldByTheirTasks) {
  {
    const Occupied occupied(*jobs_, {.id = "busy", .kind = "x"});
    EXPECT_EQ(Copy(R"({"backup_name":"demo","to":"other","async":true})"),
              json::parse(R"({"requestId":"r2","msg":"copy is executing asynchronously",
                              "data":null})"));
    EXPECT_EQ(Post("/verify", R"({"backup_name":"demo","async":true})", "r3"),
              json::parse(R"({"requestId":"r3","msg":"verify is executing asynchronously",
                              "data":null})"));
    EXPECT_EQ(Task("r2")["state"], "queued");
    // One that was cancelled can be sent again.
    EXPECT_EQ(Answer(Send("POST", "/cancel", {{"id", "r2"}}))["data"]["error"],
              "cancelled before it began; the same request goes on with it");
  }
  ASSERT_OK(jobs_->Wait("r3"));
  EXPECT_EQ(Task("r3")["state"], "succeeded");
  EXPECT_EQ(Task("r3")["parts_done"], 1);
  EXPECT_EQ(Copy(R"({"backup_name":"demo","to":"other"})")["msg"], "success");
  EXPECT_EQ(Task("r2")["state"], "succeeded");
}

TEST_F(CopyApiTest, WhatIsInTheWayIsAFailure) {
  Copy(R"({"backup_name":"demo","to":"other"})");
  std::ofstream(FileOf("other", "demo/meta/backup_meta.json")) << R"({"id":"x","name":"demo"})";
  const json refused = Copy(R"({"backup_name":"demo","to":"other"})", "r3");
  EXPECT_EQ(refused["code"], 3);
  EXPECT_TRUE(refused["msg"].get<std::string>().starts_with("copy: ")) << refused;
  EXPECT_EQ(Task("r3")["state"], "failed");
  EXPECT_EQ(Copy(R"({"backup_name":"demo","to":"other","overwrite":true})", "r4")["msg"],
            "success");
  EXPECT_EQ(Copy(R"({"backup_name":"demo","to":"backup"})", "r5")["code"], 400);  // one place
  EXPECT_EQ(Task("r5"), nullptr);
  EXPECT_EQ(Copy(R"({"backup_name":"none","to":"other"})", "r6")["code"], 3);
}

// The task is told by the object and its error, not by the backup that lacks it.
TEST_F(CopyApiTest, AnObjectThatFailsIsNamed) {
  std::filesystem::create_directories(FileOf("other", "demo/meta/collection_meta.json/x"));
  const json failed = Copy(R"({"backup_name":"demo","to":"other"})");
  EXPECT_EQ(failed["code"], 3);
  const std::string message = failed["msg"];
  EXPECT_NE(message.find("1 objects were not copied, among them"), std::string::npos) << message;
  EXPECT_NE(message.find("collection_meta.json"), std::string::npos) << message;
  const json task = Task("r2");
  EXPECT_EQ(task["items"][0]["name"], "failed demo");
  ASSERT_GE(task["warnings"].size(), 2U);
  EXPECT_NE(task["warnings"][0].get<std::string>().find("collection_meta.json"), std::string::npos);
  EXPECT_TRUE(task["warnings"][1].get<std::string>().starts_with("demo: ")) << task;
  std::filesystem::remove_all(FileOf("other", "demo/meta/collection_meta.json"));
  EXPECT_EQ(Copy(R"({"backup_name":"demo","to":"other"})")["msg"], "success");
}

TEST_F(CopyApiTest, TasksTellPlacesAndKeepRequestsApart) {
  EXPECT_EQ(Copy(R"({"backup_name":"none","to":"other","as":"copy"})")["code"], 3);
  const json task = Task("r2");
  EXPECT_EQ(task["from"], "backup");
  EXPECT_EQ(task["to"], "other");
  EXPECT_EQ(task["as"], "copy");
  const json refused = Copy(R"({"backup_name":"none","from":"other"})");
  EXPECT_NE(refused["msg"].get<std::string>().find("task r2 has ended already"), std::string::npos)
      << refused;
  EXPECT_EQ(Post("/verify", R"({"backup_name":"none","from":"other"})", "r3")["code"], 3);
  EXPECT_EQ(Task("r3")["from"], "other");
}

TEST_F(CopyApiTest, AnErrorNamesTheFirstOfManyBackups) {
  for (int i = 0; i < 12; ++i) {
    const std::string name = "copy" + std::to_string(i);
    Copy(R"({"backup_name":"demo","to":"other","as":")" + name + R"("})", name);
    std::filesystem::remove(FileOf("other", name + "/meta/full_meta.json"));
  }
  const json answer = Post("/verify", R"({"all":true,"from":"other"})");
  EXPECT_EQ(answer["data"]["backups"].size(), 12U);
  const std::string message = answer["msg"];
  EXPECT_TRUE(message.ends_with("; and 2 more")) << message;
  // Nobody waits for the answer of this one: its problems are told by the task alone.
  Post("/verify", R"({"all":true,"from":"other","async":true})", "r3");
  ASSERT_OK(jobs_->Wait("r3"));
  EXPECT_EQ("verify: " + Task("r3")["error"].get<std::string>(), message);
  EXPECT_EQ(Task("r3")["warnings"], Task("r2")["warnings"]);
}

/// Wait until a task is in the middle of its work.
void Await(const std::function<bool()>& has_begun) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!has_begun()) {
    ASSERT_LT(std::chrono::steady_clock::now(), end) << "it does not begin";
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

TEST_F(CopyApiTest, ARunningCopyIsEndedAndGoneOnWith) {
  config_.cross_storage = true;  // bytes pass through this process, where they are limited
  StartServer();
  const std::string slow = R"({"backup_name":"demo","to":"other","bwlimit":"1","async":true})";
  for (const std::string end : {"cancelled", "interrupted"}) {
    Copy(slow);
    Await([&] {
      return Task("r2")["state"] == "running" && std::filesystem::exists(FileOf("other", "demo"));
    });
    if (end == "cancelled") {
      EXPECT_EQ(Answer(Send("POST", "/cancel", {{"id", "r2"}}))["msg"], "success");
      ASSERT_OK(jobs_->Wait("r2"));
    } else {
      jobs_->Stop();
      StartServer();
    }
    EXPECT_EQ(Task("r2")["state"], end);
    EXPECT_FALSE(std::filesystem::exists(FileOf("other", "demo/meta/backup_meta.json")));
  }
  // The limit is not a part of what was asked for.
  const json whole = Copy(R"({"backup_name":"demo","to":"other"})");
  EXPECT_EQ(whole["msg"], "success") << whole;
  EXPECT_EQ(Post("/verify", R"({"backup_name":"demo","from":"other","deep":true})", "r3")["msg"],
            "success");
  EXPECT_EQ(FilesBelow("other"), FilesBelow("backup"));
}

TEST_F(CopyApiTest, ARunningVerifyIsEndedAndDoneAgain) {
  const std::string test = R"({"backup_name":"demo","restore_test":true,"async":true})";
  for (const std::string end : {"cancelled", "interrupted"}) {
    const size_t asked = milvus_.count("Query");
    milvus_.Plan("Query", {.delay = std::chrono::minutes(10)});
    Post("/verify", test);
    Await([&] { return milvus_.count("Query") > asked; });
    if (end == "cancelled") {
      EXPECT_EQ(Answer(Send("POST", "/cancel", {{"id", "r2"}}))["msg"], "success");
      ASSERT_OK(jobs_->Wait("r2"));
    } else {
      jobs_->Stop();
      StartServer();
    }
    EXPECT_EQ(Task("r2")["state"], end);
    EXPECT_EQ(Collections(), std::vector<std::string>{"hello"});
  }
  const json whole = Post("/verify", R"({"backup_name":"demo","restore_test":true})");
  EXPECT_EQ(whole["msg"], "success") << whole;
  EXPECT_EQ(Collections(), std::vector<std::string>{"hello"});
}

TEST_F(CopyApiTest, VerifyFindsDamage) {
  const json whole = Post("/verify", R"({"backup_name":"demo","deep":true})");
  EXPECT_EQ(whole["msg"], "success") << whole;
  EXPECT_EQ(whole["data"]["status"], "ok");
  EXPECT_EQ(whole["data"]["backups"][0]["name"], "demo");
  EXPECT_EQ(whole["data"]["backups"][0]["problems"], json::array());
  EXPECT_EQ(Task("r2")["items"][0]["name"], "demo");
  EXPECT_EQ(Task("r2")["items"][0]["state"], "succeeded");

  Copy(R"({"backup_name":"demo","to":"other"})", "r3");
  std::filesystem::remove(FileOf("other", "demo/meta/full_meta.json"));
  const json damaged = Post("/verify", R"({"backup_name":"demo","from":"other"})", "r4");
  EXPECT_EQ(damaged["code"], 3);
  EXPECT_EQ(damaged["data"]["status"], "damaged");
  const json& backup = damaged["data"]["backups"][0];
  EXPECT_EQ(backup["problem_count"], backup["problems"].size());
  EXPECT_GT(backup["problems"].size(), 0U);
  const std::string message = damaged["msg"];
  EXPECT_NE(message.find("verify: backup demo is damaged"), std::string::npos) << message;
  EXPECT_NE(message.find("full_meta.json"), std::string::npos) << message;
  const json task = Task("r4");
  EXPECT_EQ(task["state"], "failed");
  EXPECT_EQ(task["items"][0]["state"], "failed");
  EXPECT_EQ(task["warnings"].size(), backup["problems"].size());

  // With all of them the sound ones are told too.
  Copy(R"({"backup_name":"demo","to":"other","as":"sound"})", "r5");
  const json all = Post("/verify", R"({"all":true,"from":"other"})", "r6");
  EXPECT_EQ(all["data"]["status"], "damaged");
  ASSERT_EQ(all["data"]["backups"].size(), 2U);
  EXPECT_EQ(all["data"]["backups"][1]["name"], "sound");
  EXPECT_EQ(all["data"]["backups"][1]["status"], "ok");
  EXPECT_EQ(Task("r6")["parts"], 2);
  const json none = Post("/verify", R"({"backup_name":"none"})", "r7");
  EXPECT_EQ(none["code"], 3);
  EXPECT_EQ(none["data"], nullptr);
}

TEST_F(CopyApiTest, WhatIsNotUnderstoodIsRefused) {
  for (const char* path : {"/copy", "/verify"}) {
    const json unknown = Post(path, R"({"backup_name":"demo","to_config":"x"})");
    EXPECT_EQ(unknown["code"], 400) << path;
    EXPECT_NE(unknown["msg"].get<std::string>().find("'to_config'"), std::string::npos);
    const HttpReply typed = Send("POST", path, {}, R"({"backup_name":7})");
    EXPECT_EQ(typed.status, 400);
    EXPECT_EQ(Parse(typed)["error"], "invalid request body: backup_name is not a string");
    EXPECT_EQ(Send("POST", path, {}, "[").status, 400);
  }
  EXPECT_EQ(jobs_->List().size(), 1U);
}

}  // namespace
}  // namespace milvus_backup::service
