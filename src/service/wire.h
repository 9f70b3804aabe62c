/// The bytes of a connection, within a time and a size.
#pragma once

#include <chrono>
#include <cstddef>
#include <sys/types.h>

namespace milvus_backup::service {

struct WireLimits {
  /// Of all that is received.
  size_t max_bytes = 0;
  /// When all of it has to be here.
  std::chrono::steady_clock::time_point deadline;
  /// How long the other side may take none of what is sent.
  std::chrono::milliseconds write_timeout{0};
};

/// A connected socket, which is not closed. Used by one thread.
class Wire {
 public:
  Wire(int fd, const WireLimits& limits) : fd_(fd), limits_(limits), left_(limits.max_bytes) {}

  /// Whether something can be received, waiting for it as long as there is time; false when nothing
  /// more may be.
  bool AwaitReadable() const;
  bool AwaitWritable() const;
  /// Wait, and take what is there. 0 at the end, negative when there is nothing in time.
  ssize_t Receive(char* bytes, size_t size);
  /// Wait, and send what fits. Negative when it cannot be sent.
  ssize_t Send(const char* bytes, size_t size) const;
  int fd() const { return fd_; }

 private:
  bool Await(short event, std::chrono::milliseconds limit) const;

  const int fd_;
  const WireLimits limits_;
  size_t left_;
};

}  // namespace milvus_backup::service
