#include "milvus_backup/milvus/version.h"

#include <gtest/gtest.h>

#include <string>

namespace milvus_backup::milvus {
namespace {

struct KnownCase {
  const char* text;
  Version version;
};

class KnownVersion : public ::testing::TestWithParam<KnownCase> {};

TEST_P(KnownVersion, IsParsed) {
  const ParsedVersion parsed = ParseVersion(GetParam().text);
  EXPECT_TRUE(parsed.known);
  EXPECT_EQ(parsed.version, GetParam().version)
      << parsed.version.major << "." << parsed.version.minor << "." << parsed.version.patch;
}

INSTANTIATE_TEST_SUITE_P(
    Version, KnownVersion,
    ::testing::Values(KnownCase{"v2.3.5-lite", {2, 3, 5}}, KnownCase{"v2.2.16-lite", {2, 2, 16}},
                      KnownCase{"v2.5.20", {2, 5, 20}}, KnownCase{"2.3.5", {2, 3, 5}},
                      KnownCase{"2.3.5.1", {2, 3, 5}}, KnownCase{"V2.4.0-rc.1", {2, 4, 0}},
                      KnownCase{"2.6-20260404-abc", {2, 6, 9999}}, KnownCase{"2.6", {2, 6, 9999}},
                      KnownCase{"milvus v2.4.1", {2, 4, 1}},
                      KnownCase{"milvusdb/milvus:v2.4.1-gpu", {2, 4, 1}},
                      KnownCase{"zilliz-milvus-2.5.3", {2, 5, 3}}));

class UnknownVersion : public ::testing::TestWithParam<const char*> {};

TEST_P(UnknownVersion, IsNotGuessed) { EXPECT_FALSE(ParseVersion(GetParam()).known); }

INSTANTIATE_TEST_SUITE_P(Version, UnknownVersion,
                         ::testing::Values("", "unknown", "master-20260404-abc", "20260404.1", "v",
                                           "2", "milvus", "milvus master", "2.x", "abc-2.3.4"));

TEST(Version, OrdersByNumberNotByText) {
  EXPECT_LT(ParseVersion("2.3.5").version, ParseVersion("2.3.16").version);
  EXPECT_LT(ParseVersion("2.3.16").version, ParseVersion("2.10.0").version);
  EXPECT_GT(ParseVersion("2.6-20260404").version, ParseVersion("2.6.11").version);
}

}  // namespace
}  // namespace milvus_backup::milvus
