#include "milvus_backup/backup/restore_trial.h"

#include "read_backup.h"
#include "trial_rows.h"

#include "milvus_backup/backup/inspect.h"
#include "milvus_backup/backup/restore.h"
#include "milvus_backup/backup/run_lock.h"
#include "milvus_backup/base/clock.h"
#include "milvus_backup/base/encoding.h"
#include "milvus_backup/base/log.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/meta/run_record.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string_view>
#include <utility>

namespace milvus_backup::backup {
namespace {

using namespace std::chrono_literals;

/// Where trials on one Milvus meet, at the root of its storage.
constexpr char kTrialLockDir[] = "restore-test-locks/";
constexpr std::string_view kScratchPrefix = "mbtest_";
constexpr size_t kMarkDigits = 8;
/// Time that dropping the scratch collections may take.
constexpr auto kCleanUpLimit = 60s;
constexpr auto kLoadPollInterval = 100ms;
/// Flat indexes are built as fast as rows are read, so this is more than any sample needs.
constexpr auto kLoadLimit = 30min;
/// Bytes of a value that are shown.
constexpr size_t kShownBytes = 80;

bool IsScratch(std::string_view name) {
  const auto all = [](std::string_view text, std::string_view allowed) {
    return !text.empty() && text.find_first_not_of(allowed) == std::string_view::npos;
  };
  if (!name.starts_with(kScratchPrefix)) return false;
  name.remove_prefix(kScratchPrefix.size());
  return name.size() > kMarkDigits && name[kMarkDigits] == '_' &&
         all(name.substr(0, kMarkDigits), "0123456789abcdef") &&
         all(name.substr(kMarkDigits + 1), "0123456789");
}

std::string Shortened(const std::string& text) {
  return text.size() <= kShownBytes ? text : text.substr(0, kShownBytes) + "...";
}

/// The index that is built fastest; its metric is of no importance.
milvus::Index PlainestIndex(const meta::FieldSchema& field) {
  const auto index = [&](const char* type, const char* metric) {
    return milvus::Index{.field_name = field.name,
                         .name = field.name,
                         .params = {{"index_type", type}, {"metric_type", metric}}};
  };
  switch (static_cast<binlog::DataType>(field.data_type)) {
    case binlog::DataType::kBinaryVector:
      return index("BIN_FLAT", "HAMMING");
    case binlog::DataType::kSparseFloatVector:
      return index("SPARSE_INVERTED_INDEX", field.is_function_output ? "BM25" : "IP");
    case binlog::DataType::kInt8Vector:
      return index("AUTOINDEX", "L2");
    default:
      return index("FLAT", "L2");
  }
}

class Trial {
 public:
  Trial(const CallContext& ctx, Site& site, const TrialOptions& options)
      : ctx_(ctx), site_(site), client_(*site.client), options_(options) {}

  Result<TrialReport> Run() {
    const auto begun = std::chrono::steady_clock::now();
    MB_ASSIGN_OR_RETURN(backup_.dir, meta::BackupDir(site_.backup_storage.root, options_.name));
    backup_.backend = site_.backup_storage.backend;
    MB_ASSIGN_OR_RETURN(info_, ReadRestorable(ctx_, *backup_.backend, backup_.dir));
    const std::string purpose = "verify --restore-test";
    MB_ASSIGN_OR_RETURN(const std::unique_ptr<RunLock> lock,
                        RunLock::Acquire(ctx_, *site_.milvus_storage.backend, kTrialLockDir,
                                         meta::NewRunRecord(purpose, "the scratch collections")));
    MB_RETURN_IF_ERROR(DropScratch(ctx_));
    Status status = RestoreAll();
    for (size_t i = 0; status.ok() && i < info_.collection_backups.size(); ++i) {
      const meta::CollectionBackup& collection = info_.collection_backups[i];
      status = Compare(collection, ScratchName(i)).Annotate("collection " + NameOf(collection));
    }
    const Status dropped = DropScratch({{}, std::chrono::steady_clock::now() + kCleanUpLimit});
    if (!dropped.ok()) log::Warn("scratch collections are left: {}", dropped.ToString());
    MB_RETURN_IF_ERROR(std::move(status));
    MB_RETURN_IF_ERROR(dropped);
    report_.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
    return std::move(report_);
  }

 private:
  static std::string NameOf(const meta::CollectionBackup& collection) {
    return collection.db_name + "." + collection.collection_name;
  }

  // The same for every trial of a backup, so that one goes on with what a killed one has staged.
  std::string ScratchName(size_t number) const {
    const std::string digest = HexEncode(Sha256(AsBytes(options_.name)));
    return fmt::format("{}{}_{}", kScratchPrefix, digest.substr(0, kMarkDigits), number);
  }

  Status DropScratch(const CallContext& ctx) {
    const std::string db(meta::kDefaultDatabase);
    MB_ASSIGN_OR_RETURN(const std::vector<std::string> names, client_.ListCollections(ctx, db));
    for (const std::string& name : names) {
      if (!IsScratch(name)) continue;
      MB_RETURN_IF_ERROR(client_.DropCollection(ctx, db, name).Annotate("dropping " + name));
    }
    return Status::Ok();
  }

  Status RestoreAll() {
    if (info_.collection_backups.empty()) return Status::Ok();
    RestoreOptions options{.name = options_.name,
                           .aliases = false,
                           // Another trial of this name may have begun and been killed.
                           .existing = ExistingTarget::kReplace,
                           .allow_partial = true};
    std::string names;
    for (size_t i = 0; i < info_.collection_backups.size(); ++i) {
      const std::string name = NameOf(info_.collection_backups[i]);
      names += (names.empty() ? "" : ",") + name;
      const std::string& db = info_.collection_backups[i].db_name;
      if (db != meta::kDefaultDatabase) {
        // Or the database would be made too.
        MB_RETURN_IF_ERROR(
            options.renames.Add(db + ".", std::string(meta::kDefaultDatabase) + "."));
      }
      MB_RETURN_IF_ERROR(
          options.renames.Add(name, std::string(meta::kDefaultDatabase) + "." + ScratchName(i)));
    }
    MB_ASSIGN_OR_RETURN(options.sources, Selection::ParseCollections(names));
    return RestoreBackup(ctx_, site_, options).status();
  }

  Status Compare(const meta::CollectionBackup& collection, const std::string& scratch) {
    TrialCollection compared{.name = NameOf(collection)};
    MB_ASSIGN_OR_RETURN(compared.rows, CountLiveRows(ctx_, backup_, collection));
    MB_RETURN_IF_ERROR(Load(collection, scratch));
    MB_ASSIGN_OR_RETURN(compared.restored_rows, CountRestored(scratch));
    if (compared.rows != compared.restored_rows) {
      Problem(compared.name, fmt::format("{} rows", compared.rows),
              fmt::format("{} rows", compared.restored_rows));
    }
    MB_ASSIGN_OR_RETURN(const std::vector<SampledRow> sample,
                        SampleRows(ctx_, backup_, collection, compared.rows, options_.rows));
    MB_ASSIGN_OR_RETURN(const std::vector<RowDifference> differences,
                        CompareRows(ctx_, client_, backup_, collection, scratch, sample));
    compared.compared_rows = sample.size();
    for (const RowDifference& difference : differences) {
      const std::string field = difference.field.empty() ? "" : " field " + difference.field;
      Problem(fmt::format("{} row {}{}", compared.name, Shortened(difference.key), field),
              Shortened(difference.expected), Shortened(difference.found), compared.name + field);
    }
    report_.collections.push_back(std::move(compared));
    // What has been compared need not take memory while the others are loaded.
    return client_.DropCollection(ctx_, std::string(meta::kDefaultDatabase), scratch);
  }

  void Problem(std::string key, std::string expected, std::string found,
               std::string place_of_values = "") {
    ++report_.problems;
    if (!options_.on_problem) return;
    options_.on_problem({.key = std::move(key),
                         .expected = std::move(expected),
                         .found = std::move(found),
                         .advice = "run verify --deep, and do not rely on this backup",
                         .place_of_values = std::move(place_of_values)});
  }

  Status Load(const meta::CollectionBackup& collection, const std::string& scratch) {
    const std::string db(meta::kDefaultDatabase);
    for (const meta::FieldSchema& field : collection.schema.fields) {
      const auto type = static_cast<binlog::DataType>(field.data_type);
      if (type < binlog::DataType::kBinaryVector || type > binlog::DataType::kInt8Vector) continue;
      MB_RETURN_IF_ERROR(client_.CreateIndex(ctx_, db, scratch, PlainestIndex(field))
                             .Annotate("creating an index on " + field.name));
    }
    MB_RETURN_IF_ERROR(
        client_.LoadCollection(ctx_, db, scratch).Annotate("loading the scratch collection"));
    const auto limit = std::chrono::steady_clock::now() + kLoadLimit;
    while (true) {
      MB_ASSIGN_OR_RETURN(const milvus::LoadState state, client_.GetLoadState(ctx_, db, scratch));
      if (state == milvus::LoadState::kLoaded) return Status::Ok();
      if (std::chrono::steady_clock::now() > limit) {
        return Status(Code::kDeadlineExceeded, "Milvus has not loaded the scratch collection")
            .WithOrigin(Origin::kMilvus);
      }
      if (!Clock::Real().SleepFor(kLoadPollInterval, ctx_.stop)) return CancelledError();
    }
  }

  Result<uint64_t> CountRestored(const std::string& scratch) {
    MB_ASSIGN_OR_RETURN(const std::vector<milvus::Column> columns,
                        client_.Query(ctx_, {.db_name = std::string(meta::kDefaultDatabase),
                                             .collection_name = scratch,
                                             .expr = "",
                                             .output_fields = {"count(*)"}}));
    if (columns.size() != 1 || columns[0].rows != 1 || columns[0].width != sizeof(int64_t)) {
      return InternalError("the server did not count the rows").WithOrigin(Origin::kMilvus);
    }
    uint64_t rows = 0;
    std::ranges::copy(columns[0].fixed, reinterpret_cast<char*>(&rows));
    return rows;
  }

  const CallContext ctx_;
  Site& site_;
  milvus::Client& client_;
  const TrialOptions& options_;
  BackupLocation backup_;
  meta::BackupInfo info_;
  TrialReport report_;
};

}  // namespace

Result<TrialReport> TryRestore(const CallContext& ctx, Site& site, const TrialOptions& options) {
  return Trial(ctx, site, options).Run();
}

}  // namespace milvus_backup::backup
