/// Running a program for a hook.
#pragma once

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"

#include <chrono>
#include <string>
#include <vector>

namespace milvus_backup::service {

struct HookCommand {
  /// The program, looked for in PATH, and its arguments.
  std::vector<std::string> arguments;
  /// What it finds on its standard input; it need not read it.
  std::string input;
  std::chrono::seconds timeout{60};
};

/// Run it in a process group of its own and wait for it. Of the environment it gets only what says
/// where programs, the user and their language are: PATH, HOME, USER, LOGNAME, SHELL, LANG, LC_*,
/// TZ, TMPDIR. Of what it prints the last lines are in the error and in the log.
///
/// kFailedPrecondition when it cannot be started, ends with another status than 0 or by a signal;
/// kDeadlineExceeded, kCancelled when it was ended with all of its group, by SIGTERM and two
/// seconds later SIGKILL.
Status RunHookCommand(const CallContext& ctx, const HookCommand& command);

}  // namespace milvus_backup::service
