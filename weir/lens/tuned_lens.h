#pragma once

#include <filesystem>
#include <string>

#include <ATen/core/Tensor.h>

#include "weir/lm/language_model.h"

/// The tuned lens (Belrose et al., 2303.08112): a learnt affine map for the input of each block
/// brings that stream to where the last stream lies, before the model's own final norm and
/// unembedding. docs/methods/tuned-lens.md. L blocks, D d_model, B rows, T positions; nats.
namespace weir {

struct TunedLens {
  at::Tensor weight;  ///< [L, D, D], out x in; translator l is for the input of block l
  at::Tensor bias;    ///< [L, D]
  std::string base_model;
  std::string unembed_hash;  ///< Of the saved file; kept, not checked.

  int64_t n_layers() const { return weight.size(0); }
  /// h + W_l h + b_l for h [..., D].
  at::Tensor translate(const at::Tensor& h, int64_t layer) const;
};

/// Zeros in the model's type: the logit lens.
TunedLens zero_tuned_lens(const LanguageModel& lm);

/// The public format, a folder of `config.json` and `params.pt`. Unknown keys of the config are
/// ignored, missing optional ones allowed. kInvalidArgument when the lens is of another width or
/// depth than the model, kUnsupported for another type of lens.
TunedLens load_tuned_lens(const std::filesystem::path& folder, const LanguageModel& lm);
/// float32. Files of that name are replaced.
void save_tuned_lens(const TunedLens& lens, const std::filesystem::path& folder);

enum class LensLoss {
  kKl,  ///< KL(model || lens)
  kCe,  ///< -log p of the token
};
LensLoss lens_loss_of(const std::string& name);  ///< kl, ce

struct LensLossOptions {
  LensLoss loss = LensLoss::kKl;
  int64_t shift = 0;  ///< Position t is compared with the model's output, or token, at t + shift.
  bool weight_gradients = false, bias_gradients = false;
};
struct LensLosses {
  at::Tensor loss;          ///< float64 [L], means over pairs of real tokens
  at::Tensor weight, bias;  ///< Gradients of each layer's loss; undefined where not asked for.
  int64_t n_tokens = 0;     ///< Pairs that count.
};
/// Losses of all translators in one forward. Logits of a block of rows are held (some 64 MB),
/// never those of all. kInvalidArgument when no pair of real tokens is `shift` apart.
LensLosses tuned_lens_losses(const LanguageModel& lm, const TunedLens& lens,
                             const TokenBatch& batch, const LensLossOptions& options);

/// float64 [L, L]: mean KL(model || translator i on the input of block j). Row: translator.
at::Tensor tuned_lens_transfer(const LanguageModel& lm, const TunedLens& lens,
                               const TokenBatch& batch);

}  // namespace weir
