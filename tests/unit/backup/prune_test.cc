#include "milvus_backup/backup/prune.h"

#include "backup/claim.h"
#include "prune_fixture.h"

#include "milvus_backup/backup/delete.h"
#include "milvus_backup/backup/tag.h"
#include "milvus_backup/meta/tags.h"

namespace milvus_backup::backup {
namespace {

using namespace std::chrono_literals;
using ::milvus_backup::testing::IsError;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

const PrunedBackup* Find(const PruneReport& report, const std::string& name) {
  for (const PrunedBackup& one : report.backups) {
    if (one.name == name) return &one;
  }
  ADD_FAILURE() << name;
  return nullptr;
}

TEST_F(PruneTest, ABackupGoesInTwoSteps) {
  Take("a", {"c1"});
  Pass(1h);
  Take("b", {"c1"});
  const Objects before = Stored(Dir("a"));
  const PruneRequest request{.rules = {.keep_last = 1}, .grace = 10h};
  ASSERT_OK_AND_ASSIGN(const PruneReport report, Run(request));
  EXPECT_EQ(ByName(report), (Outcomes{{"a", "marked"}, {"b", "kept"}}));
  ASSERT_EQ(report.backups.size(), 2U);
  EXPECT_EQ(report.backups[0].name, "b");  // the newest first
  EXPECT_EQ(report.backups[0].reasons,
            (std::vector<std::string>{"keep-last", "last good backup of default.c1"}));
  EXPECT_EQ(report.backups[1].reasons, std::vector<std::string>{"no rule keeps it"});
  EXPECT_TRUE(report.backups[1].remove_after == Now() + 10h);

  // Nothing but the header has changed, and for everybody the backup is gone.
  Objects after = Stored(Dir("a"));
  EXPECT_EQ(after.erase("meta/tombstone.json"), 1U);
  after["meta/backup_meta.json"] = before.at("meta/backup_meta.json");
  EXPECT_EQ(after, before);
  EXPECT_THAT(meta::ReadBackup({}, storage_, Dir("a")).status(),
              IsError(Code::kNotFound, "backup a was pruned at 2026-01-02T04:04:05Z"));
  ASSERT_OK_AND_ASSIGN(const meta::BackupList list, meta::ListBackups({}, storage_, "backup"));
  ASSERT_EQ(list.backups.size(), 1U);
  EXPECT_THAT(list.unfinished, IsEmpty());
  ASSERT_EQ(list.pruned.size(), 1U);
  EXPECT_EQ(list.pruned[0].name, "a");
  EXPECT_EQ(list.pruned[0].tombstone.reason, "no rule keeps it");

  Pass(9h);
  EXPECT_EQ(OutcomesOf(request), (Outcomes{{"a", "waiting"}, {"b", "kept"}}));
  Pass(1h);
  ASSERT_OK_AND_ASSIGN(const PruneReport last, Run(request));
  EXPECT_EQ(ByName(last), (Outcomes{{"a", "removed"}, {"b", "kept"}}));
  EXPECT_EQ(Find(last, "a")->objects, before.size());
  EXPECT_THAT(Stored(Dir("a")), IsEmpty());
  EXPECT_EQ(OutcomesOf(request), (Outcomes{{"b", "kept"}}));
}

TEST_F(PruneTest, WithoutGraceTheDataGoesAtOnce) {
  Take("a", {"c1"});
  Pass(1h);
  Take("b", {"c1"});
  EXPECT_EQ(OutcomesOf({.rules = {.keep_last = 1}, .grace = 0s}),
            (Outcomes{{"a", "removed"}, {"b", "kept"}}));
  EXPECT_THAT(Stored(Dir("a")), IsEmpty());
}

TEST_F(PruneTest, TheGraceThatWasGivenCounts) {
  Take("a", {"c1"});
  Pass(1h);
  Take("b", {"c1"});
  EXPECT_EQ(OutcomesOf({.rules = {.keep_last = 1}, .grace = 24h})["a"], "marked");
  Pass(1h);
  EXPECT_EQ(OutcomesOf({.rules = {.keep_last = 1}, .grace = 0s})["a"], "waiting");
}

TEST_F(PruneTest, RefusesToRunWithoutARule) {
  Take("a", {"c1"});
  EXPECT_THAT(Run({}).status(), IsError(Code::kInvalidArgument, "no rule"));
  EXPECT_THAT(Run({.rules = {.keep_daily = -1}}).status(),
              IsError(Code::kInvalidArgument, "keep-daily"));
  EXPECT_THAT(Run({.rules = {.keep_last = 1}, .grace = -1s}).status(),
              IsError(Code::kInvalidArgument, "grace"));
}

TEST_F(PruneTest, NoBackups) { EXPECT_THAT(OutcomesOf({.rules = {.keep_last = 1}}), IsEmpty()); }

TEST_F(PruneTest, UndoBringsTheBackupBackByteForByte) {
  Take("a", {"c1"});
  Pass(1h);
  Take("b", {"c1"});
  const Objects before = Stored();
  EXPECT_EQ(OutcomesOf({.rules = {.keep_last = 1}})["a"], "marked");
  ASSERT_OK(UndoPrune({}, place_, "a"));
  EXPECT_EQ(Stored(), before);
  EXPECT_OK(meta::ReadBackup({}, storage_, Dir("a")));
  EXPECT_THAT(UndoPrune({}, place_, "a"), IsError(Code::kFailedPrecondition, "not pruned"));
  EXPECT_THAT(UndoPrune({}, place_, "nothing"), IsError(Code::kNotFound, "nothing not found"));
}

TEST_F(PruneTest, WhatIsHalfRemovedDoesNotComeBack) {
  Take("a", {"c1"});
  Pass(1h);
  Take("b", {"c1"});
  EXPECT_EQ(OutcomesOf({.rules = {.keep_last = 1}})["a"], "marked");
  ASSERT_OK_AND_ASSIGN(auto tombstone, meta::ReadTombstone({}, storage_, Dir("a")));
  ASSERT_TRUE(tombstone.has_value());
  tombstone->is_removing = true;
  tombstone->header.clear();
  ASSERT_OK(meta::WriteTombstone({}, storage_, Dir("a"), *tombstone));
  EXPECT_THAT(UndoPrune({}, place_, "a"), IsError(Code::kFailedPrecondition, "is being removed"));
  // Its grace has not passed, but there is nothing to wait for.
  EXPECT_EQ(OutcomesOf({.rules = {.keep_last = 1}})["a"], "removed");
  EXPECT_THAT(Stored(Dir("a")), IsEmpty());
}

TEST_F(PruneTest, ADryRunSaysTheSameAndChangesNothing) {
  Take("a", {"c1"});
  Pass(1h);
  Take("b", {"c1"});
  Take("d", {"c1"});
  EXPECT_EQ(OutcomesOf({.rules = {.keep_last = 2}}),
            (Outcomes{{"a", "marked"}, {"b", "kept"}, {"d", "kept"}}));
  Pass(24h);
  const Objects before = Stored();
  const Outcomes expected = {{"a", "removed"}, {"b", "marked"}, {"d", "kept"}};
  PruneRequest request{.rules = {.keep_last = 1}, .dry_run = true};
  ASSERT_OK_AND_ASSIGN(const PruneReport report, Run(request));
  EXPECT_EQ(ByName(report), expected);
  EXPECT_EQ(Find(report, "a")->objects, Stored(Dir("a")).size());
  EXPECT_TRUE(Find(report, "b")->remove_after == Now() + kDefaultGrace);
  EXPECT_EQ(Stored(), before);
  request.dry_run = false;
  EXPECT_EQ(OutcomesOf(request), expected);
}

TEST_F(PruneTest, ABackupThatIsReadIsLeftAndNamed) {
  Take("a", {"c1"});
  Pass(1h);
  Take("b", {"c1"});
  const Objects before = Stored();
  {
    ASSERT_OK_AND_ASSIGN(const auto reader,
                         RunLock::Acquire({}, storage_, BackupLockDir("backup", "a"),
                                          meta::NewRunRecord("read", "a")));
    ASSERT_OK_AND_ASSIGN(const PruneReport report, Run({.rules = {.keep_last = 1}}));
    EXPECT_EQ(ByName(report), (Outcomes{{"a", "in use"}, {"b", "kept"}}));
    EXPECT_THAT(Find(report, "a")->status, IsError(Code::kAlreadyExists, "read by process"));
    EXPECT_FALSE(report.some_failed());
    EXPECT_EQ(Stored(), before);
  }
  EXPECT_EQ(OutcomesOf({.rules = {.keep_last = 1}})["a"], "marked");
}

TEST_F(PruneTest, AReaderThatComesWhileItRunsIsSeen) {
  MortalBackend storage;
  const Place place{.backend = &storage, .root = "backup"};
  for (const char* name : {"a_20260101T000000Z", "a_20260102T000000Z"}) {
    ASSERT_OK(meta::WriteBackup({}, storage, Dir(name), {.id = "x", .name = name}));
  }
  const std::string old = "a_20260101T000000Z";
  meta::RunRecord reader = meta::NewRunRecord("read", old);
  reader.held = true;
  const std::string key = BackupLockDir("backup", old) + reader.run_id + ".json";
  bool came = false;
  storage.before_call = [&](const storage::CallInfo& call) {
    if (came || call.method != storage::Method::kPut || !call.key.starts_with("backup/.locks/")) {
      return;
    }
    came = true;
    EXPECT_OK(meta::WriteRunRecord({}, storage, key, reader));
  };
  ASSERT_OK_AND_ASSIGN(const PruneReport report,
                       Prune({}, place, {.rules = {.keep_last = 1}}, Clock::Real()));
  EXPECT_TRUE(came);
  EXPECT_EQ(ByName(report)[old], "in use");
  EXPECT_OK(meta::ReadHeader({}, storage, Dir(old)));
}

TEST_F(PruneTest, OnlyTheBackupsOfASchedule) {
  for (const std::string schedule : {"a", "a_b"}) {
    for (int i = 0; i < 3; ++i) {
      Take(ScheduledName(schedule, clock_.WallNow()), {"c1"});
      Pass(1h);
    }
  }
  Take("a_by_hand", {"c1"});
  const PruneRequest request{.rules = {.keep_last = 1}, .schedule = "a"};
  EXPECT_EQ(OutcomesOf(request), (Outcomes{{"a_20260102T030405Z", "marked"},
                                           {"a_20260102T040405Z", "marked"},
                                           {"a_20260102T050405Z", "kept"}}));
  ASSERT_OK_AND_ASSIGN(const meta::BackupList list, meta::ListBackups({}, storage_, "backup"));
  EXPECT_EQ(list.backups.size(), 5U);
  // Those of another schedule are not removed either.
  Pass(24h);
  EXPECT_EQ(OutcomesOf({.rules = {.keep_last = 9}, .schedule = "a_b"}).size(), 3U);
  EXPECT_THAT(Stored(Dir("a_20260102T030405Z")), Not(IsEmpty()));
}

TEST_F(PruneTest, TimesAreThoseOfTheCollections) {
  Take("z", {"c1"});
  Pass(1h);
  Take("a", {"c1"});
  // Copied last, so its objects are the newest.
  Pass(1h);
  for (const auto& [key, bytes] : Stored(Dir("z"))) Put(Dir("z") + key, bytes);
  EXPECT_EQ(OutcomesOf({.rules = {.keep_last = 1}}), (Outcomes{{"a", "kept"}, {"z", "marked"}}));
}

TEST_F(PruneTest, ABackupThatWasTakenBackIsNoNewer) {
  for (const char* name : {"a", "b"}) {
    Take(name, {});
    Pass(1h);
  }
  const PruneRequest request{.rules = {.keep_last = 1}};
  EXPECT_EQ(OutcomesOf(request), (Outcomes{{"a", "marked"}, {"b", "kept"}}));
  ASSERT_OK(UndoPrune({}, place_, "a"));
  EXPECT_EQ(OutcomesOf(request), (Outcomes{{"a", "marked"}, {"b", "kept"}}));
}

TEST_F(PruneTest, WithoutSuchATimeThatOfTheNameOrOfTheMetasCounts) {
  Take("backup_2026_01_01_00_00_00_123", {});
  Take("weekly_20260101T000001Z", {});
  Take("by_hand", {});
  ASSERT_OK_AND_ASSIGN(const PruneReport report, Run({.rules = {.keep_last = 1}}));
  EXPECT_EQ(FormatIso8601(Find(report, "backup_2026_01_01_00_00_00_123")->time),
            "2026-01-01T00:00:00Z");
  EXPECT_EQ(FormatIso8601(Find(report, "weekly_20260101T000001Z")->time), "2026-01-01T00:00:01Z");
  EXPECT_EQ(FormatIso8601(Find(report, "by_hand")->time), "2026-01-02T03:04:05Z");
  EXPECT_EQ(ByName(report)["by_hand"], "kept");
}

TEST_F(PruneTest, PrunedAndUnreadableOnesWereTakenWhenTheyWereTaken) {
  const auto taken = Now();
  Take("a", {"c1"});
  Take("empty", {});
  Take("removing", {"c1"});
  Take("tagged", {"c1"});
  Take("torn", {"c1"});
  Take("weekly_20260101T000001Z", {"c1"});
  Pass(1h);
  Take("b", {"c1"});
  Take("empty2", {});
  const PruneRequest request{.rules = {.keep_last = 1}, .grace = 10h};
  EXPECT_EQ(OutcomesOf(request)["torn"], "marked");
  for (const char* name : {"tagged", "torn"}) ASSERT_OK(UndoPrune({}, place_, name));
  Pass(1h);
  Put(Dir("tagged") + "meta/tags.json", "[]");
  Put(Dir("torn") + "meta/collection_meta.json", "{");
  ASSERT_OK_AND_ASSIGN(auto tombstone, meta::ReadTombstone({}, storage_, Dir("removing")));
  tombstone->is_removing = true;
  tombstone->header.clear();
  ASSERT_OK(meta::WriteTombstone({}, storage_, Dir("removing"), *tombstone));
  Put(Dir("weekly_20260101T000001Z") + "meta/tombstone.json", "{");
  ASSERT_OK_AND_ASSIGN(const PruneReport report,
                       Run({.rules = {.keep_last = 1}, .grace = 10h, .dry_run = true}));
  for (const auto& [name, outcome] : Outcomes{{"a", "waiting"},
                                              {"empty", "waiting"},
                                              {"removing", "removed"},
                                              {"tagged", "kept"},
                                              {"torn", "kept"}}) {
    EXPECT_EQ(NameOf(Find(report, name)->outcome), outcome) << name;
    EXPECT_EQ(FormatIso8601(Find(report, name)->time), FormatIso8601(taken)) << name;
  }
  EXPECT_EQ(FormatIso8601(Find(report, "weekly_20260101T000001Z")->time), "2026-01-01T00:00:01Z");
}

TEST_F(PruneTest, TagsKeepABackup) {
  Take("a", {"c1"});
  Take("b", {"c1"});
  Pass(1h);
  Take("d", {"c1"});
  ASSERT_OK(TagBackup({}, place_, "a", {.add = {"release"}}));
  ASSERT_OK_AND_ASSIGN(const PruneReport report,
                       Run({.rules = {.keep_last = 1, .keep_tags = {"release"}}}));
  EXPECT_EQ(ByName(report), (Outcomes{{"a", "kept"}, {"b", "marked"}, {"d", "kept"}}));
  EXPECT_EQ(Find(report, "a")->reasons, std::vector<std::string>{"keep-tag"});
  EXPECT_EQ(Find(report, "a")->tags, std::vector<std::string>{"release"});
}

TEST_F(PruneTest, PartialAndUnfinishedOnesGoByTheirOwnRules) {
  Take("p", {"c1"}, /*is_partial=*/true);
  Abandon("u");
  Put(Dir("nobody") + "binlogs/insert_log/1/2/3/3/100/1", "x");
  Pass(1h);
  Take("a", {"c1", "c2"});
  const PruneRequest request{.rules = {.keep_last = 1}, .grace = 1h};
  EXPECT_EQ(OutcomesOf(request),
            (Outcomes{{"a", "kept"}, {"nobody", "kept"}, {"p", "kept"}, {"u", "kept"}}));
  Pass(24h);
  EXPECT_EQ(OutcomesOf(request)["p"], "marked");
  Pass(24h * 6);
  const Objects before = Stored(Dir("u"));
  EXPECT_EQ(OutcomesOf(request),
            (Outcomes{{"a", "kept"}, {"nobody", "kept"}, {"p", "removed"}, {"u", "marked"}}));
  // Taken back it is what it was: unfinished.
  ASSERT_OK(UndoPrune({}, place_, "u"));
  EXPECT_EQ(Stored(Dir("u")), before);
  EXPECT_EQ(OutcomesOf(request)["u"], "marked");
  Pass(1h);
  EXPECT_EQ(OutcomesOf(request)["u"], "removed");
  EXPECT_THAT(Stored(Dir("u")), IsEmpty());
}

TEST_F(PruneTest, AnUnfinishedOneThatIsWrittenToStays) {
  Abandon("u");
  Pass(24h * 8);
  Put(Dir("u") + "binlogs/insert_log/1/2/3/3/101/1", "new");
  EXPECT_EQ(OutcomesOf({.rules = {.keep_last = 1}})["u"], "kept");
}

TEST_F(PruneTest, WhatHasBecomeTheLastOfACollectionIsNotRemoved) {
  Take("a", {"c1", "c2"});
  Pass(1h);
  Take("b", {"c1", "c2"});
  const PruneRequest request{.rules = {.keep_last = 1}, .grace = 1h};
  EXPECT_EQ(OutcomesOf(request)["a"], "marked");
  ASSERT_OK(DeleteBackup({}, place_, "b"));
  Pass(24h);
  ASSERT_OK_AND_ASSIGN(const PruneReport report, Run(request));
  EXPECT_EQ(ByName(report), (Outcomes{{"a", "waiting"}}));
  EXPECT_EQ(Find(report, "a")->reasons,
            std::vector<std::string>{"last good backup of default.c1 and 1 other collection"});
  ASSERT_OK(UndoPrune({}, place_, "a"));
  EXPECT_EQ(OutcomesOf(request), (Outcomes{{"a", "kept"}}));
}

TEST_F(PruneTest, WhatIsDamagedStaysAndIsNamed) {
  for (const char* name : {"a", "b", "d", "e"}) {
    Take(name, {"c1"});
    Pass(1h);
  }
  Take("newest", {"c1"});
  Put(Dir("a") + "meta/collection_meta.json", "{");
  Put(Dir("b") + "meta/backup_meta.json", "{");
  Put(Dir("d") + "meta/tags.json", "[]");
  ASSERT_OK(storage_.Delete({}, Dir("e") + "meta/backup_meta.json"));
  Put(Dir("e") + "meta/tombstone.json", "{}");
  ASSERT_OK_AND_ASSIGN(const PruneReport report, Run({.rules = {.keep_last = 1}, .grace = 0s}));
  EXPECT_EQ(
      ByName(report),
      (Outcomes{{"a", "kept"}, {"b", "kept"}, {"d", "kept"}, {"e", "kept"}, {"newest", "kept"}}));
  EXPECT_THAT(report.warnings, ElementsAre(HasSubstr("a is kept"), HasSubstr("d is kept"),
                                           HasSubstr("b is kept"), HasSubstr("e is kept")));
  // Others say what there is of the last one, and what to do.
  const Status gone = meta::ReadBackup({}, storage_, Dir("e")).status();
  EXPECT_THAT(gone, IsError(Code::kNotFound, "it was pruned"));
  EXPECT_THAT(gone.message(), HasSubstr("backup/e/meta/tombstone.json is no tombstone"));
  EXPECT_THAT(gone.advice(), HasSubstr("delete -n e"));
}

TEST_F(PruneTest, OldLayoutsAreRead) {
  Take("a", {"c1"});
  ASSERT_OK(storage_.Delete({}, Dir("a") + "meta/collection_meta.json"));
  Pass(1h);
  Take("b", {"c2"});
  EXPECT_EQ(OutcomesOf({.rules = {.keep_last = 1}}), (Outcomes{{"a", "kept"}, {"b", "kept"}}));
}

TEST_F(PruneTest, ADirectoryThatHoldsMoreIsPassedOver) {
  Take("a", {"c1"});
  Take("b", {"c1"});
  Pass(1h);
  Take("d", {"c1"});
  EXPECT_EQ(OutcomesOf({.rules = {.keep_last = 1}, .grace = 1h}),
            (Outcomes{{"a", "marked"}, {"b", "marked"}, {"d", "kept"}}));
  Put(Dir("a") + "stranger", "x");
  Pass(1h);
  // As list does.
  EXPECT_EQ(OutcomesOf({.rules = {.keep_last = 1}}), (Outcomes{{"b", "removed"}, {"d", "kept"}}));
}

Result<std::unique_ptr<BackupClaim>> ClaimFor(const Place& place, const std::string& name) {
  MB_ASSIGN_OR_RETURN(const std::string dir, meta::BackupDir(place.root, name));
  return BackupClaim::Take({}, place, dir, meta::NewRunRecord("create", name));
}

TEST_F(PruneTest, WhatIsNoHeaderIsNotPutBack) {
  Take("a", {"c1"});
  Take("b", {"c1"});
  ASSERT_OK(storage_.Delete({}, Dir("a") + "meta/backup_meta.json"));
  ASSERT_OK(meta::WriteTombstone({}, storage_, Dir("a"), {.header = "hello", .pruned = Now()}));
  const auto before = Stored();
  EXPECT_THAT(UndoPrune({}, place_, "a"), IsError(Code::kDataLoss, "tombstone.json"));
  EXPECT_EQ(Stored(), before);
}

TEST_F(PruneTest, OthersDoNotWriteIntoAPrunedDirectory) {
  Take("a", {"c1"});
  Abandon("u");
  Pass(24h * 8);
  Take("b", {"c1"});
  EXPECT_EQ(OutcomesOf({.rules = {.keep_last = 1}}),
            (Outcomes{{"a", "marked"}, {"b", "kept"}, {"u", "marked"}}));
  for (const char* name : {"a", "u"}) {
    EXPECT_THAT(ClaimFor(place_, name).status(), IsError(Code::kAlreadyExists, "prune --undo"));
  }
  // Nothing was written, so it comes back as it was.
  ASSERT_OK(UndoPrune({}, place_, "u"));
  ASSERT_OK_AND_ASSIGN(const auto claim, ClaimFor(place_, "u"));
  EXPECT_EQ(claim->found(), BackupClaim::Found::kUnfinished);
}

TEST_F(PruneTest, ATombstoneBesideAHeaderIsNothing) {
  Take("a", {"c1"}, /*is_partial=*/true);
  Take("b", {"c2"});
  for (const char* name : {"a", "b"}) {
    ASSERT_OK(meta::WriteTombstone({}, storage_, Dir(name), {.header = "old", .pruned = Now()}));
  }
  ASSERT_OK_AND_ASSIGN(const meta::BackupList list, meta::ListBackups({}, storage_, "backup"));
  EXPECT_EQ(list.backups.size(), 2U);
  EXPECT_THAT(list.pruned, IsEmpty());
  // Whoever is about to take the header away removes it first.
  { ASSERT_OK(ClaimFor(place_, "a")); }
  EXPECT_FALSE(Stored(Dir("a")).contains("meta/tombstone.json"));
  EXPECT_EQ(OutcomesOf({.rules = {.keep_last = 1}})["b"], "kept");
  EXPECT_FALSE(Stored(Dir("b")).contains("meta/tombstone.json"));
}

TEST_F(PruneTest, DeleteRemovesAPrunedBackupAtOnce) {
  Take("a", {"c1"});
  Pass(1h);
  Take("b", {"c1"});
  EXPECT_EQ(OutcomesOf({.rules = {.keep_last = 1}})["a"], "marked");
  ASSERT_OK_AND_ASSIGN(const meta::DeletedBackup there,
                       meta::MeasureBackup({}, storage_, Dir("a")));
  ASSERT_OK_AND_ASSIGN(const meta::DeletedBackup deleted, DeleteBackup({}, place_, "a"));
  EXPECT_EQ(deleted.objects, there.objects);
  EXPECT_THAT(Stored(Dir("a")), IsEmpty());
}

class TagTest : public PruneTest {
 protected:
  std::vector<std::string> Tag(const TagChange& change) {
    const auto tags = TagBackup({}, place_, "a", change);
    EXPECT_OK(tags);
    return tags.ok() ? *tags : std::vector<std::string>();
  }
};

TEST_F(TagTest, AreAddedRemovedAndListed) {
  Take("a", {"c1"});
  EXPECT_THAT(Tag({}), IsEmpty());
  EXPECT_THAT(Tag({.add = {"v2", "release:1.0", "v2"}}), ElementsAre("release:1.0", "v2"));
  EXPECT_THAT(Tag({}), ElementsAre("release:1.0", "v2"));
  EXPECT_THAT(Tag({.add = {"x"}, .remove = {"v2", "never"}}), ElementsAre("release:1.0", "x"));
  ASSERT_OK_AND_ASSIGN(const meta::BackupList list,
                       meta::ListBackups({}, storage_, "backup", /*with_tags=*/true));
  EXPECT_THAT(list.backups.at(0).tags, ElementsAre("release:1.0", "x"));
  EXPECT_THAT(Tag({.remove = {"x", "release:1.0"}}), IsEmpty());
  EXPECT_FALSE(Stored(Dir("a")).contains("meta/tags.json"));
}

TEST_F(TagTest, WrongOnesAreRefused) {
  Take("a", {"c1"});
  for (const std::string tag : {"", "a b", "-x", "a,b", "ä", "a\n"}) {
    EXPECT_THAT(TagBackup({}, place_, "a", {.add = {tag}}).status(),
                IsError(Code::kInvalidArgument, "invalid tag"));
  }
  EXPECT_THAT(TagBackup({}, place_, "a", {.add = {std::string(65, 'x')}}).status(),
              IsError(Code::kInvalidArgument, "64"));
  EXPECT_THAT(TagBackup({}, place_, "a", {.add = {"x"}, .remove = {"x"}}).status(),
              IsError(Code::kInvalidArgument, "added and removed"));
  EXPECT_THAT(TagBackup({}, place_, "b", {.add = {"x"}}).status(),
              IsError(Code::kNotFound, "backup b not found"));
  TagChange many;
  for (int i = 0; i < 101; ++i) many.add.push_back("t" + std::to_string(i));
  EXPECT_THAT(TagBackup({}, place_, "a", many).status(),
              IsError(Code::kInvalidArgument, "at most 100"));
  Put(Dir("a") + "meta/tags.json", "{}");
  EXPECT_THAT(TagBackup({}, place_, "a", {}).status(), IsError(Code::kDataLoss, "tags.json"));
}

TEST_F(TagTest, OnlyReadersDoNotStandInTheWay) {
  Take("a", {"c1"});
  for (const auto& [operation, expected] : std::vector<std::pair<std::string, Code>>{
           {"read", Code::kOk}, {"delete", Code::kAlreadyExists}, {"tag", Code::kAlreadyExists}}) {
    ASSERT_OK_AND_ASSIGN(const auto lock,
                         RunLock::Acquire({}, storage_, BackupLockDir("backup", "a"),
                                          meta::NewRunRecord(operation, "a")));
    EXPECT_EQ(TagBackup({}, place_, "a", {.add = {"x"}}).status().code(), expected) << operation;
  }
}

}  // namespace
}  // namespace milvus_backup::backup
