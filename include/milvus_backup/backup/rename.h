/// The new names of restored collections and databases.
#pragma once

#include "milvus_backup/backup/selection.h"
#include "milvus_backup/base/status.h"

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace milvus_backup::backup {

/// Rules that map names in a backup to names in Milvus. A default one changes nothing. Copyable;
/// thread-safe once built.
class RenameRules {
 public:
  /// The grammar of -r/--rename: rules as Add takes them, `old:new`, separated by commas. What
  /// follows a second colon of a rule is ignored. An empty text has no rules.
  static Result<RenameRules> Parse(std::string_view text);

  /// Add one rule; a later rule for the same left side wins. Both sides have the same form:
  ///   - `coll` (of the database `default`) or `db.coll`: one collection;
  ///   - `db.*`: the database and every collection of it that has no rule of its own;
  ///   - `db.`: the database alone; its collections stay where they are.
  /// kInvalidArgument naming the rule otherwise.
  Status Add(std::string_view from, std::string_view to);

  bool empty() const { return collections_.empty() && wholes_.empty() && databases_.empty(); }
  CollectionName Apply(const CollectionName& name) const;
  std::string ApplyToDatabase(const std::string& db) const;

  /// Left sides that name one collection.
  std::vector<CollectionName> named() const;
  /// Left sides that name a database, alone or with its collections.
  std::set<std::string> databases() const;

 private:
  std::map<CollectionName, CollectionName> collections_;
  std::map<std::string, std::string> wholes_;
  std::map<std::string, std::string> databases_;
};

}  // namespace milvus_backup::backup
