#include "job_advice.h"

namespace milvus_backup::service {
namespace {

std::string EndOf(const JobRecord& job) { return job.advice.empty() ? "" : "; " + job.advice; }

}  // namespace

std::string WithAdviceOf(const JobRecord& job, const std::string& error) {
  return error + EndOf(job);
}

void DropAdvice(JobRecord& job) {
  const std::string end = EndOf(job);
  if (job.error.ends_with(end)) job.error.resize(job.error.size() - end.size());
  job.advice.clear();
}

bool FailsAgain(const Status& status) {
  switch (status.code()) {
    case Code::kInvalidArgument:
    case Code::kUnimplemented:
      return true;
    case Code::kNotFound:
    case Code::kAlreadyExists:
      // Else an object has gone, or come, meanwhile.
      return status.origin() == Origin::kSelf;
    default:
      return false;
  }
}

}  // namespace milvus_backup::service
