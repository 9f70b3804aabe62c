#include "fields_internal.h"

#include "milvus_backup/meta/codec.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace milvus_backup::meta {
namespace {

struct TypeRules;

/// A value of ours that the text is about to fill; without rules, one to be skipped.
struct Target {
  void* value = nullptr;
  const TypeRules* rules = nullptr;
};

/// What a type of ours accepts. A missing function means that kind of JSON value is an error.
struct TypeRules {
  std::string_view expected;
  void (*set_string)(void*, std::string&&) = nullptr;
  void (*set_bool)(void*, bool) = nullptr;
  /// False when the number does not fit.
  bool (*set_signed)(void*, int64_t) = nullptr;
  bool (*set_unsigned)(void*, uint64_t) = nullptr;
  /// At `{`: prepare the value and say where its members are looked up.
  Target (*open_object)(void*) = nullptr;
  Target (*member)(void*, std::string_view) = nullptr;
  /// At `[`: forget elements of an earlier occurrence.
  void (*open_array)(void*) = nullptr;
  Target (*element)(void*) = nullptr;
};

template <typename T>
const TypeRules* RulesOf();

template <typename T>
Target TargetOf(T& value) {
  return {&value, RulesOf<T>()};
}

bool EqualsIgnoringCase(std::string_view a, std::string_view b) {
  const auto lower = [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  };
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(),
                                            [&](char x, char y) { return lower(x) == lower(y); });
}

/// A visitor of VisitFields that looks for one key.
class MemberFinder {
 public:
  explicit MemberFinder(std::string_view key) : key_(key) {}

  Target found() const { return found_; }

  template <typename T>
  void Field(std::string_view name, T& value) {
    if (found_.rules == nullptr && EqualsIgnoringCase(name, key_)) found_ = TargetOf(value);
  }
  template <typename T>
  void Always(std::string_view name, T& value) {
    Field(name, value);
  }
  void Segments(std::string_view name, std::vector<SegmentBackup>& segments) {
    Field(name, segments);
  }
  template <typename F>
  void Legacy(std::optional<TaskRecord>& task, const F& visit) {
    TaskRecord probe;
    MemberFinder finder(key_);
    visit(finder, probe);
    if (finder.found().rules == nullptr) return;
    if (!task) task.emplace();
    visit(*this, *task);
  }

 private:
  std::string_view key_;
  Target found_;
};

/// The wrapper of the leveled files.
template <typename T>
struct Infos {
  std::vector<T> infos;
};
template <typename V, typename T>
void VisitFields(V& v, Infos<T>& list) {
  v.Field("infos", list.infos);
}

template <typename T>
struct RulesFor {  // a message
  static TypeRules Make() {
    return {.expected = "an object",
            .open_object =
                [](void* value) {
                  return Target{value, RulesOf<T>()};
                },
            .member =
                [](void* value, std::string_view key) {
                  MemberFinder finder(key);
                  VisitFields(finder, *static_cast<T*>(value));
                  return finder.found();
                }};
  }
};

template <>
struct RulesFor<std::string> {
  static TypeRules Make() {
    return {.expected = "a string", .set_string = [](void* value, std::string&& text) {
              *static_cast<std::string*>(value) = std::move(text);
            }};
  }
};

template <>
struct RulesFor<bool> {
  static TypeRules Make() {
    return {.expected = "true or false",
            .set_bool = [](void* value, bool flag) { *static_cast<bool*>(value) = flag; }};
  }
};

template <typename T>
requires std::is_arithmetic_v<T>
struct RulesFor<T> {
  template <typename N>
  static bool Set(void* value, N number) {
    if (!std::in_range<T>(number)) return false;
    *static_cast<T*>(value) = static_cast<T>(number);
    return true;
  }
  static TypeRules Make() {
    return {.expected = "an integer", .set_signed = &Set<int64_t>, .set_unsigned = &Set<uint64_t>};
  }
};

template <typename T>
struct RulesFor<std::vector<T>> {
  static TypeRules Make() {
    return {.expected = "an array",
            .open_array = [](void* value) { static_cast<std::vector<T>*>(value)->clear(); },
            .element =
                [](void* value) {
                  return TargetOf(static_cast<std::vector<T>*>(value)->emplace_back());
                }};
  }
};

template <typename T>
struct RulesFor<std::optional<T>> {
  static TypeRules Make() {
    return {.expected = "an object", .open_object = [](void* value) {
              return TargetOf(static_cast<std::optional<T>*>(value)->emplace());
            }};
  }
};

/// Its elements are collected by the Filler.
template <>
struct RulesFor<LogList> {
  static TypeRules Make() {
    return {.expected = "an array", .open_array = [](void*) {}};
  }
};

template <>
struct RulesFor<std::map<std::string, std::string>> {
  using Map = std::map<std::string, std::string>;
  static TypeRules Make() {
    return {.expected = "an object",
            .open_object =
                [](void* value) {
                  static_cast<Map*>(value)->clear();
                  return Target{value, RulesOf<Map>()};
                },
            .member =
                [](void* value, std::string_view key) {
                  return TargetOf((*static_cast<Map*>(value))[std::string(key)]);
                }};
  }
};

template <typename T>
const TypeRules* RulesOf() {
  static const TypeRules rules = RulesFor<T>::Make();
  return &rules;
}

/// The bytes of a TextSource one by one, and how many were taken.
class CharStream {
 public:
  explicit CharStream(const TextSource& source) : source_(source) {}

  /// Whether a byte is left; asks the source when the view is used up.
  bool HasNext() {
    if (next_ < view_.size()) return true;
    if (ended_) return false;
    Result<std::string_view> more = source_();
    taken_before_view_ += view_.size();
    next_ = 0;
    view_ = {};
    if (more.ok()) {
      view_ = *more;
    } else {
      status_ = more.status();
    }
    ended_ = view_.empty();
    return !ended_;
  }
  char Next() const { return view_[next_]; }
  void Advance() { ++next_; }

  bool ended() const { return ended_; }
  uint64_t taken() const { return taken_before_view_ + next_; }
  const Status& status() const { return status_; }

 private:
  const TextSource& source_;
  std::string_view view_;
  size_t next_ = 0;
  uint64_t taken_before_view_ = 0;
  bool ended_ = false;
  Status status_;
};

/// CharStream as the pair of iterators the parser wants; the end is the one without a stream.
class CharIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = char;

  explicit CharIterator(CharStream* stream) : stream_(stream) {}

  char operator*() const { return stream_->Next(); }
  CharIterator& operator++() {
    stream_->Advance();
    return *this;
  }
  bool operator!=(const CharIterator&) const { return stream_ != nullptr && stream_->HasNext(); }
  bool operator==(const CharIterator& other) const { return !(*this != other); }

 private:
  CharStream* stream_;
};

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

template <typename T>
Result<T> Decode(const TextSource& source, std::string_view what, Depth depth) {
  T result;
  CharStream stream(source);
  Filler filler(TargetOf(result), depth);
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

TextSource SourceOf(std::string_view text) {
  return [text]() mutable -> Result<std::string_view> { return std::exchange(text, {}); };
}

}  // namespace milvus_backup::meta
