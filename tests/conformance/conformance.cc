#include "conformance.h"

#include <atomic>
#include <chrono>
#include <unistd.h>

namespace milvus_backup::testing {

using namespace storage;  // NOLINT(google-build-using-namespace)

std::string Pattern(size_t size, uint32_t seed) {
  std::string bytes(size, '\0');
  uint32_t state = seed * 2654435761U + 1;
  for (char& c : bytes) {
    state = state * 1664525U + 1013904223U;
    c = static_cast<char>(state >> 24U);
  }
  return bytes;
}

void Conformance::SetUp() {
  opened_ = GetParam().open();
  if (!opened_.skip.empty()) GTEST_SKIP() << opened_.skip;
  static std::atomic<int> counter{0};
  const auto now = std::chrono::system_clock::now().time_since_epoch().count();
  prefix_ = "t-" + std::to_string(getpid()) + "-" + std::to_string(now) + "-" +
            std::to_string(counter++) + "/";
}

void Conformance::TearDown() {
  for (Backend* used : {opened_.backend.get(), opened_.neighbour.get()}) {
    if (used == nullptr) continue;
    std::vector<std::string> keys;
    EXPECT_OK(ForEachObject({}, *used, prefix_, [&](const ObjectInfo& object) {
      keys.push_back(object.key);
      return Status::Ok();
    }));
    const auto failures = used->DeleteMany({}, keys);
    EXPECT_OK(failures);
    if (failures.ok()) {
      EXPECT_TRUE(failures->empty());
    }
  }
}

void Conformance::Put(const std::string& name, const std::string& bytes) {
  ASSERT_OK(backend().Put({}, Key(name), AsBytes(bytes), {}));
}

std::string Conformance::Get(const std::string& name) {
  const Result<std::string> bytes = ReadAll({}, backend(), Key(name), kGiB);
  EXPECT_OK(bytes);
  return bytes.ok() ? *bytes : std::string("unreadable");
}

Result<std::string> Conformance::Range(const std::string& name, uint64_t offset,
                                       std::optional<uint64_t> length) {
  std::string bytes;
  ReadOptions options;
  options.offset = offset;
  options.length = length;
  MB_ASSIGN_OR_RETURN(const ReadInfo info,
                      backend().Read({}, Key(name), options, [&](const ReadInfo&, ByteView chunk) {
                        bytes.append(AsText(chunk));
                        return Status::Ok();
                      }));
  EXPECT_FALSE(info.etag.empty());
  return bytes;
}

std::vector<std::string> Conformance::Names(uint32_t page_size) {
  std::vector<std::string> names;
  ListRequest request;
  request.prefix = prefix_;
  request.max_keys = page_size;
  for (;;) {
    const Result<ListPage> page = backend().List({}, request);
    EXPECT_OK(page);
    if (!page.ok()) return names;
    EXPECT_LE(page->objects.size(), page_size);
    for (const ObjectInfo& object : page->objects)
      names.push_back(object.key.substr(prefix_.size()));
    if (page->next_token.empty()) return names;
    request.token = page->next_token;
  }
}

std::unique_ptr<Upload> Conformance::Upload(const std::string& name,
                                            const std::vector<std::string>& parts,
                                            std::vector<PartInfo>* infos) {
  StartUploadOptions options;
  options.part_size = parts.empty() ? part_size() : parts.front().size();
  Result<std::unique_ptr<storage::Upload>> upload = backend().StartUpload({}, Key(name), options);
  EXPECT_OK(upload);
  if (!upload.ok()) return nullptr;
  for (size_t i = 0; i < parts.size(); ++i) {
    const Result<PartInfo> part =
        (*upload)->UploadPart({}, static_cast<uint32_t>(i + 1), AsBytes(parts[i]), std::nullopt);
    EXPECT_OK(part);
    if (part.ok()) infos->push_back(*part);
  }
  return *std::move(upload);
}

INSTANTIATE_TEST_SUITE_P(All, Conformance, ::testing::ValuesIn(AllBackendCases()),
                         [](const auto& test) { return test.param.name; });

}  // namespace milvus_backup::testing
