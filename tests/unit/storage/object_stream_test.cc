#include "milvus_backup/storage/object_stream.h"

#include "support/faulty_backend.h"
#include "support/status_matchers.h"

#include "milvus_backup/storage/intercepting_backend.h"
#include "milvus_backup/storage/memory_backend.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace milvus_backup::storage {
namespace {

using ::milvus_backup::testing::FaultyBackend;
using ::milvus_backup::testing::IsError;

std::unique_ptr<Backend> Filled(int count) {
  auto backend = MakeMemoryBackend({.page_size = 7});
  for (int i = 0; i < count; ++i) {
    EXPECT_OK(backend->Put({}, fmt::format("k{:03}", i), AsBytes("x"), {}));
  }
  return backend;
}

std::vector<std::string> Drain(ObjectStream& stream) {
  std::vector<std::string> keys;
  for (;;) {
    const auto next = stream.Next();
    EXPECT_OK(next);
    if (!next.ok() || *next == nullptr) return keys;
    keys.push_back((*next)->key);
  }
}

TEST(ObjectStreamTest, GivesEveryObjectOnceOverPages) {
  for (const int count : {0, 1, 7, 8, 50}) {
    const auto backend = Filled(count);
    ObjectStream stream({}, *backend, {.prefix = "k"});
    const auto keys = Drain(stream);
    EXPECT_EQ(keys.size(), static_cast<size_t>(count));
    EXPECT_TRUE(std::ranges::is_sorted(keys));
    ASSERT_OK_AND_ASSIGN(const ObjectInfo* after_end, stream.Next());
    EXPECT_EQ(after_end, nullptr);
  }
}

TEST(ObjectStreamTest, KeepsTheRange) {
  const auto backend = Filled(50);
  ObjectStream stream({}, *backend, {.prefix = "k", .after = "k010", .last = "k019"});
  const auto keys = Drain(stream);
  ASSERT_EQ(keys.size(), 9U);
  EXPECT_EQ(keys.front(), "k011");
  EXPECT_EQ(keys.back(), "k019");
}

TEST(ObjectStreamTest, GivesWhatCameBeforeAPageThatFails) {
  FaultyBackend backend(Filled(50));
  backend.Plan(Method::kList, {.error = testing::TransientError(), .skip = 2});
  ObjectStream stream({}, backend, {.prefix = "k"});
  for (int i = 0; i < 14; ++i) ASSERT_OK(stream.Next());
  EXPECT_THAT(stream.Next().status(), IsError(Code::kUnavailable, "connection reset"));
  EXPECT_TRUE(backend.AllHit());
}

class Unordered final : public InterceptingBackend {
 public:
  explicit Unordered(std::unique_ptr<Backend> inner) : InterceptingBackend(std::move(inner)) {}
  Result<ListPage> List(const CallContext& ctx, const ListRequest& request) override {
    auto page = InterceptingBackend::List(ctx, request);
    if (page.ok()) std::ranges::reverse(page->objects);
    return page;
  }

 protected:
  Status Around(const CallContext&, const CallInfo&, CallRef call) override { return call(); }
};

TEST(ObjectStreamTest, AListingOutOfOrderIsAnError) {
  Unordered backend(Filled(3));
  ObjectStream stream({}, backend, {.prefix = "k"});
  ASSERT_OK(stream.Next());
  EXPECT_THAT(stream.Next().status(), IsError(Code::kDataLoss, "k001 after k002"));
}

TEST(ObjectStreamTest, CanBeLeftWhileAPageIsOnItsWay) {
  const auto backend = Filled(50);
  ObjectStream stream({}, *backend, {.prefix = "k"});
  ASSERT_OK(stream.Next());
}

}  // namespace
}  // namespace milvus_backup::storage
