// A converted checkpoint must be the same model: in float32 every parameter is equal bit for bit,
// and so are the logits where matrices are stored in the same layout. GPT-2's lie transposed in a
// GGUF file, so that the sums of a product run in another order: there the logits differ by a few
// units in the last place (they reach 6; float32 is 4e-7 apart there).
#include "weir/model/convert.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/io/temporary_folder.h"
#include "tests/model/golden_model.h"
#include "weir/base/error.h"
#include "weir/io/json.h"
#include "weir/io/safetensors.h"

namespace weir {
namespace {

namespace fs = std::filesystem;

at::Tensor logits_of(const LoadedModel& model) {
  ForwardInput input;
  input.tokens = at::arange(12, at::kLong).remainder(model.config.d_vocab).unsqueeze(0);
  return Transformer(model.config, model.weights).forward(input).logits;
}

fs::path gguf(const std::string& name) {
  return fs::path(WEIR_GOLDEN_DIR) / "gguf_models" / (name + ".gguf");
}

class ConvertedFolder : public testing::TestWithParam<std::string> {};

TEST_P(ConvertedFolder, GivesIdenticalLogits) {
  const io::TemporaryFolder folder;
  const LoadedModel model = load_model(golden_folder(GetParam()));
  save_hf(model, folder / "out", {at::kFloat});
  EXPECT_TRUE(at::equal(logits_of(load_model(folder / "out")), logits_of(model)));
}

INSTANTIATE_TEST_SUITE_P(Models, ConvertedFolder, testing::ValuesIn(golden_names()),
                         [](const auto& model) { return model.param; });

void expect_equal_parameters(const LoadedModel& a, const LoadedModel& b) {
  Weights first = a.weights, second = b.weights;
  const std::vector<Parameter> ours = parameters(first, a.config);
  const std::vector<Parameter> theirs = parameters(second, b.config);
  ASSERT_EQ(ours.size(), theirs.size());
  for (size_t i = 0; i < ours.size(); ++i) {
    EXPECT_EQ(ours[i].name, theirs[i].name);
    EXPECT_TRUE(at::equal(ours[i].get(at::kFloat), theirs[i].get(at::kFloat))) << ours[i].name;
  }
}

class ConvertedGguf : public testing::TestWithParam<std::string> {};

TEST_P(ConvertedGguf, HasTheSameParametersAndLogits) {
  const io::TemporaryFolder folder;
  const LoadedModel model = load_model(gguf(GetParam()));
  save_hf(model, folder / "out", {at::kFloat});
  const LoadedModel converted = load_model(folder / "out");
  EXPECT_EQ(converted.config.family, GetParam() == "gpt2" ? "gpt2" : model.config.family);
  expect_equal_parameters(converted, model);
  const double tolerance = GetParam() == "gpt2" ? 1e-5 : 0;
  EXPECT_LE(max_difference(logits_of(converted), logits_of(model)), tolerance);
}

INSTANTIATE_TEST_SUITE_P(Models, ConvertedGguf,
                         testing::Values("gpt2", "gpt_neox", "gemma2", "llama_rope_llama3", "phi3",
                                         "qwen3"),
                         [](const auto& model) { return model.param; });

TEST(Convert, RoundsToTheDtypeAskedFor) {
  const io::TemporaryFolder folder;
  save_hf(load_model(golden_folder("llama_gqa_tied")), folder / "out", {at::kBFloat16});
  const io::TensorMap original =
      io::read_safetensors(golden_folder("llama_gqa_tied") / "model.safetensors");
  const auto before = read_all(golden_folder("llama_gqa_tied") / "model.safetensors");
  const auto after = read_all(folder / "out" / "model.safetensors");
  ASSERT_EQ(before.size(), after.size());
  for (const auto& [name, values] : before) {
    EXPECT_EQ(after.at(name).scalar_type(), at::kBFloat16) << name;
    EXPECT_TRUE(at::equal(after.at(name), values.to(at::kBFloat16))) << name;
  }
  EXPECT_EQ(io::read_json(folder / "out" / "config.json")["torch_dtype"], "bfloat16");
}

// transformers fills in the family's own ids where a config.json is silent: Phi-3's 32000.
TEST(Convert, StatesThatAGgufNamesNoSpecialTokens) {
  const io::TemporaryFolder folder;
  save_hf(load_model(gguf("phi3")), folder / "out", {at::kFloat});
  const nlohmann::json config = io::read_json(folder / "out" / "config.json");
  for (const char* key : {"bos_token_id", "eos_token_id", "pad_token_id"}) {
    ASSERT_TRUE(config.contains(key)) << key;
    EXPECT_TRUE(config[key].is_null()) << key;
  }
}

TEST(Convert, MarksTheFileAsPyTorchs) {
  const io::TemporaryFolder folder;
  save_hf(load_model(golden_folder("qwen2")), folder / "out", {at::kFloat});
  const io::TensorMap written = io::read_safetensors(folder / "out" / "model.safetensors");
  EXPECT_EQ(written.metadata.at("format"), "pt");
}

TEST(Convert, RefusesOtherDtypes) {
  const io::TemporaryFolder folder;
  EXPECT_THROW(save_hf(load_model(golden_folder("gpt2")), folder / "out", {at::kDouble}), Error);
}

}  // namespace
}  // namespace weir
