/// The configuration of milvus-backup: a YAML file in the v1 or v2 format of the reference tool,
/// the environment and `--set`, resolved to one struct. Plain data, loaded once at start.
#pragma once

#include "milvus_backup/base/log.h"
#include "milvus_backup/base/secret.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/config/schedule.h"
#include "milvus_backup/milvus/options.h"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace milvus_backup::config {

/// What speaks to a storage.
enum class StorageKind { kLocal, kS3 };

/// What the user calls the fields of a storage, for messages.
struct StorageKeyNames {
  std::string address = "minio.address";
  std::string port = "minio.port";
  std::string use_ssl = "minio.useSSL";
  std::string ca_cert_path = "minio.caCertPath";
  std::string region = "minio.region";
  std::string access_key = "minio.accessKeyID";
  std::string secret_key = "minio.secretAccessKey";
  std::string bucket = "minio.bucketName";
  std::string root_path = "minio.rootPath";
};

/// One storage: where Milvus keeps its data, where backups go, or one of the `storages:` map.
struct StorageSettings {
  StorageKind kind = StorageKind::kS3;
  /// Normalised provider: local, minio, s3, aliyun, tencent, hwc or gcp.
  std::string provider = "minio";
  std::string address = "localhost";
  int port = 9000;
  std::string region;
  bool use_ssl = false;
  std::string access_key;
  Secret secret_key;
  Secret session_token;
  /// Take credentials from the environment; the three fields above are then empty.
  bool use_iam = false;
  /// PEM file of the authority that signed the server's certificate; empty uses the system's.
  std::string ca_cert_path;
  /// Hash and sign the body of every request.
  bool signs_bodies = false;
  std::string bucket;
  /// Key prefix inside the bucket, or directory of a local storage; no slash at either end except
  /// the leading one of an absolute directory.
  std::string root_path;
  /// Directory of a local storage as the Milvus process sees it; empty when it sees `root_path`.
  std::string milvus_path;
  StorageKeyNames keys;
};

struct Parallelism {
  int backup_collection = 4;
  int backup_segment = 1024;
  int copy_data = 128;
  int restore_collection = 2;
  int import_job = 768;
};

/// Pausing Milvus' garbage collection while a backup is taken.
struct GcPause {
  bool enable = true;
  /// Management endpoint of Milvus: an absolute http or https URL.
  std::string address = "http://localhost:9091";
};

/// Of `milvus-backup server`.
struct ServerSettings {
  /// Host name or IP address to listen on.
  std::string address = "127.0.0.1";
  /// What requests must carry; empty asks for nothing.
  Secret token;
  /// Where the states of tasks are kept.
  std::string state_dir = "server-state";
  /// Tasks that run at once.
  int max_jobs = 2;
  /// PEM files of certificate and key; TLS when they are set, both or none.
  std::string tls_cert_path;
  std::string tls_key_path;
};

/// One resolved key, for `config show` and messages.
struct Setting {
  std::string key;
  /// Secrets are masked.
  std::string value;
  /// `default`, `inherited`, `file`, `environment` or `--set`.
  std::string source;
  /// The name under which the value was found: of a key, an alias, a `…File` key, an environment
  /// variable, or the key it was inherited from. Empty for a default.
  std::string source_key;
};

struct Config {
  /// The file that was read.
  std::string path;
  log::Options log;
  milvus::ClientOptions milvus;
  StorageSettings milvus_storage;
  StorageSettings backup_storage;
  /// Move every byte through this program even where the service could copy by itself.
  bool cross_storage = false;
  /// Objects of at least this size are copied in parts, MiB.
  uint64_t multipart_copy_threshold_mib = 500;
  Parallelism parallelism;
  /// Leave the staging directory of a restore in Milvus' bucket.
  bool keep_temp_files = false;
  GcPause gc_pause;
  ServerSettings server;
  /// Where commands leave their metrics; empty leaves none.
  std::string metrics_directory;
  /// Other storages by name, in lower case.
  std::map<std::string, StorageSettings> storages;
  /// By name.
  std::vector<ScheduleSettings> schedules;
  /// Every key of the file's version, in the order of the documentation.
  std::vector<Setting> settings;
  /// One line each, for the log: keys that mean nothing.
  std::vector<std::string> warnings;
};

struct LoadOptions {
  /// As given with --config.
  std::string path = "backup.yaml";
  /// `key=value` texts of --set, highest precedence first to last (a later one wins).
  std::vector<std::string> sets;
  /// Reads one environment variable; none when unset.
  std::function<std::optional<std::string>(const std::string& name)> environment;
};

/// The environment of this process.
std::optional<std::string> ProcessEnvironment(const std::string& name);

/// Find the file (as given, then `$MILVUSCONF/<file name>`, then `configs/<file name>`), read it
/// and resolve every key: --set over environment over file over default. A secret may instead be
/// named by a `…File` key or `…_FILE` variable whose file holds it. Unknown keys of a v1 file are
/// ignored, as the reference tool does; those of a v2 file and of --set become warnings; those
/// inside `storages:` and `schedules:` are errors. Errors carry Origin::kConfig and name the key.
Result<Config> Load(const LoadOptions& options);

/// The storage called `name`, in any case: one of `storages:`, or `milvus` or `backup` for the two
/// every configuration has. kInvalidArgument listing the known names otherwise.
Result<StorageSettings> FindStorage(const Config& config, std::string_view name);

}  // namespace milvus_backup::config
