// TLS against a fake server whose certificates are made here.
#include "client_fixture.h"
#include "support/temp_dir.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <fstream>
#include <memory>

namespace milvus_backup::milvus {
namespace {

using testing::IsError;

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;
using Memory = std::unique_ptr<BIO, decltype(&BIO_free)>;

struct Identity {
  Key key{nullptr, EVP_PKEY_free};
  Certificate certificate{nullptr, X509_free};

  std::string KeyPem() const {
    const Memory out(BIO_new(BIO_s_mem()), BIO_free);
    PEM_write_bio_PrivateKey(out.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    return Text(out.get());
  }
  std::string CertificatePem() const {
    const Memory out(BIO_new(BIO_s_mem()), BIO_free);
    PEM_write_bio_X509(out.get(), certificate.get());
    return Text(out.get());
  }

 private:
  static std::string Text(BIO* memory) {
    char* data = nullptr;
    const auto size = BIO_get_mem_data(memory, &data);
    return {data, static_cast<size_t>(size)};
  }
};

void AddExtension(X509* certificate, X509* issuer, int kind, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

/// A certificate for `name`, signed by `issuer` (by itself, as an authority, when null).
Identity MakeIdentity(const std::string& name, const Identity* issuer) {
  static long serial = 1;
  Identity made;
  made.key.reset(EVP_EC_gen("P-256"));
  made.certificate.reset(X509_new());
  X509* certificate = made.certificate.get();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_set_pubkey(certificate, made.key.get());
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  X509* signer = issuer == nullptr ? certificate : issuer->certificate.get();
  X509_set_issuer_name(certificate, X509_get_subject_name(signer));
  if (issuer == nullptr) {
    AddExtension(certificate, signer, NID_basic_constraints, "critical,CA:TRUE");
  } else {
    AddExtension(certificate, signer, NID_subject_alt_name, ("DNS:" + name).c_str());
  }
  X509_sign(certificate, issuer == nullptr ? made.key.get() : issuer->key.get(), EVP_sha256());
  return made;
}

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
