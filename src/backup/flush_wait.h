/// Waiting for a flush.
#pragma once

#include "milvus_backup/backup/create.h"
#include "milvus_backup/base/clock.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/base/log.h"
#include "milvus_backup/base/status.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <string>

namespace milvus_backup::backup {

/// Call `ask` (a Result<bool>) until it answers true, at growing intervals up to 100 ms: a flush of
/// little data is done within some ms. A long wait is said in the log, for `what`; one beyond the
/// limit of `options` is kDeadlineExceeded.
template <typename Ask>
Status WaitUntilFlushed(const CallContext& ctx, const CreateOptions& options,
                        const std::string& what, const Ask& ask) {
  constexpr std::chrono::milliseconds kFirst{5};
  constexpr std::chrono::milliseconds kLongest{100};
  const auto in_seconds = [](auto time) {
    return std::chrono::duration_cast<std::chrono::seconds>(time);
  };
  const auto begin = std::chrono::steady_clock::now();
  auto next_word = options.flush_warning_interval;
  for (auto pause = kFirst;; pause = std::min(pause * 2, kLongest)) {
    MB_ASSIGN_OR_RETURN(const bool is_flushed, ask());
    if (is_flushed) return Status::Ok();
    const auto waited = std::chrono::steady_clock::now() - begin;
    if (waited >= options.flush_limit) {
      return Status(Code::kDeadlineExceeded, fmt::format("Milvus has not flushed {} within {}",
                                                         what, in_seconds(options.flush_limit)))
          .WithOrigin(Origin::kMilvus)
          .WithAdvice(
              "see whether its data nodes run and can write to their storage, then run the same "
              "command again");
    }
    if (waited >= next_word) {
      log::Warn("Milvus has not flushed {} after {}; it is waited for up to {}", what,
                in_seconds(waited), in_seconds(options.flush_limit));
      next_word += options.flush_warning_interval;
    }
    if (!Clock::Real().SleepFor(pause, ctx.stop)) return CancelledError();
  }
}

}  // namespace milvus_backup::backup
