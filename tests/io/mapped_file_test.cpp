#include "weir/io/mapped_file.h"

#include <gtest/gtest.h>

#include "corruption.h"
#include "temporary_folder.h"

namespace weir::io {
namespace {

TEST(MappedFile, ShowsTheBytesAndThePath) {
  const TemporaryFolder folder;
  const auto path = folder.write("a.bin", "hello");
  const auto file = MappedFile::open(path);
  EXPECT_EQ(file->bytes(), "hello");
  EXPECT_EQ(file->path(), path.string());
}

TEST(MappedFile, OutlivesTheNameOfItsFile) {
  const TemporaryFolder folder;
  const auto file = MappedFile::open(folder.write("a.bin", "hello"));
  std::filesystem::remove(folder / "a.bin");
  EXPECT_EQ(file->bytes(), "hello");
}

TEST(MappedFile, OpensAnEmptyFile) {
  const TemporaryFolder folder;
  EXPECT_EQ(MappedFile::open(folder.write("empty", ""))->size(), 0U);
}

TEST(MappedFile, SaysWhatIsWrongWithThePath) {
  const TemporaryFolder folder;
  std::string message;
  EXPECT_EQ(error_of([&] { MappedFile::open(folder / "absent"); }, &message), ErrorCode::kNotFound);
  EXPECT_NE(message.find("absent"), std::string::npos);
  EXPECT_EQ(error_of([&] { MappedFile::open(folder.path()); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(error_of([&] { MappedFile::open("/dev/zero"); }), ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace weir::io
