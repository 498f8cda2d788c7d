#include "weir/tasks/task.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "weir/base/error.h"
#include "weir/base/nearest.h"
#include "weir/tasks/relation.h"

namespace weir {
namespace {

constexpr int64_t kDefaultN = 100;

TokenizeOptions tokenize_options(const std::string& name, const TaskOptions& options) {
  return {name, options.seed, options.needs_pairs, options.prefix,
          options.corruption == kRandomTokens};
}

/// Examples for the shots, drawn apart: a seed's prompts are the same with and without shots.
std::vector<TextPrompt> shot_pool(const TaskOptions& options, const Tokenizer& tokenizer,
                                  const TextGenerator& generate) {
  TaskOptions more = options;
  more.n = 64 + 8 * options.shots;
  Draw draw(options.seed + 0x51a7);
  return generate(more, tokenizer, draw);
}

/// `make_pool`: nothing, or where the shots come from.
Task text_task(const std::string& name, const std::string& summary,
               std::vector<std::string> variants, std::vector<std::string> corruptions,
               const std::string& separator, const TextGenerator& generate,
               const std::function<std::vector<TextPrompt>()>& make_pool = nullptr) {
  const auto make = [=](TaskOptions options, const Tokenizer& tokenizer) {
    if (options.n == 0) options.n = kDefaultN;
    Draw draw(options.seed);
    std::vector<TextPrompt> prompts = generate(options, tokenizer, draw);
    const auto n_found = static_cast<int64_t>(prompts.size());
    if (options.shots > 0) {
      const auto pool = make_pool ? make_pool() : shot_pool(options, tokenizer, generate);
      add_shots(prompts, pool, options.shots, separator, draw);
    }
    PromptSet set = tokenize_prompts(tokenizer, prompts, tokenize_options(name, options));
    if (n_found < options.n) {
      set.notes.push_back(
          fmt::format("{} different prompts can be made, {} were asked for", n_found, options.n));
    }
    return set;
  };
  corruptions.emplace_back(kRandomTokens);
  return {name, summary, std::move(variants), std::move(corruptions), make};
}

std::vector<std::string> relation_variants(const Relation& relation) {
  std::vector<std::string> variants;
  for (size_t t = 0; t < relation.templates.size(); ++t) variants.push_back(std::to_string(t));
  variants.emplace_back("all");
  for (size_t t = 0; t < relation.templates_zs.size(); ++t) {
    variants.push_back("zs-" + std::to_string(t));
  }
  return variants;
}

Task relation_task(const std::string& name) {
  const Relation relation = load_relation(name);
  const auto make = [=](const TaskOptions& options, const Tokenizer& tokenizer) {
    Relation named = relation;
    named.name = name;
    return relation_set(named, options, tokenizer);
  };
  return {name,
          "LRE relation: " + relation.templates.front(),
          relation_variants(relation),
          {"subject", kRandomTokens},
          make};
}

std::vector<std::string> laundry_variants() {
  std::vector<std::string> variants = {"odd-4"};
  for (const char* cue : {"odd-", "position-"}) {
    for (int n = 2; n <= 20; ++n) {
      const std::string name = cue + std::to_string(n);
      if (name != variants.front()) variants.push_back(name);
    }
  }
  return variants;
}

/// `words`, and `prefix` with each country.
std::vector<std::string> with_countries(std::vector<std::string> words, const std::string& prefix) {
  for (const TextPrompt& shot : capitals_shots()) {
    words.push_back(prefix + shot.groups.at("subject"));
  }
  return words;
}

std::vector<Task> all_tasks() {
  std::vector<Task> all = {
      text_task("capitals", "country to capital in fifteen carriers (2403.19521)",
                with_countries({"the-capital-of", "possessive", "counterfactual", "cut-carrier"},
                               "only-"),
                with_countries({"country", "city", "relation", "swap"}, "to-"), ". ",
                capitals_prompts, capitals_shots),
      text_task("ioi", "indirect object identification (Wang et al. 2022)",
                {"mixed", "abba", "baba", "one-template", "early-io", "late-io", "long"},
                {"abc", "flip", "random-s2", "random-io", "random-s1", "swap"}, ". ", ioi_prompts),
      text_task("greater-than", "a year later than the one given (Hanna et al. 2023)", {"plain"},
                {"01"}, "\n", greater_than_prompts),
      text_task("colored-objects", "the colour of one of several things (BIG-bench)", {"plain"},
                {"question"}, "\n", colored_objects_prompts),
      text_task("laundry-list", "the item that a cue leaves over (2406.09519)", laundry_variants(),
                {"target"}, ".\n", laundry_list_prompts),
      text_task("arithmetic", "sums and differences of numbers below 100", {"sum", "difference"},
                {"operand"}, "\n", arithmetic_prompts),
      {"repeated-tokens",
       "random tokens twice: what induction heads do",
       {"25", "10", "50", "100"},
       {"first-half", kRandomTokens},
       repeated_tokens}};
  for (const std::string& name : relation_names()) all.push_back(relation_task(name));
  return all;
}

void check_word(const std::string& word, const std::vector<std::string>& words, const char* what,
                const std::string& task) {
  require(word.empty() || std::find(words.begin(), words.end(), word) != words.end(),
          "{}: expected {} of {}, got '{}'", task, what, fmt::join(words, ", "), word);
}

}  // namespace

const std::vector<Task>& tasks() {
  static const std::vector<Task> all = all_tasks();
  return all;
}

bool is_task(const std::string& name) {
  return std::any_of(tasks().begin(), tasks().end(),
                     [&](const Task& task) { return task.name == name; });
}

PromptSet make_task(const std::string& name, const TaskOptions& options,
                    const Tokenizer& tokenizer) {
  std::vector<std::string> names;
  for (const Task& task : tasks()) {
    names.push_back(task.name);
    if (task.name != name) continue;
    check_word(options.variant, task.variants, "a variant", name);
    check_word(options.corruption, task.corruptions, "a corruption", name);
    require(options.n >= 0 && options.shots >= 0,
            "{}: expected n >= 0 and shots >= 0, got {} and {}", name, options.n, options.shots);
    TaskOptions complete = options;
    if (complete.variant.empty()) complete.variant = task.variants.front();
    if (complete.corruption.empty()) complete.corruption = task.corruptions.front();
    return task.make(complete, tokenizer);
  }
  fail(ErrorCode::kNotFound, "'{}' is no file and no task: expected one of {}{}", name,
       fmt::join(names, ", "), did_you_mean(name, names));
}

PromptSet relation_set(const Relation& relation, const TaskOptions& options,
                       const Tokenizer& tokenizer) {
  check_word(options.variant, relation_variants(relation), "a variant", relation.name);
  check_word(options.corruption, {"subject", kRandomTokens}, "a corruption", relation.name);
  Relation chosen = relation;
  RelationOptions of;
  of.n = options.n;
  of.seed = options.seed;
  of.shots = options.shots;
  const bool is_zero_shot = options.variant.rfind("zs-", 0) == 0;
  if (is_zero_shot) chosen.templates = relation.templates_zs;
  const std::string number = is_zero_shot ? options.variant.substr(3) : options.variant;
  if (!number.empty()) of.template_index = number == "all" ? -1 : std::stoll(number);
  return tokenize_prompts(tokenizer, relation_prompts(chosen, of),
                          tokenize_options(relation.name, options));
}

std::vector<std::string> single_tokens(const Tokenizer& tokenizer,
                                       const std::vector<std::string>& words) {
  std::vector<std::string> single;
  for (const std::string& word : words) {
    if (answer_ids(tokenizer, "a", " " + word).size() == 1) single.push_back(word);
  }
  return single;
}

}  // namespace weir
