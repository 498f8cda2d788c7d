#pragma once

#include <optional>
#include <string>
#include <vector>

#include "apps/cli/verb.h"
#include "weir/lm/language_model.h"
#include "weir/tasks/prompt_set.h"
#include "weir/tasks/task.h"

/// Where a verb's prompts come from: a task by its name, a file, tensors, or texts on the command
/// line.
namespace weir::cli {

struct PromptOptions {
  std::string source;              ///< --task: a task, or a file of prompts.
  std::string pairs;               ///< --pairs: safetensors with clean, corrupt, answer, wrong.
  std::vector<std::string> texts;  ///< --prompt, each with its --answer (and --wrong).
  std::vector<std::string> answers, wrongs;
  TaskOptions task;
};
/// --task T, --pairs F, --prompt TEXT --answer TEXT [--wrong TEXT], -n, --seed, --shots, --variant,
/// --corruption, --prefix.
void add_prompt_options(Verb& verb, PromptOptions& options);
/// -n, --seed, --shots, --variant, --corruption, --prefix.
void add_task_options(Verb& verb, TaskOptions& options);

/// Exactly one source must be given, with its own options only, else a UsageError. What the set has
/// to say of itself (PromptSet::notes) goes to stderr.
PromptSet read_prompts(const PromptOptions& options, const LanguageModel& lm);
/// A task's name, else a file.
PromptSet read_task(const std::string& source, const TaskOptions& options,
                    const Tokenizer& tokenizer);
/// The same for a model, which needs no tokenizer for a file of token ids.
PromptSet read_task(const std::string& source, const TaskOptions& options, const LanguageModel& lm);
/// kInvalidArgument names the first prompt with an id that the model does not have.
void check_ids(const PromptSet& set, const LanguageModel& lm);

}  // namespace weir::cli
