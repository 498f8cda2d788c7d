#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "weir/report/report.h"
#include "weir/subnet/evaluation.h"

namespace weir {

/// What kind of token a text is, as Tokenizer::display shows it: "word" (a letter after a space),
/// "rest of a word", "number", "punctuation" or "other" (spaces, specials).
std::string token_class(const std::string& displayed);

/// What the weights outside of a subnetwork add, by the class of the token that is predicted.
struct ClassSurprisal {
  std::string name;
  int64_t n = 0;                                ///< Tokens with a finite target surprisal.
  double target = 0, subnetwork = 0, full = 0;  ///< Mean bits.
};
/// tokens int64 [N, T]; both evaluations are of them. `text`: a token as it is displayed.
std::vector<ClassSurprisal> surprisal_by_class(const at::Tensor& tokens,
                                               const Evaluation& subnetwork, const Evaluation& full,
                                               const std::function<std::string(int64_t)>& text);
TableBlock class_table(const std::vector<ClassSurprisal>& classes, const std::string& target);

}  // namespace weir
