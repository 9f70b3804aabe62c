/// The configuration of milvus-migration: `migration.yaml` of the Go tool.
#pragma once

#include "milvus_backup/base/status.h"
#include "milvus_backup/config/config.h"
#include "milvus_backup/migration/milvus2x_options.h"
#include "milvus_backup/migration/options.h"

#include <string>

namespace milvus_backup::config {

/// Looked for when nothing else is asked for.
inline constexpr char kMigrationFile[] = "migration.yaml";

/// Which parts of the file a command uses, and which must therefore be there.
struct MigrationNeeds {
  /// `source`, and `meta` where there is one.
  bool source = false;
  /// `target.milvus2x`.
  bool milvus = false;
};

/// Find the file (as given, then `$MILVUSCONF/<file name>`, then `configs/<file name>`) and resolve
/// it. Keys may be in any case, scalars of any YAML type that reads as the right one; unknown keys
/// are ignored, as the Go tool does; there is neither an environment nor --set. `target` is always
/// needed. Errors name the key and carry Origin::kConfig, but for a workMode or cloud that is not
/// built yet, which is an error of usage.
Result<migration::Options> LoadMigration(const LoadOptions& options, const MigrationNeeds& needs);

/// `dumper.worker.workMode` of the file, which says what kind of migration it describes.
Result<std::string> MigrationWorkMode(const LoadOptions& options);

/// `server` of the file, with the keys of backup.yaml (`server.token` also of the environment); of
/// a file that is not there, when none was asked for by another name than kMigrationFile, the
/// defaults. Secrets may be named by `…File` keys.
Result<ServerSettings> LoadMigrationServer(const LoadOptions& options);

/// As LoadMigration, of a file whose workMode is milvus2x. The state directory lies beside the
/// file.
Result<migration::Milvus2xOptions> LoadMilvus2x(const LoadOptions& options);

}  // namespace milvus_backup::config
