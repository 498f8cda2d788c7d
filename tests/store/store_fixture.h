#pragma once

#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdlib.h>
#include <string>

#include <gtest/gtest.h>

#include "tests/io/temporary_folder.h"
#include "weir/base/error.h"
#include "weir/base/progress.h"
#include "weir/store/model_store.h"

namespace weir::store {

/// A store and a Hugging Face home of its own for each test, no token, no proxy, no progress line.
class StoreTest : public ::testing::Test {
 protected:
  StoreTest() {
    setenv("WEIR_HOME", (folder_ / "weir").c_str(), 1);
    setenv("HF_HOME", (folder_ / "hf").c_str(), 1);
    setenv("no_proxy", "127.0.0.1", 1);
    for (const char* name : {"HF_HUB_CACHE", "HF_TOKEN", "HF_TOKEN_PATH", "HF_ENDPOINT"}) {
      unsetenv(name);
    }
    set_progress_enabled(false);
  }

  std::filesystem::path models() const { return folder_ / "weir/models"; }
  std::filesystem::path hub_cache() const { return folder_ / "hf/hub"; }

  static void write(const std::filesystem::path& path, const std::string& bytes) {
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << bytes;
  }
  static std::string read(const std::filesystem::path& path) {
    std::ostringstream bytes;
    bytes << std::ifstream(path, std::ios::binary).rdbuf();
    return bytes.str();
  }

  io::TemporaryFolder folder_;
};

/// The error that `work` ends with; a test that expects one fails without it.
template <typename Work>
Error error_of(const Work& work) {
  try {
    work();
  } catch (const Error& error) {
    return error;
  }
  return Error(ErrorCode::kInternal, "no error");
}

}  // namespace weir::store
