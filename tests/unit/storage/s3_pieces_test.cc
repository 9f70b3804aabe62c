#include "storage/s3_dialect_internal.h"
#include "storage/s3_error_internal.h"
#include "storage/s3_time_internal.h"
#include "storage/s3_upload_internal.h"
#include "storage/s3_xml_internal.h"
#include "support/status_matchers.h"

#include "milvus_backup/base/checksum.h"
#include "milvus_backup/base/clock.h"

#include <gtest/gtest.h>

#include <string>

namespace milvus_backup::storage {
namespace {

using milvus_backup::testing::IsError;
using namespace std::chrono_literals;

S3Options Options() {
  S3Options options;
  options.address = "storage.example.com";
  options.port = 0;
  options.bucket = "bkt";
  options.access_key = Secret("a");
  options.secret_key = Secret("s");
  return options;
}

TEST(S3OptionsTest, ValidationNamesTheConfigKey) {
  EXPECT_OK(Options().Validate());
  S3Options options = Options();
  options.bucket.clear();
  options.key_names.bucket = "minio.backupBucketName";
  EXPECT_THAT(options.Validate(), IsError(Code::kInvalidArgument, "minio.backupBucketName"));
  options = Options();
  options.secret_key = Secret();
  EXPECT_THAT(options.Validate(), IsError(Code::kInvalidArgument, "minio.secretAccessKey"));
  options.anonymous = true;
  EXPECT_OK(options.Validate());
  for (const char* address : {"", "http://host", "host/path", "host:9000", "a b"}) {
    options = Options();
    options.address = address;
    EXPECT_THAT(options.Validate(), IsError(Code::kInvalidArgument, "minio.address")) << address;
  }
  options = Options();
  options.address = "fe80::1";
  EXPECT_OK(options.Validate());
  options.bucket = "a/b";
  EXPECT_THAT(options.Validate(), IsError(Code::kInvalidArgument, "minio.bucketName"));
}

TEST(S3EndpointTest, AddressesBucketsAsProvidersWant) {
  S3Options options = Options();
  S3Endpoint endpoint = EndpointFor(options);
  EXPECT_EQ(endpoint.ToString(), "http://storage.example.com");
  EXPECT_EQ(endpoint.Authority(), "storage.example.com");
  EXPECT_EQ(endpoint.ObjectPath("a b/c+"), "/bkt/a%20b/c%2B");
  EXPECT_EQ(endpoint.BucketPath(), "/bkt/");

  options.provider = S3Provider::kAws;
  options.use_ssl = true;
  options.port = 443;
  endpoint = EndpointFor(options);
  EXPECT_EQ(endpoint.Authority(), "bkt.storage.example.com");
  EXPECT_EQ(endpoint.ObjectPath("k"), "/k");
  EXPECT_EQ(endpoint.BucketPath(), "/");
  options.bucket = "with.dot";
  EXPECT_FALSE(EndpointFor(options).virtual_host);
  options.use_ssl = false;
  EXPECT_TRUE(EndpointFor(options).virtual_host);
  options.address = "10.0.0.1";
  EXPECT_FALSE(EndpointFor(options).virtual_host);
  options.addressing = S3Addressing::kVirtualHost;
  EXPECT_TRUE(EndpointFor(options).virtual_host);

  options = Options();
  options.address = "::1";
  options.port = 9000;
  EXPECT_EQ(EndpointFor(options).Authority(), "[::1]:9000");
}

TEST(S3EndpointTest, OnlyRegionalAwsHostsFollowTheRegion) {
  EXPECT_EQ(AwsHostForRegion("s3.amazonaws.com", "eu-west-1"), "s3.eu-west-1.amazonaws.com");
  EXPECT_EQ(AwsHostForRegion("s3.us-east-1.amazonaws.com", "eu-west-1"),
            "s3.eu-west-1.amazonaws.com");
  EXPECT_EQ(AwsHostForRegion("s3.cn-north-1.amazonaws.com.cn", "cn-northwest-1"),
            "s3.cn-northwest-1.amazonaws.com.cn");
  EXPECT_EQ(AwsHostForRegion("s3.dualstack.us-east-1.amazonaws.com", "eu-west-1"), "");
  EXPECT_EQ(AwsHostForRegion("minio.local", "eu-west-1"), "");
  EXPECT_EQ(AwsHostForRegion("s3.amazonaws.com.evil.org", "eu-west-1"), "");
}

TEST(S3DialectTest, KnowsWhatServicesLack) {
  EXPECT_TRUE(DialectOf(S3Provider::kMinio).caps.conditional_put);
  EXPECT_FALSE(DialectOf(S3Provider::kHuawei).caps.conditional_put);
  EXPECT_FALSE(DialectOf(S3Provider::kGcs).part_copy);
  EXPECT_FALSE(DialectOf(S3Provider::kAliyun).checksum_header);
  EXPECT_EQ(DialectOf(S3Provider::kAliyun).caps.max_copy, 1'000'000'000U);
  EXPECT_EQ(DialectOf(S3Provider::kTencent).if_absent_header, "x-cos-forbid-overwrite");
}

TEST(S3XmlTest, ListingsAreDecodedOnlyWhenTheReplySaysSo) {
  const std::string contents =
      "<Contents><Key>a+b%2Bc/%C3%A9</Key><LastModified>2026-01-02T03:04:05.678Z</LastModified>"
      "<ETag>&quot;abc&quot;</ETag><Size>12345678901</Size></Contents>"
      "<CommonPrefixes><Prefix>p%20q/</Prefix></CommonPrefixes>";
  const std::string start =
      "<?xml version=\"1.0\"?><ListBucketResult xmlns=\"http://x/\"><IsTruncated>true</IsTruncated>"
      "<NextContinuationToken>t+/=%41</NextContinuationToken>";
  ASSERT_OK_AND_ASSIGN(const S3ListReply decoded,
                       ParseListReply(start + "<EncodingType>url</EncodingType>" + contents +
                                      "</ListBucketResult>"));
  ASSERT_EQ(decoded.page.objects.size(), 1U);
  EXPECT_EQ(decoded.page.objects[0].key, "a b+c/\xc3\xa9");
  EXPECT_EQ(decoded.page.objects[0].etag, "abc");
  EXPECT_EQ(decoded.page.objects[0].size, 12345678901U);
  EXPECT_EQ(FormatIso8601(decoded.page.objects[0].modified), "2026-01-02T03:04:05Z");
  EXPECT_EQ(decoded.page.prefixes, std::vector<std::string>{"p q/"});
  EXPECT_EQ(decoded.next_token, "t+/=%41");
  EXPECT_TRUE(decoded.truncated);
  ASSERT_OK_AND_ASSIGN(const S3ListReply raw,
                       ParseListReply(start + contents + "</ListBucketResult>"));
  EXPECT_EQ(raw.page.objects[0].key, "a+b%2Bc/%C3%A9");
}

TEST(S3XmlTest, NamespacePrefixesAndOrderDoNotMatter) {
  ASSERT_OK_AND_ASSIGN(
      const S3ListReply reply,
      ParseListReply("<s3:ListBucketResult xmlns:s3=\"u\"><s3:Contents><s3:Key>k</s3:Key>"
                     "<s3:Size>1</s3:Size></s3:Contents><s3:EncodingType>url</s3:EncodingType>"
                     "</s3:ListBucketResult>"));
  EXPECT_EQ(reply.page.objects.at(0).key, "k");
}

TEST(S3XmlTest, BrokenRepliesAreTransientErrors) {
  for (const char* xml : {"", "<", "<ListBucketResult>", "<html></html>", "{}",
                          "<ListBucketResult><Contents><Key>k</Key></Contents></ListBucketResult>",
                          "<ListBucketResult><Contents><Size>1</Size></Contents>"
                          "</ListBucketResult>"}) {
    const Result<S3ListReply> reply = ParseListReply(xml);
    ASSERT_THAT(reply, IsError(Code::kInternal, "unusable reply")) << xml;
    EXPECT_EQ(reply.status().retry_class(), RetryClass::kTransient);
  }
  EXPECT_FALSE(ParseUploadId("<InitiateMultipartUploadResult/>").ok());
  EXPECT_FALSE(ParseObjectReply("<CopyObjectResult></CopyObjectResult>").ok());
  EXPECT_FALSE(
      ParsePartsReply("<ListPartsResult><Part><Size>1</Size></Part></ListPartsResult>").ok());
}

TEST(S3XmlTest, ErrorsAreFoundBehindBlanks) {
  const auto error = ParseErrorBody(
      "\n  \n<?xml version=\"1.0\"?><Error><Code>InternalError</Code><Message>try &amp; "
      "see</Message><RequestId>R1</RequestId><Region>eu</Region></Error>");
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->code, "InternalError");
  EXPECT_EQ(error->message, "try & see");
  EXPECT_EQ(error->request_id, "R1");
  EXPECT_EQ(error->region, "eu");
  EXPECT_FALSE(ParseErrorBody("<CopyObjectResult><ETag>\"Error\"</ETag></CopyObjectResult>"));
  EXPECT_FALSE(ParseErrorBody("<html>Error</html"));
}

TEST(S3XmlTest, BodiesEscapeWhatXmlNeeds) {
  EXPECT_EQ(DeleteBody({"a&b<c>", "q\"'"}),
            "<Delete><Quiet>true</Quiet><Object><Key>a&amp;b&lt;c&gt;</Key></Object>"
            "<Object><Key>q&quot;&apos;</Key></Object></Delete>");
  EXPECT_EQ(
      CompleteBody({{1, 5, "e1", Crc32c(AsBytes("hello"))}, {2, 1, "e2", std::nullopt}}, true),
      "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>&quot;e1&quot;</ETag>"
      "<ChecksumCRC32C>mnG7TA==</ChecksumCRC32C></Part><Part><PartNumber>2</PartNumber>"
      "<ETag>&quot;e2&quot;</ETag></Part></CompleteMultipartUpload>");
  EXPECT_TRUE(FitsXml("plain \xc3\xa9 \xf0\x9f\x98\x80"));
  for (const char* key : {"a\tb", "a\nb", "\x7f", "\xff", "\xc3", "\xc3(", "\xed\xa0"}) {
    EXPECT_FALSE(FitsXml(key)) << key;
  }
  EXPECT_EQ(StripQuotes("\"x\""), "x");
  EXPECT_EQ(StripQuotes("W/\"x\""), "x");
  EXPECT_EQ(StripQuotes("x"), "x");
  EXPECT_EQ(CopySourceHeader("b", "a+b c/\xc3\xa9?"), "/b/a%2Bb%20c/%C3%A9%3F");
}

TEST(S3TimeTest, ReadsBothFormats) {
  const auto time = ParseHttpDate("Fri, 02 Jan 2026 03:04:05 GMT");
  ASSERT_TRUE(time.has_value());
  EXPECT_EQ(FormatIso8601(*time), "2026-01-02T03:04:05Z");
  EXPECT_EQ(ParseIso8601("2026-01-02T03:04:05.250Z") - *time, 250ms);
  EXPECT_EQ(ParseIso8601("2026-01-02T03:04:05Z"), *time);
  for (const char* bad :
       {"", "yesterday", "Fri, 02 Foo 2026 03:04:05 GMT", "Fri, 42 Jan 2026 03:04:05 GMT"}) {
    EXPECT_FALSE(ParseHttpDate(bad).has_value()) << bad;
  }
  EXPECT_EQ(ParseIso8601("2026-13-02T03:04:05Z").time_since_epoch().count(), 0);
}

struct ErrorCase {
  const char* code;
  int http_status;
  Code expected;
  RetryClass retry;
};

class S3ErrorMap : public ::testing::TestWithParam<ErrorCase> {};

TEST_P(S3ErrorMap, CodeFirstThenStatus) {
  const ErrorCase& test = GetParam();
  const S3Place place{S3Provider::kMinio, "bkt", "http://h:9000", {}};
  const Status status = S3Error(place, {test.code, "text", "R", ""}, test.http_status);
  EXPECT_EQ(status.code(), test.expected) << test.code;
  EXPECT_EQ(status.retry_class(), test.retry) << test.code;
  EXPECT_EQ(status.service_code(), test.code);
  EXPECT_EQ(status.http_status(), test.http_status);
  EXPECT_EQ(status.origin(), Origin::kStorage);
  EXPECT_NE(status.ToString().find("bucket bkt at http://h:9000"), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(
    Table, S3ErrorMap,
    ::testing::Values(
        ErrorCase{"NoSuchKey", 404, Code::kNotFound, RetryClass::kNever},
        ErrorCase{"", 404, Code::kNotFound, RetryClass::kNever},
        ErrorCase{"NoSuchBucket", 404, Code::kNotFound, RetryClass::kNever},
        ErrorCase{"InvalidBucketName", 400, Code::kInvalidArgument, RetryClass::kNever},
        ErrorCase{"BucketAlreadyExists", 409, Code::kAlreadyExists, RetryClass::kNever},
        ErrorCase{"PreconditionFailed", 412, Code::kAborted, RetryClass::kNever},
        ErrorCase{"", 412, Code::kAborted, RetryClass::kNever},
        ErrorCase{"OperationAborted", 409, Code::kUnavailable, RetryClass::kTransient},
        ErrorCase{"ConditionalRequestConflict", 409, Code::kUnavailable, RetryClass::kTransient},
        ErrorCase{"InvalidRange", 416, Code::kOutOfRange, RetryClass::kNever},
        ErrorCase{"AccessDenied", 403, Code::kPermissionDenied, RetryClass::kNever},
        ErrorCase{"", 403, Code::kPermissionDenied, RetryClass::kNever},
        ErrorCase{"XAdminUserNotFound", 404, Code::kUnauthenticated, RetryClass::kNever},
        ErrorCase{"InvalidAccessKeyId", 403, Code::kUnauthenticated, RetryClass::kNever},
        ErrorCase{"SignatureDoesNotMatch", 403, Code::kUnauthenticated, RetryClass::kNever},
        ErrorCase{"ExpiredToken", 400, Code::kUnauthenticated, RetryClass::kNever},
        ErrorCase{"RequestTimeTooSkewed", 403, Code::kFailedPrecondition, RetryClass::kNever},
        ErrorCase{"PermanentRedirect", 301, Code::kFailedPrecondition, RetryClass::kNever},
        ErrorCase{"", 302, Code::kFailedPrecondition, RetryClass::kNever},
        ErrorCase{"SlowDown", 503, Code::kUnavailable, RetryClass::kThrottled},
        ErrorCase{"SlowDownWrite", 503, Code::kUnavailable, RetryClass::kThrottled},
        ErrorCase{"ThrottlingException", 400, Code::kUnavailable, RetryClass::kThrottled},
        ErrorCase{"ExceedSomethingRateLimit", 429, Code::kUnavailable, RetryClass::kThrottled},
        ErrorCase{"", 429, Code::kUnavailable, RetryClass::kThrottled},
        ErrorCase{"InternalError", 500, Code::kUnavailable, RetryClass::kTransient},
        ErrorCase{"", 502, Code::kUnavailable, RetryClass::kTransient},
        ErrorCase{"Unheard", 503, Code::kUnavailable, RetryClass::kTransient},
        ErrorCase{"", 520, Code::kUnavailable, RetryClass::kTransient},
        ErrorCase{"", 499, Code::kUnavailable, RetryClass::kTransient},
        ErrorCase{"RequestTimeout", 400, Code::kUnavailable, RetryClass::kTransient},
        ErrorCase{"BadDigest", 400, Code::kDataLoss, RetryClass::kTransient},
        ErrorCase{"XAmzContentChecksumMismatch", 400, Code::kDataLoss, RetryClass::kTransient},
        ErrorCase{"InvalidDigest", 400, Code::kInvalidArgument, RetryClass::kNever},
        ErrorCase{"Unheard", 400, Code::kInvalidArgument, RetryClass::kNever},
        ErrorCase{"InvalidPart", 400, Code::kFailedPrecondition, RetryClass::kNever},
        ErrorCase{"NotImplemented", 501, Code::kUnimplemented, RetryClass::kNever},
        ErrorCase{"XMinioStorageFull", 507, Code::kResourceExhausted, RetryClass::kNever},
        ErrorCase{"QuotaExceeded", 403, Code::kResourceExhausted, RetryClass::kNever},
        ErrorCase{"InvalidObjectState", 403, Code::kFailedPrecondition, RetryClass::kNever}));

TEST(S3ErrorTest, AdviceSpeaksTheWordsOfTheConfig) {
  S3Place place{S3Provider::kMinio, "bkt", "http://h:9000", {}};
  place.keys.bucket = "minio.backupBucketName";
  place.keys.access_key = "minio.backupAccessKeyID";
  EXPECT_NE(S3Error(place, {"NoSuchBucket", "", "", ""}, 404).advice().find(place.keys.bucket),
            std::string::npos);
  EXPECT_NE(
      S3Error(place, {"InvalidAccessKeyId", "", "", ""}, 403).advice().find(place.keys.access_key),
      std::string::npos);
  const Status tls =
      S3Error(place, {"", "Client sent an HTTP request to an HTTPS server.", "", ""}, 400);
  EXPECT_NE(tls.advice().find("minio.useSSL"), std::string::npos);
  const Status refused = S3NetworkError(
      place, Status(Code::kUnavailable, "x").WithService(std::string(net::kConnectFailed), 0, ""));
  EXPECT_NE(refused.advice().find("minio.address"), std::string::npos);
  EXPECT_NE(refused.advice().find("minio.port"), std::string::npos);
}

TEST(S3ErrorTest, RetryAfterIsHonouredUpToACap) {
  const auto now = *ParseHttpDate("Fri, 02 Jan 2026 03:04:05 GMT");
  const auto ask = [&](const char* name, const char* value, S3Provider provider) {
    net::HttpResponse response;
    response.headers.push_back({name, value});
    return RetryAfter(response, provider, now);
  };
  EXPECT_EQ(ask("retry-after", "60", S3Provider::kMinio), 5000ms);
  EXPECT_EQ(ask("retry-after", "60", S3Provider::kAws), 30000ms);
  EXPECT_EQ(ask("retry-after", "2", S3Provider::kMinio), 2000ms);
  EXPECT_EQ(ask("retry-after-ms", "150", S3Provider::kAws), 150ms);
  EXPECT_EQ(ask("retry-after", "Fri, 02 Jan 2026 03:04:08 GMT", S3Provider::kAws), 3000ms);
  EXPECT_EQ(ask("retry-after", "Fri, 02 Jan 2026 03:04:00 GMT", S3Provider::kAws), 0ms);
  EXPECT_EQ(ask("retry-after", "-1", S3Provider::kAws), std::nullopt);
  EXPECT_EQ(ask("retry-after", "soon", S3Provider::kAws), std::nullopt);
  EXPECT_EQ(ask("retry-after", "99999999999999999999", S3Provider::kAws), std::nullopt);
}

TEST(S3ErrorTest, HeadErrorsComeFromHeaders) {
  net::HttpResponse response;
  response.status = 404;
  response.headers = {{"x-minio-error-code", "NoSuchBucket"},
                      {"x-amz-request-id", "R9"},
                      {"x-amz-bucket-region", "eu-west-1"}};
  const S3ErrorBody error = ErrorOf(response);
  EXPECT_EQ(error.code, "NoSuchBucket");
  EXPECT_EQ(error.request_id, "R9");
  EXPECT_EQ(error.region, "eu-west-1");
  response.headers.clear();
  response.body = "<html>\nBad Gateway</html>";
  EXPECT_EQ(ErrorOf(response).message, "<html> Bad Gateway</html>");
}

}  // namespace
}  // namespace milvus_backup::storage
