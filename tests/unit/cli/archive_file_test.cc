// Files and pipes that archives go through.
#include "cli/archive_file.h"

#include "support/status_matchers.h"
#include "support/temp_dir.h"

#include "milvus_backup/storage/memory_backend.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stop_token>
#include <string>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace milvus_backup::cli {
namespace {

namespace fs = std::filesystem;
using backup::Compression;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::IsError;

class ArchiveFileTest : public ::testing::Test {
 protected:
  std::vector<std::string> Files() const {
    std::vector<std::string> names;
    for (const auto& file : fs::directory_iterator(dir_.path())) {
      names.push_back(file.path().filename().string());
    }
    return names;
  }
  static std::string Content(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }

  testing::TempDir dir_;
  const std::string path_ = dir_.path() + "/b.tar.zst";
};

TEST_F(ArchiveFileTest, TheSuffixTellsTheCompression) {
  const std::vector<std::pair<const char*, Compression>> known = {{"x.tar", Compression::kNone},
                                                                  {"x.tar.gz", Compression::kGzip},
                                                                  {"x.tgz", Compression::kGzip},
                                                                  {"x.tar.zst", Compression::kZstd},
                                                                  {"x.tar.xz", Compression::kXz}};
  for (const auto& [path, compression] : known) {
    ASSERT_OK_AND_ASSIGN(const Compression told, CompressionOf(path));
    EXPECT_EQ(told, compression) << path;
  }
  for (const char* path : {"x", "x.zst", "x.zip", ""}) {
    EXPECT_THAT(CompressionOf(path), IsError(Code::kInvalidArgument, ".tar.zst")) << path;
  }
}

TEST_F(ArchiveFileTest, AFileAppearsWholeOrNotAtAll) {
  {
    ASSERT_OK_AND_ASSIGN(const auto output, ArchiveOutput::OpenFile(path_, false));
    ASSERT_OK(output->Write({}, AsBytes("half")));
    EXPECT_FALSE(fs::exists(path_));
    EXPECT_EQ(Files().size(), 1U);
  }
  EXPECT_THAT(Files(), IsEmpty());
  ASSERT_OK_AND_ASSIGN(const auto output, ArchiveOutput::OpenFile(path_, false));
  ASSERT_OK(output->Write({}, AsBytes("whole")));
  ASSERT_OK(output->Commit());
  EXPECT_THAT(Files(), ElementsAre("b.tar.zst"));
  EXPECT_EQ(Content(path_), "whole");
}

TEST_F(ArchiveFileTest, AFileThatIsThereIsReplacedOnlyWhenAskedTo) {
  ASSERT_OK_AND_ASSIGN(const auto late, ArchiveOutput::OpenFile(path_, false));
  std::ofstream(path_) << "old";
  EXPECT_THAT(late->Commit(), IsError(Code::kAlreadyExists, "--overwrite"));
  EXPECT_THAT(ArchiveOutput::OpenFile(path_, false), IsError(Code::kAlreadyExists, "--overwrite"));
  EXPECT_EQ(Content(path_), "old");
  const std::string link = dir_.path() + "/link.tar";
  fs::create_symlink(path_, link);
  ASSERT_OK_AND_ASSIGN(const auto output, ArchiveOutput::OpenFile(link, true));
  ASSERT_OK(output->Write({}, AsBytes("new")));
  EXPECT_EQ(Content(path_), "old");
  ASSERT_OK(output->Commit());
  EXPECT_EQ(Content(path_), "new");
  EXPECT_TRUE(fs::is_symlink(link));
}

TEST_F(ArchiveFileTest, WhatIsNoFileIsRefused) {
  EXPECT_THAT(ArchiveOutput::OpenFile("/dev/null", true),
              IsError(Code::kInvalidArgument, "no file"));
  EXPECT_THAT(ArchiveOutput::OpenFile(dir_.path(), true),
              IsError(Code::kInvalidArgument, "no file"));
  EXPECT_THAT(ArchiveOutput::OpenFile(dir_.path() + "/no/x.tar", true),
              IsError(Code::kFailedPrecondition, "No such file"));
  EXPECT_THAT(ArchiveInput::Open(path_), IsError(Code::kNotFound, path_));
}

TEST_F(ArchiveFileTest, AFullDiskAndAPipeWithoutReaderAreErrors) {
  const auto full = ArchiveOutput::OverStream(open("/dev/full", O_WRONLY | O_CLOEXEC), "/dev/full");
  EXPECT_THAT(full->Write({}, AsBytes("x")), IsError(Code::kResourceExhausted, "No space left"));
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
  close(ends[0]);
  signal(SIGPIPE, SIG_IGN);  // as the program does
  const auto broken = ArchiveOutput::OverStream(ends[1], "standard output");
  EXPECT_THAT(broken->Write({}, AsBytes("x")), IsError(Code::kFailedPrecondition, "Broken pipe"));
}

TEST_F(ArchiveFileTest, AStopEndsTheWaitForAPipe) {
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
  const auto output = ArchiveOutput::OverStream(ends[1], "standard output");
  ASSERT_OK_AND_ASSIGN(const auto input, ArchiveInput::Open("/dev/fd/" + std::to_string(ends[0])));
  std::stop_source stop;
  const CallContext ctx{stop.get_token(), {}};
  Status written;
  {
    // More than any pipe holds by default.
    const std::jthread writer(
        [&] { written = output->Write(ctx, AsBytes(std::string(kMiB, 'x'))); });
    std::array<std::byte, 100> some{};
    ASSERT_OK_AND_ASSIGN(const size_t got, input->Read(ctx, some));
    EXPECT_GT(got, 0U);
    stop.request_stop();
  }
  EXPECT_THAT(written, IsError(Code::kCancelled, ""));
  std::array<int, 2> silent{};
  ASSERT_EQ(pipe2(silent.data(), O_CLOEXEC), 0);
  ASSERT_OK_AND_ASSIGN(const auto waiting,
                       ArchiveInput::Open("/dev/fd/" + std::to_string(silent[0])));
  std::array<std::byte, 1> one{};
  EXPECT_THAT(waiting->Read(ctx, one), IsError(Code::kCancelled, ""));
  for (const int end : {ends[0], silent[0], silent[1]}) close(end);
}

TEST_F(ArchiveFileTest, ABackupGoesThroughAPipe) {
  const auto from = storage::MakeMemoryBackend();
  const auto to = storage::MakeMemoryBackend();
  std::string log;
  for (size_t i = 0; i < 300000; ++i) log += static_cast<char>(i * i % 251);
  const std::vector<std::pair<std::string, std::string>> objects = {
      {"r/b/binlogs/insert_log/7/70/700/700/100/1", log},
      {"r/b/meta/backup_meta.json", R"({"id":"x","size":0})"},
      {"r/b/meta/collection_meta.json", "{}"},
      {"r/b/meta/full_meta.json", R"({"id":"x"})"}};
  for (const auto& [key, bytes] : objects) ASSERT_OK(from->Put({}, key, AsBytes(bytes), {}));
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
  ASSERT_OK_AND_ASSIGN(const auto input, ArchiveInput::Open("/dev/fd/" + std::to_string(ends[0])));
  close(ends[0]);
  Status exported;
  Status imported;
  {
    const std::jthread writer([&] {
      const auto output = ArchiveOutput::OverStream(ends[1], "standard output");
      exported = backup::ExportBackup({}, {.backend = from.get(), .root = "r"}, {.name = "b"},
                                      [&](ByteView bytes) { return output->Write({}, bytes); })
                     .status();
      if (exported.ok()) exported = output->Commit();
    });
    imported =
        backup::ImportBackup({}, {.backend = to.get(), .root = "r"}, {},
                             [&](std::span<std::byte> some) { return input->Read({}, some); })
            .status();
  }
  ASSERT_OK(exported);
  ASSERT_OK(imported);
  for (const auto& [key, bytes] : objects) {
    ASSERT_OK_AND_ASSIGN(const std::string arrived, storage::ReadAll({}, *to, key, kMiB));
    EXPECT_TRUE(arrived == bytes) << key;
  }
}

}  // namespace
}  // namespace milvus_backup::cli
