#include "milvus_backup/service/http_server.h"

#include "tls.h"
#include "wire.h"

#include "milvus_backup/base/log.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <httplib.h>
#include <mutex>
#include <set>
#include <sys/socket.h>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <utility>

namespace milvus_backup::service {
namespace {

using std::chrono::steady_clock;

constexpr size_t kMaxPathLength = 1024;
/// Bytes of a request before its body.
constexpr size_t kMaxHead = size_t{64} << 10;

std::string LowerCase(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

HttpRequest ToRequest(const httplib::Request& source) {
  HttpRequest request{.method = source.method, .path = source.path};
  for (const auto& [name, value] : source.params) request.query.emplace(name, value);
  for (const auto& [name, value] : source.headers) request.headers.emplace(LowerCase(name), value);
  return request;
}

void Answer(const HttpReply& reply, httplib::Response& response) {
  response.status = reply.status;
  for (const auto& [name, value] : reply.headers) response.set_header(name.c_str(), value);
  // What is sent is never a page.
  response.set_header("X-Content-Type-Options", "nosniff");
  response.set_content(reply.body, reply.content_type.c_str());
}

/// A connection whose request has to be here by a time and within a size, whatever it consists of:
/// the library bounds neither, and waits anew for every byte.
class BoundedStream final : public httplib::Stream {
 public:
  /// `tls` may be null.
  BoundedStream(Wire& wire, TlsSession* tls, size_t max_bytes)
      : wire_(wire), tls_(tls), left_(max_bytes) {}

  bool is_readable() const override {
    if (begin_ < end_) return true;
    if (left_ == 0) return false;
    return (tls_ != nullptr && tls_->has_pending()) || wire_.AwaitReadable();
  }
  bool is_writable() const override { return wire_.AwaitWritable(); }
  ssize_t read(char* bytes, size_t size) override {
    if (begin_ == end_) {
      // The library asks for a head byte by byte.
      const size_t wanted = std::min(buffer_.size(), left_);
      if (wanted == 0) return -1;
      const ssize_t got = tls_ != nullptr ? tls_->Receive(buffer_.data(), wanted)
                                          : wire_.Receive(buffer_.data(), wanted);
      if (got <= 0) return got;
      begin_ = 0;
      end_ = static_cast<size_t>(got);
      left_ -= end_;
    }
    const size_t count = std::min(size, end_ - begin_);
    std::memcpy(bytes, buffer_.data() + begin_, count);
    begin_ += count;
    return static_cast<ssize_t>(count);
  }
  ssize_t write(const char* bytes, size_t size) override {
    return tls_ != nullptr ? tls_->Send(bytes, size) : wire_.Send(bytes, size);
  }
  void get_remote_ip_and_port(std::string&, int&) const override {}
  void get_local_ip_and_port(std::string&, int&) const override {}
  socket_t socket() const override { return wire_.fd(); }

 private:
  Wire& wire_;
  TlsSession* const tls_;
  size_t left_;
  std::array<char, 4096> buffer_{};
  size_t begin_ = 0;
  size_t end_ = 0;
};

/// The library's server, with connections of ours.
class Listener final : public httplib::Server {
 public:
  /// `tls` may be null.
  Listener(const HttpServerOptions& options, std::unique_ptr<TlsIdentity> tls)
      : options_(options), tls_(std::move(tls)) {}

  /// From now on nothing more is read.
  void StopReading() {
    const std::scoped_lock lock(mutex_);
    is_stopping_ = true;
    for (const int fd : open_) shutdown(fd, SHUT_RD);
  }

 private:
  bool process_and_close_socket(socket_t fd) override {
    {
      const std::scoped_lock lock(mutex_);
      open_.insert(fd);
      if (is_stopping_) shutdown(fd, SHUT_RD);
    }
    const bool is_answered = Serve(fd);
    // Not before it is forgotten: another connection may get its number.
    const std::scoped_lock lock(mutex_);
    open_.erase(fd);
    shutdown(fd, SHUT_RDWR);
    close(fd);
    return is_answered;
  }

  bool Serve(int fd) {
    const size_t max_bytes = kMaxHead + options_.max_body_bytes;
    Wire wire(fd,
              {// What is encrypted is longer, and begins with a handshake.
               .max_bytes = tls_ == nullptr ? max_bytes : 2 * max_bytes + kMaxHead,
               .deadline = steady_clock::now() + 2 * options_.read_timeout,
               .write_timeout = options_.write_timeout});
    bool is_closed = false;
    if (tls_ == nullptr) {
      BoundedStream stream(wire, nullptr, max_bytes);
      return process_request(stream, true, is_closed, nullptr);
    }
    TlsSession session(*tls_, wire);
    if (!session.Accept()) return false;
    BoundedStream stream(wire, &session, max_bytes);
    const bool is_answered = process_request(stream, true, is_closed, nullptr);
    session.Close();
    return is_answered;
  }

  const HttpServerOptions options_;
  const std::unique_ptr<TlsIdentity> tls_;
  std::mutex mutex_;
  std::set<int> open_;
  bool is_stopping_ = false;
};

}  // namespace

struct HttpServer::Impl {
  Impl(const HttpServerOptions& server_options, HttpHandler request_handler,
       std::unique_ptr<TlsIdentity> tls)
      : options(server_options),
        handler(std::move(request_handler)),
        server(server_options, std::move(tls)) {}

  void Configure();
  void Handle(const httplib::Request& request, httplib::Response& response) const;
  void HandleWithBody(const httplib::Request& request, httplib::Response& response,
                      const httplib::ContentReader& read) const;

  const HttpServerOptions options;
  const HttpHandler handler;
  Listener server;
  int port = 0;
  std::atomic<bool> has_ended{false};
  std::jthread listener;
};

void HttpServer::Impl::Configure() {
  // The library's own options have two servers share a port, each with half of the requests.
  server.set_socket_options([](socket_t socket) {
    const int yes = 1;
    setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  });
  server.new_task_queue = [count = options.threads] { return new httplib::ThreadPool(count); };
  // A client that holds its connection open would hold a thread.
  server.set_keep_alive_max_count(1);
  server.set_payload_max_length(options.max_body_bytes);
  server.set_pre_routing_handler([](const httplib::Request& request, httplib::Response& response) {
    if (!request.ranges.empty()) {
      // The library would cut answers by them, also into very many pieces.
      Answer(ErrorReply(416, "answers are not given in ranges"), response);
    } else if (request.path.size() > kMaxPathLength) {
      // The library matches paths by std::regex, which recurses for every character of a path.
      Answer(ErrorReply(414, "the path is too long"), response);
    } else {
      return httplib::Server::HandlerResponse::Unhandled;
    }
    return httplib::Server::HandlerResponse::Handled;
  });
  const auto plain = [this](const httplib::Request& request, httplib::Response& response) {
    Handle(request, response);
  };
  const auto with_body = [this](const httplib::Request& request, httplib::Response& response,
                                const httplib::ContentReader& read) {
    HandleWithBody(request, response, read);
  };
  server.Get(".*", plain);
  server.Options(".*", plain);
  server.Post(".*", with_body);
  server.Put(".*", with_body);
  server.Patch(".*", with_body);
  server.Delete(".*", with_body);
  // Requests that the library refuses by itself: too large, not HTTP.
  server.set_error_handler([](const httplib::Request&, httplib::Response& response) {
    if (!response.body.empty()) return;
    const HttpReply reply =
        ErrorReply(response.status,
                   response.status == 413 ? "the body is too large" : "the request cannot be read");
    response.set_content(reply.body, reply.content_type.c_str());
  });
}

void HttpServer::Impl::Handle(const httplib::Request& request, httplib::Response& response) const {
  Answer(handler(ToRequest(request)), response);
}

// Bodies are read here rather than by the library: it looks at the length that is announced only,
// and lets a slow sender take for ever.
void HttpServer::Impl::HandleWithBody(const httplib::Request& source, httplib::Response& response,
                                      const httplib::ContentReader& read) const {
  if (source.is_multipart_form_data()) {
    return Answer(ErrorReply(415, "send the body as application/json"), response);
  }
  HttpRequest request = ToRequest(source);
  const auto deadline = std::chrono::steady_clock::now() + options.read_timeout;
  bool is_late = false;
  const bool has_body =
      source.has_header("Content-Length") || source.has_header("Transfer-Encoding");
  const bool is_read = !has_body || read([&](const char* bytes, size_t count) {
    request.body.append(bytes, count);
    is_late = std::chrono::steady_clock::now() > deadline;
    return request.body.size() <= options.max_body_bytes && !is_late;
  });
  if (request.body.size() > options.max_body_bytes) {
    return Answer(ErrorReply(413, "the body is too large"), response);
  }
  if (is_late) return Answer(ErrorReply(408, "the body took too long"), response);
  if (!is_read && response.status == 413) {
    return Answer(ErrorReply(413, "the body is too large"), response);
  }
  if (!is_read) return Answer(ErrorReply(400, "the body cannot be read"), response);
  Answer(handler(request), response);
}

Result<std::unique_ptr<HttpServer>> HttpServer::Start(const HttpServerOptions& options,
                                                      HttpHandler handler) {
  auto guarded = [handler = std::move(handler)](const HttpRequest& request) {
    try {
      return handler(request);
    } catch (const std::exception& error) {
      log::Error("{} {}: {}", request.method, request.path, error.what());
      return ErrorReply(500, "an error of this program: see its log");
    }
  };
  std::unique_ptr<TlsIdentity> tls;
  if (!options.tls_certificate_file.empty()) {
    MB_ASSIGN_OR_RETURN(tls, TlsIdentity::Load(options.tls_certificate_file, options.tls_key_file));
  }
  auto impl = std::make_unique<Impl>(options, std::move(guarded), std::move(tls));
  impl->Configure();
  errno = 0;
  const int port = options.port;
  impl->port = port == 0 ? impl->server.bind_to_any_port(options.address.c_str())
                         : (impl->server.bind_to_port(options.address.c_str(), port) ? port : -1);
  if (impl->port <= 0) {
    const std::error_code error(errno, std::generic_category());
    return Status(Code::kUnavailable, fmt::format("cannot listen on {}:{}{}", options.address, port,
                                                  error ? ": " + error.message() : ""))
        .WithAdvice("choose another port with -p, or end what has it");
  }
  impl->listener = std::jthread([raw = impl.get()] {
    raw->server.listen_after_bind();
    raw->has_ended = true;
  });
  // A stop before the server runs would not be noticed.
  while (!impl->server.is_running() && !impl->has_ended) std::this_thread::yield();
  // NOLINTNEXTLINE(cppcoreguidelines-owning-memory): the constructor is private
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

HttpServer::~HttpServer() { Stop(); }

bool HttpServer::has_ended() const { return impl_->has_ended; }

uint16_t HttpServer::port() const { return static_cast<uint16_t>(impl_->port); }

void HttpServer::Stop() {
  impl_->server.StopReading();
  impl_->server.stop();
  if (impl_->listener.joinable()) impl_->listener.join();
}

}  // namespace milvus_backup::service
