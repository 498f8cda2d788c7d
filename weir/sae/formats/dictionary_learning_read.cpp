#include <ATen/ATen.h>
#include <nlohmann/json.hpp>

#include "weir/base/error.h"
#include "weir/io/json.h"
#include "weir/sae/formats/dictionary_learning.h"
#include "weir/tensor/convert.h"

namespace weir {
namespace {

constexpr int64_t kMost = int64_t{1} << 40;

// "resid_post_layer_3" and the trainer's layer.
void name_hook(const nlohmann::json& trainer, const std::string& what, SaeConfig* c) {
  const auto layer = io::find_int(trainer, "layer", 0, 1 << 20, what);
  const std::string place = io::find_string(trainer, "submodule_name", what).value_or("");
  if (!layer) return;
  const std::string block = fmt::format("blocks.{}.", *layer);
  if (place.find("mlp") != place.npos) {
    c->hook = block + "hook_mlp_out";
  } else if (place.find("att") != place.npos) {
    c->hook = block + "hook_attn_out";
  } else {
    c->hook = block + "hook_resid_post";
  }
}

at::Tensor number(const SaeSite& site, const char* name) {
  return site.has(name) ? stored(site, name) : at::Tensor();
}

void read_threshold(const SaeSite& site, Sae* sae, SaeNotes* notes) {
  const at::Tensor threshold = stored(site, "threshold").to(sae->weight("W_dec").scalar_type());
  sae->weights["threshold"] = threshold;
  if (threshold.dim() == 0 && threshold.item<double>() < 0) {
    notes->push_back(
        fmt::format("its threshold was never set ({}): every positive latent fires, as "
                    "dictionary_learning does",
                    threshold.item<double>()));
  }
}

void read_top_k(const SaeSite& site, const LoadSaeOptions& options, Sae* sae, SaeNotes* notes) {
  const at::Tensor k = number(site, "k");
  require(k.defined() || options.k.has_value(), "k is not in the file: give it by --k");
  sae->config.kind = "topk";
  sae->config.k = options.k ? static_cast<double>(*options.k) : k.item<double>();
  const at::Tensor threshold = number(site, "threshold");
  if (!threshold.defined()) return;
  set_extra(&sae->config, "dictionary_learning", {{"threshold", threshold.item<double>()}});
  if (threshold.item<double>() >= 0) {
    notes->push_back(fmt::format(
        "a threshold of {:.6g} is stored; dictionary_learning encodes by top-k all the same",
        threshold.item<double>()));
  }
}

void read_batch(const SaeSite& site, Sae* sae, SaeNotes* notes) {
  sae->config.kind = "jumprelu";
  const at::Tensor k = number(site, "k"), groups = number(site, "group_sizes");
  if (k.defined()) sae->config.k = k.item<double>();
  int64_t width = 0;
  if (groups.defined()) {
    for (int64_t i = 0; i < groups.numel(); ++i) {
      width += groups[i].item<int64_t>();
      sae->config.widths.push_back(width);
    }
  }
  read_threshold(site, sae, notes);
}

Sae read_direct(const SaeSite& site) {
  Sae sae;
  for (const char* name : {"W_enc", "W_dec", "b_enc", "b_dec"})
    sae.weights[name] = stored(site, name);
  sae.config.dtype = dtype_name(to_tensor(site.tensors.at("W_dec")).scalar_type());
  set_sizes(&sae);
  return sae;
}

Sae read_gated(const SaeSite& site) {
  Sae sae = read_linear_pair(site, "decoder_bias");
  sae.config.kind = "gated";
  sae.weights["r_mag"] = stored(site, "r_mag");
  sae.weights["b_gate"] = stored(site, "gate_bias");
  sae.weights["b_mag"] = stored(site, "mag_bias");
  return sae;
}

Sae read_class(const DictionaryClass& found, const SaeSite& site, const LoadSaeOptions& options,
               SaeNotes* notes) {
  const std::string name = found.name;
  if (name == "GatedAutoEncoder") return read_gated(site);
  Sae sae = found.is_linear ? read_linear_pair(site, found.b_dec) : read_direct(site);
  sae.config.apply_b_dec_to_input = found.subtracts_b_dec;
  if (name == "AutoEncoderTopK") read_top_k(site, options, &sae, notes);
  if (name == "BatchTopKSAE" || name == "MatryoshkaBatchTopKSAE") read_batch(site, &sae, notes);
  if (name == "JumpReluAutoEncoder") {
    sae.config.kind = "jumprelu";
    read_threshold(site, &sae, notes);
  }
  return sae;
}

const DictionaryClass& class_by_config(const SaeSite& site, const std::string& name) {
  for (const DictionaryClass& known : dictionary_classes()) {
    if (name != known.name) continue;
    for (const char* key : known.keys) {
      require(site.has(key), "{} says dict_class {}, but {} holds no {}",
              site.config_file.filename().string(), name, site.file.filename().string(), key);
    }
    return known;
  }
  fail(ErrorCode::kUnsupported, "{}: unknown dict_class \"{}\"", site.config_file.string(), name);
}

// Without config.json: the names of tensors, where they leave one class only.
const DictionaryClass& class_by_tensors(const SaeSite& site, const LoadSaeOptions& options) {
  const auto named = [](const char* name) -> const DictionaryClass& {
    for (const DictionaryClass& known : dictionary_classes()) {
      if (std::string(known.name) == name) return known;
    }
    fail(ErrorCode::kInternal, "no class {}", name);
  };
  if (site.has("gate_bias")) return named("GatedAutoEncoder");
  if (site.has("group_sizes")) return named("MatryoshkaBatchTopKSAE");
  if (site.has("W_enc")) return named("JumpReluAutoEncoder");
  if (site.has("bias")) return named("AutoEncoder");
  if (options.kind == "topk") return named("AutoEncoderTopK");
  if (options.kind == "batchtopk" && site.has("threshold")) return named("BatchTopKSAE");
  require(
      site.has("k"),
      "encoder, decoder and b_dec without k, threshold or config.json: ReLU and top-k look alike; "
      "say --kind topk with --k, or keep config.json beside the file");
  fail(ErrorCode::kInvalidArgument,
       "without config.json top-k (AutoEncoderTopK) and batch top-k (BatchTopKSAE) look alike: say "
       "--kind topk or --kind batchtopk");
}

}  // namespace

const std::vector<DictionaryClass>& dictionary_classes() {
  static const std::vector<DictionaryClass> kClasses = {
      {"AutoEncoder",
       {"bias", "encoder.weight", "encoder.bias", "decoder.weight"},
       "bias",
       true,
       true},
      {"AutoEncoderNew",
       {"encoder.weight", "encoder.bias", "decoder.weight", "decoder.bias"},
       "decoder.bias",
       true,
       false},
      {"GatedAutoEncoder",
       {"decoder_bias", "encoder.weight", "r_mag", "gate_bias", "mag_bias", "decoder.weight"},
       "decoder_bias",
       true,
       true},
      {"AutoEncoderTopK",
       {"encoder.weight", "encoder.bias", "decoder.weight", "b_dec"},
       "b_dec",
       true,
       true},
      {"BatchTopKSAE",
       {"encoder.weight", "encoder.bias", "decoder.weight", "b_dec", "threshold"},
       "b_dec",
       true,
       true},
      {"JumpReluAutoEncoder",
       {"W_enc", "b_enc", "W_dec", "b_dec", "threshold"},
       "b_dec",
       false,
       false},
      {"MatryoshkaBatchTopKSAE",
       {"W_enc", "b_enc", "W_dec", "b_dec", "threshold", "group_sizes"},
       "b_dec",
       false,
       true}};
  return kClasses;
}

Sae read_dictionary_learning(const SaeSite& site, const LoadSaeOptions& options, SaeNotes* notes) {
  const nlohmann::json& trainer = site.section("trainer");
  const std::string what = site.config_file.string();
  const bool is_told = trainer.is_object();
  const DictionaryClass& found =
      is_told ? class_by_config(site, io::get_string(trainer, "dict_class", what))
              : class_by_tensors(site, options);
  Sae sae = read_class(found, site, options, notes);
  SaeConfig& c = sae.config;
  if (!is_told) return sae;
  const auto check = [&](const char* key, int64_t size) {
    const int64_t told = io::find_int(trainer, key, 0, kMost, what).value_or(size);
    require(told == size, "config.json says {} {}, the tensors say {}", key, told, size);
  };
  check("activation_dim", c.d_in);
  check("dict_size", c.d_sae);
  name_hook(trainer, what, &c);
  c.model = io::find_string(trainer, "lm_name", what).value_or("");
  const nlohmann::json& buffer = site.section("buffer");
  if (buffer.is_object()) {
    c.context_size = io::find_int(buffer, "ctx_len", 0, kMost, what).value_or(0);
  }
  nlohmann::json kept = extra_of(c, "dictionary_learning");
  kept["trainer"] = trainer;
  if (buffer.is_object()) kept["buffer"] = buffer;
  set_extra(&c, "dictionary_learning", kept);
  take_extra(site.config(), &c);
  return sae;
}

bool recognises_dictionary_learning(const SaeSite& site) {
  if (!site.is_torch() || recognises_vsae(site)) return false;
  if (site.section("trainer").is_object()) return true;
  if (!site.config().is_null()) return false;
  const bool is_linear = site.has_all({"encoder.weight", "decoder.weight"});
  return (is_linear && (site.has("gate_bias") || site.has("bias") || site.has("b_dec"))) ||
         site.has_all({"W_enc", "W_dec", "threshold"});
}

}  // namespace weir
