#include "dm_fill.h"

#include "collection_load.h"
#include "collection_open.h"
#include "row_dump.h"

#include "milvus_backup/backup/run_lock.h"
#include "milvus_backup/base/encoding.h"
#include "milvus_backup/base/log.h"
#include "milvus_backup/base/memory_budget.h"
#include "milvus_backup/meta/run_record.h"
#include "milvus_backup/storage/tree.h"

#include <fmt/format.h>

#include <memory>
#include <optional>
#include <utility>

namespace milvus_backup::migration {
namespace {

/// NumPy files of a unit, below its own directory.
constexpr char kRowsDir[] = "rows/";
/// Two parts of 8 MiB and what is kept for reuse.
constexpr size_t kBufferBytes = 24 * kMiB;

Store UnitStore(const DmRun& run, const DmUnit& unit) {
  Store store = RecordsStore(run);
  store.prefix += RecordsDir(unit);
  return store;
}

class UnitFill {
 public:
  UnitFill(const DmRun& run, const DmUnit& unit)
      : dm_(run),
        unit_(unit),
        store_(UnitStore(run, unit)),
        queue_(run.rules.parallel_imports, run.rules.stall_limit, run.rules.poll_interval),
        run_{run.client, kDmDatabase,  store_,
             run.rules,  queue_,       [this](const CallContext& ctx) { return lock_->Check(ctx); },
             {},         &run.progress} {
    plan_ = {.source = unit.source,
             .name = unit.collection,
             .table = unit.table,
             .style = {.vector_field = "embedding", .description = "collection description"},
             .existing = {.mode = unit.mode,
                          .partition = unit.partition,
                          .skip_by_collection = unit.skip_by_collection}};
    if (!unit.partition.empty()) plan_.partitions = {{unit.partition, unit.partition}};
    for (const DmInput& input : unit.inputs) plan_.source_mark += input.mark + "\n";
  }

  Result<LoadedCollection> Run(const CallContext& ctx) {
    const meta::RunRecord record = meta::NewRunRecord("milvusdm", store_.prefix);
    MB_ASSIGN_OR_RETURN(
        lock_, backup::RunLock::Acquire(ctx, *store_.backend, store_.prefix + "locks/", record));
    MB_ASSIGN_OR_RETURN(const bool needs_no_rows, NeedsNoRows(ctx, run_, plan_));
    if (!needs_no_rows) {
      MB_RETURN_IF_ERROR(dm_.places.staging != nullptr ? Dump(ctx) : PlanInserts(ctx));
    }
    MB_ASSIGN_OR_RETURN(LoadedCollection loaded, CollectionLoad(run_, plan_).Run(ctx));
    MB_RETURN_IF_ERROR(
        storage::DeleteTree(ctx, *store_.backend, store_.prefix + kRowsDir).status());
    loaded.expected = unit_.rows();
    return loaded;
  }

 private:
  Status Dump(const CallContext& ctx) {
    MemoryBudget budget(kBufferBytes);
    const RowDumpRun dump{.target = store_,
                          .table = unit_.table,
                          .vectors_name = plan_.style.vectors_name(),
                          .budget = budget,
                          .progress = &dm_.progress};
    for (size_t i = 0; i < unit_.inputs.size(); ++i) {
      const std::string dir = fmt::format("{}{}/", kRowsDir, i);
      MB_ASSIGN_OR_RETURN(const auto source, Open(ctx, i));
      MB_ASSIGN_OR_RETURN(const RowDump dumped, DumpRows(ctx, dump, dir, *source));
      if (dumped.kept) dm_.progress.bytes_done += source->rows() * unit_.table.vector_bytes();
      ++dm_.progress.objects_done;
      MB_RETURN_IF_ERROR(AddDump(ctx, store_, dir, unit_.partition_name(), plan_));
    }
    return Status::Ok();
  }

  Status PlanInserts(const CallContext& ctx) {
    for (size_t i = 0; i < unit_.inputs.size(); ++i) {
      MB_ASSIGN_OR_RETURN(const auto source, Open(ctx, i));
      MB_RETURN_IF_ERROR(
          CheckRows(ctx, *source, unit_.table.vector_bytes(), IsBinary(unit_.table.metric)));
      plan_.pieces.push_back(
          {.partition = unit_.partition_name(), .rows = source->rows(), .source = i});
    }
    run_.open = [this](const CallContext& call, const PlannedPiece& piece) {
      return Open(call, piece.source);
    };
    return Status::Ok();
  }

  Result<std::unique_ptr<RowSource>> Open(const CallContext& ctx, size_t index) const {
    const DmInput& input = unit_.inputs[index];
    MB_ASSIGN_OR_RETURN(auto source, input.open(ctx));
    if (source->mark() != input.mark) {
      return Status(Code::kAborted, fmt::format("{}: the file has changed since this run began",
                                                source->Describe(0)));
    }
    return source;
  }

  const DmRun& dm_;
  const DmUnit& unit_;
  const Store store_;
  std::unique_ptr<backup::RunLock> lock_;
  backup::ImportQueue queue_;
  LoadRun run_;
  PlannedCollection plan_;
};

}  // namespace

uint64_t DmUnit::rows() const {
  uint64_t sum = 0;
  for (const DmInput& input : inputs) sum += input.rows;
  return sum;
}

const std::string& DmUnit::partition_name() const {
  static const std::string default_partition = "_default";
  return partition.empty() ? default_partition : partition;
}

Store RecordsStore(const DmRun& run) {
  if (run.places.staging != nullptr) return *run.places.staging;
  // Milvus' own storage is that of one Milvus; a directory of this machine is shared by all.
  Store store = run.places.state;
  store.prefix += PercentEncode(run.client.endpoint(), /*keep_slash=*/false) + "/";
  return store;
}

std::string RecordsDir(const DmUnit& unit) {
  return fmt::format("{}.{}/", unit.collection, unit.partition_name());
}

Status Survey(const CallContext& ctx, DmUnit& unit) {
  for (DmInput& input : unit.inputs) {
    MB_RETURN_IF_ERROR(ctx.Check());
    MB_ASSIGN_OR_RETURN(const auto source, input.open(ctx));
    input.rows = source->rows();
    input.mark = source->mark();
  }
  return Status::Ok();
}

Result<DmFilled> FillUnit(const CallContext& ctx, const DmRun& run, const DmUnit& unit) {
  DmFilled filled{.collection = unit.collection, .partition = unit.partition_name()};
  if (unit.rows() == 0) {
    log::Event(
        log::Level::kInfo,
        fmt::format("The collection: {}/partition: {} has no data", unit.source, filled.partition),
        {});
    filled.is_empty = true;
    return filled;
  }
  auto loaded = UnitFill(run, unit).Run(ctx);
  if (!loaded.ok()) {
    return loaded.status().Annotate(
        fmt::format("collection {} partition {}", unit.collection, filled.partition));
  }
  filled.load = *std::move(loaded);
  return filled;
}

}  // namespace milvus_backup::migration
