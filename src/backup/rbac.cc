#include "rbac.h"

#include <algorithm>
#include <string>
#include <vector>

namespace milvus_backup::backup {
namespace {

std::vector<meta::RbacName> Names(const std::vector<std::string>& names) {
  std::vector<meta::RbacName> converted;
  converted.reserve(names.size());
  for (const std::string& name : names) converted.push_back({name});
  return converted;
}

std::vector<std::string> Texts(const std::vector<meta::RbacName>& names) {
  std::vector<std::string> converted;
  converted.reserve(names.size());
  for (const meta::RbacName& name : names) converted.push_back(name.name);
  return converted;
}

Result<milvus::Rbac> Ask(const CallContext& ctx, milvus::Client& client) {
  auto rbac = client.BackupRbac(ctx);
  if (rbac.status().code() != Code::kUnimplemented) return rbac;
  return UnimplementedError("Milvus " + client.server_version() +
                            " does not give out users and roles (BackupRBAC)")
      .WithOrigin(Origin::kMilvus)
      .WithAdvice("leave out --rbac; it works with Milvus 2.4.10 and newer");
}

milvus::RbacGrant ToGrant(const meta::RbacGrant& grant) {
  return {.role = grant.role.name,
          .object = grant.object.name,
          .object_name = grant.object_name,
          .user = grant.grantor.user.name,
          .privilege = grant.grantor.privilege.name,
          .db_name = grant.db_name};
}

}  // namespace

Result<meta::RbacMeta> DescribeRbac(const CallContext& ctx, milvus::Client& client) {
  MB_ASSIGN_OR_RETURN(const milvus::Rbac rbac, Ask(ctx, client));
  meta::RbacMeta meta{.roles = Names(rbac.roles)};
  for (const milvus::RbacUser& user : rbac.users) {
    meta.users.push_back(
        {.user = user.name, .password = user.password_hash, .roles = Names(user.roles)});
  }
  for (const milvus::RbacGrant& grant : rbac.grants) {
    meta.grants.push_back({.role = {grant.role},
                           .object = {grant.object},
                           .object_name = grant.object_name,
                           .grantor = {.user = {grant.user}, .privilege = {grant.privilege}},
                           .db_name = grant.db_name});
  }
  for (const milvus::RbacPrivilegeGroup& group : rbac.privilege_groups) {
    meta.privilege_groups.push_back(
        {.group_name = group.name, .privileges = Names(group.privileges)});
  }
  return meta;
}

Result<milvus::Rbac> FindMissingRbac(const CallContext& ctx, milvus::Client& client,
                                     const meta::BackupInfo& info) {
  if (!info.rbac_meta) {
    return FailedPreconditionError("backup " + info.name + " has no users and roles")
        .WithAdvice("leave out --rbac; `create --rbac` puts them into a backup");
  }
  MB_ASSIGN_OR_RETURN(const milvus::Rbac present, Ask(ctx, client));
  milvus::Rbac missing;
  for (const meta::RbacUser& user : info.rbac_meta->users) {
    if (std::ranges::count(present.users, user.user, &milvus::RbacUser::name) > 0) continue;
    missing.users.push_back({user.user, user.password, Texts(user.roles)});
  }
  for (const std::string& role : Texts(info.rbac_meta->roles)) {
    if (std::ranges::count(present.roles, role) == 0) missing.roles.push_back(role);
  }
  for (const meta::RbacGrant& backed_up : info.rbac_meta->grants) {
    const milvus::RbacGrant grant = ToGrant(backed_up);
    if (std::ranges::count(present.grants, grant) == 0) missing.grants.push_back(grant);
  }
  for (const meta::RbacPrivilegeGroup& group : info.rbac_meta->privilege_groups) {
    const auto& groups = present.privilege_groups;
    if (std::ranges::count(groups, group.group_name, &milvus::RbacPrivilegeGroup::name) > 0) {
      continue;
    }
    missing.privilege_groups.push_back({group.group_name, Texts(group.privileges)});
  }
  return missing;
}

}  // namespace milvus_backup::backup
