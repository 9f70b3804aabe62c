#include "target_database.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace milvus_backup::migration {
namespace {

constexpr char kDefaultDb[] = "default";

}  // namespace

Status EnsureDatabase(const CallContext& ctx, milvus::Client& client, const std::string& db,
                      bool dry_run) {
  if (db == kDefaultDb) return Status::Ok();
  if (!client.has_databases()) {
    return FailedPreconditionError(
        fmt::format("target.milvus2x.database is {}, but Milvus {} has no databases", db,
                    client.server_version()));
  }
  MB_ASSIGN_OR_RETURN(const std::vector<std::string> existing, client.ListDatabases(ctx));
  if (dry_run || std::ranges::count(existing, db) > 0) return Status::Ok();
  return client.CreateDatabase(ctx, db);
}

}  // namespace milvus_backup::migration
