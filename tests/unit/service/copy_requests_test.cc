#include "service/copy_requests.h"

#include "support/status_matchers.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace milvus_backup::service {
namespace {

using testing::IsError;
using Texts = std::vector<std::string>;

class CopyRequestsTest : public ::testing::Test {
 protected:
  CopyRequestsTest() {
    config_.backup_storage.bucket = "mine";
    config_.storages["archive"].bucket = "theirs";
  }
  Result<CopyBody> Copy(const std::string& text) {
    MB_ASSIGN_OR_RETURN(const Body body, Body::Parse(text));
    return ParseCopy(body, config_);
  }
  Result<VerifyBody> Verify(const std::string& text) {
    MB_ASSIGN_OR_RETURN(const Body body, Body::Parse(text));
    return ParseVerify(body, config_);
  }

  config::Config config_;
};

TEST_F(CopyRequestsTest, ACopyIsWhatTheFlagsWouldSay) {
  ASSERT_OK_AND_ASSIGN(
      const CopyBody parsed,
      Copy(R"({"Backup_Name":"b","to":"Archive","as":"c","dry_run":true,"overwrite":true,
               "concurrency":3,"part_size":"16M","memory":"64MiB","bwlimit":"20M",
               "request_limit":100,"async":true,"from":null})"));
  EXPECT_TRUE(parsed.is_async);
  const CopyChoices& choices = parsed.choices;
  EXPECT_EQ(choices.name, "b");
  EXPECT_EQ(choices.copy_name(), "c");
  EXPECT_EQ(choices.to, "Archive");
  EXPECT_EQ(choices.from, "");
  EXPECT_TRUE(choices.dry_run && choices.overwrite);
  EXPECT_FALSE(choices.all || choices.delete_extra || choices.no_check);
  EXPECT_EQ(choices.concurrency, 3U);
  EXPECT_EQ(choices.part_size, "16M");
  EXPECT_EQ(choices.memory, "64MiB");
  EXPECT_EQ(choices.bandwidth, "20M");
  EXPECT_EQ(choices.requests, 100U);
  ASSERT_OK_AND_ASSIGN(const CopyBody all,
                       Copy(R"({"all":true,"from":"archive","to":"backup","include":["n*"],
                                "exclude":["*_x"]})"));
  EXPECT_TRUE(all.choices.all);
  EXPECT_EQ(all.choices.include, Texts{"n*"});
  EXPECT_EQ(all.choices.exclude, Texts{"*_x"});
}

TEST_F(CopyRequestsTest, ACopyThatIsWrongNamesTheKey) {
  const std::pair<const char*, const char*> bodies[] = {
      {R"({"to":"archive"})", "backup_name is missing"},
      {R"({"backup_name":"../x","to":"archive"})", "backup_name: "},
      {R"({"backup_name":"b"})", "copy needs another storage"},
      {R"({"backup_name":"b","to":""})", "to is empty"},
      {R"({"backup_name":"","all":true,"to":"archive"})", "backup_name is empty"},
      {R"({"backup_name":"b","to":"archive","memory":""})", "memory is empty"},
      {R"({"backup_name":"b","to":"nowhere"})", "to: no storage is called 'nowhere'"},
      {R"({"backup_name":"b","from":"s3://bucket/x"})", "from: no storage is called"},
      {R"({"backup_name":"b","to":"archive","as":"a/b"})", "as: "},
      {R"({"backup_name":"b","all":true,"to":"archive"})",
       "backup_name and all exclude each other"},
      {R"({"all":true,"to":"archive","as":"c"})", "all and as exclude each other"},
      {R"({"backup_name":"b","to":"archive","include":["x"]})", "include and exclude are for all"},
      {R"({"backup_name":"b","to":"archive","concurrency":0})", "concurrency is 0"},
      {R"({"backup_name":"b","to":"archive","concurrency":257})", "from 1 to 256"},
      {R"({"backup_name":"b","to":"archive","memory":"1025M"})",
       "memory: '1025M' is more than 1073741824 bytes"},
      {R"({"backup_name":"b","to":"archive","part_size":"257M","memory":"1G"})",
       "part_size: '257M' is more than 268435456 bytes"},
      {R"({"backup_name":"b","to":"archive","part_size":"9M","memory":"8M"})",
       "part_size is 9M, more than memory, 8M;"},
      {R"({"backup_name":"b","to":"archive","part_size":"64M"})",
       "part_size is 64M, more than memory, 32M by default"},
      {R"({"backup_name":"b","to":"Milvus"})", "to: 'milvus' is no place for copies"},
      {R"({"backup_name":"b","to":"milvus","as":"c"})", "to: 'milvus' is no place for copies"},
      {R"({"backup_name":"b","to":"backup"})", "from and to are one storage, 'backup'"},
      {R"({"backup_name":"b","to":"archive","from":"Archive"})",
       "from and to are one storage, 'archive'"},
      {R"({"all":true,"from":"backup"})", "from and to are one storage, 'backup'"},
      {R"({"all":true,"to":"archive","include":[]})", "include is empty"},
      {R"({"all":true,"to":"archive","exclude":["a",""]})", "exclude is empty"},
      {R"({"all":true,"to":"archive","exclude":[]})", "exclude is empty"},
      {R"({"backup_name":"b","to":"archive","request_limit":-1})", "request_limit is -1"},
      {R"({"backup_name":"b","to":"archive","part_size":"1k"})", "part_size: '1k' is less than"},
      {R"({"backup_name":"b","to":"archive","memory":"much"})", "memory: 'much' is not a size"},
      {R"({"backup_name":"b","to":"archive","bwlimit":"0"})", "bwlimit: '0'"},
      {R"({"backup_name":"b","to_config":"/etc/x"})", "copy has no key 'to_config'"},
      {R"({"backup_name":"b","to":"archive","delete_extra":true})",
       "copy has no key 'delete_extra'"},
      {R"({"backup_name":"b","to":"archive","dry-run":true})", "copy has no key 'dry-run'"}};
  for (const auto& [body, text] : bodies) {
    const auto parsed = Copy(body);
    EXPECT_THAT(parsed, IsError(Code::kInvalidArgument, text)) << body;
    EXPECT_FALSE(IsMalformed(parsed.status())) << body;
  }
  for (const char* body : {R"({"backup_name":1})", R"({"backup_name":"b","to":["archive"]})",
                           R"({"backup_name":"b","to":"archive","part_size":8})",
                           R"({"backup_name":"b","to":"archive","concurrency":1.5})",
                           R"({"backup_name":"b","to":"archive","dry_run":"yes"})"}) {
    EXPECT_TRUE(IsMalformed(Copy(body).status())) << body;
  }
}

TEST_F(CopyRequestsTest, AVerifyIsWhatTheFlagsWouldSay) {
  ASSERT_OK_AND_ASSIGN(const VerifyBody parsed,
                       Verify(R"({"backup_name":"b","from":"archive","deep":true,"sample":"10%",
                                  "seed":7,"async":true})"));
  EXPECT_TRUE(parsed.is_async && parsed.choices.deep);
  EXPECT_EQ(parsed.choices.name, "b");
  EXPECT_EQ(parsed.choices.sample, "10%");
  EXPECT_EQ(parsed.choices.seed, 7U);
  EXPECT_EQ(parsed.choices.rows, VerifyChoices().rows);
  EXPECT_EQ(parsed.config.backup_storage.bucket, "theirs");
  ASSERT_OK_AND_ASSIGN(const VerifyBody all, Verify(R"({"all":true,"seal":true})"));
  EXPECT_TRUE(all.choices.all && all.choices.seal);
  EXPECT_EQ(all.config.backup_storage.bucket, "mine");
  ASSERT_OK_AND_ASSIGN(const VerifyBody test,
                       Verify(R"({"backup_name":"b","restore_test":true,"rows":0})"));
  EXPECT_TRUE(test.choices.restore_test);
  EXPECT_EQ(test.choices.rows, 0U);
}

TEST_F(CopyRequestsTest, TheLargestValuesAreTaken) {
  ASSERT_OK_AND_ASSIGN(const CopyBody copy,
                       Copy(R"({"backup_name":"b","to":"archive","concurrency":256,
                                "part_size":"256M","memory":"1G","request_limit":1000000})"));
  EXPECT_EQ(copy.choices.concurrency, 256U);
  ASSERT_OK_AND_ASSIGN(const VerifyBody verify,
                       Verify(R"({"backup_name":"b","deep":true,"sample":"1%","seed":4294967295,
                 "restore_test":true,"rows":10000})"));
  EXPECT_EQ(verify.choices.seed, 4294967295U);
  EXPECT_EQ(verify.choices.rows, 10000U);
}

// The digest stands for what is done: not for how it is written down, nor for how fast it goes.
TEST_F(CopyRequestsTest, ADigestTellsRequestsApart) {
  const auto copy = [this](const std::string& text) {
    const auto parsed = Copy(text);
    EXPECT_OK(parsed);
    return parsed.ok() ? parsed->digest : "";
  };
  config_.storages["dr2"].bucket = "there";
  const std::string digest = copy(R"({"backup_name":"b","to":"archive"})");
  EXPECT_EQ(digest.size(), 64U);
  for (const char* same : {R"({"backup_name":"b","to":"Archive","from":"backup","async":true})",
                           R"({"to":"archive","backup_name":"b","memory":"64M","as":"b"})"}) {
    EXPECT_EQ(copy(same), digest) << same;
  }
  for (const char* other :
       {R"({"backup_name":"c","to":"archive"})", R"({"backup_name":"b","to":"dr2"})",
        R"({"backup_name":"b","from":"archive"})", R"({"backup_name":"b","to":"archive","as":"c"})",
        R"({"backup_name":"b","to":"archive","overwrite":true})"}) {
    EXPECT_NE(copy(other), digest) << other;
  }
  ASSERT_OK_AND_ASSIGN(const CopyBody parsed, Copy(R"({"backup_name":"b","to":"Archive"})"));
  EXPECT_EQ(parsed.from, "backup");
  EXPECT_EQ(parsed.to, "archive");
  ASSERT_OK_AND_ASSIGN(const VerifyBody quick, Verify(R"({"backup_name":"b"})"));
  ASSERT_OK_AND_ASSIGN(const VerifyBody again, Verify(R"({"backup_name":"b","from":"backup"})"));
  ASSERT_OK_AND_ASSIGN(const VerifyBody deep, Verify(R"({"backup_name":"b","deep":true})"));
  EXPECT_EQ(quick.digest, again.digest);
  EXPECT_NE(quick.digest, deep.digest);
  EXPECT_EQ(quick.from, "backup");
}

TEST_F(CopyRequestsTest, AVerifyThatIsWrongNamesTheKey) {
  const std::pair<const char*, const char*> bodies[] = {
      {"{}", "backup_name is missing"},
      {R"({"backup_name":"b","all":true})", "backup_name and all exclude each other"},
      {R"({"backup_name":"b","from":"nowhere"})", "from: no storage is called"},
      {R"({"backup_name":"b","place":"/etc"})", "verify has no key 'place'"},
      {R"({"backup_name":"b","sample":"10%"})", "sample goes with deep"},
      {R"({"backup_name":"b","deep":true,"sample":"x"})", "sample: 'x' is no share"},
      {R"({"backup_name":"b","rows":7})", "rows goes with restore_test"},
      {R"({"backup_name":"b","seed":0})", "seed goes with sample"},
      {R"({"backup_name":"b","deep":true,"seed":7})", "seed goes with sample"},
      {R"({"backup_name":"b","seed":-1})", "seed is -1"},
      {R"({"backup_name":"b","seed":4294967296})", "which is not from 0 to 4294967295"},
      {R"({"backup_name":"b","restore_test":true,"rows":10001})", "from 0 to 10000"},
      {R"({"all":true,"restore_test":true})", "restore_test goes with backup_name"}};
  for (const auto& [body, text] : bodies) {
    const auto parsed = Verify(body);
    EXPECT_THAT(parsed, IsError(Code::kInvalidArgument, text)) << body;
    EXPECT_FALSE(IsMalformed(parsed.status())) << body;
  }
  EXPECT_TRUE(IsMalformed(Verify(R"({"backup_name":"b","deep":1})").status()));
}

}  // namespace
}  // namespace milvus_backup::service
