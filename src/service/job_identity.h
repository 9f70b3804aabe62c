/// Which job is which: what makes two of them the same, and who may use an id again. Pure
/// functions.
#pragma once

#include "milvus_backup/base/status.h"
#include "milvus_backup/service/job.h"
#include "milvus_backup/service/job_runner.h"

#include <string>
#include <tuple>

namespace milvus_backup::service {

/// Kind, subject and request: equal for jobs that do the same. Nothing tells that of those without
/// a digest of their request.
using JobEssence = std::tuple<std::string, std::string, std::string>;
JobEssence EssenceOf(const JobSummary& job);

JobSummary SummaryOf(const JobRecord& record);

/// kAlreadyExists unless `request` may have the id of the job that is known by it: what becomes of
/// that one must not be lost for something else.
Status CheckIdIsFree(const JobSummary& known, const JobRequest& request);

}  // namespace milvus_backup::service
