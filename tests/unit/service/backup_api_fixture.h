/// The API of `milvus-backup server` over a fake Milvus and directories of the test's own.
#pragma once

#include "support/fake_milvus.h"
#include "support/latch.h"
#include "support/status_matchers.h"
#include "support/temp_dir.h"

#include "milvus_backup/service/backup_api.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

namespace milvus_backup::service {

/// Takes the only place of a runner until it is destroyed.
class Occupied {
 public:
  Occupied(JobRunner& jobs, const JobRequest& request) : jobs_(jobs), id_(request.id) {
    const auto job = jobs.Submit(request, [this](JobContext& context) {
      context.progress().bytes_planned = 100;
      context.progress().bytes_done = 37;
      context.SetItem("db2.c2", JobState::kRunning);
      running_.Open();
      may_end_.Wait();
      return Status::Ok();
    });
    EXPECT_OK(job);
    running_.Wait();
  }
  Occupied(const Occupied&) = delete;
  Occupied& operator=(const Occupied&) = delete;
  ~Occupied() {
    may_end_.Open();
    EXPECT_OK(jobs_.Wait(id_));
  }

 private:
  JobRunner& jobs_;
  const std::string id_;
  testing::Latch running_;
  testing::Latch may_end_;
};

class BackupApiFixture : public ::testing::Test {
 protected:
  BackupApiFixture() {
    clock_.Advance(std::chrono::seconds(1'717'000'000) - clock_.WallNow().time_since_epoch());
    config_.milvus = milvus_.client_options();
    for (config::StorageSettings* storage : {&config_.milvus_storage, &config_.backup_storage}) {
      storage->kind = config::StorageKind::kLocal;
      storage->provider = "local";
      storage->bucket = "";
    }
    config_.milvus_storage.root_path = dir_.path() + "/data";
    config_.backup_storage.root_path = dir_.path() + "/backup";
    config_.gc_pause.enable = false;
    testing::FakeCollection hello;
    hello.info.schema.name = "hello";
    hello.info.schema.fields = {
        {.field_id = 100, .name = "id", .is_primary_key = true, .data_type = 5},
        {.field_id = 101, .name = "v", .data_type = 101, .type_params = {{"dim", "4"}}}};
    hello.info.shards_num = 1;
    hello_id_ = milvus_.Add("default", hello);
    StartServer();
  }

  /// A server with the records of the one before.
  void StartServer() {
    jobs_.reset();
    auto jobs = JobRunner::Create(
        {.directory = dir_.path() + "/state", .max_running = 1, .clock = &clock_});
    ASSERT_OK(jobs);
    jobs_ = *std::move(jobs);
    api_ = std::make_unique<BackupApi>(CallContext{}, config_, *jobs_, clock_);
  }

  HttpReply Send(const std::string& method, const std::string& path,
                 std::map<std::string, std::string> query = {}, const std::string& body = "",
                 const std::string& request_id = "r1") {
    return api_->Handle({.method = method,
                         .path = "/api/v1" + path,
                         .query = std::move(query),
                         .headers = {{"request_id", request_id}},
                         .body = body});
  }
  static nlohmann::json Parse(const HttpReply& reply) {
    EXPECT_EQ(reply.content_type, "application/json; charset=utf-8");
    return nlohmann::json::parse(reply.body, nullptr, false);
  }
  /// An answer of HTTP status 200.
  static nlohmann::json Answer(const HttpReply& reply) {
    EXPECT_EQ(reply.status, 200) << reply.body;
    return Parse(reply);
  }
  nlohmann::json Get(const std::string& path, std::map<std::string, std::string> query = {}) {
    return Answer(Send("GET", path, std::move(query)));
  }
  nlohmann::json Create(const std::string& body, const std::string& request_id = "r1") {
    return Answer(Send("POST", "/create", {}, body, request_id));
  }
  nlohmann::json Restore(const std::string& body) {
    return Answer(Send("POST", "/restore", {}, body));
  }

  /// What get_backup says of a backup of `hello` that the task `id` made.
  nlohmann::json HelloBrief(const std::string& id, int64_t meta_size) const {
    nlohmann::json brief =
        nlohmann::json::parse(R"({"state_code":2,"start_time":1717000000,"end_time":1717000000,
      "progress":100,"name":"demo","size":0,"milvus_version":"v2.3.5-lite",
      "collection_backups":[{"db_name":"default","collection_name":"hello","shards_num":1,
        "schema":{"name":"hello","fields":[
          {"fieldID":100,"name":"id","is_primary_key":true,"data_type":5},
          {"fieldID":101,"name":"v","data_type":101,"type_params":[{"key":"dim","value":"4"}]}]},
        "size":0,"has_index":false,"load_state":"NotLoad",
        "backup_physical_timestamp":1700000000}],
      "database_backups":[{"db_name":"default"}]})");
    brief["id"] = id;
    brief["meta_size"] = meta_size;
    brief["collection_backups"][0]["id"] = id;
    brief["collection_backups"][0]["collection_id"] = hello_id_;
    return brief;
  }

  testing::TempDir dir_;
  testing::FakeMilvus milvus_;
  FakeClock clock_;
  config::Config config_;
  int64_t hello_id_ = 0;
  std::unique_ptr<JobRunner> jobs_;
  std::unique_ptr<BackupApi> api_;
};

}  // namespace milvus_backup::service
