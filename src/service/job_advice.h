/// What is said of a job that has not succeeded about going on with it. Pure functions.
#pragma once

#include "milvus_backup/base/status.h"
#include "milvus_backup/service/job.h"

#include <string>

namespace milvus_backup::service {

/// `error` with the advice of the job, where it has one, behind it.
std::string WithAdviceOf(const JobRecord& job, const std::string& error);

/// Take the advice of the job away, out of its error too.
void DropAdvice(JobRecord& job);

/// Whether the same request fails again with this error until something else has changed, which the
/// error tells.
bool FailsAgain(const Status& status);

}  // namespace milvus_backup::service
