#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "weir/tasks/task.h"

namespace weir {
namespace {

struct Country {
  const char* name;
  const char* capital;
};
// The pairs and carriers of 2403.19521 (facts listed in its released data set, in its order).
const std::vector<Country> kCountries = {
    {"China", "Beijing"},  {"USA", "Washington"}, {"Russia", "Moscow"},
    {"England", "London"}, {"France", "Paris"},   {"Japan", "Tokyo"},
    {"Italy", "Rome"},     {"Canada", "Ottawa"},  {"Australia", "Canberra"},
    {"Spain", "Madrid"},   {"Egypt", "Cairo"},    {"Portugal", "Lisbon"},
    {"Austria", "Vienna"}, {"Greece", "Athens"},  {"Thailand", "Bangkok"}};
const std::vector<std::string> kCarriers = {"It's crucial to know that",
                                            "You are right to say that",
                                            "Therefore, it's correct to state that",
                                            "When asked, always remember that",
                                            "We confirm that",
                                            "Don't forget,",
                                            "Bear in mind,",
                                            "Keep in mind,",
                                            "Just a reminder,",
                                            "As we all know,",
                                            "According to the textbook,",
                                            "I am sure that",
                                            "Without a doubt,",
                                            "In case you didn't know,",
                                            "To emphasize,"};
const std::vector<std::string> kOtherNouns = {"history", "climate", "language", "economy"};
constexpr size_t kCutBytes = 13;  // What the variant "cut-carrier" drops.

PromptText clause(const std::string& carrier, const std::string& country, bool is_possessive,
                  const std::string& noun = "capital") {
  PromptText prompt;
  prompt.add(carrier);
  if (is_possessive)
    return prompt.add(" ").add(country, "subject").add("'s ").add(noun, "relation").add(" is");
  return prompt.add(" the ").add(noun, "relation").add(" of ").add(country, "subject").add(" is");
}

/// What is done to a sentence, as in the released data set.
std::vector<TextPrompt::Corruption> corrupted(const std::string& how, const std::string& carrier,
                                              const Country& country, bool is_possessive,
                                              Draw& draw) {
  std::vector<Country> others = kCountries;
  draw.shuffle(others);
  std::vector<TextPrompt::Corruption> found;
  const std::string capital = std::string(" ") + country.capital;
  if (how == "relation") {
    for (const std::string& noun : draw.pick(kOtherNouns, kOtherNouns.size())) {
      found.push_back({clause(carrier, country.name, is_possessive, noun), capital});
    }
    return found;
  }
  const bool is_fixed = how.rfind("to-", 0) == 0;
  for (const Country& other : others) {
    if (other.name == country.name || (is_fixed && how.substr(3) != other.name)) continue;
    // "country" keeps the label, "swap" takes the other capital with the other country, "to-"
    // always the same one; "city" changes the answer alone, which a prompt up to the answer does
    // not show.
    const bool keeps_country = how == "city";
    found.push_back({clause(carrier, keeps_country ? country.name : other.name, is_possessive),
                     std::string(" ") + other.capital});
  }
  return found;
}

}  // namespace

std::vector<TextPrompt> capitals_prompts(const TaskOptions& options, const Tokenizer&, Draw& draw) {
  const bool is_possessive = options.variant == "possessive";
  const bool is_cut = options.variant == "cut-carrier";
  std::vector<Country> countries;
  for (const Country& country : kCountries) {
    const bool is_left_out =
        options.variant.rfind("only-", 0) == 0 && options.variant.substr(5) != country.name;
    if (!is_left_out) countries.push_back(country);
  }
  std::vector<TextPrompt> prompts;
  std::set<std::string> seen;
  const size_t n = std::min(static_cast<size_t>(options.n), kCarriers.size() * countries.size());
  while (prompts.size() < n) {
    const size_t t = draw.below(kCarriers.size());
    const Country& country = draw.pick(countries);
    if (!seen.insert(fmt::format("{} {}", t, country.name)).second) continue;
    const std::string carrier =
        is_cut ? kCarriers[t].substr(std::min(kCutBytes, kCarriers[t].size())) : kCarriers[t];
    TextPrompt prompt;
    prompt.clean = clause(carrier, country.name, is_possessive);
    prompt.answer = std::string(" ") + country.capital;
    if (options.variant == "counterfactual") {
      // The city that a context would claim: the true one stays the answer.
      std::string claimed = country.capital;
      while (claimed == country.capital) claimed = draw.pick(kCountries).capital;
      prompt.wrong = " " + claimed;
      prompt.labels["in_context"] = " " + claimed;
    }
    prompt.corruptions = corrupted(options.corruption, carrier, country, is_possessive, draw);
    // Without another country in the partner: the released "iw-n", capital against country.
    const std::string topic = std::string(" ") + country.name;
    if (options.corruption == "relation" && prompt.wrong.empty()) prompt.wrong = topic;
    prompt.labels["subject"] = topic;
    prompt.labels["relation"] = " capital";
    prompt.groups = {{"subject", country.name}, {"template", std::to_string(t)}};
    prompts.push_back(std::move(prompt));
  }
  return prompts;
}

std::vector<TextPrompt> capitals_shots() {
  std::vector<TextPrompt> shots;
  for (const Country& country : kCountries) {
    TextPrompt shot;
    shot.clean = PromptText().add("The capital of ").add(country.name, "subject").add(" is");
    shot.answer = std::string(" ") + country.capital;
    shot.groups["subject"] = country.name;
    shots.push_back(std::move(shot));
  }
  return shots;
}

}  // namespace weir
