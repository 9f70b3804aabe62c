#include "job_identity.h"

#include <fmt/format.h>

namespace milvus_backup::service {

JobEssence EssenceOf(const JobSummary& job) { return {job.kind, job.subject, job.request}; }

JobSummary SummaryOf(const JobRecord& record) {
  return {.id = record.id,
          .kind = record.kind,
          .subject = record.subject,
          .request = record.request,
          .state = record.state,
          .created = record.created,
          .started = record.started,
          .ended = record.ended};
}

Status CheckIdIsFree(const JobSummary& known, const JobRequest& request) {
  if (!IsFinal(known.state)) {
    return AlreadyExistsError(
        fmt::format("a task of the id {} is {}", known.id, NameOf(known.state)));
  }
  const bool asks_the_same =
      known.request.empty() || request.request.empty() || known.request == request.request;
  const bool is_taken_up = known.state != JobState::kSucceeded && known.kind == request.kind &&
                           known.subject == request.subject && asks_the_same;
  if (is_taken_up || request.replaces_ended) return Status::Ok();
  const std::string what = known.subject.empty() ? known.kind : known.kind + " " + known.subject;
  return AlreadyExistsError(
             fmt::format("task {} has ended already ({}: {})", known.id, what, NameOf(known.state)))
      .WithAdvice("send the request with another id");
}

}  // namespace milvus_backup::service
