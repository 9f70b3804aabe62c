// Reads logs of a vector field as deep verify does: `hash` computes CRC32C, `check` also parses
// every value. Driven by verify_deep.py.
//
//     binlog_read hash|check DIMENSIONS FOLDER         on a disk
//     binlog_read hash|check DIMENSIONS :PORT/BUCKET    on a MinIO of this machine
//
// A line of stdin is a log: its key and the ids of collection, partition, segment and field.
#include "backup/storage_source.h"

#include "milvus_backup/base/checksum.h"
#include "milvus_backup/binlog/check.h"
#include "milvus_backup/storage/open.h"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace milvus_backup {
namespace {

struct Log {
  std::string key;
  int64_t collection_id = 0;
  int64_t partition_id = 0;
  int64_t segment_id = 0;
  int64_t field_id = 0;
};

Status CheckLog(binlog::ByteSource& source, const Log& log, uint32_t dim) {
  const std::vector<binlog::FieldFacts> fields = {{.field_id = log.field_id,
                                                   .name = "vector",
                                                   .type = binlog::DataType::kFloatVector,
                                                   .dim = dim}};
  const binlog::LogFacts facts = {.collection_id = log.collection_id,
                                  .partition_id = log.partition_id,
                                  .segment_id = log.segment_id,
                                  .field_id = log.field_id,
                                  .fields = &fields};
  Status damage;
  MB_RETURN_IF_ERROR(binlog::CheckInsertLog(source, facts, {}, [&](const binlog::Finding& each) {
                       damage = DataLossError(each.what + ": " + each.found);
                     }).status());
  return damage;
}

Status ReadLog(storage::Backend& backend, const Log& log, bool check, uint32_t dim) {
  uint32_t crc = 0;
  MB_ASSIGN_OR_RETURN(
      const auto source,
      backup::StorageSource::Open({}, backend, log.key,
                                  {.window_bytes = 2 * kMiB, .on_bytes = [&](ByteView bytes) {
                                     crc = ExtendCrc32c(crc, bytes);
                                   }}));
  if (check) MB_RETURN_IF_ERROR(CheckLog(*source, log, dim));
  MB_RETURN_IF_ERROR(source->ReadRest());
  std::printf("%08x %s\n", crc, log.key.c_str());
  return Status::Ok();
}

Result<std::unique_ptr<storage::Backend>> Open(const std::string& place) {
  if (!place.starts_with(':')) return storage::OpenLocal({.root = place});
  const size_t slash = place.find('/');
  storage::S3Options options;
  options.address = "127.0.0.1";
  options.port = static_cast<uint16_t>(std::atoi(place.c_str() + 1));
  options.bucket = place.substr(slash + 1);
  options.access_key = Secret("minioadmin");
  options.secret_key = Secret("minioadmin");
  return storage::OpenS3(options);
}

Status Run(bool check, uint32_t dim, const std::string& place) {
  MB_ASSIGN_OR_RETURN(const auto backend, Open(place));
  Log log;
  while (std::cin >> log.key >> log.collection_id >> log.partition_id >> log.segment_id >>
         log.field_id) {
    MB_RETURN_IF_ERROR(ReadLog(*backend, log, check, dim));
  }
  return Status::Ok();
}

}  // namespace
}  // namespace milvus_backup

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const milvus_backup::Status status = milvus_backup::Run(
      std::string_view(argv[1]) == "check", static_cast<uint32_t>(std::atoi(argv[2])), argv[3]);
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
