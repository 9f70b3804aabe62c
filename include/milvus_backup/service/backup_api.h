/// The HTTP API of `milvus-backup server`: that of the reference tool under `/api/v1`, and
/// `prune`, `copy`, `verify`, a list of tasks, their cancellation and metrics, which are ours.
/// docs/server.md describes it.
#pragma once

#include "milvus_backup/base/clock.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/config/config.h"
#include "milvus_backup/service/http.h"
#include "milvus_backup/service/job_runner.h"

namespace milvus_backup::service {

/// Calls the same functions as the commands do. Thread-safe.
class BackupApi {
 public:
  /// All must outlive the API. `ctx` is that of requests which are answered at once; tasks have
  /// that of their job.
  BackupApi(const CallContext& ctx, const config::Config& config, JobRunner& jobs,
            Clock& clock = Clock::Real());

  HttpReply Handle(const HttpRequest& request);

 private:
  HttpReply Hello(const HttpRequest& request);
  HttpReply Check(const HttpRequest& request);
  HttpReply Create(const HttpRequest& request);
  HttpReply List(const HttpRequest& request);
  HttpReply GetBackup(const HttpRequest& request);
  HttpReply Delete(const HttpRequest& request);
  HttpReply Restore(const HttpRequest& request);
  HttpReply RestoreSecondary(const HttpRequest& request);
  HttpReply GetRestore(const HttpRequest& request);
  HttpReply Prune(const HttpRequest& request);
  HttpReply Copy(const HttpRequest& request);
  HttpReply Verify(const HttpRequest& request);
  HttpReply ListTasks(const HttpRequest& request);
  HttpReply Cancel(const HttpRequest& request);
  HttpReply OpenApi(const HttpRequest& request);
  HttpReply Metrics();

  const CallContext ctx_;
  const config::Config& config_;
  JobRunner& jobs_;
  Clock& clock_;
};

}  // namespace milvus_backup::service
