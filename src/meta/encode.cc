#include "fields_internal.h"
#include "json_writer_internal.h"

#include "milvus_backup/meta/codec.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace milvus_backup::meta {
namespace {

/// A visitor of VisitFields that writes.
class Encoder {
 public:
  Encoder(const TextSink& sink, CollectionForm form, int indent = 0)
      : writer_(sink, indent), form_(form) {}

  JsonWriter& writer() { return writer_; }

  template <typename T>
  void Field(std::string_view name, const T& value) {
    if (IsAbsent(value)) return;
    Always(name, value);
  }

  template <typename T>
  void Always(std::string_view name, const T& value) {
    writer_.Key(name);
    Value(value);
  }

  void Segments(std::string_view name, const std::vector<SegmentBackup>& segments) {
    if (form_ == CollectionForm::kTree) Field(name, segments);
  }

  void HeaderOnly(std::string_view, const std::string&) {}

  template <typename F>
  void Legacy(const std::optional<TaskRecord>& task, const F& visit) {
    if (task) visit(*this, *task);
  }

  void Value(bool value) { writer_.Bool(value); }
  void Value(int32_t value) { writer_.Signed(value); }
  void Value(int64_t value) { writer_.Signed(value); }
  void Value(uint64_t value) { writer_.Unsigned(value); }
  void Value(const std::string& value) { writer_.String(value); }
  template <typename T>
  void Value(const std::optional<T>& value) {
    Value(*value);
  }
  template <typename T>
  void Value(const std::vector<T>& values) {
    writer_.BeginArray();
    for (const T& value : values) Value(value);
    writer_.EndArray();
  }
  void Value(const LogList& logs) { Value(logs.Unpack()); }
  void Value(const std::map<std::string, std::string>& values) {
    writer_.BeginObject();
    for (const auto& [key, value] : values) Always(key, value);
    writer_.EndObject();
  }
  template <typename T>
  void Value(const T& message) {
    writer_.BeginObject();
    VisitFields(*this, message);
    writer_.EndObject();
  }

 private:
  template <typename T>
  static bool IsAbsent(const T& value) {
    if constexpr (std::is_arithmetic_v<T>) {
      return value == T{};
    } else if constexpr (requires { value.has_value(); }) {
      return !value.has_value();
    } else {
      return value.empty();
    }
  }

  JsonWriter writer_;
  CollectionForm form_;
};

/// `{"infos":[…]}`, and `{}` when there is nothing to list.
class InfosEncoder {
 public:
  InfosEncoder(const TextSink& sink, CollectionForm form) : encoder_(sink, form) {
    encoder_.writer().BeginObject();
  }

  template <typename T>
  void Add(const T& info) {
    if (!started_) {
      encoder_.writer().Key("infos");
      encoder_.writer().BeginArray();
    }
    started_ = true;
    encoder_.Value(info);
  }

  Status Finish() {
    if (started_) encoder_.writer().EndArray();
    encoder_.writer().EndObject();
    return encoder_.writer().Finish();
  }

 private:
  Encoder encoder_;
  bool started_ = false;
};

/// The members of a collection that `get` shows.
void EncodeBriefCollection(Encoder& encoder, const CollectionBackup& collection) {
  encoder.writer().BeginObject();
  encoder.Field("id", collection.id);
  encoder.Field("collection_id", collection.collection_id);
  encoder.Field("db_name", collection.db_name);
  encoder.Field("collection_name", collection.collection_name);
  encoder.Always("schema", collection.schema);
  encoder.Field("shards_num", collection.shards_num);
  encoder.Field("backup_timestamp", collection.backup_timestamp);
  encoder.Always("size", collection.size);
  encoder.Always("has_index", collection.has_index);
  encoder.Field("index_infos", collection.index_infos);
  encoder.Field("load_state", collection.load_state);
  encoder.Field("backup_physical_timestamp", collection.backup_physical_timestamp);
  encoder.Field("channel_checkpoints", collection.channel_checkpoints);
  encoder.Field("properties", collection.properties);
  encoder.writer().EndObject();
}

}  // namespace

Status EncodeHeader(const BackupInfo& info, const TextSink& sink) {
  Encoder encoder(sink, CollectionForm::kWithoutSegments);
  encoder.writer().BeginObject();
  VisitIdentity(encoder, info);
  encoder.Always("size", info.size);
  encoder.Field("milvus_version", info.milvus_version);
  VisitMetaSize(encoder, info);
  encoder.Field("format", info.format);
  VisitGaps(encoder, info);
  encoder.Field("manifest_sha256", info.manifest_sha256);
  encoder.writer().EndObject();
  return encoder.writer().Finish();
}

Status EncodeCollectionMeta(const BackupInfo& info, CollectionForm form, const TextSink& sink) {
  InfosEncoder infos(sink, form);
  for (const CollectionBackup& collection : info.collection_backups) infos.Add(collection);
  return infos.Finish();
}

Status EncodePartitionMeta(const BackupInfo& info, const TextSink& sink) {
  InfosEncoder infos(sink, CollectionForm::kWithoutSegments);
  for (const CollectionBackup& collection : info.collection_backups) {
    for (const PartitionBackup& partition : collection.partition_backups) infos.Add(partition);
  }
  return infos.Finish();
}

Status EncodeSegmentMeta(const BackupInfo& info, const TextSink& sink) {
  InfosEncoder infos(sink, CollectionForm::kTree);
  for (const CollectionBackup& collection : info.collection_backups) {
    for (const PartitionBackup& partition : collection.partition_backups) {
      for (const SegmentBackup& segment : partition.segment_backups) infos.Add(segment);
    }
  }
  return infos.Finish();
}

Status EncodeFullMeta(const BackupInfo& info, const TextSink& sink) {
  Encoder encoder(sink, CollectionForm::kTree);
  encoder.Value(info);
  return encoder.writer().Finish();
}

Status EncodeBrief(const BackupInfo& info, const BriefOptions& options, const TextSink& sink) {
  Encoder encoder(sink, CollectionForm::kWithoutSegments, options.indent);
  JsonWriter& writer = encoder.writer();
  writer.BeginObject();
  encoder.Field("id", options.id);
  encoder.Always("state_code", options.state_code);
  encoder.Field("errorMessage", options.task.error_message);
  encoder.Field("start_time", options.task.start_time);
  encoder.Field("end_time", options.task.end_time);
  encoder.Always("progress", options.task.progress);
  encoder.Field("name", info.name);
  encoder.Field("backup_timestamp", info.backup_timestamp);
  if (!info.collection_backups.empty()) {
    writer.Key("collection_backups");
    writer.BeginArray();
    for (const CollectionBackup& collection : info.collection_backups) {
      EncodeBriefCollection(encoder, collection);
    }
    writer.EndArray();
  }
  encoder.Always("size", info.size);
  encoder.Field("milvus_version", info.milvus_version);
  encoder.Field("rpc_channel_info", info.rpc_channel_info);
  encoder.Field("database_backups", info.database_backups);
  encoder.Always("meta_size", options.task.meta_size);
  encoder.Field("format", info.format);
  VisitGaps(encoder, info);
  encoder.Field("tags", options.tags);
  writer.EndObject();
  return writer.Finish();
}

std::string EncodeToString(const std::function<Status(const TextSink&)>& encode) {
  std::string text;
  encode([&](std::string_view part) {
    text += part;
    return Status::Ok();
  }).IgnoreError("appending to a string cannot fail");
  return text;
}

}  // namespace milvus_backup::meta
