#include "support/fake_http.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <arpa/inet.h>
#include <charconv>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

namespace milvus_backup::testing {
namespace {

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

bool Receive(int fd, std::string& buffered) {
  char chunk[64 * 1024];
  const ssize_t got = recv(fd, chunk, sizeof chunk, 0);
  if (got <= 0) return false;
  buffered.append(chunk, static_cast<size_t>(got));
  return true;
}

bool SendAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

FakeRequest ParseHead(std::string_view head) {
  FakeRequest request;
  size_t line_end = head.find("\r\n");
  const std::string_view line = head.substr(0, line_end);
  const size_t first = line.find(' ');
  const size_t second = line.find(' ', first + 1);
  request.method = line.substr(0, first);
  request.target = line.substr(first + 1, second - first - 1);
  while (line_end != std::string_view::npos && line_end + 2 < head.size()) {
    head.remove_prefix(line_end + 2);
    line_end = head.find("\r\n");
    const std::string_view header = head.substr(0, line_end);
    const size_t colon = header.find(':');
    if (colon == std::string_view::npos) continue;
    std::string_view value = header.substr(colon + 1);
    while (value.starts_with(" ")) value.remove_prefix(1);
    request.headers.push_back({Lower(header.substr(0, colon)), std::string(value)});
  }
  return request;
}

int BoundSocket(uint16_t& port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  socklen_t length = sizeof address;
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length);
  port = ntohs(address.sin_port);
  return fd;
}

}  // namespace

std::string FakeRequest::Header(std::string_view name) const {
  for (const net::HttpHeader& header : headers) {
    if (header.name == name) return header.value;
  }
  return {};
}

bool FakeRequest::Has(std::string_view name) const {
  return std::any_of(headers.begin(), headers.end(),
                     [name](const net::HttpHeader& header) { return header.name == name; });
}

uint16_t ClosedPort() {
  uint16_t port = 0;
  close(BoundSocket(port));
  return port;
}

FakeHttpServer::FakeHttpServer(Handler handler) : handler_(std::move(handler)) {
  listener_ = BoundSocket(port_);
  EXPECT_EQ(listen(listener_, 256), 0);
  acceptor_ = std::jthread([this] { Accept(); });
}

FakeHttpServer::~FakeHttpServer() {
  stopping_ = true;
  shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  close(listener_);
  {
    const std::scoped_lock lock(mutex_);
    for (const int fd : open_) shutdown(fd, SHUT_RDWR);
  }
  workers_.clear();
}

void FakeHttpServer::Accept() {
  while (!stopping_) {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) continue;
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    const std::scoped_lock lock(mutex_);
    open_.insert(fd);
    workers_.emplace_back([this, fd, number = ++connections_] { Serve(fd, number); });
  }
}

void FakeHttpServer::Serve(int fd, uint64_t connection) {
  std::string buffered;
  while (!stopping_ && ServeOne(fd, connection, buffered)) {
  }
  const std::scoped_lock lock(mutex_);
  open_.erase(fd);
  close(fd);
}

bool FakeHttpServer::ServeOne(int fd, uint64_t connection, std::string& buffered) {
  size_t end = 0;
  while ((end = buffered.find("\r\n\r\n")) == std::string::npos) {
    if (!Receive(fd, buffered)) return false;
  }
  FakeRequest request = ParseHead(std::string_view(buffered).substr(0, end));
  request.connection = connection;
  buffered.erase(0, end + 4);
  size_t length = 0;
  const std::string text = request.Header("content-length");
  std::from_chars(text.data(), text.data() + text.size(), length);
  if (request.Has("transfer-encoding") || request.Has("expect")) {
    FakeReply refusal;
    refusal.status = 501;
    refusal.body = "unexpected framing";
    return Answer(fd, request, refusal);
  }
  while (buffered.size() < length) {
    if (!Receive(fd, buffered)) return false;
  }
  request.body = buffered.substr(0, length);
  buffered.erase(0, length);
  return Answer(fd, request, handler_(request));
}

bool FakeHttpServer::Answer(int fd, const FakeRequest& request, const FakeReply& reply) {
  std::string head = "HTTP/1.1 " + std::to_string(reply.status) + " Text\r\n";
  bool has_length = reply.status == 204;
  for (const net::HttpHeader& header : reply.headers) {
    head += header.name + ": " + header.value + "\r\n";
    if (Lower(header.name) == "content-length") has_length = true;
  }
  if (!has_length) head += "Content-Length: " + std::to_string(reply.body.size()) + "\r\n";
  head += "\r\n";
  const bool has_body = request.method != "HEAD" && reply.status != 204;
  std::string_view body = has_body ? std::string_view(reply.body) : std::string_view();
  if (!reply.cut_after && !reply.silent) {
    return SendAll(fd, head) && SendAll(fd, body) && !reply.close_quietly;
  }
  if (!reply.silent) {
    SendAll(fd, head);
    SendAll(fd, body.substr(0, reply.cut_after.value_or(0)));
  }
  if (reply.ending == FakeReply::Ending::kStall) {
    std::string ignored;
    while (Receive(fd, ignored)) {
    }
  } else if (reply.ending == FakeReply::Ending::kReset) {
    // What was sent before must have been taken, or the reset would throw it away.
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    const linger abortive{1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &abortive, sizeof abortive);
  }
  return false;
}

}  // namespace milvus_backup::testing
