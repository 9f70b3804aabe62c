#include "milvus_backup/config/dm.h"

#include "milvus_words.h"
#include "resolver.h"
#include "sections.h"
#include "source_file.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <charconv>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace milvus_backup::config {
namespace {

using migration::DmOptions;
using migration::DmTask;
using migration::Metric;
using migration::WriteMode;

/// A mapping of the file and what its keys are called in messages.
class Section {
 public:
  Section(const YAML::Node& node, std::string path) : node_(node), path_(std::move(path)) {}

  std::string NameOf(const std::string& key) const { return path_ + "." + key; }
  const YAML::Node& node() const { return node_; }

  /// Undefined when there is no such key.
  YAML::Node Find(const std::string& key) const {
    if (!node_.IsMap()) return YAML::Node(YAML::NodeType::Undefined);
    for (const auto& entry : node_) {
      if (entry.first.IsScalar() && entry.first.Scalar() == key) return entry.second;
    }
    return YAML::Node(YAML::NodeType::Undefined);
  }

  /// Empty for a key that is missing or has no value.
  Result<std::string> Text(const std::string& key) const {
    const YAML::Node found = Find(key);
    if (!found.IsDefined() || found.IsNull()) return std::string();
    if (!found.IsScalar()) return ConfigError(NameOf(key) + " is no single value");
    return found.Scalar();
  }

  Result<std::string> Required(const std::string& key) const {
    MB_ASSIGN_OR_RETURN(std::string text, Text(key));
    if (text.empty()) return ConfigError("Please config " + NameOf(key) + ": it is not set");
    return text;
  }

  Result<int64_t> Number(const std::string& key, int64_t max) const {
    MB_ASSIGN_OR_RETURN(const std::string text, Required(key));
    int64_t value = 0;
    const char* const end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data(), end, value);
    if (parsed.ec != std::errc() || parsed.ptr != end || value < 1 || value > max) {
      return ConfigError(
          fmt::format("{} is '{}'; use a whole number from 1 to {}", NameOf(key), text, max));
    }
    return value;
  }

  /// A list of texts, or one text; an item without a value is empty.
  Result<std::vector<std::string>> List(const std::string& key) const {
    const YAML::Node found = Find(key);
    std::vector<std::string> items;
    if (!found.IsDefined() || found.IsNull()) return items;
    if (found.IsScalar()) {
      if (!found.Scalar().empty()) items.push_back(found.Scalar());
      return items;
    }
    if (!found.IsSequence()) return ConfigError(NameOf(key) + " is neither a list nor a value");
    for (const YAML::Node& item : found) {
      if (!item.IsScalar() && !item.IsNull()) {
        return ConfigError(NameOf(key) + " has an item that is no single value");
      }
      items.push_back(item.IsNull() ? "" : item.Scalar());
    }
    return items;
  }

  Result<Section> Child(const std::string& key) const {
    const YAML::Node found = Find(key);
    if (found.IsDefined() && !found.IsNull() && !found.IsMap()) {
      return ConfigError(NameOf(key) + " is no mapping of keys to values");
    }
    return Section(found, NameOf(key));
  }

 private:
  YAML::Node node_;
  std::string path_;
};

Result<DmTask> TaskOf(const std::string& word) {
  for (const DmTask task : {DmTask::kM2M, DmTask::kH2M, DmTask::kM2H, DmTask::kF2M}) {
    if (migration::NameOf(task) == word) return task;
  }
  return ConfigError(
      fmt::format("error task type: the first key is '{}'; use M2M, H2M, M2H or F2M", word));
}

Result<WriteMode> ModeOf(const Section& section) {
  MB_ASSIGN_OR_RETURN(const std::string word, section.Required("mode"));
  if (word == "skip") return WriteMode::kSkip;
  if (word == "append") return WriteMode::kAppend;
  if (word == "overwrite") return WriteMode::kOverwrite;
  return ConfigError(
      fmt::format("{} is '{}': error mode type, only support [skip, append, "
                  "overwrite]",
                  section.NameOf("mode"), word));
}

Result<Metric> MetricOf(const Section& section) {
  MB_ASSIGN_OR_RETURN(const std::string word, section.Required("metric_type"));
  if (const auto metric = MetricNamed(word)) return *metric;
  return ConfigError(
      fmt::format("{} is '{}'; use L2, IP, HAMMING, JACCARD, TANIMOTO, SUBSTRUCTURE "
                  "or SUPERSTRUCTURE",
                  section.NameOf("metric_type"), word));
}

/// A name that Milvus takes; empty when the key has no value.
Result<std::string> TargetName(const Section& section, const std::string& key) {
  MB_ASSIGN_OR_RETURN(std::string name, section.Text(key));
  if (name.empty() || IsMilvusName(name)) return name;
  return ConfigError(
             fmt::format("{} is '{}', which Milvus does not take", section.NameOf(key), name))
      .WithAdvice(kNameRule);
}

Status SetDestination(const Section& section, DmOptions& options) {
  MB_ASSIGN_OR_RETURN(options.milvus.address, section.Required("dest_host"));
  if (!IsBareHost(options.milvus.address)) {
    return ConfigError(fmt::format("{} is '{}'; use a host name or an address",
                                   section.NameOf("dest_host"), options.milvus.address));
  }
  MB_ASSIGN_OR_RETURN(const int64_t port, section.Number("dest_port", 65535));
  options.milvus.port = static_cast<int>(port);
  options.milvus.key_names = {
      .address = section.NameOf("dest_host") + " and " + section.NameOf("dest_port"),
      .user = section.NameOf("dest_user"),
      .password = section.NameOf("dest_password"),
      .tls = ""};
  MB_ASSIGN_OR_RETURN(options.milvus.user, section.Text("dest_user"));
  MB_ASSIGN_OR_RETURN(std::string password, section.Text("dest_password"));
  if (options.milvus.user.empty() != password.empty()) {
    return ConfigError(
               fmt::format("{} is set and {} is not",
                           section.NameOf(password.empty() ? "dest_user" : "dest_password"),
                           section.NameOf(password.empty() ? "dest_password" : "dest_user")))
        .WithAdvice("set both, or neither for a Milvus that asks for none");
  }
  options.milvus.password = Secret(std::move(password));
  MB_ASSIGN_OR_RETURN(options.mode, ModeOf(section));
  return Status::Ok();
}

/// The collection of H2M and F2M.
Status SetCollection(const Section& section, DmOptions& options) {
  MB_RETURN_IF_ERROR(section.Required("dest_collection_name").status());
  MB_ASSIGN_OR_RETURN(options.collection, TargetName(section, "dest_collection_name"));
  MB_ASSIGN_OR_RETURN(options.partition, TargetName(section, "dest_partition_name"));
  if (options.partition == "_default") options.partition.clear();
  MB_ASSIGN_OR_RETURN(const Section parameter, section.Child("collection_parameter"));
  MB_ASSIGN_OR_RETURN(options.metric, MetricOf(parameter));
  MB_ASSIGN_OR_RETURN(options.dim, parameter.Number("dimension", MaxDimension(options.metric)));
  if (!migration::IsBinary(options.metric) || options.dim % 8 == 0) return Status::Ok();
  return ConfigError(fmt::format("{} is {}: binary vectors have a multiple of 8 bits",
                                 parameter.NameOf("dimension"), options.dim));
}

Status SetHdf5Files(const Section& section, DmOptions& options) {
  MB_ASSIGN_OR_RETURN(options.files, section.List("data_path"));
  std::erase(options.files, "");
  MB_ASSIGN_OR_RETURN(options.data_dir, section.Text("data_dir"));
  if (options.files.empty() != options.data_dir.empty()) return Status::Ok();
  return ConfigError(fmt::format("{} and {} are {} set", section.NameOf("data_path"),
                                 section.NameOf("data_dir"),
                                 options.files.empty() ? "both not" : "both"))
      .WithAdvice("set one of them");
}

Status SetFaissFile(const Section& section, DmOptions& options) {
  MB_ASSIGN_OR_RETURN(options.files, section.List("data_path"));
  if (options.files.size() == 1 && !options.files.front().empty()) return Status::Ok();
  return ConfigError(fmt::format("Please config {}: one file", section.NameOf("data_path")));
}

Status SetMysql(const Section& section, DmOptions& options) {
  MB_ASSIGN_OR_RETURN(const Section mysql, section.Child("mysql_parameter"));
  if (!mysql.node().IsMap()) return Status::Ok();
  MB_ASSIGN_OR_RETURN(const std::string host, mysql.Required("host"));
  MB_ASSIGN_OR_RETURN(const std::string user, mysql.Required("user"));
  MB_ASSIGN_OR_RETURN(const int64_t port, mysql.Number("port", 65535));
  MB_ASSIGN_OR_RETURN(const std::string password, mysql.Text("password"));
  MB_ASSIGN_OR_RETURN(const std::string database, mysql.Required("database"));
  // What would end these in a data source name.
  if (user.find(':') != std::string::npos) {
    return ConfigError(mysql.NameOf("user") + " has a colon, which is not supported");
  }
  if (database.find_first_of("/?") != std::string::npos) {
    return ConfigError(mysql.NameOf("database") + " has a / or ?, which is not supported");
  }
  const bool is_ipv6 = host.find(':') != std::string::npos && !host.starts_with('[');
  options.source.mysql_dsn = Secret(fmt::format("{}:{}@tcp({}:{})/{}", user, password,
                                                is_ipv6 ? "[" + host + "]" : host, port, database));
  return Status::Ok();
}

Status SetOldMilvus(const Section& section, DmOptions& options) {
  MB_ASSIGN_OR_RETURN(options.source.path, section.Required("source_milvus_path"));
  MB_RETURN_IF_ERROR(SetMysql(section, options));
  MB_ASSIGN_OR_RETURN(const Section selected, section.Child("source_collection"));
  if (!selected.node().IsMap()) {
    return ConfigError("Please config " + section.NameOf("source_collection") +
                       ": names of collections, each with a list of partitions or nothing");
  }
  for (const auto& entry : selected.node()) {
    const auto name = entry.first.as<std::string>();
    MB_ASSIGN_OR_RETURN(std::vector<std::string> partitions, selected.List(name));
    options.source.collections.push_back({name, std::move(partitions)});
  }
  if (!options.source.collections.empty()) return Status::Ok();
  return ConfigError(section.NameOf("source_collection") + " is empty");
}

Status SetOptions(const Section& section, DmOptions& options) {
  if (!section.node().IsMap()) {
    return ConfigError(fmt::format("{} has no keys", migration::NameOf(options.task)));
  }
  if (options.task != DmTask::kM2H) MB_RETURN_IF_ERROR(SetDestination(section, options));
  switch (options.task) {
    case DmTask::kM2M:
      return SetOldMilvus(section, options);
    case DmTask::kM2H: {
      MB_ASSIGN_OR_RETURN(options.data_dir, section.Required("data_dir"));
      return SetOldMilvus(section, options);
    }
    case DmTask::kH2M:
      MB_RETURN_IF_ERROR(SetHdf5Files(section, options));
      return SetCollection(section, options);
    case DmTask::kF2M:
      MB_RETURN_IF_ERROR(SetFaissFile(section, options));
      return SetCollection(section, options);
  }
  return Status::Ok();
}

/// The `storage:` block, beside the task or among its keys.
Status SetStorage(FlatFile flat, DmConfig& config) {
  std::string section = "storage";
  const std::string inner = std::string(migration::NameOf(config.options.task)) + ".storage";
  if (flat.contains(ToLower(inner))) section = inner;
  if (!flat.contains(ToLower(section))) return Status::Ok();
  Resolver values(std::move(flat), ProcessEnvironment, ReadSecretFile);
  const StorageIds ids{section};
  MB_ASSIGN_OR_RETURN(StorageSettings storage, LoadStorageEntry(values, ids, ""));
  for (const std::string& key : values.UnknownFileKeys()) {
    if (!key.starts_with(ToLower(section) + ".")) continue;
    return ConfigError("unknown key " + section + key.substr(section.size()));
  }
  if (storage.kind == StorageKind::kLocal) {
    storage.root_path = values.Text(ids.Id("milvusRootPath"));
    storage.keys.root_path = ids.Id("rootPath");
    if (!storage.root_path.starts_with('/')) {
      return ConfigError(fmt::format("{} is '{}'; use the absolute path of Milvus' directory",
                                     storage.keys.root_path, storage.root_path));
    }
  }
  config.storage = std::move(storage);
  return Status::Ok();
}

Result<DmConfig> Parse(const YAML::Node& root, FlatFile flat, const std::string& path) {
  if (!root.IsMap() || root.size() == 0) return ConfigError("it has no keys");
  DmConfig config;
  config.options.path = path;
  const auto first = *root.begin();
  MB_ASSIGN_OR_RETURN(config.options.task, TaskOf(first.first.as<std::string>()));
  const Section section(first.second, std::string(migration::NameOf(config.options.task)));
  MB_RETURN_IF_ERROR(SetOptions(section, config.options));
  MB_RETURN_IF_ERROR(SetStorage(std::move(flat), config));
  return config;
}

}  // namespace

Result<DmConfig> LoadDm(const std::string& path) {
  MB_ASSIGN_OR_RETURN(const std::string text, ReadConfigFile(path));
  try {
    // Also keeps aliases from standing for more than a file can hold. Names of collections are told
    // apart by case.
    MB_ASSIGN_OR_RETURN(FlatFile flat, ParseYaml(text, path, ".source_collection"));
    auto config = Parse(YAML::Load(text), std::move(flat), path);
    if (!config.ok()) return config.status().Annotate(path);
    return config;
  } catch (const YAML::Exception& error) {
    return ConfigError(fmt::format("{} line {}: {}", path, error.mark.line + 1, error.msg));
  }
}

}  // namespace milvus_backup::config
