/// A TextSource in the form the JSON parser reads. One thread.
#pragma once

#include "milvus_backup/base/status.h"
#include "milvus_backup/meta/codec.h"

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string_view>

namespace milvus_backup::meta {

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

}  // namespace milvus_backup::meta
