#include "weir/io/atomic_file.h"

#include <algorithm>
#include <iterator>
#include <stdexcept>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "corruption.h"
#include "file_bytes.h"
#include "temporary_folder.h"

namespace weir::io {
namespace {

std::ptrdiff_t n_files(const TemporaryFolder& folder) {
  const std::filesystem::directory_iterator files(folder.path());
  return std::distance(begin(files), end(files));
}

TEST(AtomicFile, AppearsWholeOnCommit) {
  const TemporaryFolder folder;
  AtomicFile file(folder / "a");
  file.write("one ");
  file.write(std::string(100000, 'x'));
  file.write(" two");
  EXPECT_EQ(file.size(), 100008U);
  EXPECT_FALSE(std::filesystem::exists(folder / "a"));
  file.commit();
  EXPECT_EQ(file_bytes((folder / "a").string()), "one " + std::string(100000, 'x') + " two");
  EXPECT_EQ(n_files(folder), 1);
}

TEST(AtomicFile, ReplacesAnOlderFile) {
  const TemporaryFolder folder;
  const auto path = folder.write("a", "old and longer");
  write_file(path, "new");
  EXPECT_EQ(file_bytes(path.string()), "new");
}

TEST(AtomicFile, LeavesTheOldFileAndNoOtherWhenWorkFails) {
  const TemporaryFolder folder;
  const auto path = folder.write("a", "old");
  try {
    AtomicFile file(path);
    file.write(std::string(1 << 20, 'x'));
    throw std::runtime_error("the work failed");
  } catch (const std::runtime_error&) {
  }
  EXPECT_EQ(file_bytes(path.string()), "old");
  EXPECT_EQ(n_files(folder), 1);
}

TEST(AtomicFile, LeavesTheOldFileWhenTheProcessIsKilled) {
  const TemporaryFolder folder;
  const auto path = folder.write("a", "old");
  const pid_t child = ::fork();
  if (child == 0) {
    AtomicFile file(path);
    file.write(std::string(1 << 20, 'x'));
    ::_exit(9);  // No destructor runs.
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(file_bytes(path.string()), "old");
}

TEST(AtomicFile, TwoWritersOfOneNameDoNotMix) {
  const TemporaryFolder folder;
  AtomicFile first(folder / "a");
  AtomicFile second(folder / "a");
  first.write("first");
  second.write("second");
  first.commit();
  second.commit();
  EXPECT_EQ(file_bytes((folder / "a").string()), "second");
  EXPECT_EQ(n_files(folder), 1);
}

TEST(AtomicFile, LeavesWhatIsNoPlainFileAlone) {
  EXPECT_THROW(io::AtomicFile("/dev/null"), Error);
  EXPECT_FALSE(std::filesystem::is_regular_file("/dev/null"));
}

TEST(AtomicFile, SaysWhatCannotBe) {
  const TemporaryFolder folder;
  std::string message;
  EXPECT_EQ(error_of([&] { AtomicFile file(folder / "absent/a"); }, &message),
            ErrorCode::kUnavailable);
  EXPECT_NE(message.find("absent/a: cannot be created"), std::string::npos) << message;
  EXPECT_EQ(error_of([&] { AtomicFile file(folder.path()); }), ErrorCode::kInvalidArgument);
  AtomicFile file(folder / "a");
  file.commit();
  EXPECT_EQ(error_of([&] { file.commit(); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(error_of([&] { file.write("more"); }), ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace weir::io
