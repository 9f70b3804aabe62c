#include "copy_objects.h"

#include "etag_check.h"

#include "milvus_backup/transfer/etag.h"

#include <fmt/format.h>

#include <string>
#include <utility>

namespace milvus_backup::backup {
namespace {

using transfer::Existing;

/// Objects whose uploads are announced together.
constexpr size_t kTogether = 256;

}  // namespace

ObjectCopies::ObjectCopies(CopyJob& job, CopyMarker& marker, bool replaces)
    : job_(job),
      marker_(marker),
      replaces_(replaces),
      absent_(job.engine, *job.source.backend, *job.destination.backend, job.ctx.stop,
              Existing::kOverwrite, &marker),
      present_(job.engine, *job.source.backend, *job.destination.backend, job.ctx.stop,
               replaces ? Existing::kKeepIfEqual : Existing::kKeepOrRefuse, &marker) {}

Status ObjectCopies::Take(const KeyPair& pair, const meta::ContentHash* known) {
  if (job_.rules.dry_run) {
    Count(pair);
    return Status::Ok();
  }
  if (pair.destination == nullptr) return Queue(pair, false, known);
  if (pair.source->size != pair.destination->size) {
    if (replaces_) return Queue(pair, false, known);
    failed_ = true;
    job_.AddFailure(pair.source->key, AlreadyExistsError(fmt::format(
                                          "it has {} bytes, an object of {} bytes is there",
                                          pair.source->size, pair.destination->size)));
    return Status::Ok();
  }
  // With a manifest its word counts, and not that both sides are the same.
  const bool proves =
      known == nullptr || (known->md5 && Md5InEtag(pair.source->etag) == known->md5);
  if (proves && transfer::EtagsProveEqual(pair.source->etag, pair.destination->etag)) {
    ++job_.report.kept_objects;
    return Status::Ok();
  }
  return Queue(pair, true, known);
}

bool ObjectCopies::names_all_failures() const {
  const CopyReport& report = job_.report;
  return !failed_ || (!gave_up_ && report.failure_count == report.failures.size());
}

void ObjectCopies::Count(const KeyPair& pair) {
  CopyReport& report = job_.report;
  if (pair.destination != nullptr && pair.source->size == pair.destination->size) {
    const bool equal = transfer::EtagsProveEqual(pair.source->etag, pair.destination->etag);
    ++(equal ? report.kept_objects : report.undecided_objects);
    return;
  }
  if (pair.destination != nullptr && !replaces_) {
    failed_ = true;
    job_.AddFailure(pair.source->key, AlreadyExistsError("an object of another size is there"));
    return;
  }
  ++report.objects;
  report.bytes += pair.source->size;
}

Status ObjectCopies::Queue(const KeyPair& pair, bool compares, const meta::ContentHash* known) {
  waiting_.push_back({{.source_key = pair.source->key,
                       .destination_key = job_.destination.dir + std::string(pair.key),
                       .size = pair.source->size,
                       .etag = pair.source->etag},
                      compares});
  if (known != nullptr) {
    waiting_.back().item.crc32c = known->crc32c;
    waiting_.back().item.md5 = known->md5;
  }
  return waiting_.size() < kTogether ? Status::Ok() : Flush();
}

Status ObjectCopies::Flush() {
  std::vector<Waiting> waiting = std::exchange(waiting_, {});
  std::vector<std::string> in_parts;
  for (const Waiting& one : waiting) {
    const transfer::CopyBatch& batch = one.compares ? present_ : absent_;
    if (batch.GoesInParts(one.item)) in_parts.push_back(one.item.destination_key);
  }
  MB_RETURN_IF_ERROR(marker_.Announce(job_.ctx, in_parts));
  for (Waiting& one : waiting) {
    transfer::CopyBatch& batch = one.compares ? present_ : absent_;
    if (batch.Add(std::move(one.item)).ok()) continue;
    ended_early_ = true;
    const Status why = Finish();
    return why.ok() ? CancelledError() : why;
  }
  return Status::Ok();
}

Status ObjectCopies::Finish() {
  if (!ended_early_ && !waiting_.empty()) MB_RETURN_IF_ERROR(Flush());
  const Status absent = Collect(absent_.Wait());
  const Status present = Collect(present_.Wait());
  MB_RETURN_IF_ERROR(job_.ctx.Check());
  return absent.ok() ? present : absent;
}

Status ObjectCopies::Collect(const transfer::CopySummary& summary) {
  CopyReport& report = job_.report;
  report.objects += summary.objects;
  report.bytes += summary.bytes;
  report.reused_bytes += summary.reused_bytes;
  report.kept_objects += summary.kept_objects;
  report.server_side_objects += summary.server_side_objects;
  report.second_reads += summary.second_reads;
  report.failure_count += summary.failure_count - summary.failures.size();
  gave_up_ = gave_up_ || summary.given_up;
  bool ends = ended_early_ && !summary.failures.empty();
  for (const transfer::CopyFailure& failure : summary.failures) {
    failed_ = true;
    ends = ends || (summary.given_up && EndsTheCopy(failure.status));
    if (failure.status.code() != Code::kCancelled) {
      job_.AddFailure(failure.source_key, failure.status);
    }
  }
  return ends ? summary.ToStatus() : Status::Ok();
}

}  // namespace milvus_backup::backup
