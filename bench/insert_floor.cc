/// The least that inserting the bytes of a file into Milvus can cost: they are read once and sent
/// as vectors, in requests of the size that milvusdm makes, with nothing around it.
///
///     insert_floor FILE VECTOR_BYTES PORT COLLECTION
///
/// The collection, with the fields `id` and `embedding`, is in a Milvus on 127.0.0.1 that looks at
/// no row: what is no vector in the file is sent as well.
#include "milvus_backup/milvus/client.h"

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <fcntl.h>
#include <iostream>
#include <numeric>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

namespace {

namespace milvus = milvus_backup::milvus;

/// Of the vectors and ids of one request, as milvusdm's.
constexpr uint64_t kBatchBytes = uint64_t{8} << 20;

[[noreturn]] void Die(const std::string& what) {
  std::cerr << "insert_floor: " << what << "\n";
  std::_Exit(1);
}

/// As many bytes as there are, at most those that fit.
size_t ReadSome(int file, std::string& into) {
  size_t got = 0;
  while (got < into.size()) {
    const ssize_t count = ::read(file, into.data() + got, into.size() - got);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) Die("the file cannot be read");
    if (count == 0) break;
    got += static_cast<size_t>(count);
  }
  return got;
}

void Run(const std::string& path, uint64_t vector_bytes, int port, const std::string& collection) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) Die("cannot open " + path);
  const auto client = milvus::Connect({}, {.address = "127.0.0.1", .port = port});
  if (!client.ok()) Die(client.status().ToString());
  milvus::InsertRequest request{
      .db_name = "default",
      .collection_name = collection,
      .partition_name = "_default",
      .columns = {
          {.field_name = "id", .data_type = milvus::data_type::kInt64, .width = sizeof(int64_t)},
          {.field_name = "embedding",
           .data_type = milvus::data_type::kFloatVector,
           .width = vector_bytes}}};
  std::string& vectors = request.columns[1].fixed;
  const uint64_t batch = kBatchBytes / (vector_bytes + sizeof(int64_t));
  int64_t next = 0;
  while (true) {
    vectors.resize(batch * vector_bytes);
    const uint64_t rows = ReadSome(file, vectors) / vector_bytes;
    if (rows == 0) break;
    vectors.resize(rows * vector_bytes);
    std::vector<int64_t> ids(rows);
    std::iota(ids.begin(), ids.end(), next);
    next += static_cast<int64_t>(rows);
    request.columns[0].fixed.assign(reinterpret_cast<const char*>(ids.data()),
                                    rows * sizeof(int64_t));
    for (milvus::Column& column : request.columns) column.rows = rows;
    const auto taken = (*client)->Insert({}, request);
    if (!taken.ok()) Die(taken.status().ToString());
  }
  ::close(file);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) Die("usage: insert_floor FILE VECTOR_BYTES PORT COLLECTION");
  const uint64_t vector_bytes = std::strtoull(argv[2], nullptr, 10);
  if (vector_bytes == 0) Die("VECTOR_BYTES is no number");
  Run(argv[1], vector_bytes, std::atoi(argv[3]), argv[4]);
  return 0;
}
