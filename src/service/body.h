/// The JSON object that a request's body is.
#pragma once

#include "milvus_backup/base/status.h"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace milvus_backup::service {

/// Whether an error of Body says that the text has not the form of the request at all: no JSON, or
/// values of another type.
bool IsMalformed(const Status& status);

/// Stands for what a request asks for; see JobRequest.
std::string DigestOf(const nlohmann::ordered_json& settled);

bool EqualInAnyCase(std::string_view a, std::string_view b);

/// Keys match in any case, unknown ones are ignored, and null means absent, as in the reference
/// tool. Errors are kInvalidArgument naming the key.
class Body {
 public:
  static Result<Body> Parse(const std::string& text);

  /// Empty when absent.
  Result<std::string> Text(std::string_view key) const;
  /// A text that must not be empty where it is given: a variable of a script that is not set must
  /// not mean the default. `advice` says what to do instead.
  Result<std::string> GivenText(std::string_view key, std::string_view advice) const;
  Result<std::vector<std::string>> Texts(std::string_view key) const;
  /// The same of a list that must not be empty where it is given, as GivenText.
  Result<std::vector<std::string>> GivenTexts(std::string_view key, std::string_view advice) const;
  /// False when absent.
  Result<bool> Flag(std::string_view key) const;
  /// 0 when absent.
  Result<int32_t> Number(std::string_view key) const;
  /// From 0 to `most`; 0 when absent.
  Result<uint32_t> Count(std::string_view key, uint32_t most) const;
  /// The text of an object, which may itself be inside a string; empty when absent.
  Result<std::string> ObjectText(std::string_view key) const;
  /// An object of this body as one of its own; nothing in it when absent.
  Result<Body> Object(std::string_view key) const;
  /// A list of objects.
  Result<std::vector<Body>> Objects(std::string_view key) const;

  /// Whether there is such a key with a value.
  bool Has(std::string_view key) const { return Find(key) != nullptr; }
  /// Of everything but these keys: equal for bodies that ask for the same in another order, with
  /// keys in another case or null.
  std::string Digest(std::span<const std::string_view> but) const;
  /// As they are spelt, null ones included.
  std::vector<std::string> Keys() const;
  /// For requests of ours, where a misspelt key would do something else than what was asked for:
  /// that there is no key beside these. `request` is what the user calls it.
  Status CheckKeys(std::string_view request, std::span<const std::string_view> known) const;

 private:
  explicit Body(nlohmann::json object) : object_(std::move(object)) {}
  /// Null when absent.
  const nlohmann::json* Find(std::string_view key) const;

  nlohmann::json object_;
};

}  // namespace milvus_backup::service
