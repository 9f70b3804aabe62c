#include "char_stream_internal.h"
#include "decode_rules_internal.h"

#include "milvus_backup/meta/codec.h"

#include <nlohmann/json.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace milvus_backup::meta {
namespace {

/// Receives the parser's events and fills the root. Ours are pointers into vectors that grow only
/// after their last element is complete, so no pointer on the stack goes stale.
class Filler {
 public:
  using number_integer_t = nlohmann::json::number_integer_t;
  using number_unsigned_t = nlohmann::json::number_unsigned_t;
  using number_float_t = nlohmann::json::number_float_t;
  using string_t = nlohmann::json::string_t;
  using binary_t = nlohmann::json::binary_t;

  Filler(Target root, Depth depth) : next_(root), depth_(depth) {}

  /// What is wrong with a value; empty when the text is no JSON.
  const std::string& error() const { return error_; }

  // Names of the parser's interface.
  bool null() {
    if (open_.empty()) {
      error_ = "the document is null";
      return false;
    }
    // Absent; an element of an array becomes zero, as it does for the Go readers.
    Take();
    return true;
  }
  bool boolean(bool flag) {
    const Target target = Take();
    if (target.rules == nullptr) return true;
    if (target.rules->set_bool == nullptr) return Mismatch(target, "true or false");
    target.rules->set_bool(target.value, flag);
    return true;
  }
  bool number_integer(number_integer_t number) {
    const Target target = Take();
    if (target.rules == nullptr) return true;
    if (target.rules->set_signed == nullptr) return Mismatch(target, "a number");
    return target.rules->set_signed(target.value, number) || OutOfRange(std::to_string(number));
  }
  bool number_unsigned(number_unsigned_t number) {
    const Target target = Take();
    if (target.rules == nullptr) return true;
    if (target.rules->set_unsigned == nullptr) return Mismatch(target, "a number");
    return target.rules->set_unsigned(target.value, number) || OutOfRange(std::to_string(number));
  }
  bool number_float(number_float_t, const string_t& text) {
    const Target target = Take();
    return target.rules == nullptr || Mismatch(target, "the number " + text.substr(0, 40));
  }
  bool string(string_t& text) {
    const Target target = Take();
    if (target.rules == nullptr) return true;
    if (target.rules->set_string == nullptr) return Mismatch(target, "a string");
    target.rules->set_string(target.value, std::move(text));
    return true;
  }
  bool binary(binary_t&) { return true; }
  bool start_object(size_t) {
    const Target target = Take();
    if (target.rules != nullptr && target.rules->open_object == nullptr) {
      return Mismatch(target, "an object");
    }
    open_.push_back(target.rules == nullptr ? Target{} : target.rules->open_object(target.value));
    return true;
  }
  bool key(string_t& name) {
    const Target& object = open_.back();
    next_ = object.rules == nullptr ? Target{} : object.rules->member(object.value, name);
    if (IsSkipped(next_.rules)) next_ = {};
    last_key_ = std::move(name);
    return true;
  }
  bool end_object() { return Close(); }
  bool start_array(size_t) {
    const Target target = Take();
    if (target.rules != nullptr && target.rules->open_array == nullptr) {
      return Mismatch(target, "an array");
    }
    if (target.rules == RulesOf<LogList>()) {
      packing_ = static_cast<LogList*>(target.value);
      logs_.clear();
      open_.push_back(TargetOf(logs_));
      return true;
    }
    if (target.rules != nullptr) target.rules->open_array(target.value);
    open_.push_back(target);
    return true;
  }
  bool end_array() {
    if (open_.back().value == &logs_) *std::exchange(packing_, nullptr) = LogList(logs_);
    return Close();
  }
  bool parse_error(size_t, const std::string&, const nlohmann::json::exception&) {
    // The offending text stays out of messages: it may be part of a password hash.
    return false;
  }

 private:
  /// Where the value that starts here belongs.
  Target Take() {
    if (!open_.empty()) {
      const Target& parent = open_.back();
      if (parent.rules != nullptr && parent.rules->element != nullptr) {
        return parent.rules->element(parent.value);
      }
    }
    return std::exchange(next_, Target{});
  }
  bool IsSkipped(const TypeRules* rules) const {
    return (depth_ != Depth::kLogs && rules == RulesOf<LogList>()) ||
           (depth_ == Depth::kCollections && rules == RulesOf<std::vector<SegmentBackup>>());
  }
  bool Close() {
    open_.pop_back();
    return true;
  }
  bool Mismatch(const Target& target, std::string_view got) {
    error_ =
        Name() + " must be " + std::string(target.rules->expected) + ", not " + std::string(got);
    return false;
  }
  bool OutOfRange(const std::string& number) {
    error_ = Name() + " is out of range: " + number;
    return false;
  }
  std::string Name() const {
    return last_key_.empty() ? "the document" : "'" + last_key_.substr(0, 40) + "'";
  }

  /// Open objects and arrays, outermost first.
  std::vector<Target> open_;
  Target next_;
  const Depth depth_;
  std::string last_key_;
  std::string error_;
  /// The list whose array is open, and what it will hold.
  LogList* packing_ = nullptr;
  std::vector<FieldBinlog> logs_;
};

Status DecodeInto(Target root, const TextSource& source, std::string_view what, Depth depth) {
  CharStream stream(source);
  Filler filler(root, depth);
  const bool complete =
      nlohmann::json::sax_parse(CharIterator(&stream), CharIterator(nullptr), &filler);
  if (!stream.status().ok()) return stream.status();
  if (!complete) {
    std::string problem = filler.error();
    if (problem.empty())
      problem = stream.ended() ? "the JSON ends too early" : "the JSON is broken";
    return DataLossError(std::string(what) + ": " + problem + " (byte " +
                         std::to_string(stream.taken()) + ")");
  }
  return Status::Ok();
}

template <typename T>
Result<T> Decode(const TextSource& source, std::string_view what, Depth depth) {
  T result;
  MB_RETURN_IF_ERROR(DecodeInto(TargetOf(result), source, what, depth));
  return result;
}

template <typename T>
Result<std::vector<T>> DecodeInfos(const TextSource& source, std::string_view what, Depth depth) {
  MB_ASSIGN_OR_RETURN(Infos<T> list, Decode<Infos<T>>(source, what, depth));
  return std::move(list.infos);
}

}  // namespace

Result<BackupInfo> DecodeBackup(const TextSource& source, std::string_view what, Depth depth) {
  return Decode<BackupInfo>(source, what, depth);
}

Result<std::vector<CollectionBackup>> DecodeCollectionMeta(const TextSource& source,
                                                           std::string_view what, Depth depth) {
  return DecodeInfos<CollectionBackup>(source, what, depth);
}

Result<std::vector<PartitionBackup>> DecodePartitionMeta(const TextSource& source,
                                                         std::string_view what) {
  return DecodeInfos<PartitionBackup>(source, what, Depth::kLogs);
}

Result<std::vector<SegmentBackup>> DecodeSegmentMeta(const TextSource& source,
                                                     std::string_view what, Depth depth) {
  return DecodeInfos<SegmentBackup>(source, what, depth);
}

Status DecodeSegments(const TextSource& source, std::string_view what,
                      const std::function<void(SegmentBackup&&)>& on_segment) {
  StreamedInfos<SegmentBackup> list;
  list.infos.sink = &on_segment;
  MB_RETURN_IF_ERROR(DecodeInto(TargetOf(list), source, what, Depth::kLogs));
  list.infos.Flush();
  return Status::Ok();
}

TextSource SourceOf(std::string_view text) {
  return [text]() mutable -> Result<std::string_view> { return std::exchange(text, {}); };
}

}  // namespace milvus_backup::meta
