// A Milvus and an S3 server with very many small segments in them, for measuring clients.
//
//   fake_cluster COLLECTIONS PARTITIONS SEGMENTS FIELDS [FOLDER]
//
// The numbers are those of each in each of the level above. The binlogs lie under `files/` of the
// bucket `bucket`, or, when FOLDER is given, below it on the disk. An import of NumPy files on the
// disk brings their rows; rows that are inserted are only counted. Prints one line of JSON with the
// ports and ends when its standard input does.
#include "support/fake_milvus.h"
#include "support/fake_s3.h"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <string>

namespace milvus_backup::testing {
namespace {

constexpr int64_t kFirstId = 470629250807647320;

struct Shape {
  int64_t collections = 0;
  int64_t partitions = 0;
  int64_t segments = 0;
  int64_t fields = 0;
};

using Store = std::function<void(const std::string& key, const std::string& bytes)>;

milvus::CollectionSchema SchemaOf(const std::string& name, int64_t fields) {
  milvus::CollectionSchema schema;
  schema.name = name;
  schema.fields = {{.field_id = 100, .name = "pk", .is_primary_key = true, .data_type = 5},
                   {.field_id = 101, .name = "v", .data_type = 101, .type_params = {{"dim", "4"}}}};
  for (int64_t id = 102; id < 98 + fields; ++id) {
    schema.fields.push_back({.field_id = id,
                             .name = "f" + std::to_string(id),
                             .data_type = 21,
                             .type_params = {{"max_length", "64"}}});
  }
  return schema;
}

class Filler {
 public:
  Filler(const Shape& shape, Store store) : shape_(shape), store_(std::move(store)) {}

  FakeCollection Collection(int64_t number) {
    FakeCollection collection;
    collection.info.id = next_id_++;
    collection.info.shards_num = 1;
    collection.info.schema = SchemaOf("many_" + std::to_string(number), shape_.fields);
    for (int64_t i = 0; i < shape_.partitions; ++i) {
      const int64_t partition = next_id_++;
      collection.partitions.push_back({partition, i == 0 ? "_default" : "p" + std::to_string(i)});
      for (int64_t j = 0; j < shape_.segments; ++j) {
        collection.segments.push_back(Segment(collection.info.id, partition));
      }
    }
    return collection;
  }

 private:
  milvus::Segment Segment(int64_t collection, int64_t partition) {
    const int64_t id = next_id_++;
    const std::string dir = "insert_log/" + std::to_string(collection) + "/" +
                            std::to_string(partition) + "/" + std::to_string(id) + "/";
    for (int64_t i = 0; i < shape_.fields; ++i) {
      const std::string field = std::to_string(i < 2 ? i : 98 + i);
      const int64_t log = next_id_++;
      store_(dir + field + "/" + std::to_string(log),
             std::string(static_cast<size_t>(log % 50), 'x'));
    }
    return {.id = id,
            .collection_id = collection,
            .partition_id = partition,
            .num_rows = 1000,
            .state = 4};
  }

  const Shape shape_;
  const Store store_;
  int64_t next_id_ = kFirstId;
};

void WriteFile(const std::filesystem::path& path, const std::string& bytes) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
}

// Rows of a NumPy file, whose header has them behind `'shape': (`; 0 for anything else.
int64_t RowsOfNpy(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string header(256, '\0');
  file.read(header.data(), static_cast<std::streamsize>(header.size()));
  const std::string before = "'shape': (";
  const size_t at = header.find(before);
  return at == std::string::npos ? 0 : std::atoll(header.c_str() + at + before.size());
}

int Run(const Shape& shape, const std::string& folder) {
  FakeS3 s3({.record_requests = false});
  s3.CreateBucket("bucket");
  FakeMilvus milvus({.keeps_rows = false});
  milvus.SetImportRows(
      [](const milvus::ImportRequest& request) { return RowsOfNpy(request.files.at(0)); });
  Filler filler(shape, [&](const std::string& key, const std::string& bytes) {
    if (folder.empty()) {
      s3.Put("bucket", "files/" + key, bytes);
    } else {
      WriteFile(std::filesystem::path(folder) / key, bytes);
    }
  });
  for (int64_t i = 0; i < shape.collections; ++i) milvus.Add("default", filler.Collection(i));
  const storage::S3Options client = s3.OptionsFor("bucket");
  std::cout << "{\"milvus_port\":" << milvus.port() << ",\"s3_port\":" << s3.port()
            << ",\"access_key\":\"" << client.access_key.Reveal() << "\",\"secret_key\":\""
            << client.secret_key.Reveal() << "\"}" << std::endl;
  while (std::cin.get() != EOF) {
  }
  return 0;
}

}  // namespace
}  // namespace milvus_backup::testing

int main(int argc, char** argv) {
  if (argc < 5 || argc > 6) {
    std::cerr << "usage: fake_cluster COLLECTIONS PARTITIONS SEGMENTS FIELDS [FOLDER]\n";
    return 2;
  }
  const milvus_backup::testing::Shape shape{std::stoll(argv[1]), std::stoll(argv[2]),
                                            std::stoll(argv[3]), std::stoll(argv[4])};
  return milvus_backup::testing::Run(shape, argc == 6 ? argv[5] : "");
}
