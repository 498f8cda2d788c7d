// Files that are a part of a model, or none, say so in one line.
#include <algorithm>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/io/temporary_folder.h"
#include "tests/model/golden_model.h"
#include "weir/base/error.h"

namespace weir {
namespace {

namespace fs = std::filesystem;

fs::path parts() { return fs::path(WEIR_GOLDEN_DIR) / "gguf_split"; }

std::string error_of(const fs::path& path, ErrorCode code) {
  try {
    load_model(path);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.what();
  }
  return "loaded";
}

void expect_words(const std::string& message, const std::vector<std::string>& words) {
  for (const std::string& word : words) {
    EXPECT_NE(message.find(word), std::string::npos) << message;
  }
  EXPECT_EQ(std::count(message.begin(), message.end(), '\n'), 0) << message;
}

TEST(SplitGguf, IsTheWholeModel) {
  LoadedModel split = load_model(parts() / "tiny-00001-of-00003.gguf");
  const LoadedModel whole =
      load_model(fs::path(WEIR_GOLDEN_DIR) / "gguf_models/llama_gqa_tied.gguf");
  EXPECT_EQ(n_parameters(split.weights, split.config), n_parameters(whole.weights, whole.config));
  EXPECT_TRUE(split.config.tied);
  for (const Parameter& parameter : parameters(split.weights, split.config)) {
    EXPECT_TRUE(
        parameter.get(at::kFloat).equal(get_parameter(whole.weights, whole.config, parameter.name)))
        << parameter.name;
  }
}

TEST(SplitGguf, NamesAPartThatIsMissing) {
  const io::TemporaryFolder folder;
  for (const char* name : {"tiny-00001-of-00003.gguf", "tiny-00002-of-00003.gguf"}) {
    fs::copy(parts() / name, folder / name);
  }
  expect_words(error_of(folder / "tiny-00001-of-00003.gguf", ErrorCode::kNotFound),
               {"part 1 of 3", "part 3 is missing", "tiny-00003-of-00003.gguf"});
  expect_words(error_of(folder / "tiny-00002-of-00003.gguf", ErrorCode::kUnsupported),
               {"part 2 of 3", "tiny-00001-of-00003.gguf"});
  fs::copy(parts() / "tiny-00002-of-00003.gguf", folder / "tiny-00003-of-00003.gguf");
  expect_words(error_of(folder / "tiny-00001-of-00003.gguf", ErrorCode::kCorruptData),
               {"expected part 3 of 3"});
  fs::copy(parts() / "tiny-00001-of-00003.gguf", folder / "renamed.gguf");
  expect_words(error_of(folder / "renamed.gguf", ErrorCode::kCorruptData),
               {"part 1 of 3", "-00001-of-00003.gguf"});
}

TEST(Incomplete, AnAdapterNamesItsBase) {
  const io::TemporaryFolder folder;
  folder.write("adapter_config.json", R"({"base_model_name_or_path": "some/base"})");
  folder.write("adapter_model.safetensors", "");
  expect_words(error_of(folder.path(), ErrorCode::kUnsupported), {"adapter", "some/base"});
}

TEST(Incomplete, AGitLfsPointerIsNoWeights) {
  const io::TemporaryFolder folder;
  fs::copy(golden_folder("gpt2") / "config.json", folder / "config.json");
  const std::string pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n";
  folder.write("model.safetensors", pointer);
  expect_words(error_of(folder.path(), ErrorCode::kCorruptData), {"Git LFS", "git lfs pull"});
  const fs::path gguf = folder.write("model.gguf", pointer);
  expect_words(error_of(gguf, ErrorCode::kCorruptData), {"Git LFS"});
}

// A GGUF file of version 3 with these string keys and no tensor.
std::string gguf_of(const std::vector<std::pair<std::string, std::string>>& keys) {
  const auto number = [](uint64_t value, int bytes) {
    std::string text;
    for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> (8 * i));
    return text;
  };
  std::string file = "GGUF" + number(3, 4) + number(0, 8) + number(keys.size(), 8);
  for (const auto& [key, value] : keys) {
    file += number(key.size(), 8) + key + number(8, 4) + number(value.size(), 8) + value;
  }
  return file;
}

TEST(Incomplete, GgufFilesOfOtherKindsSayWhatTheyAre) {
  const io::TemporaryFolder folder;
  const auto error = [&](const std::string& type) {
    return error_of(folder.write(type + ".gguf", gguf_of({{"general.architecture", "llama"},
                                                          {"general.type", type}})),
                    ErrorCode::kUnsupported);
  };
  expect_words(error("adapter"), {"adapter", "merge"});
  expect_words(error("mmproj"), {"projector"});
  expect_words(error("model"), {"metadata alone"});
  const std::string words =
      gguf_of({{"general.architecture", "llama"}, {"tokenizer.ggml.tokens", "none"}});
  expect_words(error_of(folder.write("words.gguf", words), ErrorCode::kUnsupported),
               {"a vocabulary alone"});
}

}  // namespace
}  // namespace weir
