#include <ATen/ATen.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "weir/io/torch_writer.h"
#include "weir/sae/formats/adapt.h"
#include "weir/sae/formats/dictionary_learning.h"
#include "weir/sae/kinds/fold.h"
#include "weir/tensor/convert.h"

namespace weir {
namespace {

using Tensors = std::vector<io::TensorView>;

bool is_uniform(const at::Tensor& threshold) {
  return threshold.numel() == 1 || (threshold == threshold[0]).all().item<bool>();
}

// The class that computes the same, and what has to be moved for it.
std::string choose_class(Sae* sae, SaeNotes* notes) {
  SaeConfig& c = sae->config;
  if (c.kind == "standard") return c.apply_b_dec_to_input ? "AutoEncoder" : "AutoEncoderNew";
  if (c.kind == "gated" && c.apply_b_dec_to_input) return "GatedAutoEncoder";
  if (c.kind == "topk") {
    if (c.rescale_acts_by_decoder_norm) {
      fold_decoder_norm(sae);
      c.rescale_acts_by_decoder_norm = false;
      notes->emplace_back("norms of the decoder are folded: latents are chosen by them");
    }
    set_apply_b_dec(sae, true, notes);
    return "AutoEncoderTopK";
  }
  if (c.kind == "jumprelu") {
    const bool one = is_uniform(sae->weight("threshold"));
    if (one && c.k >= 1 && c.apply_b_dec_to_input) {
      return c.widths.empty() ? "BatchTopKSAE" : "MatryoshkaBatchTopKSAE";
    }
    set_apply_b_dec(sae, false, notes);
    return "JumpReluAutoEncoder";
  }
  refuse_format(*sae, "dictionary_learning",
                c.kind == "gated" ? "subtracts b_dec in its gated form" : "has no class for it");
}

const DictionaryClass& class_named(const std::string& name) {
  for (const DictionaryClass& known : dictionary_classes()) {
    if (name == known.name) return known;
  }
  throw std::logic_error(name);
}

Tensors matrices(const Sae& sae, const DictionaryClass& to) {
  Tensors tensors;
  const auto add = [&](const std::string& name, const at::Tensor& tensor) {
    tensors.push_back(to_write(sae, name, tensor));
  };
  if (to.is_linear) {
    add("encoder.weight", sae.weight("W_enc").t());
    add("decoder.weight", sae.weight("W_dec").t());
  } else {
    add("W_enc", sae.weight("W_enc"));
    add("W_dec", sae.weight("W_dec"));
  }
  add(to.b_dec, sae.weight("b_dec"));
  if (sae.config.kind == "gated") {
    add("r_mag", sae.weight("r_mag"));
    add("gate_bias", sae.weight("b_gate"));
    add("mag_bias", sae.weight("b_mag"));
  } else {
    add(to.is_linear ? "encoder.bias" : "b_enc", sae.weight("b_enc"));
  }
  return tensors;
}

// k, threshold and group_sizes, which the classes keep as buffers.
void add_buffers(const Sae& sae, const std::string& name, Tensors* tensors) {
  const SaeConfig& c = sae.config;
  if (name == "JumpReluAutoEncoder") {
    tensors->push_back(to_write(sae, "threshold", threshold_per_latent(sae)));
  }
  if (name != "AutoEncoderTopK" && name.find("BatchTopK") == std::string::npos) return;
  at::Tensor threshold;
  if (c.kind == "topk") {
    const double kept = extra_of(c, "dictionary_learning").value("threshold", -1.0);
    threshold = at::full({}, kept, at::kFloat);
  } else {
    threshold = sae.weight("threshold").flatten()[0].to(at::kFloat);
  }
  tensors->push_back(to_view("k", at::full({}, c.k, at::kInt)));
  tensors->push_back(to_view("threshold", threshold.clone()));
  if (name != "MatryoshkaBatchTopKSAE") return;
  at::Tensor sizes = at::empty({static_cast<int64_t>(c.widths.size())}, at::kLong);
  int64_t before = 0;
  for (size_t i = 0; i < c.widths.size(); ++i) {
    sizes[static_cast<int64_t>(i)] = c.widths[i] - before;
    before = c.widths[i];
  }
  tensors->push_back(to_view("group_sizes", sizes));
}

nlohmann::ordered_json config_of(const SaeConfig& c, const std::string& name) {
  const nlohmann::json kept = extra_of(c, "dictionary_learning");
  nlohmann::ordered_json trainer = kept.value("trainer", nlohmann::json::object());
  nlohmann::ordered_json buffer = kept.value("buffer", nlohmann::json::object());
  trainer["dict_class"] = name;
  trainer["activation_dim"] = c.d_in;
  trainer["dict_size"] = c.d_sae;
  if (!trainer.contains("device")) trainer["device"] = "cpu";
  if (c.kind == "topk" || name.find("BatchTopK") != name.npos) {
    trainer["k"] = static_cast<int64_t>(c.k);
  }
  if (!c.model.empty()) trainer["lm_name"] = c.model;
  const int64_t layer = number_after({c.hook}, "blocks.");
  if (layer >= 0 && !trainer.contains("layer")) trainer["layer"] = layer;
  if (!c.hook.empty() && !trainer.contains("submodule_name")) {
    const size_t place = c.hook.rfind("hook_");
    trainer["submodule_name"] =
        fmt::format("{}_layer_{}", place == c.hook.npos ? c.hook : c.hook.substr(place + 5), layer);
  }
  buffer["d_submodule"] = c.d_in;
  if (c.context_size > 0) buffer["ctx_len"] = c.context_size;
  nlohmann::ordered_json config = {{"trainer", trainer}, {"buffer", buffer}};
  carry_extra(c, "dictionary_learning", &config);
  return config;
}

void write(const Sae& sae, const std::filesystem::path& folder, SaeNotes* notes) {
  Sae plain = as_plain_kind(sae, notes);
  refuse_normalisation(plain, "dictionary_learning");
  if (plain.find("W_skip").defined() || plain.config.d_in != plain.config.d_out) {
    refuse_format(plain, "dictionary_learning", "has no transcoders");
  }
  const std::string name = choose_class(&plain, notes);
  Tensors tensors = matrices(plain, class_named(name));
  add_buffers(plain, name, &tensors);
  write_json_file(folder / "config.json", config_of(plain.config, name));
  io::write_torch_archive(folder / "ae.pt", tensors);
}

}  // namespace

extern const SaeFormat kDictionaryLearningFormat;
const SaeFormat kDictionaryLearningFormat = {
    "dictionary_learning", "dictionary_learning: ae.pt, config.json",
    recognises_dictionary_learning, read_dictionary_learning, write};

}  // namespace weir
