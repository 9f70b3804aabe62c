#include "faiss_job.h"

#include "dump_layout.h"
#include "faiss_rows.h"
#include "load_traces.h"
#include "row_dump.h"

#include "milvus_backup/base/log.h"
#include "milvus_backup/base/memory_budget.h"
#include "milvus_backup/storage/tree.h"

#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <utility>

namespace milvus_backup::migration {
namespace {

/// A load has begun with another dump of this collection.
Status CheckNotLoading(const CallContext& ctx, const RowDumpRun& run, const RowSource& source) {
  MB_ASSIGN_OR_RETURN(const auto earlier, FindRowDump(ctx, run, "", source.mark()));
  if (earlier) return Status::Ok();
  return FailedPreconditionError("another dump in this place is being loaded")
      .WithAdvice("finish that with load, or remove " + run.target.prefix + " at the target");
}

/// See DumpReport::was_loaded; records that mean nothing any more are removed, unless it is a dry
/// run.
Status LookForLoads(const CallContext& ctx, const RowDumpRun& run, const RowSource& source,
                    const DumpRules& rules, DumpReport& report) {
  const auto forget = [&] {
    if (rules.dry_run) return Status::Ok();
    return storage::DeleteTree(ctx, *run.target.backend, run.target.prefix + kLoadDir).status();
  };
  MB_ASSIGN_OR_RETURN(const LoadTraces traces, FindLoadTraces(ctx, run.target, FaissNeeded()));
  if (traces.is_loading) return CheckNotLoading(ctx, run, source);
  if (!traces.was_loaded) return Status::Ok();
  if (!traces.dump_text.empty()) {
    MB_ASSIGN_OR_RETURN(const DumpRecord loaded,
                        DecodeDumpRecord(traces.dump_text, "the record of what was loaded"));
    if (loaded.source != source.mark()) return forget();
  }
  if (rules.then_load) {
    if (traces.is_unclear) return UnclearTraces(run.target);
    report.was_loaded = true;
    return rules.dry_run ? Status::Ok() : RemoveLoaded(ctx, run.target);
  }
  report.warnings.push_back(LoadedBefore(run.target));
  return forget();
}

}  // namespace

Store FaissStore(const Store& target, const FaissSource& faiss) {
  Store store = target;
  store.prefix += faiss.collection + "/";
  return store;
}

std::vector<std::string> FaissNeeded() { return {RecordKey(""), kIdsName}; }

Table FaissTable(const FaissSource& faiss) {
  return {.id = faiss.collection, .metric = faiss.metric, .dim = faiss.dim};
}

Status CheckSelected(const FaissSource& faiss, const std::vector<std::string>& collections) {
  for (const std::string& name : collections) {
    if (name == faiss.collection) continue;
    return InvalidArgumentError("no required collection exist, col=" + name)
        .WithAdvice("the only one is target.create.collection.name: " + faiss.collection);
  }
  return Status::Ok();
}

Result<DumpReport> DumpFaiss(const CallContext& ctx, const FaissSource& faiss, const Store& source,
                             const Store& target, const DumpRules& rules) {
  if (rules.skip_bad_rows) {
    return InvalidArgumentError("rows of a Faiss file cannot be left out: they have no other copy")
        .WithAdvice("run without --skip-bad-rows");
  }
  const auto started = std::chrono::steady_clock::now();
  const Table table = FaissTable(faiss);
  const Store own = FaissStore(target, faiss);
  const std::string key = source.prefix + faiss.file;
  MB_ASSIGN_OR_RETURN(FileBytes file, source.local_root.empty()
                                          ? OpenStoredBytes(ctx, source, key)
                                          : OpenLocalBytes(source.local_root + "/" + key,
                                                           "source.local.faissFile"));
  const std::string name = file.name;
  MB_ASSIGN_OR_RETURN(const auto rows, OpenFaissRows(ctx, std::move(file), table));
  DumpReport report{.segments = 1};
  report.tables.push_back(
      {.collection = faiss.collection,
       .partition = "_default",
       .segments = 1,
       .rows = rows->rows(),
       .bytes =
           rows->rows() == 0 ? 0 : VectorsBytes(table, rows->rows()) + IdsBytes(rows->rows())});
  MemoryBudget budget(rules.buffer_bytes);
  const RowDumpRun run{
      .target = own, .table = table, .piece_bytes = rules.piece_bytes, .budget = budget};
  MB_RETURN_IF_ERROR(LookForLoads(ctx, run, *rows, rules, report));
  if (report.was_loaded) return report;
  if (!rules.dry_run) {
    MB_RETURN_IF_ERROR(rules.CheckBeforeWriting(ctx));
    rules.NotePlanned(report.segments);
    log::Event(log::Level::kInfo, "Begin to dump faiss file to numpy",
               {{"Source", name}, {"Target", own.prefix}});
    MB_ASSIGN_OR_RETURN(const RowDump dumped, DumpRows(ctx, run, "", *rows));
    report.kept_segments = dumped.kept ? 1 : 0;
    rules.NoteSegmentDone();
  }
  report.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  return report;
}

}  // namespace milvus_backup::migration
