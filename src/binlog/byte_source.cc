#include "milvus_backup/binlog/byte_source.h"

namespace milvus_backup::binlog {

Result<ByteView> MemorySource::View(uint64_t offset, size_t length) {
  MB_CHECK(offset <= bytes_.size() && length <= bytes_.size() - offset);
  return bytes_.subspan(offset, length);
}

}  // namespace milvus_backup::binlog
