#include "milvus2x_sight.h"

#include "milvus_backup/base/bytes.h"
#include "milvus_backup/base/clock.h"
#include "milvus_backup/storage/backend.h"

#include <fmt/format.h>

namespace milvus_backup::migration {
namespace {

constexpr size_t kMaxNoteBytes = 4096;

}  // namespace

Status SourceSight::Forget(const CallContext& ctx) const {
  return run_.state.Delete(ctx, note_key_);
}

Status SourceSight::Check(const CallContext& ctx, const CollectionReader& source,
                          uint64_t before_flush, std::vector<std::string>& warnings) const {
  const auto known = storage::ReadAll(ctx, run_.state, note_key_, kMaxNoteBytes);
  if (known.ok()) return AsLost(*known);
  if (known.status().code() != Code::kNotFound) return known.status();
  const Status sees = AwaitSightOfStored(ctx, source_, before_flush, run_.rules);
  MB_RETURN_IF_ERROR(ctx.Check());
  if (!sees.ok()) {
    warnings.push_back(fmt::format(
        "collection '{}': whether the queries of the source see all that it has stored is "
        "not known; compare the number of rows: {}",
        title_, sees.ToString()));
  }
  MB_ASSIGN_OR_RETURN(const uint64_t after, source.Count(ctx));
  if (after <= before_flush) return Status::Ok();
  MB_ASSIGN_OR_RETURN(const bool is_written, IsWrittenTo(ctx, source, after));
  if (is_written) {
    warnings.push_back(fmt::format(
        "collection '{}': the source counts more rows than a moment ago: somebody writes to it, or "
        "its queries had lost rows from sight and may have lost deletes as well",
        title_));
    return Status::Ok();
  }
  const std::string what = fmt::format(
      "the source counts {} rows, and counted {} before they were flushed", after, before_flush);
  MB_RETURN_IF_ERROR(
      run_.state.Put(ctx, note_key_, AsBytes(what), {}).status().Annotate("keeping a note"));
  return AsLost(what);
}

Result<bool> SourceSight::IsWrittenTo(const CallContext& ctx, const CollectionReader& source,
                                      uint64_t counted) const {
  const auto stored = run_.source.CountStoredRows(ctx, source_.db, source_.name);
  if (!Clock::Real().SleepFor(run_.rules.quiet_time, ctx.stop)) return CancelledError();
  MB_ASSIGN_OR_RETURN(const uint64_t again, source.Count(ctx));
  if (again != counted) return true;
  // Those who write in batches may take longer than that from one to the next.
  const Status flushed = FlushSource(ctx, run_.source, source_.db, {source_.name}, run_.rules);
  MB_RETURN_IF_ERROR(ctx.Check());
  const auto later = run_.source.CountStoredRows(ctx, source_.db, source_.name);
  MB_RETURN_IF_ERROR(ctx.Check());
  // For all that can be told.
  return !flushed.ok() || !stored.ok() || !later.ok() || *later != *stored;
}

Status SourceSight::AsLost(const std::string& what) const {
  return FailedPreconditionError(
             what +
             ": its queries had lost rows from sight, and may have lost deletes until it is "
             "loaded again")
      .WithOrigin(Origin::kMilvus)
      .WithAdvice(fmt::format(
          "release {0} in the source and run the command with --load-source, or use --via-storage, "
          "which reads what is stored; when it was loaded again since, remove {1}/{2}",
          title_, run_.options.state_dir, note_key_));
}

}  // namespace milvus_backup::migration
