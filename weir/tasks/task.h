#pragma once

#include <functional>
#include <string>
#include <vector>

#include "weir/base/draw.h"
#include "weir/tasks/prompt_text.h"
#include "weir/tasks/relation.h"

/// Prompt generators by name. The same name, options, seed and tokenizer give the same set on every
/// machine. Formulas and sources: docs/methods/tasks.md.
namespace weir {

struct TaskOptions {
  int64_t n = 0;  ///< 0: 100 of a generator, all of a relation or a file.
  uint64_t seed = 0;
  int64_t shots = 0;       ///< Solved examples before each prompt.
  std::string variant;     ///< One of Task::variants; "": the first.
  std::string corruption;  ///< One of Task::corruptions; "": the first. kRandomTokens: of any task.
  std::string prefix;      ///< Text before every prompt: "<|endoftext|>" for a model trained so.
  bool needs_pairs = false;
};

/// The corruption that every task has: random ordinary tokens, as many as the prompt's.
inline constexpr const char* kRandomTokens = "random-tokens";

struct Task {
  std::string name;
  std::string summary;
  std::vector<std::string> variants;
  std::vector<std::string> corruptions;
  /// At most options.n prompts: where fewer can be made, PromptSet::notes says so.
  std::function<PromptSet(const TaskOptions& options, const Tokenizer& tokenizer)> make;
};

/// Generators first, then the relations that the library carries.
const std::vector<Task>& tasks();

/// kNotFound names the nearest task; kInvalidArgument the variants and corruptions that there are.
PromptSet make_task(const std::string& name, const TaskOptions& options,
                    const Tokenizer& tokenizer);
bool is_task(const std::string& name);

/// Generators: options already checked.
using TextGenerator =
    std::function<std::vector<TextPrompt>(const TaskOptions&, const Tokenizer&, Draw&)>;
std::vector<TextPrompt> capitals_prompts(const TaskOptions&, const Tokenizer&, Draw&);
std::vector<TextPrompt> ioi_prompts(const TaskOptions&, const Tokenizer&, Draw&);
std::vector<TextPrompt> greater_than_prompts(const TaskOptions&, const Tokenizer&, Draw&);
std::vector<TextPrompt> colored_objects_prompts(const TaskOptions&, const Tokenizer&, Draw&);
std::vector<TextPrompt> laundry_list_prompts(const TaskOptions&, const Tokenizer&, Draw&);
std::vector<TextPrompt> arithmetic_prompts(const TaskOptions&, const Tokenizer&, Draw&);
/// "The capital of F is", one of each country.
std::vector<TextPrompt> capitals_shots();
/// Random ids, then the same again without the last, which is the answer; the partner's first half
/// is another. Ordinary tokens only, BOS where the tokenizer adds it. A shot is other ids, twice.
PromptSet repeated_tokens(const TaskOptions& options, const Tokenizer& tokenizer);
/// The relation as make_task makes those that it knows: the variant is the number of a template,
/// "zs-" and the number of a zero-shot template, or "all".
PromptSet relation_set(const Relation& relation, const TaskOptions& options,
                       const Tokenizer& tokenizer);

/// Puts `shots` prompts of the pool with their answers before each prompt and its partners, of the
/// same group "relation" if it has enough. None names the prompt's answer, wrong answer or subject.
void add_shots(std::vector<TextPrompt>& prompts, const std::vector<TextPrompt>& pool, int64_t shots,
               const std::string& separator, Draw& draw);
/// Puts solved examples before the prompt and its partners; a partner whose subject they solve is
/// dropped, for it would only have to copy.
void put_before(TextPrompt& prompt, const std::string& shots);
/// The words that are one token after a space.
std::vector<std::string> single_tokens(const Tokenizer& tokenizer,
                                       const std::vector<std::string>& words);

}  // namespace weir
