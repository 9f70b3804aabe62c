/// One line on the terminal that says how far a command is.
#pragma once

#include "milvus_backup/transfer/progress.h"

#include <chrono>
#include <string>
#include <thread>

namespace milvus_backup::cli {

/// Redraws the line ten times a second on stderr while it lives. Draws nothing when stderr is no
/// terminal.
class TerminalProgress {
 public:
  /// `progress` must outlive this object; `enabled` false draws nothing at all.
  TerminalProgress(const transfer::Progress& progress, bool enabled);
  TerminalProgress(const TerminalProgress&) = delete;
  TerminalProgress& operator=(const TerminalProgress&) = delete;
  /// Erases the line.
  ~TerminalProgress();

 private:
  std::jthread thread_;
};

/// The text of the line, for example
/// `copy  120/300 objects  1.2 GiB of 2.4 GiB  350.0 MiB/s  ETA 4 s`.
std::string ProgressLine(const transfer::Progress& progress, std::chrono::duration<double> elapsed);

}  // namespace milvus_backup::cli
