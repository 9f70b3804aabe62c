/// The copy engine between two S3 buckets, without the rest of the program; for
/// bench/copy_objects.py.
///
///     copy_engine SOURCE_PORT SOURCE_BUCKET DESTINATION_PORT DESTINATION_BUCKET [NAME=VALUE]...
///
/// NAME is concurrency, memory_mib, part_mib, bandwidth, requests, check, stream or plan_only (list
/// and plan, copy nothing). Everything listens on 127.0.0.1 with MinIO's default credentials.
/// Prints the outcome as JSON.
#include "milvus_backup/transfer/copy_engine.h"

#include "milvus_backup/storage/open.h"

#include <fmt/format.h>

#include <cstdlib>
#include <iostream>
#include <map>
#include <string>
#include <utility>

namespace milvus_backup {
namespace {

Result<std::unique_ptr<storage::Backend>> Open(const char* port, const char* bucket) {
  storage::S3Options options;
  options.address = "127.0.0.1";
  options.port = static_cast<uint16_t>(std::atoi(port));
  options.bucket = bucket;
  options.access_key = Secret("minioadmin");
  options.secret_key = Secret("minioadmin");
  return storage::OpenS3(options);
}

std::map<std::string, uint64_t> ParseSettings(int argc, char** argv) {
  std::map<std::string, uint64_t> settings;
  for (int i = 5; i < argc; ++i) {
    const std::string text = argv[i];
    const size_t equals = text.find('=');
    if (equals == std::string::npos) continue;
    settings[text.substr(0, equals)] = std::strtoull(text.c_str() + equals + 1, nullptr, 10);
  }
  return settings;
}

transfer::CopyOptions OptionsFrom(const std::map<std::string, uint64_t>& settings) {
  const auto get = [&](const char* name, uint64_t otherwise) {
    const auto found = settings.find(name);
    return found == settings.end() ? otherwise : found->second;
  };
  transfer::CopyOptions options;
  options.concurrency = get("concurrency", 0);
  options.memory_bytes = get("memory_mib", 32) * kMiB;
  options.part_size = get("part_mib", 8) * kMiB;
  options.bandwidth_bytes_per_s = get("bandwidth", 0);
  options.requests_per_s = get("requests", 0);
  options.check = get("check", 1) != 0;
  options.force_streaming = get("stream", 0) != 0;
  return options;
}

Status Run(int argc, char** argv) {
  if (argc < 5) return InvalidArgumentError("see the head of the source");
  const auto settings = ParseSettings(argc, argv);
  MB_ASSIGN_OR_RETURN(const auto source, Open(argv[1], argv[2]));
  MB_ASSIGN_OR_RETURN(const auto destination, Open(argv[3], argv[4]));
  transfer::CopyEngine engine(OptionsFrom(settings), nullptr);
  transfer::CopyBatch batch(engine, *source, *destination, {});
  uint64_t planned = 0;
  const bool plan_only = settings.contains("plan_only");
  MB_RETURN_IF_ERROR(
      storage::ForEachObject({}, *source, "", [&](const storage::ObjectInfo& object) -> Status {
        ++planned;
        if (plan_only) return Status::Ok();
        return batch.Add({object.key, object.key, object.size, object.etag});
      }));
  const transfer::CopySummary summary = batch.Wait();
  std::cout << fmt::format(
      R"({{"planned": {}, "objects": {}, "bytes": {}, "server_side": {}, "second_reads": {}, "failures": {}}})",
      planned, summary.objects, summary.bytes, summary.server_side_objects, summary.second_reads,
      summary.failures.size());
  std::cout << "\n";
  return summary.ToStatus();
}

}  // namespace
}  // namespace milvus_backup

int main(int argc, char** argv) {
  const milvus_backup::Status status = milvus_backup::Run(argc, argv);
  if (!status.ok()) std::cerr << status.ToString() << "\n";
  return status.ok() ? 0 : 1;
}
