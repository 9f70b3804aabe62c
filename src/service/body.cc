#include "body.h"

#include "envelope.h"

#include "milvus_backup/base/bytes.h"
#include "milvus_backup/base/encoding.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <utility>

namespace milvus_backup::service {
namespace {

using nlohmann::json;

constexpr int kMalformedStatus = 400;

// Told apart from values that have the right type and are wrong: see IsMalformed.
Status Malformed(std::string message) {
  return InvalidArgumentError(std::move(message)).WithService("", kMalformedStatus, "");
}

Status Wrong(std::string_view key, std::string_view expected) {
  return Malformed(fmt::format("{} is not {}", key, expected));
}

std::string DigestOfText(const std::string& text) { return HexEncode(Sha256(AsBytes(text))); }

}  // namespace

std::string DigestOf(const nlohmann::ordered_json& settled) {
  return DigestOfText(DumpJson(settled));
}

bool EqualInAnyCase(std::string_view a, std::string_view b) {
  return std::ranges::equal(
      a, b, [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

bool IsMalformed(const Status& status) { return status.http_status() == kMalformedStatus; }

Result<Body> Body::Parse(const std::string& text) {
  // The library copies and prints values by recursion.
  constexpr int kMaxDepth = 32;
  bool is_deep = false;
  const auto shallow = [&is_deep](int depth, json::parse_event_t, json&) {
    is_deep = is_deep || depth > kMaxDepth;
    return depth <= kMaxDepth;
  };
  json object = json::parse(text, shallow, /*allow_exceptions=*/false);
  if (is_deep) return Malformed("the body is nested too deeply");
  if (!object.is_object()) return Malformed("the body is not a JSON object");
  return Body(std::move(object));
}

const json* Body::Find(std::string_view key) const {
  for (const auto& [name, value] : object_.items()) {
    if (EqualInAnyCase(name, key) && !value.is_null()) return &value;
  }
  return nullptr;
}

Result<std::string> Body::Text(std::string_view key) const {
  const json* value = Find(key);
  if (value == nullptr) return std::string();
  if (!value->is_string()) return Wrong(key, "a string");
  return value->get<std::string>();
}

Result<std::string> Body::GivenText(std::string_view key, std::string_view advice) const {
  MB_ASSIGN_OR_RETURN(std::string text, Text(key));
  if (!text.empty() || !Has(key)) return text;
  return InvalidArgumentError(fmt::format("{} is empty", key)).WithAdvice(std::string(advice));
}

Result<std::vector<std::string>> Body::Texts(std::string_view key) const {
  std::vector<std::string> texts;
  const json* value = Find(key);
  if (value == nullptr) return texts;
  if (!value->is_array()) return Wrong(key, "a list of strings");
  for (const json& text : *value) {
    if (!text.is_string()) return Wrong(key, "a list of strings");
    texts.push_back(text.get<std::string>());
  }
  return texts;
}

Result<std::vector<std::string>> Body::GivenTexts(std::string_view key,
                                                  std::string_view advice) const {
  MB_ASSIGN_OR_RETURN(std::vector<std::string> texts, Texts(key));
  if (!Has(key)) return texts;
  const bool are_given = !texts.empty() && std::ranges::none_of(texts, &std::string::empty);
  if (are_given) return texts;
  return InvalidArgumentError(fmt::format("{} is empty", key)).WithAdvice(std::string(advice));
}

Result<bool> Body::Flag(std::string_view key) const {
  const json* value = Find(key);
  if (value == nullptr) return false;
  if (!value->is_boolean()) return Wrong(key, "true or false");
  return value->get<bool>();
}

Result<int32_t> Body::Number(std::string_view key) const {
  const json* value = Find(key);
  if (value == nullptr) return 0;
  const bool fits = value->is_number_integer() && *value >= INT32_MIN && *value <= INT32_MAX;
  if (!fits) return Wrong(key, "a whole number");
  return value->get<int32_t>();
}

Result<uint32_t> Body::Count(std::string_view key, uint32_t most) const {
  const json* value = Find(key);
  if (value == nullptr) return 0U;
  if (!value->is_number_integer()) return Wrong(key, "a whole number");
  if (*value >= 0 && *value <= most) return value->get<uint32_t>();
  return InvalidArgumentError(
      fmt::format("{} is {}, which is not from 0 to {}", key, value->dump(), most));
}

Result<std::string> Body::ObjectText(std::string_view key) const {
  const json* value = Find(key);
  if (value == nullptr) return std::string();
  if (value->is_string()) return value->get<std::string>();
  if (!value->is_object()) return Wrong(key, "a JSON object or a string of one");
  return value->dump();
}

Result<Body> Body::Object(std::string_view key) const {
  const json* value = Find(key);
  if (value == nullptr) return Body(json::object());
  if (!value->is_object()) return Wrong(key, "a JSON object");
  return Body(*value);
}

Result<std::vector<Body>> Body::Objects(std::string_view key) const {
  std::vector<Body> objects;
  const json* value = Find(key);
  if (value == nullptr) return objects;
  if (!value->is_array()) return Wrong(key, "a list of JSON objects");
  for (const json& object : *value) {
    if (!object.is_object()) return Wrong(key, "a list of JSON objects");
    objects.push_back(Body(object));
  }
  return objects;
}

std::vector<std::string> Body::Keys() const {
  std::vector<std::string> keys;
  for (const auto& [name, value] : object_.items()) keys.push_back(name);
  return keys;
}

std::string Body::Digest(std::span<const std::string_view> but) const {
  json asked = json::object();
  for (const auto& item : object_.items()) {
    std::string key = item.key();
    const bool is_left_out =
        item.value().is_null() || std::ranges::any_of(but, [&key](std::string_view each) {
          return EqualInAnyCase(key, each);
        });
    if (is_left_out) continue;
    std::ranges::transform(key, key.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    // Of two that are the same Find takes the first as well.
    if (!asked.contains(key)) asked[key] = item.value();
  }
  return DigestOfText(asked.dump(-1, ' ', false, json::error_handler_t::replace));
}

Status Body::CheckKeys(std::string_view request, std::span<const std::string_view> known) const {
  for (const std::string& key : Keys()) {
    const bool is_known = std::ranges::any_of(
        known, [&](std::string_view each) { return EqualInAnyCase(key, each); });
    if (is_known) continue;
    return InvalidArgumentError(fmt::format("{} has no key '{}'", request, key))
        .WithAdvice(fmt::format("it knows {}", fmt::join(known, ", ")));
  }
  return Status::Ok();
}

}  // namespace milvus_backup::service
