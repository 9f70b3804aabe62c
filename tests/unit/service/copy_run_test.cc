#include "milvus_backup/service/copy_run.h"

#include "support/status_matchers.h"

#include "milvus_backup/base/bytes.h"
#include "milvus_backup/service/amounts.h"
#include "milvus_backup/service/verify_run.h"

#include <gtest/gtest.h>

#include <utility>

namespace milvus_backup::service {
namespace {

using testing::IsError;

TEST(AmountsTest, SizesAreReadInUnitsOf1024) {
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

TEST(AmountsTest, AnAmountHasALeast) {
  EXPECT_OK(CheckAmount("1M", kMiB));
  EXPECT_THAT(CheckAmount("1023k", kMiB), IsError(Code::kInvalidArgument, "less than 1048576"));
  EXPECT_OK(CheckAmount("2M", kMiB, 2 * kMiB));
  EXPECT_THAT(CheckAmount("2049k", kMiB, 2 * kMiB),
              IsError(Code::kInvalidArgument, "'2049k' is more than 2097152 bytes"));
  EXPECT_THAT(CheckAmount("much", 0), IsError(Code::kInvalidArgument, "is not a size"));
}

TEST(AmountsTest, AreWrittenAsAnotherOne) {
  EXPECT_EQ(AmountLike("64M", 32 * kMiB), "32M");
  EXPECT_EQ(AmountLike("1.5gib", 5 * kGiB), "5gib");
  EXPECT_EQ(AmountLike("1G", 32 * kMiB), "32M");
  EXPECT_EQ(AmountLike("1G", 1025), "1025");
  EXPECT_EQ(AmountLike("65536k", 32 * kMiB), "32768k");
  EXPECT_EQ(AmountLike("67108864", 32 * kMiB), "33554432");
  EXPECT_EQ(AmountLike("67108864B", 32 * kMiB), "33554432B");
}

TEST(CopyRunTest, PartsAreBounded) {
  const auto check = [](const CopyChoices& choices) {
    return CheckPartSize(choices, OptionStyle::kFlag);
  };
  const auto wrong = [&](const CopyChoices& choices, const char* text) {
    EXPECT_THAT(check(choices), IsError(Code::kInvalidArgument, text));
  };
  EXPECT_OK(check({}));
  EXPECT_OK(check({.part_size = "5G", .memory = "5120M"}));
  wrong({.part_size = "6G", .memory = "8G"},
        "--part-size is 6G, more than 5G, the largest part that S3 takes");
  wrong({.part_size = "6442450944"},
        "--part-size is 6442450944, more than 5368709120, the largest");
  wrong({.part_size = "64M"}, "--part-size is 64M, more than --memory, 32M by default;");
  wrong({.part_size = "1G", .memory = "1000MiB"},
        "--part-size is 1G, more than --memory, 1000MiB;");
}

TEST(CopyRunTest, LimitsReachTheEngine) {
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

TEST(CopyRunTest, TheFirstFailureNamesWhatFailed) {
  backup::CopyReport report;
  EXPECT_OK(FirstFailure(report));
  report.AddFailure({.key = "a/b", .status = DataLossError("other bytes")});
  report.AddFailure({.key = "a/c", .status = NotFoundError("gone")});
  EXPECT_THAT(FirstFailure(report),
              IsError(Code::kDataLoss, "2 objects were not copied, among them a/b: other bytes"));
  report.backups.push_back({.dir = "nightly",
                            .outcome = backup::CopiedBackup::Outcome::kFailed,
                            .status = AlreadyExistsError("another one")});
  // What is wrong with an object says more than that the backup was not copied.
  EXPECT_THAT(FirstFailure(report),
              IsError(Code::kDataLoss, "2 objects were not copied, among them a/b: other bytes"));
  report.failures.front() = {.key = "root/nightly/x", .status = NotFoundError("gone")};
  EXPECT_THAT(FirstFailure(report),
              IsError(Code::kNotFound,
                      "nightly: 2 objects were not copied, among them root/nightly/x: gone"));
  report.failures.clear();
  report.failure_count = 0;
  EXPECT_THAT(FirstFailure(report), IsError(Code::kAlreadyExists, "nightly: another one"));
}

TEST(OptionNamesTest, FlagsAndKeysAreToldAsTheUserWritesThem) {
  EXPECT_EQ(OptionName("backup_name", OptionStyle::kKey), "backup_name");
  EXPECT_EQ(OptionName("backup_name", OptionStyle::kFlag), "-n");
  EXPECT_EQ(OptionName("restore_test", OptionStyle::kFlag), "--restore-test");
}

TEST(VerifyRunTest, ASampleIsAShare) {
  const std::pair<const char*, double> samples[] = {
      {"", 1}, {"10%", 0.1}, {"50", 0.5}, {"100%", 1}};
  for (const auto& [text, share] : samples) {
    ASSERT_OK_AND_ASSIGN(const double parsed, ParseSample(text));
    EXPECT_DOUBLE_EQ(parsed, share) << text;
  }
  for (const char* text : {"0", "0%", "101%", "-1", "x", "10%%", "%", "nan"}) {
    EXPECT_THAT(ParseSample(text), IsError(Code::kInvalidArgument, "is no share")) << text;
  }
}

TEST(VerifyRunTest, NotesShowNoValuesOfRows) {
  const backup::VerifyProblem object{.key = "a/b", .expected = "7 bytes", .found = "nothing"};
  EXPECT_EQ(NoteText(object), ProblemText(object));
  const backup::VerifyProblem row{.key = "db.c row secret field f",
                                  .expected = "secret",
                                  .found = "other",
                                  .place_of_values = "db.c field f"};
  EXPECT_EQ(NoteText(row), "db.c field f: a row is not restored as it was");
  EXPECT_EQ(ProblemText(row), "db.c row secret field f: expected secret, found other");
}

TEST(VerifyRunTest, OptionsWantTheOneTheyGoWith) {
  const auto check = [](const VerifyChoices& choices) {
    return CheckVerifyChoices(choices, OptionStyle::kFlag);
  };
  EXPECT_OK(check({}));
  EXPECT_OK(check({.deep = true, .sample = "10%"}));
  EXPECT_OK(check({.restore_test = true, .rows = 7}));
  EXPECT_THAT(check({.sample = "10%"}),
              IsError(Code::kInvalidArgument, "--sample goes with --deep"));
  EXPECT_THAT(check({.deep = true, .sample = "10%", .seal = true}),
              IsError(Code::kInvalidArgument, "--seal reads everything: leave --sample out"));
  EXPECT_THAT(check({.rows = 7}),
              IsError(Code::kInvalidArgument, "--rows goes with --restore-test"));
  EXPECT_THAT(CheckVerifyChoices({.rows = 7}, OptionStyle::kKey),
              IsError(Code::kInvalidArgument, "rows goes with restore_test"));
  EXPECT_THAT(check({.deep = true, .sample = "x"}),
              IsError(Code::kInvalidArgument, "--sample: 'x'"));
}

}  // namespace
}  // namespace milvus_backup::service
