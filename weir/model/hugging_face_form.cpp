#include "weir/model/hugging_face_form.h"

#include <map>
#include <set>

#include <ATen/ATen.h>
#include <nlohmann/json.hpp>

#include "weir/base/ends_with.h"
#include "weir/base/error.h"
#include "weir/hooks/hooks.h"
#include "weir/io/json.h"
#include "weir/model/places.h"

namespace weir {
namespace {

constexpr std::string_view kWeight = "weight", kUnembedding = "unembed.W_U";

bool is_gpt2_in_linear_layers(const LoadedModel& model) { return model.config.family == "nanogpt"; }

// GPT-2's Conv1D matrices, which transformers keeps [in, out].
bool is_conv1d(const std::string& name) {
  for (const char* end : {".c_attn.weight", ".c_proj.weight", ".c_fc.weight"}) {
    if (ends_with(name, end)) return true;
  }
  return false;
}

bool is_tied(const LoadedModel& model) { return model.weights.W_U.is_same(model.weights.W_E); }

// "blocks.0.attn.W_Q" has the bias "blocks.0.attn.b_Q", "blocks.0.ln1.w" has "blocks.0.ln1.b".
std::string bias_of(const std::string& parameter) {
  std::string bias = parameter;
  const size_t start = bias.rfind('.') + 1;
  bias[start] = 'b';
  return bias;
}

// Every matrix and norm of GPT-2 has a bias; nanoGPT may do without. They stand beside the weights.
void add_gpt2_biases(std::vector<Origin>& origins) {
  std::set<std::string> known;
  for (const Origin& origin : origins) known.insert(origin.parameter);
  const std::vector<Origin> weights = origins;
  for (const Origin& weight : weights) {
    const bool is_norm = glob_matches("*.ln_*.weight", weight.tensor);
    if (!is_norm && !is_conv1d(weight.tensor)) continue;
    const std::string parameter = bias_of(weight.parameter);
    if (known.count(parameter) != 0) continue;
    const std::string stem = weight.tensor.substr(0, weight.tensor.size() - kWeight.size());
    origins.push_back({parameter, stem + "bias", {weight.shape[0]}, 0, weight.outputs});
  }
}

// The current values of a model and where they go.
class Values {
 public:
  explicit Values(const LoadedModel& model) : model_(model), weights_(model.weights) {
    for (const Place& place : places_of(weights_, model.config)) places_.emplace(place.name, place);
    origins_ = model.origins;
    if (is_gpt2_in_linear_layers(model)) add_gpt2_biases(origins_);
  }

  // What can be written under its name, by tensor.
  std::map<std::string, std::vector<SavedPiece>> by_tensor() const {
    std::map<std::string, std::vector<SavedPiece>> pieces;
    for (const Origin& origin : origins_) {
      SavedPiece& piece = pieces[origin.tensor].emplace_back();
      piece.origin = origin;
      const auto place = places_.find(origin.parameter);
      if (place == places_.end()) continue;
      if (place->second.matrix != nullptr) piece.matrix = *place->second.matrix;
      if (place->second.tensor != nullptr) piece.vector = *place->second.tensor;
      const bool is_gain = ends_with(origin.parameter, ".w");
      if (is_gain) piece.neutral = 1 - model_.config.norm_offset;
    }
    return pieces;
  }

  // A parameter without origin must be what the family makes of the checkpoint by itself.
  void refuse_unplaced() const {
    std::set<std::string> placed;
    for (const Origin& origin : origins_) placed.insert(origin.parameter);
    std::vector<std::string> unplaced;
    for (const auto& [name, place] : places_) {
      if (place.is_held() && placed.count(name) == 0) unplaced.push_back(name);
    }
    if (unplaced.empty()) return;
    Weights original = as_loaded();
    std::map<std::string, Place> originals;
    for (const Place& place : places_of(original, model_.config)) {
      originals.emplace(place.name, place);
    }
    for (const std::string& name : unplaced) {
      if (same(places_.at(name), originals.at(name))) continue;
      fail(ErrorCode::kUnsupported,
           "{}: parameter '{}' cannot be saved: the files of the family '{}' have no place for it",
           model_.path.string(), name, model_.config.family);
    }
  }

 private:
  Weights as_loaded() const {
    CheckpointReader reader(model_.checkpoint);
    const nlohmann::json json = io::parse_json(model_.config_json, "config.json");
    const Family& kind = family(model_.config.family);
    return kind.weights(kind.config(json), json, reader);
  }

  static bool same(const Place& now, const Place& original) {
    if (!original.is_held()) return false;
    const at::Tensor value = now.held(at::kFloat);
    const bool is_stored = now.tensor != nullptr || now.matrix->storage().defined();
    const at::ScalarType held = !is_stored              ? at::kFloat
                                : now.tensor != nullptr ? now.tensor->scalar_type()
                                                        : now.matrix->storage().scalar_type();
    return value.equal(original.held(at::kFloat).to(held).to(at::kFloat));
  }

  const LoadedModel& model_;
  Weights weights_;
  std::map<std::string, Place> places_;
  std::vector<Origin> origins_;
};

SavedTensor saved(const std::string& name, std::vector<SavedPiece> pieces,
                  const io::TensorView* source, io::DType dtype) {
  SavedTensor tensor;
  tensor.spec.name = name;
  if (source != nullptr) tensor.source = *source;
  const bool is_integers = pieces.empty() && !io::is_real(source->dtype);
  tensor.spec.dtype = is_integers ? source->dtype : dtype;
  tensor.spec.shape = pieces.empty() ? source->shape : pieces.front().origin.shape;
  tensor.pieces = std::move(pieces);
  return tensor;
}

void turn(SavedTensor& tensor) {
  tensor.turned = true;
  std::swap(tensor.spec.shape[0], tensor.spec.shape[1]);
}

// A tied unembedding is written only where the checkpoint has one too.
bool is_left_out(const LoadedModel& model, const std::string& name,
                 const std::vector<SavedPiece>& pieces) {
  const bool is_head = !pieces.empty() && pieces.front().origin.parameter == kUnembedding;
  const bool is_gpt2 = is_gpt2_in_linear_layers(model);
  if (is_gpt2 && glob_matches("*.attn.bias", name)) return true;  // The causal mask.
  return is_head && is_tied(model) && (is_gpt2 || model.checkpoint.find(name) == nullptr);
}

nlohmann::ordered_json gpt2_config(const LoadedModel& model, const nlohmann::ordered_json& from) {
  const ModelConfig& config = model.config;
  nlohmann::ordered_json to = {{"model_type", "gpt2"},
                               {"architectures", {"GPT2LMHeadModel"}},
                               {"n_embd", config.d_model},
                               {"n_layer", config.n_layers},
                               {"n_head", config.n_heads},
                               {"n_inner", config.d_mlp},
                               {"n_positions", config.n_ctx},
                               {"vocab_size", config.d_vocab},
                               {"layer_norm_epsilon", config.norm_eps},
                               {"activation_function", from.value("activation_function", "gelu")},
                               {"tie_word_embeddings", is_tied(model)}};
  // transformers would otherwise assume GPT-2's own 50256, which smaller vocabularies lack.
  to["bos_token_id"] = config.bos ? nlohmann::ordered_json(*config.bos) : nullptr;
  to["eos_token_id"] = config.eos ? nlohmann::ordered_json(*config.eos) : nullptr;
  return to;
}

// Of the tables that a family keeps as one or two tensors (OPT-350m's two are computed).
void state_tie(const LoadedModel& model, nlohmann::ordered_json& config) {
  bool has_head = false;
  for (const Origin& origin : model.origins) {
    has_head = has_head || origin.parameter == kUnembedding;
  }
  const auto json = nlohmann::json::parse(model.config_json);
  const bool stated = family(model.config.family).config(json).tied;
  if (has_head && stated != is_tied(model)) config["tie_word_embeddings"] = is_tied(model);
}

}  // namespace

std::vector<SavedTensor> saved_tensors(const LoadedModel& model, io::DType dtype) {
  const Values values(model);
  values.refuse_unplaced();
  auto pieces = values.by_tensor();
  std::vector<SavedTensor> tensors;
  const auto add = [&](const std::string& name, const io::TensorView* source) {
    const auto found = pieces.find(name);
    std::vector<SavedPiece> parts;
    if (found != pieces.end()) parts = std::move(found->second);
    if (found != pieces.end()) pieces.erase(found);
    if (is_left_out(model, name, parts)) return;
    tensors.push_back(saved(name, std::move(parts), source, dtype));
    if (is_gpt2_in_linear_layers(model) && is_conv1d(name)) turn(tensors.back());
  };
  for (const io::TensorView& source : model.checkpoint.tensors) add(source.name, &source);
  while (!pieces.empty()) add(std::string(pieces.begin()->first), nullptr);
  return tensors;
}

std::string saved_config(const LoadedModel& model, const std::string& dtype) {
  auto config = nlohmann::ordered_json::parse(model.config_json);
  if (is_gpt2_in_linear_layers(model)) {
    config = gpt2_config(model, config);
  } else {
    state_tie(model, config);
  }
  config["torch_dtype"] = dtype;
  if (config.contains("dtype")) config["dtype"] = dtype;
  return io::dump_json(config, 2) + "\n";
}

}  // namespace weir
