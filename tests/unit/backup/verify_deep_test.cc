// verify --deep and --seal on a backup of the reference tool: whole, and damaged in every way.
#include "backup/seal.h"
#include "mortal_backend.h"
#include "support/faulty_backend.h"
#include "support/status_matchers.h"
#include "support/test_paths.h"

#include "milvus_backup/backup/verify.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/meta/manifest.h"
#include "milvus_backup/meta/run_record.h"
#include "milvus_backup/storage/memory_backend.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace milvus_backup::backup {
namespace {

namespace fs = std::filesystem;
using ::milvus_backup::testing::IsError;
using ::testing::Contains;
using ::testing::IsEmpty;

constexpr char kDir[] = "backup/golden/";
/// Random damages in one run; MB_SEED chooses others.
constexpr int kMutations = 60;

class VerifyDeepTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const fs::path root = testing::TestDataDir() + "/backups/golden_0516";
    for (const auto& entry : fs::recursive_directory_iterator(root)) {
      if (!entry.is_regular_file()) continue;
      std::ifstream file(entry.path(), std::ios::binary);
      originals_[kDir + entry.path().lexically_relative(root).generic_string()] = {
          std::istreambuf_iterator<char>(file), {}};
    }
    for (const auto& [key, text] : originals_) Put(key, text);
  }

  void Put(const std::string& key, const std::string& text) {
    ASSERT_OK(storage_->Put({}, key, AsBytes(text), {}));
  }
  std::string Get(const std::string& key) {
    auto text = storage::ReadAll({}, *storage_, key, 64 * kMiB);
    EXPECT_OK(text);
    return text.ok() ? *text : "";
  }

  Result<VerifyReport> Verify(VerifyOptions options) {
    found_.clear();
    options.name = "golden";
    options.on_problem = [this](const VerifyProblem& problem) { found_.insert(problem.key); };
    return VerifyBackup({}, {.backend = storage_.get(), .root = "backup"}, options);
  }
  void Seal() {
    ASSERT_OK_AND_ASSIGN(const VerifyReport report, Verify({.deep = true, .seal = true}));
    ASSERT_THAT(found_, IsEmpty());
    ASSERT_TRUE(report.sealed_now);
    originals_.clear();
    ASSERT_OK(storage::ForEachObject({}, *storage_, kDir, [&](const storage::ObjectInfo& object) {
      originals_[object.key] = Get(object.key);
      return Status::Ok();
    }));
  }
  /// As it was when it was sealed, or loaded.
  void Mend() {
    std::vector<std::string> strangers;
    ASSERT_OK(storage::ForEachObject({}, *storage_, kDir, [&](const storage::ObjectInfo& object) {
      if (!originals_.contains(object.key)) strangers.push_back(object.key);
      return Status::Ok();
    }));
    for (const std::string& key : strangers) ASSERT_OK(storage_->Delete({}, key));
    for (const auto& [key, text] : originals_) Put(key, text);
  }
  std::string AnyKey(std::mt19937& random, const std::string& part) {
    std::vector<std::string> keys;
    for (const auto& [key, text] : originals_) {
      if (key.find(part) != std::string::npos) keys.push_back(key);
    }
    return keys[random() % keys.size()];
  }

  std::map<std::string, std::string> originals_;
  std::unique_ptr<storage::Backend> storage_ = storage::MakeMemoryBackend();
  std::set<std::string> found_;
};

TEST_F(VerifyDeepTest, BackupOfTheReferenceToolIsWhole) {
  ASSERT_OK_AND_ASSIGN(const VerifyReport report, Verify({.deep = true}));
  EXPECT_THAT(found_, IsEmpty());
  EXPECT_FALSE(report.has_manifest);
  EXPECT_EQ(report.read_objects, 133U);
}

TEST_F(VerifyDeepTest, SealingAddsAManifestAndNothingElse) {
  const auto before = originals_;
  Seal();
  for (const auto& [key, text] : before) {
    if (key == "backup/golden/meta/backup_meta.json") continue;
    EXPECT_EQ(Get(key), text) << key;
  }
  const std::string header = before.at("backup/golden/meta/backup_meta.json");
  EXPECT_TRUE(Get("backup/golden/meta/backup_meta.json")
                  .starts_with(header.substr(0, header.size() - 1) + ",\"manifest_sha256\":\""));
  EXPECT_EQ(originals_.size(), before.size() + 2);
  ASSERT_OK_AND_ASSIGN(const VerifyReport again, Verify({.deep = true, .seal = true}));
  EXPECT_FALSE(again.sealed_now);
  EXPECT_FALSE(again.sealed.empty());
  EXPECT_EQ(again.hashes, 133U + 4U);
}

TEST_F(VerifyDeepTest, DamagedBackupIsNotSealed) {
  const std::string key = originals_.begin()->first;
  ASSERT_THAT(key, ::testing::HasSubstr("_log/"));
  std::string text = Get(key);
  text.resize(text.size() - 1);
  Put(key, text);
  ASSERT_OK_AND_ASSIGN(const VerifyReport report, Verify({.deep = true, .seal = true}));
  EXPECT_FALSE(report.sealed_now);
  EXPECT_THAT(found_, Contains(key));
  EXPECT_THAT(storage_->Stat({}, "backup/golden/meta/manifest.json").status(),
              IsError(Code::kNotFound, ""));
}

TEST_F(VerifyDeepTest, SealingThatFailsLeavesNothing) {
  auto faulty = std::make_unique<testing::FaultyBackend>(std::move(storage_));
  testing::FaultyBackend& faults = *faulty;
  storage_ = std::move(faulty);
  // The first two are the lock's, then come the marker, the only part, and the index.
  for (const uint32_t puts : {1U, 2U, 3U, 4U}) {
    faults.Plan(storage::Method::kPut, {.error = InternalError("disk on fire"), .skip = puts});
    EXPECT_THAT(Verify({.deep = true, .seal = true}).status(),
                IsError(Code::kInternal, "disk on fire"));
    EXPECT_TRUE(faults.AllHit()) << faults.NotHit();
    ASSERT_OK(storage::ForEachObject({}, *storage_, kDir, [&](const storage::ObjectInfo& object) {
      EXPECT_TRUE(originals_.contains(object.key)) << object.key << " is left after " << puts;
      return Status::Ok();
    }));
  }
  Seal();
}

TEST_F(VerifyDeepTest, SealingThatFailsWithoutItsLockLeavesWhatAnotherRunHasWritten) {
  auto faulty = std::make_unique<testing::FaultyBackend>(std::move(storage_));
  testing::FaultyBackend& faults = *faulty;
  storage_ = std::move(faulty);
  const std::string index = meta::ManifestKey(kDir);
  faults.Plan(storage::Method::kPut, {.error = InternalError("disk on fire"),
                                      .callback =
                                          [&] {
                                            StealLocks(*storage_, "backup/.locks/");
                                            Put(index, "finished");
                                          },
                                      .skip = 3});
  EXPECT_THAT(Verify({.deep = true, .seal = true}).status(),
              IsError(Code::kInternal, "disk on fire"));
  EXPECT_TRUE(faults.AllHit()) << faults.NotHit();
  EXPECT_EQ(Get(index), "finished");
}

TEST_F(VerifyDeepTest, SealingThatDiedIsNoDamageAndGoesOn) {
  Seal();
  // As a run leaves it that died before it wrote the header.
  Put("backup/golden/meta/run.json",
      meta::EncodeRunRecord(meta::NewRunRecord(kSealOperation, "golden")));
  std::string header = Get("backup/golden/meta/backup_meta.json");
  Put("backup/golden/meta/backup_meta.json", header.substr(0, header.find(",\"manifest")) + "}");
  ASSERT_OK_AND_ASSIGN(const VerifyReport report, Verify({}));
  EXPECT_THAT(found_, IsEmpty());
  EXPECT_FALSE(report.has_manifest);
  ASSERT_OK_AND_ASSIGN(const VerifyReport sealed, Verify({.deep = true, .seal = true}));
  EXPECT_THAT(found_, IsEmpty());
  EXPECT_TRUE(sealed.sealed_now);
  EXPECT_THAT(storage_->Stat({}, "backup/golden/meta/run.json").status(),
              IsError(Code::kNotFound, ""));
}

TEST_F(VerifyDeepTest, SampleReadsAShareOfTheLogs) {
  Seal();
  ASSERT_OK_AND_ASSIGN(const VerifyReport one, Verify({.deep = true, .sample = 0.2, .seed = 1}));
  EXPECT_THAT(found_, IsEmpty());
  EXPECT_GT(one.read_objects, 4U);
  EXPECT_LT(one.read_objects, 80U);
  ASSERT_OK_AND_ASSIGN(const VerifyReport same, Verify({.deep = true, .sample = 0.2, .seed = 1}));
  EXPECT_EQ(same.read_bytes, one.read_bytes);
  ASSERT_OK_AND_ASSIGN(const VerifyReport other, Verify({.deep = true, .sample = 0.2, .seed = 2}));
  EXPECT_NE(other.read_bytes, one.read_bytes);
}

/// One way to damage a backup, and the keys of which one must be named.
struct Damage {
  std::string what;
  std::set<std::string> keys;
  /// Names or sizes differ: the quick check must see it too.
  bool structural = false;
};

TEST_F(VerifyDeepTest, EveryDamageOfASealedBackupIsFoundAndNamed) {
  Seal();
  const char* env = std::getenv("MB_SEED");
  const auto seed = static_cast<unsigned>(env == nullptr ? 1 : std::strtoul(env, nullptr, 10));
  std::mt19937 random(seed);
  const std::string manifest = "backup/golden/meta/manifest.json";
  const auto damage = [&]() -> Damage {
    const std::string log = AnyKey(random, "_log/");
    const std::string any = AnyKey(random, "backup/golden/");
    std::string text = Get(any);
    switch (random() % 8) {
      case 0: {
        const size_t at = random() % text.size();
        text[at] = static_cast<char>(text[at] ^ (1 << random() % 8));
        Put(any, text);
        return {fmt::format("bit of byte {} of {}", at, any), {any}, false};
      }
      case 1:
        Put(any, text.substr(0, random() % text.size()));
        return {"truncated " + any, {any}, true};
      case 2:
        Put(any, text + std::string(1 + random() % 100, 'x'));
        return {"grown " + any, {any}, true};
      case 3:
        if (any.ends_with("backup_meta.json")) break;  // then there is no backup
        EXPECT_OK(storage_->Delete({}, any));
        return {"deleted " + any, {any}, true};
      case 4: {
        const std::string other = AnyKey(random, "_log/");
        if (originals_[log] == originals_[other]) break;
        Put(log, originals_[other]);
        Put(other, originals_[log]);
        return {"exchanged " + log + " and " + other, {log, other}, false};
      }
      case 5: {
        const std::string copy = log + "9";
        Put(copy, originals_[log]);
        return {"duplicate " + copy, {copy}, true};
      }
      case 6: {
        const std::string meta = AnyKey(random, "/meta/");
        std::string edited = Get(meta);
        const size_t at = edited.find_first_of("123456789", random() % edited.size());
        if (at == std::string::npos) break;
        edited[at] = edited[at] == '7' ? '8' : '7';
        Put(meta, edited);
        Damage made{fmt::format("digit {} of {}", at, meta), {meta}, false};
        // Of a header and a manifest that do not fit to each other the manifest is named.
        if (meta.ends_with("backup_meta.json")) made.keys.insert(manifest);
        return made;
      }
      default:
        EXPECT_OK(storage_->Delete({}, manifest));
        return {"manifest removed", {manifest}, true};
    }
    return {};
  };
  for (int done = 0; done < kMutations;) {
    const Damage made = damage();
    if (made.keys.empty()) continue;
    ++done;
    SCOPED_TRACE(fmt::format("MB_SEED={} mutation {}: {}", seed, done, made.what));
    const auto is_named = [&] {
      for (const std::string& found : found_) {
        // A meta that cannot be read is named by its directory and in the text.
        for (const std::string& key : made.keys) {
          if (found == key || (found.ends_with('/') && key.starts_with(found))) return true;
        }
      }
      return false;
    };
    const auto deep = Verify({.deep = true});
    EXPECT_OK(deep);
    EXPECT_TRUE(is_named()) << ::testing::PrintToString(found_);
    if (made.structural) {
      EXPECT_OK(Verify({}));
      EXPECT_TRUE(is_named()) << ::testing::PrintToString(found_);
    }
    Mend();
  }
}

}  // namespace
}  // namespace milvus_backup::backup
