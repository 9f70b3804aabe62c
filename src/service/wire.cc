#include "wire.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <poll.h>
#include <sys/socket.h>

namespace milvus_backup::service {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

bool Wire::AwaitReadable() const {
  const auto left = std::chrono::ceil<milliseconds>(limits_.deadline - steady_clock::now());
  return left_ > 0 && left.count() > 0 && Await(POLLIN, left);
}

bool Wire::AwaitWritable() const { return Await(POLLOUT, limits_.write_timeout); }

ssize_t Wire::Receive(char* bytes, size_t size) {
  if (!AwaitReadable()) return -1;
  const ssize_t got = recv(fd_, bytes, std::min(size, left_), 0);
  if (got > 0) left_ -= static_cast<size_t>(got);
  return got;
}

ssize_t Wire::Send(const char* bytes, size_t size) const {
  return AwaitWritable() ? send(fd_, bytes, size, MSG_NOSIGNAL) : -1;
}

bool Wire::Await(short event, milliseconds limit) const {
  pollfd waited{.fd = fd_, .events = event, .revents = 0};
  const auto until = steady_clock::now() + limit;
  for (;;) {
    const auto left = std::chrono::ceil<milliseconds>(until - steady_clock::now());
    const int found = poll(&waited, 1, static_cast<int>(std::max<int64_t>(left.count(), 0)));
    if (found >= 0 || errno != EINTR) return found > 0;
  }
}

}  // namespace milvus_backup::service
