/// A TCP relay on loopback that makes the way longer and counts what passes.
///
///     delay_proxy ROUND_TRIP_MS LISTEN_PORT:TARGET_PORT...
///
/// Every chunk is held for half of the round trip in each direction; a connection takes at most
/// 4 MiB each way at once, like a TCP window. Prints `ready`, serves until standard input closes,
/// then prints for each route, as JSON: connections, requests by method (HTTP/1.1 with
/// Content-Length), bytes up and down, and the bytes of every 100 ms.
#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fcntl.h>
#include <iostream>
#include <map>
#include <memory>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string>
#include <string_view>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
constexpr size_t kWindow = 4 * 1024 * 1024;
constexpr auto kSample = std::chrono::milliseconds(100);

/// Counts requests in a client's stream: heads are read, bodies skipped.
class RequestCounter {
 public:
  explicit RequestCounter(std::map<std::string, uint64_t>& counts) : counts_(counts) {}

  void Feed(std::string_view data) {
    while (!data.empty()) {
      if (body_left_ > 0) {
        const size_t skipped = std::min<uint64_t>(body_left_, data.size());
        body_left_ -= skipped;
        data.remove_prefix(skipped);
        continue;
      }
      const size_t before = head_.size();
      head_.append(data);
      const size_t end = head_.find("\r\n\r\n");
      if (end == std::string::npos) return;
      data.remove_prefix(end + 4 - before);
      head_.resize(end + 4);
      ++counts_[head_.substr(0, head_.find(' '))];
      std::ranges::transform(head_, head_.begin(),
                             [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
      const size_t at = head_.find("\r\ncontent-length: ");
      if (at != std::string::npos) {
        std::from_chars(head_.data() + at + 18, head_.data() + head_.size(), body_left_);
      }
      head_.clear();
    }
  }

 private:
  std::map<std::string, uint64_t>& counts_;
  std::string head_;
  uint64_t body_left_ = 0;
};

struct Route {
  int listener = -1;
  uint16_t target = 0;
  uint64_t connections = 0;
  std::map<std::string, uint64_t> requests;
  std::array<uint64_t, 2> bytes{};
  std::array<std::vector<uint64_t>, 2> samples;
};

struct Chunk {
  Clock::time_point due;
  std::string bytes;
};

/// One direction of a connection.
struct Pipe {
  int from = -1;
  int to = -1;
  std::deque<Chunk> chunks;
  size_t queued = 0;
  size_t written = 0;
  bool ended = false;
  bool done = false;
};

struct Connection {
  Route* route = nullptr;
  std::array<int, 2> fds{-1, -1};
  std::array<uint32_t, 2> watched{};
  std::array<Pipe, 2> pipes;
  std::unique_ptr<RequestCounter> counter;
};

class Proxy {
 public:
  explicit Proxy(std::chrono::microseconds delay) : delay_(delay), epoll_(epoll_create1(0)) {}

  void AddRoute(uint16_t port, uint16_t target) {
    auto route = std::make_unique<Route>();
    route->target = target;
    route->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    const int on = 1;
    setsockopt(route->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address = Loopback(port);
    if (bind(route->listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
        listen(route->listener, 1024) != 0) {
      std::perror("delay_proxy: listen");
      std::_Exit(1);
    }
    Watch(route->listener, EPOLL_CTL_ADD, EPOLLIN);
    routes_[route->listener] = std::move(route);
  }

  void Run() {
    Watch(STDIN_FILENO, EPOLL_CTL_ADD, EPOLLIN);
    std::cout << "ready" << std::endl;
    std::array<epoll_event, 256> events{};
    for (;;) {
      const int count = epoll_wait(epoll_, events.data(), events.size(), WaitMs());
      for (int i = 0; i < count; ++i) {
        const int fd = events.at(static_cast<size_t>(i)).data.fd;
        if (fd == STDIN_FILENO) return;
        if (const auto route = routes_.find(fd); route != routes_.end()) {
          Accept(*route->second);
        } else if (const auto found = connections_.find(fd); found != connections_.end()) {
          const Shared connection = found->second;  // Move may erase it from the map
          Move(connection);
        }
      }
      Release();
    }
  }

  void Print() const {
    std::cout << "[";
    const char* separator = "";
    for (const auto& [fd, route] : routes_) {
      std::cout << separator << R"({"target": )" << route->target << R"(, "connections": )"
                << route->connections << R"(, "requests": {)";
      const char* comma = "";
      for (const auto& [method, times] : route->requests) {
        std::cout << comma << '"' << method << R"(": )" << times;
        comma = ", ";
      }
      std::cout << R"(}, "up": )" << route->bytes[0] << R"(, "down": )" << route->bytes[1];
      PrintSamples("up_samples", route->samples[0]);
      PrintSamples("down_samples", route->samples[1]);
      std::cout << "}";
      separator = ", ";
    }
    std::cout << "]" << std::endl;
  }

 private:
  using Shared = std::shared_ptr<Connection>;

  static void PrintSamples(const char* name, const std::vector<uint64_t>& samples) {
    std::cout << ", \"" << name << "\": [";
    for (size_t i = 0; i < samples.size(); ++i) std::cout << (i == 0 ? "" : ", ") << samples[i];
    std::cout << "]";
  }
  static sockaddr_in Loopback(uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
  }
  void Watch(int fd, int operation, uint32_t events) const {
    epoll_event event{};
    event.events = events;
    event.data.fd = fd;
    epoll_ctl(epoll_, operation, fd, &event);
  }
  int WaitMs() const {
    if (due_.empty()) return 1000;
    const auto left = due_.front().first - Clock::now();
    return std::max(0,
                    static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(left).count()));
  }

  void Accept(Route& route) {
    for (;;) {
      const int client = accept4(route.listener, nullptr, nullptr, SOCK_NONBLOCK);
      if (client < 0) return;
      const int server = socket(AF_INET, SOCK_STREAM, 0);
      sockaddr_in address = Loopback(route.target);
      if (connect(server, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
        close(client);
        close(server);
        continue;
      }
      fcntl(server, F_SETFL, O_NONBLOCK);
      const int on = 1;
      setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      ++route.connections;
      auto connection = std::make_shared<Connection>();
      connection->route = &route;
      connection->fds = {client, server};
      connection->pipes[0] = {.from = client, .to = server};
      connection->pipes[1] = {.from = server, .to = client};
      connection->counter = std::make_unique<RequestCounter>(route.requests);
      for (size_t i = 0; i < 2; ++i) {
        connection->watched.at(i) = EPOLLIN;
        Watch(connection->fds.at(i), EPOLL_CTL_ADD, EPOLLIN);
        connections_[connection->fds.at(i)] = connection;
      }
    }
  }

  void Count(Connection& connection, size_t way, std::string_view bytes) {
    Route& route = *connection.route;
    route.bytes.at(way) += bytes.size();
    if (way == 0) connection.counter->Feed(bytes);
    if (start_ == Clock::time_point()) start_ = Clock::now();
    const auto index = static_cast<size_t>((Clock::now() - start_) / kSample);
    std::vector<uint64_t>& samples = route.samples.at(way);
    if (samples.size() <= index) samples.resize(index + 1);
    samples[index] += bytes.size();
  }

  void Read(const Shared& connection, size_t way) {
    Pipe& pipe = connection->pipes.at(way);
    while (!pipe.ended && pipe.queued < kWindow) {
      const ssize_t got = recv(pipe.from, buffer_.data(), buffer_.size(), 0);
      if (got < 0 && errno == EAGAIN) return;
      if (got <= 0) {
        pipe.ended = true;
        return;
      }
      const std::string_view bytes(buffer_.data(), static_cast<size_t>(got));
      Count(*connection, way, bytes);
      const auto due = Clock::now() + delay_;
      pipe.queued += bytes.size();
      pipe.chunks.push_back({due, std::string(bytes)});
      if (delay_.count() > 0) due_.emplace_back(due, connection);
    }
  }

  static void Write(Pipe& pipe) {
    const auto now = Clock::now();
    while (!pipe.chunks.empty() && pipe.chunks.front().due <= now) {
      const std::string& bytes = pipe.chunks.front().bytes;
      const ssize_t sent =
          send(pipe.to, bytes.data() + pipe.written, bytes.size() - pipe.written, MSG_NOSIGNAL);
      if (sent < 0 && errno == EAGAIN) return;
      if (sent < 0) {
        pipe.done = true;
        return;
      }
      pipe.written += static_cast<size_t>(sent);
      if (pipe.written < bytes.size()) continue;
      pipe.queued -= bytes.size();
      pipe.written = 0;
      pipe.chunks.pop_front();
    }
    if (pipe.ended && pipe.chunks.empty()) pipe.done = true;
  }

  void Move(const Shared& connection) {
    for (size_t way = 0; way < 2; ++way) {
      Read(connection, way);
      Write(connection->pipes.at(way));
    }
    if (connection->pipes[0].done || connection->pipes[1].done) {
      for (int& fd : connection->fds) {
        if (fd < 0) continue;
        connections_.erase(fd);
        close(fd);
        fd = -1;
      }
      return;
    }
    const auto now = Clock::now();
    for (size_t i = 0; i < 2; ++i) {
      const Pipe& in = connection->pipes.at(i);
      const Pipe& out = connection->pipes.at(1 - i);
      const bool wants_write = !out.chunks.empty() && out.chunks.front().due <= now;
      const bool wants_read = !in.ended && in.queued < kWindow;
      const uint32_t events = (wants_read ? EPOLLIN : 0U) | (wants_write ? EPOLLOUT : 0U);
      if (events == connection->watched.at(i)) continue;
      connection->watched.at(i) = events;
      Watch(connection->fds.at(i), EPOLL_CTL_MOD, events);
    }
  }

  void Release() {
    const auto now = Clock::now();
    while (!due_.empty() && due_.front().first <= now) {
      const Shared connection = due_.front().second;
      due_.pop_front();
      if (connection->fds[0] >= 0) Move(connection);
    }
  }

  const std::chrono::microseconds delay_;
  int epoll_;
  Clock::time_point start_;
  std::array<char, 256 * 1024> buffer_{};
  std::map<int, std::unique_ptr<Route>> routes_;
  std::map<int, Shared> connections_;
  std::deque<std::pair<Clock::time_point, Shared>> due_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  Proxy proxy(std::chrono::microseconds(std::atoi(argv[1]) * 500));
  for (int i = 2; i < argc; ++i) {
    const std::string_view text = argv[i];
    const size_t colon = text.find(':');
    if (colon == std::string_view::npos) return 2;
    proxy.AddRoute(static_cast<uint16_t>(std::atoi(argv[i])),
                   static_cast<uint16_t>(std::atoi(argv[i] + colon + 1)));
  }
  proxy.Run();
  proxy.Print();
  return 0;
}
