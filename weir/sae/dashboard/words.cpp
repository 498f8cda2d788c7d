#include "weir/sae/dashboard/words.h"

#include <cmath>

#include <fmt/format.h>

namespace weir {
namespace {

constexpr size_t kFewTokens = 5;

template <typename List, typename Get>
std::vector<int64_t> first_tokens(const List& list, const Get& get) {
  std::vector<int64_t> tokens;
  for (size_t i = 0; i < list.size() && i < kFewTokens; ++i) tokens.push_back(get(list[i]));
  return tokens;
}

}  // namespace

std::string percent_text(double share) {
  const double percent = 100 * share;
  if (percent == 0 || percent >= 10) return fmt::format("{:.0f} %", percent);
  if (percent >= 1) return fmt::format("{:.1f} %", percent);
  return fmt::format("{:.2g} %", percent);
}

std::string quoted_tokens(const LanguageModel& lm, const std::vector<int64_t>& tokens) {
  std::string text;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (i > 0) text += i + 1 == tokens.size() ? " and " : ", ";
    text += "'" + lm.token_text(tokens[i]) + "'";
  }
  return text;
}

std::string summary_text(const LanguageModel& lm, const LatentView& view) {
  const LatentFacts& facts = view.facts;
  std::string text;
  if (facts.n_fired == 0) {
    text = fmt::format("Never fired at {} tokens.", facts.n_rows);
  } else {
    text = fmt::format("Fires at {} of {} tokens ({}); largest activation {:.3g}.", facts.n_fired,
                       facts.n_rows, percent_text(facts.density), facts.largest);
    const auto on =
        first_tokens(facts.tokens, [](const FiringToken& token) { return token.token; });
    text += fmt::format("\nTypical tokens are {}: {} of its firings.", quoted_tokens(lm, on),
                        percent_text([&] {
                          double sum = 0;
                          for (size_t i = 0; i < on.size(); ++i) sum += facts.tokens[i].share;
                          return sum;
                        }()));
    text += fmt::format(
        "\nA table of the last token tells {} of its variance, one of the last three {}.",
        percent_text(std::max(0.0, facts.lookup[0])), percent_text(std::max(0.0, facts.lookup[2])));
  }
  if (!view.effects.promoted.empty()) {
    const auto id = [](const std::pair<int64_t, double>& token) { return token.first; };
    text += fmt::format("\nIts direction speaks for {}, against {}.",
                        quoted_tokens(lm, first_tokens(view.effects.promoted, id)),
                        quoted_tokens(lm, first_tokens(view.effects.suppressed, id)));
  }
  return text;
}

}  // namespace weir
