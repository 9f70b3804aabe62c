#include "milvus_backup/base/process.h"

#include <array>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
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

// proc(5): field 22 of /proc/<pid>/stat; the second field is a name in parentheses that may hold
// anything, so the count starts after the last one. A zombie (state Z) has ended.
std::optional<uint64_t> StartOf(const std::string& pid) {
  std::ifstream file("/proc/" + pid + "/stat");
  std::ostringstream text;
  text << file.rdbuf();
  const std::string stat = text.str();
  const size_t name_end = stat.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream fields(stat.substr(name_end + 1));
  std::string field;
  for (int number = 3; number < 22; ++number) {
    fields >> field;
    if (number == 3 && (field == "Z" || field == "X")) return std::nullopt;
  }
  uint64_t start = 0;
  if (!(fields >> start)) return std::nullopt;
  return start;
}

}  // namespace

ProcessMark ThisProcess() {
  return {Machine(), static_cast<int64_t>(getpid()), StartOf("self").value_or(0)};
}

bool HasEnded(const ProcessMark& mark) {
  if (mark.machine.empty() || mark.pid <= 0 || mark.machine != Machine()) return false;
  return StartOf(std::to_string(mark.pid)) != mark.start;
}

std::string HostName() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0) return "unknown";
  return name.data();
}

}  // namespace milvus_backup
