#include "weir/base/error.h"
#include "weir/tasks/task.h"

namespace weir {
namespace {

const std::vector<std::string> kThings = {"pencil", "notebook", "pen",  "cup",    "plate",
                                          "jug",    "mug",      "ball", "bottle", "bowl"};
const std::vector<std::string> kColours = {"red",   "blue", "green", "black",  "white",
                                           "brown", "pink", "gray",  "yellow", "purple"};

PromptText sentence(const std::vector<std::string>& things, const std::vector<std::string>& colours,
                    size_t asked) {
  PromptText prompt;
  prompt.add("On the table, there is");
  for (size_t i = 0; i < things.size(); ++i) {
    prompt.add(i == 0 ? " a " : i + 1 == things.size() ? ", and a " : ", a ");
    prompt.add(colours[i], i == asked ? "colour" : "colour" + std::to_string(i));
    prompt.add(" ").add(things[i], i == asked ? "object" : "object" + std::to_string(i));
  }
  return prompt.add(". What color is the ").add(things[asked], "subject").add("? It is");
}

}  // namespace

// "Reasoning about colored objects" of BIG-bench, with three things; the partner asks for another.
std::vector<TextPrompt> colored_objects_prompts(const TaskOptions& options,
                                                const Tokenizer& tokenizer, Draw& draw) {
  const auto colours = single_tokens(tokenizer, kColours),
             things = single_tokens(tokenizer, kThings);
  require(colours.size() >= 3 && things.size() >= 3,
          "colored-objects: expected three colours and things of one token, found {} and {}",
          colours.size(), things.size());
  std::vector<TextPrompt> prompts;
  for (int64_t n = 0; n < options.n; ++n) {
    const auto mine = draw.pick(things, 3), painted = draw.pick(colours, 3);
    const size_t asked = draw.below(3);
    TextPrompt prompt;
    prompt.clean = sentence(mine, painted, asked);
    prompt.answer = " " + painted[asked];
    for (const size_t other : {(asked + 1) % 3, (asked + 2) % 3}) {
      prompt.corruptions.push_back({sentence(mine, painted, other), " " + painted[other]});
    }
    prompt.groups = {{"place", std::to_string(asked)}};
    prompts.push_back(std::move(prompt));
  }
  return prompts;
}

}  // namespace weir
