#include "milvus/convert_internal.h"

#include <charconv>
#include <optional>
#include <utility>

namespace milvus_backup::milvus {
namespace {

template <typename T, typename Field>
std::vector<T> ToVector(const Field& field) {
  return {field.begin(), field.end()};
}

FieldSchema FromProto(const proto::schema::FieldSchema& field) {
  FieldSchema out;
  out.field_id = field.fieldid();
  out.name = field.name();
  out.is_primary_key = field.is_primary_key();
  out.description = field.description();
  out.data_type = field.data_type();
  out.type_params = milvus::FromProto(field.type_params());
  out.index_params = milvus::FromProto(field.index_params());
  out.auto_id = field.autoid();
  out.element_type = field.element_type();
  out.is_dynamic = field.is_dynamic();
  out.is_partition_key = field.is_partition_key();
  out.is_clustering_key = field.is_clustering_key();
  out.nullable = field.nullable();
  out.is_function_output = field.is_function_output();
  if (field.has_default_value()) out.default_value = field.default_value();
  return out;
}

proto::schema::FieldSchema ToProto(const FieldSchema& field) {
  proto::schema::FieldSchema out;
  out.set_fieldid(field.field_id);
  out.set_name(field.name);
  out.set_is_primary_key(field.is_primary_key);
  out.set_description(field.description);
  out.set_data_type(field.data_type);
  AppendTo(*out.mutable_type_params(), field.type_params);
  AppendTo(*out.mutable_index_params(), field.index_params);
  out.set_autoid(field.auto_id);
  out.set_element_type(field.element_type);
  out.set_is_dynamic(field.is_dynamic);
  out.set_is_partition_key(field.is_partition_key);
  out.set_is_clustering_key(field.is_clustering_key);
  out.set_nullable(field.nullable);
  out.set_is_function_output(field.is_function_output);
  if (field.default_value) out.set_default_value(*field.default_value);
  return out;
}

FunctionSchema FromProto(const proto::schema::FunctionSchema& function) {
  FunctionSchema out;
  out.name = function.name();
  out.id = function.id();
  out.description = function.description();
  out.type = function.type();
  out.input_field_names = ToVector<std::string>(function.input_field_names());
  out.input_field_ids = ToVector<int64_t>(function.input_field_ids());
  out.output_field_names = ToVector<std::string>(function.output_field_names());
  out.output_field_ids = ToVector<int64_t>(function.output_field_ids());
  out.params = milvus::FromProto(function.params());
  return out;
}

proto::schema::FunctionSchema ToProto(const FunctionSchema& function) {
  proto::schema::FunctionSchema out;
  out.set_name(function.name);
  out.set_id(function.id);
  out.set_description(function.description);
  out.set_type(function.type);
  for (const std::string& name : function.input_field_names) out.add_input_field_names(name);
  for (const int64_t id : function.input_field_ids) out.add_input_field_ids(id);
  for (const std::string& name : function.output_field_names) out.add_output_field_names(name);
  for (const int64_t id : function.output_field_ids) out.add_output_field_ids(id);
  AppendTo(*out.mutable_params(), function.params);
  return out;
}

StructArrayFieldSchema FromProto(const proto::schema::StructArrayFieldSchema& field) {
  StructArrayFieldSchema out;
  out.field_id = field.fieldid();
  out.name = field.name();
  out.description = field.description();
  for (const auto& inner : field.fields()) out.fields.push_back(FromProto(inner));
  return out;
}

proto::schema::StructArrayFieldSchema ToProto(const StructArrayFieldSchema& field) {
  proto::schema::StructArrayFieldSchema out;
  out.set_fieldid(field.field_id);
  out.set_name(field.name);
  out.set_description(field.description);
  for (const FieldSchema& inner : field.fields) *out.add_fields() = ToProto(inner);
  return out;
}

/// The time tick of a message of the server's log, a number of base 36.
std::optional<uint64_t> TimeTickOf(const std::string& serialized) {
  constexpr const char* kTimeTick = "_tt";
  constexpr int kBase = 36;
  proto::common::ImmutableMessage message;
  if (!message.ParseFromString(serialized)) return std::nullopt;
  const auto found = message.properties().find(kTimeTick);
  if (found == message.properties().end()) return std::nullopt;
  const std::string& text = found->second;
  uint64_t tick = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), tick, kBase);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return tick;
}

template <typename Entities>
std::vector<std::string> NamesOf(const Entities& entities) {
  std::vector<std::string> names;
  for (const auto& entity : entities) names.push_back(entity.name());
  return names;
}

}  // namespace

std::vector<KeyValue> FromProto(
    const google::protobuf::RepeatedPtrField<proto::common::KeyValuePair>& pairs) {
  std::vector<KeyValue> out;
  out.reserve(static_cast<size_t>(pairs.size()));
  for (const auto& pair : pairs) out.push_back({.key = pair.key(), .value = pair.value()});
  return out;
}

void AppendTo(google::protobuf::RepeatedPtrField<proto::common::KeyValuePair>& pairs,
              const std::vector<KeyValue>& values) {
  for (const KeyValue& value : values) {
    auto& pair = *pairs.Add();
    pair.set_key(value.key);
    pair.set_value(value.value);
  }
}

CollectionSchema FromProto(const proto::schema::CollectionSchema& schema) {
  CollectionSchema out;
  out.name = schema.name();
  out.description = schema.description();
  out.auto_id = schema.autoid();
  for (const auto& field : schema.fields()) out.fields.push_back(FromProto(field));
  out.enable_dynamic_field = schema.enable_dynamic_field();
  out.properties = FromProto(schema.properties());
  for (const auto& function : schema.functions()) out.functions.push_back(FromProto(function));
  for (const auto& field : schema.struct_array_fields()) {
    out.struct_array_fields.push_back(FromProto(field));
  }
  return out;
}

proto::schema::CollectionSchema ToProto(const CollectionSchema& schema) {
  proto::schema::CollectionSchema out;
  out.set_name(schema.name);
  out.set_description(schema.description);
  out.set_autoid(schema.auto_id);
  for (const FieldSchema& field : schema.fields) *out.add_fields() = ToProto(field);
  out.set_enable_dynamic_field(schema.enable_dynamic_field);
  AppendTo(*out.mutable_properties(), schema.properties);
  for (const FunctionSchema& function : schema.functions) *out.add_functions() = ToProto(function);
  for (const StructArrayFieldSchema& field : schema.struct_array_fields) {
    *out.add_struct_array_fields() = ToProto(field);
  }
  return out;
}

Collection FromProto(const proto::milvus::DescribeCollectionResponse& reply) {
  Collection out;
  out.id = reply.collectionid();
  out.db_id = reply.db_id();
  out.db_name = reply.db_name();
  out.schema = FromProto(reply.schema());
  out.shards_num = reply.shards_num();
  out.consistency_level = reply.consistency_level();
  out.created_timestamp = reply.created_timestamp();
  out.virtual_channel_names = ToVector<std::string>(reply.virtual_channel_names());
  out.physical_channel_names = ToVector<std::string>(reply.physical_channel_names());
  out.aliases = ToVector<std::string>(reply.aliases());
  out.properties = FromProto(reply.properties());
  return out;
}

Result<FlushAllTicket> FromProto(const proto::milvus::FlushAllResponse& reply) {
  if (reply.flush_all_msgs().empty()) {
    return UnimplementedError("FlushAll: the server does not tell what to wait for")
        .WithOrigin(Origin::kMilvus);
  }
  FlushAllTicket ticket{
      .control_channel = reply.cluster_info().cchannel(),
      .physical_channels = ToVector<std::string>(reply.cluster_info().pchannels())};
  for (const auto& [channel, message] : reply.flush_all_msgs()) {
    const std::optional<uint64_t> tick = TimeTickOf(message);
    if (!tick) {
      return InternalError("FlushAll: the message of channel " + channel + " has no time tick")
          .WithOrigin(Origin::kMilvus);
    }
    ticket.messages[channel] = message;
    ticket.timestamps[channel] = *tick;
  }
  return ticket;
}

Rbac FromProto(const proto::milvus::RBACMeta& meta) {
  Rbac out{.roles = NamesOf(meta.roles())};
  for (const auto& user : meta.users()) {
    out.users.push_back(
        {.name = user.user(), .password_hash = user.password(), .roles = NamesOf(user.roles())});
  }
  for (const auto& grant : meta.grants()) {
    out.grants.push_back({.role = grant.role().name(),
                          .object = grant.object().name(),
                          .object_name = grant.object_name(),
                          .user = grant.grantor().user().name(),
                          .privilege = grant.grantor().privilege().name(),
                          .db_name = grant.db_name()});
  }
  for (const auto& group : meta.privilege_groups()) {
    out.privilege_groups.push_back(
        {.name = group.group_name(), .privileges = NamesOf(group.privileges())});
  }
  return out;
}

proto::milvus::RBACMeta ToProto(const Rbac& rbac) {
  proto::milvus::RBACMeta out;
  for (const RbacUser& user : rbac.users) {
    auto& added = *out.add_users();
    added.set_user(user.name);
    added.set_password(user.password_hash);
    for (const std::string& role : user.roles) added.add_roles()->set_name(role);
  }
  for (const std::string& role : rbac.roles) out.add_roles()->set_name(role);
  for (const RbacGrant& grant : rbac.grants) {
    auto& added = *out.add_grants();
    added.mutable_role()->set_name(grant.role);
    added.mutable_object()->set_name(grant.object);
    added.set_object_name(grant.object_name);
    added.mutable_grantor()->mutable_user()->set_name(grant.user);
    added.mutable_grantor()->mutable_privilege()->set_name(grant.privilege);
    added.set_db_name(grant.db_name);
  }
  for (const RbacPrivilegeGroup& group : rbac.privilege_groups) {
    auto& added = *out.add_privilege_groups();
    added.set_group_name(group.name);
    for (const std::string& name : group.privileges) added.add_privileges()->set_name(name);
  }
  return out;
}

ImportTask FromProto(const proto::milvus::GetImportStateResponse& reply) {
  ImportTask out;
  out.id = reply.id();
  out.state = static_cast<ImportState>(reply.state());
  out.row_count = reply.row_count();
  out.collection_id = reply.collection_id();
  for (const auto& info : reply.infos()) out.infos[info.key()] = info.value();
  return out;
}

proto::milvus::CreateCollectionRequest ToProto(const CreateCollectionRequest& request) {
  proto::milvus::CreateCollectionRequest out;
  out.set_db_name(request.db_name);
  out.set_collection_name(request.schema.name);
  out.set_schema(ToProto(request.schema).SerializeAsString());
  out.set_shards_num(request.shards_num);
  out.set_consistency_level(request.consistency_level);
  AppendTo(*out.mutable_properties(), request.properties);
  out.set_num_partitions(request.num_partitions);
  return out;
}

proto::milvus::ImportRequest ToProto(const ImportRequest& request) {
  proto::milvus::ImportRequest out;
  out.set_db_name(request.db_name);
  out.set_collection_name(request.collection_name);
  out.set_partition_name(request.partition_name);
  for (const std::string& file : request.files) out.add_files(file);
  AppendTo(*out.mutable_options(), request.options);
  return out;
}

}  // namespace milvus_backup::milvus
