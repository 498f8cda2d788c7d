#include "weir/sae/attention/active_latents.h"

#include <algorithm>

#include <ATen/ATen.h>

#include "weir/base/error.h"

namespace weir {
namespace {

/// Of latents against their linear reading; beyond it the kind is none.
constexpr double kLinear = 1e-3;

void require_linear(const Sae& sae) {
  const SaeNormalisation by = sae.config.normalisation;
  const bool is_per_token =
      by != SaeNormalisation::kNone && by != SaeNormalisation::kExpectedAverage;
  if (is_per_token || sae.config.n_sources != 1 || !sae.find("W_enc").defined()) {
    fail(ErrorCode::kUnsupported,
         "attribution needs latents that read one activation linearly; this dictionary is of kind "
         "{} with normalisation {}",
         sae.config.kind, to_string(by));
  }
}

at::Tensor doubles(const at::Tensor& tensor) { return tensor.to(at::kCPU, at::kDouble); }

/// What latents are multiplied by, and the decoder divided by.
at::Tensor latent_units(const Sae& sae, const at::Tensor& ids) {
  if (!sae.config.rescale_acts_by_decoder_norm) return at::ones({ids.size(0)}, at::kDouble);
  return doubles(sae.weight("W_dec").index_select(0, ids)).norm(2, 1);
}

}  // namespace

LinearEncoder linear_encoder(const Sae& sae, const std::vector<int64_t>& features) {
  require_linear(sae);
  const at::Tensor ids = at::tensor(features, at::kLong);
  LinearEncoder encoder;
  encoder.rows = doubles(sae.weight("W_enc").index_select(1, ids)).t().contiguous();
  const bool is_gated = sae.find("r_mag").defined();
  if (is_gated)
    encoder.rows =
        encoder.rows * doubles(sae.weight("r_mag").index_select(0, ids)).exp().unsqueeze(1);
  const at::Tensor bias = sae.find(is_gated ? "b_mag" : "b_enc");
  encoder.constant =
      bias.defined() ? doubles(bias.index_select(0, ids)) : at::zeros({ids.size(0)}, at::kDouble);
  if (sae.config.apply_b_dec_to_input) {
    encoder.constant = encoder.constant - at::mv(encoder.rows, doubles(sae.weight("b_dec")));
  }
  const at::Tensor units = latent_units(sae, ids);
  encoder.rows = encoder.rows * (units * sae.config.scale).unsqueeze(1);
  encoder.constant = encoder.constant * units;
  return encoder;
}

ActiveLatents active_latents(const Sae& sae, const at::Tensor& x, const at::Tensor& y) {
  require_linear(sae);
  require(x.dim() == 2 && x.size(1) == sae.config.d_in && y.size(0) == x.size(0),
          "expected activations of width {} for the dictionary, found {}", sae.config.d_in,
          x.size(-1));
  const SparseLatents found = encode_sparse(sae, x);
  const at::Tensor fires = found.values != 0;
  ActiveLatents latents;
  const auto unique = at::_unique(found.indices.masked_select(fires));
  at::Tensor ids = std::get<0>(unique);
  if (ids.size(0) == 0) ids = at::zeros({1}, at::kLong);  // so that every place has a row
  latents.features.assign(ids.data_ptr<int64_t>(), ids.data_ptr<int64_t>() + ids.size(0));
  latents.places = at::searchsorted(ids, found.indices.contiguous()).clamp_max(ids.size(0) - 1);
  latents.places = latents.places.masked_fill(fires.logical_not(), 0);

  LinearEncoder encoder = linear_encoder(sae, latents.features);
  latents.encoder = encoder.rows;
  latents.bias = encoder.constant;
  const double scale = sae.config.scale;
  latents.decoder = doubles(sae.weight("W_dec").index_select(0, ids)) /
                    (latent_units(sae, ids) * scale).unsqueeze(1);
  latents.decoder_bias = doubles(sae.weight("b_dec")) / scale;
  if (sae.find("W_skip").defined()) latents.skip = doubles(sae.weight("W_skip"));

  const at::Tensor input = doubles(x);
  const at::Tensor all = at::mm(input, latents.encoder.t()) + latents.bias;  // [T, n]
  latents.values = all.gather(1, latents.places).masked_fill(fires.logical_not(), 0);
  const at::Tensor encoded = doubles(found.values);
  const double largest = encoded.abs().max().item<double>();
  if ((latents.values - encoded).abs().max().item<double>() > kLinear * (largest + 1e-6)) {
    fail(ErrorCode::kUnsupported,
         "latents of kind {} are not linear in what they read where they fire; attribution cannot "
         "take them apart",
         sae.config.kind);
  }
  at::Tensor reconstruction =
      weighted_rows({latents.places, latents.values}, latents.decoder) + latents.decoder_bias;
  if (latents.skip.defined()) reconstruction = reconstruction + at::mm(input, latents.skip.t());
  latents.error = doubles(y) - reconstruction;
  return latents;
}

int64_t ActiveLatents::row_of(int64_t feature) const {
  const auto place = std::lower_bound(features.begin(), features.end(), feature);
  return place != features.end() && *place == feature ? place - features.begin() : -1;
}

double ActiveLatents::value(int64_t t, int64_t row) const {
  const int64_t n = places.size(1);
  const int64_t* of_row = places.data_ptr<int64_t>() + t * n;
  const double* value_of = values.data_ptr<double>() + t * n;
  for (int64_t k = 0; k < n; ++k) {
    if (of_row[k] == row && value_of[k] != 0) return value_of[k];
  }
  return 0;
}

}  // namespace weir
