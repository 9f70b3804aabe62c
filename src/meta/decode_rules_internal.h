/// What each type of a backup accepts of a JSON text, worked out from fields_internal.h. Tables
/// that never change: thread-safe.
#pragma once

#include "fields_internal.h"

#include "milvus_backup/meta/backup_info.h"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace milvus_backup::meta {

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

inline bool EqualsIgnoringCase(std::string_view a, std::string_view b) {
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
  void HeaderOnly(std::string_view name, std::string& value) { Field(name, value); }
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

/// A list whose elements are handed on one after the other instead of being kept.
template <typename T>
struct Stream {
  const std::function<void(T&&)>* sink = nullptr;
  T current{};
  bool has_current = false;

  /// Hand on the element that is complete now.
  void Flush() {
    if (has_current) (*sink)(std::move(current));
    current = T();
    has_current = false;
  }
};
template <typename T>
struct RulesFor<Stream<T>> {
  static TypeRules Make() {
    return {.expected = "an array",
            .open_array = [](void*) {},
            .element =
                [](void* value) {
                  auto* stream = static_cast<Stream<T>*>(value);
                  stream->Flush();
                  stream->has_current = true;
                  return TargetOf(stream->current);
                }};
  }
};

/// The wrapper of a leveled file that is read as a stream.
template <typename T>
struct StreamedInfos {
  Stream<T> infos;
};
template <typename V, typename T>
void VisitFields(V& v, StreamedInfos<T>& list) {
  v.Field("infos", list.infos);
}

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

}  // namespace milvus_backup::meta
