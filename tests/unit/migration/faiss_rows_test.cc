#include "migration/faiss_rows.h"

#include "row_reading.h"
#include "segment_builder.h"
#include "support/status_matchers.h"
#include "support/temp_dir.h"
#include "support/test_paths.h"

#include "milvus_backup/storage/memory_backend.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

namespace milvus_backup::migration {
namespace {

using milvus_backup::testing::IsError;
using milvus_backup::testing::TestDataDir;
using testing::AllRows;
using testing::BytesOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::ReadAllRows;
using testing::Slurp;

constexpr uint64_t kNpyHeader = 128;
constexpr size_t kDim = 16;
constexpr size_t kVectorBytes = kDim * sizeof(float);

std::string Sample(const std::string& name) { return Slurp(TestDataDir() + "/faiss/" + name); }

/// The rows of `all` in the order of their ids.
AllRows Sorted(const AllRows& all) {
  std::vector<size_t> order(all.ids.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::sort(order, {}, [&](size_t row) { return all.ids[row]; });
  AllRows sorted;
  for (const size_t row : order) {
    sorted.ids.push_back(all.ids[row]);
    sorted.vectors += all.vectors.substr(row * kVectorBytes, kVectorBytes);
  }
  return sorted;
}

/// A number of any size as its bytes.
template <typename T>
std::string Raw(T number) {
  return BytesOf(std::vector<T>{number});
}

class FaissRowsTest : public ::testing::Test {
 protected:
  FaissRowsTest() : backend_(storage::MakeMemoryBackend()) { store_.backend = backend_.get(); }

  static Table Float(int64_t dim) { return {.metric = Metric::kL2, .dim = dim}; }
  static Table Binary(int64_t bits) { return {.metric = Metric::kHamming, .dim = bits}; }

  Result<std::unique_ptr<RowSource>> Open(const std::string& key, const Table& table) {
    MB_ASSIGN_OR_RETURN(FileBytes file, OpenStoredBytes({}, store_, key));
    return OpenFaissRows({}, std::move(file), table);
  }
  Result<AllRows> Read(const std::string& text, const Table& table = Float(kDim),
                       uint64_t batch = 7) {
    EXPECT_OK(backend_->Put({}, "f.index", AsBytes(text), {}));
    MB_ASSIGN_OR_RETURN(const auto source, Open("f.index", table));
    return ReadAllRows(*source, table.vector_bytes(), batch);
  }

  std::unique_ptr<storage::Backend> backend_;
  Store store_;
};

TEST_F(FaissRowsTest, EveryKindThatHoldsItsVectorsIsReadToTheLastRow) {
  const std::string vectors = Sample("expected.vectors.npy").substr(kNpyHeader);
  std::vector<int64_t> custom(1000);
  std::memcpy(custom.data(), Sample("expected.custom_ids.npy").data() + kNpyHeader, 8000);
  std::vector<int64_t> numbered(1000);
  std::iota(numbered.begin(), numbered.end(), 0);
  const std::vector<std::pair<std::string, const std::vector<int64_t>*>> files = {
      {"flat_l2", &numbered},        {"flat_ip", &numbered},
      {"flat_l1", &numbered},        {"ivf_flat_l2_full", &numbered},
      {"ivf_flat_ip_ids", &custom},  {"ivf_flat_dm_array", &numbered},
      {"ivf_flat_dm_hash", &custom}, {"idmap_flat", &custom},
      {"idmap2_flat", &custom}};
  for (const auto& [name, ids] : files) {
    for (const uint64_t batch : {1U, 7U, 1000U}) {
      ASSERT_OK_AND_ASSIGN(const AllRows all, Read(Sample(name + ".index"), Float(kDim), batch));
      const AllRows sorted = Sorted(all);
      EXPECT_EQ(sorted.ids, *ids) << name;
      EXPECT_EQ(sorted.vectors, vectors) << name;
    }
  }
  ASSERT_OK_AND_ASSIGN(const AllRows sparse, Read(Sample("ivf_flat_l2_sparse.index")));
  EXPECT_EQ(Sorted(sparse).ids, std::vector(numbered.begin(), numbered.begin() + 20));
  EXPECT_EQ(Sorted(sparse).vectors, vectors.substr(0, 20 * kVectorBytes));
}

/// d, code size, ntotal, is_trained, metric.
std::string BinaryHeader(int64_t rows) {
  return Raw<int32_t>(16) + Raw<int32_t>(2) + Raw<int64_t>(rows) + '\x01' + Raw<int32_t>(1);
}

TEST_F(FaissRowsTest, BinaryIndexesAreRead) {
  const std::string flat = "IBxF" + BinaryHeader(3) + Raw<uint64_t>(6) + "aabb" + '\0' + '\0';
  ASSERT_OK_AND_ASSIGN(const AllRows all, Read(flat, Binary(16), 2));
  EXPECT_EQ(all.vectors, std::string("aabb\0\0", 6));
  EXPECT_THAT(all.ids, ElementsAre(0, 1, 2));

  const std::string map =
      "IBMp" + BinaryHeader(3) + flat + Raw<uint64_t>(3) + BytesOf<int64_t>({7, -8, 9});
  ASSERT_OK_AND_ASSIGN(const AllRows mapped, Read(map, Binary(16), 2));
  EXPECT_THAT(mapped.ids, ElementsAre(7, -8, 9));

  const std::string quantizer = "IBxF" + BinaryHeader(2) + Raw<uint64_t>(4) + "qqqq";
  const std::string ivf = "IBwF" + BinaryHeader(3) + Raw<uint64_t>(2) + Raw<uint64_t>(1) +
                          quantizer + '\0' + Raw<uint64_t>(0) + "ilar" + Raw<uint64_t>(2) +
                          Raw<uint64_t>(2) + "full" + Raw<uint64_t>(2) + Raw<uint64_t>(1) +
                          Raw<uint64_t>(2) + "aa" + Raw<int64_t>(5) + "bbcc" +
                          BytesOf<int64_t>({6, 4});
  ASSERT_OK_AND_ASSIGN(const AllRows lists, Read(ivf, Binary(16), 2));
  EXPECT_EQ(lists.vectors, "aabbcc");
  EXPECT_THAT(lists.ids, ElementsAre(5, 6, 4));
}

TEST_F(FaissRowsTest, BinaryIndexesOfFaissItselfAreRead) {
  const std::string vectors = Sample("expected.binary.npy").substr(kNpyHeader);
  for (const std::string name : {"binary_flat", "binary_idmap2", "binary_ivf"}) {
    ASSERT_OK_AND_ASSIGN(const AllRows all, Read(Sample(name + ".index"), Binary(32), 7));
    ASSERT_EQ(all.ids.size(), 200U);
    for (size_t row = 0; row < all.ids.size(); ++row) {
      const auto at =
          static_cast<size_t>(name == "binary_flat" ? all.ids[row] : (all.ids[row] - 100000) / 7);
      EXPECT_EQ(all.vectors.substr(row * 4, 4), vectors.substr(at * 4, 4)) << name << row;
    }
  }
}

TEST_F(FaissRowsTest, OtherKindsAreRefusedByName) {
  EXPECT_THAT(Read(Sample("ivfpq.index")),
              IsError(Code::kFailedPrecondition,
                      "f.index is a Faiss index of kind IwPQ (IVF with product quantizer)"));
  EXPECT_THAT(Read(Sample("pca_ivf.index")), IsError(Code::kFailedPrecondition, "IxPT"));
  EXPECT_THAT(Read("IHNf" + std::string(100, '\0')), IsError(Code::kFailedPrecondition, "HNSW"));
  EXPECT_THAT(Read("Abcd" + std::string(100, '\0')), IsError(Code::kFailedPrecondition, "Abcd"));
  EXPECT_THAT(Read("\x89HDF\r\n"), IsError(Code::kDataLoss, "is no Faiss index"));
  EXPECT_THAT(Read("Ix"), IsError(Code::kDataLoss, "in the middle of its header"));
}

TEST_F(FaissRowsTest, EveryKnownKindIsRefusedInOneLineWithAdvice) {
  for (const std::string code : {"IwPQ", "IvPQ", "IwQR", "IwPf", "IwSq", "IwSQ", "IxSQ", "IxPq",
                                 "IPfs", "IxHe", "IHNf", "IHNp", "IHNs", "INSf", "IBHf", "IBHh",
                                 "IBHm", "IBFf", "IxPT", "IxRF", "IwFd", "IvFl", "IvFL"}) {
    const Status refused = Read(code + std::string(100, '\0')).status();
    EXPECT_THAT(refused, IsError(Code::kFailedPrecondition,
                                 "f.index is a Faiss index of kind " + code + " ("));
    EXPECT_NE(refused.advice(), "") << code;
    EXPECT_EQ(refused.ToString().find('\n'), std::string::npos) << code;
  }
}

/// d, ntotal, two unused numbers, is_trained, metric.
std::string FloatHeader(int64_t rows) {
  return Raw<int32_t>(2) + Raw<int64_t>(rows) + Raw<int64_t>(1 << 20) + Raw<int64_t>(1 << 20) +
         '\x01' + Raw<int32_t>(1);
}

TEST_F(FaissRowsTest, PartsOfAnIndexThatAreNotReadAreNamed) {
  const std::string flat =
      "IxF2" + FloatHeader(1) + Raw<uint64_t>(2) + BytesOf<float>({0.5F, 1.5F});
  const std::string ivf = "IwFl" + FloatHeader(0) + Raw<uint64_t>(1) + Raw<uint64_t>(1);
  const std::string without_map = std::string(1, '\0') + Raw<uint64_t>(0);
  const auto refused = [&](const std::string& text, const std::string& part) {
    const Status status = Read(text, Float(2)).status();
    EXPECT_THAT(status, IsError(Code::kFailedPrecondition, part));
    EXPECT_NE(status.advice(), "") << part;
  };
  refused("IxMp" + FloatHeader(0) + ivf, "is an IDMap of an IVF index");
  refused("IxM2" + FloatHeader(0) + "IxPT", "of kind IxPT");
  refused(ivf + "IHNf", "its coarse quantizer is of kind IHNf");
  refused(ivf + flat + without_map + "ilod", "its inverted lists are of kind ilod");
  // An index without vectors is no error.
  const std::string empty = ivf + flat + without_map + "ilar" + Raw<uint64_t>(1) +
                            Raw<uint64_t>(8) + "full" + Raw<uint64_t>(1) + Raw<uint64_t>(0);
  ASSERT_OK_AND_ASSIGN(const AllRows none, Read(empty, Float(2)));
  EXPECT_EQ(none.ids.size(), 0U);
}

TEST_F(FaissRowsTest, WhatDoesNotFitIsSaid) {
  EXPECT_THAT(Read(Sample("flat_l2.index"), Float(17)),
              IsError(Code::kInvalidArgument, "holds vectors of dimension 16 and not 17"));
  EXPECT_THAT(Read(Sample("flat_l2.index"), Binary(128)),
              IsError(Code::kInvalidArgument, "holds float vectors"));
  EXPECT_THAT(Open("none", Float(2)).status(), IsError(Code::kNotFound, "none"));
}

TEST_F(FaissRowsTest, FilesThatAreCutOffAreRefusedBeforeTheFirstRow) {
  for (const char* name : {"flat_l1", "ivf_flat_l2_sparse", "ivf_flat_dm_hash", "idmap2_flat"}) {
    const std::string whole = Sample(std::string(name) + ".index");
    for (size_t size = 0; size < whole.size(); size += size < 400 ? 1 : 997) {
      EXPECT_OK(backend_->Put({}, "f.index", AsBytes(whole.substr(0, size)), {}));
      EXPECT_FALSE(Open("f.index", Float(kDim)).ok()) << name << size;
    }
    EXPECT_THAT(Read(whole + "x"), IsError(Code::kDataLoss, "1 bytes follow the index"));
  }
}

// Counts in headers that say more than the file has must end in an error and not in memory.
TEST_F(FaissRowsTest, NumbersThatLieAreFound) {
  for (const char* name : {"flat_l1", "ivf_flat_l2_sparse", "ivf_flat_dm_array", "idmap_flat"}) {
    const std::string whole = Sample(std::string(name) + ".index");
    size_t refused = 0;
    for (size_t at = 0; at < std::min<size_t>(whole.size(), 400); ++at) {
      for (const char value : {'\x00', '\x7f', '\xff'}) {
        std::string lie = whole;
        if (lie[at] == value) continue;
        lie[at] = value;
        // One that is only about values, such as the metric, may be read.
        if (!Read(lie).ok()) ++refused;
      }
    }
    EXPECT_GT(refused, 30U) << name;
  }
}

TEST_F(FaissRowsTest, SizesThatWouldWrapAroundAreFound) {
  std::string flat = Sample("flat_l2.index");
  // ntotal and the count of floats, so that both agree only after an overflow.
  const uint64_t rows = (uint64_t{1} << 60) + 1000;
  std::memcpy(flat.data() + 8, &rows, sizeof(rows));
  EXPECT_THAT(Read(flat), IsError(Code::kDataLoss, "damaged"));
  const uint64_t more = uint64_t{1} << 62;
  std::memcpy(flat.data() + 8, &more, sizeof(more));
  EXPECT_THAT(Read(flat), IsError(Code::kDataLoss, "damaged"));
}

TEST_F(FaissRowsTest, AFileThatChangesMeanwhileIsNoticed) {
  ASSERT_OK(backend_->Put({}, "f.index", AsBytes(Sample("flat_l2.index")), {}));
  ASSERT_OK_AND_ASSIGN(const auto source, Open("f.index", Float(kDim)));
  ASSERT_OK(backend_->Put({}, "f.index", AsBytes(Sample("flat_l2.index") + "x"), {}));
  EXPECT_THAT(ReadAllRows(*source, kVectorBytes, 7), IsError(Code::kAborted, "f.index"));
}

TEST_F(FaissRowsTest, FilesOfThisMachineAreReadWithoutAStorage) {
  const milvus_backup::testing::TempDir dir;
  const std::string path = dir.path() + "/f.index";
  for (const std::string name : {"flat_ip", "ivf_flat_ip_ids", "idmap2_flat"}) {
    const std::string text = Sample(name + ".index");
    std::ofstream(path, std::ios::binary) << text;
    ASSERT_OK_AND_ASSIGN(FileBytes file, OpenLocalBytes(path, "data_path"));
    ASSERT_OK_AND_ASSIGN(const auto source, OpenFaissRows({}, std::move(file), Float(kDim)));
    ASSERT_OK_AND_ASSIGN(const AllRows local, ReadAllRows(*source, kVectorBytes, 33));
    ASSERT_OK_AND_ASSIGN(const AllRows stored, Read(text));
    EXPECT_EQ(local.ids, stored.ids);
    EXPECT_EQ(local.vectors, stored.vectors);
  }
  ASSERT_OK_AND_ASSIGN(FileBytes file, OpenLocalBytes(path, "data_path"));
  ASSERT_OK_AND_ASSIGN(const auto source, OpenFaissRows({}, std::move(file), Float(kDim)));
  std::ofstream(path, std::ios::app) << "x";
  EXPECT_THAT(ReadAllRows(*source, kVectorBytes, 33), IsError(Code::kAborted, "has changed"));
  EXPECT_THAT(OpenLocalBytes(dir.path(), "data_path").status(),
              IsError(Code::kNotFound, "it is no file"));
}

}  // namespace
}  // namespace milvus_backup::migration
