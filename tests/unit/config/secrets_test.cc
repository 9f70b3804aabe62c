#include "config/keys.h"
#include "config_fixture.h"

#include <filesystem>

namespace milvus_backup::config {
namespace {

using milvus_backup::testing::IsError;

class SecretsTest : public ConfigFixture {};

TEST_F(SecretsTest, MayStandInFiles) {
  const std::string secret = WriteFile("secret", "from file\r\n");
  const std::string token = WriteFile("token", "a token without newline");
  const std::string password = WriteFile("password", " spaces stay \n\n");
  environment_["MINIO_TOKEN_FILE"] = token;
  ASSERT_OK_AND_ASSIGN(
      const Config config,
      LoadText("minio: {secretAccessKeyFile: '" + secret + "'}\n",
               {"milvus_password_file=" + password, "minio.backupaccesskeyidfile=" + token}));
  EXPECT_EQ(config.milvus_storage.secret_key.Reveal(), "from file");
  EXPECT_EQ(config.backup_storage.secret_key.Reveal(), "from file");
  EXPECT_EQ(config.milvus_storage.session_token.Reveal(), "a token without newline");
  EXPECT_EQ(config.backup_storage.access_key, "a token without newline");
  EXPECT_EQ(config.milvus.password.Reveal(), " spaces stay ");
  auto settings = ByKey(config);
  EXPECT_EQ(settings["minio.secretAccessKey"].value, "fr****le");
  EXPECT_EQ(settings["minio.secretAccessKey"].source, "file");
  EXPECT_EQ(settings["minio.secretAccessKey"].source_key, "minio.secretAccessKeyFile");
  EXPECT_EQ(settings["minio.backupSecretAccessKey"].source_key, "minio.secretAccessKey");
  EXPECT_EQ(settings["minio.token"].source_key, "MINIO_TOKEN_FILE");
  EXPECT_EQ(settings["milvus.password"].source_key, "MILVUS_PASSWORD_FILE");
}

TEST_F(SecretsTest, EverySecretOfBothVersionsHasAFileKey) {
  const std::string path = WriteFile("secret", "the secret\n");
  for (const Version version : {Version::kV1, Version::kV2}) {
    for (const Key& key : Keys()) {
      if (key.kind != Kind::kSecret || !HasKey(key, version)) continue;
      // The one kind of credential that no storage of ours takes.
      if (IdOf(key).ends_with("accountKey")) continue;
      const std::string name = ToParameter(key, version).names.front();
      const std::string text = name + "File: '" + path + "'\n";
      ASSERT_OK_AND_ASSIGN(const Config config,
                           version == Version::kV1 ? LoadText(text) : LoadV2Text(text));
      EXPECT_EQ(ByKey(config)[name].value, "th****et") << name;
    }
  }
}

TEST_F(SecretsTest, AHigherLayerWinsOverAFile) {
  environment_["MINIO_SECRET_KEY"] = "environment";
  ASSERT_OK_AND_ASSIGN(const Config config,
                       LoadText("minio: {secretAccessKeyFile: /does/not/exist}\n"));
  EXPECT_EQ(config.milvus_storage.secret_key.Reveal(), "environment");
}

TEST_F(SecretsTest, EmptyFileKeyCountsAsAbsent) {
  ASSERT_OK_AND_ASSIGN(const Config config,
                       LoadText("milvus: {password: secret, passwordFile: ''}\n"));
  EXPECT_EQ(config.milvus.password.Reveal(), "secret");
}

TEST_F(SecretsTest, BadFilesNameTheKeyAndNeverTheSecret) {
  const std::string missing = dir_.path() + "/none";
  EXPECT_THAT(LoadText("milvus: {passwordFile: '" + missing + "'}\n"),
              IsError(Code::kInvalidArgument, "milvus.passwordFile: cannot read " + missing));
  EXPECT_THAT(LoadText("milvus: {passwordFile: '" + dir_.path() + "'}\n"),
              IsError(Code::kInvalidArgument, "cannot read"));
  EXPECT_THAT(LoadText("minio: {tokenFile: '" + WriteFile("empty", "\n") + "'}\n"),
              IsError(Code::kInvalidArgument, "is empty"));
  EXPECT_THAT(
      LoadText("minio: {tokenFile: '" + WriteFile("large", std::string(70000, 'x')) + "'}\n"),
      IsError(Code::kInvalidArgument, "too large"));
  const auto both = LoadText("milvus: {password: hunter2, passwordFile: '/x'}\n");
  EXPECT_THAT(both, IsError(Code::kInvalidArgument,
                            "both milvus.password and milvus.passwordFile are set"));
  EXPECT_EQ(both.status().ToString().find("hunter2"), std::string::npos);
  EXPECT_EQ(LoadText("", {"hunter2"}).status().ToString().find("hunter2"), std::string::npos);
}

}  // namespace
}  // namespace milvus_backup::config
