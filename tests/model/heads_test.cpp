// The circuits of a head against what the model computes with it.
#include "weir/model/heads.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/model/golden_model.h"
#include "weir/base/error.h"

namespace weir {
namespace {

// Sums of d_head products of float32 numbers of size 1.
constexpr double kTolerance = 1e-5;

TEST(Heads, QueryHeadsShareKeyHeadsInOrder) {
  const LoadedModel model = load_model(golden_folder("llama_gqa_tied"));  // 6 heads, 2 key heads.
  std::vector<int64_t> shared;
  for (int64_t head = 0; head < 6; ++head) shared.push_back(kv_head(model.config, head));
  EXPECT_EQ(shared, (std::vector<int64_t>{0, 0, 0, 1, 1, 1}));
  EXPECT_THROW(kv_head(model.config, 6), Error);
  EXPECT_THROW(kv_head(model.config, -1), Error);
  const at::Tensor repeated = per_query_head(model.config, at::tensor({5, 7}).unsqueeze(0), -1);
  EXPECT_TRUE(repeated.equal(at::tensor({5, 5, 5, 7, 7, 7}).unsqueeze(0)));
  EXPECT_THROW(per_query_head(model.config, at::ones({3}), 0), Error);
}

TEST(Heads, CircuitsAreProductsOfTheParameters) {
  for (const char* name : {"gpt2", "llama_gqa_tied", "gpt_neox", "phi3"}) {
    const LoadedModel model = load_model(golden_folder(name));
    const ModelConfig& config = model.config;
    const std::string attn = "blocks.1.attn.";
    const auto get = [&](const std::string& parameter) {
      return get_parameter(model.weights, config, attn + parameter);
    };
    for (int64_t head = 0; head < config.n_heads; ++head) {
      const int64_t group = kv_head(config, head);
      EXPECT_LT(max_difference(ov(model.weights, config, 1, head).product(),
                               at::matmul(get("W_V")[group], get("W_O")[head])),
                kTolerance);
      EXPECT_LT(max_difference(qk(model.weights, config, 1, head).product(),
                               at::matmul(get("W_Q")[head], get("W_K")[group].t())),
                kTolerance);
    }
    EXPECT_THROW(ov(model.weights, config, config.n_layers, 0), Error);
  }
}

}  // namespace
}  // namespace weir
