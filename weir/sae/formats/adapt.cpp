#include "weir/sae/formats/adapt.h"

#include <ATen/ATen.h>

#include "weir/base/error.h"
#include "weir/sae/kinds/fold.h"

namespace weir {
namespace {

using SelectOn = VariationalSaeConfig::SelectOn;

void drop_variance(Sae* sae, SaeNotes* notes) {
  if (sae->weights.erase("W_var") + sae->weights.erase("b_var") > 0) {
    notes->emplace_back("the variance head is left behind: inference does not use it");
  }
}

void vsae_as_top_k(Sae* sae, SaeNotes* notes) {
  const VariationalSaeConfig& how = sae->config.variational;
  drop_variance(sae, notes);
  const bool is_signed = !how.relu_mu;
  if (is_signed && how.select_on != SelectOn::kAbsZ) {
    fail(ErrorCode::kUnsupported,
         "a vsae_topk that chooses the largest signed mu has no other name than its own");
  }
  sae->config.kind = is_signed ? "abstopk" : "topk";
}

void batch_as_jump_relu(Sae* sae, SaeNotes* notes) {
  if (!sae->find("threshold").defined()) {
    fail(ErrorCode::kUnsupported,
         "a {} dictionary without a threshold cannot be written: its "
         "latents depend on the batch",
         sae->config.kind);
  }
  if (sae->config.rescale_acts_by_decoder_norm) {
    fold_decoder_norm(sae);
    sae->config.rescale_acts_by_decoder_norm = false;
    notes->emplace_back("norms of the decoder are folded: its rows have norm 1 now");
  }
  sae->weights["threshold"] = threshold_per_latent(*sae);
  sae->config.kind = "jumprelu";
}

}  // namespace

Sae as_plain_kind(const Sae& sae, SaeNotes* notes) {
  Sae plain = sae;
  if (plain.config.scale != 1) {
    notes->push_back(
        fmt::format("the scale {:.6g} is folded into the weights", plain.config.scale));
    fold_activation_scale(&plain);
  }
  if (plain.config.normalisation == SaeNormalisation::kWhitening) {
    notes->emplace_back("whitening is folded into the weights");
    fold_whitening(&plain);
  }
  const std::string& kind = plain.config.kind;
  if (kind == "hierarchical_topk") plain.config.kind = "topk";
  if (kind == "vsae_topk") vsae_as_top_k(&plain, notes);
  if (kind == "batchtopk" || kind == "matryoshka_batchtopk") batch_as_jump_relu(&plain, notes);
  return plain;
}

void set_apply_b_dec(Sae* sae, bool apply, SaeNotes* notes) {
  if (sae->config.apply_b_dec_to_input == apply) return;
  const auto bias = sae->weights.find("b_enc");
  const bool can = bias != sae->weights.end() && sae->config.d_in == sae->config.d_out &&
                   sae->config.n_sources == 1;
  if (!can) {
    fail(ErrorCode::kUnsupported, "b_dec of a {} dictionary cannot be moved into its encoder",
         sae->config.kind);
  }
  // (x - b) W + e = x W + (e - b W); in float64, since nobody sees the difference afterwards.
  const at::Tensor moved =
      at::mv(sae->weight("W_enc").to(at::kDouble).t(), sae->weight("b_dec").to(at::kDouble));
  const at::Tensor old = bias->second.to(at::kDouble);
  bias->second = (apply ? old + moved : old - moved).to(bias->second.scalar_type());
  sae->config.apply_b_dec_to_input = apply;
  notes->push_back(apply
                       ? "b_enc grew by b_dec W_enc, as this format subtracts b_dec from the input"
                       : "b_enc lost b_dec W_enc, as this format does not subtract b_dec");
}

void refuse_normalisation(const Sae& sae, const char* format) {
  const SaeNormalisation how = sae.config.normalisation;
  if (how == SaeNormalisation::kNone || how == SaeNormalisation::kExpectedAverage) return;
  refuse_format(sae, format,
                fmt::format("has no normalisation {}", to_string(sae.config.normalisation)));
}

void refuse_format(const Sae& sae, const char* format, const std::string& why) {
  fail(ErrorCode::kUnsupported,
       "this {} dictionary cannot be written as {}, which {}; \"weir\" "
       "keeps every kind",
       sae.config.kind, format, why);
}

at::Tensor threshold_per_latent(const Sae& sae) {
  return sae.weight("threshold").expand({sae.config.d_sae}).contiguous();
}

}  // namespace weir
