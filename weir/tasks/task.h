#pragma once

#include <functional>
#include <string>
#include <vector>

#include "weir/base/draw.h"
#include "weir/tasks/prompt_text.h"

/// Prompt generators by name. The same name, options, seed and tokenizer give the same set on every
/// machine. Formulas and sources: docs/methods/tasks.md.
namespace weir {

struct TaskOptions {
  int64_t n = 100;
  uint64_t seed = 0;
  int64_t shots = 0;       ///< Solved examples before each prompt.
  std::string variant;     ///< One of Task::variants; "": the first.
  std::string corruption;  ///< One of Task::corruptions; "": the first.
  bool needs_pairs = false;
};

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
/// Random ids, then the same again without the last, which is the answer; the partner's first half
/// is another. Ordinary tokens only, BOS where the tokenizer adds it.
PromptSet repeated_tokens(const TaskOptions& options, const Tokenizer& tokenizer);

/// Puts `shots` other prompts with their answers before each one and its partners. Those of the
/// same group "subject" or with the same answer do not serve.
void add_shots(std::vector<TextPrompt>& prompts, int64_t shots, const std::string& separator,
               Draw& draw);
/// The words that are one token after a space.
std::vector<std::string> single_tokens(const Tokenizer& tokenizer,
                                       const std::vector<std::string>& words);

}  // namespace weir
