#include "cli/copy_flags.h"

#include "cli/amounts.h"
#include "support/status_matchers.h"

#include "milvus_backup/base/bytes.h"

#include <gtest/gtest.h>

namespace milvus_backup::cli {
namespace {

using ::milvus_backup::testing::IsError;

TEST(CopyFlagsTest, SizesAreReadInUnitsOf1024) {
  const struct {
    const char* text;
    uint64_t bytes;
  } cases[] = {{"0", 0},           {"1048576", kMiB}, {"512k", 512 * kKiB},   {"20M", 20 * kMiB},
               {"8MiB", 8 * kMiB}, {"8mb", 8 * kMiB}, {"1.5G", 3 * kGiB / 2}, {"2T", 2048 * kGiB},
               {"7B", 7}};
  for (const auto& one : cases) {
    ASSERT_OK_AND_ASSIGN(const uint64_t bytes, ParseBytes(one.text));
    EXPECT_EQ(bytes, one.bytes) << one.text;
  }
  for (const char* text : {"", "M", "-1", "20 M", "20X", "20Mx", "1e3", "0x10", "99999999999T",
                           "0.5", "nan", "inf", "20MiBs"}) {
    EXPECT_THAT(ParseBytes(text), IsError(Code::kInvalidArgument, "is not a size")) << text;
  }
}

TEST(CopyFlagsTest, SaysWhatIsMissingOrTooMuch) {
  const auto check = [](const CopyFlags& flags) { return CheckCopyFlags(flags); };
  EXPECT_OK(check({.places = {"a", "b"}, .delete_extra = true, .include = {"x"}}));
  EXPECT_OK(check({.name = "b", .to = "s"}));
  EXPECT_OK(check({.name = "b", .from_config = "f", .as = "c"}));
  EXPECT_OK(check({.name = "b", .as = "c"}));
  EXPECT_OK(check({.all = true, .to = "s", .exclude = {"nightly_*"}}));
  const auto wrong = [&](const CopyFlags& flags, const char* text) {
    EXPECT_THAT(check(flags), IsError(Code::kInvalidArgument, text));
  };
  wrong({}, "two places");
  wrong({.places = {"a"}}, "two places");
  wrong({.places = {"a", "b"}, .to = "s"}, "SRC DST and --to exclude each other");
  wrong({.places = {"a", "b"}, .name = "b"}, "-n and SRC DST exclude each other");
  wrong({.name = "b", .all = true, .to = "s"}, "-n and --all exclude each other");
  wrong({.name = "b"}, "needs another storage");
  wrong({.all = true}, "needs another storage");
  wrong({.all = true, .to = "s", .as = "x"}, "--all and --as exclude each other");
  wrong({.name = "b", .to = "s", .to_config = "f"}, "--to and --to-config");
  wrong({.name = "b", .to = "s", .delete_extra = true}, "--delete-extra is for SRC DST");
  wrong({.name = "b", .to = "s", .include = {"x"}}, "a backup is copied whole");
}

TEST(CopyFlagsTest, LimitsReachTheEngine) {
  config::Config config;
  config.cross_storage = true;
  const transfer::CopyOptions options = TransferOptionsOf({.concurrency = 3,
                                                           .part_size = "16M",
                                                           .memory = "64MiB",
                                                           .bandwidth = "20M",
                                                           .requests = 100,
                                                           .no_check = true},
                                                          config);
  EXPECT_EQ(options.concurrency, 3U);
  EXPECT_EQ(options.part_size, 16 * kMiB);
  EXPECT_EQ(options.memory_bytes, 64 * kMiB);
  EXPECT_EQ(options.bandwidth_bytes_per_s, 20 * kMiB);
  EXPECT_EQ(options.requests_per_s, 100U);
  EXPECT_FALSE(options.check);
  EXPECT_TRUE(options.force_streaming);
  const transfer::CopyOptions defaults = TransferOptionsOf({}, {});
  EXPECT_EQ(defaults.part_size, transfer::CopyOptions().part_size);
  EXPECT_EQ(defaults.memory_bytes, transfer::CopyOptions().memory_bytes);
  EXPECT_TRUE(defaults.check);
}

}  // namespace
}  // namespace milvus_backup::cli
