// What prune leaves when its storage falls silent at every single operation, as a killed process
// leaves it, and what the same command makes of that.
#include "prune_fixture.h"

#include "milvus_backup/backup/delete.h"
#include "milvus_backup/backup/tag.h"

#include <functional>

namespace milvus_backup::backup {
namespace {

using namespace std::chrono_literals;
using ::milvus_backup::testing::IsError;
using ::milvus_backup::testing::kSweepStep;
using ::testing::IsEmpty;
using testing::Life;

constexpr const char* kHeaderPath = "meta/backup_meta.json";
constexpr const char* kTombstonePath = "meta/tombstone.json";

class PruneCrashTest : public PruneTest {
 protected:
  PruneCrashTest() {
    Take("gone", {"c1"});
    Take("old", {"c1", "c2"});
    Abandon("dead");
    Take("torn", {"c1"}, /*is_partial=*/true);
    EXPECT_OK(TagBackup({}, place_, "old", {.add = {"x"}}));
    Pass(24h * 8);
    Take("new", {"c1", "c2"});
    BuryLocks(storage_.immortal(), "backup/.locks/");
    before_ = Stored();
  }

  /// Cut `run` after every number of operations; afterwards `check` looks at what is left, and
  /// `again` must end it.
  void Sweep(const std::function<Status()>& run, const std::function<void()>& check,
             const std::function<void()>& again) {
    const Objects start = Stored();
    life_.Live(Life::kForever);
    ASSERT_OK(run());
    const uint64_t operations = life_.operations();
    ASSERT_GT(operations, 5U);
    // Long runs are cut at every other operation, and with its answer lost at those between.
    const uint64_t step = kSweepStep * (operations > 100 ? 2 : 1);
    for (const bool last_is_lost : {false, true}) {
      for (uint64_t alive = last_is_lost ? step / 2 : 0; alive < operations; alive += step) {
        SCOPED_TRACE(std::to_string(alive) + (last_is_lost ? ", answer lost" : ""));
        Restore(start);
        life_.Live(alive, last_is_lost);
        run().IgnoreError("it was cut");
        life_.Live(Life::kForever);
        BuryLocks(storage_.immortal(), "backup/.locks/");
        check();
        again();
        if (::testing::Test::HasFailure()) return;
      }
    }
  }

  Objects Before(const std::string& name) const {
    Objects objects;
    for (const auto& [key, bytes] : before_) {
      if (key.starts_with(Dir(name))) objects[key.substr(Dir(name).size())] = bytes;
    }
    return objects;
  }

  /// A backup is whole, or there is a tombstone that can bring it back whole or says that it is
  /// being removed, or nothing is there.
  void ExpectWholeOrPruned(const std::string& name) {
    SCOPED_TRACE(name);
    Objects objects = Stored(Dir(name));
    const Objects expected = Before(name);
    const bool has_tombstone = objects.erase(kTombstonePath) == 1;
    const bool had_header = expected.contains(kHeaderPath);
    if (objects == expected && (had_header || !has_tombstone)) return;
    if (!has_tombstone) {
      EXPECT_THAT(objects, IsEmpty());
      return;
    }
    ASSERT_OK_AND_ASSIGN(const auto tombstone,
                         meta::ReadTombstone({}, storage_.immortal(), Dir(name)));
    EXPECT_FALSE(objects.contains(kHeaderPath));
    if (tombstone->is_removing) {
      EXPECT_EQ(tombstone->header, "");
      return;
    }
    if (had_header) objects[kHeaderPath] = tombstone->header;
    EXPECT_TRUE(objects == expected);
  }
  void ExpectNothingBroken() {
    for (const char* name : {"gone", "old", "dead", "torn"}) ExpectWholeOrPruned(name);
    EXPECT_EQ(Stored(Dir("new")), Before("new"));
  }

  Objects before_;
};

TEST_F(PruneCrashTest, MarkingGoesOnAfterASilenceAtAnyOperation) {
  const PruneRequest request{.rules = {.keep_last = 1}, .grace = 1h};
  // What was restored is as old as that.
  Restore(before_);
  ASSERT_OK(Run(request));
  const Objects marked = Stored();
  EXPECT_NE(marked, before_);
  Restore(before_);
  Sweep([&] { return Run(request).status(); }, [&] { ExpectNothingBroken(); },
        [&] {
          ASSERT_OK(Run(request));
          EXPECT_EQ(Stored(), marked);
        });
}

TEST_F(PruneCrashTest, RemovingGoesOnAfterASilenceAtAnyOperation) {
  Objects left;
  for (const auto& [key, bytes] : before_) {
    if (key.starts_with(Dir("new"))) left[key] = bytes;
  }
  ASSERT_OK(Run({.rules = {.keep_last = 1}, .grace = 1h}));
  Pass(1h);
  Sweep([&] { return Run({.rules = {.keep_last = 1}}).status(); }, [&] { ExpectNothingBroken(); },
        [&] {
          ASSERT_OK(Run({.rules = {.keep_last = 1}}));
          EXPECT_EQ(Stored(), left);
        });
}

TEST_F(PruneCrashTest, BothStepsInOneRunGoOnAfterASilenceAtAnyOperation) {
  const PruneRequest request{.rules = {.keep_last = 1}, .grace = 0s};
  Sweep([&] { return Run(request).status(); }, [&] { ExpectNothingBroken(); },
        [&] {
          ASSERT_OK(Run(request));
          for (const char* name : {"gone", "old", "dead", "torn"}) {
            EXPECT_THAT(Stored(Dir(name)), IsEmpty()) << name;
          }
          EXPECT_EQ(Stored(Dir("new")), Before("new"));
        });
}

TEST_F(PruneCrashTest, TakingBackGoesOnAfterASilenceAtAnyOperation) {
  ASSERT_OK(Run({.rules = {.keep_last = 1}}));
  for (const std::string name : {"old", "dead"}) {
    Sweep([&] { return UndoPrune({}, place_, name); }, [&] { ExpectNothingBroken(); },
          [&] {
            const Status undone = UndoPrune({}, place_, name);
            if (!undone.ok()) {
              EXPECT_THAT(undone, IsError(Code::kFailedPrecondition, "not pruned"));
            }
            EXPECT_EQ(Stored(Dir(name)), Before(name));
          });
  }
}

TEST_F(PruneCrashTest, WhatADeleteHasBegunIsNotTakenBack) {
  ASSERT_OK(Run({.rules = {.keep_last = 1}}));
  Sweep([&] { return DeleteBackup({}, place_, "old").status(); }, [&] { ExpectNothingBroken(); },
        [&] {
          if (UndoPrune({}, place_, "old").ok()) {
            EXPECT_EQ(Stored(Dir("old")), Before("old"));
          }
          const Status deleted = DeleteBackup({}, place_, "old").status();
          EXPECT_TRUE(deleted.ok() || deleted.code() == Code::kNotFound) << deleted.ToString();
          EXPECT_THAT(Stored(Dir("old")), IsEmpty());
        });
}

}  // namespace
}  // namespace milvus_backup::backup
