#include "storage/s3_signer_internal.h"

#include <gtest/gtest.h>

#include <string>

namespace milvus_backup::storage {
namespace {

constexpr std::string_view kEmptyHash =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

std::string SignatureOf(const std::string& authorization) {
  return authorization.substr(authorization.rfind('=') + 1);
}

/// Examples of "Authenticating Requests: Using the Authorization Header" in the S3 API Reference.
class AwsVectors : public ::testing::Test {
 protected:
  std::string Sign(std::string_view method, std::string_view path, const S3Query& query,
                   net::HttpHeaders headers, std::string_view hash = kEmptyHash) const {
    headers.push_back({"host", "examplebucket.s3.amazonaws.com"});
    headers.push_back({"x-amz-content-sha256", std::string(hash)});
    headers.push_back({"x-amz-date", "20130524T000000Z"});
    const std::string text = CanonicalQuery(query);
    return SignatureOf(signer_.Authorization({method, path, text, &headers, hash},
                                             "20130524T000000Z", "us-east-1"));
  }

  const S3Signer signer_{Secret("AKIAIOSFODNN7EXAMPLE"),
                         Secret("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")};
};

TEST_F(AwsVectors, GetObject) {
  EXPECT_EQ(Sign("GET", "/test.txt", {}, {{"range", "bytes=0-9"}}),
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

TEST_F(AwsVectors, PutObject) {
  EXPECT_EQ(Sign("PUT", "/test%24file.text", {},
                 {{"date", "Fri, 24 May 2013 00:00:00 GMT"},
                  {"x-amz-storage-class", "REDUCED_REDUNDANCY"}},
                 "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"),
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
}

TEST_F(AwsVectors, GetBucketLifecycle) {
  EXPECT_EQ(Sign("GET", "/", {{"lifecycle", ""}}, {}),
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
}

TEST_F(AwsVectors, ListObjects) {
  EXPECT_EQ(Sign("GET", "/", {{"prefix", "J"}, {"max-keys", "2"}}, {}),
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

TEST(S3SignerTest, OddPathQueryAndToken) {
  const S3Signer signer(Secret("AKIDEXAMPLE"), Secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"));
  const net::HttpHeaders headers = {{"host", "127.0.0.1:9000"},
                                    {"x-amz-content-sha256", std::string(kEmptyHash)},
                                    {"x-amz-date", "20260102T030405Z"},
                                    {"x-amz-security-token", "TOKEN/abc+=="}};
  const std::string query =
      CanonicalQuery({{"uploadId", "a/b=="}, {"part-number-marker", ""}, {"max-parts", "2"}});
  EXPECT_EQ(query, "max-parts=2&part-number-marker=&uploadId=a%2Fb%3D%3D");
  const std::string path = PercentEncode("/bkt/dir a/b+c%~/\xc3\xa9=", true);
  EXPECT_EQ(path, "/bkt/dir%20a/b%2Bc%25~/%C3%A9%3D");
  const SigningInput input{"GET", path, query, &headers, kEmptyHash};
  EXPECT_EQ(HexEncode(Sha256(AsBytes(CanonicalRequest(input)))),
            "d9c88f1d9468b97763a82a77b08eae031e35ec6135ad8b74f93a2586e61ab6f5");
  EXPECT_EQ(SignatureOf(signer.Authorization(input, "20260102T030405Z", "us-east-1")),
            "22f9b516e99a117cd16a3b3012c50ec36b7cca8b7e73a58ef6adc2788b962677");
}

TEST(S3SignerTest, UnsignedPayloadWithChecksums) {
  const S3Signer signer(Secret("AKIDEXAMPLE"), Secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"));
  const net::HttpHeaders headers = {{"x-amz-checksum-crc32c", "mnG7TA=="},
                                    {"content-md5", "XUFAKrxLKna5cZ2REBfFkg=="},
                                    {"host", "bkt.s3.eu-west-1.amazonaws.com"},
                                    {"x-amz-content-sha256", "UNSIGNED-PAYLOAD"},
                                    {"x-amz-date", "20260102T030405Z"}};
  EXPECT_EQ(SignatureOf(signer.Authorization({"PUT", "/k", "", &headers, kUnsignedPayload},
                                             "20260102T030405Z", "eu-west-1")),
            "dea0b070707680165601bb0020136fd01035438b8ae74b39d4fbb38bca56d3d9");
}

TEST(S3SignerTest, DayKeyFollowsDayAndRegion) {
  const S3Signer signer(Secret("a"), Secret("b"));
  const net::HttpHeaders headers = {{"host", "h"}};
  const SigningInput input{"GET", "/", "", &headers, kEmptyHash};
  const auto sign = [&](std::string_view date, const std::string& region) {
    return SignatureOf(signer.Authorization(input, date, region));
  };
  const std::string first = sign("20260102T000000Z", "r1");
  EXPECT_NE(sign("20260103T000000Z", "r1"), first);
  EXPECT_NE(sign("20260102T000000Z", "r2"), first);
  EXPECT_EQ(sign("20260102T000000Z", "r1"), first);
}

TEST(S3SignerTest, CanonicalFormSqueezesBlanksAndJoinsRepeats) {
  const net::HttpHeaders headers = {
      {"x-amz-b", "  two   words\t "}, {"x-amz-a", "1"}, {"x-amz-a", "2"}};
  EXPECT_EQ(CanonicalRequest({"GET", "/", "", &headers, "H"}),
            "GET\n/\n\nx-amz-a:1,2\nx-amz-b:two words\n\nx-amz-a;x-amz-b\nH");
  EXPECT_EQ(CanonicalQuery({{"b", "2"}, {"a b", "x/y"}, {"b", "1"}}), "a%20b=x%2Fy&b=1&b=2");
}

}  // namespace
}  // namespace milvus_backup::storage
