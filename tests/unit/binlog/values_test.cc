#include "milvus_backup/binlog/values.h"

#include "support/status_matchers.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <string_view>
#include <vector>

namespace milvus_backup::binlog {
namespace {

using std::string_view_literals::operator""sv;

// Bytes of the format's description.
TEST(ScalarTest, EveryKindIsDecoded) {
  const auto decode = [](std::string_view bytes) {
    auto value = DecodeScalar(bytes);
    EXPECT_OK(value);
    return value.ok() ? *value : ScalarValue();
  };
  EXPECT_EQ(decode(""), ScalarValue());
  EXPECT_EQ(decode("\x08\x01"sv), ScalarValue(true));
  EXPECT_EQ(decode("\x08\x00"sv), ScalarValue(false));
  EXPECT_EQ(decode("\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"sv), ScalarValue(int64_t{-1}));
  EXPECT_EQ(decode("\x18\x05"sv), ScalarValue(int64_t{5}));
  EXPECT_EQ(decode("\x25\x00\x00\xc0\x3f"sv), ScalarValue(1.5F));
  EXPECT_EQ(decode("\x29\x00\x00\x00\x00\x00\x00\xf8\x3f"sv), ScalarValue(1.5));
  EXPECT_EQ(decode("\x32\x03\x61\x62\x63"sv), ScalarValue("abc"sv));
  EXPECT_EQ(decode("\x3a\x02{}"sv), ScalarValue("{}"sv));
  EXPECT_EQ(decode("\x40\x07"sv), ScalarValue(int64_t{7}));
  // A kind of a later version.
  EXPECT_EQ(decode("\x4a\x01x"sv), ScalarValue());
  for (const std::string_view cut : {"\x08"sv, "\x25\x00"sv, "\x32\x03\x61"sv, "\x32"sv}) {
    EXPECT_THAT(DecodeScalar(cut), testing::IsError(Code::kDataLoss, "damaged"));
  }
}

TEST(ArrayValueTest, DecodesEveryKind) {
  ASSERT_OK_AND_ASSIGN(ArrayValue value,
                       DecodeArray("\x12\x17\x0a\x15\x80\xff\xff\xff\xff\xff\xff\xff\xff\x01"
                                   "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00"sv));
  EXPECT_EQ(std::get<std::vector<int32_t>>(value), (std::vector<int32_t>{-128, -1, 0}));
  ASSERT_OK_AND_ASSIGN(value, DecodeArray("\x1a\x04\x0a\x02\x00\x01"sv));
  EXPECT_EQ(std::get<std::vector<int64_t>>(value), (std::vector<int64_t>{0, 1}));
  ASSERT_OK_AND_ASSIGN(value, DecodeArray("\x1a\x00"sv));
  EXPECT_TRUE(std::get<std::vector<int64_t>>(value).empty());
  ASSERT_OK_AND_ASSIGN(value, DecodeArray("\x22\x0a\x0a\x08\x00\x00\xc0\x3f\x00\x00\x10\xc0"sv));
  EXPECT_EQ(std::get<std::vector<float>>(value), (std::vector<float>{1.5F, -2.25F}));
  ASSERT_OK_AND_ASSIGN(value, DecodeArray("\x2a\x0a\x0a\x08\x00\x00\x00\x00\x00\x00\xf8\x3f"sv));
  EXPECT_EQ(std::get<std::vector<double>>(value), (std::vector<double>{1.5}));
  ASSERT_OK_AND_ASSIGN(value, DecodeArray("\x32\x06\x0a\x02\x78\x30\x0a\x00"sv));
  EXPECT_EQ(std::get<std::vector<std::string_view>>(value),
            (std::vector<std::string_view>{"x0", ""}));
  ASSERT_OK_AND_ASSIGN(value, DecodeArray("\x0a\x04\x0a\x02\x01\x00"sv));
  EXPECT_EQ(std::get<std::vector<bool>>(value), (std::vector<bool>{true, false}));
}

TEST(ArrayValueTest, AcceptsOtherWritersForms) {
  // Not packed.
  ASSERT_OK_AND_ASSIGN(ArrayValue value, DecodeArray("\x1a\x04\x08\x05\x08\x06"sv));
  EXPECT_EQ(std::get<std::vector<int64_t>>(value), (std::vector<int64_t>{5, 6}));
  // The last member wins; unknown ones inside are passed.
  ASSERT_OK_AND_ASSIGN(value, DecodeArray("\x1a\x02\x08\x05\x1a\x04\x10\x01\x08\x06"sv));
  EXPECT_EQ(std::get<std::vector<int64_t>>(value), (std::vector<int64_t>{6}));
  ASSERT_OK_AND_ASSIGN(value, DecodeArray(""));
  EXPECT_TRUE(std::holds_alternative<std::monostate>(value));
}

TEST(ArrayValueTest, RefusesDamage) {
  for (const std::string_view bytes :
       {"\x1a"sv, "\x1a\x05\x0a"sv, "\x1a\x02\x0a\x09"sv, "\x08\x01"sv, "\x7a\x00"sv,
        "\x22\x03\x0a\x01\x00"sv, "\xff"sv}) {
    EXPECT_THAT(DecodeArray(bytes), testing::IsError(Code::kDataLoss, "damaged"));
  }
}

TEST(ArrayValueTest, KnowsWhichFieldItFits) {
  EXPECT_TRUE(FitsElementType(std::vector<int32_t>{}, DataType::kInt16));
  EXPECT_FALSE(FitsElementType(std::vector<int32_t>{}, DataType::kInt64));
  EXPECT_TRUE(FitsElementType(std::monostate{}, DataType::kVarChar));
  EXPECT_FALSE(FitsElementType(std::vector<float>{}, DataType::kVarChar));
}

TEST(SparseTest, IndicesMustAscend) {
  const std::string sound("\x01\0\0\0\0\0\x80\x3f\x05\0\0\0\0\0\0\x40", 16);
  ASSERT_OK_AND_ASSIGN(const auto entries, DecodeSparse(sound));
  ASSERT_EQ(entries.size(), 2U);
  EXPECT_EQ(entries[1].index, 5U);
  EXPECT_EQ(entries[1].value, 2.0F);
  EXPECT_THAT(DecodeSparse(sound.substr(8) + sound.substr(0, 8)),
              testing::IsError(Code::kDataLoss, "1 after 5"));
  EXPECT_THAT(DecodeSparse(sound.substr(1)), testing::IsError(Code::kDataLoss, "15 bytes"));
}

TEST(HalfPrecisionTest, Decodes) {
  EXPECT_EQ(FromFloat16(0x3c00), 1.0F);
  EXPECT_EQ(FromFloat16(0xc000), -2.0F);
  EXPECT_EQ(FromFloat16(0x7bff), 65504.0F);
  EXPECT_EQ(FromFloat16(0x0001), 0x1p-24F);
  EXPECT_TRUE(std::signbit(FromFloat16(0x8000)));
  EXPECT_TRUE(std::isinf(FromFloat16(0x7c00)));
  EXPECT_TRUE(std::isnan(FromFloat16(0x7e00)));
  EXPECT_EQ(FromBFloat16(0x3f80), 1.0F);
}

TEST(Utf8Test, TellsSoundFromBroken) {
  for (const std::string_view text :
       {""sv, "plain ascii text"sv, "h\xc3\xa9llo"sv, "\xe2\x82\xac"sv, "\xf0\x9f\x98\x80"sv,
        "\xf4\x8f\xbf\xbf"sv, "a\0b"sv}) {
    EXPECT_TRUE(IsUtf8(text)) << text;
  }
  for (const std::string_view text :
       {"\x80"sv, "\xc3"sv, "\xc0\x80"sv, "\xed\xa0\x80"sv, "\xe0\x9f\x80"sv, "\xf5\x80\x80\x80"sv,
        "\xf4\x90\x80\x80"sv, "12345678\xff"sv, "\xe2\x82"sv}) {
    EXPECT_FALSE(IsUtf8(text)) << text;
  }
}

TEST(JsonTest, TellsSoundFromBroken) {
  for (const char* text : {"1", "-0.5e+3", "\"\\u00e9\\n\"", "null", " [1, {\"a\": []}, {}] ",
                           "NaN", "{\"a\":-Infinity,\"b\":[[],[1]]}"}) {
    EXPECT_TRUE(IsJson(text)) << text;
  }
  for (const char* text :
       {"", "{", "[1,]", "{\"a\":1,}", "{\"a\" 1}", "{1:2}", "01", "1.", "\"\\x\"", "\"\n\"",
        "[1 2]", "tru", "1 2", "[}", "\"\\u12g4\"", "\"\xff\""}) {
    EXPECT_FALSE(IsJson(text)) << text;
  }
}

TEST(JsonTest, DepthCostsNoStack) {
  const std::string deep(1'000'000, '[');
  EXPECT_FALSE(IsJson(deep));
  EXPECT_TRUE(IsJson(deep + std::string(deep.size(), ']')));
}

TEST(JsonTest, MembersComeWithTheirNamesUnescapedAndTheirValuesAsWritten) {
  std::string seen;
  ASSERT_OK(ForEachMember(R"( {"a\u003cb" : 12345678901234567890 , "c":{"d":"}"}} )",
                          [&](const std::string& name, std::string_view value) {
                            seen.append(name).append("=").append(value).append(";");
                            return Status::Ok();
                          }));
  EXPECT_EQ(seen, R"(a<b=12345678901234567890;c={"d":"}"};)");
  const auto ignore = [](const std::string&, std::string_view) { return Status::Ok(); };
  for (const char* text : {"[]", "{", "{\"a\":1", "{\"a\":1}x", "{\"a\":}", "{,}"}) {
    EXPECT_THAT(ForEachMember(text, ignore), testing::IsError(Code::kDataLoss, "object")) << text;
  }
}

TEST(JsonTest, StringsAreUnescaped) {
  ASSERT_OK_AND_ASSIGN(const std::string text,
                       DecodeJsonString(R"("\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00\ud83d")"));
  EXPECT_EQ(text, "\"\\/\b\f\n\r\t\xc3\xa9\xf0\x9f\x98\x80\xef\xbf\xbd");
  EXPECT_THAT(DecodeJsonString("12"), testing::IsError(Code::kDataLoss, "not a JSON string"));
}

}  // namespace
}  // namespace milvus_backup::binlog
