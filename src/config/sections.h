/// From resolved values to the parts of Config: what both versions share, and each version's own.
#pragma once

#include "resolver.h"

#include "milvus_backup/base/status.h"
#include "milvus_backup/config/config.h"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace milvus_backup::config {

/// What one storage's parameters are called in `values`.
struct StorageIds {
  /// `milvus.storage`, `backup.storage` or `storages.NAME`.
  std::string section;
  std::string Id(std::string_view name) const { return section + "." + std::string(name); }
};

/// local, minio, s3, aliyun, tencent, hwc, gcp, azure or gcpnative for a provider or an alias of
/// one.
Result<std::string> NormaliseProvider(const Value& value);

/// Everything but `use_iam`, which the versions spell differently. azure and gcpnative are refused.
Status FillStorage(const Resolver& values, const StorageIds& ids, StorageSettings& storage);
/// Call when `use_iam` is known: drop credentials that are not used, refuse an empty directory.
Status FinishStorage(StorageSettings& storage);

/// The keys that mean the same in both versions.
Status LoadCommon(const Resolver& values, Config& config);
/// The keys of `server`.
Result<ServerSettings> ServerOf(const Resolver& values);
/// The rest of a v1 or v2 file. LoadCommon comes first.
Status LoadV1(const Resolver& values, Config& config);
Status LoadV2(const Resolver& values, Config& config);
/// The `storages:` map, the same in both versions; resolves its keys.
Status LoadStorages(Resolver& values, Config& config);

/// The list `schedules:`, the same in both versions; resolves its keys. LoadStorages comes first.
Status LoadSchedules(Resolver& values, Config& config);
/// What an entry of `schedules:` may hold.
std::vector<std::string> ScheduleKeys();
/// `90s`, `10m`, `24h`, `7d`; 0 may stand without a unit. Nothing for any other text.
std::optional<std::chrono::seconds> ParseDuration(std::string_view text);

/// One storage by the keys of a `minio:` section, below `ids.section`; resolves them. Secrets may
/// stand in the environment under names that begin with `variables`, unless that is empty.
Result<StorageSettings> LoadStorageEntry(Resolver& values, const StorageIds& ids,
                                         const std::string& variables);

/// What an entry of `storages:` may hold.
std::vector<std::string> StorageEntryKeys();

/// Whether `text` is `http://…` or `https://…` with a host.
bool IsAbsoluteUrl(std::string_view text);
/// Whether `text` is a host name or an IP address and nothing else.
bool IsBareHost(std::string_view text);

/// `http://` is put in front of an address that has no scheme. Empty when no URL comes of it.
std::string ToUrl(const std::string& address);

}  // namespace milvus_backup::config
