// What proves that the bytes read are the source's, on a service whose ETags are MD5s.
#include "support/fake_s3.h"
#include "support/status_matchers.h"

#include "milvus_backup/storage/memory_backend.h"
#include "milvus_backup/storage/open.h"
#include "milvus_backup/transfer/copy_engine.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace milvus_backup::transfer {
namespace {

using ::milvus_backup::testing::FakeReply;
using ::milvus_backup::testing::FakeS3;
using ::milvus_backup::testing::IsError;

class ProofTest : public ::testing::Test {
 protected:
  static constexpr size_t kSmall = 1000;
  static constexpr size_t kLarge = 3 * kMiB + 7;

  void SetUp() override {
    auto backend = storage::OpenS3(server_.OptionsFor("bkt"));
    ASSERT_OK(backend);
    source_ = *std::move(backend);
    server_.CreateBucket("bkt");
  }
  /// Without a stored checksum.
  CopyItem Store(const std::string& key, size_t size) {
    std::string bytes(size, '\0');
    for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 31 % 251);
    server_.Put("bkt", key, bytes);
    const auto stored = source_->Stat({}, key);
    EXPECT_OK(stored);
    return {key, "copy/" + key, size, stored->etag};
  }
  CopySummary Copy(const std::vector<CopyItem>& items, CopyOptions options = {}) {
    options.part_size = kMiB;
    // Too little for a large one to be sent whole.
    options.memory_bytes = 4 * kMiB;
    CopyEngine engine(options, nullptr);
    CopyBatch batch(engine, *source_, *destination_, {});
    for (const CopyItem& item : items) EXPECT_OK(batch.Add(item));
    return batch.Wait();
  }
  /// Every answer from now on, changed in the same way.
  void Change(std::function<void(FakeReply&)> change) {
    server_.Plan(
        {.method = "GET", .target = "/bkt/", .times = 100000, .change = std::move(change)});
  }
  /// The same damage, whatever range of the object is asked for.
  static void Flip(FakeReply& reply) {
    for (char& byte : reply.body) byte ^= 0x20;
  }

  FakeS3 server_;
  std::unique_ptr<storage::Backend> source_;
  std::unique_ptr<storage::Backend> destination_ = storage::MakeMemoryBackend();
};

TEST_F(ProofTest, TheSameFlipInEveryReadIsNoCopy) {
  for (const size_t size : {kSmall, kLarge}) {
    SCOPED_TRACE(size);
    const CopyItem item = Store("k", size);
    Change(Flip);
    EXPECT_THAT(Copy({item}).ToStatus(), IsError(Code::kDataLoss, "MD5"));
    EXPECT_THAT(destination_->Stat({}, "copy/k").status(), IsError(Code::kNotFound, ""));
    server_.ClearPlan();
  }
}

TEST_F(ProofTest, AnEtagThatIsAnMd5SparesTheSecondRead) {
  const CopySummary summary = Copy({Store("small", kSmall), Store("large", kLarge)});
  EXPECT_OK(summary.ToStatus());
  EXPECT_EQ(summary.objects, 2U);
  EXPECT_EQ(summary.second_reads, 0U);
  const auto log = server_.log();
  EXPECT_EQ(std::ranges::count_if(log, [](const auto& line) { return line.starts_with("GET"); }),
            5);
}

TEST_F(ProofTest, UnderEncryptionAnEtagThatLooksLikeAnMd5IsNone) {
  const std::vector<std::pair<std::string, std::string>> kinds = {
      {"x-amz-server-side-encryption", "aws:kms"},
      {"x-amz-server-side-encryption-customer-algorithm", "AES256"}};
  for (const auto& kind : kinds) {
    for (const size_t size : {kSmall, kLarge}) {
      SCOPED_TRACE(kind.first);
      const CopyItem item = Store("k", size);
      // As if the ETag were of other bytes than those that are there.
      Change([&](FakeReply& reply) {
        Flip(reply);
        reply.headers.push_back({kind.first, kind.second});
      });
      const CopySummary summary = Copy({item});
      EXPECT_OK(summary.ToStatus());
      EXPECT_EQ(summary.second_reads, 1U);
      server_.ClearPlan();
    }
  }
}

TEST_F(ProofTest, AnObjectThatMayNotBeLookedAtFailsAlone) {
  for (const size_t size : {kSmall, kLarge}) {
    SCOPED_TRACE(size);
    const CopyItem refused = Store("refused", size);
    const CopyItem other = Store("other", size);
    for (const char* method : {"GET", "HEAD"}) {
      server_.Plan({.method = method,
                    .target = "/bkt/refused",
                    .times = 100000,
                    .instead = testing::ErrorReply(403, "AccessDenied")});
    }
    const CopySummary summary = Copy({refused, other}, {.concurrency = 1});
    ASSERT_EQ(summary.failures.size(), 1U);
    EXPECT_EQ(summary.failures[0].source_key, "refused");
    EXPECT_THAT(summary.failures[0].status, IsError(Code::kPermissionDenied, ""));
    EXPECT_EQ(summary.objects, 1U);
    server_.ClearPlan();
  }
}

TEST_F(ProofTest, PartsAreHashedInTheirOrderByManyWorkersWithFewBuffers) {
  std::vector<CopyItem> items;
  for (int i = 0; i < 6; ++i) items.push_back(Store("k" + std::to_string(i), kLarge));
  const CopySummary summary = Copy(items, {.concurrency = 16, .memory_bytes = 2 * kMiB});
  EXPECT_OK(summary.ToStatus());
  EXPECT_EQ(summary.objects, 6U);
  EXPECT_EQ(summary.second_reads, 0U);
}

}  // namespace
}  // namespace milvus_backup::transfer
