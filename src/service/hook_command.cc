#include "hook_command.h"

#include "milvus_backup/base/log.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <mutex>
#include <optional>
#include <poll.h>
#include <spawn.h>
#include <string_view>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>
#include <utility>

extern char** environ;

namespace milvus_backup::service {
namespace {

using std::chrono::steady_clock;

/// How long a look at the program's streams waits: so much later a stop is noticed.
constexpr int kPollMs = 20;
/// Between SIGTERM and SIGKILL.
constexpr std::chrono::seconds kPatience{2};
/// Of what the program prints.
constexpr size_t kKeptOutput = 4096;

constexpr std::array<std::string_view, 8> kPassedOn = {
    "PATH=", "HOME=", "USER=", "LOGNAME=", "SHELL=", "LANG=", "TZ=", "TMPDIR="};

/// An open file; -1 is none.
class Descriptor {
 public:
  explicit Descriptor(int file = -1) : file_(file) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  Descriptor(Descriptor&& other) noexcept : file_(std::exchange(other.file_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(file_, other.file_);
    return *this;
  }
  ~Descriptor() { Close(); }

  int get() const { return file_; }
  bool is_open() const { return file_ >= 0; }
  void Close() {
    if (file_ >= 0) close(file_);
    file_ = -1;
  }

 private:
  int file_;
};

struct Pipe {
  Descriptor read;
  Descriptor write;
};

std::string ErrorText(int error) { return std::generic_category().message(error); }

Result<Pipe> MakePipe() {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) {
    return FailedPreconditionError("cannot make a pipe: " + ErrorText(errno));
  }
  return Pipe{Descriptor(ends[0]), Descriptor(ends[1])};
}

void SetNonBlocking(int file) { fcntl(file, F_SETFL, O_NONBLOCK); }

std::vector<std::string> PassedOn() {
  std::vector<std::string> passed;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view text(*variable);
    const bool wanted =
        text.starts_with("LC_") || std::ranges::any_of(kPassedOn, [&](std::string_view name) {
          return text.starts_with(name);
        });
    if (wanted) passed.emplace_back(text);
  }
  return passed;
}

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

/// A program that does not read its input is no reason to end with it.
void IgnoreBrokenPipes() {
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction action {};
    if (sigaction(SIGPIPE, nullptr, &action) == 0 && action.sa_handler == SIG_DFL) {
      std::signal(SIGPIPE, SIG_IGN);  // NOLINT(cert-err33-c): the old handler is of no use
    }
  });
}

/// Reads of a program's output between two looks at the clock.
constexpr int kReadsAtOnce = 32;
/// As the wait status of a program that ended with status 255.
constexpr int kUnknownEnd = 255 << 8;

/// A running program.
class Child {
 public:
  static Result<Child> Start(const HookCommand& command) {
    MB_ASSIGN_OR_RETURN(Pipe input, MakePipe());
    MB_ASSIGN_OR_RETURN(Pipe output, MakePipe());
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, input.read.get(), STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&files, output.write.get(), STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&files, output.write.get(), STDERR_FILENO);
    posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
    posix_spawnattr_init(&attributes);
    // The signals that end this program are blocked in all of its threads, and SIGPIPE is ignored.
    sigset_t none;
    sigemptyset(&none);
    sigset_t defaults;
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(
        &attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    std::vector<std::string> arguments = command.arguments;
    std::vector<std::string> variables = PassedOn();
    pid_t pid = 0;
    const int error = posix_spawnp(&pid, arguments.front().c_str(), &files, &attributes,
                                   Pointers(arguments).data(), Pointers(variables).data());
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    if (error != 0) {
      return FailedPreconditionError(
          fmt::format("cannot start '{}': {}", command.arguments.front(), ErrorText(error)));
    }
    SetNonBlocking(input.write.get());
    SetNonBlocking(output.read.get());
    return Child(pid, std::move(input.write), std::move(output.read), command.input);
  }

  /// Give it its input and take its output for a moment; its wait status once it has ended.
  std::optional<int> Attend() {
    std::array<pollfd, 2> files = {
        {{.fd = input_.get(), .events = POLLOUT}, {.fd = output_.get(), .events = POLLIN}}};
    // Those that are closed have negative numbers, which poll passes over.
    static_cast<void>(poll(files.data(), files.size(), kPollMs));
    if (input_.is_open() && files[0].revents != 0) Feed();
    if (output_.is_open() && files[1].revents != 0) Take();
    int status = 0;
    const pid_t ended = waitpid(pid_, &status, WNOHANG);
    // Where SIGCHLD is ignored nobody is told what became of it.
    if (ended < 0 && errno == ECHILD) status = kUnknownEnd;
    if (ended == 0 || (ended < 0 && errno != ECHILD)) return std::nullopt;
    // What it has left in the pipe; whoever it has started may hold the other end for longer.
    if (output_.is_open()) Take();
    return status;
  }

  void Signal(int number) const { kill(-pid_, number); }
  /// The last of what it has printed, on one line.
  std::string Output() const {
    std::string text = output_text_;
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
    std::ranges::replace_if(
        text, [](unsigned char c) { return c < 0x20 || c == 0x7F; }, ' ');
    return text;
  }

 private:
  Child(pid_t pid, Descriptor input, Descriptor output, std::string input_text)
      : pid_(pid),
        input_(std::move(input)),
        output_(std::move(output)),
        input_text_(std::move(input_text)) {}

  void Feed() {
    const ssize_t written =
        write(input_.get(), input_text_.data() + sent_, input_text_.size() - sent_);
    if (written > 0) sent_ += static_cast<size_t>(written);
    const bool is_over = written < 0 && errno != EAGAIN && errno != EINTR;
    if (is_over || sent_ == input_text_.size()) input_.Close();
  }

  /// So much at a time that a program which never stops printing is looked at in between.
  void Take() {
    std::array<char, 4096> buffer{};
    for (int i = 0; i < kReadsAtOnce; ++i) {
      const ssize_t count = read(output_.get(), buffer.data(), buffer.size());
      if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)) output_.Close();
      if (count <= 0) return;
      output_text_.append(buffer.data(), static_cast<size_t>(count));
      if (output_text_.size() > 2 * kKeptOutput) {
        output_text_.erase(0, output_text_.size() - kKeptOutput);
      }
    }
  }

  pid_t pid_;
  Descriptor input_;
  Descriptor output_;
  std::string input_text_;
  size_t sent_ = 0;
  std::string output_text_;
};

Status ToStatus(int status, const std::string& name, const std::string& output) {
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return Status::Ok();
  const std::string end = WIFEXITED(status) ? fmt::format("status {}", WEXITSTATUS(status))
                                            : fmt::format("signal {}", WTERMSIG(status));
  return FailedPreconditionError(
      fmt::format("'{}' ended with {}{}", name, end, output.empty() ? "" : ": " + output));
}

}  // namespace

Status RunHookCommand(const CallContext& ctx, const HookCommand& command) {
  IgnoreBrokenPipes();
  MB_RETURN_IF_ERROR(ctx.Check());
  const std::string& name = command.arguments.front();
  MB_ASSIGN_OR_RETURN(Child child, Child::Start(command));
  const steady_clock::time_point deadline = steady_clock::now() + command.timeout;
  Status ended_because;
  steady_clock::time_point kill_at;
  while (true) {
    if (const std::optional<int> status = child.Attend()) {
      const std::string output = child.Output();
      if (!output.empty()) log::Info("hook={} printed: {}", name, output);
      if (!ended_because.ok()) {
        // Whoever it has started and left behind.
        child.Signal(SIGKILL);
        return ended_because;
      }
      return ToStatus(*status, name, output);
    }
    const steady_clock::time_point now = steady_clock::now();
    if (!ended_because.ok()) {
      if (now >= kill_at) child.Signal(SIGKILL);
      continue;
    }
    if (ctx.stop.stop_requested()) {
      ended_because = CancelledError();
    } else if (now >= deadline) {
      ended_because =
          Status(Code::kDeadlineExceeded, fmt::format("'{}' was ended after {} s", name,
                                                      command.timeout / std::chrono::seconds(1)));
    } else {
      continue;
    }
    child.Signal(SIGTERM);
    kill_at = now + kPatience;
  }
}

}  // namespace milvus_backup::service
