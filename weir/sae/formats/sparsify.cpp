#include <ATen/ATen.h>
#include <nlohmann/json.hpp>

#include "weir/base/error.h"
#include "weir/io/json.h"
#include "weir/io/safetensors.h"
#include "weir/sae/formats/adapt.h"
#include "weir/tensor/convert.h"

// EleutherAI sparsify (1.3): HOOKPOINT/cfg.json and sae.safetensors. b_dec is subtracted from the
// input unless `transcode`.
namespace weir {
namespace {

constexpr int64_t kMost = int64_t{1} << 40;

bool recognises(const SaeSite& site) {
  return site.has_all({"encoder.weight", "encoder.bias", "W_dec", "b_dec"});
}

Sae read(const SaeSite& site, const LoadSaeOptions&, SaeNotes* notes) {
  const nlohmann::json& cfg = site.config();
  const std::string what = site.config_file.string();
  require(cfg.is_object(), "there is no cfg.json beside {}: k and `transcode` are not known",
          site.file.filename().string());
  Sae sae;
  sae.weights["W_enc"] = transposed(site, "encoder.weight");
  sae.weights["b_enc"] = stored(site, "encoder.bias");
  sae.weights["W_dec"] = stored(site, "W_dec");
  sae.weights["b_dec"] = stored(site, "b_dec");
  if (site.has("W_skip")) sae.weights["W_skip"] = stored(site, "W_skip");
  set_sizes(&sae);
  SaeConfig& c = sae.config;
  c.kind = io::find_string(cfg, "activation", what).value_or("topk");
  require(c.kind == "topk" || c.kind == "groupmax",
          "activation \"{}\" of sparsify; known: topk, groupmax", c.kind);
  c.k = static_cast<double>(io::get_int(cfg, "k", 1, kMost, what));
  c.apply_b_dec_to_input = !io::find_bool(cfg, "transcode", what).value_or(false);
  c.dtype = dtype_name(to_tensor(site.tensors.at("W_dec")).scalar_type());
  const bool skips = io::find_bool(cfg, "skip_connection", what).value_or(false);
  require(skips == site.has("W_skip"), "cfg.json says skip_connection {}, W_skip is {}", skips,
          site.has("W_skip") ? "there" : "not there");
  const int64_t latents = io::find_int(cfg, "num_latents", 0, kMost, what).value_or(0);
  require(latents == 0 || latents == c.d_sae, "cfg.json says {} latents, encoder.weight has {}",
          latents, c.d_sae);
  if (io::find_bool(cfg, "multi_topk", what).value_or(false)) {
    notes->emplace_back("trained with a loss at 4 k too; inference is at k");
  }
  set_extra(&c, "sparsify", cfg);
  take_extra(cfg, &c);
  return sae;
}

void write(const Sae& sae, const std::filesystem::path& folder, SaeNotes* notes) {
  Sae plain = as_plain_kind(sae, notes);
  refuse_normalisation(plain, "sparsify");
  const SaeConfig& c = plain.config;
  if (c.kind != "topk" && c.kind != "groupmax") {
    refuse_format(plain, "sparsify", "knows topk and groupmax only");
  }
  if (c.d_in != c.d_out) refuse_format(plain, "sparsify", "has one width for input and output");
  if (c.rescale_acts_by_decoder_norm) {
    refuse_format(plain, "sparsify", "cannot choose by pre-activation times decoder norm");
  }
  const bool skips = plain.find("W_skip").defined();
  const at::Tensor off = (decoder_norms(plain) - 1).abs().max();
  nlohmann::ordered_json cfg = {{"activation", c.kind},
                                {"expansion_factor", std::max<int64_t>(1, c.d_sae / c.d_in)},
                                {"normalize_decoder", off.item<double>() < 1e-3},
                                {"num_latents", c.d_sae},
                                {"k", static_cast<int64_t>(c.k)},
                                {"multi_topk", false},
                                {"skip_connection", skips},
                                {"transcode", !c.apply_b_dec_to_input},
                                {"d_in", c.d_in}};
  const nlohmann::json kept = extra_of(c, "sparsify");
  for (const char* key : {"expansion_factor", "normalize_decoder", "multi_topk"}) {
    if (kept.contains(key)) cfg[key] = kept[key];
  }
  carry_extra(c, "sparsify", &cfg);
  write_json_file(folder / "cfg.json", cfg);
  std::vector<io::TensorView> tensors = {
      to_write(plain, "encoder.weight", plain.weight("W_enc").t()),
      to_write(plain, "encoder.bias", plain.weight("b_enc")),
      to_write(plain, "W_dec", plain.weight("W_dec")),
      to_write(plain, "b_dec", plain.weight("b_dec"))};
  if (skips) tensors.push_back(to_write(plain, "W_skip", plain.weight("W_skip")));
  io::write_safetensors(folder / "sae.safetensors", tensors);
}

}  // namespace

extern const SaeFormat kSparsifyFormat;
const SaeFormat kSparsifyFormat = {"sparsify", "EleutherAI sparsify: cfg.json, sae.safetensors",
                                   recognises, read, write};

}  // namespace weir
