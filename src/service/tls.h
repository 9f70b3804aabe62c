/// TLS of the HTTP server, over a Wire: every byte of it, the handshake's too, is within the limits
/// of that.
#pragma once

#include "wire.h"

#include "milvus_backup/base/status.h"

#include <cstddef>
#include <memory>
#include <string>
#include <sys/types.h>

namespace milvus_backup::service {

/// Certificate and key of a server. Thread-safe.
class TlsIdentity {
 public:
  /// PEM files; behind the certificate may stand those of authorities between. kInvalidArgument
  /// with Origin::kConfig naming the file when they cannot be read or do not go together, or the
  /// key needs a password.
  static Result<std::unique_ptr<TlsIdentity>> Load(const std::string& certificate_file,
                                                   const std::string& key_file);
  TlsIdentity(const TlsIdentity&) = delete;
  TlsIdentity& operator=(const TlsIdentity&) = delete;
  ~TlsIdentity();

 private:
  friend class TlsSession;
  struct Impl;
  explicit TlsIdentity(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

/// The server's side of one connection. Used by one thread.
class TlsSession {
 public:
  /// Both must outlive the session.
  TlsSession(const TlsIdentity& identity, Wire& wire);
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;
  ~TlsSession();

  /// The handshake; false when it fails or takes too long.
  bool Accept();
  /// Whether Receive has something without the wire.
  bool has_pending() const;
  /// As Wire.
  ssize_t Receive(char* bytes, size_t size);
  /// All of it; negative when it cannot be sent.
  ssize_t Send(const char* bytes, size_t size);
  /// Say that nothing more comes.
  void Close();

 private:
  struct Impl;

  bool Fill();
  bool Flush();

  std::unique_ptr<Impl> impl_;
};

}  // namespace milvus_backup::service
