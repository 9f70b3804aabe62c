#include "milvus_backup/service/http_server.h"

#include "milvus_backup/base/log.h"

#include <fmt/format.h>

#include <atomic>
#include <cerrno>
#include <httplib.h>
#include <sys/socket.h>
#include <system_error>
#include <thread>
#include <utility>

namespace milvus_backup::service {
namespace {

constexpr size_t kMaxPathLength = 1024;

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

}  // namespace

struct HttpServer::Impl {
  Impl(const HttpServerOptions& server_options, HttpHandler request_handler)
      : options(server_options), handler(std::move(request_handler)) {}

  void Configure();
  void Handle(const httplib::Request& request, httplib::Response& response) const;
  void HandleWithBody(const httplib::Request& request, httplib::Response& response,
                      const httplib::ContentReader& read) const;

  const HttpServerOptions options;
  const HttpHandler handler;
  httplib::Server server;
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
  server.set_read_timeout(options.read_timeout.count());
  server.set_write_timeout(options.write_timeout.count());
  // The library matches paths by std::regex, which recurses for every character of a path.
  server.set_pre_routing_handler([](const httplib::Request& request, httplib::Response& response) {
    if (request.path.size() <= kMaxPathLength) return httplib::Server::HandlerResponse::Unhandled;
    Answer(ErrorReply(414, "the path is too long"), response);
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
  auto impl = std::make_unique<Impl>(options, std::move(guarded));
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

uint16_t HttpServer::port() const { return static_cast<uint16_t>(impl_->port); }

void HttpServer::Stop() {
  impl_->server.stop();
  if (impl_->listener.joinable()) impl_->listener.join();
}

}  // namespace milvus_backup::service
