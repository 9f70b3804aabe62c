// Rows inserted through the client and read back.
#include "client_fixture.h"
#include "milvus/convert_internal.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

namespace milvus_backup::milvus {
namespace {

using ::testing::ElementsAre;
using testing::FakeAnswer;
using ::testing::HasSubstr;
using testing::IsError;

template <typename T>
std::string BytesOf(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

Column Fixed(const std::string& name, int32_t type, size_t width, const std::string& bytes) {
  return {.field_name = name,
          .data_type = type,
          .rows = bytes.size() / width,
          .width = width,
          .fixed = bytes};
}

Column Texts(const std::string& name, int32_t type, const std::vector<std::string>& texts,
             int32_t element_type = 0) {
  return {.field_name = name,
          .data_type = type,
          .element_type = element_type,
          .rows = texts.size(),
          .texts = texts};
}

// Serialized schema.ScalarField messages: of int32 [1, 2], of no text, of the text "a".
const std::string kIntArray("\x12\x04\x0a\x02\x01\x02", 6);
const std::string kNoTexts("\x32\x00", 2);
const std::string kTextArray(
    "\x32\x03\x0a\x01"
    "a",
    5);

/// Two rows with a field of every type of Milvus 2.3, the dynamic one too.
std::vector<Column> EveryType() {
  std::vector<Column> columns = {
      Fixed("id", data_type::kInt64, 8, BytesOf<int64_t>({-5, 7})),
      Fixed("bool", data_type::kBool, 1, BytesOf<uint8_t>({1, 0})),
      Fixed("int8", data_type::kInt8, 4, BytesOf<int32_t>({-128, 127})),
      Fixed("int16", data_type::kInt16, 4, BytesOf<int32_t>({-32768, 32767})),
      Fixed("int32", data_type::kInt32, 4, BytesOf<int32_t>({-2147483647, 5})),
      Fixed("float", data_type::kFloat, 4, BytesOf<float>({0.1F, -3.5F})),
      Fixed("double", data_type::kDouble, 8, BytesOf<double>({0.1, -3.5})),
      Texts("text", data_type::kVarChar, {"", "q\"\\é"}),
      Texts("ints", data_type::kArray, {kIntArray, kIntArray}, data_type::kInt32),
      Texts("texts", data_type::kArray, {kNoTexts, kTextArray}, data_type::kVarChar),
      Texts("json", data_type::kJson, {"{}", R"({"a":[1]})"}),
      Fixed("vector", data_type::kFloatVector, 8, BytesOf<float>({1, 2, 3, 4})),
      Fixed("bits", data_type::kBinaryVector, 2, "abcd"),
      Texts("$meta", data_type::kJson, {"{}", R"({"colour":"red"})"})};
  columns.back().is_dynamic = true;
  return columns;
}

class RowsTest : public ClientTest {
 protected:
  void SetUp() override {
    Start();
    testing::FakeCollection collection;
    CollectionSchema& schema = collection.info.schema;
    schema.name = "c";
    schema.enable_dynamic_field = true;
    for (const Column& column : EveryType()) {
      if (column.is_dynamic) continue;
      FieldSchema field = Field(column.field_name, column.data_type);
      field.element_type = column.element_type;
      field.type_params = {{"max_length", "8"}, {"dim", column.width == 2 ? "16" : "2"}};
      schema.fields.push_back(field);
    }
    schema.fields.front().is_primary_key = true;
    collection.partitions = {{.name = "_default"}, {.name = "p"}};
    collection.load_state = LoadState::kLoaded;
    server_->Add("default", collection);
  }

  InsertRequest Rows(std::vector<Column> columns = EveryType()) const {
    return {.db_name = "default", .collection_name = "c", .columns = std::move(columns)};
  }

  QueryRequest Ask(std::string expr) const {
    QueryRequest request{.db_name = "default", .collection_name = "c", .expr = std::move(expr)};
    for (const Column& column : EveryType()) request.output_fields.push_back(column.field_name);
    return request;
  }

  int64_t Count() {
    auto found = client_->Query(
        ctx_, {.db_name = "default", .collection_name = "c", .output_fields = {"count(*)"}});
    EXPECT_OK(found);
    int64_t count = -1;
    if (found.ok()) std::memcpy(&count, found->at(0).fixed.data(), sizeof(count));
    return count;
  }
};

TEST_F(RowsTest, EveryTypeComesBackAsItWent) {
  InsertRequest request = Rows();
  request.partition_name = "p";
  ASSERT_OK_AND_ASSIGN(const int64_t inserted, client_->Insert(ctx_, request));
  EXPECT_EQ(inserted, 2);
  QueryRequest ask = Ask("id > -100");
  ask.partition_names = {"p"};
  ASSERT_OK_AND_ASSIGN(const std::vector<Column> found, client_->Query(ctx_, ask));
  const std::vector<Column> expected = EveryType();
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i].fixed, expected[i].fixed) << expected[i].field_name;
    EXPECT_EQ(found[i].width, expected[i].width) << expected[i].field_name;
    EXPECT_EQ(found[i].is_dynamic, expected[i].is_dynamic);
    if (expected[i].field_name == "texts") {
      // Servers do not say of what kind an array without elements is.
      EXPECT_THAT(found[i].texts, ElementsAre("", kTextArray));
    } else {
      EXPECT_EQ(found[i].texts, expected[i].texts) << expected[i].field_name;
    }
  }
  ask.partition_names = {"_default"};
  ASSERT_OK_AND_ASSIGN(const std::vector<Column> elsewhere, client_->Query(ctx_, ask));
  EXPECT_EQ(elsewhere.front().rows, 0U);
}

TEST_F(RowsTest, WhatWasReadCanBeInserted) {
  ASSERT_OK(client_->Insert(ctx_, Rows()));
  ASSERT_OK_AND_ASSIGN(std::vector<Column> found, client_->Query(ctx_, Ask("id > -100")));
  for (Column& column : found) {
    if (column.field_name == "texts") column.element_type = data_type::kVarChar;
    if (column.field_name == "ints") column.element_type = data_type::kInt32;
  }
  ASSERT_OK(client_->Upsert(ctx_, Rows(std::move(found))));
  const auto rows = server_->Find("default", "c")->rows.at("_default");
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].at("texts"), kNoTexts);
  EXPECT_EQ(rows[1].at("texts"), kTextArray);
}

TEST_F(RowsTest, AnUpsertTakesTheOldRowsPlace) {
  ASSERT_OK(client_->Insert(ctx_, Rows()));
  ASSERT_OK(client_->Insert(ctx_, Rows()));
  EXPECT_EQ(Count(), 4);
  ASSERT_OK_AND_ASSIGN(const int64_t upserted, client_->Upsert(ctx_, Rows()));
  EXPECT_EQ(upserted, 2);
  EXPECT_EQ(Count(), 2);
}

TEST_F(RowsTest, ALimitTakesTheSmallestKeys) {
  std::vector<Column> columns = EveryType();
  for (int64_t key = 0; key < 10; key += 2) {
    columns.front().fixed = BytesOf<int64_t>({9 - key, key + 20});
    ASSERT_OK(client_->Insert(ctx_, Rows(columns)));
  }
  QueryRequest ask = Ask("id > 3");
  ask.output_fields = {"id"};
  ask.limit = 3;
  ask.guarantee_timestamp = 77;
  ASSERT_OK_AND_ASSIGN(const std::vector<Column> found, client_->Query(ctx_, ask));
  EXPECT_EQ(found.at(0).fixed, BytesOf<int64_t>({5, 7, 9}));
  EXPECT_THAT(server_->texts("Query").back(), HasSubstr("id > 3 limit=3"));
  const auto message = ToProto(ask);
  EXPECT_EQ(message.guarantee_timestamp(), 77U);
  EXPECT_EQ(FromProto(message.query_params()),
            (std::vector<KeyValue>{
                {"limit", "3"}, {"reduce_stop_for_best", "True"}, {"iterator", "True"}}));
  ask.limit = 16385;
  EXPECT_THAT(client_->Query(ctx_, ask), IsError(Code::kUnknown, "max query result window"));
}

TEST_F(RowsTest, AnAnswerAboveWhatIsTakenIsNotAskedForAgain) {
  std::vector<Column> columns = EveryType();
  for (int64_t i = 0; i < 20; i += 2) {
    columns.front().fixed = BytesOf<int64_t>({i, i + 1});
    ASSERT_OK(client_->Insert(ctx_, Rows(columns)));
  }
  ClientOptions options = server_->client_options();
  options.max_receive_bytes = 500;
  ASSERT_OK_AND_ASSIGN(const auto small, Connect(ctx_, options));
  EXPECT_THAT(small->Query(ctx_, Ask("id > -100")),
              IsError(Code::kResourceExhausted, "larger than max"));
  EXPECT_EQ(server_->count("Query"), 1U);
  ASSERT_OK(client_->Query(ctx_, Ask("id > -100")));
}

TEST_F(RowsTest, ServersRefuseRowsThatDoNotFit) {
  const auto refused = [&](const std::string& field, const auto& change) {
    InsertRequest request = Rows();
    const auto column = std::ranges::find(request.columns, field, &Column::field_name);
    change(*column, request);
    return client_->Insert(ctx_, request).status();
  };
  EXPECT_THAT(refused("text", [](Column& one, auto&) { one.texts[1] = "ninebytes"; }),
              IsError(Code::kInvalidArgument, "exceeds max length"));
  EXPECT_THAT(refused("vector", [](Column& one, auto&) { one.width = 4; }),
              IsError(Code::kInvalidArgument, "vector"));
  EXPECT_THAT(refused("ints", [](Column& one, auto&) { one.element_type = 0; }),
              IsError(Code::kInvalidArgument, "element type"));
  EXPECT_THAT(refused("json", [](Column& one, auto&) { one.field_name = "other"; }),
              IsError(Code::kInvalidArgument, "other"));
  EXPECT_THAT(refused("json", [](Column&, auto& request) { request.partition_name = "no"; }),
              IsError(Code::kNotFound, "partition"));
  EXPECT_EQ(Count(), 0);
}

TEST_F(RowsTest, AnInsertOfUnknownOutcomeIsNotRepeatedAndAnUpsertIs) {
  const FakeAnswer broken{.grpc_code = 14, .reason = "the connection broke"};
  server_->Plan("Insert", broken);
  EXPECT_THAT(client_->Insert(ctx_, Rows()), IsError(Code::kUnavailable, "broke"));
  EXPECT_EQ(server_->count("Insert"), 1U);
  server_->Plan("Upsert", broken);
  ASSERT_OK(client_->Upsert(ctx_, Rows()));
  EXPECT_EQ(server_->count("Upsert"), 2U);
  // A rate limit is answered before anything is done.
  server_->Plan("Insert", {.code = 8, .reason = "rate limit exceeded"});
  ASSERT_OK(client_->Insert(ctx_, Rows()));
  EXPECT_EQ(server_->count("Insert"), 3U);
}

TEST(ColumnTest, BytesThatAreNoBoolBecomeOne) {
  const auto message = ToProto(Fixed("b", data_type::kBool, 1, BytesOf<uint8_t>({0, 1, 7})));
  EXPECT_THAT(message.scalars().bool_data().data(), ElementsAre(false, true, true));
  ASSERT_OK_AND_ASSIGN(const Column back, FromProto(message));
  EXPECT_EQ(back.fixed, BytesOf<uint8_t>({0, 1, 1}));
}

TEST(ColumnTest, NullsTravelWithoutValues) {
  Column numbers = Fixed("n", data_type::kInt32, 4, BytesOf<int32_t>({1, 0, 3}));
  numbers.nulls = {0, 1, 0};
  const auto message = ToProto(numbers);
  EXPECT_EQ(message.scalars().int_data().data_size(), 2);
  ASSERT_OK_AND_ASSIGN(const Column back, FromProto(message));
  EXPECT_EQ(back.fixed, numbers.fixed);
  EXPECT_EQ(back.nulls, numbers.nulls);
}

TEST(ColumnTest, VectorsOfNewerServersKeepTheirBytes) {
  for (const auto& [type, width] :
       std::vector<std::pair<int32_t, size_t>>{{data_type::kFloat16Vector, 4},
                                               {data_type::kBFloat16Vector, 4},
                                               {data_type::kInt8Vector, 2}}) {
    const Column column = Fixed("v", type, width, "abcdefgh");
    ASSERT_OK_AND_ASSIGN(const Column back, FromProto(ToProto(column)));
    EXPECT_EQ(back.fixed, column.fixed) << type;
    EXPECT_EQ(back.width, width) << type;
    EXPECT_EQ(back.rows, column.rows) << type;
  }
  const Column sparse = Texts("s", data_type::kSparseFloatVector, {"abcdefgh", "12345678"});
  ASSERT_OK_AND_ASSIGN(const Column back, FromProto(ToProto(sparse)));
  EXPECT_EQ(back.texts, sparse.texts);
}

}  // namespace
}  // namespace milvus_backup::milvus
