#include "milvus_backup/backup/rename.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace milvus_backup::backup {
namespace {

/// One side of a rule; `collection` is `*` for every collection and empty for the database alone.
struct Side {
  std::string db;
  std::string collection;

  // Sides of a rule must agree in this. A collection without its database is a form of its own.
  std::string form;
};

std::optional<Side> ParseSide(std::string_view text) {
  const size_t dot = text.find('.');
  if (dot == std::string_view::npos) {
    if (!IsWord(text)) return std::nullopt;
    return Side{CollectionName().db, std::string(text), "COLLECTION"};
  }
  Side side{std::string(text.substr(0, dot)), std::string(text.substr(dot + 1)), ""};
  if (!IsWord(side.db)) return std::nullopt;
  if (side.collection.empty()) {
    side.form = "DATABASE.";
  } else if (side.collection == "*") {
    side.form = "DATABASE.*";
  } else if (IsWord(side.collection)) {
    side.form = "DATABASE.COLLECTION";
  } else {
    return std::nullopt;
  }
  return side;
}

}  // namespace

Result<RenameRules> RenameRules::Parse(std::string_view text) {
  RenameRules rules;
  if (text.empty()) return rules;
  for (const std::string_view item : SplitAtCommas(text)) {
    const size_t colon = std::min(item.find(':'), item.size());
    const std::string_view rest = item.substr(std::min(colon + 1, item.size()));
    MB_RETURN_IF_ERROR(rules.Add(item.substr(0, colon), rest.substr(0, rest.find(':'))));
  }
  return rules;
}

Status RenameRules::Add(std::string_view from, std::string_view to) {
  const std::optional<Side> source = ParseSide(from);
  const std::optional<Side> target = ParseSide(to);
  if (!source || !target || source->form != target->form) {
    return InvalidArgumentError(
        fmt::format("'{}:{}' is no rule of -r/--rename; both sides must be COLLECTION, "
                    "DATABASE.COLLECTION, DATABASE.* or DATABASE., of the same form",
                    from, to));
  }
  if (source->collection.empty()) {
    databases_[source->db] = target->db;
  } else if (source->collection == "*") {
    wholes_[source->db] = target->db;
  } else {
    collections_[{source->db, source->collection}] = {target->db, target->collection};
  }
  return Status::Ok();
}

CollectionName RenameRules::Apply(const CollectionName& name) const {
  if (const auto rule = collections_.find(name); rule != collections_.end()) return rule->second;
  if (const auto rule = wholes_.find(name.db); rule != wholes_.end()) {
    return {rule->second, name.collection};
  }
  return name;
}

std::string RenameRules::ApplyToDatabase(const std::string& db) const {
  if (const auto rule = databases_.find(db); rule != databases_.end()) return rule->second;
  if (const auto rule = wholes_.find(db); rule != wholes_.end()) return rule->second;
  return db;
}

std::vector<CollectionName> RenameRules::named() const {
  std::vector<CollectionName> names;
  names.reserve(collections_.size());
  for (const auto& [from, to] : collections_) names.push_back(from);
  return names;
}

std::set<std::string> RenameRules::databases() const {
  std::set<std::string> names;
  for (const auto* rules : {&wholes_, &databases_}) {
    for (const auto& [from, to] : *rules) names.insert(from);
  }
  return names;
}

}  // namespace milvus_backup::backup
