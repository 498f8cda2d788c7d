#include "weir/sae/kinds/fold.h"

#include <ATen/ATen.h>

#include "weir/base/error.h"
#include "weir/sae/kinds/sae_kind.h"

namespace weir {
namespace {

void multiply(Sae* sae, const std::string& name, const at::Tensor& factor) {
  const auto found = sae->weights.find(name);
  if (found != sae->weights.end()) found->second = found->second * factor;
}

void multiply(Sae* sae, const std::string& name, double factor) {
  const auto found = sae->weights.find(name);
  if (found != sae->weights.end()) found->second = found->second * factor;
}

}  // namespace

void fold_activation_scale(Sae* sae, double s) {
  require(s > 0, "a scale to fold is {}; expected a number above 0", s);
  const bool is_pursuit = sae->config.kind == "matching_pursuit";
  multiply(sae, "b_dec", 1 / s);
  if (is_pursuit) {
    // The decoder reads and writes: left alone, coefficients are those of the unscaled rest.
    sae->config.matching_pursuit.residual_threshold /= s;
    return;
  }
  multiply(sae, "W_enc", s);
  multiply(sae, "W_dec", 1 / s);
  multiply(sae, "W_var", s);
  if (sae->config.rescale_acts_by_decoder_norm) multiply(sae, "threshold", 1 / s);
}

void fold_activation_scale(Sae* sae) {
  if (sae->config.scale == 1) return;
  fold_activation_scale(sae, sae->config.scale);
  sae->config.scale = 1;
}

void fold_decoder_norm(Sae* sae) {
  const bool rescales = sae->config.rescale_acts_by_decoder_norm;
  require(rescales || !find_sae_kind(sae->config.kind).competes(),
          "folding the decoder's norms into a {} dictionary would change which latents it chooses",
          sae->config.kind);
  at::Tensor norms = decoder_norms(*sae);
  norms = at::where(norms == 0, at::ones_like(norms), norms);  // A row of zeros stays one.
  for (const char* name : {"W_enc", "b_enc", "b_gate", "b_mag"}) multiply(sae, name, norms);
  // Rescaled latents, and what they are compared with, are in these units already.
  if (!rescales) multiply(sae, "threshold", norms);
  const at::Tensor& rows = sae->weight("W_dec");
  std::vector<int64_t> column(static_cast<size_t>(rows.dim()), 1);
  column[0] = -1;
  sae->weights["W_dec"] = rows / norms.view(column);
}

void fold_whitening(Sae* sae) {
  require(sae->config.normalisation == SaeNormalisation::kWhitening &&
              sae->config.kind != "matching_pursuit",
          "there is no whitening to fold into this {} dictionary", sae->config.kind);
  const at::Tensor mean = sae->weight("whitening_mean");
  const at::Tensor matrix = sae->weight("whitening_matrix");
  const at::Tensor inverse = sae->weight("whitening_inverse");
  const bool subtracts = sae->config.apply_b_dec_to_input;
  for (const auto& [weight, bias] : {std::pair{"W_enc", "b_enc"}, std::pair{"W_var", "b_var"}}) {
    if (sae->weights.count(weight) == 0) continue;
    at::Tensor& w = sae->weights.at(weight);
    w = matrix.matmul(w);
    // A b_dec that is subtracted takes the mean along.
    const at::Tensor shift = subtracts ? at::Tensor() : mean.matmul(w);
    if (!shift.defined()) continue;
    if (sae->weights.count(bias) > 0) sae->weights.at(bias) = sae->weights.at(bias) - shift;
    if (sae->config.kind == "gated") {
      sae->weights.at("b_gate") = sae->weights.at("b_gate") - shift;
      sae->weights.at("b_mag") = sae->weights.at("b_mag") - sae->weight("r_mag").exp() * shift;
    }
  }
  sae->weights["W_dec"] = sae->weight("W_dec").matmul(inverse);
  sae->weights["b_dec"] = sae->weight("b_dec").matmul(inverse) + mean;
  for (const char* name : {"whitening_mean", "whitening_matrix", "whitening_inverse"}) {
    sae->weights.erase(name);
  }
  sae->config.normalisation = SaeNormalisation::kNone;
}

}  // namespace weir
