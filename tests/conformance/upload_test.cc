#include "conformance.h"

#include "milvus_backup/base/checksum.h"

#include <thread>

namespace milvus_backup::testing {
namespace {

using namespace storage;  // NOLINT(google-build-using-namespace)

TEST_P(Conformance, UploadOfPartsIsOneObject) {
  const uint64_t size = part_size();
  // Exact part edges: the last part is as long as the others, then one byte.
  for (const uint64_t last : {size, uint64_t{1}}) {
    const std::vector<std::string> parts = {Pattern(size, 1), Pattern(size, 2), Pattern(last, 3)};
    std::vector<PartInfo> infos;
    const auto upload = Upload("up", parts, &infos);
    ASSERT_EQ(infos.size(), 3U);
    ASSERT_OK_AND_ASSIGN(const ObjectInfo done, upload->Complete({}, infos));
    const std::string whole = parts[0] + parts[1] + parts[2];
    EXPECT_EQ(done.key, Key("up"));
    EXPECT_EQ(done.size, whole.size());
    if (done.crc32c) {
      EXPECT_EQ(*done.crc32c, Crc32c(AsBytes(whole)));
    }
    EXPECT_EQ(Get("up"), whole);
    ASSERT_OK_AND_ASSIGN(const ObjectInfo info, backend().Stat({}, Key("up")));
    EXPECT_EQ(info.etag, done.etag);
    if (info.crc32c) {
      EXPECT_EQ(*info.crc32c, Crc32c(AsBytes(whole)));
    }
  }
}

TEST_P(Conformance, SinglePartMayBeSmall) {
  std::vector<PartInfo> infos;
  const auto upload = Upload("one", {"tiny"}, &infos);
  ASSERT_OK(upload->Complete({}, infos));
  EXPECT_EQ(Get("one"), "tiny");
}

TEST_P(Conformance, NothingIsVisibleBeforeComplete) {
  Put("v", "old");
  std::vector<PartInfo> infos;
  const auto upload = Upload("v", {"new"}, &infos);
  EXPECT_EQ(Get("v"), "old");
  ASSERT_OK(upload->Complete({}, infos));
  EXPECT_EQ(Get("v"), "new");
}

TEST_P(Conformance, PartsComeInAnyOrderFromAnyThread) {
  const uint64_t size = part_size();
  ASSERT_OK_AND_ASSIGN(const auto upload,
                       backend().StartUpload({}, Key("t"), {false, size, false}));
  std::vector<PartInfo> infos(4);
  std::vector<std::string> parts;
  for (uint32_t i = 0; i < 4; ++i) parts.push_back(Pattern(i < 3 ? size : 99, i));
  {
    std::vector<std::jthread> threads;
    for (int i = 3; i >= 0; --i) {
      threads.emplace_back([&, i] {
        const auto index = static_cast<size_t>(i);
        const Result<PartInfo> part = upload->UploadPart(
            {}, static_cast<uint32_t>(i + 1), AsBytes(parts[index]), Crc32c(AsBytes(parts[index])));
        EXPECT_OK(part);
        if (part.ok()) infos[index] = *part;
      });
    }
  }
  ASSERT_OK(upload->Complete({}, infos));
  EXPECT_EQ(Get("t"), parts[0] + parts[1] + parts[2] + parts[3]);
}

TEST_P(Conformance, RepeatedPartReplacesTheFirst) {
  std::vector<PartInfo> infos;
  const auto upload = Upload("rep", {Pattern(part_size(), 1), "last"}, &infos);
  const std::string other = Pattern(part_size(), 9);
  ASSERT_OK_AND_ASSIGN(infos[0], upload->UploadPart({}, 1, AsBytes(other), std::nullopt));
  ASSERT_OK(upload->Complete({}, infos));
  EXPECT_EQ(Get("rep"), other + "last");
}

TEST_P(Conformance, ListPartsTellsWhatIsThere) {
  std::vector<PartInfo> infos;
  const auto upload = Upload("lp", {Pattern(part_size(), 1), "last"}, &infos);
  ASSERT_OK_AND_ASSIGN(const auto parts, upload->ListParts({}));
  ASSERT_EQ(parts.size(), 2U);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(parts[i].number, infos[i].number);
    EXPECT_EQ(parts[i].etag, infos[i].etag);
    EXPECT_EQ(parts[i].size, infos[i].size);
    if (parts[i].crc32c && infos[i].crc32c) {
      EXPECT_EQ(*parts[i].crc32c, *infos[i].crc32c);
    }
  }
  EXPECT_OK(upload->Abort({}));
}

TEST_P(Conformance, AbortedUploadIsGone) {
  std::vector<PartInfo> infos;
  const auto upload = Upload("ab", {"part"}, &infos);
  const std::string id = upload->upload_id();
  EXPECT_OK(upload->Abort({}));
  EXPECT_OK(upload->Abort({}));
  if (GetParam().checks_parts) {
    EXPECT_THAT(upload->UploadPart({}, 2, AsBytes("x"), std::nullopt),
                IsError(Code::kNotFound, ""));
  }
  EXPECT_THAT(backend().ResumeUpload({}, Key("ab"), id), IsError(Code::kNotFound, ""));
  EXPECT_TRUE(Names().empty());
}

TEST_P(Conformance, DroppedUploadIsAborted) {
  std::string id;
  {
    std::vector<PartInfo> infos;
    const auto upload = Upload("dropped", {"part"}, &infos);
    id = upload->upload_id();
  }
  EXPECT_THAT(backend().ResumeUpload({}, Key("dropped"), id), IsError(Code::kNotFound, ""));
  EXPECT_THAT(backend().Stat({}, Key("dropped")), IsError(Code::kNotFound, ""));
}

TEST_P(Conformance, DetachedUploadCanBeResumed) {
  const std::string first = Pattern(part_size(), 1);
  std::string id;
  {
    std::vector<PartInfo> infos;
    const auto upload = Upload("res/umed", {first}, &infos);
    id = upload->upload_id();
    upload->Detach();
  }
  ASSERT_OK_AND_ASSIGN(const auto uploads, backend().ListUploads({}, Key("res/umed")));
  ASSERT_EQ(uploads.size(), 1U);
  EXPECT_EQ(uploads[0].upload_id, id);
  EXPECT_EQ(uploads[0].key, Key("res/umed"));
  ASSERT_OK_AND_ASSIGN(const auto upload, backend().ResumeUpload({}, Key("res/umed"), id));
  ASSERT_OK_AND_ASSIGN(auto parts, upload->ListParts({}));
  ASSERT_EQ(parts.size(), 1U);
  EXPECT_EQ(parts[0].size, first.size());
  ASSERT_OK_AND_ASSIGN(const PartInfo second,
                       upload->UploadPart({}, 2, AsBytes("tail"), std::nullopt));
  parts.push_back(second);
  ASSERT_OK(upload->Complete({}, parts));
  EXPECT_EQ(Get("res/umed"), first + "tail");
  ASSERT_OK_AND_ASSIGN(const auto none, backend().ListUploads({}, Key("res/umed")));
  EXPECT_TRUE(none.empty());
}

TEST_P(Conformance, ResumeOfAnUnknownUploadIsNotFound) {
  EXPECT_THAT(backend().ResumeUpload({}, Key("u"), "0123456789abcdef"),
              IsError(Code::kNotFound, ""));
}

TEST_P(Conformance, CompleteRefusesWrongParts) {
  std::vector<PartInfo> infos;
  const auto upload = Upload("wrong", {Pattern(part_size(), 1), "last"}, &infos);
  std::vector<PartInfo> damaged = infos;
  damaged[0].etag = "00000000000000000000000000000000";
  EXPECT_FALSE(upload->Complete({}, damaged).ok());
  EXPECT_THAT(backend().Stat({}, Key("wrong")), IsError(Code::kNotFound, ""));
  EXPECT_OK(upload->Abort({}));
}

TEST_P(Conformance, UploadIfAbsentNeverOverwrites) {
  if (!backend().caps().conditional_put) GTEST_SKIP() << "no conditional upload";
  Put("cu", "there first");
  // Either call may be the one that notices.
  const Result<std::unique_ptr<storage::Upload>> upload =
      backend().StartUpload({}, Key("cu"), {true, part_size(), false});
  Status refused = upload.ok() ? Status::Ok() : upload.status();
  if (upload.ok()) {
    ASSERT_OK_AND_ASSIGN(const PartInfo part,
                         (*upload)->UploadPart({}, 1, AsBytes("late"), std::nullopt));
    refused = StatusOf((*upload)->Complete({}, {part}));
  }
  EXPECT_THAT(refused, IsError(Code::kAlreadyExists, ""));
  EXPECT_EQ(Get("cu"), "there first");
}

TEST_P(Conformance, DamagedPartIsRefused) {
  if (!GetParam().verifies_checksums) GTEST_SKIP() << "does not verify checksums";
  std::vector<PartInfo> infos;
  const auto upload = Upload("dp", {}, &infos);
  EXPECT_THAT(upload->UploadPart({}, 1, AsBytes("body"), 12345U), IsError(Code::kDataLoss, ""));
  EXPECT_OK(upload->Abort({}));
}

TEST_P(Conformance, CopyKeepsTheBytes) {
  if (!backend().caps().server_copy) GTEST_SKIP() << "no server-side copy";
  ASSERT_TRUE(backend().CanCopyFrom(backend()));
  ASSERT_TRUE(neighbour().CanCopyFrom(backend()));
  const std::string bytes = Pattern(123'456);
  Put("from", bytes);
  const CopySource source{&backend(), Key("from"), bytes.size(), ""};
  ASSERT_OK_AND_ASSIGN(const ObjectInfo inside, backend().Copy({}, source, Key("to/there")));
  EXPECT_EQ(inside.key, Key("to/there"));
  EXPECT_EQ(inside.size, bytes.size());
  EXPECT_EQ(Get("to/there"), bytes);
  ASSERT_OK(neighbour().Copy({}, source, Key("across")));
  ASSERT_OK_AND_ASSIGN(const std::string across, ReadAll({}, neighbour(), Key("across"), kMiB));
  EXPECT_EQ(across, bytes);
  ASSERT_OK_AND_ASSIGN(const ObjectInfo info, neighbour().Stat({}, Key("across")));
  if (info.crc32c) {
    EXPECT_EQ(*info.crc32c, Crc32c(AsBytes(bytes)));
  }
}

TEST_P(Conformance, CopyIsGuarded) {
  if (!backend().caps().server_copy) GTEST_SKIP() << "no server-side copy";
  EXPECT_THAT(backend().Copy({}, {&backend(), Key("none"), 1, ""}, Key("to")),
              IsError(Code::kNotFound, ""));
  Put("g", "one");
  ASSERT_OK_AND_ASSIGN(const ObjectInfo info, backend().Stat({}, Key("g")));
  EXPECT_OK(backend().Copy({}, {&backend(), Key("g"), 3, info.etag}, Key("good")));
  if (!GetParam().guards_copies) GTEST_SKIP() << "the server ignores x-amz-copy-source-if-match";
  Put("g", "two");
  EXPECT_THAT(backend().Copy({}, {&backend(), Key("g"), 3, info.etag}, Key("to")),
              IsError(Code::kAborted, ""));
  EXPECT_THAT(backend().Stat({}, Key("to")), IsError(Code::kNotFound, ""));
}

TEST_P(Conformance, CopiedPartsMakeTheSameObject) {
  if (!backend().caps().server_copy) GTEST_SKIP() << "no server-side copy";
  const uint64_t size = part_size();
  const std::string bytes = Pattern(size + 1'000);
  Put("big", bytes);
  ASSERT_OK_AND_ASSIGN(const auto upload,
                       neighbour().StartUpload({}, Key("parts"), {false, size, true}));
  const CopySource source{&backend(), Key("big"), bytes.size(), ""};
  std::vector<PartInfo> parts(2);
  ASSERT_OK_AND_ASSIGN(parts[1], upload->CopyPart({}, 2, source, {size, 1'000}));
  ASSERT_OK_AND_ASSIGN(parts[0], upload->CopyPart({}, 1, source, {0, size}));
  if (GetParam().checks_parts) {
    EXPECT_FALSE(upload->CopyPart({}, 3, source, {size, 5'000}).ok());
  }
  ASSERT_OK_AND_ASSIGN(const ObjectInfo done, upload->Complete({}, parts));
  EXPECT_EQ(done.size, bytes.size());
  ASSERT_OK_AND_ASSIGN(const std::string back, ReadAll({}, neighbour(), Key("parts"), kGiB));
  EXPECT_EQ(back, bytes);
}

}  // namespace
}  // namespace milvus_backup::testing
