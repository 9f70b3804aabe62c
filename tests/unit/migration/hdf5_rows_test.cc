#include "migration/hdf5_rows.h"

#include "hdf5_builder.h"
#include "row_reading.h"
#include "support/status_matchers.h"
#include "support/temp_dir.h"
#include "support/test_paths.h"

#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

namespace milvus_backup::migration {
namespace {

using milvus_backup::testing::IsError;
using milvus_backup::testing::TempDir;
using milvus_backup::testing::TestDataDir;
using testing::AllRows;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::Hdf5Dataset;
using testing::ReadAllRows;
using testing::Slurp;
using testing::WriteHdf5;

class Hdf5RowsTest : public ::testing::Test {
 protected:
  static Table Float(int64_t dim) { return {.metric = Metric::kL2, .dim = dim}; }
  static Table Binary(int64_t bits) { return {.metric = Metric::kHamming, .dim = bits}; }

  Result<AllRows> Read(const std::string& path, const Table& table, uint64_t batch = 7,
                       int64_t first_id = 0) {
    MB_ASSIGN_OR_RETURN(const auto source, OpenHdf5Rows(path, table, first_id));
    return ReadAllRows(*source, table.vector_bytes(), batch);
  }
  std::string Path(const std::string& name) const { return dir_.path() + "/" + name; }

  /// 3 rows of 2 floats of 64 bits, without ids.
  static constexpr double kDoubles[] = {0, 0.5, -1, 1.5, 2, 1e300};

  TempDir dir_;
};

std::string Sample(const std::string& name) { return TestDataDir() + "/milvusdm/" + name; }

TEST_F(Hdf5RowsTest, TheThreeFormsOfOneFileAreTheSameRows) {
  // Written by h5py: contiguous, chunked and compressed, and in the newer format. The first has its
  // floats at offset 2048 and its ids behind them.
  const std::string bytes = Slurp(Sample("float32.h5")).substr(2048, 50 * 12 * 4);
  std::vector<int64_t> ids(50);
  for (size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<int64_t>(i) * 11;
  for (const char* name : {"float32.h5", "float32_chunked_gzip.h5", "float32_latest_libver.h5"}) {
    for (const uint64_t batch : {1U, 7U, 50U}) {
      ASSERT_OK_AND_ASSIGN(const AllRows all, Read(Sample(name), Float(12), batch));
      EXPECT_EQ(all.vectors, bytes) << name;
      EXPECT_EQ(all.ids, ids) << name;
    }
  }
}

TEST_F(Hdf5RowsTest, ThePublishedExampleOfDoublesIsReadWhole) {
  // Contiguous: 5000 × 100 doubles at offset 2048, and the ids behind them.
  const std::string file = Slurp(Sample("float_example.h5"));
  std::vector<double> doubles(size_t{5000} * 100);
  std::vector<int64_t> ids(5000);
  ASSERT_EQ(file.size(), 2048 + doubles.size() * sizeof(double) + ids.size() * sizeof(int64_t));
  std::memcpy(doubles.data(), file.data() + 2048, doubles.size() * sizeof(double));
  std::memcpy(ids.data(), file.data() + file.size() - ids.size() * sizeof(int64_t),
              ids.size() * sizeof(int64_t));
  std::string floats;
  for (const double value : doubles) {
    const auto rounded = static_cast<float>(value);
    floats.append(reinterpret_cast<const char*>(&rounded), sizeof(rounded));
  }
  EXPECT_EQ(ids.front(), 1611731769000715000);
  for (const uint64_t batch : {64U, 5000U}) {
    ASSERT_OK_AND_ASSIGN(const AllRows all, Read(Sample("float_example.h5"), Float(100), batch));
    EXPECT_EQ(all.ids, ids) << batch;
    EXPECT_TRUE(all.vectors == floats) << batch;
  }
}

TEST_F(Hdf5RowsTest, RowsWithoutIdsAreNumbered) {
  ASSERT_OK_AND_ASSIGN(const AllRows all, Read(Sample("no_ids.h5"), Float(12), 7, 100));
  std::vector<int64_t> ids(50);
  std::iota(ids.begin(), ids.end(), 100);
  EXPECT_EQ(all.ids, ids);
}

TEST_F(Hdf5RowsTest, BinaryVectorsKeepEveryByte) {
  ASSERT_OK_AND_ASSIGN(const AllRows bits, Read(Sample("uint8_binary.h5"), Binary(64)));
  EXPECT_EQ(bits.vectors, Slurp(Sample("uint8_binary.h5")).substr(2048, 30 * 8));
  // The published example: strings of 64 bytes.
  ASSERT_OK_AND_ASSIGN(const AllRows strings, Read(Sample("byte_example.h5"), Binary(512)));
  EXPECT_EQ(strings.vectors, Slurp(Sample("byte_example.h5")).substr(2048, 5 * 64));
  EXPECT_THAT(strings.ids, ElementsAre(1, 2, 3, 4, 5));

  const hid_t text = H5Tcopy(H5T_C_S1);
  H5Tset_size(text, 2);
  H5Tset_strpad(text, H5T_STR_NULLPAD);
  const std::string zeros("a\0\0\0", 4);
  WriteHdf5(Path("zeros.h5"), {{"embeddings", {2}, text, text, zeros.data()}});
  H5Tclose(text);
  ASSERT_OK_AND_ASSIGN(const AllRows kept, Read(Path("zeros.h5"), Binary(16)));
  EXPECT_EQ(kept.vectors, zeros);
}

TEST_F(Hdf5RowsTest, DoublesBecomeFloatsAndIdsOfAnyWidthAreTaken) {
  const std::vector<int32_t> ids = {5, -6, 7};
  WriteHdf5(Path("d.h5"), {{"embeddings", {3, 2}, H5T_IEEE_F64BE, H5T_NATIVE_DOUBLE, kDoubles},
                           {"ids", {3}, H5T_STD_I32BE, H5T_NATIVE_INT32, ids.data()}});
  ASSERT_OK_AND_ASSIGN(const AllRows all, Read(Path("d.h5"), Float(2), 2));
  std::vector<float> floats(6);
  std::memcpy(floats.data(), all.vectors.data(), all.vectors.size());
  EXPECT_THAT(std::vector(floats.begin(), floats.begin() + 5), ElementsAre(0, 0.5, -1, 1.5, 2));
  EXPECT_THAT(all.ids, ElementsAre(5, -6, 7));
  // What no float can hold is an infinity, which Milvus refuses.
  ASSERT_OK_AND_ASSIGN(const auto source, OpenHdf5Rows(Path("d.h5"), Float(2), 0));
  EXPECT_THAT(CheckRows({}, *source, 8, false),
              IsError(Code::kDataLoss, "row 2 of " + Path("d.h5") + " holds a NaN"));
}

TEST_F(Hdf5RowsTest, DoublesOfEitherByteOrderAreRoundedAlike) {
  std::vector<double> doubles(1000 * 3);
  for (size_t i = 0; i < doubles.size(); ++i) doubles[i] = 1.0 / static_cast<double>(i + 1);
  doubles[0] = -1e300;
  doubles[1] = 1e-300;
  doubles[2] = 16777217;  // halfway between two floats
  std::vector<std::string> read;
  for (const hid_t type : {H5T_IEEE_F64LE, H5T_IEEE_F64BE}) {
    for (const bool gzip : {false, true}) {
      WriteHdf5(Path("d.h5"),
                {{.name = "embeddings",
                  .dims = {1000, 3},
                  .file_type = type,
                  .memory_type = H5T_NATIVE_DOUBLE,
                  .data = doubles.data(),
                  .chunk = gzip ? std::vector<hsize_t>{70, 2} : std::vector<hsize_t>{},
                  .gzip = gzip}});
      ASSERT_OK_AND_ASSIGN(const AllRows all, Read(Path("d.h5"), Float(3), 333));
      read.push_back(all.vectors);
    }
  }
  for (const std::string& each : read) EXPECT_TRUE(each == read.front());
  std::vector<float> floats(3);
  std::memcpy(floats.data(), read.front().data(), floats.size() * sizeof(float));
  EXPECT_THAT(floats, ElementsAre(-std::numeric_limits<float>::infinity(), 0, 16777216));
}

TEST_F(Hdf5RowsTest, ChunksThatRowsLieAcrossAreRead) {
  std::vector<float> floats(1000 * 10);
  std::iota(floats.begin(), floats.end(), 0.0F);
  WriteHdf5(Path("c.h5"), {{.name = "embeddings",
                            .dims = {1000, 10},
                            .file_type = H5T_IEEE_F32LE,
                            .memory_type = H5T_NATIVE_FLOAT,
                            .data = floats.data(),
                            .chunk = {33, 3},
                            .gzip = true}});
  ASSERT_OK_AND_ASSIGN(const AllRows all, Read(Path("c.h5"), Float(10), 64));
  EXPECT_EQ(std::memcmp(all.vectors.data(), floats.data(), all.vectors.size()), 0);
}

TEST_F(Hdf5RowsTest, WhatDoesNotFitIsSaid) {
  EXPECT_THAT(Read(Sample("float32.h5"), Float(13)),
              IsError(Code::kInvalidArgument, "holds vectors of dimension 12 and not 13"));
  EXPECT_THAT(Read(Sample("float32.h5"), Binary(96)),
              IsError(Code::kInvalidArgument, "holds float vectors, but the metric"));
  EXPECT_THAT(Read(Sample("uint8_binary.h5"), Float(8)),
              IsError(Code::kInvalidArgument, "holds binary vectors, but the metric"));
  EXPECT_THAT(Read(Path("none.h5"), Float(2)), IsError(Code::kNotFound, "No such file"));
  EXPECT_THAT(Read(dir_.path(), Float(2)), IsError(Code::kNotFound, "it is no file"));
  std::ofstream(Path("text.h5")) << "not HDF5";
  EXPECT_THAT(Read(Path("text.h5"), Float(2)), IsError(Code::kDataLoss, "is no HDF5 file"));

  const std::vector<int64_t> ids = {1, 2};
  const Hdf5Dataset doubles{"embeddings", {3, 2}, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, kDoubles};
  const auto expect = [&](std::vector<Hdf5Dataset> datasets, Code code, const std::string& part) {
    WriteHdf5(Path("x.h5"), datasets);
    const auto refused = Read(Path("x.h5"), Float(2));
    EXPECT_THAT(refused, IsError(code, part));
    EXPECT_EQ(refused.status().ToString().find('\n'), std::string::npos);
  };
  expect({}, Code::kFailedPrecondition, "has no dataset embeddings");
  expect({doubles, {"ids", {2}, H5T_STD_I64LE, H5T_NATIVE_INT64, ids.data()}}, Code::kDataLoss,
         "holds 2 ids for 3 vectors");
  expect({doubles, {"ids", {2}, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, kDoubles}},
         Code::kFailedPrecondition, "ids is no list of integers");
  expect({{"embeddings", {6}, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, kDoubles}},
         Code::kFailedPrecondition, "is neither a matrix");
  expect({{"embeddings", {3, 2}, H5T_STD_I32LE, H5T_NATIVE_DOUBLE, kDoubles}},
         Code::kFailedPrecondition, "is neither a matrix");
  expect({{"embeddings", {1, 1, 6}, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, kDoubles}},
         Code::kFailedPrecondition, "has 3 dimensions");
  // Space that nobody has written to would read as zeros.
  expect({{"embeddings", {3, 2}, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE}}, Code::kDataLoss,
         "was never written");
  expect({{.name = "embeddings",
           .dims = {3, 2},
           .file_type = H5T_IEEE_F64LE,
           .memory_type = H5T_NATIVE_DOUBLE,
           .chunk = {1, 2}}},
         Code::kDataLoss, "0 of 3 chunks");
  // None of these is allocated: nobody has written to them.
  expect({{"embeddings", {1, hsize_t{1} << 25}, H5T_IEEE_F32LE, H5T_NATIVE_FLOAT}},
         Code::kFailedPrecondition, "embeddings has 33554432 columns");
  expect({{.name = "embeddings",
           .dims = {hsize_t{1} << 26, 2},
           .file_type = H5T_IEEE_F32LE,
           .memory_type = H5T_NATIVE_FLOAT,
           .chunk = {hsize_t{1} << 26, 1}}},
         Code::kFailedPrecondition,
         "a row of chunks of embeddings takes more than 268435456 bytes");
}

TEST_F(Hdf5RowsTest, FiltersThatThisMachineLacksAreNamed) {
  constexpr H5Z_filter_t kBlosc = 32001;
  const hid_t plist = H5Pcreate(H5P_DATASET_CREATE);
  const hsize_t dims[] = {3, 2};
  H5Pset_chunk(plist, 2, dims);
  // Optional: a library without it writes the chunk as it is, but the file asks for it.
  H5Pset_filter(plist, kBlosc, H5Z_FLAG_OPTIONAL, 0, nullptr);
  const hid_t file = H5Fcreate(Path("b.h5").c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  const hid_t space = H5Screate_simple(2, dims, nullptr);
  const hid_t set =
      H5Dcreate2(file, "embeddings", H5T_IEEE_F64LE, space, H5P_DEFAULT, plist, H5P_DEFAULT);
  ASSERT_GE(set, 0);
  H5Dwrite(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, kDoubles);
  H5Dclose(set);
  H5Sclose(space);
  H5Pclose(plist);
  H5Fclose(file);
  EXPECT_THAT(Read(Path("b.h5"), Float(2)),
              IsError(Code::kFailedPrecondition, "embeddings is packed by filter 32001"));
}

TEST_F(Hdf5RowsTest, IdsThatMilvusCannotHoldAreRefused) {
  const std::vector<uint64_t> ids = {1, uint64_t{1} << 63, 3};
  WriteHdf5(Path("u.h5"), {{"embeddings", {3, 2}, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, kDoubles},
                           {"ids", {3}, H5T_STD_U64LE, H5T_NATIVE_UINT64, ids.data()}});
  EXPECT_THAT(Read(Path("u.h5"), Float(2)),
              IsError(Code::kDataLoss, "has the id 9223372036854775808"));
}

TEST_F(Hdf5RowsTest, LinksAndDataInOtherFilesAreNotFollowed) {
  const auto with = [&](const auto& write) {
    const hid_t file = H5Fcreate(Path("l.h5").c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    write(file);
    H5Fclose(file);
    return Read(Path("l.h5"), Float(12));
  };
  EXPECT_THAT(with([&](hid_t file) {
                H5Lcreate_external(Sample("float32.h5").c_str(), "/embeddings", file, "embeddings",
                                   H5P_DEFAULT, H5P_DEFAULT);
              }),
              IsError(Code::kFailedPrecondition, "embeddings is a link"));
  std::ofstream(Path("raw")) << std::string(1000, 'x');
  EXPECT_THAT(with([&](hid_t file) {
                const hid_t plist = H5Pcreate(H5P_DATASET_CREATE);
                H5Pset_external(plist, Path("raw").c_str(), 0, 960);
                const hsize_t dims[] = {20, 12};
                const hid_t space = H5Screate_simple(2, dims, nullptr);
                H5Dclose(H5Dcreate2(file, "embeddings", H5T_IEEE_F32LE, space, H5P_DEFAULT, plist,
                                    H5P_DEFAULT));
                H5Sclose(space);
                H5Pclose(plist);
              }),
              IsError(Code::kFailedPrecondition, "embeddings is in another file"));
  EXPECT_THAT(with([&](hid_t file) {
                const hid_t plist = H5Pcreate(H5P_DATASET_CREATE);
                const hsize_t dims[] = {50, 12};
                const hid_t space = H5Screate_simple(2, dims, nullptr);
                H5Pset_virtual(plist, space, Sample("float32.h5").c_str(), "/embeddings", space);
                H5Dclose(H5Dcreate2(file, "embeddings", H5T_IEEE_F32LE, space, H5P_DEFAULT, plist,
                                    H5P_DEFAULT));
                H5Sclose(space);
                H5Pclose(plist);
              }),
              IsError(Code::kFailedPrecondition, "embeddings is stored in a way that is not read"));
  EXPECT_THAT(with([&](hid_t file) {
                H5Lcreate_soft("/other", file, "embeddings", H5P_DEFAULT, H5P_DEFAULT);
              }),
              IsError(Code::kFailedPrecondition, "embeddings is a link"));
  EXPECT_THAT(with([&](hid_t file) {
                H5Gclose(H5Gcreate2(file, "embeddings", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
              }),
              IsError(Code::kFailedPrecondition, "embeddings is no dataset"));
}

TEST_F(Hdf5RowsTest, FilesCutOffOrChangedAnywhereNeverCrash) {
  const std::string whole = Slurp(Sample("float32.h5"));
  const auto read = [&](const std::string& text) {
    std::ofstream(Path("cut.h5"), std::ios::binary) << text;
    return Read(Path("cut.h5"), Float(12), 50);
  };
  for (size_t size = 0; size < whole.size(); size += 61) {
    EXPECT_FALSE(read(whole.substr(0, size)).ok()) << size;
  }
  // The dimensions of the first dataset, which lie: far more rows than the file can hold.
  const std::string dims("\x32\0\0\0\0\0\0\0\x0c\0\0\0\0\0\0\0", 16);
  const size_t at = whole.find(dims);
  ASSERT_NE(at, std::string::npos);
  for (const char high : {'\x01', '\x10', '\x7f', '\xff'}) {
    for (const size_t byte : {1U, 3U, 5U, 7U}) {
      std::string lie = whole;
      lie[at + byte] = high;
      const auto rows = read(lie);
      EXPECT_FALSE(rows.ok()) << byte;
    }
  }
}

TEST_F(Hdf5RowsTest, AFileThatChangesMeanwhileIsNoticed) {
  std::filesystem::copy_file(Sample("float32.h5"), Path("a.h5"));
  ASSERT_OK_AND_ASSIGN(const auto source, OpenHdf5Rows(Path("a.h5"), Float(12), 0));
  ASSERT_OK(ReadAllRows(*source, 48, 50));
  ASSERT_OK_AND_ASSIGN(const auto again, OpenHdf5Rows(Path("a.h5"), Float(12), 0));
  std::filesystem::last_write_time(
      Path("a.h5"), std::filesystem::file_time_type::clock::now() + std::chrono::seconds(5));
  EXPECT_THAT(ReadAllRows(*again, 48, 50), IsError(Code::kAborted, "has changed"));
}

}  // namespace
}  // namespace milvus_backup::migration
