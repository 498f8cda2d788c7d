#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "weir/base/error.h"
#include "weir/io/mapped_file.h"

namespace weir::io {

inline std::shared_ptr<const MappedFile> file_of(const std::string& bytes,
                                                 const std::string& name = "buffer") {
  const auto* begin = reinterpret_cast<const std::byte*>(bytes.data());
  return MappedFile::from_bytes({begin, begin + bytes.size()}, name);
}

/// The code that `work` throws; fails the test when it throws nothing or something else.
inline ErrorCode error_of(const std::function<void()>& work, std::string* message = nullptr) {
  try {
    work();
  } catch (const Error& error) {
    if (message != nullptr) *message = error.what();
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
    return error.code();
  }
  ADD_FAILURE() << "expected an error";
  return ErrorCode::kInternal;
}

using Parser = std::function<void(std::shared_ptr<const MappedFile>)>;

/// Either `parse` reads the bytes, or it throws kCorruptData or kUnsupported that names the file.
inline void expect_parses_or_refuses(const Parser& parse, const std::string& bytes,
                                     const std::string& what) {
  try {
    parse(file_of(bytes, "damaged-file"));
  } catch (const Error& error) {
    EXPECT_TRUE(error.code() == ErrorCode::kCorruptData || error.code() == ErrorCode::kUnsupported)
        << what << ": " << to_string(error.code()) << ": " << error.what();
    EXPECT_NE(std::string(error.what()).find("damaged-file"), std::string::npos) << error.what();
  } catch (const std::exception& error) {
    ADD_FAILURE() << what << ": foreign exception " << error.what();
  }
}

/// Damages the file in `count` ways that `seed` picks: one to four of its bytes get other values.
inline void expect_survives_flips(const Parser& parse, const std::string& valid, int count,
                                  unsigned seed = 1) {
  std::mt19937 random(seed);
  for (int i = 0; i < count; ++i) {
    std::string damaged = valid;
    for (unsigned flips = 1 + random() % 4; flips-- > 0;) {
      damaged[random() % damaged.size()] ^= static_cast<char>(1 + random() % 255);
    }
    expect_parses_or_refuses(parse, damaged, "flips " + std::to_string(i));
    if (::testing::Test::HasFailure()) return;  // One report is enough.
  }
}

/// Cuts the file at every length, then sets each of its first `n_bytes` bytes to several values.
inline void expect_survives_damage(const Parser& parse, const std::string& valid, size_t n_bytes) {
  parse(file_of(valid, "valid-file"));
  for (size_t length = 0; length < valid.size(); ++length) {
    expect_parses_or_refuses(parse, valid.substr(0, length), "cut at " + std::to_string(length));
  }
  for (size_t place = 0; place < std::min(n_bytes, valid.size()); ++place) {
    for (const unsigned value : {0x00U, 0x01U, 0x7fU, 0x80U, 0xffU, valid[place] ^ 0x20U}) {
      std::string damaged = valid;
      damaged[place] = static_cast<char>(value);
      expect_parses_or_refuses(parse, damaged, "byte " + std::to_string(place));
    }
  }
}

}  // namespace weir::io
