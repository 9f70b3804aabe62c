#include "milvus_backup/config/migrate.h"

#include "config/keys.h"
#include "config_fixture.h"
#include "support/sanitizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <random>
#include <sstream>

namespace milvus_backup::config {
namespace {

using milvus_backup::testing::IsError;

std::string Describe(const StorageSettings& storage) {
  return fmt::format("{} {} {} {} {} ssl={} iam={} signs={} '{}' '{}' '{}' '{}' {} '{}' '{}'\n",
                     storage.kind == StorageKind::kLocal, storage.provider, storage.address,
                     storage.port, storage.region, storage.use_ssl, storage.use_iam,
                     storage.signs_bodies, storage.access_key, storage.secret_key.Reveal(),
                     storage.session_token.Reveal(), storage.ca_cert_path, storage.bucket,
                     storage.root_path, storage.milvus_path);
}

/// Everything that decides what the program does.
std::string Describe(const Config& config) {
  std::string text = fmt::format("log {} {} '{}' {} {} {}\n", static_cast<int>(config.log.level),
                                 config.log.console, config.log.path, config.log.max_size_mib,
                                 config.log.max_days, config.log.max_backups);
  const milvus::ClientOptions& milvus = config.milvus;
  text += fmt::format("milvus {} {} '{}' '{}' {} '{}' '{}' '{}' '{}'\n", milvus.address,
                      milvus.port, milvus.user, milvus.password.Reveal(),
                      static_cast<int>(milvus.tls_mode), milvus.ca_cert_path, milvus.server_name,
                      milvus.mtls_cert_path, milvus.mtls_key_path);
  text += "milvus " + Describe(config.milvus_storage) + "backup " + Describe(config.backup_storage);
  text += fmt::format("{} {} {} {} {}\n", config.cross_storage, config.multipart_copy_threshold_mib,
                      config.keep_temp_files, config.gc_pause.enable, config.gc_pause.address);
  const Parallelism& parallelism = config.parallelism;
  text +=
      fmt::format("{} {} {} {} {}\n", parallelism.backup_collection, parallelism.backup_segment,
                  parallelism.copy_data, parallelism.restore_collection, parallelism.import_job);
  for (const auto& [name, storage] : config.storages) text += name + " " + Describe(storage);
  return text;
}

class MigrateTest : public ConfigFixture {
 protected:
  Result<Migration> MigrateText(const std::string& text) const {
    return Migrate(OptionsFor(WriteFile("v1.yaml", text)));
  }
  static std::vector<std::string> KeysOf(const std::vector<NotTranslated>& list) {
    std::vector<std::string> keys;
    for (const NotTranslated& key : list) keys.push_back(key.key);
    return keys;
  }
};

TEST_F(MigrateTest, WritesOnlyWhatTheFileSays) {
  environment_ = {{"MINIO_PORT", "1"}, {"MILVUS_PASSWORD", "environment"}};
  auto options = OptionsFor(WriteFile("v1.yaml", R"(
milvus: {address: a, tlsMode: 1, etcd: {endpoints: "e1:2379,e2:2379"}}
minio: {cloudProvider: ali, useSSL: T, secretAccessKey: "0123", crossStorage: true}
backup: {parallelism: {copydata: "7"}}
)"),
                            {"minio.address=set"});
  ASSERT_OK_AND_ASSIGN(const Migration migration, Migrate(options));
  EXPECT_EQ(migration.yaml, R"(configVersion: v2
milvus:
  grpc:
    address: a
    tlsMode: server
  etcd:
    endpoints: [e1:2379, e2:2379]
  storage:
    provider: aliyun
    useSSL: true
    auth:
      secretAccessKey: "0123"
backup:
  storage:
    rootPath: files
transfer:
  mode: streaming
  concurrency: 7
)");
  EXPECT_EQ(migration.keys, 10U);
  EXPECT_TRUE(migration.dropped.empty());
  EXPECT_TRUE(migration.lost.empty());
}

TEST_F(MigrateTest, TranslatesAuth) {
  struct Case {
    const char* v1;
    const char* v2;
  };
  for (const Case& item : {
           Case{"minio: {useIAM: true, iamEndpoint: 'http://i', accessKeyID: a}",
                "milvus: {storage: {auth: {type: iam, endpoint: 'http://i'}}}"},
           Case{"minio: {backupUseIAM: true, accessKeyID: a}",
                "milvus: {storage: {auth: {accessKeyID: a}}}\n"
                "backup: {storage: {auth: {type: iam}}}"},
           Case{"minio: {useIAM: true, backupUseIAM: false, accessKeyID: a, token: t}",
                "milvus: {storage: {auth: {type: iam}}}\n"
                "backup: {storage: {auth: {type: static, accessKeyID: a, sessionToken: t}}}"},
       }) {
    ASSERT_OK_AND_ASSIGN(const Migration migration, MigrateText(item.v1));
    ASSERT_OK_AND_ASSIGN(const Config migrated, Load(OptionsFor(WriteFile("a", migration.yaml))));
    ASSERT_OK_AND_ASSIGN(const Config expected, LoadV2Text(std::string(item.v2) + "\n",
                                                           {"backup.storage.rootPath=files"}));
    EXPECT_EQ(Describe(migrated), Describe(expected)) << migration.yaml;
    EXPECT_TRUE(migration.lost.empty());
  }
}

TEST_F(MigrateTest, TranslatesProvidersOfOtherPrograms) {
  ASSERT_OK_AND_ASSIGN(const Migration azure, MigrateText(R"(
minio: {storageType: azure, accessKeyID: account, secretAccessKey: key, backupStorageType: gcpnative,
        backupGcpCredentialJSON: /key.json, backupRootPath: b}
)"));
  EXPECT_EQ(azure.yaml, R"(configVersion: v2
milvus:
  storage:
    provider: azure
    accountName: account
    auth:
      type: sharedKey
      accountKey: key
backup:
  storage:
    provider: gcpnative
    rootPath: b
    auth:
      type: serviceAccount
      credentialsFile: /key.json
)");
  ASSERT_OK_AND_ASSIGN(const Migration iam, MigrateText("minio: {storageType: azure, useIAM: true, "
                                                        "accessKeyID: account}"));
  EXPECT_NE(iam.yaml.find("type: default"), std::string::npos);
  EXPECT_NE(iam.yaml.find("accountName: account"), std::string::npos);
}

TEST_F(MigrateTest, SecretFilesStayFiles) {
  ASSERT_OK_AND_ASSIGN(const Migration migration,
                       MigrateText("milvus: {passwordFile: /not/here}\n"
                                   "minio: {backupTokenFile: /nor/here}\n"
                                   "storages: {a: {secretAccessKeyFile: /nor/there}}\n"));
  EXPECT_NE(migration.yaml.find("  passwordFile: /not/here\n"), std::string::npos);
  EXPECT_NE(migration.yaml.find("      sessionTokenFile: /nor/here\n"), std::string::npos);
  EXPECT_NE(migration.yaml.find("    secretAccessKeyFile: /nor/there\n"), std::string::npos);
}

TEST_F(MigrateTest, ReportsWhatIsLeftOut) {
  ASSERT_OK_AND_ASSIGN(const Migration migration, MigrateText(R"(
http: {enabled: true, simpleResponse: true}
milvus: {authorizationEnabled: false, prot: 1}
minio: {gcpCredentialJSON: /path, useIAM: true, accessKeyID: hunter2, iamEndpoint: "a b"}
cloud: {address: nowhere}
)"));
  EXPECT_THAT(KeysOf(migration.dropped),
              ::testing::UnorderedElementsAre("http.enabled", "http.simpleresponse",
                                              "milvus.authorizationenabled",
                                              "minio.gcpCredentialJSON", "minio.accessKeyID"));
  EXPECT_THAT(KeysOf(migration.lost),
              ::testing::UnorderedElementsAre("milvus.prot", "minio.iamEndpoint", "cloud.address"));
  EXPECT_EQ(migration.yaml.find("hunter2"), std::string::npos);
}

TEST_F(MigrateTest, MutualTlsWithoutBothFilesIsServer) {
  ASSERT_OK_AND_ASSIGN(const Migration migration,
                       MigrateText("milvus: {tlsMode: 2, mtlsCertPath: c}"));
  EXPECT_THAT(migration.yaml, ::testing::HasSubstr("tlsMode: server"));
}

TEST_F(MigrateTest, RefusesWhatLoadRefusesAndV2) {
  EXPECT_THAT(MigrateText("configVersion: v2"),
              IsError(Code::kInvalidArgument, "is version 2 already"));
  EXPECT_THAT(MigrateText("minio: {port: x}"), IsError(Code::kInvalidArgument, "minio.port"));
  EXPECT_THAT(MigrateText("storages: {a: {prot: 1}}"),
              IsError(Code::kInvalidArgument, "unknown key storages.a.prot"));
}

TEST_F(MigrateTest, TranslatedSamplesMeanTheSame) {
  for (const std::string& path :
       {testing::ConfigsDir() + "/backup.yaml", WriteFile("guide.yaml", kGuideConfig),
        WriteFile("local.yaml",
                  "minio: {storageType: local, rootPath: /var/lib/milvus/data, "
                  "backupStorageType: local, backupRootPath: /var/backups}\n")}) {
    ASSERT_OK_AND_ASSIGN(const Config before, Load(OptionsFor(path)));
    ASSERT_OK_AND_ASSIGN(const Migration migration, Migrate(OptionsFor(path)));
    EXPECT_TRUE(migration.lost.empty());
    ASSERT_OK_AND_ASSIGN(const Config after, Load(OptionsFor(WriteFile("v2", migration.yaml))));
    EXPECT_EQ(Describe(after), Describe(before));
    EXPECT_TRUE(after.warnings.empty());
  }
}

/// Files that hold a random part of all keys.
class RandomFile {
 public:
  RandomFile(uint32_t seed, std::string secret_path)
      : random_(seed), secret_path_(std::move(secret_path)) {}

  std::string Text() {
    std::ostringstream text;
    for (const Key& key : Keys()) {
      if (!HasKey(key, Version::kV1) || !Chance(0.4)) continue;
      const Parameter parameter = ToParameter(key, Version::kV1);
      std::string name = Pick(parameter.names);
      if (parameter.kind == Kind::kSecret && Chance(0.3)) {
        text << name << "File: " << Quote(secret_path_) << "\n";
        continue;
      }
      if (Chance(0.1)) std::ranges::transform(name, name.begin(), ::toupper);
      text << name << ": " << (Chance(0.05) ? "~" : Quote(ValueOf(parameter))) << "\n";
    }
    if (Chance(0.3)) {
      text << "storages:\n  Other-1:\n    storageType: " << Pick(Providers())
           << "\n    secretAccessKey: " << Quote(Pick(Texts()))
           << "\n    useIAM: " << (Chance(0.3) ? "true" : "false") << "\n    backupRootPath: /x\n";
    }
    return text.str();
  }

 private:
  bool Chance(double chance) { return std::bernoulli_distribution(chance)(random_); }
  std::string Pick(const std::vector<std::string>& values) {
    return values[std::uniform_int_distribution<size_t>(0, values.size() - 1)(random_)];
  }
  static std::vector<std::string> Providers() {
    return {"local", "minio", "s3", "AWS", "ali", "tc", "hwc", "gcp"};
  }
  static std::vector<std::string> Texts() {
    return {"plain",     "",     "true",       "0123",
            "~",         "null", "a: b",       "# not a comment",
            "- x",       "{}",   "'q\"q",      "back\\slash",
            "tab\tnl\n", "ünï€", "trailing: ", " spaces ",
            "no",        "a,b",  "*x",         "&y",
            "%z",        "@w",   "1e3",        "/a/b/"};
  }

  std::string ValueOf(const Parameter& parameter) {
    const std::string& id = parameter.id;
    if (parameter.kind == Kind::kBool) {
      return Pick({"true", "false", "1", "0", "t", "F", "TRUE", "False", ""});
    }
    if (parameter.kind == Kind::kNumber) {
      return std::to_string(
          std::uniform_int_distribution<int64_t>(parameter.min, parameter.max)(random_));
    }
    if (id == "log.level") return Pick({"debug", "INFO", "warn", "error", "panic", ""});
    if (id.ends_with("payloadSigning")) return Pick({"auto", "Always"});
    if (id.ends_with("provider")) return Pick(Providers());
    if (id == "milvus.grpc.address") return Pick({"localhost", "10.0.0.1", "[::1]", "a@b?c#d"});
    if (id == "milvus.management.endpoint" || id == "zillizCloud.endpoint" ||
        id.ends_with("auth.endpoint")) {
      return Pick({"http://a:1", "https://b/c", "c:9091", "", "ftp://d", "e f"});
    }
    if (id.ends_with("rootPath")) return Pick({"files", "/x/", "a/b", "/", "", "ünï"});
    if (id.find("mtls") != std::string::npos) return Pick({"", "pem"});
    return Pick(Texts());
  }

  static std::string Quote(const std::string& text) {
    std::string quoted = "\"";
    for (const char c : text) {
      if (c == '"' || c == '\\') quoted += '\\';
      quoted += c == '\n' ? "\\n" : c == '\t' ? "\\t" : std::string(1, c);
    }
    return quoted + "\"";
  }

  std::mt19937 random_;
  std::string secret_path_;
};

TEST_F(MigrateTest, RandomFilesMeanTheSameAfterwards) {
  const std::string secret = WriteFile("secret", "from a file\n");
  int translated = 0;
  for (uint32_t seed = 1; seed <= milvus_backup::testing::Cases(500); ++seed) {
    const std::string text = RandomFile(seed, secret).Text();
    SCOPED_TRACE(fmt::format("seed {}\n{}", seed, text));
    const auto before = LoadText(text);
    const auto migration = MigrateText(text);
    ASSERT_EQ(before.ok(), migration.ok())
        << before.status().ToString() << migration.status().ToString();
    if (!before.ok()) continue;
    ++translated;
    const auto after = Load(OptionsFor(WriteFile("v2.yaml", migration->yaml)));
    ASSERT_THAT(after, testing::IsOk()) << migration->yaml;
    ASSERT_EQ(Describe(*after), Describe(*before)) << migration->yaml;
    ASSERT_TRUE(after->warnings.empty()) << after->warnings.front();
  }
  EXPECT_GT(translated, static_cast<int>(milvus_backup::testing::Cases(500)) / 4);
}

}  // namespace
}  // namespace milvus_backup::config
