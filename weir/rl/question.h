#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "weir/rl/tasks/problem.h"
#include "weir/rl/verify/verifier.h"
#include "weir/text/tokenizer.h"
#include "weir/train/recipe.h"

namespace weir::rl {

/// A task as a model meets it: problems, how they are asked, what ends an answer, how it is judged.
///
///   task.kind     one of made_kinds() with task.level (1); or gsm8k, math with
///   task.train, task.test      files (read_problems)
///   task.test_share            kept back of what has no test file (0.2)
///   task.format   "raw" (shots, then the question) or "chat" (the model's own template, the
///                 question as a user would ask it)
///   task.template of files in the raw format: "{question}" stands for the question
///   task.stop     what ends an answer; unset: as the task says, for raw prompts
///   verifier.*    other than the task's own (verify/verifier.h)
struct Task {
  std::shared_ptr<const ProblemSource> problems;
  std::shared_ptr<Verifier> verifier;
  std::vector<std::string> stop;
  std::string name;  ///< "addition, level 1"
  bool is_chat = false;
  std::string text_template;
};
Task read_task(Recipe& recipe);

/// Ids of the prompt that asks a problem.
std::vector<int64_t> prompt_of(const Task& task, const Problem& problem,
                               const Tokenizer& tokenizer);

}  // namespace weir::rl
