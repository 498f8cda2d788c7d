#include "weir/base/error.h"
#include "weir/tasks/task.h"

namespace weir {
namespace {

const std::vector<std::string> kThings = {
    "pencil", "notebook", "pen",    "cup",    "plate",  "jug",    "mug",    "puzzle", "ball",
    "bottle", "bowl",     "book",   "knife",  "lamp",   "chair",  "shirt",  "hat",    "coat",
    "shoe",   "key",      "phone",  "watch",  "coin",   "ring",   "card",   "box",    "bag",
    "bell",   "brush",    "candle", "clock",  "comb",   "fan",    "flag",   "fork",   "glass",
    "hammer", "kite",     "map",    "mirror", "needle", "pillow", "pot",    "radio",  "rope",
    "soap",   "spoon",    "stamp",  "stone",  "sword",  "table",  "towel",  "toy",    "wheel",
    "basket", "blanket",  "bread",  "camera", "carpet", "drum",   "guitar", "ladder", "letter"};
const std::vector<std::string> kOrdinals = {
    "first",     "second",    "third",       "fourth",     "fifth",      "sixth",      "seventh",
    "eighth",    "ninth",     "tenth",       "eleventh",   "twelfth",    "thirteenth", "fourteenth",
    "fifteenth", "sixteenth", "seventeenth", "eighteenth", "nineteenth", "twentieth"};

std::string enumeration_mark(size_t i, size_t n, const std::string& article) {
  if (i == 0) return " " + article + " ";
  return (i + 1 == n ? " and " : ", ") + article + " ";
}

void add_items(PromptText& prompt, const std::vector<std::string>& items, size_t target) {
  for (size_t i = 0; i < items.size(); ++i) {
    prompt.add(enumeration_mark(i, items.size(), "a"));
    prompt.add(items[i], i == target ? "target" : "item" + std::to_string(i));
  }
}

/// "odd": all but one are named again, in another order.
PromptText odd_one_out(const std::vector<std::string>& items, size_t target,
                       const std::vector<size_t>& order) {
  PromptText prompt;
  prompt.add("I have");
  add_items(prompt, items, target);
  prompt.add(". I gave away");
  size_t said = 0;
  for (const size_t i : order) {
    if (i == target) continue;
    prompt.add(enumeration_mark(said++, items.size() - 1, "the")).add(items[i]);
  }
  return prompt.add(". Now I only have the");
}

PromptText by_position(const std::vector<std::string>& items, size_t target) {
  PromptText prompt;
  prompt.add("The list has");
  add_items(prompt, items, target);
  return prompt.add(". The " + kOrdinals[target] + " item on the list is the");
}

}  // namespace

// Merullo et al. 2024 (2406.09519) name the task; its sentences were not to be had, these are ours.
std::vector<TextPrompt> laundry_list_prompts(const TaskOptions& options, const Tokenizer& tokenizer,
                                             Draw& draw) {
  const size_t dash = options.variant.find('-');
  const bool is_odd = options.variant.substr(0, dash) == "odd";
  const size_t n_items = std::stoul(options.variant.substr(dash + 1));
  const auto things = single_tokens(tokenizer, kThings);
  require(things.size() >= n_items, "laundry-list: expected {} things of one token, found {}",
          n_items, things.size());
  std::vector<TextPrompt> prompts;
  for (int64_t n = 0; n < options.n; ++n) {
    const auto items = draw.pick(things, n_items);
    const auto target = static_cast<size_t>(n) % n_items;  // Every place equally often.
    std::vector<size_t> order;
    for (size_t i = 0; i < n_items; ++i) order.push_back(i);
    draw.shuffle(order);
    const auto sentence = [&](size_t of) {
      return is_odd ? odd_one_out(items, of, order) : by_position(items, of);
    };
    TextPrompt prompt;
    prompt.clean = sentence(target);
    prompt.answer = " " + items[target];
    for (const size_t other : order) {
      if (other != target) prompt.corruptions.push_back({sentence(other), " " + items[other]});
    }
    prompt.groups = {{"place", std::to_string(target)}, {"items", std::to_string(n_items)}};
    prompts.push_back(std::move(prompt));
  }
  return prompts;
}

}  // namespace weir
