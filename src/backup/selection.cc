#include "milvus_backup/backup/selection.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace milvus_backup::backup {
namespace {

Status BadItem(std::string_view item, std::string_view grammar) {
  return InvalidArgumentError(
      fmt::format("'{}' does not name a collection; use {}", item, grammar));
}

}  // namespace

bool IsWord(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
}

std::vector<std::string_view> SplitAtCommas(std::string_view text) {
  std::vector<std::string_view> items;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t comma = std::min(text.find(',', begin), text.size());
    items.push_back(text.substr(begin, comma - begin));
    begin = comma + 1;
  }
  return items;
}

Result<CollectionName> ParseCollectionName(std::string_view text) {
  const size_t dot = text.find('.');
  CollectionName name;
  if (dot != std::string_view::npos && dot > 0) name.db = std::string(text.substr(0, dot));
  name.collection = std::string(dot == std::string_view::npos ? text : text.substr(dot + 1));
  if (!IsWord(name.db) || !IsWord(name.collection)) {
    return BadItem(text, "COLLECTION or DATABASE.COLLECTION, separated by commas without blanks");
  }
  return name;
}

Result<Selection> Selection::ParseFilter(std::string_view text) {
  Selection selection;
  if (text.empty()) return selection;
  selection.everything_ = false;
  for (const std::string_view item : SplitAtCommas(text)) {
    const size_t dot = item.find('.');
    const std::string_view db = item.substr(0, std::min(dot, item.size()));
    const std::string_view rest = dot == std::string_view::npos ? "" : item.substr(dot + 1);
    if (dot != std::string_view::npos && IsWord(db) && rest == "*") {
      selection.whole_databases_.emplace(db);
    } else if (dot != std::string_view::npos && IsWord(db) && rest.empty()) {
      selection.bare_databases_.emplace(db);
    } else {
      Result<CollectionName> name = ParseCollectionName(item);
      if (!name.ok()) {
        return BadItem(item,
                       "DATABASE.*, DATABASE.COLLECTION, COLLECTION or DATABASE. in --filter");
      }
      selection.named_.insert(*std::move(name));
    }
  }
  return selection;
}

Result<Selection> Selection::ParseCollections(std::string_view text) {
  Selection selection;
  if (text.empty()) return selection;
  selection.everything_ = false;
  for (const std::string_view item : SplitAtCommas(text)) {
    MB_ASSIGN_OR_RETURN(CollectionName name, ParseCollectionName(item));
    selection.named_.insert(std::move(name));
  }
  return selection;
}

Result<Selection> Selection::ParseDatabases(std::string_view text) {
  Selection selection;
  if (text.empty()) return selection;
  selection.everything_ = false;
  for (const std::string_view item : SplitAtCommas(text)) {
    if (!IsWord(item)) {
      return InvalidArgumentError(
          fmt::format("'{}' does not name a database; -d/--databases takes names separated by "
                      "commas without blanks",
                      item));
    }
    selection.whole_databases_.emplace(item);
  }
  return selection;
}

Result<Selection> Selection::FromDatabases(
    const std::map<std::string, std::vector<std::string>>& databases) {
  Selection selection;
  selection.everything_ = false;
  if (databases.empty()) {
    return InvalidArgumentError("-a/--database_collections names no database");
  }
  for (const auto& [database, collections] : databases) {
    const std::string db = database.empty() ? CollectionName().db : database;
    if (!IsWord(db)) {
      return InvalidArgumentError(
          fmt::format("'{}' does not name a database in -a/--database_collections", db));
    }
    if (collections.empty()) selection.whole_databases_.insert(db);
    for (const std::string& collection : collections) {
      if (!IsWord(collection)) {
        return InvalidArgumentError(fmt::format(
            "'{}' does not name a collection in -a/--database_collections", collection));
      }
      selection.named_.insert({db, collection});
    }
  }
  return selection;
}

bool Selection::Matches(const CollectionName& name) const {
  return everything_ || whole_databases_.contains(name.db) || named_.contains(name);
}

std::set<std::string> Selection::databases() const {
  std::set<std::string> databases = whole_databases_;
  databases.insert(bare_databases_.begin(), bare_databases_.end());
  for (const CollectionName& name : named_) databases.insert(name.db);
  return databases;
}

Status ValidateSuffix(std::string_view suffix) {
  if (suffix.empty() || IsWord(suffix)) return Status::Ok();
  return InvalidArgumentError(
      fmt::format("suffix '{}': only letters, digits and _ are allowed in -s/--suffix", suffix));
}

}  // namespace milvus_backup::backup
