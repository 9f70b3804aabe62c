/// A text that must not be printed by accident.
#pragma once

#include <string>
#include <utility>

namespace milvus_backup {

class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string value) : value_(std::move(value)) {}

  bool empty() const { return value_.empty(); }
  /// The text itself: for signing and sending only, never for logs or errors.
  const std::string& Reveal() const { return value_; }
  /// What logs and `config show` may print: `***`, or nothing when empty.
  std::string ToString() const { return value_.empty() ? "" : "***"; }

  friend bool operator==(const Secret&, const Secret&) = default;

 private:
  std::string value_;
};

}  // namespace milvus_backup
