#include "milvus_backup/base/log.h"

#include "support/status_matchers.h"
#include "support/temp_dir.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>

namespace milvus_backup::log {
namespace {

namespace fs = std::filesystem;

class LogTest : public ::testing::Test {
 protected:
  // No sinks, as before the test.
  ~LogTest() override { EXPECT_OK(Configure({.console = false})); }

  void Write(const std::string& name, int age_days) const {
    const fs::path path = fs::path(dir_.path()) / name;
    std::ofstream(path) << "x";
    fs::last_write_time(path,
                        fs::file_time_type::clock::now() - std::chrono::hours(24 * age_days + 1));
  }
  std::set<std::string> Names() const {
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(dir_.path())) {
      names.insert(entry.path().filename().string());
    }
    return names;
  }

  testing::TempDir dir_;
};

TEST_F(LogTest, RemovesExpiredRotatedFilesOnly) {
  for (const char* name : {"backup.1.log", "backup.12.log", "backup.1.txt", "backup.x.log",
                           "other.1.log", "backup..log", "backup.log"}) {
    Write(name, 3);
  }
  Write("backup.2.log", 2);
  const std::string path = dir_.path() + "/backup.log";
  ASSERT_OK(Configure({.console = false, .path = path}));
  EXPECT_EQ(Names().size(), 8U);
  ASSERT_OK(Configure({.console = false, .path = path, .max_days = 3}));
  EXPECT_EQ(Names(), (std::set<std::string>{"backup.1.txt", "backup.2.log", "backup.x.log",
                                            "other.1.log", "backup..log", "backup.log"}));
}

TEST_F(LogTest, FilesAreOfOneSizeAndAFewAreKept) {
  const std::string path = dir_.path() + "/backup.log";
  ASSERT_OK(Configure({.console = false, .path = path, .max_size_mib = 1, .max_backups = 2}));
  const std::string line(64 * 1024, 'x');
  for (int i = 0; i < 80; ++i) Info("{}", line);
  EXPECT_EQ(Names(), (std::set<std::string>{"backup.log", "backup.1.log", "backup.2.log"}));
  for (const auto& entry : fs::directory_iterator(dir_.path())) {
    EXPECT_LE(entry.file_size(), 1024U * 1024U);
  }
}

TEST_F(LogTest, TheConsoleIsStderrAndMayBeOff) {
  for (const bool console : {true, false}) {
    ::testing::internal::CaptureStderr();
    ASSERT_OK(Configure({.level = Level::kWarn, .console = console}));
    Info("not of this level");
    Warn("to be seen");
    ASSERT_OK(Configure({.console = false}));
    const std::string shown = ::testing::internal::GetCapturedStderr();
    EXPECT_EQ(shown.find("to be seen") != std::string::npos, console);
    EXPECT_EQ(shown.find("not of this level"), std::string::npos);
  }
}

TEST_F(LogTest, NamesInItSteerNoTerminal) {
  for (const Style style : {Style::kPlain, Style::kBracketed, Style::kBarred}) {
    ::testing::internal::CaptureStderr();
    ASSERT_OK(Configure({.level = Level::kWarn, .style = style}));
    Warn("about {}", "\xE2\x80\xAEx\xC2\x9B\xFF");
    Event(Level::kWarn, "event", {{"name", "\xC2\x9B"}});
    ASSERT_OK(Configure({.console = false}));
    const std::string shown = ::testing::internal::GetCapturedStderr();
    EXPECT_NE(shown.find("about ?x??"), std::string::npos) << shown;
    EXPECT_NE(shown.find("name=?"), std::string::npos) << shown;
  }
}

// A name of somebody else cannot forge an entry.
TEST_F(LogTest, AnEntryOfTheToolsOwnFormIsOneLine) {
  ::testing::internal::CaptureStderr();
  ASSERT_OK(Configure({.level = Level::kWarn}));
  Warn("not copied key={}", "x\n[2026/01/01] [info] backup=y is removed");
  ASSERT_OK(Configure({.console = false}));
  const std::string shown = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(shown.find("key=x\\n[2026/01/01]"), std::string::npos) << shown;
  EXPECT_EQ(std::ranges::count(shown, '\n'), 1) << shown;
}

}  // namespace
}  // namespace milvus_backup::log
