#include "enumerate.h"

#include "describe.h"

#include <fmt/format.h>

#include <set>
#include <string>
#include <utility>

namespace milvus_backup::backup {
namespace {

Status CheckNamed(const Selection& selection, const std::set<std::string>& databases,
                  const std::set<CollectionName>& collections, const std::string& endpoint) {
  for (const std::string& db : selection.databases()) {
    if (!databases.contains(db)) {
      return NotFoundError(fmt::format("database {} does not exist in Milvus", db))
          .WithOrigin(Origin::kMilvus);
    }
  }
  for (const CollectionName& name : selection.named()) {
    if (!collections.contains(name)) {
      return NotFoundError(fmt::format("collection {} does not exist in Milvus at {}",
                                       name.ToString(), endpoint))
          .WithOrigin(Origin::kMilvus)
          .WithAdvice("check --filter, -a, -c or -d; names are case-sensitive");
    }
  }
  return Status::Ok();
}

}  // namespace

Result<Inventory> FindSelected(const CallContext& ctx, milvus::Client& client,
                               const Selection& selection) {
  std::vector<std::string> names = {meta::kDefaultDatabase};
  if (client.has_databases()) {
    MB_ASSIGN_OR_RETURN(names, client.ListDatabases(ctx));
  }
  const std::set<std::string> wanted = selection.databases();
  std::set<std::string> databases;
  std::set<CollectionName> collections;
  for (const std::string& db : names) {
    if (!selection.selects_everything() && !wanted.contains(db)) continue;
    databases.insert(db);
    MB_ASSIGN_OR_RETURN(const std::vector<std::string> found, client.ListCollections(ctx, db));
    for (const std::string& collection : found) {
      if (selection.Matches({db, collection})) collections.insert({db, collection});
    }
  }
  MB_RETURN_IF_ERROR(CheckNamed(selection, databases, collections, client.endpoint()));
  Inventory inventory{.collections = {collections.begin(), collections.end()}};
  for (const std::string& db : databases) {
    MB_ASSIGN_OR_RETURN(meta::DatabaseBackup described, DescribeDatabase(ctx, client, db));
    inventory.databases.push_back(std::move(described));
  }
  return inventory;
}

}  // namespace milvus_backup::backup
