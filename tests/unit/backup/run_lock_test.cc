#include "milvus_backup/backup/run_lock.h"

#include "support/status_matchers.h"

#include "milvus_backup/base/clock.h"
#include "milvus_backup/storage/memory_backend.h"

#include <gtest/gtest.h>

#include <atomic>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace milvus_backup::backup {
namespace {

using namespace std::chrono_literals;
using ::milvus_backup::testing::IsError;

class RunLockTest : public ::testing::Test {
 protected:
  Result<std::unique_ptr<RunLock>> Acquire(const meta::RunRecord& record,
                                           const RunLockOptions& options = {}) {
    return RunLock::Acquire({}, *backend_, BackupLockDir("backup", record.backup), record, options);
  }
  std::vector<std::string> Locks() {
    std::vector<std::string> keys;
    EXPECT_OK(storage::ForEachObject({}, *backend_, "backup/.locks/",
                                     [&](const storage::ObjectInfo& object) {
                                       keys.push_back(object.key);
                                       return Status::Ok();
                                     }));
    return keys;
  }
  void Leave(const meta::RunRecord& record) {
    const std::string key = "backup/.locks/" + record.backup + "/" + record.run_id + ".json";
    EXPECT_OK(backend_->Put({}, key, AsBytes(meta::EncodeRunRecord(record)), {}));
  }

  std::unique_ptr<storage::Backend> backend_ = storage::MakeMemoryBackend();
  const meta::RunRecord mine_ = meta::NewRunRecord("create", "b");
};

TEST_F(RunLockTest, IsThereUntilReleased) {
  {
    ASSERT_OK_AND_ASSIGN(const auto lock, Acquire(mine_));
    EXPECT_EQ(Locks(), std::vector<std::string>{"backup/.locks/b/" + mine_.run_id + ".json"});
    EXPECT_OK(lock->Check({}));
  }
  EXPECT_TRUE(Locks().empty());
}

TEST_F(RunLockTest, TheSecondRunIsToldOfTheFirst) {
  ASSERT_OK_AND_ASSIGN(const auto lock, Acquire(mine_));
  meta::RunRecord other = meta::NewRunRecord("delete", "b");
  EXPECT_THAT(Acquire(other).status(), IsError(Code::kAlreadyExists, "create by process"));
  EXPECT_EQ(Locks().size(), 1U);
  EXPECT_OK(lock->Check({}));
  other.backup = "another";
  EXPECT_OK(Acquire(other).status());
}

TEST_F(RunLockTest, ALockOfAnEndedProcessIsTakenOver) {
  meta::RunRecord dead = meta::NewRunRecord("create", "b");
  const pid_t child = fork();
  if (child == 0) _exit(0);
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  dead.process.pid = child;
  dead.held = true;
  Leave(dead);
  ASSERT_OK_AND_ASSIGN(const auto lock, Acquire(mine_));
  EXPECT_EQ(Locks().size(), 1U);
}

TEST_F(RunLockTest, ALockOfAnotherMachineLivesUntilItIsOld) {
  meta::RunRecord remote = meta::NewRunRecord("create", "b");
  remote.process.machine = "elsewhere";
  remote.held = true;
  Leave(remote);
  EXPECT_THAT(Acquire(mine_).status(), IsError(Code::kAlreadyExists, "create by process"));
  std::this_thread::sleep_for(30ms);
  EXPECT_OK(Acquire(mine_, {.lifetime = 20ms}).status());
}

TEST_F(RunLockTest, OfRunsThatComeTogetherOneAtATimeGoesOn) {
  constexpr int kRuns = 8;
  std::atomic<int> inside = 0;
  std::atomic<int> served = 0;
  {
    std::vector<std::jthread> runs;
    for (int i = 0; i < kRuns; ++i) {
      runs.emplace_back([&] {
        const auto lock = Acquire(meta::NewRunRecord("create", "b"), {.patience = 200ms});
        if (!lock.ok()) return;
        EXPECT_EQ(++inside, 1);
        ++served;
        std::this_thread::sleep_for(5ms);
        --inside;
      });
    }
  }
  EXPECT_GE(served, 1);
  EXPECT_TRUE(Locks().empty());
}

TEST_F(RunLockTest, AStolenLockIsNoticedAndDoesNotComeBack) {
  ASSERT_OK_AND_ASSIGN(const auto lock, Acquire(mine_, {.renewal = 5ms}));
  std::this_thread::sleep_for(30ms);
  EXPECT_OK(lock->Check({}));
  EXPECT_OK(backend_->Delete({}, "backup/.locks/b/" + mine_.run_id + ".json"));
  // A renewal that was on its way may have written once more.
  std::this_thread::sleep_for(30ms);
  EXPECT_OK(backend_->Delete({}, "backup/.locks/b/" + mine_.run_id + ".json"));
  std::this_thread::sleep_for(30ms);
  EXPECT_THAT(lock->Check({}), IsError(Code::kAborted, "lost its lock"));
}

/// Of a storage whose objects were written some time ago.
class SlowClock final : public Clock {
 public:
  explicit SlowClock(std::chrono::minutes age) : age_(age) {}
  std::chrono::steady_clock::time_point Now() const override { return Clock::Real().Now(); }
  std::chrono::system_clock::time_point WallNow() const override {
    return Clock::Real().WallNow() - age_;
  }
  bool SleepFor(std::chrono::nanoseconds duration, const std::stop_token& stop) override {
    return Clock::Real().SleepFor(duration, stop);
  }

 private:
  const std::chrono::minutes age_;
};

TEST_F(RunLockTest, OthersAreSeenWithoutALockToo) {
  const auto look = [&] {
    return RunLock::CheckNoOther({}, *backend_, BackupLockDir("backup", "b"), mine_);
  };
  EXPECT_OK(look());
  meta::RunRecord other = meta::NewRunRecord("create", "b");
  other.process.machine = "elsewhere";
  SlowClock not_long_ago(10min);
  SlowClock long_ago(20min);
  backend_ = storage::MakeMemoryBackend({}, not_long_ago);
  Leave(other);
  EXPECT_THAT(look(), IsError(Code::kAlreadyExists, "create by process"));
  backend_ = storage::MakeMemoryBackend({}, long_ago);
  Leave(other);
  EXPECT_OK(look());
  EXPECT_EQ(Locks().size(), 1U);  // left for whoever takes one
}

TEST_F(RunLockTest, RestoresConflictOverTheirTargets) {
  const auto acquire = [&](const std::string& target) {
    meta::RunRecord record = meta::NewRunRecord("restore", "b");
    record.targets.insert(target);
    return RunLock::Acquire({}, *backend_, kRestoreLockDir, record);
  };
  ASSERT_OK_AND_ASSIGN(const auto lock, acquire("default.a"));
  EXPECT_OK(acquire("default.b").status());
  EXPECT_THAT(acquire("default.a").status(),
              IsError(Code::kAlreadyExists, "the same collections are being restored: restore"));
}

TEST_F(RunLockTest, SomethingElseAmongTheLocksIsNamed) {
  EXPECT_OK(backend_->Put({}, "backup/.locks/b/x.json", AsBytes("no json"), {}));
  EXPECT_THAT(Acquire(mine_).status(), IsError(Code::kDataLoss, "backup/.locks/b/x.json"));
  EXPECT_EQ(Locks().size(), 1U);
}

}  // namespace
}  // namespace milvus_backup::backup
