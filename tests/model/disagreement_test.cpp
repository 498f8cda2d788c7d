// Where config.json and the tensors disagree about what the model is.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/io/temporary_folder.h"
#include "tests/model/golden_model.h"
#include "weir/base/log.h"
#include "weir/io/json.h"
#include "weir/io/safetensors.h"
#include "weir/model/convert.h"
#include "weir/tensor/convert.h"

namespace weir {
namespace {

namespace fs = std::filesystem;

constexpr double kTolerance = 1e-4;

at::Tensor logits_of(const LoadedModel& model, const at::Tensor& tokens) {
  ForwardInput input;
  input.tokens = tokens;
  return Transformer(model.config, model.weights).forward(input).logits;
}

class Disagreement : public testing::Test {
 protected:
  Disagreement() {
    log::set_sink([this](log::Level level, std::string_view message) {
      if (level == log::Level::kWarn) warnings_.emplace_back(message);
    });
  }
  ~Disagreement() override { log::set_sink({}); }

  static fs::path own_head() { return fs::path(WEIR_GOLDEN_DIR) / "tied_but_own_head"; }

  std::vector<std::string> warnings_;
};

TEST_F(Disagreement, AHeadOfOtherValuesIsUsedWithAWarning) {
  const LoadedModel model = load_model(own_head() / "model");
  const auto expected = read_all(own_head() / "expected.safetensors");
  EXPECT_FALSE(model.config.tied);
  ASSERT_EQ(warnings_.size(), 1);
  EXPECT_NE(warnings_[0].find("lm_head.weight"), std::string::npos);
  EXPECT_LT(max_difference(logits_of(model, expected.at("tokens")), expected.at("logits")),
            kTolerance);
  // Saved, the config tells the truth.
  const io::TemporaryFolder folder;
  save_hf(model, folder / "out");
  EXPECT_EQ(io::read_json(folder / "out" / "config.json")["tie_word_embeddings"], false);
  warnings_.clear();
  EXPECT_TRUE(logits_of(load_model(folder / "out"), expected.at("tokens"))
                  .equal(logits_of(model, expected.at("tokens"))));
  EXPECT_TRUE(warnings_.empty());
}

// The model's tensors with `name` of these values added.
io::TensorMap with(const LoadedModel& model, const std::string& name, const at::Tensor& values) {
  io::TensorMap tensors = model.checkpoint;
  tensors.tensors.push_back(to_view(name, values));
  return tensors;
}

LoadedModel reload(const LoadedModel& model, const io::TensorMap& tensors) {
  return load_model(nlohmann::json::parse(model.config_json), tensors, model.path);
}

TEST_F(Disagreement, HeadsAreComparedInEveryFamilyThatTies) {
  for (const std::string& name : golden_names()) {
    const LoadedModel model = load_model(golden_folder(name));
    if (!model.config.tied || model.checkpoint.find("lm_head.weight") != nullptr) continue;
    const at::Tensor table = model.weights.W_E.dense().t();
    const LoadedModel same = reload(model, with(model, "lm_head.weight", table.contiguous()));
    EXPECT_TRUE(same.config.tied) << name;
    EXPECT_TRUE(warnings_.empty()) << name;
    const LoadedModel other = reload(model, with(model, "lm_head.weight", table * 2));
    EXPECT_FALSE(other.config.tied) << name;
    EXPECT_TRUE(other.weights.W_U.dense().t().equal(table * 2)) << name;
    EXPECT_EQ(warnings_.size(), 1) << name;
    warnings_.clear();
  }
}

TEST_F(Disagreement, NanoGptHeadsAreComparedToo) {
  const LoadedModel model = load_model(fs::path(WEIR_GOLDEN_DIR) / "mingpt" / "nanogpt-ckpt.pt");
  ASSERT_TRUE(model.config.tied);
  io::TensorMap tensors = model.checkpoint;
  for (io::TensorView& tensor : tensors.tensors) {
    if (tensor.name == "lm_head.weight") tensor = to_view(tensor.name, to_tensor(tensor) * 2);
  }
  EXPECT_TRUE(warnings_.empty());
  const LoadedModel other = reload(model, tensors);
  EXPECT_FALSE(other.config.tied);
  EXPECT_EQ(warnings_.size(), 1);
}

TEST_F(Disagreement, StoredMasksAreCompared) {
  const LoadedModel model = load_model(golden_folder("gpt_neo"));
  const std::string name = "transformer.h.1.attn.attention.bias";  // Local, 5 keys.
  const at::Tensor causal = at::ones({40, 40}, at::kByte).tril();
  const at::Tensor local = causal - causal.tril(-5);
  reload(model, with(model, name, local.view({1, 1, 40, 40})));
  EXPECT_TRUE(warnings_.empty());
  reload(model, with(model, name, causal.view({1, 1, 40, 40})));
  ASSERT_EQ(warnings_.size(), 1);
  EXPECT_NE(warnings_[0].find(name), std::string::npos);
}

TEST_F(Disagreement, StoredFrequenciesAreCompared) {
  const LoadedModel model = load_model(golden_folder("llama_mha"));
  const std::string name = "model.layers.0.self_attn.rotary_emb.inv_freq";
  const auto frequencies = [&](double theta) {
    return at::pow(at::full({4}, theta), -at::arange(0, 8, 2, at::kFloat) / 8);
  };
  reload(model, with(model, name, frequencies(10000)));
  reload(model, with(model, name, frequencies(10000).to(at::kBFloat16)));
  EXPECT_TRUE(warnings_.empty());
  reload(model, with(model, name, frequencies(500000)));
  EXPECT_EQ(warnings_.size(), 1);
}

}  // namespace
}  // namespace weir
