#include "support/fake_s3.h"
#include "support/status_matchers.h"

#include "milvus_backup/base/checksum.h"
#include "milvus_backup/base/encoding.h"
#include "milvus_backup/storage/open.h"
#include "milvus_backup/storage/s3_backend.h"
#include "milvus_backup/transfer/copy_engine.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace milvus_backup::testing {
namespace {

using namespace std::chrono_literals;
using transfer::CopyBatch;
using transfer::CopyEngine;
using transfer::CopyOptions;
using transfer::CopySummary;

std::string Bytes(uint32_t seed, size_t size) {
  std::minstd_rand random(seed);
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

/// Two servers, and clients that retry without waiting.
class CopyFault : public ::testing::Test {
 protected:
  CopyFault() {
    from_.CreateBucket("bkt");
    to_.CreateBucket("bkt");
    source_ = Open(from_);
    destination_ = Open(to_);
  }
  void TearDown() override {
    EXPECT_EQ(from_.NotHit(), "");
    EXPECT_EQ(to_.NotHit(), "");
    EXPECT_EQ(to_.unfinished_uploads(), 0U);
  }

  std::unique_ptr<storage::Backend> Open(const FakeS3& server) {
    auto backend = storage::CreateS3Backend(server.OptionsFor("bkt"));
    EXPECT_OK(backend);
    return storage::Wrap(*std::move(backend), {}, clock_);
  }
  void Store(const std::string& key, size_t size) {
    objects_[key] = Bytes(static_cast<uint32_t>(objects_.size() + 1), size);
    from_.Put("bkt", key, objects_[key]);
  }
  /// Upload in parts, as a client of Milvus does.
  void StoreInParts(const std::string& key, size_t size, size_t part_size) {
    objects_[key] = Bytes(static_cast<uint32_t>(objects_.size() + 1), size);
    auto upload = source_->StartUpload({}, key, {.part_size = part_size});
    ASSERT_OK(upload);
    std::vector<storage::PartInfo> parts;
    for (size_t offset = 0; offset < size; offset += part_size) {
      const std::string part = objects_[key].substr(offset, part_size);
      auto sent = (*upload)->UploadPart({}, static_cast<uint32_t>(parts.size() + 1), AsBytes(part),
                                        std::nullopt);
      ASSERT_OK(sent);
      parts.push_back(*sent);
    }
    ASSERT_OK((*upload)->Complete({}, parts));
  }
  CopySummary Copy(CopyOptions options = {.concurrency = 4}) {
    CopyEngine engine(options, nullptr);
    CopyBatch batch(engine, *source_, *destination_, {});
    EXPECT_OK(storage::ForEachObject({}, *source_, "", [&](const storage::ObjectInfo& object) {
      return batch.Add({object.key, object.key, object.size, object.etag});
    }));
    CopySummary summary = batch.Wait();
    width_ = engine.width();
    return summary;
  }
  /// Every object is at the destination with its bytes, or named as failed and not there.
  void ExpectRightOrNamed(const CopySummary& summary) {
    std::map<std::string, Status> failed;
    for (const auto& failure : summary.failures) failed[failure.source_key] = failure.status;
    for (const auto& [key, bytes] : objects_) {
      const auto there = to_.Get("bkt", key);
      if (failed.contains(key)) {
        EXPECT_FALSE(there && *there != bytes) << key << " has other bytes";
      } else {
        EXPECT_TRUE(there && *there == bytes) << key;
      }
    }
    EXPECT_EQ(summary.objects + failed.size(), objects_.size());
  }
  void ExpectAllRight(const CopySummary& summary) {
    EXPECT_OK(summary.ToStatus());
    ExpectRightOrNamed(summary);
  }
  static size_t Requests(const FakeS3& server, const std::string& start) {
    size_t count = 0;
    for (const std::string& line : server.log()) count += line.starts_with(start) ? 1 : 0;
    return count;
  }
  /// Another byte each time: nobody can tell two reads with the same damage from an object whose
  /// ETag is no MD5.
  static void FlipBody(FakeReply& reply) {
    static std::atomic<size_t> flips = 0;
    if (reply.body.empty()) return;
    reply.body[(reply.body.size() / 2 + 7 * flips++) % reply.body.size()] ^= 0x10;
  }

  FakeS3 from_;
  FakeS3 to_;
  FakeClock clock_;
  std::unique_ptr<storage::Backend> source_;
  std::unique_ptr<storage::Backend> destination_;
  std::map<std::string, std::string> objects_;
  size_t width_ = 0;
};

TEST_F(CopyFault, SmallObjectsTakeOneGetAndOnePut) {
  for (int i = 0; i < 200; ++i) Store("k" + std::to_string(i), 20'000);
  const CopySummary summary = Copy({.concurrency = 16});
  ExpectAllRight(summary);
  EXPECT_EQ(summary.second_reads, 0U);
  EXPECT_EQ(Requests(from_, "GET /bkt/k"), 200U);
  EXPECT_EQ(from_.log().size(), 201U);  // and one page of the listing
  EXPECT_EQ(Requests(to_, "PUT /bkt/k"), 200U);
  EXPECT_EQ(to_.log().size(), 200U);
  EXPECT_LE(to_.connections(), width_);
  // One more for the listing, which runs beside the workers.
  EXPECT_LE(from_.connections(), width_ + 1);
}

TEST_F(CopyFault, ObjectsInPartsKeepTheirLayout) {
  StoreInParts("odd", 17 * kMiB, 7 * kMiB);
  const CopySummary summary = Copy();
  ExpectAllRight(summary);
  EXPECT_EQ(summary.second_reads, 0U);
  const auto here = source_->Stat({}, "odd");
  const auto there = destination_->Stat({}, "odd");
  ASSERT_OK(here);
  ASSERT_OK(there);
  EXPECT_EQ(here->etag, there->etag);
  EXPECT_TRUE(there->etag.ends_with("-3"));
}

TEST_F(CopyFault, EveryRunThroughABadWireEndsRightOrNamesWhatIsNot) {
  for (int i = 0; i < 40; ++i) Store("k" + std::to_string(i), 1000 + static_cast<size_t>(i) * 3000);
  Store("large", 11 * kMiB);
  StoreInParts("parts", 12 * kMiB, 5 * kMiB);
  for (const uint32_t seed : {1U, 2U, 3U}) {
    std::minstd_rand random(seed);
    const auto plan = [&](FakeS3& server, FakeFault fault) {
      fault.target = "/bkt/";
      fault.skip = static_cast<uint32_t>(random() % 5);
      server.Plan(std::move(fault));
    };
    for (FakeS3* server : {&from_, &to_}) {
      plan(*server, {.times = 3, .instead = ErrorReply(503, "SlowDown")});
      plan(*server, {.times = 2, .instead = ErrorReply(500, "InternalError")});
      FakeReply reset;
      reset.silent = true;
      reset.ending = FakeReply::Ending::kReset;
      plan(*server, {.times = 2, .instead = reset});
    }
    plan(from_, {.method = "GET", .times = 2, .change = [](FakeReply& reply) {
                   reply.cut_after = reply.body.size() / 2;
                 }});
    plan(from_, {.method = "GET", .times = 2, .change = FlipBody});
    plan(to_, {.method = "PUT", .times = 2, .damage = [](FakeRequest& request) {
                 if (!request.body.empty()) request.body[request.body.size() / 3] ^= 1;
               }});
    ExpectAllRight(Copy());
  }
}

TEST_F(CopyFault, FlippedBytesAreNeverAccepted) {
  Store("small", 5000);
  Store("large", 10 * kMiB);
  StoreInParts("parts", 11 * kMiB, 5 * kMiB);
  // Every read of two of them is damaged, each time elsewhere: they cannot be copied, and nothing
  // may look as if. Three tries of one read, whose ETag tells, after one whose bytes were let go,
  // and of three parts.
  std::atomic<size_t> count{0};
  const auto damage = [&count](FakeReply& reply) {
    if (!reply.body.empty()) reply.body[++count * 37 % reply.body.size()] ^= 0x10;
  };
  from_.Plan({.method = "GET", .target = "/bkt/small", .times = 4, .change = damage});
  from_.Plan({.method = "GET", .target = "/bkt/parts", .times = 9, .change = damage});
  const CopySummary summary = Copy();
  ASSERT_EQ(summary.failures.size(), 2U);
  for (const auto& failure : summary.failures) {
    EXPECT_EQ(failure.status.code(), Code::kDataLoss) << failure.status.ToString();
    EXPECT_EQ(to_.Get("bkt", failure.source_key), std::nullopt);
  }
  ExpectRightOrNamed(summary);
}

TEST_F(CopyFault, BytesThatAChecksumBeliesAreReadAgain) {
  // Stored with a checksum, so one read is enough to know.
  objects_["k"] = Bytes(1, 50'000);
  ASSERT_OK(source_->Put({}, "k", AsBytes(objects_["k"]), {}));
  FakeFault flip;
  flip.method = "GET";
  flip.target = "/bkt/k";
  flip.change = FlipBody;
  from_.Plan(flip);
  ExpectAllRight(Copy());
  EXPECT_EQ(Requests(to_, "PUT /bkt/k"), 1U);
}

FakeS3Options Unaware(bool opaque_etags) {
  FakeS3Options options;
  options.ignores_checksums = true;
  options.opaque_etags = opaque_etags;
  return options;
}

/// Copies to a service that takes no notice of checksums: what it holds has to be looked at.
class UnawareDestination : public CopyFault, public ::testing::WithParamInterface<bool> {
 protected:
  UnawareDestination() : unaware_(Unaware(GetParam())) {
    unaware_.CreateBucket("bkt");
    destination_ = Open(unaware_);
    Store("small", 5000);
    Store("parts", 20 * kMiB);
    StoreInParts("layout", 12 * kMiB, 5 * kMiB);
  }
  void FlipPuts(uint32_t times) {
    for (const char* target : {"/bkt/small", "/bkt/parts?", "/bkt/layout?"}) {
      unaware_.Plan(
          {.method = "PUT", .target = target, .times = times, .damage = [](FakeRequest& r) {
             r.body[r.body.size() / 3] ^= 1;
           }});
    }
  }

  FakeS3 unaware_;
};

TEST_P(UnawareDestination, AFlippedByteOnTheWayIsSentAgain) {
  FlipPuts(1);
  const CopySummary summary = Copy({.concurrency = 2, .part_size = 5 * kMiB});
  EXPECT_OK(summary.ToStatus());
  for (const auto& [key, bytes] : objects_) EXPECT_TRUE(unaware_.Get("bkt", key) == bytes) << key;
  EXPECT_EQ(unaware_.NotHit(), "");
  EXPECT_EQ(unaware_.unfinished_uploads(), 0U);
}

TEST_P(UnawareDestination, AByteThatFlipsEveryTimeIsNeverAccepted) {
  FlipPuts(1000);
  const CopySummary summary = Copy({.concurrency = 2, .part_size = 5 * kMiB});
  EXPECT_EQ(summary.failures.size(), objects_.size());
  for (const auto& failure : summary.failures) {
    EXPECT_EQ(failure.status.code(), Code::kDataLoss) << failure.status.ToString();
    EXPECT_EQ(unaware_.Get("bkt", failure.source_key), std::nullopt) << failure.source_key;
  }
  EXPECT_EQ(unaware_.unfinished_uploads(), 0U);
}

INSTANTIATE_TEST_SUITE_P(Etags, UnawareDestination, ::testing::Bool(),
                         [](const auto& kind) { return kind.param ? "Opaque" : "Md5"; });

TEST_F(CopyFault, OutageIsOutlasted) {
  for (int i = 0; i < 10; ++i) Store("k" + std::to_string(i), 2000);
  FakeReply gone;
  gone.silent = true;
  gone.ending = FakeReply::Ending::kReset;
  to_.Plan({.method = "PUT", .times = 30, .skip = 4, .instead = gone});
  ExpectAllRight(Copy());
}

TEST_F(CopyFault, PermanentErrorsAreNamedAtOnceAndHideNoOther) {
  for (int i = 0; i < 10; ++i) Store("k" + std::to_string(i), 2000);
  to_.Plan({.method = "PUT", .target = "/bkt/k3", .instead = ErrorReply(400, "KeyTooLongError")});
  const CopySummary summary = Copy();
  ASSERT_EQ(summary.failures.size(), 1U);
  EXPECT_EQ(summary.failures[0].source_key, "k3");
  EXPECT_EQ(Requests(to_, "PUT /bkt/k3"), 1U);
  ExpectRightOrNamed(summary);
}

TEST_F(CopyFault, OneTroubleOfASmallObjectCostsOneRequestMore) {
  for (int i = 10; i < 20; ++i) Store("k" + std::to_string(i), 2000);
  to_.Plan({.method = "PUT", .target = "/bkt/k11", .instead = ErrorReply(500, "InternalError")});
  to_.Plan({.method = "PUT", .target = "/bkt/k12", .instead = FakeReply{.silent = true}});
  from_.Plan({.method = "GET", .target = "/bkt/k13", .instead = ErrorReply(503, "SlowDown")});
  from_.Plan({.method = "GET", .target = "/bkt/k14", .change = [](FakeReply& reply) {
                reply.cut_after = 100;
              }});
  from_.Plan({.method = "GET", .target = "/bkt/k15", .change = &FlipBody});
  ExpectAllRight(Copy());
  EXPECT_EQ(Requests(to_, "PUT /bkt/k11"), 2U);
  // The connection was new, so it is tried once more.
  EXPECT_EQ(Requests(to_, "PUT /bkt/k12"), 2U);
  EXPECT_EQ(Requests(from_, "GET /bkt/k13"), 2U);
  EXPECT_EQ(Requests(from_, "GET /bkt/k14"), 2U);
  EXPECT_EQ(Requests(from_, "GET /bkt/k15"), 2U);
  EXPECT_EQ(Requests(from_, "GET /bkt/k19"), 1U);
}

TEST_F(CopyFault, ClocksAndRegionsAreCorrectedOnTheWay) {
  FakeS3 ahead({.clock_ahead = 2h});
  FakeS3 elsewhere({.region = "eu-west-3"});
  ahead.CreateBucket("bkt");
  elsewhere.CreateBucket("bkt");
  for (int i = 0; i < 40; ++i) ahead.Put("bkt", "k" + std::to_string(i), "bytes");
  source_ = Open(ahead);
  auto options = elsewhere.OptionsFor("bkt");
  options.region = "us-east-1";
  auto backend = storage::CreateS3Backend(options);
  ASSERT_OK(backend);
  destination_ = storage::Wrap(*std::move(backend), {}, clock_);
  CopyEngine engine({.concurrency = 4}, nullptr);
  CopyBatch batch(engine, *source_, *destination_, {});
  // Nobody has asked these servers anything before.
  for (int i = 0; i < 40; ++i) {
    const std::string key = "k" + std::to_string(i);
    ASSERT_OK(batch.Add({key, key, 5, HexEncode(Md5(AsBytes("bytes")))}));
  }
  const CopySummary summary = batch.Wait();
  EXPECT_OK(summary.ToStatus());
  EXPECT_EQ(summary.objects, 40U);
  EXPECT_EQ(elsewhere.Get("bkt", "k39"), "bytes");
}

TEST_F(CopyFault, AnObjectThatIsNeverServedHidesNoOther) {
  for (int i = 10; i < 30; ++i) Store("k" + std::to_string(i), 2000);
  from_.Plan({.method = "GET",
              .target = "/bkt/k13",
              .times = 100'000,
              .instead = ErrorReply(503, "SlowDownRead")});
  const CopySummary summary = Copy();
  ASSERT_EQ(summary.failures.size(), 1U);
  EXPECT_EQ(summary.failures[0].source_key, "k13");
  EXPECT_FALSE(summary.given_up);
  EXPECT_EQ(summary.objects, 19U);
  ExpectRightOrNamed(summary);
  from_.ClearPlan();
}

// As services do that find an object damaged while they send it, or cannot store it.
TEST_F(CopyFault, AnObjectWhoseBodyAlwaysBreaksOffHidesNoOther) {
  for (int i = 10; i < 30; ++i) Store("k" + std::to_string(i), 2000);
  for (const auto ending : {FakeReply::Ending::kClose, FakeReply::Ending::kReset}) {
    from_.Plan({.method = "GET",
                .target = "/bkt/k13",
                .times = 100'000,
                .change = [ending](FakeReply& reply) {
                  reply.cut_after = 0;
                  reply.ending = ending;
                }});
    FakeReply lost;
    lost.silent = true;
    lost.ending = ending;
    to_.Plan({.method = "PUT", .target = "/bkt/k17", .times = 100'000, .instead = lost});
    const CopySummary summary = Copy();
    EXPECT_FALSE(summary.given_up);
    EXPECT_EQ(summary.failures.size(), 2U);
    EXPECT_EQ(summary.objects, 18U);
    ExpectRightOrNamed(summary);
    from_.ClearPlan();
    to_.ClearPlan();
  }
}

TEST_F(CopyFault, AServiceThatServesNothingIsGivenUp) {
  for (int i = 100; i < 200; ++i) Store("k" + std::to_string(i), 2000);
  to_.Plan({.method = "PUT", .times = 100'000, .instead = ErrorReply(500, "InternalError")});
  CopyEngine engine({.concurrency = 4}, nullptr);
  CopyBatch batch(engine, *source_, *destination_, {});
  for (const auto& [key, bytes] : objects_) {
    batch.Add({key, key, bytes.size(), ""}).IgnoreError("the batch may have given up");
  }
  const CopySummary summary = batch.Wait();
  EXPECT_TRUE(summary.given_up);
  EXPECT_EQ(summary.objects, 0U);
  EXPECT_LT(Requests(to_, "PUT /bkt/k"), 60U * 14U);
  to_.ClearPlan();
}

TEST_F(CopyFault, AllObjectsThatAreLeftAreNamed) {
  // Three are held back until all others have failed: then nothing waits any more.
  constexpr uint64_t kOthers = 20;
  transfer::Progress progress;
  for (int i = 0; i < 3; ++i) Store("held" + std::to_string(i), 2000);
  for (uint64_t i = 0; i < kOthers; ++i) Store("k" + std::to_string(i), 2000);
  to_.Plan({.method = "PUT",
            .target = "/bkt/held",
            .times = 100'000,
            .instead = ErrorReply(500, "InternalError"),
            .change = [&progress](FakeReply&) {
              while (progress.objects_done < kOthers) std::this_thread::sleep_for(1ms);
            }});
  to_.Plan({.method = "PUT",
            .target = "/bkt/k",
            .times = 100'000,
            .instead = ErrorReply(500, "InternalError")});
  CopyEngine engine({.concurrency = 4}, &progress);
  CopyBatch batch(engine, *source_, *destination_, {});
  for (const auto& [key, bytes] : objects_) {
    batch.Add({key, key, bytes.size(), ""}).IgnoreError("the batch may have given up");
  }
  const CopySummary summary = batch.Wait();
  EXPECT_FALSE(summary.given_up);
  ASSERT_EQ(summary.failures.size(), objects_.size());
  for (const auto& failure : summary.failures) {
    EXPECT_EQ(failure.status.code(), Code::kUnavailable) << failure.source_key;
  }
  to_.ClearPlan();
}

TEST_F(CopyFault, AnObjectThatIsReplacedMeanwhileIsCalledChanged) {
  Store("k", 3000);
  from_.Plan(
      {.method = "GET", .target = "/bkt/k", .before = [this] { from_.Put("bkt", "k", "others"); }});
  const CopySummary summary = Copy();
  ASSERT_EQ(summary.failures.size(), 1U);
  EXPECT_EQ(summary.failures[0].status.ToString(), "k changed while it was read");
}

TEST_F(CopyFault, ThrottlingNarrowsTheLane) {
  for (int i = 0; i < 20; ++i) Store("k" + std::to_string(i), 2000);
  to_.Plan({.method = "PUT", .times = 5, .instead = ErrorReply(503, "SlowDown")});
  ExpectAllRight(Copy({.concurrency = 16}));
  EXPECT_LT(width_, 16U);
}

TEST_F(CopyFault, WithoutCheckNothingIsReadTwice) {
  // ETags that say nothing of the bytes, and no checksum.
  Store("k", 3000);
  from_.Plan({.target = "/bkt/k", .times = 1, .change = [](FakeReply& reply) {
                for (auto& header : reply.headers) {
                  if (header.name == "ETag") header.value = "\"opaque\"";
                }
              }});
  CopyEngine engine({.concurrency = 1, .check = false}, nullptr);
  CopyBatch batch(engine, *source_, *destination_, {});
  EXPECT_OK(batch.Add({"k", "k", 3000, ""}));
  const CopySummary summary = batch.Wait();
  ExpectAllRight(summary);
  EXPECT_EQ(summary.second_reads, 0U);
  EXPECT_EQ(Requests(from_, "GET /bkt/k"), 1U);
}

}  // namespace
}  // namespace milvus_backup::testing
