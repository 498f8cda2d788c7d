#include "weir/model/mingpt_model.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "weir/base/error.h"
#include "weir/io/json.h"
#include "weir/tensor/convert.h"

namespace weir {
namespace {

using nlohmann::json;

constexpr const char* kSizes[] = {"n_layer", "n_head", "n_embd", "vocab_size", "block_size"};
constexpr std::string_view kNanoGptArguments = "model_args.";

bool take_prefix(std::string_view prefix, std::string& name) {
  if (name.compare(0, prefix.size(), prefix) != 0) return false;
  name.erase(0, prefix.size());
  return true;
}

// The dict "model" of nanoGPT's checkpoint (it has the optimiser's state beside it), or all of a
// minGPT file.
io::TensorMap model_tensors(const io::TensorMap& all, bool is_nanogpt) {
  io::TensorMap tensors;
  tensors.source = all.source;
  for (io::TensorView tensor : all.tensors) {
    if (is_nanogpt && !take_prefix("model.", tensor.name)) continue;
    take_prefix("_orig_mod.", tensor.name);
    tensors.tensors.push_back(std::move(tensor));
  }
  return tensors;
}

json sizes_of(const io::TensorMap& all, bool is_nanogpt) {
  const std::string what = all.source + (is_nanogpt ? ": model_args" : ": metadata \"config\"");
  json stored = json::object();
  if (is_nanogpt) {
    for (const char* key : kSizes) {
      const auto found = all.metadata.find(std::string(kNanoGptArguments) + key);
      if (found != all.metadata.end()) stored[key] = io::parse_json(found->second, what);
    }
  } else {
    stored = io::parse_json(all.metadata.at("config"), what);
  }
  json sizes = {{"model_type", "nanogpt"}, {"layer_norm_epsilon", 1e-5}};
  for (const char* key : kSizes) sizes[key] = io::get_int(stored, key, 1, 1 << 30, what);
  return sizes;
}

}  // namespace

LoadedModel load_mingpt_model(const std::filesystem::path& path) {
  const io::TensorMap all = read_tensors(path.string());
  const bool is_nanogpt = all.metadata.count(fmt::format("{}n_layer", kNanoGptArguments)) != 0;
  if (!is_nanogpt && all.metadata.count("config") == 0) {
    fail(
        ErrorCode::kUnsupported,
        "{}: expected a nanoGPT checkpoint (with \"model_args\") or a minGPT file (with \"config\" "
        "in its metadata), found neither; other models are loaded by their folder with config.json",
        path.string());
  }
  json config = sizes_of(all, is_nanogpt);
  config["activation_function"] = is_nanogpt ? "gelu" : "gelu_new";
  config["tie_word_embeddings"] = is_nanogpt;
  LoadedModel model = load_model(config, model_tensors(all, is_nanogpt), path);
  model.config.name = path.stem().string();
  return model;
}

}  // namespace weir
