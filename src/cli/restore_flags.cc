#include "restore_flags.h"

#include "selection_flags.h"

#include "milvus_backup/service/json_options.h"

namespace milvus_backup::cli {
namespace {

Status CheckExclusive(const RestoreFlags& flags) {
  const int selections = (flags.collections.empty() ? 0 : 1) + (flags.databases.empty() ? 0 : 1) +
                         (flags.database_collections.empty() ? 0 : 1) +
                         (flags.filter.empty() ? 0 : 1);
  if (selections > 1) {
    return InvalidArgumentError(
        "-c/--collections, -d/--databases, -a/--database_collections and --filter exclude each "
        "other");
  }
  if (flags.drop_exist_collection && flags.skip_create_collection) {
    return InvalidArgumentError(
        "--drop_exist_collection and --skip_create_collection exclude each other");
  }
  if (!flags.from.empty() && !flags.from_config.empty()) {
    return InvalidArgumentError("--from and --from-config exclude each other");
  }
  return Status::Ok();
}

}  // namespace

Result<backup::RestoreOptions> ToOptions(const RestoreFlags& flags) {
  MB_RETURN_IF_ERROR(CheckExclusive(flags));
  backup::RestoreOptions options{.name = flags.name, .suffix = flags.suffix};
  MB_ASSIGN_OR_RETURN(options.sources,
                      ParseSelection({.database_collections = flags.database_collections,
                                      .collections = flags.collections,
                                      .databases = flags.databases}));
  MB_ASSIGN_OR_RETURN(options.targets, backup::Selection::ParseFilter(flags.filter));
  MB_ASSIGN_OR_RETURN(options.renames, backup::RenameRules::Parse(flags.rename));
  MB_ASSIGN_OR_RETURN(options.skip_params, service::ParseSkipParams(flags.skip_params));
  options.max_shard_num = flags.max_shard_num;
  options.rebuild_index = flags.rebuild_index;
  options.use_auto_index = flags.use_auto_index;
  options.rbac = flags.rbac;
  options.meta_only = flags.meta_only;
  options.drop_exist_index = flags.drop_exist_index;
  options.load = flags.load;
  options.dry_run = flags.dry_run;
  options.allow_partial = flags.allow_partial;
  options.check = !flags.no_check;
  if (flags.drop_exist_collection) options.existing = backup::ExistingTarget::kReplace;
  if (flags.skip_create_collection) options.existing = backup::ExistingTarget::kReuse;
  MB_RETURN_IF_ERROR(options.Validate());
  return options;
}

}  // namespace milvus_backup::cli
