// What the loader refuses, and how it says so.
#include <algorithm>

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

using nlohmann::json;

json config_of(const std::string& name) {
  return io::read_json(golden_folder(name) / "config.json");
}

io::TensorMap tensors_of(const std::string& name) {
  const auto folder = golden_folder(name);
  const auto index = folder / "model.safetensors.index.json";
  if (std::filesystem::exists(index)) return io::read_sharded_safetensors(index);
  return io::read_safetensors(folder / "model.safetensors");
}

// The error of loading, or an empty message when there is none.
struct Outcome {
  std::optional<ErrorCode> code;
  std::string message;
};

Outcome load(const json& config, const io::TensorMap& tensors) {
  try {
    load_model(config, tensors, "memory");
    return {};
  } catch (const Error& error) {
    return {error.code(), error.what()};
  }
}

void expect_refused(const json& config, const io::TensorMap& tensors, ErrorCode code,
                    const std::vector<std::string>& fragments) {
  const Outcome outcome = load(config, tensors);
  ASSERT_TRUE(outcome.code.has_value()) << "loaded " << config.dump();
  EXPECT_EQ(*outcome.code, code) << outcome.message;
  for (const std::string& fragment : fragments) {
    EXPECT_NE(outcome.message.find(fragment), std::string::npos)
        << "'" << fragment << "' is not in: " << outcome.message;
  }
  EXPECT_EQ(outcome.message.find('\n'), std::string::npos) << outcome.message;
}

TEST(Loader, NamesAnUnknownFamilyAndListsTheKnown) {
  json config = config_of("llama_mha");
  config["model_type"] = "mixtral";
  std::vector<std::string> fragments = {"mixtral"};
  for (const Family& known : families()) fragments.push_back(known.name);
  expect_refused(config, tensors_of("llama_mha"), ErrorCode::kUnsupported, fragments);
}

struct Option {
  std::string model, key, value;  // value as JSON
  std::string named;              // What the message must say.
};

TEST(Loader, NamesAnOptionThatWouldChangeTheMaths) {
  const Option options[] = {
      {"gpt2", "activation_function", R"("mish")", "mish"},
      {"gpt2", "add_cross_attention", "true", "add_cross_attention"},
      {"llama_mha", "hidden_act", R"("relu2")", "relu2"},
      {"llama_mha", "quantization_config", R"({"quant_method": "awq"})", "quantization_config"},
      {"llama_mha", "num_local_experts", "8", "num_local_experts"},
      {"llama_mha", "num_experts", "true", "num_experts"},
      {"llama_mha", "embedding_multiplier", "12.0", "embedding_multiplier"},
      {"llama_mha", "residual_multiplier", "0.22", "expected 1"},
      {"llama_mha", "attention_multiplier", "0.25", "expected no such key"},
      {"llama_mha", "logits_scaling", R"("8")", "logits_scaling"},
      {"llama_mha", "is_causal", "false", "is_causal"},
      {"llama_mha", "attn_logit_softcapping", "50", "attn_logit_softcapping"},
      {"llama_mha", "use_sliding_window", "true", "use_sliding_window"},
      {"llama_mha", "layer_types", R"(["full_attention", "sliding_attention"])", "layer_types"},
      {"llama_mha", "no_rope_layers", "[1, 0]", "no_rope_layers"},
      {"gptj", "scale_attn_weights", "false", "scale_attn_weights"},
      {"opt", "is_encoder_decoder", "true", "is_encoder_decoder"},
      {"llama_mha", "rope_parameters", R"({"rope_type": "mrope"})", "mrope"},
      {"llama_mha", "rope_parameters", R"({"rope_type": "default", "mrope_section": [1]})",
       "mrope_section"},
      {"llama_mha", "partial_rotary_factor", "0.5", "partial rotary factor"},
      {"qwen2", "layer_types", R"(["full_attention", "chunked_attention"])", "chunked_attention"},
      {"gemma3_text", "use_bidirectional_attention", "true", "use_bidirectional_attention"},
      {"gpt2", "apply_residual_connection_post_layernorm", "true", "apply_residual"},
      {"llama_mha", "qk_layernorm", "true", "qk_layernorm"},
      {"gptj", "rotary_dim", "7", "rotary_dim"},
      {"gpt_neo", "attention_layers", R"(["global", "local", "global", "strided"])", "strided"},
  };
  for (const Option& option : options) {
    SCOPED_TRACE(option.model + " " + option.key + " " + option.value);
    json config = config_of(option.model);
    if (option.key == "layer_types") config.erase("sliding_window");
    config[option.key] = json::parse(option.value);
    expect_refused(config, tensors_of(option.model), ErrorCode::kUnsupported, {option.named});
  }
}

TEST(Loader, TakesOptionsThatChangeNothing) {
  json config = config_of("llama_mha");
  config.update(json::parse(R"({"num_local_experts": 1, "num_experts": 0, "clip_qkv": null,
    "residual_multiplier": 1.0, "logits_scaling": 1, "use_sliding_window": false,
    "is_causal": true, "layer_types": ["full_attention", "full_attention"],
    "attn_logit_softcapping": null, "no_rope_layers": [1, 1], "rope_interleaved": false,
    "a_key_of_next_year": 7})"));
  const Outcome outcome = load(config, tensors_of("llama_mha"));
  EXPECT_FALSE(outcome.code.has_value()) << outcome.message;
}

TEST(Loader, ListsTheKnownRopeTypes) {
  json config = config_of("llama_mha");
  config["rope_parameters"] = {{"rope_type", "spiral"}};
  expect_refused(config, tensors_of("llama_mha"), ErrorCode::kUnsupported,
                 {"spiral", "default", "linear", "dynamic", "llama3", "yarn", "longrope"});
}

// Tensors that a checkpoint may lack: the output table (then it is tied) and mask buffers.
bool may_be_absent(const std::string& model, const std::string& tensor) {
  return tensor == "lm_head.weight" || tensor == "embed_out.weight" ||
         (model == "gpt2_hub_names" && glob_matches("h.?.attn.bias", tensor));
}

TEST(Loader, NamesEveryMissingTensor) {
  for (const std::string& name : golden_names()) {
    const json config = config_of(name);
    const io::TensorMap whole = tensors_of(name);
    for (size_t i = 0; i < whole.tensors.size(); ++i) {
      if (may_be_absent(name, whole.tensors[i].name)) continue;
      SCOPED_TRACE(name + " " + whole.tensors[i].name);
      io::TensorMap rest = whole;
      rest.tensors.erase(rest.tensors.begin() + static_cast<int64_t>(i));
      // Without the prefix that the family may leave out ("transformer.", "model.").
      const std::string& missing = whole.tensors[i].name;
      const size_t tail = missing.find("h.") == 0 ? 0 : missing.find('.') + 1;
      expect_refused(config, rest, ErrorCode::kCorruptData, {missing.substr(tail), "missing"});
    }
  }
}

TEST(Loader, NamesEveryMisshapedTensor) {
  for (const std::string& name : golden_names()) {
    const json config = config_of(name);
    const io::TensorMap whole = tensors_of(name);
    for (size_t i = 0; i < whole.tensors.size(); ++i) {
      if (name == "gpt2_hub_names" && glob_matches("h.?.attn.bias", whole.tensors[i].name))
        continue;
      SCOPED_TRACE(name + " " + whole.tensors[i].name);
      io::TensorMap changed = whole;
      changed.tensors[i].shape.back() += 1;
      expect_refused(config, changed, ErrorCode::kCorruptData,
                     {whole.tensors[i].name, std::to_string(changed.tensors[i].shape.back())});
    }
  }
}

TEST(Loader, NamesExtraTensors) {
  for (const std::string& name : golden_names()) {
    SCOPED_TRACE(name);
    io::TensorMap tensors = tensors_of(name);
    io::TensorView extra = tensors.tensors.front();
    extra.name = "model.layers.0.adapter.weight";
    tensors.tensors.push_back(extra);
    expect_refused(config_of(name), tensors, ErrorCode::kCorruptData, {extra.name});
  }
}

TEST(Loader, NamesATensorOfIntegers) {
  io::TensorMap tensors = tensors_of("llama_mha");
  for (io::TensorView& tensor : tensors.tensors) {
    if (tensor.name == "model.norm.weight") tensor.dtype = io::DType::kI32;
  }
  expect_refused(config_of("llama_mha"), tensors, ErrorCode::kUnsupported,
                 {"model.norm.weight", "I32"});
}

TEST(Loader, SaysWhatAFolderLacks) {
  const io::TemporaryFolder folder;
  const auto message = [&](const std::filesystem::path& path) -> std::string {
    try {
      load_model(path);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kNotFound);
      return error.what();
    }
    return "";
  };
  EXPECT_NE(message(folder / "absent").find("absent"), std::string::npos);
  EXPECT_NE(message(folder.path()).find("config.json"), std::string::npos);
  folder.write("config.json", config_of("gpt2").dump());
  EXPECT_NE(message(folder.path()).find("model.safetensors"), std::string::npos);
}

// Any config.json ends in a model or in one typed error, whatever one of its values becomes.
TEST(Loader, SurvivesEveryMutationOfEveryConfigValue) {
  const json values[] = {nullptr,
                         -1,
                         0,
                         3,
                         1e300,
                         -0.5,
                         true,
                         "x",
                         json::array(),
                         json::object(),
                         json::array({json::array({json::array(), 1000000000000})}),
                         int64_t{1} << 62};
  for (const std::string& name : golden_names()) {
    const io::TensorMap tensors = tensors_of(name);
    for (const char* file : {"config.json", "config_v4.json"}) {
      const json whole = io::read_json(golden_folder(name) / file);
      for (const auto& [key, unused] : whole.items()) {
        for (const json& value : values) {
          SCOPED_TRACE(name + " " + key + " " + value.dump());
          json config = whole;
          config[key] = value;
          const Outcome outcome = load(config, tensors);
          if (!outcome.code) continue;
          EXPECT_TRUE(*outcome.code == ErrorCode::kCorruptData ||
                      *outcome.code == ErrorCode::kUnsupported)
              << outcome.message;
        }
      }
    }
  }
}

TEST(Loader, SurvivesEveryMutationOfRopeParameters) {
  const json values[] = {nullptr, -1, 0, 1e300, "x", json::array(), json::array({0, 0, 0, 0})};
  for (const char* name : {"llama_rope_llama3", "llama_rope_yarn", "llama_rope_dynamic",
                           "phi3_longrope", "gemma3_text"}) {
    const io::TensorMap tensors = tensors_of(name);
    const json whole = config_of(name);
    for (const auto& [key, unused] : whole.at("rope_parameters").items()) {
      for (const json& value : values) {
        SCOPED_TRACE(key + " " + value.dump());
        json config = whole;
        config["rope_parameters"][key] = value;
        const Outcome outcome = load(config, tensors);
        if (!outcome.code) continue;
        EXPECT_TRUE(*outcome.code == ErrorCode::kCorruptData ||
                    *outcome.code == ErrorCode::kUnsupported)
            << outcome.message;
      }
    }
  }
}

TEST(Loader, KeepsTheStorageTypeAndTheTie) {
  EXPECT_EQ(load_model(golden_folder("llama_bf16")).weights.blocks[0].attn.W_Q.dtype_name(),
            "BF16");
  EXPECT_EQ(load_model(golden_folder("llama_f16")).weights.W_U.dtype_name(), "F16");
  const LoadedModel tied = load_model(golden_folder("llama_gqa_tied"));
  EXPECT_TRUE(tied.config.tied);
  EXPECT_TRUE(tied.weights.W_U.is_same(tied.weights.W_E));
  EXPECT_FALSE(load_model(golden_folder("llama_mha")).config.tied);
}

// tests/golden/torch_models: the same tensors as ../models/gpt2_hub_names.
TEST(Loader, ReadsPyTorchFilesWholeAndInShards) {
  const LoadedModel reference = load_model(golden_folder("gpt2_hub_names"));
  for (const char* form : {"whole", "sharded"}) {
    LoadedModel model = load_model(std::filesystem::path(WEIR_GOLDEN_DIR) / "torch_models" / form);
    for (const Parameter& parameter : parameters(model.weights, model.config)) {
      EXPECT_TRUE(parameter.get(at::kFloat)
                      .equal(get_parameter(reference.weights, model.config, parameter.name)))
          << form << " " << parameter.name;
    }
    EXPECT_TRUE(model.config.tied);
  }
}

TEST(Loader, TiesTheTablesWhenTheCheckpointHasOnlyOne) {
  io::TensorMap tensors = tensors_of("llama_mha");
  tensors.tensors.erase(
      std::remove_if(tensors.tensors.begin(), tensors.tensors.end(),
                     [](const io::TensorView& tensor) { return tensor.name == "lm_head.weight"; }),
      tensors.tensors.end());
  EXPECT_TRUE(load_model(config_of("llama_mha"), tensors, "memory").config.tied);
}

// Matrices of a mapped file are views of it: nothing is copied at load.
TEST(Loader, CopiesNoMatrix) {
  const io::TensorMap tensors = tensors_of("llama_mha");
  const LoadedModel model = load_model(config_of("llama_mha"), tensors, "memory");
  const auto is_view = [&](const Matrix& matrix, const std::string& name) {
    return matrix.storage().data_ptr() == static_cast<const void*>(tensors.at(name).data);
  };
  EXPECT_TRUE(is_view(model.weights.W_E, "model.embed_tokens.weight"));
  EXPECT_TRUE(is_view(model.weights.blocks[1].attn.W_Q, "model.layers.1.self_attn.q_proj.weight"));
  EXPECT_TRUE(is_view(model.weights.blocks[1].mlp.W_out, "model.layers.1.mlp.down_proj.weight"));
}

}  // namespace
}  // namespace weir
