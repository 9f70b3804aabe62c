#include "conformance.h"

#include "milvus_backup/base/checksum.h"
#include "milvus_backup/storage/request_loop.h"

#include <atomic>
#include <chrono>
#include <thread>

namespace milvus_backup::testing {
namespace {

using namespace storage;  // NOLINT(google-build-using-namespace)
using namespace std::chrono_literals;

const Sink kIgnore = [](const ReadInfo&, ByteView) { return Status::Ok(); };

TEST_P(Conformance, MissingKeyIsNotFound) {
  EXPECT_THAT(backend().Stat({}, Key("no")), IsError(Code::kNotFound, ""));
  EXPECT_THAT(backend().Read({}, Key("no"), {}, kIgnore), IsError(Code::kNotFound, ""));
  EXPECT_THAT(ReadAll({}, backend(), Key("no/deeper"), 10), IsError(Code::kNotFound, ""));
  EXPECT_OK(backend().CheckAccess({}));
}

TEST_P(Conformance, ContainerMayBeCreatedAgain) { EXPECT_OK(backend().CreateContainer({})); }

TEST_P(Conformance, ObjectComesBackAsWritten) {
  const std::string bytes = Pattern(300'000);
  const auto before = std::chrono::system_clock::now() - 5s;
  ASSERT_OK_AND_ASSIGN(const ObjectInfo put, backend().Put({}, Key("a/b"), AsBytes(bytes), {}));
  EXPECT_EQ(put.size, bytes.size());
  EXPECT_EQ(Get("a/b"), bytes);
  ASSERT_OK_AND_ASSIGN(const ObjectInfo info, backend().Stat({}, Key("a/b")));
  EXPECT_EQ(info.key, Key("a/b"));
  EXPECT_EQ(info.size, bytes.size());
  EXPECT_EQ(info.etag, put.etag);
  EXPECT_GT(info.modified, before);
  EXPECT_LT(info.modified, std::chrono::system_clock::now() + 5s);
  if (info.crc32c) {
    EXPECT_EQ(*info.crc32c, Crc32c(AsBytes(bytes)));
  }
}

TEST_P(Conformance, CallsOnALoopDoWhatTheirNamesakesDo) {
  if (!backend().starts_calls()) GTEST_SKIP() << "has no such calls";
  const std::string bytes = Pattern(60'000);
  RequestLoop loop;
  const auto finish = [&] {
    while (loop.running() > 0) loop.Turn(1s);
  };
  Result<ObjectInfo> put = InternalError("not done");
  backend().StartPut(loop, {}, Key("l"), AsBytes(bytes), {.crc32c = Crc32c(AsBytes(bytes))},
                     [&](Result<ObjectInfo> info) { put = std::move(info); });
  finish();
  ASSERT_OK(put);
  EXPECT_EQ(put->key, Key("l"));
  EXPECT_EQ(put->size, bytes.size());
  ASSERT_OK_AND_ASSIGN(const ObjectInfo direct, backend().Put({}, Key("d"), AsBytes(bytes), {}));
  EXPECT_EQ(put->etag, direct.etag);
  EXPECT_EQ(put->crc32c, direct.crc32c);
  EXPECT_EQ(Get("l"), bytes);

  std::string seen;
  const auto read = [&](const std::string& name, const ReadOptions& options) {
    Result<ReadInfo> result = InternalError("not done");
    seen.clear();
    backend().StartRead(
        loop, {}, Key(name), options,
        [&](const ReadInfo&, ByteView chunk) {
          seen += AsText(chunk);
          return Status::Ok();
        },
        [&](Result<ReadInfo> info) { result = std::move(info); });
    finish();
    return result;
  };
  ASSERT_OK_AND_ASSIGN(const ReadInfo info, read("l", {}));
  EXPECT_EQ(info.object_size, bytes.size());
  EXPECT_EQ(info.etag, put->etag);
  EXPECT_EQ(seen, bytes);
  ASSERT_OK(read("l", {.offset = 7, .length = 9}));
  EXPECT_EQ(seen, bytes.substr(7, 9));
  EXPECT_THAT(read("no", {}), IsError(Code::kNotFound, ""));
  EXPECT_THAT(read("l", {.if_match = "0123"}), IsError(Code::kAborted, "changed"));
}

TEST_P(Conformance, EmptyObjectIsAnObject) {
  Put("empty", "");
  ASSERT_OK_AND_ASSIGN(const ObjectInfo info, backend().Stat({}, Key("empty")));
  EXPECT_EQ(info.size, 0U);
  EXPECT_EQ(Get("empty"), "");
  bool called = false;
  const Sink sink = [&](const ReadInfo&, ByteView) {
    called = true;
    return Status::Ok();
  };
  ReadOptions some;
  some.length = 10;
  EXPECT_OK(backend().Read({}, Key("empty"), some, sink));
  some.length = 0;
  EXPECT_OK(backend().Read({}, Key("empty"), some, sink));
  EXPECT_FALSE(called);
  EXPECT_THAT(Range("empty", 1, std::nullopt), IsError(Code::kOutOfRange, ""));
}

TEST_P(Conformance, RangesAreExact) {
  const std::string bytes = Pattern(100'000);
  Put("r", bytes);
  const auto expect = [&](uint64_t offset, std::optional<uint64_t> length) {
    ASSERT_OK_AND_ASSIGN(const std::string got, Range("r", offset, length));
    EXPECT_EQ(got, bytes.substr(offset, length.value_or(std::string::npos)))
        << offset << "+" << length.value_or(0);
  };
  expect(0, std::nullopt);
  expect(0, 1);
  expect(1, 99'998);
  expect(50'000, std::nullopt);
  expect(99'999, 1);
  expect(99'999, std::nullopt);
  expect(90'000, 20'000);
  expect(0, 200'000);
  expect(10, 0);
}

TEST_P(Conformance, RangesPastTheEndAreRefused) {
  Put("r", "0123456789");
  EXPECT_THAT(Range("r", 10, std::nullopt), IsError(Code::kOutOfRange, ""));
  EXPECT_THAT(Range("r", 10, 5), IsError(Code::kOutOfRange, ""));
  EXPECT_THAT(Range("r", 11, 1), IsError(Code::kOutOfRange, ""));
  EXPECT_THAT(Range("r", 1'000'000, std::nullopt), IsError(Code::kOutOfRange, ""));
  EXPECT_THAT(Range("r", 11, 0), IsError(Code::kOutOfRange, ""));
  ASSERT_OK_AND_ASSIGN(const std::string nothing, Range("r", 10, 0));
  EXPECT_EQ(nothing, "");
}

TEST_P(Conformance, InfoIsCompleteBeforeTheFirstByte) {
  const std::string bytes = Pattern(50'000);
  Put("i", bytes);
  ASSERT_OK_AND_ASSIGN(const ObjectInfo info, backend().Stat({}, Key("i")));
  ReadOptions options;
  options.offset = 10'000;
  options.length = 5'000;
  uint64_t chunks = 0;
  EXPECT_OK(backend().Read({}, Key("i"), options, [&](const ReadInfo& seen, ByteView) {
    ++chunks;
    EXPECT_EQ(seen.object_size, bytes.size());
    EXPECT_EQ(seen.etag, info.etag);
    return Status::Ok();
  }));
  EXPECT_GT(chunks, 0U);
}

TEST_P(Conformance, SinkErrorEndsTheReadUnchanged) {
  Put("s", Pattern(3'000'000));
  uint64_t seen = 0;
  const Result<ReadInfo> read =
      backend().Read({}, Key("s"), {}, [&](const ReadInfo&, ByteView chunk) -> Status {
        seen += chunk.size();
        return Status(Code::kDataLoss, "sink says no").WithRetry(RetryClass::kTransient);
      });
  ASSERT_THAT(read, IsError(Code::kDataLoss, "sink says no"));
  EXPECT_EQ(read.status().ToString(), "sink says no");
  EXPECT_LT(seen, 3'000'000U);
  EXPECT_EQ(Get("s").size(), 3'000'000U);
}

TEST_P(Conformance, IfMatchNoticesAChangedObject) {
  Put("m", "one");
  ASSERT_OK_AND_ASSIGN(const ObjectInfo first, backend().Stat({}, Key("m")));
  ReadOptions options;
  options.if_match = first.etag;
  EXPECT_OK(backend().Read({}, Key("m"), options, kIgnore));
  Put("m", "two");
  EXPECT_THAT(backend().Read({}, Key("m"), options, kIgnore), IsError(Code::kAborted, ""));
  options.length = 0;
  EXPECT_THAT(backend().Read({}, Key("m"), options, kIgnore), IsError(Code::kAborted, ""));
}

TEST_P(Conformance, OverwriteReplacesTheWholeObject) {
  Put("o", Pattern(10'000, 1));
  Put("o", "short");
  EXPECT_EQ(Get("o"), "short");
  Put("o", Pattern(20'000, 2));
  EXPECT_EQ(Get("o"), Pattern(20'000, 2));
}

TEST_P(Conformance, IfAbsentNeverOverwrites) {
  if (!backend().caps().conditional_put) GTEST_SKIP() << "no conditional put";
  PutOptions options;
  options.if_absent = true;
  EXPECT_OK(backend().Put({}, Key("c"), AsBytes("first"), options));
  EXPECT_THAT(backend().Put({}, Key("c"), AsBytes("second"), options),
              IsError(Code::kAlreadyExists, ""));
  EXPECT_EQ(Get("c"), "first");
}

TEST_P(Conformance, DamagedBodyIsRefused) {
  if (!GetParam().verifies_checksums) GTEST_SKIP() << "does not verify checksums";
  PutOptions options;
  options.crc32c = Crc32c(AsBytes("something else"));
  EXPECT_THAT(backend().Put({}, Key("d"), AsBytes("body"), options), IsError(Code::kDataLoss, ""));
  EXPECT_THAT(backend().Stat({}, Key("d")), IsError(Code::kNotFound, ""));
  options.crc32c = Crc32c(AsBytes("body"));
  EXPECT_OK(backend().Put({}, Key("d"), AsBytes("body"), options));
}

TEST_P(Conformance, DeletingTwiceSucceeds) {
  Put("x/y/z", "1");
  EXPECT_OK(backend().Delete({}, Key("x/y/z")));
  EXPECT_OK(backend().Delete({}, Key("x/y/z")));
  EXPECT_THAT(backend().Stat({}, Key("x/y/z")), IsError(Code::kNotFound, ""));
  EXPECT_TRUE(Names().empty());
}

TEST_P(Conformance, OddKeysSurvive) {
  std::vector<std::string> names = {"a b",
                                    "a+b",
                                    "a%2Bb",
                                    "100%",
                                    "a&b=c;d",
                                    "q\"uo'te",
                                    "<tag>",
                                    "\xc3\xa9t\xc3\xa9",
                                    "\xe6\x97\xa5\xe6\x9c\xac/\xf0\x9f\x98\x80",
                                    "semi;colon",
                                    "hash#mark",
                                    "question?mark",
                                    "tilde~star*",
                                    "back`tick|pipe",
                                    "brace{}[]^",
                                    "at@dollar$comma,",
                                    ".hidden",
                                    "dots..in..name",
                                    "trailing dot."};
  if (GetParam().any_key) {
    names.insert(names.end(), {"tab\there", "two//slashes", "./dot", "up/../dir", "end/"});
  }
  for (const std::string& name : names) {
    ASSERT_OK(backend().Put({}, Key(name), AsBytes("v:" + name), {})) << name;
  }
  for (const std::string& name : names) {
    EXPECT_EQ(Get(name), "v:" + name);
    EXPECT_OK(backend().Stat({}, Key(name))) << name;
  }
  std::vector<std::string> sorted = names;
  std::sort(sorted.begin(), sorted.end());
  EXPECT_EQ(Names(), sorted);
  EXPECT_EQ(Names(3), sorted);
  if (backend().caps().server_copy) {
    for (const std::string& name : names) {
      const CopySource source{&backend(), Key(name), 2 + name.size(), ""};
      ASSERT_OK(backend().Copy({}, source, Key("copy of " + name))) << name;
      EXPECT_EQ(Get("copy of " + name), "v:" + name);
    }
  }
  std::vector<std::string> keys;
  for (const std::string& name : names) keys.push_back(Key(name));
  ASSERT_OK_AND_ASSIGN(const auto failures, backend().DeleteMany({}, keys));
  EXPECT_TRUE(failures.empty());
  for (const std::string& name : names) {
    EXPECT_THAT(backend().Stat({}, Key(name)), IsError(Code::kNotFound, "")) << name;
  }
}

TEST_P(Conformance, WrongCredentialsAreToldAtOnce) {
  if (!GetParam().checks_credentials) GTEST_SKIP() << "credentials are not checked here";
  const std::vector<std::function<void(S3Options&)>> mistakes = {
      [](S3Options& options) { options.access_key = Secret("nobody"); },
      [](S3Options& options) { options.secret_key = Secret("wrong-secret-value"); },
      [](S3Options& options) {
        options.access_key = options.secret_key = Secret();
        options.anonymous = true;
      }};
  for (const auto& mistake : mistakes) {
    ASSERT_OK_AND_ASSIGN(const auto refused, opened().reopen(mistake));
    const auto start = std::chrono::steady_clock::now();
    const Status status = refused->CheckAccess({});
    EXPECT_LT(std::chrono::steady_clock::now() - start, 2s);
    EXPECT_THAT(status.code(), ::testing::AnyOf(Code::kUnauthenticated, Code::kPermissionDenied))
        << status.ToString();
    EXPECT_THAT(refused->Put({}, Key("new"), AsBytes("x"), {}).status().code(), status.code());
    EXPECT_EQ(status.ToString().find("wrong-secret-value"), std::string::npos);
  }
  EXPECT_TRUE(Names().empty());
}

TEST_P(Conformance, CancelBeforeTheCallChangesNothing) {
  Put("kept", "1");
  std::stop_source stop;
  stop.request_stop();
  const CallContext ctx{stop.get_token(), std::nullopt};
  EXPECT_THAT(backend().CheckAccess(ctx), IsError(Code::kCancelled, ""));
  EXPECT_THAT(backend().Put(ctx, Key("new"), AsBytes("x"), {}), IsError(Code::kCancelled, ""));
  EXPECT_THAT(backend().Stat(ctx, Key("kept")), IsError(Code::kCancelled, ""));
  EXPECT_THAT(backend().Read(ctx, Key("kept"), {}, kIgnore), IsError(Code::kCancelled, ""));
  EXPECT_THAT(backend().List(ctx, {}), IsError(Code::kCancelled, ""));
  EXPECT_THAT(backend().Delete(ctx, Key("kept")), IsError(Code::kCancelled, ""));
  EXPECT_THAT(backend().DeleteMany(ctx, {Key("kept")}), IsError(Code::kCancelled, ""));
  EXPECT_THAT(backend().StartUpload(ctx, Key("up"), {false, part_size(), false}),
              IsError(Code::kCancelled, ""));
  const CopySource source{&backend(), Key("kept"), 1, ""};
  EXPECT_THAT(backend().Copy(ctx, source, Key("copy")), IsError(Code::kCancelled, ""));
  EXPECT_EQ(Names(), std::vector<std::string>{"kept"});
}

TEST_P(Conformance, PastDeadlineIsDeadlineExceeded) {
  CallContext ctx;
  ctx.deadline = std::chrono::steady_clock::now() - 1ms;
  EXPECT_THAT(backend().Put(ctx, Key("new"), AsBytes("x"), {}),
              IsError(Code::kDeadlineExceeded, ""));
  EXPECT_TRUE(Names().empty());
}

TEST_P(Conformance, CancelDuringAReadEndsIt) {
  Put("big", Pattern(4'000'000));
  std::stop_source stop;
  uint64_t seen = 0;
  const Result<ReadInfo> read = backend().Read({stop.get_token(), std::nullopt}, Key("big"), {},
                                               [&](const ReadInfo&, ByteView chunk) {
                                                 seen += chunk.size();
                                                 stop.request_stop();
                                                 return Status::Ok();
                                               });
  EXPECT_THAT(read, IsError(Code::kCancelled, ""));
  EXPECT_LT(seen, 4'000'000U);
}

TEST_P(Conformance, FiftyWritersDoNotDisturbEachOther) {
  std::atomic<int> failures{0};
  {
    std::vector<std::jthread> writers;
    for (int i = 0; i < 50; ++i) {
      writers.emplace_back([this, i, &failures] {
        const std::string own =
            Pattern(1'000 + static_cast<size_t>(i) * 37, static_cast<uint32_t>(i));
        const std::string name = "w/" + std::to_string(i);
        bool good = backend().Put({}, Key(name), AsBytes(own), {}).ok();
        good = good && backend().Put({}, Key("w/shared"), AsBytes(own), {}).ok();
        const Result<std::string> back = ReadAll({}, backend(), Key(name), kMiB);
        good = good && back.ok() && *back == own;
        if (!good) ++failures;
      });
    }
  }
  EXPECT_EQ(failures, 0);
  EXPECT_EQ(Names().size(), 51U);
  const std::string shared = Get("w/shared");
  const size_t writer = (shared.size() - 1'000) / 37;
  EXPECT_EQ(shared, Pattern(shared.size(), static_cast<uint32_t>(writer)));
}

}  // namespace
}  // namespace milvus_backup::testing
