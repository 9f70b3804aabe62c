/// What the commands of milvus-migration and the requests to its server do with a configuration.
/// They log what people look for, and print nothing. Functions without state, thread-safe; runs
/// that would meet in one place keep each other out.
#pragma once

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/config/config.h"
#include "milvus_backup/migration/dump.h"
#include "milvus_backup/migration/load.h"
#include "milvus_backup/migration/milvus2x.h"
#include "milvus_backup/migration/milvus2x_options.h"
#include "milvus_backup/migration/options.h"
#include "milvus_backup/transfer/progress.h"

#include <functional>
#include <string>
#include <vector>

namespace milvus_backup::service {

/// Who is told how a run goes.
struct RunObserver {
  /// May be null, but for RunMilvus2x.
  transfer::Progress* progress = nullptr;
  /// Called with each warning once it has been logged; never empty.
  std::function<void(const std::string& warning)> warn;
  /// Of RunMilvus2x; may be empty.
  migration::Milvus2xPercent on_percent = {};
};

/// Log a warning and tell it.
void Warn(const RunObserver& observer, const std::string& warning);

struct DumpChoices {
  /// By their names in 1.x; all when empty.
  std::vector<std::string> collections;
  bool skip_bad_rows = false;
  bool dry_run = false;
  /// A load follows; see DumpReport::was_loaded.
  bool then_load = false;
};

/// What a run with `then_load` says that has found everything loaded.
inline constexpr char kWasLoaded[] =
    "all of this was loaded before this run, which has removed what was left of the dump; "
    "the same command once more would add the rows again";

/// The same of a dry run.
inline constexpr char kWouldBeForgotten[] =
    "all of this was loaded before: what is left of the dump would be removed, and nothing loaded";

/// `dump`: open source and target, read the meta, and dump. With `then_load` Milvus is looked at
/// before anything is written. Errors as migration::Dump, DumpFaiss, PreviewLoad.
Result<migration::DumpReport> RunDump(const CallContext& ctx, const migration::Options& options,
                                      const DumpChoices& choices, const RunObserver& observer);

struct LoadChoices {
  std::vector<std::string> collections;
  bool index = false;
  bool keep = false;
  bool dry_run = false;
};

/// `load`: open the target, connect to Milvus, and load. Errors as migration::Load, LoadFaiss.
Result<migration::LoadReport> RunLoad(const CallContext& ctx, const migration::Options& options,
                                      const LoadChoices& choices, const RunObserver& observer);

/// What a load of the whole source would do, without a dump of it: Milvus answers, and collections
/// that are there fit. Of the choices only `collections` matters. Changes nothing. Errors as
/// migration::PreviewLoad.
Result<migration::LoadReport> PreviewLoad(const CallContext& ctx, const migration::Options& options,
                                          const LoadChoices& choices);

struct Milvus2xChoices {
  /// Of --table; empty takes those of the configuration.
  std::string table;
  /// Of --databases, instead of what the configuration says.
  std::vector<std::string> databases;
  bool all = false;
  bool load_source = false;
  bool index = false;
};

/// Read the configuration of a workMode milvus2x, with what `choices` say of the collections.
/// kInvalidArgument when they are named in two ways, or not at all.
Result<migration::Milvus2xOptions> LoadMilvus2xOptions(const config::LoadOptions& config,
                                                       const Milvus2xChoices& choices);

/// What is said when Milvus2xReport::source_changed.
inline constexpr char kSourceChanged[] =
    "the source did not answer the same at the beginning and at the end, as when rows are written "
    "or deleted meanwhile, and some may be missing in the target; stop writing and run again with "
    "target.milvus2x.writeMode: upsert";

/// `start` with workMode milvus2x, by queries and inserts: connect to both ends and migrate. A
/// source that changed is a warning. Errors as migration::MigrateMilvus2x.
Result<migration::Milvus2xReport> RunMilvus2x(const CallContext& ctx,
                                              const migration::Milvus2xOptions& options,
                                              const Milvus2xChoices& choices,
                                              const RunObserver& observer);

}  // namespace milvus_backup::service
