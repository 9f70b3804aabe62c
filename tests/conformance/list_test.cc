#include "conformance.h"

#include <algorithm>

namespace milvus_backup::testing {
namespace {

using namespace storage;  // NOLINT(google-build-using-namespace)

using Strings = std::vector<std::string>;

TEST_P(Conformance, ListsInByteOrderAcrossPages) {
  Strings names = {"a.b", "a/b", "a/b.c", "a/c", "a0", "aa", "b", "b/1/2/3", "B", "c-", "c/", "z"};
  // Only a name, not a directory of its own.
  std::erase(names, "c/");
  std::erase(names, "b/1/2/3");
  names.emplace_back("d/1/2/3");
  for (const std::string& name : names) Put(name, name);
  std::sort(names.begin(), names.end());
  for (const uint32_t page : {1000U, 5U, 2U, 1U}) EXPECT_EQ(Names(page), names) << page;
}

TEST_P(Conformance, EmptyListHasNoToken) {
  ListRequest request;
  request.prefix = Key("nothing/");
  ASSERT_OK_AND_ASSIGN(const ListPage page, backend().List({}, request));
  EXPECT_TRUE(page.objects.empty());
  EXPECT_TRUE(page.prefixes.empty());
  EXPECT_TRUE(page.next_token.empty());
}

TEST_P(Conformance, ListTellsSizesAndEtags) {
  Put("f", "12345");
  ListRequest request;
  request.prefix = prefix();
  ASSERT_OK_AND_ASSIGN(const ListPage page, backend().List({}, request));
  ASSERT_OK_AND_ASSIGN(const ObjectInfo info, backend().Stat({}, Key("f")));
  ASSERT_EQ(page.objects.size(), 1U);
  EXPECT_EQ(page.objects[0].size, 5U);
  EXPECT_EQ(page.objects[0].etag, info.etag);
  EXPECT_LT(std::chrono::abs(page.objects[0].modified - info.modified), std::chrono::seconds(2));
}

TEST_P(Conformance, PrefixNeedNotEndAtASlash) {
  for (const char* name : {"seg/100", "seg/101", "seg/200", "segment"}) Put(name, "x");
  const auto list = [&](const std::string& part) {
    ListRequest request;
    request.prefix = Key(part);
    const Result<ListPage> page = backend().List({}, request);
    EXPECT_OK(page);
    Strings found;
    if (!page.ok()) return found;
    for (const ObjectInfo& object : page->objects) {
      found.push_back(object.key.substr(prefix().size()));
    }
    return found;
  };
  EXPECT_EQ(list("seg"), (Strings{"seg/100", "seg/101", "seg/200", "segment"}));
  EXPECT_EQ(list("seg/10"), (Strings{"seg/100", "seg/101"}));
  EXPECT_EQ(list("seg/"), (Strings{"seg/100", "seg/101", "seg/200"}));
  EXPECT_EQ(list("segment"), (Strings{"segment"}));
}

TEST_P(Conformance, DelimiterGroupsOneLevel) {
  for (const char* name : {"a/1", "a/2", "b", "c/d/e", "c/f", "x"}) Put(name, "1");
  for (const uint32_t page_size : {1000U, 1U, 2U}) {
    ListRequest request;
    request.prefix = prefix();
    request.delimiter = "/";
    request.max_keys = page_size;
    Strings objects;
    Strings prefixes;
    for (int guard = 0; guard < 20; ++guard) {
      ASSERT_OK_AND_ASSIGN(const ListPage page, backend().List({}, request));
      for (const auto& object : page.objects) objects.push_back(object.key.substr(prefix().size()));
      for (const auto& group : page.prefixes) prefixes.push_back(group.substr(prefix().size()));
      request.token = page.next_token;
      if (request.token.empty()) break;
    }
    EXPECT_EQ(objects, (Strings{"b", "x"})) << page_size;
    EXPECT_EQ(prefixes, (Strings{"a/", "c/"})) << page_size;
  }
}

TEST_P(Conformance, StartAfterSkipsUpToAndWithTheKey) {
  for (const char* name : {"a", "b/1", "b/2", "c"}) Put(name, "1");
  const auto after = [&](const std::string& name) {
    ListRequest request;
    request.prefix = prefix();
    request.start_after = Key(name);
    const Result<ListPage> page = backend().List({}, request);
    EXPECT_OK(page);
    return page.ok() && !page->objects.empty() ? page->objects[0].key.substr(prefix().size()) : "";
  };
  EXPECT_EQ(after("a"), "b/1");
  EXPECT_EQ(after("b/1"), "b/2");
  EXPECT_EQ(after("b/15"), "b/2");
  EXPECT_EQ(after("b/2"), "c");
  EXPECT_EQ(after("c"), "");
}

TEST_P(Conformance, ForEachVisitsEveryObjectOnce) {
  Strings keys;
  for (int i = 0; i < 1'203; ++i) {
    keys.push_back("n" + std::to_string(100'000 + i));
    Put(keys.back(), "");
  }
  Strings seen;
  EXPECT_OK(ForEachObject({}, backend(), prefix(), [&](const ObjectInfo& object) {
    seen.push_back(object.key.substr(prefix().size()));
    return Status::Ok();
  }));
  EXPECT_EQ(seen, keys);
  int visits = 0;
  EXPECT_THAT(ForEachObject({}, backend(), prefix(),
                            [&](const ObjectInfo&) -> Status {
                              if (++visits == 3) return DataLossError("enough");
                              return Status::Ok();
                            }),
              IsError(Code::kDataLoss, "enough"));
  EXPECT_EQ(visits, 3);
}

TEST_P(Conformance, DeleteManyTakesMoreThanABatch) {
  Strings keys;
  for (int i = 0; i < 1'101; ++i) {
    keys.push_back(Key("m/" + std::to_string(i)));
    if (i % 2 == 0) Put("m/" + std::to_string(i), "");
  }
  Put("n", "stays");
  ASSERT_OK_AND_ASSIGN(const auto failures, backend().DeleteMany({}, keys));
  EXPECT_TRUE(failures.empty());
  EXPECT_EQ(Names(), Strings{"n"});
  ASSERT_OK_AND_ASSIGN(const auto none, backend().DeleteMany({}, {}));
  EXPECT_TRUE(none.empty());
}

}  // namespace
}  // namespace milvus_backup::testing
