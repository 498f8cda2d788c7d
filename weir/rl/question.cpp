#include "weir/rl/question.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "weir/base/error.h"
#include "weir/base/log.h"
#include "weir/text/chat_template.h"

namespace weir::rl {
namespace {

std::string only_path(Recipe& recipe, const std::string& key) {
  const auto paths = recipe.paths(key);
  return paths.empty() ? "" : paths[0].string();
}

}  // namespace

Task read_task(Recipe& recipe) {
  Task task;
  const std::string kind = recipe.text("task.kind", "addition");
  const double test_share = recipe.number("task.test_share", 0.2, 0, 1);
  task.name = kind;
  if (kind == "gsm8k" || kind == "math") {
    const std::string train = only_path(recipe, "task.train");
    require(!train.empty(), "{}: expected task.train, a file of {} problems", recipe.name(), kind);
    int64_t n_dropped = 0;
    task.problems =
        read_problems(kind, train, only_path(recipe, "task.test"), test_share, &n_dropped);
    if (n_dropped > 0)
      log::info("{}: {} training problems are test problems too", train, n_dropped);
    recipe.leave("task.level");
  } else {
    const int64_t level = recipe.integer("task.level", 1, 1);
    task.problems = made_problems(kind, level, test_share);
    task.name += fmt::format(", level {}", level);
    for (const char* key : {"task.train", "task.test"}) recipe.leave(key);
  }
  const std::string format = recipe.text("task.format", "raw");
  require(format == "raw" || format == "chat", "{}: task.format: expected raw or chat, found '{}'",
          recipe.name(), format);
  task.is_chat = format == "chat";
  task.text_template = recipe.text("task.template", "");
  std::vector<std::string> stop;
  if (!task.is_chat && !task.problems->answer_end().empty()) stop = {task.problems->answer_end()};
  task.stop = recipe.texts("task.stop", stop);
  nlohmann::json verifier = recipe.table("verifier");
  if (!verifier.contains("kind")) {
    nlohmann::json own = task.problems->verifier();
    // What a chat model says before its answer may hold numbers too.
    if (task.is_chat && own["kind"] == "numeric") own = {{"kind", "integer"}};
    own.update(verifier);
    verifier = own;
  }
  task.verifier = make_verifier(verifier);
  return task;
}

std::vector<int64_t> prompt_of(const Task& task, const Problem& problem,
                               const Tokenizer& tokenizer) {
  if (task.is_chat) {
    const std::string text = apply_chat_template(tokenizer, {{"user", problem.spoken}});
    return tokenizer.encode(text, /*add_special=*/false).ids;
  }
  std::string text = task.text_template;
  const size_t place = text.find("{question}");
  if (place != std::string::npos) {
    text.replace(place, 10, problem.spoken);
  } else {
    text = raw_prompt(task.problems->shots(), problem, task.problems->answer_end());
  }
  return tokenizer.encode(text).ids;
}

}  // namespace weir::rl
