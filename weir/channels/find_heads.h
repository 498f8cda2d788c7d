#pragma once

#include <string>
#include <vector>

#include "weir/base/bootstrap.h"
#include "weir/lm/language_model.h"
#include "weir/model/heads.h"
#include "weir/tasks/prompt_set.h"

namespace weir {

/// A head with what it was found by, a mean over prompts with its interval.
struct FoundHead {
  HeadId head;
  MeanInterval effect;
  double attention = 0;  ///< Mean attention that goes with the role
};

/// The parts that heads play when a model completes "When A and B went to the P, B gave a O to"
/// (Wang et al. 2022), strongest first. docs/methods/channels.md.
struct IoiHeads {
  std::vector<FoundHead> movers;      ///< Attend from END to the indirect object and write for it,
                                      ///< compared with the prompt's partner
  std::vector<FoundHead> negative;    ///< Attend to it and write against it
  std::vector<FoundHead> inhibitors;  ///< Without their clean write on the movers' queries the
                                      ///< logit difference falls
  std::vector<FoundHead> duplicate;   ///< Attend from S2 to S1
  std::vector<FoundHead> previous;    ///< Attend to the token before
  std::vector<FoundHead> induction;   ///< Attend, on repeated random tokens, to what followed
  MeanInterval accuracy, logit_diff;
};

/// Prompts with the roles io_first, s1_first and s2_first, answers, wrong answers, and partners of
/// the same length in which S2 is the other name.
IoiHeads find_ioi_heads(const LanguageModel& lm, const PromptSet& set, uint64_t seed = 0);

/// Heads of GPT-2 small by their parts, as the authors of the IOI circuit list them (2211.00593).
struct KnownHeads {
  std::string part;
  std::vector<HeadId> heads;
};
const std::vector<KnownHeads>& known_gpt2_small_heads();

}  // namespace weir
