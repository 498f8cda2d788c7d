// GGUF files that the Python package gguf wrote from the golden models, as llama.cpp's converter
// would (tests/golden/gguf_models). The logits must be those of the Hugging Face folder's
// reference: names, row orders, gains and rotary parameters all come back. Tolerance as in
// golden_test.cpp; a wrong row order or gain moves logits by 0.5 or more.
#include "weir/model/gguf_model.h"

#include <set>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/model/golden_model.h"
#include "weir/base/error.h"
#include "weir/model/gguf_config.h"
#include "weir/model/stored_rows.h"

namespace weir {
namespace {

constexpr double kTolerance = 1e-4;

namespace fs = std::filesystem;

fs::path gguf_folder() { return fs::path(WEIR_GOLDEN_DIR) / "gguf_models"; }

std::vector<std::string> gguf_names() {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(gguf_folder())) {
    if (entry.path().extension() == ".gguf") names.insert(entry.path().stem().string());
  }
  return {names.begin(), names.end()};
}

at::Tensor logits_of(const LoadedModel& model, const at::Tensor& tokens) {
  ForwardInput input;
  input.tokens = tokens;
  return Transformer(model.config, model.weights).forward(input).logits;
}

class GgufModel : public testing::TestWithParam<std::string> {};

TEST_P(GgufModel, GivesTheReferenceLogits) {
  const auto expected = read_all(golden_folder(GetParam()) / "expected.safetensors");
  const LoadedModel model = load_model(gguf_folder() / (GetParam() + ".gguf"));
  const at::Tensor logits = logits_of(model, expected.at("tokens"));
  EXPECT_LT(max_difference(logits, expected.at("logits")), kTolerance);
}

TEST_P(GgufModel, HasTheNamesOfTheHuggingFaceFolder) {
  std::set<std::string> ours, theirs;
  const LoadedModel model = load_model(gguf_folder() / (GetParam() + ".gguf"));
  for (const io::TensorView& tensor : model.checkpoint.tensors) ours.insert(tensor.name);
  const LoadedModel folder = load_model(golden_folder(GetParam()));
  for (const io::TensorView& tensor : folder.checkpoint.tensors) theirs.insert(tensor.name);
  if (model.config.tied) theirs.erase("lm_head.weight");
  EXPECT_EQ(ours, theirs);
}

INSTANTIATE_TEST_SUITE_P(Models, GgufModel, testing::ValuesIn(gguf_names()),
                         [](const auto& model) { return model.param; });

TEST(GgufModels, IncludeEveryKindOfChange) {
  const std::vector<std::string> names = gguf_names();
  const std::set<std::string> found(names.begin(), names.end());
  for (const char* name : {"llama_rope_llama3", "qwen2", "qwen3", "gemma", "gemma2", "gemma3_text",
                           "phi3", "gpt2", "gpt_neox", "olmo2"}) {
    EXPECT_EQ(found.count(name), 1U) << name;
  }
}

TEST(GgufModels, KeepLlama3ScalingAsAConfigSpellsIt) {
  const LoadedModel model = load_model(gguf_folder() / "llama_rope_llama3.gguf");
  EXPECT_EQ(model.config.rotary.scaling, "llama3");
  EXPECT_EQ(model.config.rotary.factor, 8);
  EXPECT_EQ(model.config.rotary.original_context, 32);
  EXPECT_TRUE(model.config.rotary.frequency_factors.empty());
}

TEST(GgufModels, RefuseAnUnknownArchitectureByNameWithTheList) {
  try {
    gguf_architecture("mamba");
    FAIL() << "expected an error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
    EXPECT_NE(std::string(error.what()).find("'mamba'"), std::string::npos);
    EXPECT_NE(std::string(error.what()).find("llama, olmo2"), std::string::npos);
  }
}

TEST(HalfSplitRows, AreEvenRowsThenOddRowsOfEachHead) {
  const float rows[] = {0, 1, 2, 3, 10, 11, 12, 13};
  io::TensorView bias{"b",          io::DType::kF32, {8}, reinterpret_cast<const std::byte*>(rows),
                      sizeof(rows), nullptr};
  const io::TensorView split = with_half_split_rows(bias, 2);
  const auto* values = reinterpret_cast<const float*>(split.data);
  EXPECT_EQ(std::vector<float>(values, values + 8),
            (std::vector<float>{0, 2, 1, 3, 10, 12, 11, 13}));
}

TEST(HalfSplitRows, RefuseHeadsThatDoNotDivide) {
  const float rows[6] = {};
  const io::TensorView bias{
      "b", io::DType::kF32, {6}, reinterpret_cast<const std::byte*>(rows), sizeof(rows), nullptr};
  EXPECT_THROW(with_half_split_rows(bias, 2), Error);
}

}  // namespace
}  // namespace weir
