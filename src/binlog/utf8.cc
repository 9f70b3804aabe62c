#include "little_endian_internal.h"

#include "milvus_backup/base/encoding.h"
#include "milvus_backup/binlog/values.h"

namespace milvus_backup::binlog {
namespace {

constexpr uint64_t kHighBits = 0x8080808080808080;

}  // namespace

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    if (text.size() >= sizeof(uint64_t) && (LoadLe<uint64_t>(AsBytes(text)) & kHighBits) == 0) {
      text.remove_prefix(sizeof(uint64_t));
      continue;
    }
    const size_t length = Utf8Length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

}  // namespace milvus_backup::binlog
