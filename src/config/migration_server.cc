#include "keys.h"
#include "sections.h"
#include "source_file.h"

#include "milvus_backup/config/migration.h"

#include <string>
#include <string_view>
#include <utility>

namespace milvus_backup::config {
namespace {

constexpr std::string_view kSection = "server.";
/// Not that of milvus-backup: two servers do not share one.
constexpr char kServerStateDir[] = "migration-server-state";

}  // namespace

Result<ServerSettings> LoadMigrationServer(const LoadOptions& options) {
  SourceFile file;
  // The guide has it put there once the server runs.
  if (options.path != kMigrationFile || HasConfigFile(options)) {
    MB_ASSIGN_OR_RETURN(file, ReadKeys(options));
  }
  Resolver values(std::move(file.keys), options.environment, ReadSecretFile);
  for (const Key& key : Keys()) {
    if (!key.v2.starts_with(kSection)) continue;
    Parameter parameter = ToParameter(key, Version::kV2);
    if (parameter.id == "server.stateDir") parameter.fallback = kServerStateDir;
    const Status status = values.Resolve(parameter);
    if (!status.ok()) return file.path.empty() ? status : status.Annotate(file.path);
  }
  return ServerOf(values);
}

}  // namespace milvus_backup::config
