#include "support/fake_s3.h"
#include "support/status_matchers.h"

#include "milvus_backup/base/checksum.h"
#include "milvus_backup/storage/open.h"
#include "milvus_backup/storage/s3_backend.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

namespace milvus_backup::testing {
namespace {

using namespace storage;  // NOLINT(google-build-using-namespace)
using namespace std::chrono_literals;

/// The fake server with a raw client and one that retries without waiting.
class S3Fault : public ::testing::Test {
 protected:
  S3Fault() {
    server_.CreateBucket("bkt");
    Result<std::unique_ptr<Backend>> raw = CreateS3Backend(server_.OptionsFor("bkt"));
    EXPECT_OK(raw);
    raw_ = *std::move(raw);
    Result<std::unique_ptr<Backend>> inner = CreateS3Backend(server_.OptionsFor("bkt"));
    EXPECT_OK(inner);
    retry_ = std::make_unique<RetryBackend>(*std::move(inner), RetryOptions{}, clock_);
  }
  void TearDown() override { EXPECT_EQ(server_.NotHit(), ""); }

  /// The answer to the first `times` requests that match.
  void Instead(const std::string& method, const std::string& target, FakeReply reply,
               uint32_t times = 1) {
    FakeFault fault;
    fault.method = method;
    fault.target = target;
    fault.times = times;
    fault.instead = std::move(reply);
    server_.Plan(std::move(fault));
  }
  void Change(const std::string& method, const std::string& target,
              std::function<void(FakeReply&)> change) {
    FakeFault fault;
    fault.method = method;
    fault.target = target;
    fault.change = std::move(change);
    server_.Plan(std::move(fault));
  }
  static Status Collect(Backend& backend, const std::string& key, std::string& seen,
                        const ReadOptions& options = {}) {
    const Result<ReadInfo> read =
        backend.Read({}, key, options, [&](const ReadInfo&, ByteView chunk) {
          seen.append(AsText(chunk));
          return Status::Ok();
        });
    return read.ok() ? Status::Ok() : read.status();
  }
  size_t Requests(const std::string& start) const {
    size_t count = 0;
    for (const std::string& line : server_.log()) count += line.starts_with(start) ? 1 : 0;
    return count;
  }

  FakeS3 server_;
  FakeClock clock_;
  std::unique_ptr<Backend> raw_;
  std::unique_ptr<Backend> retry_;
};

TEST_F(S3Fault, SlowDownIsWaitedOut) {
  FakeReply slow = ErrorReply(503, "SlowDown", "Please reduce your request rate.");
  slow.headers.push_back({"Retry-After", "60"});
  Instead("PUT", "/bkt/k", slow, 2);
  const Result<ObjectInfo> raw = raw_->Put({}, "k", AsBytes("v"), {});
  ASSERT_THAT(raw, IsError(Code::kUnavailable, "SlowDown"));
  EXPECT_EQ(raw.status().retry_class(), RetryClass::kThrottled);
  EXPECT_EQ(raw.status().retry_after(), 5s);
  EXPECT_OK(retry_->Put({}, "k", AsBytes("v"), {}));
  EXPECT_GE(clock_.elapsed(), 5s);
  EXPECT_LE(clock_.elapsed(), 6s);
}

TEST_F(S3Fault, BrokenReadsResumeWithoutRepeatingAByte) {
  std::string bytes;
  for (int i = 0; i < 50'000; ++i) bytes += std::to_string(i) + ",";
  server_.Put("bkt", "big", bytes);
  for (const auto ending : {FakeReply::Ending::kClose, FakeReply::Ending::kReset}) {
    for (const uint64_t cut : {0U, 1U, 70'000U, 100'000U}) {
      Change("GET", "/bkt/big", [cut, ending](FakeReply& reply) {
        reply.cut_after = cut;
        reply.ending = ending;
      });
    }
    std::string seen;
    EXPECT_OK(Collect(*retry_, "big", seen));
    EXPECT_EQ(seen, bytes);
  }
  // What is asked for again begins where the bytes ended, and is tied to the same object.
  bool ranged = false;
  for (const FakeRequest& request : server_.requests()) {
    if (request.Header("range").empty()) continue;
    ranged = true;
    EXPECT_FALSE(request.Header("if-match").empty());
  }
  EXPECT_TRUE(ranged);
}

TEST_F(S3Fault, ObjectThatChangesWhileItIsReadIsAborted) {
  server_.Put("bkt", "k", std::string(100'000, 'a'));
  Change("GET", "/bkt/k", [&](FakeReply& reply) {
    reply.cut_after = 50'000;
    server_.Put("bkt", "k", std::string(100'000, 'b'));
  });
  std::string seen;
  EXPECT_THAT(Collect(*retry_, "k", seen), IsError(Code::kAborted, "k"));
  EXPECT_EQ(seen.find('b'), std::string::npos);
}

TEST_F(S3Fault, ServerErrorsAndLostConnectionsAreCured) {
  Instead("PUT", "/bkt/k", ErrorReply(500, "InternalError"));
  FakeReply html;
  html.status = 502;
  html.body = "<html>Bad Gateway</html>";
  Instead("PUT", "/bkt/k", html);
  FakeReply dead;
  dead.silent = true;
  dead.ending = FakeReply::Ending::kReset;
  // The first reset hits a reused connection and is repeated by the HTTP client itself.
  Instead("PUT", "/bkt/k", dead, 2);
  EXPECT_OK(retry_->Put({}, "k", AsBytes("v"), {}));
  EXPECT_EQ(server_.Get("bkt", "k"), "v");
}

TEST_F(S3Fault, StalledCallsEndWithTheirContext) {
  server_.Put("bkt", "k", std::string(100'000, 'a'));
  Change("GET", "/bkt/k", [](FakeReply& reply) {
    reply.cut_after = 30'000;
    reply.ending = FakeReply::Ending::kStall;
  });
  std::stop_source stop;
  std::chrono::steady_clock::time_point stopped;
  std::jthread stopper([&] {
    std::this_thread::sleep_for(100ms);
    stopped = std::chrono::steady_clock::now();
    stop.request_stop();
  });
  EXPECT_THAT(retry_->Read({stop.get_token(), std::nullopt}, "k", {},
                           [](const ReadInfo&, ByteView) { return Status::Ok(); }),
              IsError(Code::kCancelled, ""));
  const auto ended = std::chrono::steady_clock::now();
  stopper.join();
  EXPECT_LT(ended - stopped, 3s);  // not the stall timeout
}

TEST_F(S3Fault, RepliesWithoutWhatTheyNeedAreRefused) {
  const auto drop = [](const std::string& name) {
    return [name](FakeReply& reply) {
      std::erase_if(reply.headers, [&](const net::HttpHeader& h) { return h.name == name; });
    };
  };
  server_.Put("bkt", "k", "0123456789");
  ReadOptions range;
  range.offset = 3;
  range.length = 4;
  std::string seen;
  Change("GET", "/bkt/k", drop("Content-Range"));
  EXPECT_THAT(Collect(*retry_, "k", seen, range), IsError(Code::kInternal, "Content-Range"));
  Change("GET", "/bkt/k", [](FakeReply& reply) { reply.status = 200; });
  EXPECT_THAT(Collect(*retry_, "k", seen, range), IsError(Code::kInternal, "ignored the Range"));
  Change("GET", "/bkt/k", [](FakeReply& reply) {
    for (net::HttpHeader& header : reply.headers) {
      if (header.name == "Content-Range") header.value = "bytes 4-7/10";
    }
  });
  EXPECT_THAT(Collect(*retry_, "k", seen, range), IsError(Code::kInternal, "another range"));
  EXPECT_EQ(seen, "");
  ASSERT_OK_AND_ASSIGN(const auto upload, raw_->StartUpload({}, "up", {false, 5 * kMiB, false}));
  Change("PUT", "partNumber=1", drop("ETag"));
  EXPECT_THAT(upload->UploadPart({}, 1, AsBytes("x"), {}), IsError(Code::kInternal, "no ETag"));
}

TEST_F(S3Fault, ErrorInsideASuccessIsAnError) {
  server_.Put("bkt", "src", "bytes");
  FakeReply sorry = ErrorReply(200, "InternalError", "We encountered an internal error.");
  sorry.body = "\n \n" + sorry.body;
  Instead("PUT", "/bkt/dst", sorry);
  const Result<ObjectInfo> raw = raw_->Copy({}, {raw_.get(), "src", 5, ""}, "dst");
  ASSERT_THAT(raw, IsError(Code::kUnavailable, "InternalError"));
  EXPECT_EQ(raw.status().retry_class(), RetryClass::kTransient);
  EXPECT_EQ(server_.Get("bkt", "dst"), std::nullopt);
  Instead("PUT", "/bkt/dst", sorry);
  EXPECT_OK(retry_->Copy({}, {retry_.get(), "src", 5, ""}, "dst"));

  ASSERT_OK_AND_ASSIGN(const auto upload, retry_->StartUpload({}, "up", {false, 5 * kMiB, false}));
  ASSERT_OK_AND_ASSIGN(const PartInfo part, upload->UploadPart({}, 1, AsBytes("x"), {}));
  Instead("POST", "/bkt/up?uploadId", sorry);
  EXPECT_OK(upload->Complete({}, {part}));
  EXPECT_EQ(server_.Get("bkt", "up"), "x");
}

TEST_F(S3Fault, LostAnswerOfAStartLeavesNoUpload) {
  // On a new connection, then on one that is used again.
  for (int i = 0; i < 2; ++i) {
    Change("POST", "/bkt/k?uploads", [](FakeReply& reply) {
      reply.silent = true;
      reply.ending = FakeReply::Ending::kReset;
    });
    ASSERT_OK_AND_ASSIGN(const auto upload, retry_->StartUpload({}, "k", {false, 5 * kMiB, false}));
    ASSERT_OK_AND_ASSIGN(const PartInfo part, upload->UploadPart({}, 1, AsBytes("all"), {}));
    ASSERT_OK(upload->Complete({}, {part}));
    EXPECT_EQ(server_.unfinished_uploads(), 0U);
  }
}

TEST_F(S3Fault, LostAnswerOfACompletionIsASuccess) {
  ASSERT_OK_AND_ASSIGN(const auto upload, retry_->StartUpload({}, "k", {false, 5 * kMiB, false}));
  ASSERT_OK_AND_ASSIGN(const PartInfo part, upload->UploadPart({}, 1, AsBytes("all"), {}));
  Change("POST", "/bkt/k?uploadId", [](FakeReply& reply) {
    reply.cut_after = 0;
    reply.ending = FakeReply::Ending::kReset;
  });
  ASSERT_OK_AND_ASSIGN(const ObjectInfo done, upload->Complete({}, {part}));
  EXPECT_EQ(done.size, 3U);
  EXPECT_EQ(server_.Get("bkt", "k"), "all");
}

TEST_F(S3Fault, LostAnswerOfACompletionOnAReusedConnectionIsASuccess) {
  ASSERT_OK_AND_ASSIGN(const auto upload, retry_->StartUpload({}, "k", {false, 5 * kMiB, false}));
  ASSERT_OK_AND_ASSIGN(const PartInfo part, upload->UploadPart({}, 1, AsBytes("all"), {}));
  Change("POST", "/bkt/k?uploadId", [](FakeReply& reply) {
    reply.silent = true;
    reply.ending = FakeReply::Ending::kReset;
  });
  ASSERT_OK_AND_ASSIGN(const ObjectInfo done, upload->Complete({}, {part}));
  EXPECT_EQ(done.size, 3U);
  EXPECT_EQ(server_.Get("bkt", "k"), "all");
}

TEST_F(S3Fault, CompletionThatArrivesTwiceIsASuccess) {
  ASSERT_OK_AND_ASSIGN(const auto upload, raw_->StartUpload({}, "k", {false, 5 * kMiB, false}));
  ASSERT_OK_AND_ASSIGN(const PartInfo part, upload->UploadPart({}, 1, AsBytes("all"), {}));
  ASSERT_OK_AND_ASSIGN(const auto same, raw_->ResumeUpload({}, "k", upload->upload_id()));
  ASSERT_OK(same->Complete({}, {part}));
  ASSERT_OK_AND_ASSIGN(const ObjectInfo done, upload->Complete({}, {part}));
  EXPECT_EQ(done.size, 3U);
}

TEST_F(S3Fault, CompletionOfAnUploadThatIsGoneIsNoSuccess) {
  ASSERT_OK_AND_ASSIGN(const auto upload, retry_->StartUpload({}, "k", {false, 5 * kMiB, false}));
  ASSERT_OK_AND_ASSIGN(const PartInfo part, upload->UploadPart({}, 1, AsBytes("all"), {}));
  ASSERT_OK(AbortUploads({}, *raw_, "k"));
  EXPECT_THAT(upload->Complete({}, {part}), IsError(Code::kNotFound, "NoSuchUpload"));
  EXPECT_EQ(server_.Get("bkt", "k"), std::nullopt);
}

TEST_F(S3Fault, LostAnswerOfAConditionalCompletionIsASuccess) {
  ASSERT_OK_AND_ASSIGN(const auto upload, retry_->StartUpload({}, "k", {true, 5 * kMiB, false}));
  ASSERT_OK_AND_ASSIGN(const PartInfo part, upload->UploadPart({}, 1, AsBytes("all"), {}));
  Change("POST", "/bkt/k?uploadId", [](FakeReply& reply) {
    reply.cut_after = 0;
    reply.ending = FakeReply::Ending::kReset;
  });
  Instead("POST", "/bkt/k?uploadId", ErrorReply(412, "PreconditionFailed"));
  EXPECT_OK(upload->Complete({}, {part}));
  EXPECT_EQ(server_.Get("bkt", "k"), "all");
}

TEST_F(S3Fault, LostCompletionIsNoSuccessWhenAnotherObjectIsThere) {
  ASSERT_OK_AND_ASSIGN(const auto upload, retry_->StartUpload({}, "k", {false, 5 * kMiB, false}));
  ASSERT_OK_AND_ASSIGN(const PartInfo part, upload->UploadPart({}, 1, AsBytes("all"), {}));
  Instead("POST", "/bkt/k?uploadId", ErrorReply(500, "InternalError"));
  FakeFault fault;
  fault.method = "POST";
  fault.target = "/bkt/k?uploadId";
  fault.instead = ErrorReply(404, "NoSuchUpload");
  fault.before = [&] { server_.Put("bkt", "k", "her"); };
  server_.Plan(std::move(fault));
  EXPECT_THAT(upload->Complete({}, {part}), IsError(Code::kNotFound, "another object"));
}

TEST_F(S3Fault, ReplacedObjectsAreCalledChanged) {
  server_.Put("bkt", "k", "new");
  const auto expect = [](const Status& status) {
    EXPECT_THAT(status, IsError(Code::kAborted, "k changed while it was read"));
    EXPECT_EQ(status.ToString().find("PreconditionFailed"), std::string::npos);
  };
  const std::string etag = "0cc175b9c0f1b6a831c399e269772661";
  std::string seen;
  expect(Collect(*retry_, "k", seen, {.if_match = etag}));
  const CopySource source{raw_.get(), "k", 3, etag};
  expect(raw_->Copy({}, source, "copy").status());
  ASSERT_OK_AND_ASSIGN(const auto upload, raw_->StartUpload({}, "k2", {false, 5 * kMiB, false}));
  expect(upload->CopyPart({}, 1, source, {0, 3}).status());
  EXPECT_EQ(seen, "");
}

TEST_F(S3Fault, DroppedUploadLeavesNothing) {
  {
    ASSERT_OK_AND_ASSIGN(const auto upload, raw_->StartUpload({}, "k", {false, 5 * kMiB, false}));
    ASSERT_OK(upload->UploadPart({}, 1, AsBytes("x"), {}));
    EXPECT_EQ(server_.unfinished_uploads(), 1U);
  }
  EXPECT_EQ(server_.unfinished_uploads(), 0U);
}

TEST_F(S3Fault, BodiesDamagedOnTheWayAreSentAgain) {
  Instead("PUT", "/bkt/k", ErrorReply(400, "BadDigest", "damaged"), 2);
  EXPECT_OK(retry_->Put({}, "k", AsBytes("v"), {}));
  Instead("PUT", "/bkt/k", ErrorReply(400, "BadDigest", "damaged"), 3);
  EXPECT_THAT(retry_->Put({}, "k", AsBytes("v"), {}), IsError(Code::kDataLoss, "3 tries"));
}

TEST_F(S3Fault, BadXmlIsAskedForAgain) {
  server_.Put("bkt", "k", "v");
  for (const char* body : {"", "<ListBucketResult><Contents>", "<html>login</html>",
                           "<ListBucketResult><Contents><Key>k</Key></Contents>"
                           "</ListBucketResult>"}) {
    Change("GET", "list-type=2", [body](FakeReply& reply) { reply.body = body; });
  }
  ASSERT_OK_AND_ASSIGN(const ListPage page, retry_->List({}, {}));
  EXPECT_EQ(page.objects.size(), 1U);
}

TEST_F(S3Fault, RepeatingListTokenEndsInAnError) {
  for (const char* key : {"a", "b", "c", "d"}) server_.Put("bkt", key, "v");
  FakeReply first;
  Change("GET", "list-type=2", [&first](FakeReply& reply) { first = reply; });
  ListRequest request;
  request.max_keys = 2;
  ASSERT_OK_AND_ASSIGN(const ListPage page, raw_->List({}, request));
  ASSERT_FALSE(page.next_token.empty());
  request.token = page.next_token;
  Change("GET", "continuation-token", [&first](FakeReply& reply) { reply.body = first.body; });
  EXPECT_THAT(retry_->List({}, request), IsError(Code::kInternal, "circles"));
  // The same with pages that are empty.
  const std::string empty =
      "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>same"
      "</NextContinuationToken></ListBucketResult>";
  FakeFault fault;
  fault.target = "list-type=2";
  fault.times = 2;
  fault.change = [empty](FakeReply& reply) {
    reply.status = 200;
    reply.body = empty;
  };
  server_.Plan(std::move(fault));
  EXPECT_THAT(ForEachObject({}, *retry_, "", [](const ObjectInfo&) { return Status::Ok(); }),
              IsError(Code::kInternal, "does not advance"));
}

TEST_F(S3Fault, TruncatedListWithoutTokenGoesOnByName) {
  std::vector<std::string> keys;
  for (int i = 0; i < 7; ++i) {
    keys.push_back("k" + std::to_string(i));
    server_.Put("bkt", keys.back(), "v");
  }
  FakeFault fault;
  fault.target = "list-type=2";
  fault.times = 3;
  fault.change = [](FakeReply& reply) {
    const size_t from = reply.body.find("<NextContinuationToken>");
    const size_t to = reply.body.find("</NextContinuationToken>");
    ASSERT_NE(from, std::string::npos);
    reply.body.erase(from, to + 24 - from);
  };
  server_.Plan(std::move(fault));
  ListRequest request;
  request.max_keys = 2;
  std::vector<std::string> seen;
  do {
    ASSERT_OK_AND_ASSIGN(const ListPage page, raw_->List({}, request));
    for (const ObjectInfo& object : page.objects) seen.push_back(object.key);
    request.token = page.next_token;
  } while (!request.token.empty());
  EXPECT_EQ(seen, keys);
}

TEST_F(S3Fault, SourceThatChangesBetweenCopiedPartsIsAborted) {
  server_.Put("bkt", "src", std::string(6 * kMiB, 'a'));
  ASSERT_OK_AND_ASSIGN(const ObjectInfo source, raw_->Stat({}, "src"));
  ASSERT_OK_AND_ASSIGN(const auto upload, raw_->StartUpload({}, "dst", {false, 5 * kMiB, true}));
  const CopySource from{raw_.get(), "src", source.size, source.etag};
  EXPECT_OK(upload->CopyPart({}, 1, from, {0, 5 * kMiB}));
  server_.Put("bkt", "src", std::string(6 * kMiB, 'b'));
  EXPECT_THAT(upload->CopyPart({}, 2, from, {5 * kMiB, kMiB}), IsError(Code::kAborted, ""));
}

TEST_F(S3Fault, PerKeyDeleteErrorsAreRetriedKeyByKey) {
  const std::vector<std::string> keys = {"a", "b", "c"};
  for (const std::string& key : keys) server_.Put("bkt", key, "v");
  Instead("POST", "?delete", ErrorReply(503, "SlowDown"));
  Change("POST", "?delete", [](FakeReply& reply) {
    reply.body =
        "<DeleteResult><Error><Key>b</Key><Code>InternalError</Code></Error>"
        "<Error><Key>c</Key><Code>AccessDenied</Code><Message>no</Message></Error></DeleteResult>";
  });
  ASSERT_OK_AND_ASSIGN(const auto failures, retry_->DeleteMany({}, keys));
  ASSERT_EQ(failures.size(), 1U);
  EXPECT_EQ(failures[0].key, "c");
  EXPECT_THAT(failures[0].status, IsError(Code::kPermissionDenied, "no"));
  EXPECT_EQ(Requests("POST"), 3U);
}

TEST_F(S3Fault, ControlCharactersAreDeletedOneByOne) {
  server_.Put("bkt", "tab\there", "v");
  server_.Put("bkt", "plain", "v");
  ASSERT_OK_AND_ASSIGN(const auto failures, raw_->DeleteMany({}, {"tab\there", "plain"}));
  EXPECT_TRUE(failures.empty());
  EXPECT_EQ(Requests("DELETE"), 1U);
  EXPECT_EQ(Requests("POST"), 1U);
  EXPECT_EQ(server_.Get("bkt", "tab\there"), std::nullopt);
}

TEST_F(S3Fault, BodiesCarryASignedChecksumInsteadOfAHash) {
  ASSERT_OK(raw_->Put({}, "k", AsBytes("hello"), {}));
  const FakeRequest put = server_.requests().back();
  EXPECT_EQ(put.Header("x-amz-content-sha256"), "UNSIGNED-PAYLOAD");
  EXPECT_EQ(put.Header("x-amz-checksum-crc32c"), "mnG7TA==");
  EXPECT_NE(put.Header("authorization").find("x-amz-checksum-crc32c"), std::string::npos);
  S3Options options = server_.OptionsFor("bkt");
  options.payload_signing = PayloadSigning::kAlways;
  ASSERT_OK_AND_ASSIGN(const auto hashing, CreateS3Backend(options));
  ASSERT_OK(hashing->Put({}, "k", AsBytes("hello"), {}));
  EXPECT_EQ(server_.requests().back().Header("x-amz-content-sha256").size(), 64U);
  // Services that know no checksum headers get Content-MD5.
  options.provider = S3Provider::kAliyun;
  options.addressing = S3Addressing::kPath;
  ASSERT_OK_AND_ASSIGN(const auto oss, CreateS3Backend(options));
  ASSERT_OK(oss->Put({}, "k", AsBytes("hello"), {}));
  EXPECT_EQ(server_.requests().back().Header("content-md5"), "XUFAKrxLKna5cZ2REBfFkg==");
  EXPECT_FALSE(server_.requests().back().Has("x-amz-checksum-crc32c"));
}

TEST_F(S3Fault, ListingWithMarkersWorksForServicesWithoutV2) {
  for (const char* key : {"a/1", "a/2", "b", "c/1", "d e"}) server_.Put("bkt", key, "v");
  S3Options options = server_.OptionsFor("bkt");
  options.provider = S3Provider::kHuawei;
  ASSERT_OK_AND_ASSIGN(const auto obs, CreateS3Backend(options));
  for (const char* delimiter : {"", "/"}) {
    ListRequest request;
    request.max_keys = 1;
    request.delimiter = delimiter;
    std::string seen;
    do {
      ASSERT_OK_AND_ASSIGN(const ListPage page, obs->List({}, request));
      for (const ObjectInfo& object : page.objects) seen += object.key + ";";
      for (const std::string& prefix : page.prefixes) seen += prefix + ";";
      request.token = page.next_token;
    } while (!request.token.empty());
    EXPECT_EQ(seen, *delimiter == 0 ? "a/1;a/2;b;c/1;d e;" : "a/;b;c/;d e;");
  }
}

}  // namespace
}  // namespace milvus_backup::testing
