#pragma once

#include "weir/sae/kinds/sae.h"

/// The same function with other numbers: what training put around a dictionary taken into its
/// weights. New tensors are made; those of `sae` are not written to.
namespace weir {

/// For a dictionary that was trained on x s: afterwards it reads x itself and reconstructs x.
/// W_enc s, W_dec / s, b_dec / s; latents stay (and thresholds with them), except where they are
/// in units of the decoder: rescale_acts_by_decoder_norm and matching pursuit divide them by s.
void fold_activation_scale(Sae* sae, double s);
/// Takes config.scale into the weights; nothing when it is 1.
void fold_activation_scale(Sae* sae);

/// Rows of W_dec to norm 1, latents and what is compared with them times that norm.
/// kInvalidArgument where latents compete in other units, as it would change who wins.
void fold_decoder_norm(Sae* sae);

/// Takes whitening_mean, whitening_matrix and whitening_inverse into encoder and decoder.
void fold_whitening(Sae* sae);

}  // namespace weir
