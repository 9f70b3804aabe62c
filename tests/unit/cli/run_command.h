/// One command of the program, run as its `main` would.
#pragma once

#include "cli/commands.h"

#include <CLI/CLI.hpp>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace milvus_backup::cli {

struct CommandRun {
  Status status;
  ExitCode exit_code{};
  std::string out;
  std::string error;
};

/// `arguments` begin with the name of the command that `add` adds.
inline CommandRun RunCommand(Command (*add)(CLI::App& app), std::vector<std::string> arguments,
                             const config::Config& config, bool json) {
  CLI::App app;
  const Command command = add(app);
  std::ranges::reverse(arguments);
  app.parse(arguments);
  CommandRun run;
  transfer::Progress progress;
  const CommandContext context{
      .call = {}, .config = config, .json = json, .progress = progress, .exit_code = run.exit_code};
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  run.status = command(context);
  run.error = ::testing::internal::GetCapturedStderr();
  run.out = ::testing::internal::GetCapturedStdout();
  return run;
}

}  // namespace milvus_backup::cli
