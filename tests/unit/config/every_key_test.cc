// What every key of docs/compatibility.md does to the configuration: which fields change, that none
// does, or what is said.
#include "config/keys.h"
#include "config_fixture.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace milvus_backup::config {
namespace {

using milvus_backup::testing::IsError;

using Fields = std::map<std::string, std::string>;

void AddStorage(const std::string& name, const StorageSettings& storage, Fields& fields) {
  fields[name + ".kind"] = storage.kind == StorageKind::kLocal ? "local" : "s3";
  fields[name + ".provider"] = storage.provider;
  fields[name + ".address"] = storage.address;
  fields[name + ".port"] = std::to_string(storage.port);
  fields[name + ".region"] = storage.region;
  fields[name + ".ssl"] = fmt::format("{}", storage.use_ssl);
  fields[name + ".access_key"] = storage.access_key;
  fields[name + ".secret_key"] = storage.secret_key.Reveal();
  fields[name + ".token"] = storage.session_token.Reveal();
  fields[name + ".iam"] = fmt::format("{}", storage.use_iam);
  fields[name + ".ca"] = storage.ca_cert_path;
  fields[name + ".signs"] = fmt::format("{}", storage.signs_bodies);
  fields[name + ".bucket"] = storage.bucket;
  fields[name + ".root"] = storage.root_path;
  fields[name + ".milvus_path"] = storage.milvus_path;
}

/// All that commands ask of a configuration: how many segments to copy at once, none does.
Fields FieldsOf(const Config& config) {
  Fields fields;
  fields["log.level"] = std::to_string(static_cast<int>(config.log.level));
  fields["log.console"] = fmt::format("{}", config.log.console);
  fields["log.path"] = config.log.path;
  fields["log.size"] = std::to_string(config.log.max_size_mib);
  fields["log.days"] = std::to_string(config.log.max_days);
  fields["log.backups"] = std::to_string(config.log.max_backups);
  const milvus::ClientOptions& milvus = config.milvus;
  fields["milvus.address"] = milvus.address;
  fields["milvus.port"] = std::to_string(milvus.port);
  fields["milvus.user"] = milvus.user;
  fields["milvus.password"] = milvus.password.Reveal();
  fields["milvus.tls"] = std::to_string(static_cast<int>(milvus.tls_mode));
  fields["milvus.ca"] = milvus.ca_cert_path;
  fields["milvus.name"] = milvus.server_name;
  fields["milvus.cert"] = milvus.mtls_cert_path;
  fields["milvus.key"] = milvus.mtls_key_path;
  AddStorage("own", config.milvus_storage, fields);
  AddStorage("backup", config.backup_storage, fields);
  fields["streaming"] = fmt::format("{}", config.cross_storage);
  fields["threshold"] = std::to_string(config.multipart_copy_threshold_mib);
  const Parallelism& parallelism = config.parallelism;
  fields["parallel.create"] = std::to_string(parallelism.backup_collection);
  fields["parallel.copy"] = std::to_string(parallelism.copy_data);
  fields["parallel.restore"] = std::to_string(parallelism.restore_collection);
  fields["parallel.import"] = std::to_string(parallelism.import_job);
  fields["keep_temp"] = fmt::format("{}", config.keep_temp_files);
  fields["gc.pause"] = fmt::format("{}", config.gc_pause.enable);
  fields["gc.address"] = config.gc_pause.address;
  fields["server.address"] = config.server.address;
  fields["server.token"] = config.server.token.Reveal();
  fields["server.state"] = config.server.state_dir;
  fields["server.jobs"] = std::to_string(config.server.max_jobs);
  fields["server.cert"] = config.server.tls_cert_path;
  fields["server.key"] = config.server.tls_key_path;
  fields["metrics"] = config.metrics_directory;
  return fields;
}

/// `field=value` of every field that is another one than in `base`, in the order of their names.
std::vector<std::string> Changes(const Fields& base, const Fields& fields) {
  std::vector<std::string> changes;
  for (const auto& [name, value] : fields) {
    if (base.at(name) != value) changes.push_back(name + "=" + value);
  }
  return changes;
}

/// One key in one version of the file.
struct KeyCase {
  std::string name;
  std::string value;
  /// Changed fields.
  std::vector<std::string> changes{};
  /// Or the text of the error.
  std::string error{};
  /// Lines that the key wants beside it.
  std::string with{};
};

/// Keys that both versions have under one name.
std::vector<KeyCase> CasesOfBoth() {
  return {
      {"log.level", "debug", {"log.level=0"}},
      {"log.console", "false", {"log.console=false"}},
      {"log.file.maxDays", "8", {"log.days=8"}},
      {"log.file.maxBackups", "9", {"log.backups=9"}},
      {"server.address", "10.0.0.1", {"server.address=10.0.0.1"}},
      {"server.token", "t", {"server.token=t"}},
      {"server.stateDir", "d", {"server.state=d"}},
      {"server.maxJobs", "3", {"server.jobs=3"}},
      {.name = "server.tlsCertPath",
       .value = "/c",
       .changes = {"server.cert=/c", "server.key=/k"},
       .with = "server.tlsKeyPath: /k\n"},
      {.name = "server.tlsKeyPath",
       .value = "/k",
       .changes = {"server.cert=/c", "server.key=/k"},
       .with = "server.tlsCertPath: /c\n"},
      {"metrics.textfileDir", "/m", {"metrics=/m"}},
      {"milvus.user", "u", {"milvus.user=u"}},
      {"milvus.password", "p", {"milvus.password=p"}},
      {"milvus.etcd.rootPath", "r"},
  };
}

void Append(std::vector<KeyCase> more, std::vector<KeyCase>& cases) {
  std::ranges::move(more, std::back_inserter(cases));
}

const std::vector<KeyCase>& V1Cases() {
  static const std::vector<KeyCase> all = [] {
    std::vector<KeyCase> cases = {
        {"log.file.filename", "a.log", {"log.path=a.log"}},
        {"log.file.rootPath", "a.log", {"log.path=a.log"}},
        {"log.file.maxSize", "7", {"log.size=7"}},
        {"http.enabled", "false"},
        {"http.debugMode", "true"},
        {"http.debug_mode", "true"},
        {"http.swaggerBasePath", "/x"},
        {"http.simpleResponse", "true"},
        {"cloud.address", "https://cloud"},
        {"cloud.apikey", "secret"},
        {"milvus.address", "m", {"milvus.address=m"}},
        {"milvus.port", "1", {"milvus.port=1"}},
        {"milvus.authorizationEnabled", "true"},
        {"milvus.tlsMode", "1", {"milvus.tls=1"}},
        {"milvus.tlsCertPath", "/x"},
        {"milvus.caCertPath", "/ca", {"milvus.ca=/ca"}},
        {"milvus.serverName", "n", {"milvus.name=n"}},
        {"milvus.mtlsCertPath", "/c", {"milvus.cert=/c"}},
        {"milvus.mtlsKeyPath", "/k", {"milvus.key=/k"}},
        {"milvus.rpcChannelName", "c"},
        {"milvus.etcd.endpoints", "e:1,f:2"},
        {"storage.storageType", "aws", {"backup.provider=s3", "own.provider=s3"}},
        {"minio.storageType", "ali", {"backup.provider=aliyun", "own.provider=aliyun"}},
        {"minio.cloudProvider", "tc", {"backup.provider=tencent", "own.provider=tencent"}},
        {"minio.address", "s", {"backup.address=s", "own.address=s"}},
        {"minio.port", "2", {"backup.port=2", "own.port=2"}},
        {"minio.region", "r", {"backup.region=r", "own.region=r"}},
        {"minio.useSSL", "true", {"backup.ssl=true", "own.ssl=true"}},
        {"minio.caCertPath", "/ca", {"backup.ca=/ca", "own.ca=/ca"}},
        {"minio.payloadSigning", "Always", {"backup.signs=true", "own.signs=true"}},
        {"minio.bucketName", "b", {"backup.bucket=b", "own.bucket=b"}},
        {"minio.rootPath", "/r/", {"backup.root=r", "own.root=r"}},
        {"minio.useIAM",
         "true",
         {"backup.access_key=", "backup.iam=true",
          "backup.secret_key=", "own.access_key=", "own.iam=true", "own.secret_key="}},
        {"minio.iamEndpoint", "http://iam"},
        {"minio.accessKeyID", "a", {"backup.access_key=a", "own.access_key=a"}},
        {"minio.secretAccessKey", "s", {"backup.secret_key=s", "own.secret_key=s"}},
        {"minio.token", "t", {"backup.token=t", "own.token=t"}},
        {"minio.gcpCredentialJSON", "/path/to/json-key-file"},
        {"storage.backupStorageType", "gcp", {"backup.provider=gcp"}},
        {"minio.backupStorageType", "hwc", {"backup.provider=hwc"}},
        {"minio.backupAddress", "s", {"backup.address=s"}},
        {"minio.backupPort", "2", {"backup.port=2"}},
        {"minio.backupRegion", "r", {"backup.region=r"}},
        {"minio.backupUseSSL", "true", {"backup.ssl=true"}},
        {"minio.backupCaCertPath", "/ca", {"backup.ca=/ca"}},
        {"minio.backupPayloadSigning", "always", {"backup.signs=true"}},
        {"minio.backupBucketName", "b", {"backup.bucket=b"}},
        {"minio.backupRootPath", "/r/", {"backup.root=r"}},
        {"minio.backupUseIAM",
         "true",
         {"backup.access_key=", "backup.iam=true", "backup.secret_key="}},
        {"minio.backupIamEndpoint", "http://iam"},
        {"minio.backupAccessKeyID", "a", {"backup.access_key=a"}},
        {"minio.backupSecretAccessKey", "s", {"backup.secret_key=s"}},
        {"minio.backupToken", "t", {"backup.token=t"}},
        {"minio.backupGcpCredentialJSON", "/path/to/json-key-file"},
        {"minio.crossStorage", "true", {"streaming=true"}},
        {"minio.multipartCopyThresholdMiB", "16", {"threshold=16"}},
        {"backup.parallelism.backupCollection", "11", {"parallel.create=11"}},
        {"backup.parallelism.backupSegment", "12"},
        {"backup.parallelism.restoreCollection", "13", {"parallel.restore=13"}},
        {"backup.parallelism.importJob", "14", {"parallel.import=14"}},
        {"backup.parallelism.copydata", "15", {"parallel.copy=15"}},
        {"backup.keepTempFiles", "true", {"keep_temp=true"}},
        {"backup.maxSegmentGroupSize", "2G"},
        {"backup.gcPause.enable", "false", {"gc.pause=false"}},
        {"backup.gcPause.address", "g:1", {"gc.address=http://g:1"}},
        {"backup.gcPause.seconds", "60"},
    };
    Append(CasesOfBoth(), cases);
    return cases;
  }();
  return all;
}

/// The keys of a storage of version 2; those of Milvus' own are inherited by that of the backups.
std::vector<KeyCase> V2StorageCases(const std::string& section, bool is_inherited) {
  const auto both = [&](const std::vector<std::string>& changes) {
    const std::string name = is_inherited ? "own" : "backup";
    std::vector<std::string> all;
    for (const std::string& change : changes) {
      all.push_back(name + "." + change);
      if (is_inherited) all.push_back("backup." + change);
    }
    return all;
  };
  const std::string own = is_inherited ? "own" : "backup";
  const std::string local = fmt::format("{0}.provider: local\n{0}.rootPath: /d\n", section);
  std::vector<std::string> on_disk = both({"kind=local", "provider=local"});
  on_disk.insert(on_disk.end(), {own + ".root=/d", own + ".milvus_path=/m"});
  const std::vector<std::string> iam = both({"iam=true", "access_key=", "secret_key="});
  return {
      {section + ".provider", "aws", both({"provider=s3"})},
      {section + ".address", "s", both({"address=s"})},
      {section + ".port", "2", both({"port=2"})},
      {section + ".region", "r", both({"region=r"})},
      {section + ".useSSL", "true", both({"ssl=true"})},
      {section + ".caCertPath", "/ca", both({"ca=/ca"})},
      {section + ".payloadSigning", "always", both({"signs=true"})},
      {section + ".bucketName", "b", both({"bucket=b"})},
      {section + ".rootPath", "/r/", {own + ".root=r"}},
      {.name = section + ".localPath", .value = "/m/", .changes = on_disk, .with = local},
      {section + ".milvusAddress", "h"},
      {section + ".milvusPort", "1"},
      {.name = section + ".accountName", .value = "a", .error = "is for azure only"},
      {section + ".auth.type", "iam", iam},
      {section + ".auth.accessKeyID", "a", both({"access_key=a"})},
      {section + ".auth.secretAccessKey", "s", both({"secret_key=s"})},
      {section + ".auth.sessionToken", "t", both({"token=t"})},
      {.name = section + ".auth.accountKey", .value = "k", .error = "does not belong to"},
      {.name = section + ".auth.credentialsFile", .value = "/f", .error = "does not belong to"},
      {.name = section + ".auth.endpoint",
       .value = "http://iam",
       .changes = iam,
       .with = section + ".auth.type: iam\n"},
  };
}

const std::vector<KeyCase>& V2Cases() {
  static const std::vector<KeyCase> all = [] {
    std::vector<KeyCase> cases = {
        {"log.file.path", "a.log", {"log.path=a.log"}},
        {"log.file.maxSizeMiB", "7", {"log.size=7"}},
        {"server.debugMode", "true"},
        {"server.swaggerBasePath", "/x"},
        {"zillizCloud.endpoint", "https://cloud"},
        {"zillizCloud.apiKey", "secret"},
        {"milvus.grpc.address", "m", {"milvus.address=m"}},
        {"milvus.grpc.port", "1", {"milvus.port=1"}},
        {"milvus.grpc.tlsMode", "server", {"milvus.tls=1"}},
        {"milvus.grpc.caCertPath", "/ca", {"milvus.ca=/ca"}},
        {"milvus.grpc.serverName", "n", {"milvus.name=n"}},
        {"milvus.grpc.mtlsCertPath", "/c", {"milvus.cert=/c"}},
        {"milvus.grpc.mtlsKeyPath", "/k", {"milvus.key=/k"}},
        {"milvus.rest.endpoint", "http://m:1"},
        {"milvus.management.endpoint", "http://g:1", {"gc.address=http://g:1"}},
        {"milvus.replicate.rpcChannelName", "c"},
        {"milvus.etcd.endpoints", "[e:1, f:2]"},
        {"backup.concurrency.collections", "11", {"parallel.create=11"}},
        {"backup.concurrency.segments", "12"},
        {"backup.pauseGC", "false", {"gc.pause=false"}},
        {"restore.concurrency.collections", "13", {"parallel.restore=13"}},
        {"restore.concurrency.importJobs", "14", {"parallel.import=14"}},
        {"restore.maxSegmentsPerImportJob", "3"},
        {"restore.keepTempFiles", "true", {"keep_temp=true"}},
        {"transfer.mode", "streaming", {"streaming=true"}},
        {"transfer.concurrency", "15", {"parallel.copy=15"}},
        {"transfer.multipartCopyThresholdMiB", "16", {"threshold=16"}},
    };
    Append(CasesOfBoth(), cases);
    Append(V2StorageCases("milvus.storage", true), cases);
    Append(V2StorageCases("backup.storage", false), cases);
    return cases;
  }();
  return all;
}

class EveryKeyTest : public ConfigFixture {
 protected:
  Result<Config> LoadAs(Version version, const std::string& text) const {
    return version == Version::kV1 ? LoadText(text) : LoadV2Text(text);
  }
  /// `context` says where the key was set.
  void Judge(const KeyCase& one, const Result<Config>& config, const Fields& base,
             const std::string& context) const {
    SCOPED_TRACE(one.name + context);
    if (!one.error.empty()) {
      EXPECT_THAT(config, IsError(Code::kInvalidArgument, one.error));
      return;
    }
    ASSERT_OK(config);
    EXPECT_TRUE(config->warnings.empty());
    EXPECT_THAT(Changes(base, FieldsOf(*config)),
                ::testing::UnorderedElementsAreArray(one.changes));
  }
  void CheckAll(Version version, const std::vector<KeyCase>& cases) {
    ASSERT_OK_AND_ASSIGN(const Config empty, LoadAs(version, ""));
    const Fields base = FieldsOf(empty);
    std::set<std::string> seen;
    for (const KeyCase& one : cases) {
      seen.insert(one.name);
      Judge(one, LoadAs(version, one.with + one.name + ": " + one.value + "\n"), base, "");
      const std::string variable = VariableOf(version, one.name);
      if (variable.empty()) continue;
      environment_ = {{variable, one.value}};
      // A file without anything is a warning of its own.
      Judge(one, LoadAs(version, one.with.empty() ? "log: {}\n" : one.with), base,
            " by " + variable);
      environment_.clear();
    }
    for (const Key& key : Keys()) {
      if (!HasKey(key, version)) continue;
      for (const std::string& name : ToParameter(key, version).names) {
        EXPECT_TRUE(seen.contains(name)) << name << " has no case";
      }
    }
  }

 private:
  static std::string VariableOf(Version version, const std::string& name) {
    for (const Key& key : Keys()) {
      if (!HasKey(key, version)) continue;
      const Parameter parameter = ToParameter(key, version);
      if (parameter.names.front() == name) return parameter.environment;
    }
    return "";
  }
};

/// Variables by key, as the reference tool's documents have them; other keys have none.
using Variables = std::map<std::string, std::string>;

const Variables& V1Variables() {
  static const Variables variables = {
      {"milvus.address", "MILVUS_ADDRESS"},
      {"milvus.port", "MILVUS_PORT"},
      {"milvus.user", "MILVUS_USER"},
      {"milvus.password", "MILVUS_PASSWORD"},
      {"milvus.tlsMode", "MILVUS_TLS_MODE"},
      {"milvus.caCertPath", "MILVUS_CA_CERT_PATH"},
      {"milvus.serverName", "MILVUS_SERVER_NAME"},
      {"milvus.mtlsCertPath", "MILVUS_MTLS_CERT_PATH"},
      {"milvus.mtlsKeyPath", "MILVUS_MTLS_KEY_PATH"},
      {"milvus.rpcChannelName", "MILVUS_RPC_CHANNEL_NAME"},
      {"minio.address", "MINIO_ADDRESS"},
      {"minio.port", "MINIO_PORT"},
      {"minio.region", "MINIO_REGION"},
      {"minio.accessKeyID", "MINIO_ACCESS_KEY"},
      {"minio.secretAccessKey", "MINIO_SECRET_KEY"},
      {"minio.token", "MINIO_TOKEN"},
      {"minio.gcpCredentialJSON", "GCP_KEY_JSON"},
      {"minio.useSSL", "MINIO_USE_SSL"},
      {"minio.useIAM", "MINIO_USE_IAM"},
      {"minio.iamEndpoint", "MINIO_IAM_ENDPOINT"},
      {"minio.bucketName", "MINIO_BUCKET_NAME"},
      {"minio.rootPath", "MINIO_ROOT_PATH"},
      {"minio.backupAddress", "MINIO_BACKUP_ADDRESS"},
      {"minio.backupPort", "MINIO_BACKUP_PORT"},
      {"minio.backupRegion", "MINIO_BACKUP_REGION"},
      {"minio.backupUseSSL", "MINIO_BACKUP_USE_SSL"},
      {"minio.backupToken", "MINIO_BACKUP_TOKEN"},
      {"minio.backupAccessKeyID", "MINIO_BACKUP_ACCESS_KEY"},
      {"minio.backupSecretAccessKey", "MINIO_BACKUP_SECRET_KEY"},
      {"minio.backupGcpCredentialJSON", "BACKUP_GCP_KEY_JSON"},
      {"minio.backupUseIAM", "MINIO_BACKUP_USE_IAM"},
      {"minio.backupIamEndpoint", "MINIO_BACKUP_IAM_ENDPOINT"},
      {"minio.backupBucketName", "MINIO_BACKUP_BUCKET_NAME"},
      {"minio.backupRootPath", "MINIO_BACKUP_ROOT_PATH"},
      {"backup.parallelism.backupCollection", "BACKUP_PARALLELISM_BACKUP_COLLECTION"},
      {"backup.parallelism.copydata", "BACKUP_PARALLELISM_COPYDATA"},
      {"backup.parallelism.restoreCollection", "BACKUP_PARALLELISM_RESTORE_COLLECTION"},
      {"backup.keepTempFiles", "BACKUP_KEEP_TEMP_FILES"},
      {"backup.gcPause.enable", "BACKUP_GC_PAUSE_ENABLE"},
      {"backup.gcPause.address", "BACKUP_GC_PAUSE_ADDRESS"},
      // Ours.
      {"minio.caCertPath", "MINIO_CA_CERT_PATH"},
      {"minio.backupCaCertPath", "MINIO_BACKUP_CA_CERT_PATH"},
      {"minio.payloadSigning", "MINIO_PAYLOAD_SIGNING"},
      {"minio.backupPayloadSigning", "MINIO_BACKUP_PAYLOAD_SIGNING"},
      {"server.token", "MILVUS_BACKUP_SERVER_TOKEN"},
  };
  return variables;
}

Variables V2Variables() {
  Variables variables = {
      {"milvus.user", "MILVUS_USER"},
      {"milvus.password", "MILVUS_PASSWORD"},
      {"zillizCloud.apiKey", "ZILLIZ_CLOUD_API_KEY"},
      // Ours.
      {"server.token", "MILVUS_BACKUP_SERVER_TOKEN"},
  };
  const Variables of_a_storage = {
      {".accountName", "ACCOUNT_NAME"},
      {".auth.accessKeyID", "AUTH_ACCESS_KEY_ID"},
      {".auth.secretAccessKey", "AUTH_SECRET_ACCESS_KEY"},
      {".auth.sessionToken", "AUTH_SESSION_TOKEN"},
      {".auth.accountKey", "AUTH_ACCOUNT_KEY"},
      {".auth.credentialsFile", "AUTH_CREDENTIALS_FILE"},
  };
  for (const auto& [key, suffix] : of_a_storage) {
    variables["milvus.storage" + key] = "MILVUS_STORAGE_" + suffix;
    variables["backup.storage" + key] = "BACKUP_STORAGE_" + suffix;
  }
  return variables;
}

Variables VariablesOf(Version version) {
  Variables variables;
  for (const Key& key : Keys()) {
    if (!HasKey(key, version)) continue;
    const Parameter parameter = ToParameter(key, version);
    if (!parameter.environment.empty()) variables[parameter.names.front()] = parameter.environment;
  }
  return variables;
}

TEST_F(EveryKeyTest, VariablesAreThoseOfTheReference) {
  EXPECT_EQ(VariablesOf(Version::kV1), V1Variables());
  EXPECT_EQ(VariablesOf(Version::kV2), V2Variables());
}

TEST_F(EveryKeyTest, OfVersion1DoesWhatItsRowSays) {
  CheckAll(Version::kV1, V1Cases());
  for (const std::string_view forgotten : ForgottenV1Keys()) {
    EXPECT_TRUE(std::ranges::count(V1Cases(), forgotten, &KeyCase::name) == 1) << forgotten;
  }
}

TEST_F(EveryKeyTest, OfVersion2DoesWhatItsRowSays) { CheckAll(Version::kV2, V2Cases()); }

}  // namespace
}  // namespace milvus_backup::config
