#include "support/fake_milvus_state.h"

#include "milvus_backup/milvus/version.h"

#include <algorithm>
#include <iterator>
#include <tuple>
#include <utility>

namespace milvus_backup::testing {
namespace {

using milvus::ImportState;
using std::chrono::steady_clock;

constexpr int kUnexpected = 65535;
constexpr int kGrowing = 2;
constexpr int kSealed = 3;
constexpr int kFlushed = 4;
constexpr int kFlushing = 5;
constexpr int64_t kFirstFieldId = 100;

std::string Option(const milvus::ImportRequest& request, const std::string& key) {
  for (const milvus::KeyValue& option : request.options) {
    if (option.key == key) return option.value;
  }
  return "";
}

bool HasPartitionKey(const FakeCollection& collection) {
  return std::ranges::any_of(collection.info.schema.fields, &milvus::FieldSchema::is_partition_key);
}

/// The server numbers the fields itself, in the order they came.
milvus::CollectionSchema Renumbered(milvus::CollectionSchema schema) {
  int64_t id = kFirstFieldId;
  for (milvus::FieldSchema& field : schema.fields) field.field_id = id++;
  return schema;
}

}  // namespace

Refusal CollectionNotFound(const std::string& db, const std::string& name) {
  return {.code = 100,
          .error_code = 4,
          .reason = "collection not found[database=" + db + "][collection=" + name + "]"};
}

FakeMilvusState::FakeMilvusState(const FakeMilvusOptions& options)
    : options_(options),
      next_id_(470000000000000001 + options.id_offset),
      next_timestamp_(470000000000000000 + static_cast<uint64_t>(options.id_offset)),
      next_tick_(steady_clock::now() + options.import_tick) {
  AddDatabase("default");
}

bool FakeMilvusState::IsAtLeast(int minor) const {
  const auto parsed = milvus::ParseVersion(options_.version);
  return parsed.known && parsed.version >= milvus::Version{.major = 2, .minor = minor, .patch = 0};
}

std::vector<std::string> FakeMilvusState::ListDatabases() const {
  std::vector<std::string> names;
  for (const auto& [name, collections] : databases_) names.push_back(name);
  return names;
}

Refusal FakeMilvusState::CreateDatabase(const std::string& db) {
  if (HasDatabase(db)) {
    return {.code = kUnexpected, .error_code = 1, .reason = "database already exist: " + db};
  }
  AddDatabase(db);
  return {};
}

int64_t FakeMilvusState::Add(const std::string& db, FakeCollection collection) {
  milvus::Collection& info = collection.info;
  if (info.id == 0) info.id = NewId();
  if (info.created_timestamp == 0) info.created_timestamp = NewTimestamp();
  info.db_name = db;
  info.shards_num = std::max(info.shards_num, 1);
  for (int32_t shard = 0; shard < info.shards_num; ++shard) {
    if (std::cmp_greater(info.virtual_channel_names.size(), shard)) continue;
    const std::string channel = "by-dev-rootcoord-dml_" + std::to_string(shard);
    info.physical_channel_names.push_back(channel);
    info.virtual_channel_names.push_back(channel + "_" + std::to_string(info.id) + "v" +
                                         std::to_string(shard));
  }
  if (collection.partitions.empty()) collection.partitions.push_back({.id = 0, .name = "_default"});
  for (milvus::Partition& partition : collection.partitions) {
    if (partition.id == 0) partition.id = NewId();
  }
  for (milvus::Segment& segment : collection.segments) {
    if (segment.id == 0) segment.id = NewId();
    if (segment.collection_id == 0) segment.collection_id = info.id;
    if (segment.partition_id == 0) segment.partition_id = collection.partitions.front().id;
    if (segment.state == 0) segment.state = kFlushed;
  }
  const int64_t id = info.id;
  databases_[db][info.schema.name] = std::move(collection);
  return id;
}

std::vector<std::string> FakeMilvusState::ListCollections(const std::string& db) const {
  std::vector<std::string> names;
  const auto found = databases_.find(db);
  if (found == databases_.end()) return names;
  for (const auto& [name, collection] : found->second) names.push_back(name);
  return names;
}

FakeCollection* FakeMilvusState::Find(const std::string& db, const std::string& name) {
  const auto found = databases_.find(db);
  if (found == databases_.end()) return nullptr;
  for (auto& [collection_name, collection] : found->second) {
    if (collection_name == name) return &collection;
    if (std::ranges::count(collection.info.aliases, name) > 0) return &collection;
  }
  return nullptr;
}

FakeCollection* FakeMilvusState::FindById(const std::string& db, int64_t id) {
  for (auto& [name, collection] : databases_[db]) {
    if (collection.info.id == id) return &collection;
  }
  return nullptr;
}

Refusal FakeMilvusState::CreateCollection(const std::string& db, FakeCollection collection,
                                          int64_t num_partitions) {
  const std::string& name = collection.info.schema.name;
  if (const Refusal refusal = CheckName(name); !refusal.ok()) return refusal;
  collection.info.schema = Renumbered(std::move(collection.info.schema));
  if (const FakeCollection* existing = Find(db, name)) {
    const bool is_same = existing->info.schema == collection.info.schema &&
                         existing->info.shards_num == collection.info.shards_num;
    if (is_same) return {};
    return {.code = kUnexpected,
            .error_code = 1,
            .reason = "create duplicate collection with different parameters, collection: " + name};
  }
  if (HasPartitionKey(collection)) {
    constexpr int64_t kDefaultPartitions = 64;
    const int64_t count = num_partitions == 0 ? kDefaultPartitions : num_partitions;
    for (int64_t i = 0; i < count; ++i) {
      collection.partitions.push_back({.id = 0, .name = "_default_" + std::to_string(i)});
    }
  }
  Add(db, std::move(collection));
  return {};
}

Refusal FakeMilvusState::DropCollection(const std::string& db, const std::string& name) {
  const auto found = databases_.find(db);
  if (found == databases_.end()) return {};
  if (OwnerOf(db, name) != nullptr) {
    return {.code = kUnexpected,
            .error_code = 1,
            .reason = "cannot drop the collection via alias = " + name};
  }
  const FakeCollection* collection = Find(db, name);
  if (collection != nullptr && !collection->info.aliases.empty() && IsAtLeast(6)) {
    return {.code = kUnexpected,
            .error_code = 1,
            .reason = "unable to drop the collection [" + name +
                      "] because it has associated aliases [" + collection->info.aliases.front() +
                      "], please remove all aliases before dropping the collection"};
  }
  found->second.erase(name);
  return {};
}

Refusal FakeMilvusState::RenameCollection(const std::string& db, const std::string& from,
                                          const std::string& to) {
  if (const Refusal refusal = CheckName(to); !refusal.ok()) return refusal;
  auto& collections = databases_[db];
  if (OwnerOf(db, from) != nullptr) {
    return {.code = kUnexpected,
            .error_code = 1,
            .reason = "unsupported use an alias to rename collection, alias:" + from};
  }
  if (Find(db, to) != nullptr) {
    return {.code = kUnexpected,
            .error_code = 1,
            .reason = "duplicated new collection name " + db + ":" + to +
                      "with other collection name or alias"};
  }
  const auto found = collections.find(from);
  if (found == collections.end()) return CollectionNotFound(db, from);
  auto node = collections.extract(found);
  node.key() = to;
  node.mapped().info.schema.name = to;
  collections.insert(std::move(node));
  return {};
}

Refusal FakeMilvusState::CheckName(const std::string& name) const {
  constexpr size_t kMaxName = 255;
  if (name.size() > kMaxName) {
    return {.code = 1100,
            .error_code = 5,
            .reason = "Invalid collection name: " + name +
                      ". the length of a collection name must be less than 255 characters: "
                      "invalid parameter"};
  }
  if (name.empty() || (name.front() >= '0' && name.front() <= '9')) {
    return {.code = 1100,
            .error_code = 5,
            .reason = "Invalid collection name: " + name +
                      ". the first character of a collection name must be an underscore or "
                      "letter: invalid parameter"};
  }
  return {};
}

FakeCollection* FakeMilvusState::OwnerOf(const std::string& db, const std::string& alias) {
  FakeCollection* found = Find(db, alias);
  return found == nullptr || found->info.schema.name == alias ? nullptr : found;
}

Refusal FakeMilvusState::CreatePartition(FakeCollection& collection, const std::string& partition) {
  if (HasPartitionKey(collection)) {
    return {.code = kUnexpected,
            .error_code = 1,
            .reason = "disable create partition if partition key mode is used"};
  }
  if (std::ranges::count(collection.partitions, partition, &milvus::Partition::name) == 0) {
    collection.partitions.push_back({.id = NewId(), .name = partition});
  }
  return {};
}

Refusal FakeMilvusState::DropPartition(FakeCollection& collection, const std::string& partition) {
  const auto found = std::ranges::find(collection.partitions, partition, &milvus::Partition::name);
  if (found == collection.partitions.end()) {
    return {
        .code = 200, .error_code = 1, .reason = "partition not found[partition=" + partition + "]"};
  }
  if (collection.load_state != milvus::LoadState::kNotLoad) {
    return {.code = kUnexpected,
            .error_code = 1,
            .reason = "partition cannot be dropped, partition is loaded, please release it first"};
  }
  std::erase_if(collection.segments,
                [&](const milvus::Segment& segment) { return segment.partition_id == found->id; });
  collection.partitions.erase(found);
  collection.rows.erase(partition);
  return {};
}

Refusal FakeMilvusState::CreateIndex(FakeCollection& collection, milvus::Index index) {
  const auto& fields = collection.info.schema.fields;
  if (std::ranges::count(fields, index.field_name, &milvus::FieldSchema::name) == 0) {
    return {.code = kUnexpected,
            .error_code = 1,
            .reason = "cannot create index on non-exist field: " + index.field_name};
  }
  if (index.name.empty()) index.name = index.field_name;
  for (const milvus::Index& existing : collection.indexes) {
    if (existing.field_name != index.field_name) continue;
    if (existing.name == index.name && existing.params == index.params) return {};
    return {.code = kUnexpected,
            .error_code = 1,
            .reason = "CreateIndex failed: at most one distinct index is allowed per field"};
  }
  index.id = NewId();
  collection.indexes.push_back(std::move(index));
  return {};
}

Refusal FakeMilvusState::CreateAlias(const std::string& db, FakeCollection& collection,
                                     const std::string& alias) {
  const FakeCollection* owner = OwnerOf(db, alias);
  if (owner == &collection) return {};
  if (owner != nullptr) {
    return {.code = 1602,
            .error_code = 1,
            .reason = alias + " is alias to another collection: " + owner->info.schema.name +
                      ": alias already exist[database=" + db + "][alias=" + alias + "]"};
  }
  if (Find(db, alias) != nullptr) {
    return {
        .code = 1601,
        .error_code = 1,
        .reason = "alias and collection name conflict[database=" + db + "][alias=" + alias + "]"};
  }
  collection.info.aliases.push_back(alias);
  return {};
}

Refusal FakeMilvusState::AlterAlias(const std::string& db, FakeCollection& collection,
                                    const std::string& alias) {
  FakeCollection* owner = OwnerOf(db, alias);
  if (owner == nullptr) {
    return {.code = 1600,
            .error_code = 1,
            .reason = "alias not found[database=" + db + "][alias=" + alias + "]"};
  }
  std::erase(owner->info.aliases, alias);
  collection.info.aliases.push_back(alias);
  return {};
}

Refusal FakeMilvusState::DropAlias(const std::string& db, const std::string& alias) {
  if (FakeCollection* owner = OwnerOf(db, alias)) std::erase(owner->info.aliases, alias);
  return {};
}

Refusal FakeMilvusState::DropIndex(FakeCollection& collection, const std::string& name) {
  if (collection.load_state != milvus::LoadState::kNotLoad) {
    return {.code = kUnexpected,
            .error_code = 1,
            .reason = "index cannot be dropped, collection is loaded, please release it first"};
  }
  std::erase_if(collection.indexes, [&](const milvus::Index& index) { return index.name == name; });
  return {};
}

Refusal FakeMilvusState::Load(FakeCollection& collection) {
  for (const milvus::FieldSchema& field : collection.info.schema.fields) {
    if (!milvus::data_type::IsVector(field.data_type)) continue;
    if (std::ranges::count(collection.indexes, field.name, &milvus::Index::field_name) > 0) {
      continue;
    }
    return {.code = 700,
            .error_code = 25,
            .reason = "index not found[collection=" + collection.info.schema.name + "]"};
  }
  collection.load_state = milvus::LoadState::kLoaded;
  return {};
}

milvus::FlushTicket FakeMilvusState::Flush(FakeCollection& collection) {
  milvus::FlushTicket ticket;
  for (milvus::Segment& segment : collection.segments) {
    if (segment.state != kGrowing) continue;
    segment.state = options_.flushing_listings > 0 ? kFlushing : kFlushed;
    ticket.segment_ids.push_back(segment.id);
  }
  if (compactions_ < options_.compactions && !collection.segments.empty()) {
    ++compactions_;
    collection.segments.front().id += 50;
  }
  ticket.flush_ts = options_.tells_flush_times ? NewTimestamp() : 0;
  flushing_listings_left_ = options_.flushing_listings;
  ticket.seal_time = 1700000000;
  ticket.channel_checkpoints = collection.channel_checkpoints;
  polls_until_flushed_ = options_.unflushed_polls;
  return ticket;
}

milvus::Database FakeMilvusState::DescribeDatabase(const std::string& db) const {
  const auto found = properties_.find(db);
  return {
      .id = std::distance(databases_.begin(), databases_.find(db)) + 1,
      .name = db,
      .properties = found == properties_.end() ? std::vector<milvus::KeyValue>() : found->second};
}

uint64_t FakeMilvusState::FlushAll() {
  for (auto& [db, collections] : databases_) {
    for (auto& [name, collection] : collections) Flush(collection);
  }
  return next_timestamp_;
}

Refusal FakeMilvusState::AddRbac(const milvus::Rbac& added) {
  for (const milvus::RbacUser& user : added.users) {
    if (std::ranges::count(rbac_.users, user.name, &milvus::RbacUser::name) == 0) continue;
    return {
        .code = kUnexpected, .error_code = 1, .reason = "user " + user.name + " already exists"};
  }
  for (const std::string& role : added.roles) {
    if (std::ranges::count(rbac_.roles, role) == 0) continue;
    return {.code = kUnexpected, .error_code = 1, .reason = "role " + role + " already exists"};
  }
  std::ranges::copy(added.users, std::back_inserter(rbac_.users));
  std::ranges::copy(added.roles, std::back_inserter(rbac_.roles));
  std::ranges::copy(added.grants, std::back_inserter(rbac_.grants));
  std::ranges::copy(added.privilege_groups, std::back_inserter(rbac_.privilege_groups));
  return {};
}

bool FakeMilvusState::IsFlushed() {
  if (polls_until_flushed_ == 0) return true;
  --polls_until_flushed_;
  return false;
}

std::vector<milvus::Segment> FakeMilvusState::Flushed(const FakeCollection& collection) {
  std::vector<milvus::Segment> out;
  std::ranges::copy_if(collection.segments, std::back_inserter(out),
                       [](const milvus::Segment& segment) { return segment.state == kFlushed; });
  return out;
}

std::vector<milvus::Segment> FakeMilvusState::ListPersistent(FakeCollection& collection) {
  std::vector<milvus::Segment> out;
  const bool is_over = options_.flushing_listings > 0 && flushing_listings_left_ == 0;
  if (flushing_listings_left_ > 0) --flushing_listings_left_;
  for (milvus::Segment& segment : collection.segments) {
    if (segment.state == kFlushing && is_over) segment.state = kFlushed;
    if (segment.state != kSealed && segment.state != kFlushed && segment.state != kFlushing) {
      continue;
    }
    out.push_back(segment);
    if (segment.state == kFlushing) out.back().num_rows = 0;
  }
  return out;
}

Refusal FakeMilvusState::Import(const milvus::ImportRequest& request, int64_t& task_id) {
  AdvanceImports();
  const FakeCollection* collection = Find(request.db_name, request.collection_name);
  if (collection == nullptr) return CollectionNotFound(request.db_name, request.collection_name);
  const bool is_backup = Option(request, "backup") == "true";
  const bool is_l0 = IsAtLeast(4) && Option(request, "l0_import") == "true";
  if (is_l0 && collection->load_state != milvus::LoadState::kNotLoad) {
    return {.code = 2100,
            .error_code = 1,
            .reason =
                "for l0 import, collection cannot be loaded, please release it first: "
                "importing data failed"};
  }
  if (request.partition_name.empty() && is_backup) {
    return {.code = 1100, .error_code = 5, .reason = "partition not specified: invalid parameter"};
  }
  if (!request.partition_name.empty() &&
      std::ranges::count(collection->partitions, request.partition_name,
                         &milvus::Partition::name) == 0) {
    return {.code = 200,
            .error_code = 1,
            .reason = "partition not found[partition=" + request.partition_name + "]"};
  }
  Task task;
  task.request = request;
  task.task.id = NewId();
  task.task.collection_id = collection->info.id;
  auto& infos = task.task.infos;
  for (const std::string& file : request.files) {
    infos["files"] += (infos["files"].empty() ? "" : ",") + file;
  }
  infos["collection"] = request.collection_name;
  infos["partition"] = request.partition_name;
  infos["failed_reason"] = "";
  for (const milvus::KeyValue& option : request.options) infos[option.key] = option.value;
  if (!planned_imports_.empty()) {
    std::tie(task.outcome, task.reason) = planned_imports_.front();
    planned_imports_.pop_front();
  }
  if (request.files.size() != (is_l0 ? 1U : 2U) && (is_backup || is_l0)) {
    task.outcome = FakeImport::kFailAndClean;
    task.reason = "unsupported file type: '" + (request.files.empty() ? "" : request.files[0]) +
                  "': importing data failed";
  }
  task_id = task.task.id;
  tasks_.push_back(std::move(task));
  if (!running_) StartNextTask();
  return {};
}

void FakeMilvusState::AdvanceImports() {
  const auto now = steady_clock::now();
  if (!running_) {
    // Idle ticks change nothing: skip to the one that comes next.
    if (next_tick_ <= now) next_tick_ = now + options_.import_tick;
    return;
  }
  for (; next_tick_ <= now && running_; next_tick_ += options_.import_tick) {
    Task& task = tasks_[*running_];
    if (task.outcome == FakeImport::kNeverEnd) continue;
    EndTask(task);
    running_.reset();
    StartNextTask();
  }
}

void FakeMilvusState::StartNextTask() {
  for (size_t i = 0; i < tasks_.size(); ++i) {
    Task& task = tasks_[i];
    if (task.task.state != ImportState::kPending) continue;
    if (task.outcome == FakeImport::kFail) {
      FailTask(task, task.reason, ImportState::kFailed);
      continue;
    }
    if (task.outcome == FakeImport::kFailAndClean) {
      FailTask(task, task.reason, ImportState::kFailedAndCleaned);
      continue;
    }
    task.task.infos["progress_percent"] = "90";
    task.task.state =
        task.outcome == FakeImport::kNeverEnd ? ImportState::kStarted : ImportState::kPersisted;
    running_ = i;
    return;
  }
}

void FakeMilvusState::EndTask(Task& task) {
  FakeCollection* collection = FindById(task.request.db_name, task.task.collection_id);
  if (collection == nullptr) {
    FailTask(task, "collection not found", ImportState::kFailed);
    return;
  }
  task.task.state = ImportState::kCompleted;
  task.task.infos["progress_percent"] = "100";
  task.task.row_count = import_rows_ ? import_rows_(task.request) : 0;
  if (task.task.row_count == 0) return;
  const auto partition = std::ranges::find(collection->partitions, task.request.partition_name,
                                           &milvus::Partition::name);
  collection->segments.push_back(
      {.id = NewId(),
       .collection_id = collection->info.id,
       .partition_id = partition == collection->partitions.end() ? -1 : partition->id,
       .num_rows = task.task.row_count,
       .state = kFlushed});
}

void FakeMilvusState::FailTask(Task& task, const std::string& reason, ImportState state) {
  task.task.state = state;
  task.task.infos["failed_reason"] = reason;
  task.task.infos["progress_percent"] = "0";
}

const milvus::ImportTask* FakeMilvusState::FindTask(int64_t id) {
  AdvanceImports();
  for (const Task& task : tasks_) {
    if (task.task.id == id) return &task.task;
  }
  return nullptr;
}

std::vector<milvus::ImportTask> FakeMilvusState::ListTasks(int64_t collection_id) {
  AdvanceImports();
  std::vector<milvus::ImportTask> out;
  for (const Task& task : tasks_) {
    if (collection_id == 0 || task.task.collection_id == collection_id) out.push_back(task.task);
  }
  if (!IsAtLeast(4)) return out;
  for (milvus::ImportTask& task : out) {
    for (const char* key : {"files", "collection", "partition"}) task.infos.erase(key);
  }
  return out;
}

void FakeMilvusState::PlanImport(FakeImport outcome, const std::string& reason) {
  planned_imports_.emplace_back(outcome, reason);
}

void FakeMilvusState::SetImportRows(std::function<int64_t(const milvus::ImportRequest&)> rows) {
  import_rows_ = std::move(rows);
}

}  // namespace milvus_backup::testing
