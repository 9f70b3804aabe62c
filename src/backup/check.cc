#include "milvus_backup/backup/check.h"

#include "milvus_backup/base/encoding.h"

#include <fmt/format.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace milvus_backup::backup {
namespace {

using namespace std::chrono_literals;

class Probe {
 public:
  Probe(const CallContext& ctx, Site& site)
      : ctx_(ctx),
        source_(*site.milvus_storage.backend),
        destination_(*site.backup_storage.backend),
        engine_(site.copy, nullptr) {
    const std::string id = RandomHex(16);
    source_key_ = site.milvus_storage.Key("milvus_backup_check_src_" + id);
    destination_key_ = site.backup_storage.Key("milvus_backup_check_dst_" + id);
  }
  Probe(const Probe&) = delete;
  Probe& operator=(const Probe&) = delete;

  // Removes what was written, even when the command was interrupted.
  ~Probe() {
    const CallContext ctx{{}, std::chrono::steady_clock::now() + 10s};
    if (wrote_source_) source_.Delete(ctx, source_key_).IgnoreError("nothing more to try");
    if (wrote_destination_) {
      destination_.Delete(ctx, destination_key_).IgnoreError("nothing more to try");
    }
  }

  Result<bool> Run() {
    wrote_source_ = true;
    MB_RETURN_IF_ERROR(source_.Put(ctx_, source_key_, AsBytes("1"), {})
                           .status()
                           .Annotate("writing a test object to Milvus' storage"));
    wrote_destination_ = true;
    transfer::CopyBatch batch(engine_, source_, destination_, ctx_.stop);
    MB_RETURN_IF_ERROR(batch.Add({source_key_, destination_key_, 1, ""}));
    const transfer::CopySummary summary = batch.Wait();
    MB_RETURN_IF_ERROR(summary.ToStatus().Annotate("copying a test object to the backup storage"));
    MB_ASSIGN_OR_RETURN(const std::string copied,
                        storage::ReadAll(ctx_, destination_, destination_key_, 16));
    if (copied != "1") return DataLossError("the test object arrived with other bytes");
    return summary.server_side_objects == 1;
  }

 private:
  const CallContext ctx_;
  storage::Backend& source_;
  storage::Backend& destination_;
  transfer::CopyEngine engine_;
  std::string source_key_;
  std::string destination_key_;
  bool wrote_source_ = false;
  bool wrote_destination_ = false;
};

/// Directories below Milvus' root path that are looked into for its rows.
constexpr uint32_t kMostBelow = 50;

/// Whether Milvus keeps rows below `dir`, which is empty or ends with a slash. What may not be
/// listed has none.
bool HasRows(const CallContext& ctx, storage::Backend& backend, const std::string& dir) {
  const auto page = backend.List(ctx, {.prefix = dir + "insert_log/", .max_keys = 1});
  return page.ok() && !page->objects.empty();
}

/// See CheckReport::likely_milvus_root.
std::optional<std::string> FindLikelyRoot(const CallContext& ctx, const Place& place) {
  const std::string root = place.root.empty() ? "" : place.Key("");
  if (HasRows(ctx, *place.backend, root)) return std::nullopt;
  if (!root.empty()) {
    const size_t slash = place.root.rfind('/');
    const std::string above = slash == std::string::npos ? "" : place.root.substr(0, slash);
    if (HasRows(ctx, *place.backend, above.empty() ? "" : above + "/")) return above;
  }
  const auto page =
      place.backend->List(ctx, {.prefix = root, .delimiter = "/", .max_keys = kMostBelow});
  if (!page.ok()) return std::nullopt;
  for (const std::string& below : page->prefixes) {
    if (HasRows(ctx, *place.backend, below)) return below.substr(0, below.size() - 1);
  }
  return std::nullopt;
}

}  // namespace

Result<CheckReport> CheckSite(const CallContext& ctx, Site& site) {
  CheckReport report{.milvus_version = site.client->server_version()};
  const std::string milvus_root =
      site.milvus_storage.root.empty() ? "" : site.milvus_storage.Key("");
  MB_ASSIGN_OR_RETURN(
      const storage::ListPage page,
      site.milvus_storage.backend->List(ctx, {.prefix = milvus_root, .max_keys = 1}));
  report.milvus_root_is_empty = page.objects.empty();
  report.likely_milvus_root = FindLikelyRoot(ctx, site.milvus_storage);
  MB_RETURN_IF_ERROR(ctx.Check());
  const Status access = site.backup_storage.backend->CheckAccess(ctx);
  if (IsMissing(access)) {
    report.backup_storage_is_missing = true;
    return report;
  }
  MB_RETURN_IF_ERROR(access);
  Probe probe(ctx, site);
  MB_ASSIGN_OR_RETURN(report.server_side_copy, probe.Run());
  return report;
}

}  // namespace milvus_backup::backup
