#include "milvus_backup/net/http_loop.h"

#include "http_client_internal.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace milvus_backup::net {
namespace {

using std::chrono::milliseconds;
using TimePoint = std::chrono::steady_clock::time_point;

constexpr milliseconds kLookAtContexts{100};
/// Times that one Turn goes on with requests begun by those that have ended, before it looks at the
/// sockets again.
constexpr int kMostRounds = 4;
constexpr long kMostKeptConnections = 1024;

}  // namespace

class HttpLoop::Impl {
 public:
  Impl();
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl();

  void Start(HttpClient::Impl& client, const CallContext& ctx, HttpRequest request, BodySink sink,
             Done done);
  void Turn(milliseconds most);
  void Wake() const;
  size_t running() const { return running_.size(); }

 private:
  /// One request under way.
  struct Call {
    HttpClient::Impl& client;
    CallContext ctx;
    HttpRequest request;
    BodySink sink;
    Done done;
    std::unique_ptr<EasyHandle> easy;
    Transfer transfer{};
  };

  static int OnSocket(CURL* easy, curl_socket_t fd, int what, void* user, void* known);
  static int OnTimer(CURLM* multi, long timeout_ms, void* user);

  milliseconds WaitFor(milliseconds most) const;
  void Act(curl_socket_t fd, int events);
  bool IsDue() const { return due_ && *due_ <= std::chrono::steady_clock::now(); }
  void TakeResults();
  void EndStopped();
  /// The call is over: its handle is free before `done` is told.
  void End(CURL* easy, CURLcode code);

  CURLM* multi_;
  int epoll_;
  int wake_;
  /// When libcurl wants to be called.
  std::optional<TimePoint> due_;
  TimePoint looked_;
  std::map<CURL*, std::unique_ptr<Call>> running_;
  /// Handles at rest, for each client its own.
  std::map<uint64_t, std::vector<std::unique_ptr<EasyHandle>>> idle_;
};

HttpLoop::Impl::Impl()
    : multi_(curl_multi_init()),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  MB_CHECK(multi_ != nullptr && epoll_ >= 0 && wake_ >= 0);
  curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &OnSocket);
  curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &OnTimer);
  curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, kMostKeptConnections);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = wake_;
  MB_CHECK(epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_, &event) == 0);
}

HttpLoop::Impl::~Impl() {
  while (!running_.empty()) {
    running_.begin()->second->transfer.failure = CancelledError();
    End(running_.begin()->first, CURLE_ABORTED_BY_CALLBACK);
  }
  idle_.clear();
  curl_multi_cleanup(multi_);
  close(wake_);
  close(epoll_);
}

int HttpLoop::Impl::OnSocket(CURL* easy, curl_socket_t fd, int what, void* user, void* known) {
  static_cast<void>(easy);
  auto& self = *static_cast<Impl*>(user);
  epoll_event event{};
  event.data.fd = fd;
  if (what == CURL_POLL_REMOVE) {
    epoll_ctl(self.epoll_, EPOLL_CTL_DEL, fd, &event);
    return 0;
  }
  if ((what & CURL_POLL_IN) != 0) event.events |= EPOLLIN;
  if ((what & CURL_POLL_OUT) != 0) event.events |= EPOLLOUT;
  epoll_ctl(self.epoll_, known == nullptr ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &event);
  if (known == nullptr) curl_multi_assign(self.multi_, fd, user);
  return 0;
}

int HttpLoop::Impl::OnTimer(CURLM* multi, long timeout_ms, void* user) {
  static_cast<void>(multi);
  auto& self = *static_cast<Impl*>(user);
  self.due_.reset();
  if (timeout_ms >= 0) self.due_ = std::chrono::steady_clock::now() + milliseconds(timeout_ms);
  return 0;
}

void HttpLoop::Impl::Start(HttpClient::Impl& client, const CallContext& ctx, HttpRequest request,
                           BodySink sink, Done done) {
  auto call = std::make_unique<Call>(
      Call{client, ctx, std::move(request), std::move(sink), std::move(done), nullptr});
  if (auto& idle = idle_[client.id()]; !idle.empty()) {
    call->easy = std::move(idle.back());
    idle.pop_back();
  } else {
    call->easy = std::make_unique<EasyHandle>(client.options());
  }
  call->transfer = {.ctx = &call->ctx, .request = &call->request, .sink = &call->sink};
  call->easy->Use(&client.caches());
  call->easy->Prepare(call->transfer);
  CURL* const easy = call->easy->get();
  running_.emplace(easy, std::move(call));
  MB_CHECK(curl_multi_add_handle(multi_, easy) == CURLM_OK);
}

milliseconds HttpLoop::Impl::WaitFor(milliseconds most) const {
  milliseconds wait = most;
  if (!running_.empty()) wait = std::min(wait, kLookAtContexts);
  if (due_) {
    const auto left = std::chrono::ceil<milliseconds>(*due_ - std::chrono::steady_clock::now());
    wait = std::min(wait, std::max(left, milliseconds(0)));
  }
  return wait;
}

void HttpLoop::Impl::Act(curl_socket_t fd, int events) {
  int running = 0;
  MB_CHECK(curl_multi_socket_action(multi_, fd, events, &running) == CURLM_OK);
}

void HttpLoop::Impl::Turn(milliseconds most) {
  std::array<epoll_event, 64> events;
  const int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()),
                               static_cast<int>(WaitFor(most).count()));
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events.at(static_cast<size_t>(i));
    if (event.data.fd == wake_) {
      uint64_t times = 0;
      static_cast<void>(read(wake_, &times, sizeof times));
      continue;
    }
    int happened = 0;
    if ((event.events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) happened |= CURL_CSELECT_IN;
    if ((event.events & EPOLLOUT) != 0) happened |= CURL_CSELECT_OUT;
    Act(event.data.fd, happened);
  }
  TakeResults();
  EndStopped();
  for (int round = 0; round < kMostRounds && IsDue(); ++round) {
    Act(CURL_SOCKET_TIMEOUT, 0);
    TakeResults();
  }
}

void HttpLoop::Impl::TakeResults() {
  int left = 0;
  while (const CURLMsg* const message = curl_multi_info_read(multi_, &left)) {
    if (message->msg == CURLMSG_DONE) End(message->easy_handle, message->data.result);
  }
}

void HttpLoop::Impl::EndStopped() {
  const TimePoint now = std::chrono::steady_clock::now();
  if (now - looked_ < kLookAtContexts) return;
  looked_ = now;
  std::vector<CURL*> ended;
  for (const auto& [easy, call] : running_) {
    Status status = call->ctx.Check();
    if (status.ok()) continue;
    call->transfer.failure = std::move(status);
    ended.push_back(easy);
  }
  for (CURL* const easy : ended) End(easy, CURLE_ABORTED_BY_CALLBACK);
}

void HttpLoop::Impl::End(CURL* easy, CURLcode code) {
  curl_multi_remove_handle(multi_, easy);
  const auto found = running_.find(easy);
  const std::unique_ptr<Call> call = std::move(found->second);
  running_.erase(found);
  call->easy->Clear();
  Result<HttpResponse> response = call->client.Conclude(*call->easy, code, call->transfer);
  // Once told, the owner may end the client.
  call->easy->Use(nullptr);
  idle_[call->client.id()].push_back(std::move(call->easy));
  const Done done = std::move(call->done);
  done(std::move(response));
}

void HttpLoop::Impl::Wake() const {
  const uint64_t once = 1;
  static_cast<void>(write(wake_, &once, sizeof once));
}

HttpLoop::HttpLoop() {
  InitCurlOnce();
  impl_ = std::make_unique<Impl>();
}

HttpLoop::~HttpLoop() = default;

void HttpLoop::Start(HttpClient& client, const CallContext& ctx, HttpRequest request, BodySink sink,
                     Done done) {
  impl_->Start(*client.impl_, ctx, std::move(request), std::move(sink), std::move(done));
}

void HttpLoop::Turn(milliseconds most) { impl_->Turn(most); }

void HttpLoop::Wake() { impl_->Wake(); }

size_t HttpLoop::running() const { return impl_->running(); }

}  // namespace milvus_backup::net
