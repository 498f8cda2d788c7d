// bfloat16 is rounded at hook points only: an activation is its inputs, as they were rounded,
// multiplied in more precision, and rounded once.
#include <cmath>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/model/golden_model.h"

namespace weir {
namespace {

constexpr double kRounding = 0x1p-8;  // Half a unit of 8 bits, of values just above a power of two.

ActivationCache run_in_bfloat16(const LoadedModel& model, const at::Tensor& tokens) {
  const Transformer transformer(model.config, model.weights, at::kBFloat16);
  ActivationCache cache;
  Hooks hooks(transformer.hook_names());
  cache.attach(hooks);
  ForwardInput input;
  input.tokens = tokens;
  input.hooks = &hooks;
  transformer.forward(input);
  return cache;
}

at::Tensor exact(const at::Tensor& x) { return x.to(at::kDouble); }

// Entry by entry; `sum` is what the float32 sum may be off by, of terms up to some units.
void expect_one_rounding(const at::Tensor& found, const at::Tensor& expected,
                         const std::string& name) {
  const double sum = 1e-4 * expected.abs().max().item<double>();
  const at::Tensor excess = (exact(found) - expected).abs() - expected.abs() * kRounding - sum;
  EXPECT_LE(excess.max().item<double>(), 0) << name;
}

double relative_error(const at::Tensor& found, const at::Tensor& expected) {
  return ((exact(found) - expected).norm() / expected.norm()).item<double>();
}

// 512 products a sum: one rounding is 0.0016, a bfloat16 sum is off by 0.027.
TEST(HalfPrecision, TheOutputOfAWideMlpIsRoundedOnce) {
  const std::filesystem::path folder = std::filesystem::path(WEIR_GOLDEN_DIR) / "bf16-gpt2";
  const LoadedModel model = load_model(folder);
  const at::Tensor tokens = read_all(folder / "tokens.safetensors").at("tokens");
  const ActivationCache cache = run_in_bfloat16(model, tokens);
  const MlpWeights& mlp = model.weights.blocks[0].mlp;
  const at::Tensor expected =
      at::matmul(exact(cache["blocks.0.mlp.hook_post"]), mlp.W_out.dense(at::kDouble)) +
      exact(mlp.b_out);
  EXPECT_LT(relative_error(cache["blocks.0.hook_mlp_out"], expected), 0.004);
  expect_one_rounding(cache["blocks.0.hook_mlp_out"], expected, "hook_mlp_out");
}

class HalfPrecisionOf : public testing::TestWithParam<std::string> {};

TEST_P(HalfPrecisionOf, EveryProductIsRoundedOnce) {
  const LoadedModel model = load_model(golden_folder(GetParam()));
  const ModelConfig& config = model.config;
  const at::Tensor tokens =
      read_all(golden_folder(GetParam()) / "expected.safetensors").at("tokens");
  const ActivationCache cache = run_in_bfloat16(model, tokens);
  const Transformer transformer(config, model.weights, at::kBFloat16);
  const auto of_queries = [&](const at::Tensor& x) {
    return x.repeat_interleave(config.n_heads / config.n_kv_heads, 2).transpose(1, 2);
  };
  for (int64_t layer = 0; layer < config.n_layers; ++layer) {
    const std::string block = "blocks." + std::to_string(layer) + ".";
    const auto at_site = [&](const std::string& site) { return exact(cache[block + site]); };
    const bool turned = config.has_rotary(layer);
    const bool plain = !turned && config.qk_norm == QkNorm::kNone;
    if (plain || turned) {
      const at::Tensor q = at_site(turned ? "attn.hook_rot_q" : "attn.hook_q");
      const at::Tensor k = at_site(turned ? "attn.hook_rot_k" : "attn.hook_k");
      const at::Tensor found = at_site("attn.hook_attn_scores");
      if (config.attn_softcap == 0 && config.position != PositionKind::kAlibi) {
        const double scale =
            config.attn_scale / (config.scale_by_inverse_layer ? layer + 1.0 : 1.0);
        const at::Tensor scores =
            at::matmul(q.transpose(1, 2), of_queries(k).transpose(-2, -1)) * scale;
        const at::Tensor hidden = found.isinf();
        expect_one_rounding(found.masked_fill(hidden, 0), scores.masked_fill(hidden, 0),
                            block + "hook_attn_scores");
      }
    }
    const at::Tensor z =
        at::matmul(at_site("attn.hook_pattern"), of_queries(at_site("attn.hook_v")));
    expect_one_rounding(cache[block + "attn.hook_z"], z.transpose(1, 2), block + "hook_z");
    const Matrix& W_O = transformer.weights().blocks[layer].attn.W_O;
    const at::Tensor by_head = W_O.dense(at::kDouble).unflatten(0, {config.n_heads, config.d_head});
    expect_one_rounding(cache[block + "attn.hook_result"],
                        at::einsum("bthk,hkd->bthd", {at_site("attn.hook_z"), by_head}),
                        block + "hook_result");
  }
  const at::Tensor logits =
      at::matmul(exact(cache["unembed.hook_in"]), transformer.weights().W_U.dense(at::kDouble));
  const at::Tensor& b_U = transformer.weights().b_U;
  expect_one_rounding(cache["unembed.hook_out"], b_U.defined() ? logits + exact(b_U) : logits,
                      "unembed.hook_out");
}

INSTANTIATE_TEST_SUITE_P(Models, HalfPrecisionOf, testing::ValuesIn(golden_names()),
                         [](const auto& instance) { return instance.param; });

}  // namespace
}  // namespace weir
