#include "weir/sae/training/initial_sae.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/grad_mode.h>

#include "weir/base/error.h"
#include "weir/sae/kinds/sae_kind.h"
#include "weir/sae/training/decoder_constraint.h"

namespace weir {

Sae initial_sae(const SaeConfig& config, const InitialSaeOptions& options) {
  const at::NoGradGuard no_grad;
  Sae sae;
  sae.config = config;
  for (const SaeWeightSpec& spec : find_sae_kind(config.kind).weights(config)) {
    if (!spec.optional) sae.weights[spec.name] = at::zeros(spec.shape, at::kFloat);
  }
  require(sae.find("W_enc").defined() && sae.find("W_dec").defined(),
          "a dictionary of kind {} cannot be trained: it has no encoder", config.kind);
  const at::Generator generator = at::detail::createCPUGenerator(options.seed);
  at::Tensor rows = sae.weights["W_dec"];
  rows.normal_(0, 1, generator);
  make_rows_unit(rows.flatten(1));
  rows.mul_(options.decoder_norm);
  const bool is_tied = config.d_in == config.d_out;
  at::Tensor source = rows;
  if (!is_tied) {
    source = at::zeros({config.d_sae, config.d_in}).normal_(0, 1, generator);
    make_rows_unit(source);
  }
  // [F, (n,) d] as [(n,) d, F]
  const at::Tensor turned = source.dim() == 3 ? source.permute({1, 2, 0}) : source.t();
  sae.weights["W_enc"].copy_(turned * options.encoder_factor);
  if (config.k == 0 && sae.find("threshold").defined()) {
    sae.weights["threshold"].fill_(options.threshold);
  }
  if (sae.find("b_var").defined()) sae.weights["b_var"].fill_(options.log_var);
  return sae;
}

}  // namespace weir
