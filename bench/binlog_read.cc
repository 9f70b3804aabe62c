// Reads insert logs on a disk as deep verify does: `hash FILE…` computes CRC32C, `check FILE…` also
// parses every value. Driven by binlog_read.py.
#include "backup/storage_source.h"

#include "milvus_backup/base/checksum.h"
#include "milvus_backup/binlog/check.h"
#include "milvus_backup/storage/open.h"

#include <cstdio>
#include <string_view>
#include <vector>

namespace milvus_backup {
namespace {

Status ReadLog(storage::Backend& backend, const char* path, bool check) {
  uint32_t crc = 0;
  MB_ASSIGN_OR_RETURN(
      const auto source,
      backup::StorageSource::Open({}, backend, path + 1,
                                  {.window_bytes = 2 * kMiB, .on_bytes = [&](ByteView bytes) {
                                     crc = ExtendCrc32c(crc, bytes);
                                   }}));
  if (check) {
    const std::vector<binlog::FieldFacts> fields = {
        {.field_id = 101, .name = "v", .type = binlog::DataType::kFloatVector, .dim = 768}};
    const binlog::LogFacts facts = {
        .collection_id = 1, .partition_id = 2, .segment_id = 3, .field_id = 101, .fields = &fields};
    Status damage;
    MB_RETURN_IF_ERROR(binlog::CheckInsertLog(*source, facts, {}, [&](const binlog::Finding& each) {
                         damage = DataLossError(each.what + ": " + each.found);
                       }).status());
    MB_RETURN_IF_ERROR(damage);
  }
  MB_RETURN_IF_ERROR(source->ReadRest());
  std::printf("%08x %s\n", crc, path);
  return Status::Ok();
}

Status Run(bool check, const std::vector<const char*>& paths) {
  MB_ASSIGN_OR_RETURN(const auto backend, storage::OpenLocal({.root = "/"}));
  for (const char* path : paths) MB_RETURN_IF_ERROR(ReadLog(*backend, path, check));
  return Status::Ok();
}

}  // namespace
}  // namespace milvus_backup

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  const milvus_backup::Status status =
      milvus_backup::Run(std::string_view(argv[1]) == "check", {argv + 2, argv + argc});
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
