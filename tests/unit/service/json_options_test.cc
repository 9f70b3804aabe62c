#include "milvus_backup/service/json_options.h"

#include "support/status_matchers.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace milvus_backup::service {
namespace {

using testing::IsError;

TEST(JsonOptionsTest, SkippedParametersByKind) {
  ASSERT_OK_AND_ASSIGN(const backup::SkipParams skip,
                       ParseSkipParams(R"({"collectionProperties":["a","b"],"indexParams":["c"],
                          "fieldTypeParams":["d"],"fieldIndexParams":["e"]})"));
  EXPECT_EQ(skip.collection_properties, (std::set<std::string>{"a", "b"}));
  EXPECT_EQ(skip.index_params, std::set<std::string>{"c"});
  EXPECT_EQ(skip.field_type_params, std::set<std::string>{"d"});
  EXPECT_EQ(skip.field_index_params, std::set<std::string>{"e"});
  EXPECT_THAT(ParseSkipParams(R"({"properties":[]})"),
              IsError(Code::kInvalidArgument, "has no 'properties'"));
}

TEST(JsonOptionsTest, ErrorsNameTheOption) {
  EXPECT_THAT(ParseSkipParams("[]", "skipParams"), IsError(Code::kInvalidArgument, "skipParams"));
  EXPECT_THAT(ParseDatabaseCollections("{", "db_collections"),
              IsError(Code::kInvalidArgument, "db_collections '{' is not of the form"));
}

}  // namespace
}  // namespace milvus_backup::service
