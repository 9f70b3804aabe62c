#include "restore_preflight.h"

#include "expected_files.h"
#include "name_swap.h"
#include "rbac.h"
#include "restore_resume.h"
#include "restore_schema.h"

#include "milvus_backup/base/log.h"
#include "milvus_backup/meta/partial.h"
#include "milvus_backup/milvus/version.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

namespace milvus_backup::backup {
namespace {

/// Earlier servers of 2.4 take an import of deletes alone for one of rows and fail it.
constexpr milvus::Version kImportsDeletesSince{2, 4, 5};

/// Milvus' own limit (proxy.maxNameLength).
constexpr size_t kMaxCollectionName = 255;

// Which characters are allowed differs by version and configuration: that is left to the server.
Status CheckName(const CollectionName& target) {
  for (const std::string& name : {target.db, target.collection}) {
    const bool starts_well = !name.empty() && (name.front() < '0' || name.front() > '9');
    if (starts_well && name.size() <= kMaxCollectionName) continue;
    return InvalidArgumentError(fmt::format("Milvus would not take the name '{}' of {} characters",
                                            name, name.size()))
        .WithAdvice(fmt::format("names start with a letter or _ and have at most {} characters; "
                                "see -s/--suffix and -r/--rename",
                                kMaxCollectionName));
  }
  return Status::Ok();
}

/// Servers that walk directories are refused by the plan already.
Status CheckServerImportsDeletes(const CollectionPlan& plan, const std::string& server_version) {
  const milvus::ParsedVersion server = milvus::ParseVersion(server_version);
  if (!server.known || server.version >= kImportsDeletesSince) return Status::Ok();
  if (std::ranges::none_of(plan.units, &ImportUnit::is_l0)) return Status::Ok();
  return UnimplementedError(
             fmt::format("the backup has deletes in segments of their own (L0), which Milvus {} "
                         "cannot import",
                         server_version))
      .WithAdvice("restore it into Milvus 2.4.6 or newer; nothing was changed");
}

std::vector<int64_t> IdsOf(const std::vector<CollectionPlan>& plans) {
  std::vector<int64_t> ids;
  ids.reserve(plans.size());
  for (const CollectionPlan& plan : plans) ids.push_back(plan.backup->collection_id);
  return ids;
}

class Checker {
 public:
  Checker(const CallContext& ctx, Site& site, const RestoreOptions& options,
          const RestoreLedger& ledger)
      : ctx_(ctx), site_(site), client_(*site.client), options_(options), ledger_(ledger) {}

  Result<Preflight> Run(const meta::BackupInfo& info, const std::string& backup_dir,
                        const std::vector<CollectionPlan>& plans) {
    MB_RETURN_IF_ERROR(CheckWhole(info));
    Preflight preflight;
    if (options_.rbac) {
      MB_ASSIGN_OR_RETURN(preflight.rbac, FindMissingRbac(ctx_, client_, info));
    }
    std::set<std::string> wanted = DatabasesToRestore(info, options_);
    for (const CollectionPlan& plan : plans) {
      MB_RETURN_IF_ERROR(CheckName(plan.target));
      wanted.insert(plan.target.db);
    }
    MB_ASSIGN_OR_RETURN(preflight.new_databases, MissingDatabases(wanted, plans));
    for (const CollectionPlan& plan : plans) {
      const bool new_database = std::ranges::count(preflight.new_databases, plan.target.db) > 0;
      auto destination = Look(info, plan, new_database);
      if (!destination.ok()) {
        return destination.status().Annotate("restoring to " + plan.target.ToString());
      }
      preflight.destinations.push_back(*std::move(destination));
    }
    if (options_.check) {
      MB_ASSIGN_OR_RETURN(preflight.proof, RestoreProof::Read(ctx_, *site_.backup_storage.backend,
                                                              backup_dir, IdsOf(plans)));
    }
    if (options_.meta_only) return preflight;
    for (const CollectionPlan& plan : plans) {
      MB_RETURN_IF_ERROR(CheckFilesOf(plan, backup_dir, preflight.proof));
    }
    MB_RETURN_IF_ERROR(preflight.proof.CheckAllSeen());
    if (site_.backup_visible_to_milvus) return preflight;
    MB_RETURN_IF_ERROR(site_.milvus_storage.backend->CheckAccess(ctx_).Annotate(
        "opening Milvus' own storage for staging"));
    return preflight;
  }

 private:
  Status CheckWhole(const meta::BackupInfo& info) const {
    if (!info.partial || options_.allow_partial) return Status::Ok();
    return FailedPreconditionError(fmt::format("backup {} is partial: it lacks {}", options_.name,
                                               meta::MissingText(info.failed_collections)))
        .WithAdvice(
            "the `create` that made it, run again, adds what is missing; or restore what it has "
            "with --allow-partial");
  }

  Result<std::vector<std::string>> MissingDatabases(const std::set<std::string>& wanted,
                                                    const std::vector<CollectionPlan>& plans) {
    std::set<std::string> present = {meta::kDefaultDatabase};
    if (client_.has_databases()) {
      MB_ASSIGN_OR_RETURN(const std::vector<std::string> names, client_.ListDatabases(ctx_));
      present.insert(names.begin(), names.end());
    }
    std::vector<std::string> missing;
    std::ranges::set_difference(wanted, present, std::back_inserter(missing));
    if (client_.has_databases()) return missing;
    for (const CollectionPlan& plan : plans) {
      if (present.contains(plan.target.db)) continue;
      return FailedPreconditionError(
          fmt::format("{} cannot be restored: Milvus {} has no databases", plan.target.ToString(),
                      client_.server_version()));
    }
    return std::vector<std::string>();
  }

  Result<Destination> Look(const meta::BackupInfo& info, const CollectionPlan& plan,
                           bool new_database) {
    Destination destination{.working_name = plan.target.collection,
                            .request_text = DescribeRequest(info, plan, options_)};
    MB_ASSIGN_OR_RETURN(destination.request, ToCreateRequest(plan, options_));
    MB_RETURN_IF_ERROR(CheckServerKnows(destination.request.schema, client_.server_version()));
    if (!options_.meta_only) {
      MB_RETURN_IF_ERROR(CheckServerImportsDeletes(plan, client_.server_version()));
    }
    if (options_.rebuild_index) destination.indexes = IndexesToBuild(*plan.backup, options_);
    if (new_database) {
      // Whatever was left of it in Milvus is gone with its database.
      const meta::RestoreProgress* left = ledger_.Find(plan.target.ToString());
      if (left != nullptr) destination.discarded = *left;
      MB_RETURN_IF_ERROR(LookAtTarget(plan, false, destination));
      return destination;
    }
    MB_ASSIGN_OR_RETURN(const bool taken_up,
                        TakeUp(ctx_, client_, options_, ledger_, plan, destination));
    if (taken_up) {
      const bool adds = destination.existing == ExistingTarget::kReuse && destination.found;
      if (adds) MB_RETURN_IF_ERROR(CheckReuse(plan, destination));
      return destination;
    }
    MB_ASSIGN_OR_RETURN(const bool exists,
                        client_.HasCollection(ctx_, plan.target.db, plan.target.collection));
    MB_RETURN_IF_ERROR(LookAtTarget(plan, exists, destination));
    return destination;
  }

  Status LookAtTarget(const CollectionPlan& plan, bool exists, Destination& destination) {
    if (exists) {
      MB_RETURN_IF_ERROR(LookAtExisting(plan, destination));
    } else if (options_.existing == ExistingTarget::kReuse) {
      return FailedPreconditionError(fmt::format("collection not exist: {} in Milvus at {}",
                                                 plan.target.ToString(), client_.endpoint()))
          .WithAdvice("--skip_create_collection adds to collections that are there; leave it out");
    }
    return Status::Ok();
  }

  Status LookAtExisting(const CollectionPlan& plan, Destination& destination) {
    if (options_.existing == ExistingTarget::kRefuse) {
      return AlreadyExistsError(fmt::format("collection already exist: {} in Milvus at {}",
                                            plan.target.ToString(), client_.endpoint()))
          .WithAdvice(
              "choose another name with -s/--suffix or -r/--rename, or replace it with "
              "--drop_exist_collection; nothing was changed");
    }
    MB_ASSIGN_OR_RETURN(milvus::Collection found,
                        client_.DescribeCollection(ctx_, plan.target.db, plan.target.collection));
    if (found.schema.name != plan.target.collection) {
      return FailedPreconditionError(fmt::format("{} is an alias of the collection {}",
                                                 plan.target.ToString(), found.schema.name))
          .WithAdvice("choose another name with -s/--suffix or -r/--rename");
    }
    destination.existing = options_.existing;
    destination.found = std::move(found);
    return options_.existing == ExistingTarget::kReplace ? PrepareToReplace(plan, destination)
                                                         : CheckReuse(plan, destination);
  }

  Status PrepareToReplace(const CollectionPlan& plan, Destination& destination) {
    if (!can_rename_) {
      MB_ASSIGN_OR_RETURN(can_rename_, ProbeRename(plan.target.db));
    }
    if (!*can_rename_) return Status::Ok();
    destination.working_name = NameBeside(plan.target.collection, kFilledMark);
    destination.retired_name = NameBeside(plan.target.collection, kRetiredMark);
    destination.request.schema.name = destination.working_name;
    return Status::Ok();
  }

  // Asks for what cannot be done: a server that knows the call does not find the collection.
  Result<bool> ProbeRename(const std::string& db) {
    const std::string absent = NameBeside("", kFilledMark);
    const Status status = client_.RenameCollection(ctx_, db, absent, absent + "_");
    if (status.code() == Code::kUnimplemented) {
      log::Warn("Milvus {} cannot rename collections: those to be replaced are dropped first",
                client_.server_version());
      return false;
    }
    const bool may_not = status.code() == Code::kPermissionDenied ||
                         status.code() == Code::kUnauthenticated ||
                         status.code() == Code::kUnavailable || status.code() == Code::kCancelled;
    if (may_not) return status.Annotate("finding out whether collections can be renamed");
    return true;
  }

  Status CheckReuse(const CollectionPlan& plan, Destination& destination) {
    const std::string& db = plan.target.db;
    const std::string& name = plan.target.collection;
    MB_RETURN_IF_ERROR(CheckSchemaFits(destination.request.schema, destination.found->schema));
    if (destination.request.num_partitions > 0) MB_RETURN_IF_ERROR(CheckPartitions(plan));
    const bool has_l0 = std::ranges::any_of(plan.units, &ImportUnit::is_l0);
    if (has_l0 || options_.drop_exist_index) {
      MB_ASSIGN_OR_RETURN(const milvus::LoadState state, client_.GetLoadState(ctx_, db, name));
      if (state != milvus::LoadState::kNotLoad) {
        return FailedPreconditionError(
                   fmt::format("the collection is loaded, which Milvus does not allow while {}",
                               has_l0 ? "deletes are imported" : "indexes are dropped"))
            .WithAdvice("release it first");
      }
    }
    if (destination.indexes.empty() || options_.drop_exist_index) return Status::Ok();
    MB_ASSIGN_OR_RETURN(const std::vector<milvus::Index> present,
                        client_.ListIndexes(ctx_, db, name));
    MB_ASSIGN_OR_RETURN(destination.indexes, MissingIndexes(destination.indexes, present));
    return Status::Ok();
  }

  // The number of partitions decides which one a key belongs to, and rows are imported into the
  // partition they were in.
  Status CheckPartitions(const CollectionPlan& plan) {
    MB_ASSIGN_OR_RETURN(const std::vector<milvus::Partition> present,
                        client_.ListPartitions(ctx_, plan.target.db, plan.target.collection));
    const size_t wanted = plan.backup->partition_backups.size();
    if (present.size() == wanted) return Status::Ok();
    return FailedPreconditionError(
               fmt::format("the collection has {} partitions for its partition key where the "
                           "backup has {}",
                           present.size(), wanted))
        .WithAdvice("restore under another name with -s/--suffix or -r/--rename");
  }

  Status CheckFilesOf(const CollectionPlan& plan, const std::string& backup_dir,
                      RestoreProof& proof) {
    std::vector<std::string> closed;
    for (const ImportUnit& unit : plan.units) {
      closed.push_back(unit.insert_dir);
      closed.push_back(unit.delta_dir);
    }
    return CheckFiles(
        ctx_, *site_.backup_storage.backend, backup_dir, plan.backup->collection_id, plan.files,
        closed, [&](const storage::ObjectInfo& object) { return proof.Compare(ctx_, object); });
  }

  const CallContext& ctx_;
  Site& site_;
  milvus::Client& client_;
  const RestoreOptions& options_;
  const RestoreLedger& ledger_;
  std::optional<bool> can_rename_;
};

}  // namespace

Result<Preflight> CheckBeforeRestore(const CallContext& ctx, Site& site,
                                     const RestoreOptions& options, const meta::BackupInfo& info,
                                     const std::string& backup_dir,
                                     const std::vector<CollectionPlan>& plans,
                                     const RestoreLedger& ledger) {
  return Checker(ctx, site, options, ledger).Run(info, backup_dir, plans);
}

}  // namespace milvus_backup::backup
