/// What `verify` and POST /verify do once it is known which storage is meant. Functions without
/// state, thread-safe.
#pragma once

#include "milvus_backup/backup/restore_trial.h"
#include "milvus_backup/backup/verify.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/config/config.h"
#include "milvus_backup/service/option_names.h"
#include "milvus_backup/transfer/progress.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace milvus_backup::service {

/// `10%` or `10`, above 0 and up to 100, as a share; 1 for an empty text. kInvalidArgument
/// otherwise.
Result<double> ParseSample(const std::string& text);

/// As given; empty texts were not given.
struct VerifyChoices {
  /// Of the backup; not looked at with `all`.
  std::string name;
  /// Every directory that `list` shows, complete or not.
  bool all = false;
  bool deep = false;
  /// As ParseSample takes it.
  std::string sample;
  /// 0 when it is not given.
  std::optional<uint32_t> seed{};
  bool seal = false;
  bool restore_test = false;
  uint64_t rows = backup::TrialOptions().rows;
};

/// kInvalidArgument naming an option without the one that it goes with.
Status CheckVerifyChoices(const VerifyChoices& choices, OptionStyle style);

/// What became of one backup.
struct VerifiedBackup {
  backup::VerifyReport report;
  /// Of the test, where one was asked for and the backup is not damaged.
  std::optional<backup::TrialReport> trial;
  /// Of all backups of one run the first 10,000, where they are wanted.
  std::vector<backup::VerifyProblem> problems;
  /// Kept in any case; nothing in it without one.
  backup::VerifyProblem first_problem;
  /// Why it could not be checked; OK when it was.
  Status status;
};

struct VerifyResult {
  std::vector<VerifiedBackup> backups;

  bool has_damage() const;
  /// Some could not be checked.
  bool has_errors() const;
};

/// Who is told how a run goes. The functions may be empty, and are never called by two threads at
/// once.
struct VerifyObserver {
  std::function<void(const std::string& name)> on_begin = {};
  std::function<void(const backup::VerifyProblem&)> on_problem = {};
  std::function<void(const backup::VerifyProblem&)> on_oddity = {};
  std::function<void(const VerifiedBackup&)> on_end = {};
  /// What is about no single backup.
  std::function<void(const std::string& warning)> on_warning = {};
  /// Backups are its segments; may be null.
  transfer::Progress* progress = nullptr;
  /// Keep the problems for the result.
  bool wants_problems = true;
};

/// Verify backups of the backup storage of `config`. With `all` a backup that cannot be checked is
/// in the result; of a single one, and of a stop, it is the error. Others as backup::VerifyBackup
/// and TryRestore; kNotFound for a storage that is not there.
Result<VerifyResult> RunVerify(const CallContext& ctx, const config::Config& config,
                               const VerifyChoices& choices, const VerifyObserver& observer);

/// One JSON object on one line (docs/cli.md).
std::string EncodeVerifyResult(const VerifyResult& result);

/// `KEY: expected …, found …`
std::string ProblemText(const backup::VerifyProblem& problem);
/// The same for records and logs, which others than the owner of the rows read: where the problem
/// shows values of rows only the collection and the field are told.
std::string NoteText(const backup::VerifyProblem& problem);

}  // namespace milvus_backup::service
