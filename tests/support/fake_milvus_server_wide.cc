#include "milvus/convert_internal.h"
#include "support/fake_milvus_service.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace milvus_backup::testing {
namespace {

constexpr const char* kChannel = "by-dev-rootcoord-dml_0";

std::string Base36(uint64_t number) {
  std::array<char, 16> text{};
  const auto [end, error] = std::to_chars(text.data(), text.data() + text.size(), number, 36);
  return {text.data(), end};
}

}  // namespace

grpc::Status FakeMilvusService::DescribeDatabase(grpc::ServerContext* context,
                                                 const api::DescribeDatabaseRequest* request,
                                                 api::DescribeDatabaseResponse* reply) {
  const std::string& db = request->db_name();
  return Serve(context, "DescribeDatabase", db, reply, [&] {
    if (!state_.HasDatabase(db)) return DatabaseNotFound(db);
    const milvus::Database database = state_.DescribeDatabase(db);
    reply->set_db_name(db);
    reply->set_dbid(database.id);
    milvus::AppendTo(*reply->mutable_properties(), database.properties);
    return Refusal();
  });
}

// Before 2.6.8 the reply names nothing to wait for.
grpc::Status FakeMilvusService::FlushAll(grpc::ServerContext* context,
                                         const api::FlushAllRequest* /*request*/,
                                         api::FlushAllResponse* reply) {
  return Serve(context, "FlushAll", "", reply, [&] {
    const uint64_t timestamp = state_.FlushAll();
    if (!IsAtLeast({2, 6, 8})) return Refusal();
    proto::common::ImmutableMessage message;
    (*message.mutable_properties())["_tt"] = Base36(timestamp);
    (*reply->mutable_flush_all_msgs())[kChannel] = message.SerializeAsString();
    reply->mutable_cluster_info()->set_cchannel(std::string(kChannel) + "_vcchan");
    reply->mutable_cluster_info()->add_pchannels(kChannel);
    return Refusal();
  });
}

grpc::Status FakeMilvusService::GetFlushAllState(grpc::ServerContext* context,
                                                 const api::GetFlushAllStateRequest* request,
                                                 api::GetFlushAllStateResponse* reply) {
  std::string text;
  for (const auto& [channel, timestamp] : request->flush_all_tss()) {
    text += channel + "=" + std::to_string(timestamp);
  }
  return Serve(context, "GetFlushAllState", text, reply, [&] {
    reply->set_flushed(state_.IsFlushed());
    return Refusal();
  });
}

grpc::Status FakeMilvusService::BackupRBAC(grpc::ServerContext* context,
                                           const api::BackupRBACMetaRequest* /*request*/,
                                           api::BackupRBACMetaResponse* reply) {
  return Serve(context, "BackupRBAC", "", reply, [&] {
    *reply->mutable_rbac_meta() = milvus::ToProto(state_.rbac());
    return Refusal();
  });
}

grpc::Status FakeMilvusService::RestoreRBAC(grpc::ServerContext* context,
                                            const api::RestoreRBACMetaRequest* request,
                                            proto::common::Status* reply) {
  const milvus::Rbac added = milvus::FromProto(request->rbac_meta());
  std::string text = "users=";
  for (const milvus::RbacUser& user : added.users) text += user.name + ",";
  return Serve(context, "RestoreRBAC", text, reply, [&] { return state_.AddRbac(added); });
}

}  // namespace milvus_backup::testing
