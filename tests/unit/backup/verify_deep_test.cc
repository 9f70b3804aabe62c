// verify --deep and --seal on backups of the reference tool: whole, and damaged in every way.
#include "milvus_backup/backup/verify_deep.h"

#include "backup/seal.h"
#include "mortal_backend.h"
#include "support/faulty_backend.h"
#include "support/status_matchers.h"
#include "support/test_paths.h"

#include "milvus_backup/backup/inspect.h"
#include "milvus_backup/backup/verify.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/meta/manifest.h"
#include "milvus_backup/meta/reader.h"
#include "milvus_backup/meta/run_record.h"
#include "milvus_backup/storage/intercepting_backend.h"
#include "milvus_backup/storage/memory_backend.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace milvus_backup::backup {
namespace {

namespace fs = std::filesystem;
using ::milvus_backup::testing::IsError;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr char kDir[] = "backup/golden/";
constexpr char kHeader[] = "backup/golden/meta/backup_meta.json";
constexpr char kFullMeta[] = "backup/golden/meta/full_meta.json";
constexpr char kManifest[] = "backup/golden/meta/manifest.json";

/// Reading these keys fails, however often it is tried.
class UnreadableBackend final : public storage::InterceptingBackend {
 public:
  explicit UnreadableBackend(std::unique_ptr<storage::Backend> inner)
      : InterceptingBackend(std::move(inner)) {}

  std::set<std::string> keys;
  /// The service does not answer at all.
  bool is_gone = false;

 protected:
  Status Around(const CallContext&, const storage::CallInfo& info, storage::CallRef call) override {
    const bool fails =
        is_gone || (info.method == storage::Method::kRead && keys.contains(std::string(info.key)));
    return fails ? Status(Code::kUnavailable, "the disk does not answer") : call();
  }
};

class VerifyDeepTest : public ::testing::Test {
 protected:
  void SetUp() override { Load("golden_0516"); }

  void Load(const std::string& backup) {
    originals_.clear();
    // The logs of both backups are the same and kept once.
    LoadFiles("golden_0516", "binlogs");
    LoadFiles(backup, "meta");
    Mend();
  }
  void LoadFiles(const std::string& backup, const std::string& part) {
    const fs::path root = testing::TestDataDir() + "/backups/" + backup;
    for (const auto& entry : fs::recursive_directory_iterator(root / part)) {
      if (!entry.is_regular_file()) continue;
      std::ifstream file(entry.path(), std::ios::binary);
      originals_[kDir + entry.path().lexically_relative(root).generic_string()] = {
          std::istreambuf_iterator<char>(file), {}};
    }
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
  /// Of the originals, one with `part` in its key.
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

TEST_F(VerifyDeepTest, WithoutAManifestTheOtherMetasAreComparedWithFullMeta) {
  for (const char* name : {"collection_meta", "partition_meta", "segment_meta"}) {
    const std::string key = fmt::format("{}meta/{}.json", kDir, name);
    const std::string text = Get(key);
    Put(key, text.substr(0, text.size() - 1));
    ASSERT_OK_AND_ASSIGN(const VerifyReport report, Verify({.deep = true, .seal = true}));
    EXPECT_THAT(found_, ElementsAre(key));
    EXPECT_FALSE(report.sealed_now);
    ASSERT_OK(storage_->Delete({}, key));
    ASSERT_OK(Verify({.deep = true}));
    EXPECT_THAT(found_, ElementsAre(key));
    Put(key, text);
  }
  std::string full = Get(kFullMeta);
  const std::string dynamic = R"("enable_dynamic_field":true)";
  const size_t at = full.find(dynamic);
  ASSERT_NE(at, std::string::npos);
  Put(kFullMeta, full.replace(at, dynamic.size(), R"("enable_dynamic_field":null)"));
  ASSERT_OK(Verify({.deep = true}));
  EXPECT_THAT(found_, Contains("backup/golden/meta/collection_meta.json"));
}

TEST_F(VerifyDeepTest, HashesAreComparedAlsoWhenTheMetasCannotBeRead) {
  Seal();
  const std::string log = originals_.begin()->first;
  ASSERT_THAT(log, ::testing::HasSubstr("_log/"));
  std::string text = Get(log);
  text[text.size() / 2] = static_cast<char>(text[text.size() / 2] ^ 1);
  Put(log, text);
  text = Get(kFullMeta);
  text[text.size() / 2] = '\x01';
  Put(kFullMeta, text);
  ASSERT_OK_AND_ASSIGN(const VerifyReport report, Verify({.deep = true}));
  EXPECT_THAT(found_, ElementsAre(log, kFullMeta));
  EXPECT_EQ(report.read_objects, 133U + 4U);
  EXPECT_EQ(report.hashes, 133U + 4U - 2U);
  ASSERT_OK_AND_ASSIGN(const VerifyReport sample, Verify({.deep = true, .sample = 0.2}));
  EXPECT_THAT(found_, Contains(kFullMeta));
  EXPECT_LT(sample.read_objects, 80U);
}

TEST_F(VerifyDeepTest, ObjectsThatCannotBeReadDoNotHideOthers) {
  for (const bool is_sealed : {false, true}) {
    if (is_sealed) Seal();
    auto unreadable = std::make_unique<UnreadableBackend>(std::move(storage_));
    UnreadableBackend& faults = *unreadable;
    storage_ = std::move(unreadable);
    const std::string damaged = std::prev(originals_.lower_bound("backup/golden/meta/"))->first;
    std::string text = Get(damaged);
    text[text.size() / 2] = static_cast<char>(text[text.size() / 2] ^ 1);
    Put(damaged, text);
    faults.keys = {originals_.begin()->first, std::next(originals_.begin(), 20)->first};
    std::set<std::string> expected = faults.keys;
    expected.insert(damaged);
    ASSERT_OK(Verify({.deep = true, .seal = true}));
    EXPECT_EQ(found_, expected);
    // One that is no log.
    Mend();
    faults.keys = {"backup/golden/meta/segment_meta.json"};
    ASSERT_OK(Verify({.deep = true}));
    EXPECT_EQ(found_, faults.keys);
    faults.keys.clear();
    Mend();
  }
}

TEST_F(VerifyDeepTest, AStorageThatReadsNothingEndsTheCheck) {
  auto unreadable = std::make_unique<UnreadableBackend>(std::move(storage_));
  UnreadableBackend& faults = *unreadable;
  storage_ = std::move(unreadable);
  for (const auto& [key, text] : originals_) {
    if (key.find("_log/") != std::string::npos) faults.keys.insert(key);
  }
  EXPECT_THAT(Verify({.deep = true}).status(), IsError(Code::kUnavailable, "does not answer"));
  EXPECT_LT(found_.size(), 20U);
}

TEST_F(VerifyDeepTest, AStorageThatIsGoneEndsTheCheckAtOnce) {
  auto unreadable = std::make_unique<UnreadableBackend>(std::move(storage_));
  UnreadableBackend& faults = *unreadable;
  storage_ = std::move(unreadable);
  ASSERT_OK_AND_ASSIGN(const meta::BackupInfo info, meta::ReadBackup({}, *storage_, kDir));
  faults.is_gone = true;
  EXPECT_THAT(VerifyDeep({}, {.backend = storage_.get(), .dir = kDir}, info, {},
                         {.on_finding =
                              [](const VerifyFinding& finding) {
                                ADD_FAILURE() << finding.path << ": " << finding.found;
                                return Status::Ok();
                              }})
                  .status(),
              IsError(Code::kUnavailable, "does not answer"));
}

/// One way to damage a backup, and the keys of which one must be named.
struct Damage {
  std::string what;
  std::set<std::string> keys;
  /// Names or sizes differ: the quick check of a backup with a manifest must see it too.
  bool structural = false;
};

struct DamageCase {
  std::string backup;
  bool sealed = false;
};

/// Number in an environment variable.
unsigned FromEnvironment(const char* name, unsigned otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : static_cast<unsigned>(std::strtoul(text, nullptr, 10));
}

class BackupDamageTest : public VerifyDeepTest, public ::testing::WithParamInterface<DamageCase> {
 protected:
  /// Random damages of one backup: 60 in all cases together. MB_SEED chooses others, MB_MUTATIONS
  /// how many.
  static constexpr unsigned kMutations = 15;

  void SetUp() override {
    Load(GetParam().backup);
    if (GetParam().sealed) Seal();
  }

  std::string AnyKey(const std::string& part = kDir) {
    return VerifyDeepTest::AnyKey(random_, part);
  }
  unsigned Draw(size_t below) { return static_cast<unsigned>(random_() % below); }

  /// Nothing when what was drawn changes nothing.
  Damage Make() {
    const std::string any = AnyKey();
    switch (Draw(11)) {
      case 0:
        return FlipBit(any);
      case 1:
        Put(any, originals_[any].substr(0, Draw(originals_[any].size())));
        return {"truncated " + any, {any}, true};
      case 2:
        Put(any, originals_[any] + std::string(1 + Draw(100), 'x'));
        return {"grown " + any, {any}, true};
      case 3:
        EXPECT_OK(storage_->Delete({}, any));
        return {"deleted " + any, {any}, true};
      case 4:
        return ExchangeLogs();
      case 5:
        return Add(AnyKey("_log/") + "9", "duplicate ");
      case 6:
        return EditDigit(AnyKey("/meta/"));
      case 7:
        return ExchangeSegments();
      case 8:
        return AddStale();
      case 9:
        EXPECT_OK(storage_->Delete({}, kHeader));
        return {"header removed", {kHeader}, true};
      default:
        if (!GetParam().sealed) return {};
        EXPECT_OK(storage_->Delete({}, kManifest));
        return {"manifest removed", {kManifest}, true};
    }
  }

  Damage FlipBit(const std::string& key) {
    std::string text = originals_[key];
    const size_t at = Draw(text.size());
    text[at] = static_cast<char>(text[at] ^ (1 << Draw(8)));
    Put(key, text);
    return WithManifest({fmt::format("bit of byte {} of {}", at, key), {key}, false});
  }

  Damage EditDigit(const std::string& key) {
    std::string text = originals_[key];
    const size_t at = text.find_first_of("123456789", Draw(text.size()));
    if (at == std::string::npos) return {};
    text[at] = text[at] == '7' ? '8' : '7';
    Put(key, text);
    return WithManifest({fmt::format("digit {} of {}", at, key), {key}, false});
  }

  Damage ExchangeLogs() {
    const std::string log = AnyKey("_log/");
    const std::string other = AnyKey("_log/");
    if (originals_[log] == originals_[other]) return {};
    Put(log, originals_[other]);
    Put(other, originals_[log]);
    return {"exchanged " + log + " and " + other, {log, other}, false};
  }

  /// All logs of two segments, field by field, as if their directories had been renamed.
  Damage ExchangeSegments() {
    const auto logs_of = [&](const std::string& log) {
      const std::string segment = log.substr(0, log.rfind('/', log.rfind('/') - 1) + 1);
      std::vector<std::string> keys;
      for (const auto& [key, text] : originals_) {
        if (key.starts_with(segment)) keys.push_back(key);
      }
      return keys;
    };
    const std::vector<std::string> logs = logs_of(AnyKey("/insert_log/"));
    const std::vector<std::string> others = logs_of(AnyKey("/insert_log/"));
    if (logs == others) return {};
    Damage made{"exchanged the segments of " + logs[0] + " and " + others[0], {}, false};
    for (size_t i = 0; i < std::min(logs.size(), others.size()); ++i) {
      Put(logs[i], originals_[others[i]]);
      Put(others[i], originals_[logs[i]]);
      made.keys.insert({logs[i], others[i]});
    }
    return made;
  }

  /// A log that an earlier backup of the name has left: of a segment that is no longer there, or of
  /// one that is.
  Damage AddStale() {
    const std::string log = AnyKey("_log/");
    std::vector<std::string> levels;
    for (const auto& level : fs::path(log)) levels.push_back(level.string());
    const size_t segment =
        log.find("/insert_log/") == std::string::npos ? levels.size() - 2 : levels.size() - 3;
    if (Draw(2) == 0) {
      for (const size_t level : {segment - 1, segment}) levels[level] = "470629250807000001";
    } else {
      levels.back() = "470629250807000002";
    }
    std::string key = levels[0];
    for (size_t i = 1; i < levels.size(); ++i) key += "/" + levels[i];
    Put(key, originals_[log]);
    return {"stale " + key, {key}, true};
  }

  Damage Add(const std::string& key, const std::string& what) {
    Put(key, originals_[key.substr(0, key.size() - 1)]);
    return {what + key, {key}, true};
  }

  /// Of a header and a manifest that do not fit to each other the manifest is named.
  static Damage WithManifest(Damage made) {
    if (made.keys.contains(kHeader)) made.keys.insert(kManifest);
    return made;
  }

  bool IsNamed(const Damage& made) const {
    return std::ranges::any_of(made.keys, [&](const std::string& key) {
      // Parts of a manifest that do not fit to its index are named together.
      const bool is_part = key.starts_with(meta::ManifestPartsDir(kDir));
      return found_.contains(key) || (is_part && found_.contains(meta::ManifestPartsDir(kDir)));
    });
  }

  /// All that the backup holds: the live rows of every collection, or why they cannot be read.
  std::string Rows() {
    std::string rows;
    for (const CollectionName& name : collections_) {
      const auto read = InspectRows({}, {.backend = storage_.get(), .dir = kDir}, name,
                                    std::numeric_limits<uint64_t>::max(), RowFormat::kJson,
                                    [&](std::string_view text) {
                                      rows += text;
                                      return Status::Ok();
                                    });
      if (!read.ok()) rows += read.status().ToString();
    }
    return rows;
  }

  const unsigned seed_ = FromEnvironment("MB_SEED", 1);
  std::mt19937 random_{seed_};
  const std::vector<CollectionName> collections_ = {{"default", "golden_types"},
                                                    {"default", "golden_multi"},
                                                    {"default", "golden_pkey"},
                                                    {"default", "golden_empty"},
                                                    {"shop", "books"}};
};

TEST_P(BackupDamageTest, IsFound) {
  const std::string rows = Rows();
  ASSERT_GT(rows.size(), 10000U);
  const unsigned mutations = FromEnvironment("MB_MUTATIONS", kMutations);
  for (unsigned done = 0; done < mutations;) {
    const Damage made = Make();
    if (made.keys.empty()) continue;
    ++done;
    SCOPED_TRACE(fmt::format("MB_SEED={} mutation {}: {}", seed_, done, made.what));
    const auto deep = Verify({.deep = true});
    EXPECT_OK(deep);
    if (GetParam().sealed) {
      EXPECT_TRUE(IsNamed(made)) << ::testing::PrintToString(found_);
      if (made.structural) {
        EXPECT_OK(Verify({}));
        EXPECT_TRUE(IsNamed(made)) << ::testing::PrintToString(found_);
      }
    } else if (found_.empty()) {
      // Without hashes a change that changes no row may pass, and no other.
      EXPECT_TRUE(Rows() == rows);
    }
    Mend();
  }
  ASSERT_OK(Verify({.deep = true}));
  EXPECT_THAT(found_, IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(Backups, BackupDamageTest,
                         ::testing::Values(DamageCase{"golden_0516", true},
                                           DamageCase{"golden_0516", false},
                                           DamageCase{"golden_0509", true},
                                           DamageCase{"golden_0509", false}),
                         [](const ::testing::TestParamInfo<DamageCase>& one) {
                           return one.param.backup + (one.param.sealed ? "Sealed" : "Unsealed");
                         });

}  // namespace
}  // namespace milvus_backup::backup
