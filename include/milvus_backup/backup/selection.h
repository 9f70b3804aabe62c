/// Which collections a command works on, and what they are called afterwards.
#pragma once

#include "milvus_backup/base/status.h"

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace milvus_backup::backup {

/// A collection and its database; the database of a name without a dot is `default`.
struct CollectionName {
  std::string db = "default";
  std::string collection;

  /// `db.collection`.
  std::string ToString() const { return db + "." + collection; }
  // clang-tidy 14 takes the defaulted comparison for a null pointer.
  // NOLINTNEXTLINE(modernize-use-nullptr)
  friend auto operator<=>(const CollectionName&, const CollectionName&) = default;
};

/// `coll` or `db.coll`. kInvalidArgument naming the text otherwise.
Result<CollectionName> ParseCollectionName(std::string_view text);

/// Collections by name or by whole databases. A default one selects everything.
class Selection {
 public:
  /// The grammar of --filter: comma-separated `db.*`, `db.coll`, `coll` and `db.` (the database
  /// itself, none of its collections). Items add up. An empty text selects everything.
  static Result<Selection> ParseFilter(std::string_view text);
  /// The grammar of -c/--colls: comma-separated `coll` or `db.coll`.
  static Result<Selection> ParseCollections(std::string_view text);
  /// The grammar of -d/--databases: comma-separated names of whole databases.
  static Result<Selection> ParseDatabases(std::string_view text);
  /// What -a/--database_collections says: collections by database, an empty list for the whole
  /// database. kInvalidArgument for an empty map.
  static Result<Selection> FromDatabases(
      const std::map<std::string, std::vector<std::string>>& databases);

  bool selects_everything() const { return everything_; }
  bool Matches(const CollectionName& name) const;
  /// Whether `name` was asked for by its own name rather than by a wildcard.
  bool Names(const CollectionName& name) const { return named_.contains(name); }

  /// Collections asked for by name.
  const std::set<CollectionName>& named() const { return named_; }
  /// Databases asked for whole.
  const std::set<std::string>& whole_databases() const { return whole_databases_; }
  /// Databases asked for in any way, `db.` included.
  std::set<std::string> databases() const;

 private:
  bool everything_ = true;
  std::set<CollectionName> named_;
  std::set<std::string> whole_databases_;
  std::set<std::string> bare_databases_;
};

/// Letters, digits and `_`, at least one.
bool IsWord(std::string_view text);

/// The elements between commas, empty ones included.
std::vector<std::string_view> SplitAtCommas(std::string_view text);

/// The suffix of restored collections may only hold what a collection name may: `[A-Za-z0-9_]`.
Status ValidateSuffix(std::string_view suffix);

}  // namespace milvus_backup::backup
