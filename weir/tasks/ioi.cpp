#include "weir/base/error.h"
#include "weir/tasks/task.h"

namespace weir {
namespace {

// The slots of Wang et al. 2022 (2211.00593): [A] and [B] meet, [S], one of them, acts towards the
// other. The sentences are our own.
const std::vector<std::string> kTemplates = {
    "When [A] and [B] went to the [P], [S] gave a [O] to",
    "Then, [A] and [B] had a long talk at the [P]. Afterwards, [S] handed a [O] to",
    "After [A] and [B] left the [P], [S] decided to give a [O] to",
    "While [A] and [B] were walking to the [P], [S] passed a [O] to",
    "Yesterday, [A] and [B] met at the [P], and [S] sold a [O] to",
    "Because [A] and [B] were late for the [P], [S] lent a [O] to",
    "The friends [A] and [B] found a [O] at the [P]. Later, [S] gave it to",
    "As soon as [A] and [B] reached the [P], [S] showed a [O] to"};
const std::vector<std::string> kNames = {
    "Mary",    "John",    "Tom",       "James",    "Dan",     "Sarah",   "Michael", "David",
    "Robert",  "William", "Richard",   "Joseph",   "Thomas",  "Charles", "Daniel",  "Matthew",
    "Anthony", "Mark",    "Paul",      "Steven",   "Andrew",  "Kenneth", "George",  "Kevin",
    "Brian",   "Edward",  "Jason",     "Jeff",     "Ryan",    "Jacob",   "Eric",    "Adam",
    "Peter",   "Henry",   "Jack",      "Simon",    "Alice",   "Emma",    "Laura",   "Anna",
    "Emily",   "Lisa",    "Karen",     "Susan",    "Helen",   "Rachel",  "Amy",     "Kate",
    "Julia",   "Linda",   "Elizabeth", "Jennifer", "Jessica", "Rose"};
const std::vector<std::string> kPlaces = {"store",    "garden", "restaurant", "school",
                                          "hospital", "office", "house",      "station"};
const std::vector<std::string> kObjects = {"ring",     "kiss",     "bone",  "basketball",
                                           "computer", "necklace", "drink", "snack"};

struct Words {
  std::string a, b, s, place, object;
};

/// `roles`: the part that [A], [B] and [S] are.
PromptText filled(const std::string& form, const Words& words, const std::string& role_a,
                  const std::string& role_b) {
  PromptText prompt;
  for (size_t at = 0; at < form.size();) {
    const size_t open = form.find('[', at);
    prompt.add(form.substr(at, open - at));
    if (open == std::string::npos) break;
    switch (form[open + 1]) {
      case 'A':
        prompt.add(words.a, role_a);
        break;
      case 'B':
        prompt.add(words.b, role_b);
        break;
      case 'S':
        prompt.add(words.s, "s2");
        break;
      case 'P':
        prompt.add(words.place, "place");
        break;
      default:
        prompt.add(words.object, "object");
    }
    at = open + 3;
  }
  return prompt;
}

}  // namespace

std::vector<TextPrompt> ioi_prompts(const TaskOptions& options, const Tokenizer& tokenizer,
                                    Draw& draw) {
  const std::vector<std::string> names = single_tokens(tokenizer, kNames);
  require(names.size() >= 8, "ioi: expected at least 8 names of one token, found {}", names.size());
  std::vector<TextPrompt> prompts;
  for (int64_t n = 0; n < options.n; ++n) {
    const bool is_one = options.variant == "one-template";
    const std::string& form = is_one ? kTemplates.front() : draw.pick(kTemplates);
    const auto people = draw.pick(names, 5);  // IO, S, and three for the partner
    const bool abba =
        options.variant == "abba" || (options.variant != "baba" && draw.below(2) == 0);
    const std::string place = draw.pick(kPlaces), object = draw.pick(kObjects);
    const auto sentence = [&](const std::string& io, const std::string& s1, const std::string& s2) {
      return abba ? filled(form, {io, s1, s2, place, object}, "io", "s1")
                  : filled(form, {s1, io, s2, place, object}, "s1", "io");
    };
    TextPrompt prompt;
    prompt.clean = sentence(people[0], people[1], people[1]);
    prompt.answer = " " + people[0];
    prompt.wrong = " " + people[1];
    if (options.corruption == "flip") {
      prompt.corruptions = {{sentence(people[0], people[1], people[0]), " " + people[1]}};
    } else if (options.corruption == "random-s2") {
      prompt.corruptions = {{sentence(people[0], people[1], people[2]), " " + people[0]}};
    } else {
      prompt.corruptions = {{sentence(people[2], people[3], people[4]), " " + people[2]}};
    }
    prompt.labels = {{"io", prompt.answer}, {"s", prompt.wrong}};
    prompt.groups = {{"order", abba ? "ABBA" : "BABA"}, {"template", form}};
    prompts.push_back(std::move(prompt));
  }
  return prompts;
}

}  // namespace weir
