#include "weir/tasks/task.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "weir/base/error.h"
#include "weir/base/nearest.h"
#include "weir/tasks/relation.h"

namespace weir {
namespace {

Task text_task(const std::string& name, const std::string& summary,
               std::vector<std::string> variants, std::vector<std::string> corruptions,
               const std::string& separator, const TextGenerator& generate) {
  const auto make = [=](const TaskOptions& options, const Tokenizer& tokenizer) {
    Draw draw(options.seed);
    std::vector<TextPrompt> prompts = generate(options, tokenizer, draw);
    add_shots(prompts, options.shots, separator, draw);
    PromptSet set = tokenize_prompts(tokenizer, prompts, {name, options.seed, options.needs_pairs});
    if (static_cast<int64_t>(prompts.size()) < options.n) {
      set.notes.push_back(fmt::format("{} different prompts can be made, {} were asked for",
                                      prompts.size(), options.n));
    }
    return set;
  };
  return {name, summary, std::move(variants), std::move(corruptions), make};
}

Task relation_task(const std::string& name) {
  const Relation relation = load_relation(name);
  const auto make = [=](const TaskOptions& options, const Tokenizer& tokenizer) {
    RelationOptions of;
    of.n = options.n;
    of.seed = options.seed;
    of.shots = options.shots;
    if (!options.variant.empty())
      of.template_index = options.variant == "all" ? -1 : std::stoll(options.variant);
    return tokenize_prompts(tokenizer, relation_prompts(relation, of),
                            {name, options.seed, options.needs_pairs});
  };
  std::vector<std::string> variants;
  const size_t n_templates = relation.templates.size();
  for (size_t t = 0; t < n_templates; ++t) variants.push_back(std::to_string(t));
  variants.push_back("all");
  return {name, "LRE relation: " + relation.templates.front(), variants, {"subject"}, make};
}

std::vector<Task> all_tasks() {
  std::vector<Task> all = {
      text_task("capitals", "country to capital in fifteen carriers (2403.19521)",
                {"the-capital-of", "possessive", "counterfactual"},
                {"country", "city", "relation", "swap", "prefix"}, ". ", capitals_prompts),
      text_task("ioi", "indirect object identification (Wang et al. 2022)",
                {"mixed", "abba", "baba", "one-template"}, {"abc", "flip", "random-s2"}, ". ",
                ioi_prompts),
      text_task("greater-than", "a year later than the one given (Hanna et al. 2023)", {"plain"},
                {"01"}, "\n", greater_than_prompts),
      text_task("colored-objects", "the colour of one of several things (BIG-bench)", {"plain"},
                {"question"}, "\n", colored_objects_prompts),
      text_task("laundry-list", "the item that a cue leaves over (2406.09519)",
                {"odd-4", "odd-2", "odd-3", "odd-5", "odd-6", "odd-8", "odd-10", "odd-12", "odd-16",
                 "odd-20", "position-4", "position-2", "position-3", "position-5", "position-6",
                 "position-8", "position-10"},
                {"target"}, ".\n", laundry_list_prompts),
      text_task("arithmetic", "sums and differences of numbers below 100", {"sum", "difference"},
                {"operand"}, "\n", arithmetic_prompts),
      {"repeated-tokens",
       "random tokens twice: what induction heads do",
       {"25", "10", "50", "100"},
       {"first-half"},
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
    require(options.n > 0 && options.shots >= 0, "{}: expected n > 0 and shots >= 0, got {} and {}",
            name, options.n, options.shots);
    TaskOptions complete = options;
    if (complete.variant.empty()) complete.variant = task.variants.front();
    if (complete.corruption.empty()) complete.corruption = task.corruptions.front();
    return task.make(complete, tokenizer);
  }
  fail(ErrorCode::kNotFound, "no task '{}': expected one of {}{}", name, fmt::join(names, ", "),
       did_you_mean(name, names));
}

void add_shots(std::vector<TextPrompt>& prompts, int64_t shots, const std::string& separator,
               Draw& draw) {
  if (shots == 0) return;
  const std::vector<TextPrompt> pool = prompts;
  for (TextPrompt& prompt : prompts) {
    std::vector<size_t> others;
    for (size_t i = 0; i < pool.size(); ++i) {
      const auto subject_of = [](const TextPrompt& of) {
        const auto found = of.groups.find("subject");
        return found == of.groups.end() ? std::string() : found->second;
      };
      const bool is_same = !subject_of(prompt).empty() && subject_of(pool[i]) == subject_of(prompt);
      if (!is_same && pool[i].answer != prompt.answer) others.push_back(i);
    }
    require(static_cast<int64_t>(others.size()) >= shots,
            "expected at most {} shots, the prompts with other answers, got {}", others.size(),
            shots);
    std::string before;
    for (const size_t i : draw.pick(others, static_cast<size_t>(shots))) {
      before += pool[i].clean.text + pool[i].answer + separator;
    }
    prompt.clean.prepend(before);
    for (auto& corruption : prompt.corruptions) corruption.text.prepend(before);
  }
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
