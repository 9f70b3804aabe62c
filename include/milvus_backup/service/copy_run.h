/// What `copy` and POST /copy do once it is known what is to be copied. Functions without state,
/// thread-safe.
#pragma once

#include "milvus_backup/backup/copy.h"
#include "milvus_backup/base/bytes.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/config/config.h"
#include "milvus_backup/service/copy_places.h"
#include "milvus_backup/service/option_names.h"
#include "milvus_backup/transfer/copy_engine.h"
#include "milvus_backup/transfer/progress.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace milvus_backup::service {

inline constexpr uint32_t kMostConcurrency = 4096;
inline constexpr uint64_t kMostRequests = 1'000'000;
/// Of `part_size` and `memory`.
inline constexpr uint64_t kLeastBuffer = kMiB;

/// As given; empty texts were not given.
struct CopyChoices {
  /// Of the backup.
  std::string name;
  /// Every complete backup that is not there yet. Without it and a name the sides are copied as
  /// they are.
  bool all = false;
  /// Names of storages; without one it is the backup storage.
  std::string to;
  std::string from;
  /// Name of the copy.
  std::string as;
  bool dry_run = false;
  bool overwrite = false;
  /// For trees only.
  bool delete_extra = false;
  std::vector<std::string> include;
  std::vector<std::string> exclude;
  /// 0 leaves it to the engine.
  uint32_t concurrency = 0;
  /// As CheckAmount takes them.
  std::string part_size;
  std::string memory;
  std::string bandwidth;
  /// Per second; 0 means no bound.
  uint64_t requests = 0;
  bool no_check = false;

  /// What the copy of the backup is called.
  const std::string& copy_name() const { return as.empty() ? name : as; }
};

/// kInvalidArgument naming options that exclude each other where backups are copied by name.
Status CheckCopyOfBackups(const CopyChoices& choices, OptionStyle style);

/// kInvalidArgument for parts that are larger than S3 takes, or than all buffers together. The
/// sizes are ones that CheckAmount takes.
Status CheckPartSize(const CopyChoices& choices, OptionStyle style);

backup::CopyRules RulesOf(const CopyChoices& choices);
transfer::CopyOptions TransferOptionsOf(const CopyChoices& choices, const config::Config& config);

struct CopySides {
  CopySide source;
  CopySide destination;
};

/// The backup roots of the storages that the choices name. kInvalidArgument naming `from` or `to`
/// for one that the configuration does not have. Sends nothing.
Result<CopySides> OpenCopySides(const config::Config& config, const CopyChoices& choices);

/// Narrow the sides to the backup, where there is one. In a dry run nothing can be written to them
/// any more. kInvalidArgument when they meet.
Status SettleCopySides(CopySides& sides, const CopyChoices& choices);

/// Copy between sides that are settled. `left_out` is empty unless all is copied. `observer` may be
/// empty; it is told of a single backup by the name of the copy. Errors as backup::CopyTree,
/// CopyBackup and CopyAllBackups.
Result<backup::CopyAllReport> RunCopy(const CallContext& ctx, const config::Config& config,
                                      const CopySides& sides, const CopyChoices& choices,
                                      transfer::Progress& progress,
                                      const backup::CopyObserver& observer = {});

/// `copied`, `already there` or `failed`.
std::string_view NameOf(backup::CopiedBackup::Outcome outcome);
/// The same for people: of a dry run `would be copied`.
std::string_view OutcomeText(backup::CopiedBackup::Outcome outcome, bool dry_run);

/// One JSON object on one line (docs/cli.md). `own` is the name of what was copied where it is a
/// single backup.
std::string EncodeCopyReport(const backup::CopyAllReport& report, const CopyChoices& choices,
                             const std::string& own);

/// What could not be copied, in one error; OK when nothing failed. That of an object goes before
/// that of a backup, which only says that objects of it were not copied: by the object's one can
/// tell whether another try may help.
Status FirstFailure(const backup::CopyReport& report);

}  // namespace milvus_backup::service
