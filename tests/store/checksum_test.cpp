#include "weir/store/checksum.h"

#include "tests/store/store_fixture.h"

namespace weir::store {
namespace {

class ChecksumTest : public StoreTest {};

// The values are what `git hash-object` prints.
TEST_F(ChecksumTest, GitHashesAreGits) {
  write(folder_ / "empty", "");
  write(folder_ / "hello", "hello\n");
  EXPECT_EQ(git_sha1_file(folder_ / "empty"), "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
  EXPECT_EQ(git_sha1_file(folder_ / "hello"), "ce013625030ba8dba906f756967f9e9ca394464a");
}

TEST_F(ChecksumTest, SaysHowAFileDiffers) {
  write(folder_ / "hello", "hello\n");
  std::string sha256;
  EXPECT_EQ(describe_mismatch(folder_ / "hello", {6, "", ""}, &sha256), "");
  EXPECT_EQ(describe_mismatch(folder_ / "hello", {7, "", ""}, &sha256), "expected 7 bytes, got 6");
  const Checksum other = {{}, "", "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"};
  EXPECT_NE(describe_mismatch(folder_ / "hello", other, &sha256), "");
}

}  // namespace
}  // namespace weir::store
