/// The least a copy of S3 objects can cost: GET and PUT of a list of objects with nothing around
/// them. Unsigned, so the buckets must be open to everybody, but for `signed`: bare sockets that
/// send the signatures LIST holds, because servers take time to check them. Three ways to drive the
/// requests, for docs/decisions: bare sockets and libcurl's easy interface on blocking threads, and
/// libcurl's multi interface on event loops.
///
///     copy_floor raw|signed|easy|multi SOURCE_PORT DESTINATION_PORT WIDTH CHUNK_BYTES < LIST
///
/// LIST holds `SIZE PATH` lines, the path being `/bucket/key` without escapes needed; for `signed`
/// the presigned queries of the GET and of the PUT follow, and nothing is cut. Objects above
/// CHUNK_BYTES (0: none) are read in ranges of it, each written as an object of its own.
#include <curl/curl.h>

#include <algorithm>
#include <arpa/inet.h>
#include <atomic>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <memory>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string>
#include <string_view>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

struct Piece {
  std::string path;
  uint64_t offset = 0;
  uint64_t length = 0;
  bool whole = true;
  std::string get_query;
  std::string put_query;
};

struct Plan {
  std::vector<Piece> pieces;
  std::atomic<size_t> next{0};
  int source = 0;
  int destination = 0;

  const Piece* Take() {
    const size_t index = next++;
    return index < pieces.size() ? &pieces[index] : nullptr;
  }
};

[[noreturn]] void Die(const std::string& what) {
  std::cerr << "copy_floor: " << what << "\n";
  std::_Exit(1);
}

std::string RangeOf(const Piece& piece) {
  return std::to_string(piece.offset) + "-" + std::to_string(piece.offset + piece.length - 1);
}

std::string Target(const Piece& piece) {
  return piece.whole ? piece.path : piece.path + "." + std::to_string(piece.offset);
}

// ---- bare sockets ----

class Socket {
 public:
  explicit Socket(int port) : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int on = 1;
    setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) Die("connect");
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() { close(fd_); }

  void Send(std::string_view head, std::string_view body) {
    iovec parts[2] = {{const_cast<char*>(head.data()), head.size()},
                      {const_cast<char*>(body.data()), body.size()}};
    size_t left = head.size() + body.size();
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = 2;
    while (left > 0) {
      const ssize_t sent = sendmsg(fd_, &message, MSG_NOSIGNAL);
      if (sent <= 0) Die("send");
      left -= static_cast<size_t>(sent);
      for (size_t step = static_cast<size_t>(sent); step > 0;) {
        const size_t taken = std::min(step, message.msg_iov->iov_len);
        message.msg_iov->iov_base = static_cast<char*>(message.msg_iov->iov_base) + taken;
        message.msg_iov->iov_len -= taken;
        step -= taken;
        if (message.msg_iov->iov_len == 0 && message.msg_iovlen > 1) {
          ++message.msg_iov;
          --message.msg_iovlen;
        }
      }
    }
  }

  /// Read one reply into `body`, which has room for it. Returns its length.
  size_t Receive(char* body, size_t room) {
    size_t have = 0;
    size_t head = 0;
    while (head == 0) {
      const ssize_t got = recv(fd_, buffer_ + have, sizeof buffer_ - have, 0);
      if (got <= 0) Die("receive");
      have += static_cast<size_t>(got);
      const size_t end = std::string_view(buffer_, have).find("\r\n\r\n");
      if (end != std::string_view::npos) head = end + 4;
    }
    const std::string_view text(buffer_, head);
    if (text.substr(9, 1) != "2") Die(std::string(text) + std::string(buffer_ + head, have - head));
    size_t length = 0;
    const size_t at = text.find("Content-Length: ");
    if (at != std::string_view::npos) {
      std::from_chars(buffer_ + at + 16, buffer_ + head, length);
    }
    if (length > room) Die("too large");
    std::memcpy(body, buffer_ + head, have - head);
    for (size_t filled = have - head; filled < length;) {
      const ssize_t got = recv(fd_, body + filled, length - filled, 0);
      if (got <= 0) Die("receive");
      filled += static_cast<size_t>(got);
    }
    return length;
  }

 private:
  int fd_;
  char buffer_[16 * 1024];
};

void RunRaw(Plan& plan) {
  const auto source = std::make_unique<Socket>(plan.source);
  const auto destination = std::make_unique<Socket>(plan.destination);
  std::vector<char> body;
  while (const Piece* piece = plan.Take()) {
    if (body.size() < piece->length) body.resize(piece->length);
    std::string head = "GET " + piece->path + piece->get_query +
                       " HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(plan.source) + "\r\n";
    if (!piece->whole) head += "Range: bytes=" + RangeOf(*piece) + "\r\n";
    source->Send(head + "\r\n", {});
    const size_t length = source->Receive(body.data(), body.size());
    head = "PUT " + Target(*piece) + piece->put_query +
           " HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(plan.destination) +
           "\r\nContent-Length: " + std::to_string(length) + "\r\n\r\n";
    destination->Send(head, {body.data(), length});
    char answer[16 * 1024];
    destination->Receive(answer, sizeof answer);
  }
}

// ---- libcurl ----

/// One object on its way: the GET, then the PUT of the same buffer.
struct Transfer {
  explicit Transfer(const Plan& plan_) : plan(plan_), get(curl_easy_init()), put(curl_easy_init()) {
    for (CURL* easy : {get, put}) {
      curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
      curl_easy_setopt(easy, CURLOPT_FAILONERROR, 1L);
      curl_easy_setopt(easy, CURLOPT_PRIVATE, this);
    }
    curl_easy_setopt(get, CURLOPT_WRITEFUNCTION, &OnBody);
    curl_easy_setopt(get, CURLOPT_WRITEDATA, this);
    curl_easy_setopt(put, CURLOPT_WRITEFUNCTION, &Ignore);
    curl_easy_setopt(put, CURLOPT_READFUNCTION, &OnUpload);
    curl_easy_setopt(put, CURLOPT_READDATA, this);
    curl_easy_setopt(put, CURLOPT_UPLOAD, 1L);
    headers = curl_slist_append(nullptr, "Expect:");
    curl_easy_setopt(put, CURLOPT_HTTPHEADER, headers);
  }
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;
  ~Transfer() {
    curl_easy_cleanup(get);
    curl_easy_cleanup(put);
    curl_slist_free_all(headers);
  }

  void StartGet(const Piece& piece_) {
    piece = &piece_;
    filled = 0;
    if (body.size() < piece->length) body.resize(piece->length);
    const bool large = piece->length > 64 * 1024;
    curl_easy_setopt(get, CURLOPT_BUFFERSIZE, large ? 256L * 1024 : 32L * 1024);
    curl_easy_setopt(put, CURLOPT_UPLOAD_BUFFERSIZE, large ? 512L * 1024 : 64L * 1024);
    curl_easy_setopt(get, CURLOPT_URL, Url(plan.source, piece->path).c_str());
    curl_easy_setopt(get, CURLOPT_RANGE, piece->whole ? nullptr : RangeOf(*piece).c_str());
  }
  void StartPut() {
    sent = 0;
    curl_easy_setopt(put, CURLOPT_URL, Url(plan.destination, Target(*piece)).c_str());
    curl_easy_setopt(put, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(filled));
  }

  static std::string Url(int port, const std::string& path) {
    return "http://127.0.0.1:" + std::to_string(port) + path;
  }
  static size_t OnBody(char* data, size_t size, size_t count, void* user) {
    auto& self = *static_cast<Transfer*>(user);
    std::memcpy(self.body.data() + self.filled, data, size * count);
    self.filled += size * count;
    return size * count;
  }
  static size_t OnUpload(char* data, size_t size, size_t count, void* user) {
    auto& self = *static_cast<Transfer*>(user);
    const size_t length = std::min(size * count, self.filled - self.sent);
    std::memcpy(data, self.body.data() + self.sent, length);
    self.sent += length;
    return length;
  }
  static size_t Ignore(char*, size_t size, size_t count, void*) { return size * count; }

  const Plan& plan;
  CURL* get;
  CURL* put;
  curl_slist* headers = nullptr;
  const Piece* piece = nullptr;
  std::vector<char> body;
  size_t filled = 0;
  size_t sent = 0;
};

void Expect(CURLcode code) {
  if (code != CURLE_OK) Die(curl_easy_strerror(code));
}

void RunEasy(Plan& plan) {
  Transfer transfer(plan);
  while (const Piece* piece = plan.Take()) {
    transfer.StartGet(*piece);
    Expect(curl_easy_perform(transfer.get));
    transfer.StartPut();
    Expect(curl_easy_perform(transfer.put));
  }
}

/// One thread that drives many transfers.
class Loop {
 public:
  Loop(Plan& plan, size_t width)
      : plan_(plan), multi_(curl_multi_init()), epoll_(epoll_create1(0)) {
    curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &OnSocket);
    curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
    curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &OnTimer);
    curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
    curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, static_cast<long>(2 * width));
    for (size_t i = 0; i < width; ++i) {
      transfers_.push_back(std::make_unique<Transfer>(plan_));
      Next(*transfers_.back());
    }
  }
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;
  ~Loop() {
    transfers_.clear();
    curl_multi_cleanup(multi_);
    close(epoll_);
  }

  void Run() {
    epoll_event events[64];
    int running = 0;
    while (active_ > 0) {
      const int count = epoll_wait(epoll_, events, 64, timeout_ms_);
      if (count == 0) {
        timeout_ms_ = 1000;
        curl_multi_socket_action(multi_, CURL_SOCKET_TIMEOUT, 0, &running);
      }
      for (int i = 0; i < count; ++i) {
        const uint32_t happened = events[i].events;
        const int mask = ((happened & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 ? CURL_CSELECT_IN : 0) |
                         ((happened & EPOLLOUT) != 0 ? CURL_CSELECT_OUT : 0);
        curl_multi_socket_action(multi_, events[i].data.fd, mask, &running);
      }
      TakeResults();
    }
  }

 private:
  void Next(Transfer& transfer) {
    const Piece* piece = plan_.Take();
    if (piece == nullptr) return;
    transfer.StartGet(*piece);
    curl_multi_add_handle(multi_, transfer.get);
    ++active_;
  }
  void TakeResults() {
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
      Expect(message->data.result);
      CURL* const easy = message->easy_handle;
      Transfer* transfer = nullptr;
      curl_easy_getinfo(easy, CURLINFO_PRIVATE, &transfer);
      curl_multi_remove_handle(multi_, easy);
      if (easy == transfer->get) {
        transfer->StartPut();
        curl_multi_add_handle(multi_, transfer->put);
      } else {
        --active_;
        Next(*transfer);
      }
    }
  }
  static int OnSocket(CURL*, curl_socket_t fd, int what, void* user, void* known) {
    auto& self = *static_cast<Loop*>(user);
    epoll_event event{};
    event.data.fd = fd;
    if (what == CURL_POLL_REMOVE) {
      epoll_ctl(self.epoll_, EPOLL_CTL_DEL, fd, &event);
      return 0;
    }
    event.events =
        ((what & CURL_POLL_IN) != 0 ? EPOLLIN : 0U) | ((what & CURL_POLL_OUT) != 0 ? EPOLLOUT : 0U);
    epoll_ctl(self.epoll_, known == nullptr ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &event);
    curl_multi_assign(self.multi_, fd, user);
    return 0;
  }
  static int OnTimer(CURLM*, long timeout_ms, void* user) {
    static_cast<Loop*>(user)->timeout_ms_ = timeout_ms < 0 ? 1000 : static_cast<int>(timeout_ms);
    return 0;
  }

  Plan& plan_;
  CURLM* multi_;
  int epoll_;
  int timeout_ms_ = 0;
  size_t active_ = 0;
  std::vector<std::unique_ptr<Transfer>> transfers_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) Die("see the head of the source");
  const std::string_view mode = argv[1];
  Plan plan;
  plan.source = std::atoi(argv[2]);
  plan.destination = std::atoi(argv[3]);
  const auto width = static_cast<size_t>(std::atoi(argv[4]));
  const uint64_t chunk = std::strtoull(argv[5], nullptr, 10);
  uint64_t size = 0;
  for (std::string path; std::cin >> size >> path;) {
    if (mode == "signed") {
      Piece& piece = plan.pieces.emplace_back(Piece{path, 0, size, true, {}, {}});
      std::cin >> piece.get_query >> piece.put_query;
      continue;
    }
    if (chunk == 0 || size <= chunk) {
      plan.pieces.push_back({path, 0, size, true, {}, {}});
      continue;
    }
    for (uint64_t offset = 0; offset < size; offset += chunk) {
      plan.pieces.push_back({path, offset, std::min(chunk, size - offset), false, {}, {}});
    }
  }
  curl_global_init(CURL_GLOBAL_DEFAULT);
  const size_t loops = std::min<size_t>(2, width);
  std::vector<std::jthread> threads;
  for (size_t i = 0; i < (mode == "multi" ? loops : width); ++i) {
    threads.emplace_back([&] {
      if (mode == "raw" || mode == "signed") RunRaw(plan);
      if (mode == "easy") RunEasy(plan);
      if (mode == "multi") Loop(plan, width / loops).Run();
    });
  }
  return 0;
}
