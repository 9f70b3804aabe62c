#include "tls.h"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <utility>

namespace milvus_backup::service {
namespace {

/// Of a record (RFC 8446 §5.1): of a long answer no more is held encrypted.
constexpr size_t kRecordBytes = size_t{16} << 10;
constexpr size_t kChunkBytes = size_t{4} << 10;

/// What OpenSSL says of its last error, for a configuration key.
Status TlsConfigError(const char* key, const std::string& file) {
  const unsigned long error = ERR_peek_last_error();
  const char* const reason = ERR_reason_error_string(error);
  ERR_clear_error();
  return InvalidArgumentError(
             fmt::format("{}: {}: {}", key, file, reason == nullptr ? "cannot be read" : reason))
      .WithOrigin(Origin::kConfig)
      .WithAdvice("name PEM files of a certificate and of its key without a password");
}

/// Nobody is asked for a password at a terminal.
int NoPassword(char*, int, int, void*) { return -1; }

}  // namespace

struct TlsIdentity::Impl {
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context{SSL_CTX_new(TLS_server_method()),
                                                            SSL_CTX_free};
};

struct TlsSession::Impl {
  explicit Impl(Wire& socket) : wire(socket) {}

  Wire& wire;
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl{nullptr, SSL_free};
  // Owned by `ssl`.
  BIO* in = nullptr;
  BIO* out = nullptr;
};

TlsIdentity::TlsIdentity(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

TlsIdentity::~TlsIdentity() = default;

Result<std::unique_ptr<TlsIdentity>> TlsIdentity::Load(const std::string& certificate_file,
                                                       const std::string& key_file) {
  auto impl = std::make_unique<Impl>();
  SSL_CTX* const context = impl->context.get();
  if (context == nullptr) return InternalError("OpenSSL cannot be initialised");
  ERR_clear_error();
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  // A connection carries one request: nothing of it is taken up again.
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context, 0);
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_default_passwd_cb(context, NoPassword);
  if (SSL_CTX_use_certificate_chain_file(context, certificate_file.c_str()) != 1) {
    return TlsConfigError("server.tlsCertPath", certificate_file);
  }
  if (SSL_CTX_use_PrivateKey_file(context, key_file.c_str(), SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_check_private_key(context) != 1) {
    return TlsConfigError("server.tlsKeyPath", key_file);
  }
  // NOLINTNEXTLINE(cppcoreguidelines-owning-memory): the constructor is private
  return std::unique_ptr<TlsIdentity>(new TlsIdentity(std::move(impl)));
}

TlsSession::TlsSession(const TlsIdentity& identity, Wire& wire)
    : impl_(std::make_unique<Impl>(wire)) {
  impl_->ssl.reset(SSL_new(identity.impl_->context.get()));
  if (impl_->ssl == nullptr) return;
  impl_->in = BIO_new(BIO_s_mem());
  impl_->out = BIO_new(BIO_s_mem());
  SSL_set_bio(impl_->ssl.get(), impl_->in, impl_->out);
  SSL_set_accept_state(impl_->ssl.get());
}

TlsSession::~TlsSession() { ERR_clear_error(); }

bool TlsSession::Accept() {
  if (impl_->ssl == nullptr || impl_->in == nullptr || impl_->out == nullptr) return false;
  for (;;) {
    ERR_clear_error();
    const int done = SSL_do_handshake(impl_->ssl.get());
    const int error = SSL_get_error(impl_->ssl.get(), done);
    // Also the alert that says why it failed.
    const bool is_sent = Flush();
    if (done == 1) return is_sent;
    if (error != SSL_ERROR_WANT_READ || !is_sent || !Fill()) return false;
  }
}

bool TlsSession::has_pending() const { return SSL_has_pending(impl_->ssl.get()) != 0; }

ssize_t TlsSession::Receive(char* bytes, size_t size) {
  for (;;) {
    ERR_clear_error();
    size_t got = 0;
    const int done = SSL_read_ex(impl_->ssl.get(), bytes, size, &got);
    if (done == 1) return static_cast<ssize_t>(got);
    const int error = SSL_get_error(impl_->ssl.get(), done);
    if (error == SSL_ERROR_ZERO_RETURN) return 0;
    if (error != SSL_ERROR_WANT_READ || !Flush() || !Fill()) return -1;
  }
}

ssize_t TlsSession::Send(const char* bytes, size_t size) {
  for (size_t sent = 0; sent < size;) {
    ERR_clear_error();
    size_t taken = 0;
    const size_t count = std::min(kRecordBytes, size - sent);
    const bool is_taken = SSL_write_ex(impl_->ssl.get(), bytes + sent, count, &taken) == 1;
    if (!is_taken || !Flush()) return -1;
    sent += taken;
  }
  return static_cast<ssize_t>(size);
}

void TlsSession::Close() {
  ERR_clear_error();
  SSL_shutdown(impl_->ssl.get());
  Flush();
}

/// More of what the client has sent.
bool TlsSession::Fill() {
  std::array<char, kChunkBytes> chunk{};
  const ssize_t got = impl_->wire.Receive(chunk.data(), chunk.size());
  return got > 0 && BIO_write(impl_->in, chunk.data(), static_cast<int>(got)) == got;
}

/// Send what OpenSSL has put down for the client.
bool TlsSession::Flush() {
  std::array<char, kChunkBytes> chunk{};
  int count = 0;
  while ((count = BIO_read(impl_->out, chunk.data(), static_cast<int>(chunk.size()))) > 0) {
    for (int sent = 0; sent < count;) {
      const ssize_t taken =
          impl_->wire.Send(chunk.data() + sent, static_cast<size_t>(count - sent));
      if (taken <= 0) return false;
      sent += static_cast<int>(taken);
    }
  }
  return true;
}

}  // namespace milvus_backup::service
