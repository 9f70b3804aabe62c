/// Restores whose storages and Milvus fall silent together, as if the process had been killed.
#pragma once

#include "support/fake_milvus.h"
#include "support/mortal.h"
#include "support/status_matchers.h"

#include "milvus_backup/backup/restore.h"
#include "milvus_backup/base/clock.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/meta/restore_progress.h"
#include "milvus_backup/meta/run_record.h"
#include "milvus_backup/meta/writer.h"
#include "milvus_backup/milvus/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace milvus_backup::backup {

inline constexpr int64_t kRowsPerImport = 10;

inline meta::CollectionSchema CrashSchema(const std::string& name) {
  meta::CollectionSchema schema{.name = name};
  schema.fields = {{.field_id = 100, .name = "id", .is_primary_key = true, .data_type = 5},
                   {.field_id = 101, .name = "v", .data_type = 101, .type_params = {{"dim", "4"}}}};
  return schema;
}

class RestoreCrashTest : public ::testing::Test {
 protected:
  void SetUp() override { Start({.import_tick = std::chrono::milliseconds(1)}); }

  void Start(testing::FakeMilvusOptions options) {
    client_.reset();
    fake_ = std::make_unique<testing::FakeMilvus>(std::move(options));
    auto client = milvus::Connect({}, fake_->client_options());
    ASSERT_OK(client);
    inner_ = *std::move(client);
    client_ = std::make_unique<testing::MortalClient>(life_, *inner_);
    site_.client = client_.get();
    site_.milvus_storage = {.backend = &own_, .root = "files"};
    site_.backup_storage = {.backend = &backups_, .root = "backup"};
    site_.parallel_collections = 1;
    // One at a time, so that every run makes the same calls; the large object goes in parts.
    site_.copy.concurrency = 1;
    site_.copy.part_size = 5 * kMiB;
    site_.copy.force_streaming = true;
    // As a server that reads what is staged when it comes to a task.
    fake_->SetImportRows([this](const milvus::ImportRequest& request) {
      const auto page = own_.immortal().List({}, {.prefix = request.files.front(), .max_keys = 1});
      const bool is_staged = page.ok() && !page->objects.empty();
      const bool is_in_place = request.files.front().starts_with("backup/");
      return is_staged || is_in_place ? kRowsPerImport : 0;
    });
    WriteBackup();
  }

  /// `one` has two partitions, `two` an object that may be large.
  void WriteBackup(size_t bytes = 100, const std::string& id = "0b") {
    meta::BackupInfo info{.id = id, .name = "b"};
    info.collection_backups = {Collection(7, "one", 2, 100), Collection(8, "two", 1, bytes)};
    ASSERT_OK(meta::WriteBackup({}, backups_.immortal(), "backup/b/", info));
  }

  meta::CollectionBackup Collection(int64_t id, const std::string& name, int partitions,
                                    size_t bytes) {
    meta::CollectionBackup collection{
        .collection_id = id, .db_name = "default", .collection_name = name, .shards_num = 1};
    collection.schema = CrashSchema(name);
    collection.index_infos = {{.field_name = "v",
                               .index_name = "v_idx",
                               .index_type = "FLAT",
                               .params = {{"index_type", "FLAT"}, {"metric_type", "L2"}}}};
    for (int64_t part = id * 10; part < id * 10 + partitions; ++part) {
      meta::SegmentBackup segment{.segment_id = part * 10,
                                  .collection_id = id,
                                  .partition_id = part,
                                  .num_of_rows = kRowsPerImport,
                                  .size = static_cast<int64_t>(bytes),
                                  .group_id = part * 10};
      segment.binlogs = meta::LogList(std::vector<meta::FieldBinlog>{
          {100, {{.log_size = static_cast<int64_t>(bytes), .log_id = part * 1000}}}});
      EXPECT_OK(backups_.immortal().Put({},
                                        meta::InsertLogKey("backup/b/", segment, 100, part * 1000),
                                        AsBytes(std::string(bytes, 'x')), {}));
      collection.partition_backups.push_back(
          {.partition_id = part,
           .partition_name = part == id * 10 ? "_default" : "p" + std::to_string(part),
           .collection_id = id,
           .segment_backups = {segment}});
    }
    return collection;
  }

  /// A collection of Milvus that has 500 rows.
  void AddExisting(const std::string& name) {
    testing::FakeCollection collection;
    collection.info.schema.name = name;
    collection.info.schema.fields = {
        {.field_id = 100, .name = "id", .is_primary_key = true, .data_type = 5},
        {.field_id = 101, .name = "v", .data_type = 101, .type_params = {{"dim", "4"}}}};
    collection.partitions = {{0, "_default"}};
    collection.segments = {{.num_rows = 500, .state = 4}};
    fake_->Add("default", collection);
  }

  Result<RestoreReport> Restore(RestoreOptions options) {
    options.name = "b";
    options.rebuild_index = true;
    options.import_poll_interval = std::chrono::milliseconds(1);
    options.import_settle_time = std::chrono::milliseconds(20);
    return RestoreBackup({}, site_, options);
  }

  static std::vector<std::string> Keys(testing::LivingBackend& backend, const std::string& prefix) {
    std::vector<std::string> keys;
    EXPECT_OK(storage::ForEachObject({}, backend.immortal(), prefix, [&](const auto& object) {
      keys.push_back(object.key);
      return Status::Ok();
    }));
    return keys;
  }
  /// Everything in Milvus' own storage.
  std::vector<std::string> Keys() { return Keys(own_, ""); }
  std::vector<std::string> Names() {
    auto names = inner_->ListCollections({}, "default");
    EXPECT_OK(names);
    return names.ok() ? *names : std::vector<std::string>();
  }
  int64_t RowsOf(const std::string& name) {
    const auto found = fake_->Find("default", name);
    if (!found) return -1;
    int64_t rows = 0;
    for (const milvus::Segment& segment : found->segments) rows += segment.num_rows;
    return rows;
  }

  void Reset() {
    life_.Live(testing::Life::kForever);
    ASSERT_OK_AND_ASSIGN(const auto databases, inner_->ListDatabases({}));
    for (const std::string& db : databases) {
      ASSERT_OK_AND_ASSIGN(const auto names, inner_->ListCollections({}, db));
      for (const std::string& name : names) fake_->Drop(db, name);
    }
    for (const std::string& key : Keys()) ASSERT_OK(own_.immortal().Delete({}, key));
    for (const std::string& key : Keys(backups_, "backup/.locks/")) {
      ASSERT_OK(backups_.immortal().Delete({}, key));
    }
  }

  /// The silent run is this process; say in its locks that it has ended.
  void Bury() {
    life_.Live(testing::Life::kForever);
    for (const std::string& key : Keys()) {
      if (!key.starts_with("restore-temp-locks/")) continue;
      ASSERT_OK_AND_ASSIGN(const std::string text,
                           storage::ReadAll({}, own_.immortal(), key, 4096));
      ASSERT_OK_AND_ASSIGN(meta::RunRecord record, meta::DecodeRunRecord(text, key));
      ++record.process.start;
      ASSERT_OK(meta::WriteRunRecord({}, own_.immortal(), key, record));
    }
  }

  bool HasMarker() {
    for (const std::string& key : Keys()) {
      if (key.ends_with("/run.json")) return true;
    }
    return false;
  }

  std::string ReadKey(const std::string& key) {
    auto text = storage::ReadAll({}, own_.immortal(), key, 1 << 20);
    EXPECT_OK(text);
    return text.ok() ? *text : "";
  }
  void WriteKey(const std::string& key, const std::string& text) {
    EXPECT_OK(own_.immortal().Put({}, key, AsBytes(text), {}));
  }
  /// Keys of what is written down about the first target, or the second.
  std::vector<std::string> RecordsOf(int number) {
    std::vector<std::string> keys;
    for (const std::string& key : Keys()) {
      if (key.ends_with("run/00000" + std::to_string(number) + ".json")) keys.push_back(key);
    }
    return keys;
  }
  meta::RestoreProgress RecordOf(int number) {
    const std::vector<std::string> keys = RecordsOf(number);
    if (keys.empty()) return {};
    auto progress = meta::DecodeRestoreProgress(ReadKey(keys.front()), keys.front());
    EXPECT_OK(progress);
    return progress.ok() ? *std::move(progress) : meta::RestoreProgress();
  }
  void EditRecord(int number, const std::function<void(meta::RestoreProgress&)>& edit) {
    meta::RestoreProgress progress = RecordOf(number);
    edit(progress);
    for (const std::string& key : RecordsOf(number)) {
      WriteKey(key, meta::EncodeRestoreProgress(progress));
    }
  }
  /// `restore-temp-…/` of the only unfinished run.
  std::string RunDir() {
    for (const std::string& key : Keys()) {
      if (key.ends_with("/run.json")) return key.substr(0, key.size() - 8);
    }
    return "";
  }

  /// Where the killed run would have left an open upload.
  std::string LargeKey() {
    for (const std::string& key : Keys()) {
      if (!key.ends_with("/run.json")) continue;
      return key.substr(0, key.size() - 8) + "binlogs/insert_log/8/80/800/800/100/80000";
    }
    return "";
  }

  /// Make a run as `options` say fall silent after every operation, and run again. `prepare` makes
  /// what Milvus has before, `expected` the rows by name afterwards.
  template <typename Prepare>
  void Sweep(const RestoreOptions& options, Prepare prepare,
             const std::vector<std::pair<std::string, int64_t>>& expected) {
    int resumed = 0;
    for (const bool last_is_lost : {false, true}) {
      for (uint64_t alive = 1;; alive += testing::kSweepStep) {
        SCOPED_TRACE(std::to_string(alive) + (last_is_lost ? ", answer lost" : ""));
        ASSERT_NO_FATAL_FAILURE(Reset());
        prepare();
        life_.Live(alive, last_is_lost);
        const auto cut = Restore(options);
        const bool reached = life_.operations() >= alive;
        ASSERT_NO_FATAL_FAILURE(Bury());
        if (!reached) break;
        const bool was_unfinished = HasMarker();
        const std::string large = LargeKey();
        // With reused targets nobody can tell a finished run from none.
        const bool has_finished = cut.ok() && !was_unfinished;
        const bool ran_again = !has_finished || options.existing != ExistingTarget::kReuse;
        if (ran_again) {
          const auto again = Restore(options);
          if (!again.ok()) {
            EXPECT_THAT(again, testing::IsError(Code::kAlreadyExists, "already exist"));
            EXPECT_FALSE(was_unfinished);
          } else if (!again->collections.empty() && again->collections.front().resumed) {
            ++resumed;
          }
        }
        std::vector<std::string> names;
        for (const auto& [name, rows] : expected) {
          names.push_back(name);
          EXPECT_EQ(RowsOf(name), rows) << name;
        }
        EXPECT_EQ(Names(), names);
        if (ran_again) {
          EXPECT_THAT(Keys(), ::testing::IsEmpty());
        }
        if (!large.empty()) {
          ASSERT_OK_AND_ASSIGN(const auto uploads, own_.immortal().ListUploads({}, large));
          EXPECT_THAT(uploads, ::testing::IsEmpty());
        }
        if (HasFailure()) return;
      }
    }
    EXPECT_GT(resumed, 40 / static_cast<int>(testing::kSweepStep));
  }

  /// Silence a run at the first operation after which `is_reached` says so. The number of polls
  /// differs from run to run, so the state may be passed by; then it is looked for from the start.
  void CutWhen(const std::function<bool()>& is_reached, const RestoreOptions& options) {
    uint64_t alive = 1;
    for (int tries = 0; tries < 1000; ++tries) {
      ASSERT_NO_FATAL_FAILURE(Reset());
      if (options.existing != ExistingTarget::kRefuse) AddBoth();
      life_.Live(alive);
      const bool has_ended = Restore(options).ok() && life_.operations() < alive;
      ASSERT_NO_FATAL_FAILURE(Bury());
      if (is_reached()) return;
      alive = has_ended ? 1 : alive + 1;
    }
    FAIL() << "no silence leaves that state";
  }
  /// Silence a run after it has called `method` of Milvus `count` times.
  void CutAfter(const std::string& method, size_t count, const RestoreOptions& options) {
    for (uint64_t alive = 1;; ++alive) {
      ASSERT_LT(alive, 1000U);
      ASSERT_NO_FATAL_FAILURE(Reset());
      if (options.existing != ExistingTarget::kRefuse) AddBoth();
      const size_t before = fake_->count(method);
      life_.Live(alive);
      const bool done = Restore(options).ok();
      ASSERT_NO_FATAL_FAILURE(Bury());
      ASSERT_FALSE(done);
      if (fake_->count(method) == before + count) return;
    }
  }
  /// Silence a run that has written down the imports of its first collection and not sent them.
  void CutWithAnnouncedImports(const RestoreOptions& options) {
    ASSERT_NO_FATAL_FAILURE(CutAfter("ShowPartitions", 1, options));
    const std::string dir = RunDir();
    EditRecord(0, [&](meta::RestoreProgress& progress) {
      progress.imports = {{"_default", {dir + "binlogs/insert_log/7/70/", ""}},
                          {"p71", {dir + "binlogs/insert_log/7/71/", ""}}};
    });
  }
  void AddBoth() {
    AddExisting("one");
    AddExisting("two");
  }

  /// Dates the objects of Milvus' own storage.
  FakeClock clock_;
  std::unique_ptr<testing::FakeMilvus> fake_;
  testing::Life life_;
  std::unique_ptr<milvus::Client> inner_;
  std::unique_ptr<testing::MortalClient> client_;
  testing::LivingBackend own_{life_, clock_};
  testing::LivingBackend backups_{life_};
  Site site_;
};

/// A server that also tells of a task that is never done, of the collection with this id.
class StuckClient final : public testing::MortalClient {
 public:
  StuckClient(testing::Life& life, milvus::Client& inner) : MortalClient(life, inner) {}
  /// Chosen by the collection's name at the time it is asked.
  std::function<int64_t(const std::string& collection)> collection_id;

  Result<std::vector<milvus::ImportTask>> ListImportTasks(const CallContext& ctx,
                                                          const std::string& db,
                                                          const std::string& collection) override {
    auto tasks = MortalClient::ListImportTasks(ctx, db, collection);
    if (!tasks.ok()) return tasks;
    tasks->push_back({.id = 990,
                      .state = milvus::ImportState::kStarted,
                      .collection_id = collection_id(collection),
                      .infos = {{"files", "elsewhere/"}}});
    return tasks;
  }
};

/// Things happen between the steps of a run.
class InterruptedClient final : public testing::MortalClient {
 public:
  InterruptedClient(testing::Life& life, milvus::Client& inner) : MortalClient(life, inner) {}
  /// Called once, before the record of the first new collection is written, and after.
  std::function<void()> before_record;
  std::function<void()> after_record;

  Result<uint64_t> CurrentTimestamp(const CallContext& ctx) override {
    if (const auto call = std::exchange(before_record, nullptr)) call();
    return MortalClient::CurrentTimestamp(ctx);
  }
  Status CreateCollection(const CallContext& ctx,
                          const milvus::CreateCollectionRequest& request) override {
    if (const auto call = std::exchange(after_record, nullptr)) call();
    return MortalClient::CreateCollection(ctx, request);
  }
};

/// Somebody else makes the same collection first, and the answer about it does not arrive.
class RivalClient final : public testing::MortalClient {
 public:
  RivalClient(testing::Life& life, milvus::Client& inner) : MortalClient(life, inner) {}
  /// Called when it is there.
  std::function<void()> on_made;

  Status CreateCollection(const CallContext& ctx,
                          const milvus::CreateCollectionRequest& request) override {
    EXPECT_OK(MortalClient::CreateCollection(ctx, request));
    on_made();
    is_lost_ = true;
    return MortalClient::CreateCollection(ctx, request);
  }
  Result<milvus::Collection> DescribeCollection(const CallContext& ctx, const std::string& db,
                                                const std::string& collection) override {
    if (std::exchange(is_lost_, false)) return Status(Code::kUnavailable, "no answer");
    return MortalClient::DescribeCollection(ctx, db, collection);
  }

 private:
  bool is_lost_ = false;
};

/// A server to which somebody else writes during imports.
class BusyClient final : public testing::MortalClient {
 public:
  using MortalClient::MortalClient;
  Result<int64_t> Import(const CallContext& ctx, const milvus::ImportRequest& request) override {
    has_imported_ = true;
    return MortalClient::Import(ctx, request);
  }
  Result<std::vector<milvus::Segment>> ListPersistentSegments(
      const CallContext& ctx, const std::string& db, const std::string& collection) override {
    MB_ASSIGN_OR_RETURN(std::vector<milvus::Segment> segments,
                        MortalClient::ListPersistentSegments(ctx, db, collection));
    if (has_imported_) segments.push_back({.id = 4711, .num_rows = 7});
    return segments;
  }

 private:
  std::atomic<bool> has_imported_ = false;
};

/// A server that was restarted during an import: it calls it failed, and counts its rows until it
/// has cleaned up.
class UncleanClient final : public testing::MortalClient {
 public:
  using MortalClient::MortalClient;
  Result<int64_t> Import(const CallContext& ctx, const milvus::ImportRequest& request) override {
    failed_ = request;
    return MortalClient::Import(ctx, request);
  }
  Result<std::vector<milvus::ImportTask>> ListImportTasks(const CallContext& ctx,
                                                          const std::string& db,
                                                          const std::string& collection) override {
    MB_ASSIGN_OR_RETURN(std::vector<milvus::ImportTask> tasks,
                        MortalClient::ListImportTasks(ctx, db, collection));
    if (failed_) {
      tasks.push_back({.id = int64_t{1} << 60,
                       // Said a while before the rows go.
                       .state = counts_ <= 3 ? milvus::ImportState::kFailedAndCleaned
                                             : milvus::ImportState::kFailed,
                       .infos = {{"partition", failed_->partition_name},
                                 {"files", failed_->files.at(0) + "," + failed_->files.at(1)}}});
    }
    return tasks;
  }
  Result<std::vector<milvus::Segment>> ListPersistentSegments(
      const CallContext& ctx, const std::string& db, const std::string& collection) override {
    MB_ASSIGN_OR_RETURN(std::vector<milvus::Segment> segments,
                        MortalClient::ListPersistentSegments(ctx, db, collection));
    if (failed_ && !is_clean()) {
      --counts_;
      segments.push_back({.id = 4711, .num_rows = 10});
    }
    return segments;
  }

  /// With the next import; it is cleaned up once rows were counted so often.
  void Restart(int counts) {
    counts_ = counts;
    failed_.reset();
  }
  bool is_clean() const { return counts_ == 0; }

 private:
  int counts_ = 0;
  std::optional<milvus::ImportRequest> failed_;
};

/// Milvus counts rows that no import it lists has brought.
class DoubledClient final : public testing::MortalClient {
 public:
  using MortalClient::MortalClient;
  Result<std::vector<milvus::Segment>> ListPersistentSegments(
      const CallContext& ctx, const std::string& db, const std::string& collection) override {
    MB_ASSIGN_OR_RETURN(std::vector<milvus::Segment> segments,
                        MortalClient::ListPersistentSegments(ctx, db, collection));
    if (!segments.empty()) segments.push_back({.id = 4712, .num_rows = rows});
    return segments;
  }
  int64_t rows = 0;
};

/// Milvus gets a request of the killed run only now, after the same one of this run.
class LateClient final : public testing::MortalClient {
 public:
  using MortalClient::MortalClient;
  Result<int64_t> Import(const CallContext& ctx, const milvus::ImportRequest& request) override {
    auto id = MortalClient::Import(ctx, request);
    if (!std::exchange(was_late_, true)) {
      EXPECT_OK(MortalClient::Import(ctx, request).status());
    }
    return id;
  }

 private:
  bool was_late_ = false;
};

}  // namespace milvus_backup::backup
