/// The configuration of milvus-backup: a YAML file in the v1 format of the reference tool, the
/// environment and `--set`, resolved to one struct. Plain data, loaded once at start.
#pragma once

#include "milvus_backup/base/log.h"
#include "milvus_backup/base/secret.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/milvus/options.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace milvus_backup::config {

/// What speaks to a storage.
enum class StorageKind { kLocal, kS3 };

/// One storage: where Milvus keeps its data, or where backups go.
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
  /// Take credentials from the environment instead of the two keys above.
  bool use_iam = false;
  /// PEM file of the authority that signed the server's certificate; empty uses the system's.
  std::string ca_cert_path;
  std::string bucket;
  /// Key prefix inside the bucket, or directory of a local storage; no slash at either end except
  /// the leading one of an absolute directory.
  std::string root_path;
  /// Start of the configuration keys that set this storage: `minio.` or `minio.backup`.
  std::string key_prefix = "minio.";
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

/// One resolved key, for `config show` and messages.
struct Setting {
  std::string key;
  /// Secrets are masked.
  std::string value;
  /// `default`, `inherited`, `file`, `environment` or `--set`.
  std::string source;
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
  std::vector<Setting> settings;
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
/// and resolve every key: --set over environment over file over default. Unknown keys are ignored,
/// as the reference tool does. Errors carry Origin::kConfig and name the key.
Result<Config> Load(const LoadOptions& options);

}  // namespace milvus_backup::config
