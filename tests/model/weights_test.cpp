// Parameters under their TransformerLens names.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/model/golden_model.h"
#include "weir/base/error.h"

namespace weir {
namespace {

class Parameters : public testing::TestWithParam<std::string> {};

// Processing only fills in biases that a model lacks; what remains must be ours by name and shape.
TEST_P(Parameters, HaveTransformerLensNamesAndShapes) {
  const LoadedModel model = load_model(golden_folder(GetParam()));
  for (const auto& [name, reference] :
       read_all(golden_folder(GetParam()) / "tl_weights_processed.safetensors")) {
    Weights weights = model.weights;
    set_parameter(weights, model.config, name, reference);
    EXPECT_TRUE(get_parameter(weights, model.config, name).equal(reference)) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Models, Parameters,
                         testing::Values("gpt2", "gpt_neox", "llama_gqa_tied", "gemma2", "qwen3"),
                         [](const auto& instance) { return instance.param; });

TEST(Weights, MatricesMultiplyAsTransformerLensWritesThem) {
  const LoadedModel model = load_model(golden_folder("llama_gqa_tied"));
  const auto file = read_all(golden_folder("llama_gqa_tied") / "model.safetensors");
  const at::Tensor q = get_parameter(model.weights, model.config, "blocks.1.attn.W_Q");
  const at::Tensor rows = file.at("model.layers.1.self_attn.q_proj.weight");
  EXPECT_EQ(q.sizes(), at::IntArrayRef({6, 48, 8}));
  EXPECT_TRUE(q[2].equal(rows.slice(0, 16, 24).t()));
  const at::Tensor o = get_parameter(model.weights, model.config, "blocks.1.attn.W_O");
  EXPECT_TRUE(o[5].equal(file.at("model.layers.1.self_attn.o_proj.weight").slice(1, 40).t()));
  EXPECT_TRUE(get_parameter(model.weights, model.config, "embed.W_E")
                  .equal(file.at("model.embed_tokens.weight")));
}

TEST(Weights, ParametersAreViewsOfWhatIsHeld) {
  const LoadedModel model = load_model(golden_folder("llama_mha"));
  const at::Tensor q = get_parameter(model.weights, model.config, "blocks.0.attn.W_Q");
  EXPECT_EQ(q.data_ptr(), model.weights.blocks[0].attn.W_Q.storage().data_ptr());
}

TEST(Weights, SettingReplacesTheHandleAndNotTheData) {
  const LoadedModel model = load_model(golden_folder("gpt2"));
  Weights edited = model.weights;
  set_parameter(edited, model.config, "embed.W_E", at::zeros({97, 32}));
  EXPECT_EQ(get_parameter(edited, model.config, "embed.W_E").abs().max().item<float>(), 0);
  EXPECT_GT(get_parameter(model.weights, model.config, "embed.W_E").abs().max().item<float>(), 0);
}

TEST(Weights, ATieStaysATieUntilItIsCut) {
  const LoadedModel model = load_model(golden_folder("gpt2"));
  Weights edited = model.weights;
  set_parameter(edited, model.config, "embed.W_E", at::ones({97, 32}));
  EXPECT_TRUE(edited.W_U.is_same(edited.W_E));
  EXPECT_TRUE(get_parameter(edited, model.config, "unembed.W_U").equal(at::ones({32, 97})));
  set_parameter(edited, model.config, "unembed.W_U", at::zeros({32, 97}));
  EXPECT_TRUE(get_parameter(edited, model.config, "embed.W_E").equal(at::zeros({97, 32})));
  untie(edited);
  EXPECT_FALSE(edited.W_U.is_same(edited.W_E));
  EXPECT_TRUE(get_parameter(edited, model.config, "unembed.W_U").equal(at::zeros({32, 97})));
  set_parameter(edited, model.config, "embed.W_E", at::ones({97, 32}));
  EXPECT_TRUE(get_parameter(edited, model.config, "unembed.W_U").equal(at::zeros({32, 97})));
}

// The mapped file only may be read: an optimiser's first step would end in a signal.
TEST(Weights, ConversionCopiesEvenWhatAlreadyIsInTheDtype) {
  const LoadedModel model = load_model(golden_folder("gpt2"));
  Weights copies = to(model.weights, at::kCPU, at::kFloat);
  Weights originals = model.weights;
  const auto before = parameters(originals, model.config);
  const auto after = parameters(copies, model.config);
  ASSERT_EQ(before.size(), after.size());
  for (size_t i = 0; i < after.size(); ++i) {
    EXPECT_NE(after[i].held().data_ptr(), before[i].held().data_ptr()) << after[i].name;
    EXPECT_TRUE(after[i].get(at::kFloat).equal(before[i].get(at::kFloat))) << after[i].name;
  }
  for (const Parameter& copy : after) copy.held().zero_();
  EXPECT_GT(get_parameter(model.weights, model.config, "ln_final.w").abs().max().item<float>(), 0);
}

TEST(Weights, ABiasThatTheModelLacksCanBeSet) {
  const LoadedModel model = load_model(golden_folder("llama_mha"));
  Weights edited = model.weights;
  EXPECT_THROW(get_parameter(edited, model.config, "blocks.0.attn.b_Q"), Error);
  set_parameter(edited, model.config, "blocks.0.attn.b_Q", at::ones({4, 8}));
  EXPECT_TRUE(get_parameter(edited, model.config, "blocks.0.attn.b_Q").equal(at::ones({4, 8})));
  EXPECT_EQ(edited.blocks[0].attn.b_Q.sizes(), at::IntArrayRef({32}));
}

TEST(Weights, AWrongShapeIsRefusedWithBothShapes) {
  const LoadedModel model = load_model(golden_folder("gpt2"));
  Weights edited = model.weights;
  try {
    set_parameter(edited, model.config, "blocks.0.attn.W_Q", at::zeros({32, 32}));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_NE(std::string(error.what()).find("[4, 32, 8]"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("[32, 32]"), std::string::npos) << error.what();
  }
}

TEST(Weights, AnUnknownNameGetsTheNearest) {
  const LoadedModel model = load_model(golden_folder("gpt2"));
  try {
    get_parameter(model.weights, model.config, "blocks.0.attn.W_q");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kNotFound);
    EXPECT_NE(std::string(error.what()).find("blocks.0.attn.W_Q"), std::string::npos);
  }
}

TEST(Weights, ConversionKeepsTheTieAndTheSourceAsItWas) {
  const LoadedModel model = load_model(golden_folder("gpt2"));
  const Weights half = to(model.weights, at::kCPU, at::kBFloat16);
  EXPECT_TRUE(half.W_U.is_same(half.W_E));
  EXPECT_EQ(half.blocks[2].mlp.W_in.dtype_name(), "BF16");
  EXPECT_EQ(half.ln_final.w.scalar_type(), at::kBFloat16);
  EXPECT_EQ(model.weights.blocks[2].mlp.W_in.dtype_name(), "F32");
}

// A [in, out] matrix in Q8_0: for each 32 inputs of an output a float16 step and 32 int8 factors.
Matrix in_q8_0(const at::Tensor& weight) {
  const at::Tensor blocks = weight.t().contiguous().view({-1, 32});
  const at::Tensor steps = (blocks.abs().amax(1, true) / 127).to(at::kHalf);
  const at::Tensor factors = (blocks / steps.to(at::kFloat)).round().to(at::kChar);
  const auto bytes = std::make_shared<at::Tensor>(
      at::cat({steps.view(at::kByte), factors.view(at::kByte)}, 1).contiguous());
  io::TensorView view;
  view.name = "w";
  view.dtype = io::DType::kQ8_0;
  view.shape = {weight.size(1), weight.size(0)};
  view.data = static_cast<const std::byte*>(bytes->data_ptr());
  view.n_bytes = bytes->nbytes();
  view.owner = bytes;
  return Matrix::from_rows(view);
}

TEST(Weights, BlockTypesStayAsStoredWhenComputingInBfloat16) {
  LoadedModel model = load_model(golden_folder("llama_mha"));
  const at::Tensor dense = model.weights.blocks[0].mlp.W_in.dense();
  model.weights.blocks[0].mlp.W_in = in_q8_0(dense);
  ASSERT_LT((model.weights.blocks[0].mlp.W_in.dense() - dense).abs().max().item<double>(), 0.01);
  ForwardInput input;
  input.tokens = at::arange(1, 20, at::kLong).unsqueeze(0);
  const Transformer full(model.config, model.weights);
  const Transformer half(model.config, model.weights, at::kBFloat16);
  EXPECT_EQ(half.weights().blocks[0].mlp.W_in.dtype_name(), "Q8_0");
  EXPECT_EQ(half.weights().blocks[1].mlp.W_in.dtype_name(), "BF16");
  const at::Tensor logits = full.forward(input).logits;
  const double apart = (half.forward(input).logits - logits).abs().max().item<double>();
  // bfloat16 keeps 8 bits: 1/256 of the largest value, grown by a few layers.
  EXPECT_LT(apart, logits.abs().max().item<double>() / 256 * 8);
  const Transformer wide(model.config, model.weights, at::kDouble);
  EXPECT_EQ(wide.weights().blocks[0].mlp.W_in.dtype_name(), "F64");
}

TEST(Weights, BytesAreThoseOfTheFileAndATieCountsOnce) {
  const LoadedModel tied = load_model(golden_folder("gpt2"));
  EXPECT_EQ(n_bytes(tied.weights), 4 * n_parameters(tied.weights, tied.config));
  const LoadedModel half = load_model(golden_folder("llama_bf16"));
  // Matrices stay bfloat16; the norms' gains, 5 of 32 entries, are read as float32.
  EXPECT_EQ(n_bytes(half.weights), 2 * n_parameters(half.weights, half.config) + 2 * 5 * 32);
}

}  // namespace
}  // namespace weir
