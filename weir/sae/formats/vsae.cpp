#include <ATen/ATen.h>
#include <nlohmann/json.hpp>

#include "weir/base/error.h"
#include "weir/io/json.h"
#include "weir/io/torch_writer.h"
#include "weir/sae/formats/adapt.h"
#include "weir/sae/formats/dictionary_learning.h"
#include "weir/tensor/convert.h"

// The released code of arXiv 2509.22994, VSAETopK: dictionary_learning's files with k among the
// tensors and var_encoder for a learned variance. In "april" mode the bias is decoder.bias and is
// not subtracted from the input; else it is `bias` and is.
namespace weir {
namespace {

using Variance = VariationalSaeConfig::Variance;

Sae read(const SaeSite& site, const LoadSaeOptions& options, SaeNotes* notes) {
  const nlohmann::json& trainer = site.section("trainer");
  const std::string what = site.config_file.string();
  if (trainer.is_object()) {
    const std::string name = io::get_string(trainer, "dict_class", what);
    if (name != "VSAETopK") {
      fail(ErrorCode::kUnsupported, "dict_class \"{}\"; of the variational ones VSAETopK is read",
           name);
    }
  }
  const bool april = site.has("decoder.bias");
  require(april || site.has("bias"), "neither decoder.bias nor bias is there");
  Sae sae = read_linear_pair(site, april ? "decoder.bias" : "bias");
  SaeConfig& c = sae.config;
  c.kind = "vsae_topk";
  c.apply_b_dec_to_input = !april;
  const bool learned = site.has("var_encoder.weight");
  c.variational.variance = learned ? Variance::kLearned : Variance::kNone;
  if (learned) {
    sae.weights["W_var"] = transposed(site, "var_encoder.weight");
    sae.weights["b_var"] = stored(site, "var_encoder.bias");
  }
  if (options.k) {
    c.k = static_cast<double>(*options.k);
  } else if (site.has("k")) {
    c.k = stored(site, "k").item<double>();
  } else {
    c.k = io::get_double(trainer, "k", what);
  }
  if (!trainer.is_object()) return sae;
  const auto flag = io::find_int(trainer, "var_flag", 0, 1, what);
  require(!flag || (*flag == 1) == learned, "config.json says var_flag {}, var_encoder is {}",
          *flag, learned ? "there" : "not there");
  c.model = io::find_string(trainer, "lm_name", what).value_or("");
  const auto layer = io::find_int(trainer, "layer", 0, 1 << 20, what);
  if (layer) c.hook = fmt::format("blocks.{}.hook_resid_post", *layer);
  notes->emplace_back("mu is ReLU'd and never sampled at inference, as released");
  set_extra(&c, "vsae", site.config());
  return sae;
}

void write(const Sae& sae, const std::filesystem::path& folder, SaeNotes*) {
  const SaeConfig& c = sae.config;
  if (c.kind != "vsae_topk" || !c.variational.relu_mu || c.scale != 1 ||
      c.normalisation != SaeNormalisation::kNone) {
    refuse_format(sae, "vsae", "is VSAETopK with ReLU on mu and nothing normalised");
  }
  const bool april = !c.apply_b_dec_to_input, learned = sae.find("W_var").defined();
  std::vector<io::TensorView> tensors = {
      to_write(sae, "encoder.weight", sae.weight("W_enc").t()),
      to_write(sae, "encoder.bias", sae.weight("b_enc")),
      to_write(sae, "decoder.weight", sae.weight("W_dec").t()),
      to_write(sae, april ? "decoder.bias" : "bias", sae.weight("b_dec")),
      to_view("k", at::full({}, c.k, at::kInt))};
  if (learned) {
    tensors.push_back(to_write(sae, "var_encoder.weight", sae.weight("W_var").t()));
    tensors.push_back(to_write(sae, "var_encoder.bias", sae.weight("b_var")));
  }
  const nlohmann::json kept = extra_of(c, "vsae");
  nlohmann::ordered_json trainer = kept.value("trainer", nlohmann::json::object());
  trainer["dict_class"] = "VSAETopK";
  trainer["activation_dim"] = c.d_in;
  trainer["dict_size"] = c.d_sae;
  trainer["k"] = static_cast<int64_t>(c.k);
  trainer["var_flag"] = learned ? 1 : 0;
  trainer["use_april_update_mode"] = april;
  trainer["dtype"] = "torch." + c.dtype;
  if (!c.model.empty()) trainer["lm_name"] = c.model;
  write_json_file(
      folder / "config.json",
      {{"trainer", trainer}, {"buffer", kept.value("buffer", nlohmann::json::object())}});
  io::write_torch_archive(folder / "ae.pt", tensors);
}

}  // namespace

bool recognises_vsae(const SaeSite& site) {
  if (!site.is_torch()) return false;
  const nlohmann::json& trainer = site.section("trainer");
  if (trainer.is_object()) {
    return trainer.value("dict_class", nlohmann::json()).dump().rfind("\"VSAE", 0) == 0;
  }
  return site.has("var_encoder.weight") ||
         (site.has("k") && (site.has("bias") || site.has("decoder.bias")));
}

extern const SaeFormat kVsaeFormat;
const SaeFormat kVsaeFormat = {"vsae", "VSAETopK of arXiv 2509.22994: ae.pt, config.json",
                               recognises_vsae, read, write};

}  // namespace weir
