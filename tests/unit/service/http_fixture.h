/// Bytes to a server of this machine and back.
#pragma once

#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <cstdint>
#include <netinet/in.h>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <unistd.h>

namespace milvus_backup::service {

/// A connection to a port of 127.0.0.1 on which `text` has been sent; -1 without one.
inline int SendTo(uint16_t port, std::string_view text) {
  const int connection = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): how the interface is
  if (connect(connection, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    ADD_FAILURE() << "cannot connect to port " << port;
    close(connection);
    return -1;
  }
  while (!text.empty()) {
    const ssize_t sent = send(connection, text.data(), text.size(), MSG_NOSIGNAL);
    if (sent <= 0) break;  // a server that refuses a request need not read all of it
    text.remove_prefix(static_cast<size_t>(sent));
  }
  return connection;
}

/// What the server sends until it closes the connection.
inline std::string ReadFrom(int connection) {
  std::string reply;
  char buffer[4096];
  for (ssize_t count = 0; (count = recv(connection, buffer, sizeof buffer, 0)) > 0;) {
    reply.append(buffer, static_cast<size_t>(count));
  }
  close(connection);
  return reply;
}

inline std::string Exchange(uint16_t port, std::string_view text) {
  return ReadFrom(SendTo(port, text));
}

/// The status line of a reply, without `HTTP/1.1 `; empty when there is none.
inline std::string StatusOf(const std::string& reply) {
  const std::string line = reply.substr(0, reply.find("\r\n"));
  return line.starts_with("HTTP/1.1 ") ? line.substr(9, 3) : "";
}

inline std::string BodyOf(const std::string& reply) {
  const size_t end = reply.find("\r\n\r\n");
  return end == std::string::npos ? "" : reply.substr(end + 4);
}

}  // namespace milvus_backup::service
