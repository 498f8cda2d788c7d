#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "weir/lm/language_model.h"
#include "weir/sae/eval/absorption.h"
#include "weir/sae/kinds/sae.h"

namespace weir {

/// The first-letter task of absorption (Chanin et al. 2409.14507): prompts like
/// "tartan has the first letter: T\nlemon has the first letter:", read at the word's token.
struct FirstLetterOptions {
  int64_t n_words = 2000;   ///< Of the vocabulary's words (one token, letters only), drawn.
  int64_t n_examples = 10;  ///< Before the word.
  int64_t most_latents =
      10;  ///< k of the probes that find how many latents a letter is split over.
  double f1_jump = 0.03;
  double l1 = 0.01;  ///< Of the probe that chooses latents: mean loss + l1 |w|_1.
  double test_share = 0.2;
  int64_t batch = 16;
  uint64_t seed = 0;
  AbsorptionOptions absorption;
};

struct FirstLetterResult {
  std::vector<LetterAbsorption> letters;   ///< Those whose probe finds a word rightly.
  std::map<std::string, double> probe_f1;  ///< Of all letters with words in both parts.
  std::map<std::string, std::vector<double>> f1_by_k;
  int64_t n_words = 0;
  /// Letters whose probe has F1 above .6. Upstream gives no score below 20 of them: the model then
  /// does not know the letters where the dictionary reads.
  int64_t n_known() const;
};

/// Deviations from upstream: logistic probes are solved exactly instead of 50 epochs of AdamW, one
/// letter against the rest with balanced weights; the word's place comes from the tokens, not from
/// -6. Shows progress. kNotFound when the vocabulary has too few words.
FirstLetterResult first_letter_absorption(const LanguageModel& lm, const Sae& sae,
                                          const FirstLetterOptions& options = {});

}  // namespace weir
