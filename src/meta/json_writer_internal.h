/// Writes JSON byte for byte as Go's encoding/json does. One thread.
#pragma once

#include "milvus_backup/base/status.h"
#include "milvus_backup/meta/codec.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace milvus_backup::meta {

class JsonWriter {
 public:
  /// `indent` blanks per level; 0 writes one line without blanks. `sink` must outlive the writer.
  JsonWriter(const TextSink& sink, int indent) : sink_(sink), indent_(indent) {}

  void BeginObject() { Begin('{'); }
  void EndObject() { End('}'); }
  void BeginArray() { Begin('['); }
  void EndArray() { End(']'); }
  void Key(std::string_view key);

  void String(std::string_view value);
  void Signed(int64_t value);
  void Unsigned(uint64_t value);
  void Bool(bool value);

  /// Hand the rest to the sink; the first error of any call.
  Status Finish();

 private:
  void Begin(char bracket);
  void End(char bracket);
  /// What stands between the value before and this one.
  void BeforeValue();
  void Separate();
  void NewLine();
  void Quote(std::string_view text);
  void QuoteAscii(unsigned char c);
  void FlushIfLarge();

  const TextSink& sink_;
  int indent_;
  std::string buffer_;
  /// Per open bracket: something was written inside.
  std::vector<bool> has_items_;
  bool after_key_ = false;
  Status status_;
};

}  // namespace milvus_backup::meta
