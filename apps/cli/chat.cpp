#include <cstdio>
#include <unistd.h>

#include "apps/cli/command.h"
#include "apps/cli/generation_options.h"
#include "apps/cli/line_reader.h"
#include "apps/cli/verbs.h"
#include "weir/base/interrupt.h"
#include "weir/text/chat_template.h"

namespace weir::cli {
namespace {

struct ChatVerb {
  ModelOptions model;
  GenerationOptions generation;
  std::string system;
};

std::string answer(const LanguageModel& lm, const std::vector<ChatMessage>& messages,
                   const GenerationOptions& options) {
  // The template spells BOS itself where the model wants it.
  const std::string prompt = apply_chat_template(lm.tokenizer(), messages);
  GenerateOptions generate_options = to_generate_options(options);
  generate_options.on_token = [](int64_t, int64_t, const std::string& text) {
    print_now(text);
    return !interrupted();
  };
  const GenerateResult result =
      generate(lm, {lm.tokenizer().encode(prompt, false).ids}, generate_options);
  print_now("\n");
  throw_if_interrupted();
  return result.rows.at(0).text;
}

void chat(const ChatVerb& verb) {
  const LanguageModel lm = load(verb.model);
  const bool is_terminal = isatty(STDIN_FILENO) == 1;
  std::vector<ChatMessage> messages;
  const auto reset = [&] {
    messages.clear();
    if (!verb.system.empty()) messages.push_back({"system", verb.system});
  };
  reset();
  if (is_terminal) print("/reset forgets the conversation, /exit or Ctrl-D ends it.\n");
  LineReader reader;
  std::string line;
  while (true) {
    if (is_terminal) print_now("> ");
    if (!reader.next(line) || line == "/exit") break;
    if (line == "/reset") {
      reset();
    } else if (!line.empty()) {
      messages.push_back({"user", line});
      messages.push_back({"assistant", answer(lm, messages, verb.generation)});
    }
  }
}

}  // namespace

void add_chat(Verb& weir) {
  auto options = std::make_shared<ChatVerb>();
  Verb& verb = weir.verb(
      Heading::kMake,
      {"chat",
       "talks with an instruction-tuned model",
       "Reads a message a line from the terminal or from a pipe and streams each answer, with the "
       "model's own chat template. /reset forgets the conversation, /exit or the end of the "
       "input ends it with status 0, Ctrl-C with 130.",
       {"weir chat smollm2-135m --system 'Answer in one sentence.' --temperature 0.7",
        "echo 'What is the capital of France?' | weir chat smollm2-135m --greedy"}});
  add_model_options(verb, options->model);
  add_generation_options(verb, options->generation);
  verb.option("--system", &options->system, "S", "What the model is told first");
  verb.run([options] { chat(*options); });
}

}  // namespace weir::cli
