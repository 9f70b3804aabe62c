#include "milvus_backup/base/process.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <malloc.h>
#include <optional>
#include <sstream>
#include <sys/resource.h>
#include <unistd.h>

namespace milvus_backup {
namespace {

std::string Machine() {
  std::string boot;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> boot;
  std::error_code error;
  const std::string names = std::filesystem::read_symlink("/proc/self/ns/pid", error).string();
  return boot.empty() || error ? std::string() : boot + " " + names;
}

struct Seen {
  bool has_ended = false;
  /// As ProcessMark::start.
  uint64_t start = 0;
};

// proc(5): field 22 of /proc/<pid>/stat; the second field is a name in parentheses that may hold
// anything, so the count starts after the last one. A zombie (state Z) has ended.
std::optional<Seen> LookAt(const std::string& proc, const std::string& pid) {
  std::ifstream file(proc + "/" + pid + "/stat");
  std::ostringstream text;
  text << file.rdbuf();
  const std::string stat = text.str();
  const size_t name_end = stat.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream fields(stat.substr(name_end + 1));
  std::string field;
  Seen seen;
  for (int number = 3; number < 22; ++number) {
    fields >> field;
    if (number == 3) seen.has_ended = field == "Z" || field == "X";
  }
  if (!(fields >> seen.start)) return std::nullopt;
  return seen;
}

}  // namespace

ProcessMark ThisProcess() {
  const std::optional<Seen> self = LookAt("/proc", "self");
  return {Machine(), static_cast<int64_t>(getpid()), self ? self->start : 0};
}

bool HasEnded(const ProcessMark& mark, const std::string& proc) {
  if (mark.machine.empty() || mark.pid <= 0 || mark.machine != Machine()) return false;
  const std::optional<Seen> seen = LookAt(proc, std::to_string(mark.pid));
  if (seen) return seen->has_ended || seen->start != mark.start;
  // Mounted with hidepid, /proc does not show the processes of other users: asking for one by its
  // number still tells whether it is there (kill(2)).
  return kill(static_cast<pid_t>(mark.pid), 0) != 0 && errno == ESRCH;
}

uint64_t ResidentMemory() {
  // proc(5): the second number of statm, in pages.
  std::ifstream file("/proc/self/statm");
  uint64_t size = 0;
  uint64_t resident = 0;
  file >> size >> resident;
  return resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

uint64_t PeakMemory() {
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) != 0) return 0;
  return static_cast<uint64_t>(usage.ru_maxrss) * 1024;
}

void ReleaseFreeMemory() {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

std::string HostName() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0) return "unknown";
  return name.data();
}

}  // namespace milvus_backup
