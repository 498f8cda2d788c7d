#pragma once

#include <string>
#include <vector>

#include "weir/base/bootstrap.h"
#include "weir/channels/subspace.h"
#include "weir/lm/language_model.h"
#include "weir/report/report.h"

/// What a component does in text of any kind: where its coefficient is large, and what its removal
/// costs on tokens that repeat an earlier one, in lists and elsewhere (2406.09519 looks at open
/// text; how could not be read: docs/methods/channels.md).
namespace weir {

enum class TokenClass { kRepeat, kList, kRest };
/// Of the tokens of a window, from their texts. A list: an item after a comma, "and" or "or" with
/// another comma at most kListReach tokens before. A repeat: at least four letters that stood in
/// the window before. An item of a list that repeats counts as a list's.
std::vector<TokenClass> token_classes(const std::vector<std::string>& tokens);
inline constexpr int64_t kListReach = 8;

struct OpenTextOptions {
  int64_t window = 256;  ///< Tokens read together
  int64_t n_contexts = 20, context = 12;
  int64_t n_controls = 3;  ///< Random other components of the same head
  uint64_t seed = 0;
  CircuitOptions circuits;
};
struct TextContext {
  double coefficient = 0;
  std::vector<std::string> tokens;  ///< Up to and with the token
  std::string attended;             ///< The one that the head attends to most from there
  double attention = 0;
};
/// Rise of the loss (nats a token) where the component is out of the weights.
struct ClassLoss {
  MeanInterval repeat, list, rest, all;
};
struct OpenText {
  ComponentId component;
  int64_t n_tokens = 0;
  double mean = 0, sd = 0;  ///< Of the coefficient
  std::vector<double> coefficients;
  std::vector<TextContext> highest, lowest;
  /// Means of |coefficient| at the positions that predict a token of a class.
  double size_repeat = 0, size_list = 0, size_rest = 0;
  ClassLoss loss;
  std::vector<ClassLoss> controls;
};
/// `tokens`: the text's ids; BOS is put before each window where the tokenizer has one.
OpenText open_text(const LanguageModel& lm, const std::vector<int64_t>& tokens,
                   const ComponentId& component, const OpenTextOptions& options = {});
Report open_text_report(const OpenText& found);

}  // namespace weir
