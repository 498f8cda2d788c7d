#include "weir/io/sha256.h"

#include <gtest/gtest.h>

#include "corruption.h"
#include "temporary_folder.h"

namespace weir::io {
namespace {

// FIPS 180-2, appendix B.
const char* const kEmpty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const char* const kAbc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
const char* const kTwoBlocks = "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1";
const char* const kMillion = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";

TEST(Sha256, AgreesWithThePublishedVectors) {
  EXPECT_EQ(sha256_hex(""), kEmpty);
  EXPECT_EQ(sha256_hex("abc"), kAbc);
  EXPECT_EQ(sha256_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"), kTwoBlocks);
  EXPECT_EQ(sha256_hex(std::string(1000000, 'a')), kMillion);
}

TEST(Sha256, TakesBytesInPieces) {
  Sha256 hash;
  for (int i = 0; i < 1000; ++i) hash.update(std::string(1000, 'a'));
  hash.update("");
  EXPECT_EQ(hash.finish(), kMillion);
}

TEST(Sha256, HashesFilesAndTellsHowFarItIs) {
  const TemporaryFolder folder;
  const auto path = folder.write("a", std::string(3000000, 'a'));
  size_t seen = 0;
  size_t pieces = 0;
  const std::string digest = sha256_file(path, [&](size_t n_bytes) {
    seen += n_bytes;
    ++pieces;
  });
  EXPECT_EQ(digest, sha256_hex(std::string(3000000, 'a')));
  EXPECT_EQ(seen, 3000000U);
  EXPECT_GT(pieces, 1U);
  EXPECT_EQ(sha256_file(folder.write("empty", "")), kEmpty);
  EXPECT_EQ(error_of([&] { sha256_file(folder / "absent"); }), ErrorCode::kNotFound);
}

}  // namespace
}  // namespace weir::io
