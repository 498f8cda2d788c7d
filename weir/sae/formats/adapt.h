#pragma once

#include "weir/sae/formats/sae_format.h"

/// The same function in the terms of another format.
namespace weir {

/// Folds scale and whitening; kinds that only differ in training get the name of the kind they are
/// after it: hierarchical_topk and vsae_topk are topk (or abstopk), batch kinds are jumprelu.
/// kUnsupported for batch kinds without a threshold.
Sae as_plain_kind(const Sae& sae, SaeNotes* notes);

/// Makes the encoder subtract b_dec, or not: b_enc takes the difference, so that pre-activations
/// stay. kUnsupported where there is no such bias.
void set_apply_b_dec(Sae* sae, bool apply, SaeNotes* notes);

/// kUnsupported for per-token normalisations, which `format` has no word for.
void refuse_normalisation(const Sae& sae, const char* format);
/// kUnsupported, with why.
[[noreturn]] void refuse_format(const Sae& sae, const char* format, const std::string& why);

/// threshold as [F].
at::Tensor threshold_per_latent(const Sae& sae);

}  // namespace weir
