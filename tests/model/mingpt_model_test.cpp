// minGPT's trained sorter against the activations of its first block and its logits
// (tests/golden/mingpt), and the names in which nanoGPT saves the same model. Activations are
// float32 of size 1 to 10; 2e-5 is a few units in their last place.
#include "weir/model/mingpt_model.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/io/temporary_folder.h"
#include "tests/model/golden_model.h"
#include "weir/base/error.h"
#include "weir/hooks/activation_cache.h"
#include "weir/io/safetensors.h"
#include "weir/model/convert.h"

namespace weir {
namespace {

constexpr double kTolerance = 2e-5;

namespace fs = std::filesystem;

fs::path golden() { return fs::path(WEIR_GOLDEN_DIR) / "mingpt"; }
fs::path sorter() { return golden() / "gpt-nano-sort.safetensors"; }

at::Tensor logits_of(const LoadedModel& model, const at::Tensor& tokens,
                     const Hooks* hooks = nullptr) {
  ForwardInput input;
  input.tokens = tokens;
  input.hooks = hooks;
  return Transformer(model.config, model.weights).forward(input).logits;
}

TEST(MinGptModel, GivesTheReferenceActivations) {
  const auto expected = read_all(golden() / "gpt-nano-sort-t0-partials.safetensors");
  const LoadedModel model = load_model(sorter());
  Hooks hooks(hook_names(model.config, model.weights));
  ActivationCache cache(only({"*"}));
  cache.attach(hooks);
  const at::Tensor tokens = expected.at("idx").to(at::kLong);
  EXPECT_LT(max_difference(logits_of(model, tokens, &hooks), expected.at("lm_head")), kTolerance);
  const auto by_head = [&](const char* name) { return cache[name].transpose(1, 2); };
  const std::pair<const char*, at::Tensor> pairs[] = {
      {"tok_emb", cache["hook_embed"]},
      {"x", cache["blocks.0.hook_resid_pre"]},
      {"q", by_head("blocks.0.attn.hook_q")},
      {"k", by_head("blocks.0.attn.hook_k")},
      {"v", by_head("blocks.0.attn.hook_v")},
      {"attSm", cache["blocks.0.attn.hook_pattern"]},
      {"y", cache["blocks.0.attn.hook_z"].flatten(2)},
      {"yProj", cache["blocks.0.hook_attn_out"]},
      {"attnResid", cache["blocks.0.hook_resid_mid"]},
      {"fc", cache["blocks.0.mlp.hook_pre"]},
      {"gelu", cache["blocks.0.mlp.hook_post"]},
      {"mlp", cache["blocks.0.hook_mlp_out"]},
      {"block0", cache["blocks.0.hook_resid_post"]},
      {"block1", cache["blocks.1.hook_resid_post"]},
      {"block2", cache["blocks.2.hook_resid_post"]},
      {"ln_f", cache["unembed.hook_in"]},
  };
  for (const auto& [name, ours] : pairs) {
    EXPECT_LT(max_difference(ours, expected.at(name)), kTolerance) << name;
  }
}

TEST(MinGptModel, ConvertsToGpt2WithTheSameLogits) {
  const io::TemporaryFolder folder;
  const LoadedModel model = load_model(sorter());
  save_hf(model, folder / "out", {at::kFloat});
  const LoadedModel converted = load_model(folder / "out");
  EXPECT_EQ(converted.config.family, "gpt2");
  const at::Tensor tokens = at::tensor({0, 2, 1, 1, 0, 2}, at::kLong).unsqueeze(0);
  EXPECT_LT(max_difference(logits_of(converted, tokens), logits_of(model, tokens)), kTolerance);
}

TEST(MinGptModel, LoadsFromAFolderWithAConfig) {
  const io::TemporaryFolder folder;
  folder.write("config.json",
               R"({"model_type": "nanogpt", "n_layer": 3, "n_head": 3, "n_embd": 48,
                   "vocab_size": 3, "block_size": 11, "activation_function": "gelu_new",
                   "tie_word_embeddings": false})");
  fs::copy(sorter(), folder / "model.safetensors");
  const at::Tensor tokens = at::tensor({0, 2, 1, 1, 0, 2}, at::kLong).unsqueeze(0);
  EXPECT_TRUE(at::equal(logits_of(load_model(folder.path()), tokens),
                        logits_of(load_model(sorter()), tokens)));
}

TEST(NanoGptModel, IsReadFromTheTrainersCheckpoint) {
  const auto expected = read_all(golden() / "nanogpt-expected.safetensors");
  const LoadedModel model = load_model(golden() / "nanogpt-ckpt.pt");
  EXPECT_TRUE(model.config.tied);
  EXPECT_EQ(model.config.activation, Activation::kGeluExact);
  EXPECT_FALSE(model.weights.blocks[0].ln1.b.defined());
  EXPECT_LT(max_difference(logits_of(model, expected.at("tokens")), expected.at("logits")),
            kTolerance);
}

TEST(NanoGptModel, ConvertsToGpt2WithZeroBiases) {
  const io::TemporaryFolder folder;
  const LoadedModel model = load_model(golden() / "nanogpt-ckpt.pt");
  save_hf(model, folder / "out", {at::kFloat});
  const at::Tensor tokens = at::tensor({0, 2, 1, 1, 0, 2}, at::kLong).unsqueeze(0);
  EXPECT_LT(max_difference(logits_of(load_model(folder / "out"), tokens), logits_of(model, tokens)),
            kTolerance);
}

TEST(MinGptModel, RefusesATensorFileThatIsNoModel) {
  try {
    load_model(golden() / "gpt-nano-sort-t0-partials.safetensors");
    FAIL() << "expected an error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
  }
}

}  // namespace
}  // namespace weir
