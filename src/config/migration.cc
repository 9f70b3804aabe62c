#include "milvus_backup/config/migration.h"

#include "migration_keys.h"
#include "milvus_words.h"
#include "source_file.h"

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace milvus_backup::config {
namespace {

using migration::MetaMode;
using migration::StorePlace;
using storage::S3Provider;

constexpr int64_t kMaxWorkers = 256;
/// Of a collection.
constexpr int64_t kMaxShards = 16;
/// Of `reader.bufferSize`, KB.
constexpr int64_t kMaxBufferKib = int64_t{4} << 20;

std::string Trimmed(std::string text) {
  while (text.ends_with('/')) text.pop_back();
  text.erase(0, text.find_first_not_of('/'));
  return text;
}

/// What stands for an endpoint that is not set.
std::string DefaultEndpoint(S3Provider provider, const std::string& region) {
  switch (provider) {
    case S3Provider::kGcs:
      return "storage.googleapis.com";
    case S3Provider::kAliyun:
      return fmt::format("oss-{}.aliyuncs.com", region);
    case S3Provider::kTencent:
      return fmt::format("cos.{}.myqcloud.com", region);
    case S3Provider::kHuawei:
      return fmt::format("obs.{}.myhuaweicloud.com", region);
    case S3Provider::kAws:
    case S3Provider::kMinio:
      return "s3.amazonaws.com";
  }
  return "";
}

Result<S3Provider> ProviderOf(const std::string& key, const std::string& cloud,
                              const std::string& endpoint) {
  const std::string name = ToLower(cloud);
  if (name == "aws" || name == "s3" || name == "minio") {
    // `aws` stands for everything that speaks S3, MinIO above all.
    const bool amazon = endpoint.empty() || endpoint.find("amazonaws.com") != std::string::npos;
    return amazon ? S3Provider::kAws : S3Provider::kMinio;
  }
  if (name == "gcp") return S3Provider::kGcs;
  if (name == "ali" || name == "aliyun") return S3Provider::kAliyun;
  if (name == "tc" || name == "tencent") return S3Provider::kTencent;
  if (name == "hwc") return S3Provider::kHuawei;
  if (name == "azure" || name == "az") {
    return InvalidArgumentError(fmt::format("{}: {} is not built yet in this version", key, cloud))
        .WithAdvice("copy the data to a storage that speaks S3");
  }
  return ConfigError(
      fmt::format("{} is '{}'; use aws (MinIO too), gcp, ali, tc or hwc", key, cloud));
}

/// `[http[s]://]host[:port]` into address and port.
Status SetEndpoint(const std::string& key, const std::string& text, storage::S3Options& s3) {
  MB_ASSIGN_OR_RETURN(const Endpoint endpoint, ParseEndpoint(key, text));
  s3.use_ssl = s3.use_ssl || endpoint.is_tls;
  s3.port = endpoint.port;
  s3.address = endpoint.address;
  return Status::Ok();
}

Result<StorePlace> RemotePlace(const MigrationKeys& keys, const std::string& section,
                               const std::string& directory_key) {
  const std::string at = section + ".remote.";
  StorePlace place{.is_local = false, .key = section};
  place.directory = Trimmed(keys.Text(at + directory_key));
  storage::S3Options& s3 = place.s3;
  const std::string endpoint = keys.Text(at + "endpoint");
  MB_ASSIGN_OR_RETURN(const std::string cloud, keys.Required(at + "cloud"));
  MB_ASSIGN_OR_RETURN(s3.provider, ProviderOf(at + "cloud", cloud, endpoint));
  s3.region = keys.Text(at + "region");
  MB_ASSIGN_OR_RETURN(s3.use_ssl, keys.Bool(at + "useSSL"));
  s3.use_ssl = s3.use_ssl || s3.provider == S3Provider::kTencent;
  const bool fixed = endpoint.empty() || s3.provider == S3Provider::kGcs;
  MB_RETURN_IF_ERROR(
      SetEndpoint(at + "endpoint", fixed ? DefaultEndpoint(s3.provider, s3.region) : endpoint, s3));
  MB_ASSIGN_OR_RETURN(s3.bucket, keys.Required(at + "bucket"));
  MB_ASSIGN_OR_RETURN(place.use_iam, keys.Bool(at + "useIAM"));
  MB_RETURN_IF_ERROR(keys.Bool(at + "checkBucket").status());
  s3.access_key = Secret(keys.Text(at + "ak"));
  s3.secret_key = Secret(keys.Text(at + "sk"));
  s3.anonymous = s3.access_key.empty() || s3.secret_key.empty();
  s3.key_names = {.address = at + "endpoint",
                  .port = at + "endpoint",
                  .use_ssl = at + "useSSL",
                  .ca_file = at + "useSSL",
                  .region = at + "region",
                  .access_key = at + "ak",
                  .secret_key = at + "sk",
                  .bucket = at + "bucket"};
  MB_RETURN_IF_ERROR(s3.Validate());
  return place;
}

Result<StorePlace> PlaceOf(const MigrationKeys& keys, const std::string& section,
                           const std::string& directory_key) {
  MB_ASSIGN_OR_RETURN(const std::string mode, keys.Required(section + ".mode"));
  if (ToLower(mode) == "remote") return RemotePlace(keys, section, directory_key);
  if (ToLower(mode) != "local") {
    return ConfigError(fmt::format("{}.mode is '{}'; use local or remote", section, mode));
  }
  StorePlace place{.is_local = true, .key = section};
  MB_ASSIGN_OR_RETURN(place.directory, keys.Required(section + ".local." + directory_key));
  return place;
}

Result<migration::MetaSource> MetaOf(const MigrationKeys& keys) {
  MB_ASSIGN_OR_RETURN(const std::string given, keys.Required("meta.mode"));
  const std::string mode = ToLower(given);
  migration::MetaSource meta;
  if (mode == "mysql") {
    meta.mode = MetaMode::kMysql;
    meta.key = "meta.mysqlUrl";
    MB_ASSIGN_OR_RETURN(std::string dsn, keys.Required(meta.key));
    meta.dsn = Secret(std::move(dsn));
    return meta;
  }
  if (mode == "local" || mode == "mock") {
    // Two names of one thing: either key goes with either mode.
    meta.mode = MetaMode::kFile;
    meta.key = mode == "local" ? "meta.localFile" : "meta.mockFile";
    const std::string other = mode == "local" ? "meta.mockFile" : "meta.localFile";
    if (keys.Text(meta.key).empty() && !keys.Text(other).empty()) meta.key = other;
  } else if (mode == "sqlite") {
    meta.mode = MetaMode::kSqlite;
    meta.key = "meta.sqliteFile";
  } else if (mode == "remote") {
    meta.mode = MetaMode::kRemote;
    meta.key = "meta.remoteMetaFile";
  } else {
    return ConfigError(fmt::format("meta.mode is '{}'; use local, sqlite, mysql or remote", given));
  }
  MB_ASSIGN_OR_RETURN(meta.path, keys.Required(meta.key));
  if (meta.mode == MetaMode::kRemote) meta.path = Trimmed(meta.path);
  return meta;
}

Result<migration::WorkMode> WorkModeOf(const MigrationKeys& keys) {
  const std::string key = "dumper.worker.workMode";
  const std::string mode = keys.Text(key);
  if (mode.empty()) return ConfigError(key + " is not set");
  if (mode == "milvus1x") return migration::WorkMode::kMilvus1x;
  if (mode == "faiss") return migration::WorkMode::kFaiss;
  if (mode == "milvus2x") {
    return InvalidArgumentError("not support workMode milvus2x").WithAdvice("use start");
  }
  if (mode == "elasticsearch") {
    return InvalidArgumentError(fmt::format("{}: {} is not built yet in this version", key, mode))
        .WithAdvice("milvus1x, milvus2x and faiss are");
  }
  return ConfigError(fmt::format("[{}] not support {}", key, mode));
}

/// `target.create.collection`, which dump and load use.
Result<migration::FaissSource> FaissTargetOf(const MigrationKeys& keys) {
  const std::string at = "target.create.collection.";
  migration::FaissSource faiss;
  MB_ASSIGN_OR_RETURN(faiss.collection, keys.Required(at + "name"));
  if (!IsMilvusName(faiss.collection)) {
    return ConfigError(
               fmt::format("{}name is '{}', which Milvus does not take", at, faiss.collection))
        .WithAdvice(kNameRule);
  }
  if (!keys.Text(at + "shardsNum").empty() && keys.Text(at + "shardsNum") != "0") {
    MB_ASSIGN_OR_RETURN(const int64_t shards, keys.Number(at + "shardsNum", 0, kMaxShards));
    faiss.shards = static_cast<int32_t>(shards);
  }
  MB_ASSIGN_OR_RETURN(const std::string word, keys.Required(at + "metricType"));
  const auto metric = MetricNamed(word);
  if (!metric) {
    return ConfigError(
        fmt::format("{}metricType is '{}'; use L2 or IP, or HAMMING and the like "
                    "for binary vectors",
                    at, word));
  }
  faiss.metric = *metric;
  MB_RETURN_IF_ERROR(keys.Required(at + "dim").status());
  MB_ASSIGN_OR_RETURN(faiss.dim, keys.Number(at + "dim", 0, MaxDimension(faiss.metric)));
  if (migration::IsBinary(faiss.metric) && faiss.dim % 8 != 0) {
    return ConfigError(
        fmt::format("{}dim is {}: binary vectors have a multiple of 8 bits", at, faiss.dim));
  }
  return faiss;
}

/// The file of `source` as a directory and a name in it.
Status SplitFaissFile(migration::Options& options) {
  std::string& directory = options.source.directory;
  const size_t slash = directory.rfind('/');
  options.faiss.file = slash == std::string::npos ? directory : directory.substr(slash + 1);
  if (options.faiss.file.empty()) {
    return ConfigError(fmt::format("source.{}.faissFile is '{}', a directory",
                                   options.source.is_local ? "local" : "remote", directory));
  }
  directory.resize(slash == std::string::npos ? 0 : slash);
  if (options.source.is_local && directory.empty()) {
    directory = slash == std::string::npos ? "." : "/";
  }
  return Status::Ok();
}

Status SetSource(const MigrationKeys& keys, migration::Options& options) {
  if (options.work_mode == migration::WorkMode::kFaiss) {
    MB_ASSIGN_OR_RETURN(options.source, PlaceOf(keys, "source", "faissFile"));
    return SplitFaissFile(options);
  }
  MB_ASSIGN_OR_RETURN(options.meta, MetaOf(keys));
  MB_ASSIGN_OR_RETURN(options.source, PlaceOf(keys, "source", "tablesDir"));
  if (options.meta.mode == MetaMode::kRemote && options.source.is_local) {
    return ConfigError("meta.mode remote reads from source.remote: set source.mode to remote");
  }
  return Status::Ok();
}

}  // namespace

Result<migration::Options> LoadMigration(const LoadOptions& load, const MigrationNeeds& needs) {
  MB_ASSIGN_OR_RETURN(const SourceFile file, ReadKeys(load));
  const MigrationKeys keys(file.keys);
  migration::Options options;
  const auto work_mode = WorkModeOf(keys);
  if (!work_mode.ok()) return work_mode.status().Annotate(file.path);
  options.work_mode = *work_mode;
  const auto resolve = [&]() -> Status {
    MB_ASSIGN_OR_RETURN(const int64_t dumpers, keys.Number("dumper.worker.limit", 2, kMaxWorkers));
    options.dump_limit = static_cast<int>(dumpers);
    MB_ASSIGN_OR_RETURN(const int64_t loaders, keys.Number("loader.worker.limit", 2, kMaxWorkers));
    options.load_limit = static_cast<int>(loaders);
    MB_ASSIGN_OR_RETURN(const int64_t kib,
                        keys.Number("dumper.worker.reader.bufferSize", 1024, kMaxBufferKib));
    options.reader_buffer_bytes = static_cast<uint64_t>(kib) * 1024;
    MB_ASSIGN_OR_RETURN(options.target, PlaceOf(keys, "target", "outputDir"));
    if (needs.milvus) {
      MB_ASSIGN_OR_RETURN(options.milvus, keys.MilvusAt("target.milvus2x"));
      options.database = keys.Text("target.milvus2x.database");
    }
    if (options.work_mode == migration::WorkMode::kFaiss) {
      MB_ASSIGN_OR_RETURN(options.faiss, FaissTargetOf(keys));
    }
    return needs.source ? SetSource(keys, options) : Status::Ok();
  };
  MB_RETURN_IF_ERROR(resolve().Annotate(file.path));
  return options;
}

}  // namespace milvus_backup::config
