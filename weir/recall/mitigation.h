#pragma once

#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/recall/last_position.h"

namespace weir {

/// Ways to hold back the last block, each with a strength alpha from 0 (nothing) to 1
/// (2403.19521; the paper's own rule is not published, these follow its description).
enum class Mitigation {
  kNegativeHeads,   ///< a: heads with negative direct effect, times 1 - alpha
  kMlp,             ///< b: the MLP's output (with its bias) times 1 - alpha
  kIntercept,       ///< c: the MLP's output minus alpha b
  kFrequency,       ///< d: what the block adds loses alpha of its part along u_freq
  kMlpFrequency,    ///< d_mlp: the MLP's output does
  kResidFrequency,  ///< d_resid: the whole last stream does
  kSkipBlock,       ///< e: what the block adds times 1 - alpha; at 1 the block is left out
};
/// "a", "b", "c", "d", "d_mlp", "d_resid", "e"
std::string mitigation_name(Mitigation mitigation);
std::vector<Mitigation> all_mitigations();

/// What they need to know of the model, from LastBlock and the fit of the last MLP.
struct MitigationInputs {
  std::vector<int64_t> negative_heads;
  at::Tensor b;       ///< [D]
  at::Tensor u_freq;  ///< [D]
};

/// Hooks that act on every position that they see: all of a text with LanguageModel::run, the last
/// one with LastPosition::run.
std::vector<NamedHook> mitigation_hooks(const LanguageModel& lm, Mitigation mitigation,
                                        double alpha, const MitigationInputs& inputs);

/// Text on which the cost is measured; the streams that enter the last block are computed once.
class NeutralText {
 public:
  NeutralText(const LanguageModel& lm, const TokenBatch& text);
  /// Mean of -log p of the next token, nats, with `hooks` on the last block.
  double loss(const std::vector<NamedHook>& hooks) const;
  double clean_loss() const { return clean_loss_; }
  const TokenBatch& text() const { return text_; }
  /// Mean of the distributions that the model gives over the text, [V]: a smooth estimate of how
  /// frequent tokens are, in which none has probability 0.
  const at::Tensor& unigram() const { return unigram_; }

 private:
  const LanguageModel& lm_;
  TokenBatch text_;
  Start start_;
  at::Tensor unigram_;
  double clean_loss_ = 0;
};

/// Effect of one mitigation at one strength: means over the prompts, and its price.
struct MitigationEffect {
  Mitigation mitigation = Mitigation::kMlp;
  double alpha = 0;
  at::Tensor delta_pi, delta_prob;  ///< [N]
  double rank = 0, top1 = 0;        ///< Mean rank (0: best) of the answer; share of rank 0
  double loss_increase = 0;         ///< Relative, on the neutral text: 0.01 is 1 %
};
MitigationEffect mitigation_effect(const LastPosition& last, const at::Tensor& answers,
                                   const NeutralText& neutral, Mitigation mitigation, double alpha,
                                   const MitigationInputs& inputs);

}  // namespace weir
