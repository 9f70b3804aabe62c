#include "milvus_backup/backup/create.h"

#include "create_collection.h"
#include "describe.h"
#include "enumerate.h"
#include "flush_wait.h"

#include "milvus_backup/base/encoding.h"
#include "milvus_backup/base/log.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/meta/totals.h"
#include "milvus_backup/meta/writer.h"
#include "milvus_backup/milvus/gc_pause.h"
#include "milvus_backup/milvus/version.h"

#include <fmt/format.h>

#include <chrono>
#include <deque>
#include <functional>
#include <optional>
#include <random>
#include <utility>

namespace milvus_backup::backup {
namespace {

using namespace std::chrono_literals;

std::string RandomUuid() {
  std::random_device device;
  std::string hex;
  for (int i = 0; i < 4; ++i) hex += fmt::format("{:08x}", device());
  // RFC 9562 version 4, variant 1.
  hex[12] = '4';
  hex[16] = "89ab"[static_cast<size_t>(device() % 4)];
  return fmt::format("{}-{}-{}-{}-{}", hex.substr(0, 8), hex.substr(8, 4), hex.substr(12, 4),
                     hex.substr(16, 4), hex.substr(20));
}

/// Whether other collections would fail the same way.
bool EndsTheRun(const Status& status) {
  switch (status.code()) {
    case Code::kCancelled:
    case Code::kUnauthenticated:
    case Code::kUnavailable:
      return true;
    case Code::kPermissionDenied:
    case Code::kResourceExhausted:
      // Milvus grants rights, and limits rates, collection by collection.
      return status.origin() != Origin::kMilvus;
    default:
      return status.origin() == Origin::kConfig || status.service_code() == "NoSuchBucket";
  }
}

/// Servers whose FlushAll tells what to wait for in a way that can be trusted.
bool HasFlushAll(const milvus::Client& client) {
  const milvus::ParsedVersion parsed = milvus::ParseVersion(client.server_version());
  return parsed.known && parsed.version >= milvus::Version{.major = 2, .minor = 6, .patch = 11};
}

class Creation {
 public:
  Creation(const CallContext& ctx, Site& site, const CreateOptions& options)
      : ctx_(ctx), site_(site), options_(options), run_(site) {}

  Result<CreateReport> Run() {
    MB_RETURN_IF_ERROR(Prepare());
    if (options_.dry_run) {
      MB_RETURN_IF_ERROR(Plan());
      return Report();
    }
    Status status = Fill();
    if (!status.ok()) {
      RemoveLeftovers();
      return status;
    }
    return Report();
  }

 private:
  using Step = std::function<Status(CollectionCreation& collection, const CallContext& ctx)>;

  Status Prepare() {
    const auto phase = run_.Enter("prepare");
    info_.id = RandomUuid();
    info_.name = options_.name.empty() ? meta::DefaultBackupName(std::chrono::system_clock::now())
                                       : options_.name;
    MB_RETURN_IF_ERROR(meta::ValidateBackupName(info_.name));
    run_.id = info_.id;
    MB_ASSIGN_OR_RETURN(run_.backup_dir, meta::BackupDir(site_.backup_storage.root, info_.name));
    MB_RETURN_IF_ERROR(ClaimName());
    info_.milvus_version = site_.client->server_version();
    // Asked first: on an older server the answer is a refusal.
    if (options_.rbac) {
      MB_ASSIGN_OR_RETURN(info_.rbac_meta, DescribeRbac(ctx_, *site_.client));
    }
    MB_ASSIGN_OR_RETURN(Inventory inventory, FindSelected(ctx_, *site_.client, options_.selection));
    info_.database_backups = std::move(inventory.databases);
    for (const CollectionName& name : inventory.collections) collections_.emplace_back(run_, name);
    return Status::Ok();
  }

  // The bucket is created when it is missing: backups may go to a place of their own.
  Status ClaimName() {
    storage::Backend& backend = *site_.backup_storage.backend;
    auto page = backend.List(ctx_, {.prefix = run_.backup_dir, .max_keys = 1});
    if (!page.ok() && page.status().service_code() == "NoSuchBucket") {
      if (options_.dry_run) return Status::Ok();
      MB_RETURN_IF_ERROR(backend.CreateContainer(ctx_));
      log::Warn("created the missing bucket of the backup storage: {}", backend.Describe());
      page = backend.List(ctx_, {.prefix = run_.backup_dir, .max_keys = 1});
    }
    if (!page.ok()) return page.status().Annotate("opening the backup storage");
    if (page->objects.empty()) return Status::Ok();
    const auto header = backend.Stat(ctx_, meta::MetaKey(run_.backup_dir, meta::MetaFile::kHeader));
    if (header.ok()) {
      return AlreadyExistsError("backup " + info_.name + " already exists")
          .WithAdvice("choose another name with -n, or remove it with `delete -n " + info_.name +
                      "`");
    }
    return AlreadyExistsError("an unfinished backup " + info_.name + " is in the way")
        .WithAdvice("remove it with `delete -n " + info_.name +
                    "`, or choose another name with -n");
  }

  Status Plan() {
    MB_RETURN_IF_ERROR(ForEachCollection(&CollectionCreation::Describe));
    if (options_.strategy == Strategy::kMetaOnly) return Status::Ok();
    return ForEachCollection(&CollectionCreation::FindFiles);
  }

  Status Fill() {
    const bool copies = options_.strategy != Strategy::kMetaOnly;
    // Asks on a thread of its own while the work begins.
    std::optional<milvus::GcPause> pause;
    if (copies && site_.gc_pause) pause.emplace(*site_.gc_pause);
    MB_RETURN_IF_ERROR(ForEachCollection(&CollectionCreation::Describe));
    if (copies) MB_RETURN_IF_ERROR(CopyCollections());
    pause.reset();
    return WriteMetas();
  }

  Status CopyCollections() {
    switch (options_.strategy) {
      case Strategy::kMetaOnly:
      case Strategy::kSkipFlush:
        break;
      case Strategy::kBulkFlush:
        MB_RETURN_IF_ERROR(FlushAll());
        break;
      case Strategy::kSerialFlush:
        return ForEachCollection([](CollectionCreation& collection, const CallContext& ctx) {
          const Status flushed = collection.Flush(ctx);
          return flushed.ok() ? collection.CopyData(ctx) : flushed;
        });
    }
    return ForEachCollection(&CollectionCreation::CopyData);
  }

  Status FlushAll() {
    milvus::Client& client = *site_.client;
    if (!HasFlushAll(client)) return ForEachCollection(&CollectionCreation::Flush);
    const auto phase = run_.Enter("flush");
    const auto ticket = client.FlushAll(ctx_);
    if (ticket.status().code() == Code::kUnimplemented) {
      return ForEachCollection(&CollectionCreation::Flush);
    }
    if (!ticket.ok()) return ticket.status();
    MB_RETURN_IF_ERROR(WaitUntilFlushed(ctx_, [&] { return client.IsAllFlushed(ctx_, *ticket); }));
    for (const auto& [channel, message] : ticket->messages) {
      info_.flush_all_msgs_base64[channel] = Base64Encode(AsBytes(message));
    }
    info_.control_channel_name = ticket->control_channel;
    info_.physical_channel_names = ticket->physical_channels;
    return Status::Ok();
  }

  /// One step of every collection that has not failed, several at a time.
  Status ForEachCollection(const Step& step) {
    TaskGroup group(site_.parallel_collections, ctx_.stop);
    for (CollectionCreation& collection : collections_) {
      if (!collection.ok()) continue;
      const bool taken = group.Submit([&](const std::stop_token& stop) {
        return Judge(collection, step(collection, {stop, ctx_.deadline}));
      });
      if (!taken) break;
    }
    MB_RETURN_IF_ERROR(group.Wait());
    return CheckSomeAreLeft();
  }

  /// An error that the run survives stays with its collection.
  Status Judge(CollectionCreation& collection, Status status) {
    if (status.ok()) return status;
    status = std::move(status).Annotate("collection " + collection.report().name);
    if (options_.fail_fast || EndsTheRun(status)) return status;
    MB_RETURN_IF_ERROR(ctx_.Check());
    log::Warn("left out of the backup: {}", status.ToString());
    collection.Fail(std::move(status));
    return Status::Ok();
  }

  Status CheckSomeAreLeft() const {
    if (collections_.empty()) return Status::Ok();
    for (const CollectionCreation& collection : collections_) {
      if (collection.ok()) return Status::Ok();
    }
    const Status& first = collections_.front().report().status;
    if (collections_.size() == 1) return first;
    return first.Annotate(fmt::format("all {} collections failed, the first", collections_.size()));
  }

  Status WriteMetas() {
    const auto phase = run_.Enter("meta");
    for (CollectionCreation& collection : collections_) {
      if (collection.ok()) {
        info_.collection_backups.push_back(collection.TakeBackup());
        continue;
      }
      info_.partial = true;
      info_.failed_collections.push_back(collection.report().name);
      if (const Status status = collection.RemoveData(ctx_); !status.ok()) {
        log::Warn("files of {} are left in the backup: {}", collection.report().name,
                  status.ToString());
      }
    }
    meta::UpdateTotals(info_);
    MB_RETURN_IF_ERROR(ctx_.Check());
    return meta::WriteBackup(ctx_, *site_.backup_storage.backend, run_.backup_dir, info_);
  }

  CreateReport Report() const {
    CreateReport report{.name = info_.name};
    for (const CollectionCreation& collection : collections_) {
      const CollectionReport& one = report.per_collection.emplace_back(collection.report());
      if (!one.status.ok()) continue;
      ++report.collections;
      report.segments += one.segments;
      report.rows += one.rows;
      report.objects += one.objects;
      report.bytes += one.bytes;
      report.server_side_objects += collection.copied().server_side_objects;
      report.second_reads += collection.copied().second_reads;
    }
    report.phases = run_.clock.seconds();
    report.seconds = run_.clock.total();
    return report;
  }

  // Runs on a context of its own: the command's may have been cancelled.
  void RemoveLeftovers() {
    const auto phase = run_.Enter("clean up");
    const CallContext ctx{{}, std::chrono::steady_clock::now() + 60s};
    // This run writes the header as its very last step, so one that is there belongs to a complete
    // backup: another run's, or ours when only the reply to that step was lost.
    const std::string header = meta::MetaKey(run_.backup_dir, meta::MetaFile::kHeader);
    if (site_.backup_storage.backend->Stat(ctx, header).ok()) {
      log::Warn("a complete backup {} is there and was left alone", info_.name);
      return;
    }
    const Status status =
        meta::DeleteBackup(ctx, *site_.backup_storage.backend, run_.backup_dir).status();
    if (!status.ok() && status.code() != Code::kNotFound) {
      log::Error("the unfinished backup {} could not be removed: {}; run `delete -n {}`",
                 info_.name, status.ToString(), info_.name);
    }
  }

  const CallContext ctx_;
  Site& site_;
  const CreateOptions& options_;
  CreateRun run_;
  meta::BackupInfo info_;
  /// In the order of their names. A deque, because they do not move.
  std::deque<CollectionCreation> collections_;
};

}  // namespace

Result<CreateReport> CreateBackup(const CallContext& ctx, Site& site,
                                  const CreateOptions& options) {
  return Creation(ctx, site, options).Run();
}

}  // namespace milvus_backup::backup
