#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <unistd.h>

#include <gtest/gtest.h>

#include "tests/cli/command_run.h"

inline const std::string kGolden = WEIR_GOLDEN_DIR;
inline const std::string kLlama = kGolden + "/models/llama_mha";
inline const std::string kLlamaExpected = kLlama + "/expected.safetensors";
inline const std::string kStories = kGolden + "/llama2c/stories260K.bin";

/// A folder of its own for every test.
class Cli : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("weir-cli-" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(path(name), std::ios::binary) << text;
    return path(name);
  }

 private:
  std::filesystem::path folder_;
};

inline int count_lines(const std::string& text) {
  return static_cast<int>(std::count(text.begin(), text.end(), '\n'));
}

/// Wrong usage: status 2, and one line that holds `part`.
inline void expect_usage_error(const std::string& arguments, const std::string& part) {
  const CommandRun run = run_weir(arguments);
  EXPECT_EQ(run.status, 2) << arguments;
  EXPECT_EQ(count_lines(run.error), 1) << run.error;
  EXPECT_NE(run.error.find(part), std::string::npos) << run.error;
}
