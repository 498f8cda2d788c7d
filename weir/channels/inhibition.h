#pragma once

#include <map>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/channels/head_circuits.h"
#include "weir/lm/language_model.h"
#include "weir/model/heads.h"

namespace weir {

/// Prompts in which a name stands twice and another once (IOI): where, in the rectangle [N, T].
/// int64 [N] each; `order` 0 where the repeated name comes first.
struct NamePositions {
  at::Tensor io, s1, s2, order;
};

/// A mover's look from the last position at the three places: [N, 3] io, s1, s2.
struct MoverLook {
  at::Tensor attention;  ///< After the softmax
  at::Tensor scores;     ///< Before it: saturates less
};

/// Mean of look(io) - look(s1): over all prompts, and by order, for the signal is one of position
/// and may turn with it.
struct MoverBias {
  double all = 0, order0 = 0, order1 = 0;
};
MoverBias mover_bias(const at::Tensor& look, const NamePositions& names);

enum class InhibitionVariant {
  kRemoval,   ///< The component is edited out of the weights, at all positions
  kPath,      ///< Only the mover's query input at the last position loses c v_i
  kAddition,  ///< All inhibitors' outputs there are 0, and c v_i is added back: against all 0
};

struct InhibitionOptions {
  HeadId mover;
  std::vector<HeadId> inhibitors;  ///< Components are those of the first
  /// What b_V W_O adds belongs to a head's output: coefficients c and edits include it.
  bool with_bias = true;
  CircuitOptions circuits;
};

/// How much each component of an inhibition head makes a mover look at the name that is not
/// repeated (2406.09519, Fig. 2; the score is our definition, docs/methods/channels.md): bias of
/// the clean run minus that of the edited one; of kAddition bias added back minus bias of none.
struct Inhibition {
  MoverLook clean, none;                           ///< none: without all inhibitors
  at::Tensor coefficients;                         ///< [N, K] c: output at the last position . v_i
  std::vector<MoverLook> looks;                    ///< [K]
  std::vector<MoverBias> by_attention, by_scores;  ///< [K] the inhibition scores
};
Inhibition inhibition(const LanguageModel& lm, const TokenBatch& batch, const NamePositions& names,
                      InhibitionVariant variant, const InhibitionOptions& options);

}  // namespace weir
