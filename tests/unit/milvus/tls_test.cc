// TLS against a fake server whose certificates are made here.
#include "client_fixture.h"
#include "support/identity.h"
#include "support/temp_dir.h"

#include <fstream>
#include <memory>

namespace milvus_backup::milvus {
namespace {

using testing::Identity;
using testing::IsError;
using testing::MakeIdentity;

class TlsTest : public ClientTest {
 protected:
  std::string WriteFile(const std::string& name, const std::string& text) {
    const std::string path = dir_.path() + "/" + name;
    std::ofstream(path) << text;
    return path;
  }

  void StartTls(bool is_mutual) {
    testing::FakeMilvusOptions options;
    options.tls_certificate = server_identity_.CertificatePem();
    options.tls_key = server_identity_.KeyPem();
    if (is_mutual) options.tls_client_authority = authority_.CertificatePem();
    server_ = std::make_unique<FakeMilvus>(options);
  }

  ClientOptions TlsOptions(TlsMode mode) {
    ClientOptions options = server_->client_options();
    options.tls_mode = mode;
    options.ca_cert_path = WriteFile("ca.pem", authority_.CertificatePem());
    options.server_name = "milvus.test";
    return options;
  }

  testing::TempDir dir_;
  const Identity authority_ = MakeIdentity("test authority", nullptr);
  const Identity server_identity_ = MakeIdentity("milvus.test", &authority_);
  const Identity client_identity_ = MakeIdentity("client", &authority_);
};

TEST_F(TlsTest, ServerIsVerifiedByItsAuthority) {
  StartTls(/*is_mutual=*/false);
  EXPECT_OK(Connect(ctx_, TlsOptions(TlsMode::kServer)));
}

TEST_F(TlsTest, AWrongNameOrAuthorityIsRefused) {
  StartTls(/*is_mutual=*/false);
  ClientOptions options = TlsOptions(TlsMode::kServer);
  options.server_name = "other.test";
  EXPECT_THAT(Connect(ctx_, options), IsError(Code::kUnavailable, "milvus.serverName"));
  options = TlsOptions(TlsMode::kServer);
  const Identity stranger = MakeIdentity("stranger", nullptr);
  options.ca_cert_path = WriteFile("stranger.pem", stranger.CertificatePem());
  EXPECT_THAT(Connect(ctx_, options), IsError(Code::kUnavailable, "milvus.caCertPath"));
}

TEST_F(TlsTest, MutualModeShowsTheClientsCertificate) {
  StartTls(/*is_mutual=*/true);
  ClientOptions options = TlsOptions(TlsMode::kMutual);
  options.mtls_cert_path = WriteFile("client.pem", client_identity_.CertificatePem());
  options.mtls_key_path = WriteFile("client.key", client_identity_.KeyPem());
  EXPECT_OK(Connect(ctx_, options));
  // Without both files the mode is kServer, which this server refuses.
  options.mtls_cert_path.clear();
  options.mtls_key_path.clear();
  EXPECT_THAT(Connect(ctx_, options), IsError(Code::kUnavailable, ""));
}

TEST_F(TlsTest, ModesThatDoNotFitFailFastAndNameTheKey) {
  const auto begun = std::chrono::steady_clock::now();
  StartTls(/*is_mutual=*/false);
  EXPECT_THAT(Connect(ctx_, TlsOptions(TlsMode::kDisabled)),
              IsError(Code::kUnavailable, "milvus.tlsMode"));
  server_ = std::make_unique<FakeMilvus>();
  EXPECT_THAT(Connect(ctx_, TlsOptions(TlsMode::kServer)),
              IsError(Code::kUnavailable, "milvus.tlsMode"));
  EXPECT_LT(Since(begun), std::chrono::milliseconds(3000));
}

TEST_F(TlsTest, UnreadableFilesAreNamed) {
  StartTls(/*is_mutual=*/false);
  ClientOptions options = TlsOptions(TlsMode::kServer);
  options.ca_cert_path = dir_.path() + "/absent.pem";
  const Status absent = Connect(ctx_, options).status();
  EXPECT_THAT(absent, IsError(Code::kInvalidArgument, "milvus.caCertPath"));
  EXPECT_EQ(absent.origin(), Origin::kConfig);
  options = TlsOptions(TlsMode::kMutual);
  options.mtls_cert_path = WriteFile("junk.pem", "no certificate");
  options.mtls_key_path = options.mtls_cert_path;
  EXPECT_THAT(Connect(ctx_, options), IsError(Code::kInvalidArgument, "is not a PEM file"));
}

}  // namespace
}  // namespace milvus_backup::milvus
