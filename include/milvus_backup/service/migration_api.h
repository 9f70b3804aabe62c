/// The HTTP API of `milvus-migration server`: that of the reference tool under `/api/v1`, and a
/// list of jobs and their cancellation, which are ours. docs/server.md describes it.
#pragma once

#include "milvus_backup/config/config.h"
#include "milvus_backup/service/http.h"
#include "milvus_backup/service/job_runner.h"

#include <functional>
#include <string>
#include <string_view>

namespace milvus_backup::service {

struct MigrationPlan;
class Body;

/// Calls the same functions as the commands do. Thread-safe.
class MigrationApi {
 public:
  /// `config` says where the configuration is; `jobs` must outlive the API.
  MigrationApi(config::LoadOptions config, JobRunner& jobs);

  HttpReply Handle(const HttpRequest& request);

 private:
  using Planner = std::function<Result<MigrationPlan>(const Body& body)>;

  HttpReply Healthy(const HttpRequest& request);
  HttpReply Dump(const HttpRequest& request);
  HttpReply Load(const HttpRequest& request);
  HttpReply Start(const HttpRequest& request);
  HttpReply GetJob(const HttpRequest& request);
  HttpReply ListJobs(const HttpRequest& request);
  HttpReply Cancel(const HttpRequest& request);
  /// Answer a request that starts a job of this kind.
  HttpReply Submit(const HttpRequest& request, std::string_view kind, const Planner& plan);

  const config::LoadOptions config_;
  JobRunner& jobs_;
};

}  // namespace milvus_backup::service
