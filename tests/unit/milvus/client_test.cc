// Every call of the client against the fake server: what is sent, what comes back.
#include "client_fixture.h"

#include <gmock/gmock.h>

#include <thread>

namespace milvus_backup::milvus {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using testing::FakeAnswer;
using testing::FakeCollection;
using testing::FakeImport;
using ::testing::IsEmpty;
using testing::IsError;
using ::testing::Pair;

TEST_F(ClientTest, ConnectLearnsVersionAndFeatures) {
  Start();
  EXPECT_EQ(client_->server_version(), "v2.3.5-lite");
  EXPECT_TRUE(client_->has_databases());
  EXPECT_EQ(client_->endpoint(), "127.0.0.1:" + std::to_string(server_->port()));
}

TEST_F(ClientTest, VersionComesFromGetVersionWhereConnectIsUnknown) {
  Start({.version = "v2.2.4", .has_databases = false});
  EXPECT_EQ(client_->server_version(), "v2.2.4");
  EXPECT_EQ(server_->count("GetVersion"), 1U);
}

TEST_F(ClientTest, UnknownVersionIsKeptAsReported) {
  Start({.version = "unknown"});
  EXPECT_EQ(client_->server_version(), "unknown");
}

TEST_F(ClientTest, VersionMayBeTold) {
  Start({.version = "unknown"});
  ClientOptions options = server_->client_options();
  options.server_version = "2.3.5";
  ASSERT_OK_AND_ASSIGN(const auto client, Connect(ctx_, options));
  EXPECT_EQ(client->server_version(), "2.3.5");
  options.server_version = "newest";
  EXPECT_THAT(Connect(ctx_, options),
              IsError(Code::kInvalidArgument, "'newest' is no version of Milvus"));
}

TEST_F(ClientTest, ServerWithoutDatabasesHasOnlyTheDefaultOne) {
  Start({.version = "v2.2.4", .has_databases = false});
  EXPECT_FALSE(client_->has_databases());
  server_->Add("default", SmallCollection("c"));
  ASSERT_OK_AND_ASSIGN(const auto databases, client_->ListDatabases(ctx_));
  EXPECT_THAT(databases, ElementsAre("default"));
  ASSERT_OK_AND_ASSIGN(const auto names, client_->ListCollections(ctx_, "default"));
  EXPECT_THAT(names, ElementsAre("c"));
  // The server would take it for the default database.
  EXPECT_THAT(client_->ListCollections(ctx_, "shop"), IsError(Code::kNotFound, "shop"));
  EXPECT_THAT(client_->CreateDatabase(ctx_, "shop"), IsError(Code::kUnimplemented, ""));
}

TEST_F(ClientTest, EveryCallNamesSessionAndDatabase) {
  Start();
  server_->AddDatabase("shop");
  ASSERT_OK(client_->ListCollections(ctx_, "shop"));
  const auto call = server_->calls().back();
  EXPECT_EQ(call.text, "ShowCollections shop");
  EXPECT_THAT(call.metadata, Contains(Pair("dbname", "shop")));
  EXPECT_THAT(call.metadata, Contains(Pair("identifier", "4711")));
  EXPECT_EQ(call.metadata.count("authorization"), 0U);
}

TEST_F(ClientTest, DatabasesAreListedAndCreated) {
  Start();
  ASSERT_OK(client_->CreateDatabase(ctx_, "shop"));
  ASSERT_OK_AND_ASSIGN(const auto names, client_->ListDatabases(ctx_));
  EXPECT_THAT(names, ElementsAre("default", "shop"));
  EXPECT_THAT(client_->CreateDatabase(ctx_, "shop"), IsError(Code::kAlreadyExists, "shop"));
  EXPECT_THAT(client_->ListCollections(ctx_, "nodb"), IsError(Code::kNotFound, "nodb"));
}

TEST_F(ClientTest, SchemaSurvivesCreateAndDescribe) {
  Start();
  CreateCollectionRequest request;
  request.db_name = "default";
  request.shards_num = 2;
  request.consistency_level = 2;
  request.properties = {{.key = "collection.ttl.seconds", .value = "60"}};
  CollectionSchema& schema = request.schema;
  schema.name = "c";
  schema.description = "everything";
  schema.auto_id = true;
  schema.enable_dynamic_field = true;
  schema.properties = {{.key = "p", .value = "1"}};
  FieldSchema id = Field("id", data_type::kInt64);
  id.field_id = 100;
  id.is_primary_key = true;
  id.auto_id = true;
  id.description = "key";
  FieldSchema text = Field("text", data_type::kVarChar);
  text.field_id = 101;
  text.type_params = {{.key = "max_length", .value = "16"}};
  text.index_params = {{.key = "a", .value = "b"}};
  text.nullable = true;
  text.is_clustering_key = true;
  text.default_value = std::string("\x32\x00\xff\x01", 4);
  FieldSchema list = Field("list", data_type::kArray);
  list.field_id = 102;
  list.element_type = data_type::kInt64;
  list.is_function_output = true;
  list.default_value = "";
  schema.fields = {id, text, list};
  schema.functions = {{.name = "f",
                       .id = 1,
                       .description = "bm25",
                       .type = 1,
                       .input_field_names = {"text"},
                       .input_field_ids = {101},
                       .output_field_names = {"list"},
                       .output_field_ids = {102},
                       .params = {{.key = "k", .value = "v"}}}};
  schema.struct_array_fields = {
      {.field_id = 103, .name = "s", .description = "d", .fields = {text}}};
  ASSERT_OK(client_->CreateCollection(ctx_, request));
  EXPECT_EQ(server_->texts("CreateCollection").at(0),
            "CreateCollection default.c shards=2 fields=3");

  ASSERT_OK_AND_ASSIGN(const Collection found, client_->DescribeCollection(ctx_, "default", "c"));
  EXPECT_EQ(found.schema, schema);
  EXPECT_GT(found.id, 0);
  EXPECT_EQ(found.db_name, "default");
  EXPECT_EQ(found.shards_num, 2);
  EXPECT_EQ(found.consistency_level, 2);
  EXPECT_EQ(found.virtual_channel_names.size(), 2U);
  EXPECT_EQ(found.physical_channel_names.size(), 2U);
  EXPECT_THAT(found.properties, ElementsAre(KeyValue{"collection.ttl.seconds", "60"}));
}

TEST_F(ClientTest, PartitionKeySendsTheNumberOfPartitions) {
  Start();
  CreateCollectionRequest request;
  request.db_name = "default";
  request.num_partitions = 3;
  request.schema = SmallCollection("c").info.schema;
  request.schema.fields.push_back(Field("tenant", data_type::kVarChar));
  request.schema.fields.back().is_partition_key = true;
  ASSERT_OK(client_->CreateCollection(ctx_, request));
  ASSERT_OK_AND_ASSIGN(const auto partitions, client_->ListPartitions(ctx_, "default", "c"));
  ASSERT_EQ(partitions.size(), 3U);
  EXPECT_EQ(partitions[2].name, "_default_2");
}

TEST_F(ClientTest, CollectionsAreFoundAndDropped) {
  Start();
  server_->Add("default", SmallCollection("c"));
  ASSERT_OK_AND_ASSIGN(const bool before, client_->HasCollection(ctx_, "default", "c"));
  EXPECT_TRUE(before);
  ASSERT_OK(client_->DropCollection(ctx_, "default", "c"));
  ASSERT_OK_AND_ASSIGN(const bool after, client_->HasCollection(ctx_, "default", "c"));
  EXPECT_FALSE(after);
  EXPECT_THAT(client_->DescribeCollection(ctx_, "default", "c"),
              IsError(Code::kNotFound, "DescribeCollection default.c: collection not found"));
}

TEST_F(ClientTest, HasCollectionTakesTheErrorOfOlderServersForNo) {
  Start();
  server_->Plan("HasCollection", {.error_code = 4, .reason = "can't find collection: c"});
  ASSERT_OK_AND_ASSIGN(const bool by_legacy_code, client_->HasCollection(ctx_, "default", "c"));
  EXPECT_FALSE(by_legacy_code);
  server_->Plan("HasCollection", {.error_code = 1, .reason = "can't find collection: c"});
  ASSERT_OK_AND_ASSIGN(const bool by_text, client_->HasCollection(ctx_, "default", "c"));
  EXPECT_FALSE(by_text);
  server_->Plan("HasCollection", {.code = 800, .reason = "database not found[database=x]"});
  EXPECT_THAT(client_->HasCollection(ctx_, "default", "c"), IsError(Code::kNotFound, "database"));
}

TEST_F(ClientTest, PartitionsAreCreatedAndListed) {
  Start();
  server_->Add("default", SmallCollection("c"));
  ASSERT_OK(client_->CreatePartition(ctx_, "default", "c", "p1"));
  ASSERT_OK_AND_ASSIGN(const auto partitions, client_->ListPartitions(ctx_, "default", "c"));
  ASSERT_EQ(partitions.size(), 2U);
  EXPECT_EQ(partitions[0].name, "_default");
  EXPECT_EQ(partitions[1].name, "p1");
  EXPECT_NE(partitions[0].id, partitions[1].id);
}

TEST_F(ClientTest, PartitionsAreListedWithoutIds) {
  Start({.tells_partition_ids = false});
  server_->Add("default", SmallCollection("c"));
  ASSERT_OK(client_->CreatePartition(ctx_, "default", "c", "p1"));
  ASSERT_OK_AND_ASSIGN(const auto partitions, client_->ListPartitions(ctx_, "default", "c"));
  ASSERT_EQ(partitions.size(), 2U);
  EXPECT_EQ(partitions[1].name, "p1");
  EXPECT_EQ(partitions[1].id, 0);
}

TEST_F(ClientTest, IndexesAreCreatedListedAndDropped) {
  Start();
  server_->Add("default", SmallCollection("c"));
  ASSERT_OK_AND_ASSIGN(const auto none, client_->ListIndexes(ctx_, "default", "c"));
  EXPECT_THAT(none, IsEmpty());
  Index index{.field_name = "v", .name = "v_idx", .id = 0, .params = {{"index_type", "FLAT"}}};
  ASSERT_OK(client_->CreateIndex(ctx_, "default", "c", index));
  ASSERT_OK_AND_ASSIGN(const auto indexes, client_->ListIndexes(ctx_, "default", "c"));
  ASSERT_EQ(indexes.size(), 1U);
  EXPECT_EQ(indexes[0].field_name, "v");
  EXPECT_EQ(indexes[0].name, "v_idx");
  EXPECT_GT(indexes[0].id, 0);
  EXPECT_EQ(indexes[0].params, index.params);
  index.field_name = "absent";
  EXPECT_THAT(client_->CreateIndex(ctx_, "default", "c", index), IsError(Code::kUnknown, "absent"));
  ASSERT_OK(client_->DropIndex(ctx_, "default", "c", "v", "v_idx"));
  EXPECT_THAT(server_->Find("default", "c")->indexes, IsEmpty());
}

TEST_F(ClientTest, NoIndexIsAnEmptyListHoweverItIsSaid) {
  Start();
  server_->Plan("DescribeIndex", {.error_code = 25, .reason = "there is no index"});
  server_->Plan("DescribeIndex", {.code = 700, .reason = "index not found[indexName=]"});
  server_->Plan("DescribeIndex", {.error_code = 1, .reason = "index doesn't exist"});
  for (int i = 0; i < 3; ++i) {
    ASSERT_OK_AND_ASSIGN(const auto indexes, client_->ListIndexes(ctx_, "default", "c"));
    EXPECT_THAT(indexes, IsEmpty());
  }
  EXPECT_EQ(server_->unused_plans(), 0U);
  EXPECT_THAT(client_->ListIndexes(ctx_, "default", "c"), IsError(Code::kNotFound, "collection"));
}

TEST_F(ClientTest, AliasesAreSetOnce) {
  Start();
  server_->Add("default", SmallCollection("c"));
  server_->Add("default", SmallCollection("other"));
  ASSERT_OK(client_->CreateAlias(ctx_, "default", "c", "a"));
  ASSERT_OK_AND_ASSIGN(const Collection found, client_->DescribeCollection(ctx_, "default", "c"));
  EXPECT_THAT(found.aliases, ElementsAre("a"));
  EXPECT_THAT(client_->CreateAlias(ctx_, "default", "other", "a"),
              IsError(Code::kAlreadyExists, "alias"));
}

TEST_F(ClientTest, LoadStateFollowsTheProgress) {
  Start();
  FakeCollection collection = SmallCollection("c");
  collection.indexes = {{.field_name = "v", .name = "v", .id = 1, .params = {}}};
  server_->Add("default", collection);
  EXPECT_EQ(*client_->GetLoadState(ctx_, "default", "c"), LoadState::kNotLoad);
  ASSERT_OK(client_->LoadCollection(ctx_, "default", "c"));
  EXPECT_EQ(*client_->GetLoadState(ctx_, "default", "c"), LoadState::kLoaded);
  ASSERT_OK(client_->ReleaseCollection(ctx_, "default", "c"));
  EXPECT_EQ(*client_->GetLoadState(ctx_, "default", "c"), LoadState::kNotLoad);
  collection.load_state = LoadState::kLoading;
  server_->Add("default", collection);
  EXPECT_EQ(*client_->GetLoadState(ctx_, "default", "c"), LoadState::kLoading);
  server_->Plan("GetLoadingProgress", {.code = 1401, .reason = "privilege not permitted"});
  EXPECT_THAT(client_->GetLoadState(ctx_, "default", "c"), IsError(Code::kPermissionDenied, ""));
}

TEST_F(ClientTest, FlushNamesWhatHasToBeWaitedFor) {
  Start({.unflushed_polls = 2});
  FakeCollection collection = SmallCollection("c");
  Segment growing;
  growing.id = 77;
  growing.num_rows = 5;
  growing.state = 2;
  collection.segments = {growing};
  collection.channel_checkpoints = {{"ch", std::string("\x0a\x01\x00", 3)}};
  server_->Add("default", collection);
  ASSERT_OK_AND_ASSIGN(const auto before, client_->ListPersistentSegments(ctx_, "default", "c"));
  EXPECT_THAT(before, IsEmpty());
  ASSERT_OK_AND_ASSIGN(const FlushTicket ticket, client_->Flush(ctx_, "default", "c"));
  EXPECT_THAT(ticket.segment_ids, ElementsAre(77));
  EXPECT_GT(ticket.flush_ts, 0U);
  EXPECT_GT(ticket.seal_time, 0);
  EXPECT_THAT(ticket.channel_checkpoints, ElementsAre(Pair("ch", std::string("\x0a\x01\x00", 3))));
  EXPECT_FALSE(*client_->IsFlushed(ctx_, "default", "c", ticket));
  EXPECT_FALSE(*client_->IsFlushed(ctx_, "default", "c", ticket));
  EXPECT_TRUE(*client_->IsFlushed(ctx_, "default", "c", ticket));
  EXPECT_EQ(server_->texts("GetFlushState").at(0), "GetFlushState default.c segments=1");
  ASSERT_OK_AND_ASSIGN(const auto after, client_->ListPersistentSegments(ctx_, "default", "c"));
  ASSERT_EQ(after.size(), 1U);
  EXPECT_EQ(after[0].num_rows, 5);
  EXPECT_EQ(after[0].state, 4);
  EXPECT_GT(after[0].partition_id, 0);
  EXPECT_EQ(*client_->CountStoredRows(ctx_, "default", "c"), 5);
}

TEST_F(ClientTest, WhatIsCreatedIsNewerThanTheTimeTold) {
  Start();
  ASSERT_OK_AND_ASSIGN(const uint64_t before, client_->CurrentTimestamp(ctx_));
  server_->Add("default", SmallCollection("c"));
  EXPECT_GT(client_->DescribeCollection(ctx_, "default", "c")->created_timestamp, before);
}

TEST_F(ClientTest, AnErrorAboutTheFlushStateIsAnError) {
  Start();
  server_->Plan("GetFlushState", {.code = 5, .error_code = 1, .reason = "broken"});
  EXPECT_THAT(client_->IsFlushed(ctx_, "default", "c", {}), IsError(Code::kInternal, "broken"));
}

TEST_F(ClientTest, SegmentsThatQueriesReadAreListed) {
  Start();
  server_->Add("default", SmallCollection("c"));
  EXPECT_THAT(client_->ListLoadedSegments(ctx_, "default", "c").status().service_code(), "101");
  server_->Change("default", "c", [](FakeCollection& each) {
    each.load_state = LoadState::kLoaded;
    each.segments = {{.id = 7, .partition_id = 8, .num_rows = 9, .state = 4}};
  });
  ASSERT_OK_AND_ASSIGN(const auto segments, client_->ListLoadedSegments(ctx_, "default", "c"));
  ASSERT_EQ(segments.size(), 1U);
  EXPECT_EQ(segments[0].id, 7);
  EXPECT_EQ(segments[0].partition_id, 8);
  EXPECT_EQ(segments[0].num_rows, 9);
}

TEST_F(ClientTest, SegmentsThatVanishWhileListedAreAskedForAgain) {
  Start();
  server_->Add("default", SmallCollection("c"));
  server_->Plan("GetPersistentSegmentInfo",
                {.code = 600, .reason = "segment not found[segment=1]"});
  server_->Plan("GetPersistentSegmentInfo",
                {.code = 65535, .error_code = 1, .reason = "segment not found[segment=1]"});
  ASSERT_OK(client_->ListPersistentSegments(ctx_, "default", "c"));
  EXPECT_EQ(server_->count("GetPersistentSegmentInfo"), 3U);
  EXPECT_THAT(client_->ListPersistentSegments(ctx_, "default", "no"),
              IsError(Code::kNotFound, "collection not found"));
  EXPECT_EQ(server_->count("GetPersistentSegmentInfo"), 4U);
}

class ImportTest : public ClientTest {
 protected:
  ImportRequest Request(const std::string& partition) const {
    return {.db_name = "default",
            .collection_name = "c",
            .partition_name = partition,
            .files = {"/b/insert_log/1/2/", ""},
            .options = {{.key = "backup", .value = "true"},
                        {.key = "skip_disk_quota_check", .value = "true"}}};
  }

  ImportTask WaitForEnd(int64_t id) {
    for (;;) {
      auto task = client_->GetImportTask(ctx_, "default", id);
      EXPECT_THAT(task, testing::IsOk());
      if (!task.ok()) return {};
      const ImportState state = task->state;
      if (state == ImportState::kFailed || state == ImportState::kCompleted ||
          state == ImportState::kFailedAndCleaned) {
        return *task;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  }
};

TEST_F(ImportTest, RunsToCompletionAndAddsRows) {
  Start();
  server_->Add("default", SmallCollection("c"));
  server_->SetImportRows([](const ImportRequest&) { return 42; });
  ASSERT_OK_AND_ASSIGN(const int64_t id, client_->Import(ctx_, Request("_default")));
  EXPECT_EQ(server_->texts("Import").at(0),
            "Import default.c/_default files=[/b/insert_log/1/2/,] "
            "options=[backup=true,skip_disk_quota_check=true]");
  const ImportTask task = WaitForEnd(id);
  EXPECT_EQ(task.id, id);
  EXPECT_EQ(task.state, ImportState::kCompleted);
  EXPECT_EQ(task.row_count, 42);
  EXPECT_EQ(task.infos.at("files"), "/b/insert_log/1/2/,");
  EXPECT_EQ(task.infos.at("progress_percent"), "100");
  EXPECT_EQ(*client_->CountStoredRows(ctx_, "default", "c"), 42);
  ASSERT_OK_AND_ASSIGN(const auto listed, client_->ListImportTasks(ctx_, "default", "c"));
  ASSERT_EQ(listed.size(), 1U);
  EXPECT_EQ(listed[0].id, id);
  EXPECT_EQ(listed[0].collection_id, server_->Find("default", "c")->info.id);
}

TEST_F(ImportTest, TasksRunOneAfterTheOther) {
  Start({.import_tick = std::chrono::milliseconds(30)});
  server_->Add("default", SmallCollection("c"));
  ASSERT_OK(client_->Import(ctx_, Request("_default")));
  ASSERT_OK(client_->Import(ctx_, Request("_default")));
  for (bool is_done = false; !is_done;) {
    ASSERT_OK_AND_ASSIGN(const auto tasks, client_->ListImportTasks(ctx_, "default", "c"));
    ASSERT_EQ(tasks.size(), 2U);
    if (tasks[0].state != ImportState::kCompleted) {
      EXPECT_EQ(tasks[1].state, ImportState::kPending);
    }
    is_done = tasks[1].state == ImportState::kCompleted;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

TEST_F(ImportTest, FailuresKeepTheirReason) {
  Start();
  server_->Add("default", SmallCollection("c"));
  server_->PlanImport(FakeImport::kFail, "no such field");
  server_->PlanImport(FakeImport::kFailAndClean, "out of disk");
  ASSERT_OK_AND_ASSIGN(const int64_t first, client_->Import(ctx_, Request("_default")));
  ASSERT_OK_AND_ASSIGN(const int64_t second, client_->Import(ctx_, Request("_default")));
  EXPECT_EQ(WaitForEnd(first).state, ImportState::kFailed);
  EXPECT_EQ(WaitForEnd(first).infos.at("failed_reason"), "no such field");
  EXPECT_EQ(WaitForEnd(second).state, ImportState::kFailedAndCleaned);
}

TEST_F(ImportTest, AStuckTaskHoldsUpTheOthers) {
  Start({.import_tick = std::chrono::milliseconds(1)});
  server_->Add("default", SmallCollection("c"));
  server_->PlanImport(FakeImport::kNeverEnd);
  ASSERT_OK_AND_ASSIGN(const int64_t first, client_->Import(ctx_, Request("_default")));
  ASSERT_OK_AND_ASSIGN(const int64_t second, client_->Import(ctx_, Request("_default")));
  std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_EQ(client_->GetImportTask(ctx_, "default", first)->state, ImportState::kStarted);
  EXPECT_EQ(client_->GetImportTask(ctx_, "default", second)->state, ImportState::kPending);
}

TEST_F(ImportTest, BadRequestsAreRefused) {
  Start();
  server_->Add("default", SmallCollection("c"));
  EXPECT_THAT(client_->Import(ctx_, Request("")), IsError(Code::kInvalidArgument, "partition"));
  EXPECT_THAT(client_->Import(ctx_, Request("p9")), IsError(Code::kNotFound, "p9"));
  ImportRequest one_file = Request("_default");
  one_file.files.pop_back();
  ASSERT_OK_AND_ASSIGN(const int64_t id, client_->Import(ctx_, one_file));
  EXPECT_EQ(WaitForEnd(id).state, ImportState::kFailedAndCleaned);
  EXPECT_THAT(client_->GetImportTask(ctx_, "default", 1),
              IsError(Code::kNotFound, "key not found"));
  EXPECT_THAT(client_->ListImportTasks(ctx_, "default", "no"),
              IsError(Code::kNotFound, "collection"));
}

}  // namespace
}  // namespace milvus_backup::milvus
