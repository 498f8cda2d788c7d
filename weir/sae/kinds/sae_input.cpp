#include "weir/sae/kinds/sae_input.h"

#include <cmath>

#include <ATen/ATen.h>

#include "weir/base/error.h"
#include "weir/sae/kinds/sae.h"
#include "weir/tensor/half_precision.h"

namespace weir {
namespace {

// [..., heads, d_head] or [..., n, d_in] as one width.
at::Tensor flatten(const SaeConfig& config, const at::Tensor& x) {
  const int64_t width = config.n_sources * config.d_in;
  if (x.dim() > 0 && x.size(-1) == width) return x;
  const bool may_split = config.n_sources > 1 || config.hook_head_shape != "none";
  const bool splits = may_split && x.dim() > 1 && x.size(-1) * x.size(-2) == width;
  require(splits, "a dictionary that reads {} numbers got activations of shape {}", width,
          fmt::format("[{}]", fmt::join(x.sizes(), ", ")));
  return x.flatten(-2);
}

// What SAELens and OpenAI add to deviations before they divide, but not before they multiply.
constexpr double kEpsilon = 1e-5;

void normalise(const Sae& sae, SaeInput* input) {
  at::Tensor& x = input->x;
  switch (sae.config.normalisation) {
    case SaeNormalisation::kNone:
    case SaeNormalisation::kExpectedAverage:
      return;
    case SaeNormalisation::kConstantNorm:
      input->spread = x.norm(2, -1, true) / std::sqrt(static_cast<double>(x.size(-1)));
      x = x / input->spread;
      return;
    case SaeNormalisation::kLayerNorm: {
      input->centre = x.mean(-1, true);
      x = x - input->centre;
      input->spread = x.std(-1, /*unbiased=*/true, true);
      x = x / (input->spread + kEpsilon);
      return;
    }
    case SaeNormalisation::kWhitening:
      x = (x - sae.weight("whitening_mean")).matmul(sae.weight("whitening_matrix"));
  }
}

}  // namespace

SaeInput read_sae_input(const Sae& sae, const at::Tensor& x) {
  const SaeConfig& config = sae.config;
  SaeInput input{{}, {}, {}, {}, x.sizes().vec(), x.scalar_type()};
  input.raw = flatten(config, x).to(sae.weight("W_dec").scalar_type());
  input.x = config.scale == 1 ? input.raw : input.raw * config.scale;
  normalise(sae, &input);
  if (config.apply_b_dec_to_input) input.x = input.x - flat_decoder_bias(sae);
  return input;
}

at::Tensor restore_sae_output(const Sae& sae, const at::Tensor& decoded, const SaeInput& input) {
  const SaeConfig& config = sae.config;
  at::Tensor y = decoded;
  if (config.normalisation == SaeNormalisation::kWhitening) {
    y = y.matmul(sae.weight("whitening_inverse")) + sae.weight("whitening_mean");
  }
  if (input.spread.defined()) y = y * input.spread;
  if (input.centre.defined()) y = y + input.centre;
  if (config.scale != 1) y = y / config.scale;
  const at::Tensor skip = sae.find("W_skip");
  if (skip.defined()) y = y + product(input.raw, skip.t());
  std::vector<int64_t> shape = input.shape;
  if (shape.back() == input.raw.size(-1)) shape.back() = y.size(-1);
  return y.to(input.dtype).reshape(shape);
}

}  // namespace weir
