#include "copy_requests.h"

#include "milvus_backup/base/bytes.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/service/amounts.h"
#include "milvus_backup/service/services.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace milvus_backup::service {
namespace {

constexpr std::array<std::string_view, 15> kCopyKeys = {
    "backup_name", "all",       "to",      "from",    "as",
    "dry_run",     "async",     "include", "exclude", "overwrite",
    "concurrency", "part_size", "memory",  "bwlimit", "request_limit"};
constexpr std::array<std::string_view, 10> kVerifyKeys = {
    "backup_name", "all",  "from",         "deep", "sample",
    "seed",        "seal", "restore_test", "rows", "async"};

// Whoever may send a request must not be able to take all that the server has.
constexpr uint32_t kMostConcurrencyOfBody = 256;
constexpr uint64_t kMostMemory = kGiB;
constexpr uint64_t kMostPartSize = 256 * kMiB;
constexpr uint32_t kMostRows = 10'000;

/// A name that may be a backup's, or with `all` none.
Result<std::string> ParseName(const Body& body, bool all) {
  MB_ASSIGN_OR_RETURN(std::string name,
                      body.GivenText("backup_name", "name one, or leave it out with all: true"));
  if (name.empty() && !all) {
    return InvalidArgumentError("backup_name is missing").WithAdvice("or give all: true");
  }
  if (name.empty()) return name;
  if (all) return InvalidArgumentError("backup_name and all exclude each other");
  MB_RETURN_IF_ERROR(meta::BackupDir("", name).status().Annotate("backup_name"));
  return name;
}

/// The name of a storage that the configuration has; empty when absent.
Result<std::string> ParseStorage(const Body& body, std::string_view key,
                                 const config::Config& config) {
  MB_ASSIGN_OR_RETURN(std::string name, body.GivenText(key, "leave it out for the backup storage"));
  MB_RETURN_IF_ERROR(BackupStorageCalled(config, name).status().Annotate(key));
  return name;
}

/// What FindStorage takes a name for.
std::string StorageName(const std::string& name) {
  if (name.empty()) return "backup";
  std::string lower = name;
  std::ranges::transform(lower, lower.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return lower;
}

/// From `least` to `most`; `absent` when absent.
Result<uint32_t> ParseNumber(const Body& body, std::string_view key, uint32_t least, uint32_t most,
                             uint32_t absent) {
  if (!body.Has(key)) return absent;
  MB_ASSIGN_OR_RETURN(const int32_t number, body.Number(key));
  if (number >= 0 && static_cast<uint32_t>(number) >= least &&
      static_cast<uint32_t>(number) <= most) {
    return static_cast<uint32_t>(number);
  }
  return InvalidArgumentError(
      fmt::format("{} is {}, which is not from {} to {}", key, number, least, most));
}

/// A size from so many to so many bytes; empty when absent.
Result<std::string> ParseSize(const Body& body, std::string_view key, uint64_t least,
                              uint64_t most) {
  MB_ASSIGN_OR_RETURN(std::string text, body.GivenText(key, "leave it out for the default"));
  if (!text.empty()) MB_RETURN_IF_ERROR(CheckAmount(text, least, most).Annotate(key));
  return text;
}

Status ParseLimits(const Body& body, CopyChoices& choices) {
  MB_ASSIGN_OR_RETURN(choices.concurrency,
                      ParseNumber(body, "concurrency", 1, kMostConcurrencyOfBody, 0));
  MB_ASSIGN_OR_RETURN(choices.part_size, ParseSize(body, "part_size", kLeastBuffer, kMostPartSize));
  MB_ASSIGN_OR_RETURN(choices.memory, ParseSize(body, "memory", kLeastBuffer, kMostMemory));
  MB_RETURN_IF_ERROR(CheckPartSize(choices, OptionStyle::kKey));
  MB_ASSIGN_OR_RETURN(choices.bandwidth, ParseSize(body, "bwlimit", 1, UINT64_MAX));
  MB_ASSIGN_OR_RETURN(choices.requests, ParseNumber(body, "request_limit", 1, kMostRequests, 0));
  return Status::Ok();
}

/// That the copies go to a place for copies, and to another one than the backups are in.
Status CheckPlaces(const CopyChoices& choices) {
  const std::string to = StorageName(choices.to);
  if (to == "milvus") {
    return InvalidArgumentError("to: 'milvus' is no place for copies")
        .WithAdvice("name one of storages:");
  }
  if (to != StorageName(choices.from) || !choices.as.empty()) return Status::Ok();
  if (choices.to.empty() && choices.from.empty()) {
    return InvalidArgumentError("copy needs another storage")
        .WithAdvice("name one of storages: with to or from");
  }
  return InvalidArgumentError(fmt::format("from and to are one storage, '{}'", to))
      .WithAdvice("name another one, or give the copy another name with as");
}

}  // namespace

Result<CopyBody> ParseCopy(const Body& body, const config::Config& config) {
  CopyBody parsed;
  MB_RETURN_IF_ERROR(body.CheckKeys("copy", kCopyKeys));
  CopyChoices& choices = parsed.choices;
  MB_ASSIGN_OR_RETURN(parsed.is_async, body.Flag("async"));
  MB_ASSIGN_OR_RETURN(choices.all, body.Flag("all"));
  MB_ASSIGN_OR_RETURN(choices.name, ParseName(body, choices.all));
  MB_ASSIGN_OR_RETURN(choices.to, ParseStorage(body, "to", config));
  MB_ASSIGN_OR_RETURN(choices.from, ParseStorage(body, "from", config));
  MB_ASSIGN_OR_RETURN(choices.as, body.GivenText("as", "leave it out to keep the name"));
  if (!choices.as.empty()) {
    MB_RETURN_IF_ERROR(meta::ValidateBackupName(choices.as).Annotate("as"));
  }
  MB_ASSIGN_OR_RETURN(choices.dry_run, body.Flag("dry_run"));
  MB_ASSIGN_OR_RETURN(choices.overwrite, body.Flag("overwrite"));
  MB_ASSIGN_OR_RETURN(choices.include, body.GivenTexts("include", "leave it out to copy all"));
  MB_ASSIGN_OR_RETURN(choices.exclude, body.GivenTexts("exclude", "leave it out to copy all"));
  MB_RETURN_IF_ERROR(ParseLimits(body, choices));
  MB_RETURN_IF_ERROR(CheckCopyOfBackups(choices, OptionStyle::kKey));
  MB_RETURN_IF_ERROR(CheckPlaces(choices));
  parsed.from = StorageName(choices.from);
  parsed.to = StorageName(choices.to);
  parsed.digest = DigestOf({{"name", choices.name},
                            {"all", choices.all},
                            {"from", parsed.from},
                            {"to", parsed.to},
                            {"as", choices.copy_name()},
                            {"dry_run", choices.dry_run},
                            {"overwrite", choices.overwrite},
                            {"include", choices.include},
                            {"exclude", choices.exclude}});
  return parsed;
}

Result<VerifyBody> ParseVerify(const Body& body, const config::Config& config) {
  VerifyBody parsed{.config = config};
  MB_RETURN_IF_ERROR(body.CheckKeys("verify", kVerifyKeys));
  VerifyChoices& choices = parsed.choices;
  MB_ASSIGN_OR_RETURN(parsed.is_async, body.Flag("async"));
  MB_ASSIGN_OR_RETURN(choices.all, body.Flag("all"));
  MB_ASSIGN_OR_RETURN(choices.name, ParseName(body, choices.all));
  MB_ASSIGN_OR_RETURN(const std::string from, ParseStorage(body, "from", config));
  MB_ASSIGN_OR_RETURN(parsed.config.backup_storage, BackupStorageCalled(config, from));
  parsed.from = StorageName(from);
  MB_ASSIGN_OR_RETURN(choices.deep, body.Flag("deep"));
  MB_ASSIGN_OR_RETURN(choices.sample, body.GivenText("sample", "leave it out to read all"));
  if (body.Has("seed")) {
    MB_ASSIGN_OR_RETURN(choices.seed, body.Count("seed", UINT32_MAX));
  }
  MB_ASSIGN_OR_RETURN(choices.seal, body.Flag("seal"));
  MB_ASSIGN_OR_RETURN(choices.restore_test, body.Flag("restore_test"));
  MB_ASSIGN_OR_RETURN(choices.rows,
                      ParseNumber(body, "rows", 0, kMostRows, static_cast<uint32_t>(choices.rows)));
  MB_RETURN_IF_ERROR(CheckVerifyChoices(choices, OptionStyle::kKey));
  if (choices.all && choices.restore_test) {
    return InvalidArgumentError(
        "restore_test goes with backup_name: a request restores one backup");
  }
  parsed.digest = DigestOf({{"name", choices.name},
                            {"all", choices.all},
                            {"from", parsed.from},
                            {"deep", choices.deep},
                            {"sample", choices.sample},
                            {"seed", choices.seed.value_or(0)},
                            {"seal", choices.seal},
                            {"restore_test", choices.restore_test},
                            {"rows", choices.rows}});
  return parsed;
}

}  // namespace milvus_backup::service
