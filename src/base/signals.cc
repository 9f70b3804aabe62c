#include "milvus_backup/base/signals.h"

#include "milvus_backup/base/status.h"

#include <csignal>
#include <cstdio>
#include <thread>
#include <unistd.h>

namespace milvus_backup {

std::stop_source InstallSignalHandling() {
  static std::stop_source source;
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  // Blocked here and so in every thread started later; sigwait below is the only receiver.
  MB_CHECK(pthread_sigmask(SIG_BLOCK, &signals, nullptr) == 0);
  MB_CHECK(std::signal(SIGPIPE, SIG_IGN) != SIG_ERR);
  std::thread([signals] {
    for (bool first = true;; first = false) {
      int received = 0;
      if (sigwait(&signals, &received) != 0) return;
      if (!first) _exit(130);
      constexpr char kNotice[] = "\ninterrupted: cleaning up; once more to quit at once\n";
      static_cast<void>(!write(STDERR_FILENO, kNotice, sizeof kNotice - 1));
      source.request_stop();
    }
  }).detach();  // lives as long as the process: there is no other end for a signal receiver
  return source;
}

}  // namespace milvus_backup
