#include <cstdio>
#include <unistd.h>

#include "apps/cli/command.h"
#include "apps/cli/generation_options.h"
#include "apps/cli/line_reader.h"
#include "apps/cli/verbs.h"
#include "weir/base/error.h"
#include "weir/base/interrupt.h"
#include "weir/base/nearest.h"
#include "weir/text/chat_template.h"

namespace weir::cli {
namespace {

struct ChatVerb {
  ModelOptions model;
  GenerationOptions generation;
  std::string system;
};

constexpr char kCommands[] =
    "/reset forgets the conversation, /exit or Ctrl-D ends it, Ctrl-C stops an answer; a space "
    "before the / makes it a message";

class Chat {
 public:
  Chat(const LanguageModel& lm, const ChatVerb& verb) : lm_(lm), verb_(verb) { reset(); }

  void reset() {
    messages_.clear();
    if (!verb_.system.empty()) messages_.push_back({"system", verb_.system});
  }

  void say(const std::string& message) {
    messages_.push_back({"user", message});
    messages_.push_back({"assistant", answer()});
  }

 private:
  // Prints it as it comes. Ctrl-C stops it where it is; with nobody at a terminal, all.
  std::string answer() {
    // The template spells BOS itself where the model wants it.
    const std::string prompt = apply_chat_template(lm_.tokenizer(), messages_);
    GenerateOptions options = to_generate_options(verb_.generation);
    std::string said;
    options.on_token = [&said](int64_t, int64_t, const std::string& text) {
      print_now(text);
      said += text;
      return !interrupted();
    };
    try {
      said = generate(lm_, {lm_.tokenizer().encode(prompt, false).ids}, options).rows.at(0).text;
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kInterrupted) throw;
    }
    print_now("\n");
    if (isatty(STDIN_FILENO) == 1) forget_ctrl_c();
    throw_if_interrupted();
    return said;
  }

  const LanguageModel& lm_;
  const ChatVerb& verb_;
  std::vector<ChatMessage> messages_;
};

void chat(const ChatVerb& verb) {
  const LanguageModel lm = load(verb.model);
  Chat chat(lm, verb);
  if (isatty(STDIN_FILENO) == 1) print(std::string(kCommands) + ".\n");
  LineReader reader("> ");
  std::string line;
  while (reader.next(line)) {
    if (line == "/exit") break;
    if (line == "/reset") {
      chat.reset();
    } else if (line == "/help") {
      print_now(std::string(kCommands) + ".\n");
    } else if (!line.empty() && line[0] == '/') {
      const std::string near = did_you_mean(line, {"/reset", "/exit", "/help"});
      std::fprintf(stderr, "there is no command '%s'%s (%s)\n", line.c_str(), near.c_str(),
                   kCommands);
    } else if (!line.empty()) {
      chat.say(line);
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
       "model's own chat template. A terminal's line can be edited; the Up key brings back earlier "
       "ones. /reset forgets the conversation, /help lists the commands, /exit or the end of the "
       "input ends it with status 0. Ctrl-C stops an answer; at the prompt, or when a pipe is "
       "read, "
       "it ends the chat with status 130.",
       {"weir chat smollm2-135m --system 'Answer in one sentence.' --temperature 0.7",
        "echo 'What is the capital of France?' | weir chat smollm2-135m --greedy"}});
  add_model_options(verb, options->model);
  add_generation_options(verb, options->generation);
  verb.option("--system", &options->system, "S", "What the model is told first");
  verb.run([options] { chat(*options); });
}

}  // namespace weir::cli
