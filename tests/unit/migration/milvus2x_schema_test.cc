#include "migration/milvus2x_schema.h"

#include "support/status_matchers.h"

#include <gmock/gmock.h>

#include <functional>
#include <string>
#include <vector>

namespace milvus_backup::migration {
namespace {

namespace data_type = milvus::data_type;
using milvus_backup::testing::IsError;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

milvus::FieldSchema Field(const std::string& name, int32_t type) {
  milvus::FieldSchema field;
  field.name = name;
  field.data_type = type;
  if (type == data_type::kFloatVector) field.type_params = {{"dim", "4"}};
  return field;
}

class Milvus2xSchemaTest : public ::testing::Test {
 protected:
  Milvus2xSchemaTest() {
    source_.schema.name = "c";
    source_.schema.description = "mine";
    source_.schema.fields = {Field("id", data_type::kInt64), Field("n", data_type::kInt8),
                             Field("v", data_type::kFloatVector)};
    source_.schema.fields[0].is_primary_key = true;
  }
  Result<TargetPlan> Plan(const std::string& version = "v2.3.5") const {
    return PlanTarget(source_, {{.name = "_default"}}, options_, "c", version);
  }
  milvus::Collection source_;
  Milvus2xOptions options_;
};

TEST_F(Milvus2xSchemaTest, WhatNewerServersKnowGoesToThem) {
  source_.schema.fields[1].nullable = true;
  source_.schema.fields[1].default_value = "\x08\x01";
  source_.schema.fields.push_back(Field("made", data_type::kSparseFloatVector));
  source_.schema.fields.back().is_function_output = true;
  source_.schema.functions = {
      {.name = "bm25", .input_field_names = {"n"}, .output_field_names = {"made"}}};
  ASSERT_OK_AND_ASSIGN(const TargetPlan plan, Plan("v2.5.20"));
  EXPECT_EQ(plan.create.schema.fields, source_.schema.fields);
  EXPECT_EQ(plan.create.schema.functions, source_.schema.functions);
  EXPECT_EQ(plan.create.schema.description, "mine");
  // The target makes it itself.
  EXPECT_THAT(plan.rows.fields, SizeIs(3));
  EXPECT_THAT(Plan("v2.4.1"), IsError(Code::kFailedPrecondition, "field n is nullable"));
}

TEST_F(Milvus2xSchemaTest, TheLeastRowHasWhatIsAlwaysThere) {
  source_.schema.enable_dynamic_field = true;
  source_.schema.fields.push_back(Field("text", data_type::kVarChar));
  source_.schema.fields.push_back(Field("bits", data_type::kBinaryVector));
  source_.schema.fields.back().type_params = {{"dim", "16"}};
  source_.schema.fields.push_back(Field("maybe", data_type::kDouble));
  source_.schema.fields.back().nullable = true;
  ASSERT_OK_AND_ASSIGN(const TargetPlan plan, Plan("v2.5.20"));
  // A key, an Int8 in four bytes, four floats and 16 bits.
  EXPECT_EQ(LeastRowBytes(plan.rows), 8U + 4U + 16U + 2U);
}

TEST_F(Milvus2xSchemaTest, ADefaultValueIsLostWithAWarning) {
  source_.schema.fields[1].default_value = "\x08\x01";
  ASSERT_OK_AND_ASSIGN(const TargetPlan plan, Plan());
  EXPECT_FALSE(plan.create.schema.fields[1].default_value);
  EXPECT_THAT(plan.warnings, ElementsAre(HasSubstr("default value of field n is lost")));
}

TEST_F(Milvus2xSchemaTest, TypesThatCannotBeReadAreNamed) {
  source_.schema.fields.push_back(Field("shape", 24));
  EXPECT_THAT(Plan(), IsError(Code::kUnimplemented, "field shape"));
  options_.fields = {"id", "v"};
  ASSERT_OK(Plan());
  source_.schema.struct_array_fields.emplace_back();
  EXPECT_THAT(Plan(), IsError(Code::kUnimplemented, "struct fields"));
}

TEST_F(Milvus2xSchemaTest, ExistingCollectionsMustFit) {
  ASSERT_OK_AND_ASSIGN(const TargetPlan plan, Plan());
  const auto check = [&](const std::function<void(milvus::CollectionSchema&)>& change) {
    milvus::Collection existing = source_;
    change(existing.schema);
    return CheckRowsFit(existing, plan.rows);
  };
  EXPECT_OK(check([](auto&) {}));
  EXPECT_OK(check([](auto& schema) {
    schema.fields.push_back(Field("more", data_type::kInt64));
    schema.fields.back().nullable = true;
  }));
  const auto fails = [&](const std::string& part, const auto& change) {
    EXPECT_THAT(check(change), IsError(Code::kFailedPrecondition, part));
  };
  fails("has no field n", [](auto& schema) { schema.fields.erase(schema.fields.begin() + 1); });
  fails("field n has another type", [](auto& schema) { schema.fields[1].data_type = 5; });
  fails("dimension 8 instead of 4", [](auto& schema) {
    schema.fields[2].type_params = {{"dim", "8"}};
  });
  fails("makes its keys itself", [](auto& schema) { schema.fields[0].auto_id = true; });
  fails("has a field more", [](auto& schema) { schema.fields.push_back(Field("more", 5)); });
  fails("has a partition key", [](auto& schema) { schema.fields[1].is_partition_key = true; });
}

TEST_F(Milvus2xSchemaTest, IndexesOfVectorsComeFirst) {
  ASSERT_OK_AND_ASSIGN(const TargetPlan plan, Plan());
  const std::vector<milvus::Index> source = {
      {.field_name = "n", .name = "a", .params = {{"index_type", "marisa-trie"}}},
      {.field_name = "left out", .name = "b"},
      {.field_name = "v", .name = "c"}};
  const std::vector<milvus::Index> copied = IndexesToCopy(source, plan.create.schema.fields);
  ASSERT_THAT(copied, SizeIs(2));
  EXPECT_EQ(copied[0].name, "c");
  EXPECT_EQ(copied[1].params, (std::vector<milvus::KeyValue>{{"index_type", "Trie"}}));
  EXPECT_EQ(VectorWithoutIndex(source_.schema, copied), "");
  EXPECT_EQ(VectorWithoutIndex(source_.schema, {}), "v");
}

}  // namespace
}  // namespace milvus_backup::migration
