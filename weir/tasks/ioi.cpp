#include <algorithm>
#include <map>

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
    "As soon as [A] and [B] reached the [P], [S] showed a [O] to",
    "Before [A] and [B] said goodbye at the [P], [S] offered a [O] to",
    "On the way to the [P], [A] and [B] found a [O]. After a while, [S] handed it to",
    "Last week, [A] and [B] worked at the [P]. In the end, [S] promised a [O] to",
    "Since [A] and [B] had some time at the [P], [S] brought a [O] to",
    "In the morning, [A] and [B] opened the [P]. Soon after, [S] sent a [O] to",
    "Although [A] and [B] were tired of the [P], [S] still bought a [O] for",
    "Once [A] and [B] had tidied up the [P], [S] returned a [O] to"};
// The two names in different clauses: IO early or late, whichever order is filled in. None begins
// with a name, which would be another token there.
const std::vector<std::string> kSpreadTemplates = {
    "That day, [A] was sitting in the [P] when [B] came in. A little later, [S] gave a [O] to",
    "All day long, [A] had been at the [P] before [B] arrived. In the evening, [S] handed a [O] to",
    "At the [P], [A] was waiting for a friend, and at last [B] turned up. Then [S] passed a [O] to",
    "Outside the [P], [A] opened the door and saw [B] standing there. Without a word, [S] showed a "
    "[O] to",
    "Last year, [A] wrote a long letter, and [B] came to the [P] to answer it. Before noon, [S] "
    "offered a [O] to",
    "At noon, [A] left the [P] early, but on the road there was [B]. Smiling, [S] lent a [O] to",
    "On Monday, [A] called from the [P] to ask how [B] was. The next day, [S] brought a [O] to",
    "Once, [A] lost the way to the [P] until [B] pointed at it. In return, [S] sold a [O] to"};
// What stands before the prompts of the variant "long".
const std::vector<std::string> kOpenings = {
    "It had been raining since early in the morning, and hardly anybody was out in the streets. ",
    "Summer was nearly over, the days had become shorter, and the leaves were turning yellow. ",
    "Nothing much ever happened in the little town, and most people there liked it that way. ",
    "The train was late again, so there was plenty of time to look at the old pictures. "};
const std::vector<std::string> kNames = {
    "Mary",    "John",     "Tom",       "James",    "Dan",     "Sarah",   "Michael", "David",
    "Robert",  "William",  "Richard",   "Joseph",   "Thomas",  "Charles", "Daniel",  "Matthew",
    "Anthony", "Mark",     "Paul",      "Steven",   "Andrew",  "Kenneth", "George",  "Kevin",
    "Brian",   "Edward",   "Jason",     "Jeff",     "Ryan",    "Jacob",   "Eric",    "Adam",
    "Peter",   "Henry",    "Jack",      "Simon",    "Alice",   "Emma",    "Laura",   "Anna",
    "Emily",   "Lisa",     "Karen",     "Susan",    "Helen",   "Rachel",  "Amy",     "Kate",
    "Julia",   "Linda",    "Elizabeth", "Jennifer", "Jessica", "Rose",    "Aaron",   "Alan",
    "Albert",  "Alex",     "Amanda",    "Andrea",   "Angela",  "Arthur",  "Ben",     "Bruce",
    "Carl",    "Caroline", "Chris",     "Claire",   "Clark",   "Connor",  "Dean",    "Diana",
    "Donald",  "Eva",      "Frank",     "Fred",     "Gary",    "Grant",   "Harry",   "Ian",
    "Ivan",    "Jane",     "Jim",       "Joe",      "Jordan",  "Justin",  "Kelly",   "Ken",
    "Lewis",   "Louis",    "Lucy",      "Maria",    "Martin",  "Max",     "Nick",    "Oliver",
    "Patrick", "Philip",   "Ruth"};
const std::vector<std::string> kPlaces = {"store",    "garden", "restaurant", "school",
                                          "hospital", "office", "house",      "station"};
const std::vector<std::string> kObjects = {"ring",     "kiss",     "bone",  "basketball",
                                           "computer", "necklace", "drink", "snack"};

struct Words {
  std::string a, b, s, place, object;
};

/// Adds what stands between two slots; the first word after S1 is a part of its own.
void add_between(PromptText& prompt, const std::string& text, const std::string& before) {
  const size_t end = before == "s1" ? text.find_first_of(" ,.", 1) : 0;
  if (end > 0) prompt.add(text.substr(0, end), "s1_next");
  if (end < text.size()) prompt.add(text.substr(end));
}

/// `role_a`, `role_b`: the part that [A] and [B] are. [S] is "s2".
PromptText filled(const std::string& form, const Words& words, const std::string& role_a,
                  const std::string& role_b) {
  const std::map<char, std::pair<std::string, std::string>> slots = {
      {'A', {words.a, role_a}},
      {'B', {words.b, role_b}},
      {'S', {words.s, "s2"}},
      {'P', {words.place, "place"}},
      {'O', {words.object, "object"}}};
  PromptText prompt;
  std::string before;  // The part that stands last.
  for (size_t at = 0; at < form.size();) {
    const size_t open = std::min(form.find('[', at), form.size());
    if (open > at) add_between(prompt, form.substr(at, open - at), before);
    if (open == form.size()) break;
    const auto& [word, part] = slots.at(form[open + 1]);
    prompt.add(word, part);
    before = part;
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
    const bool is_early = options.variant == "early-io", is_late = options.variant == "late-io";
    std::string form = options.variant == "one-template"
                           ? kTemplates.front()
                           : draw.pick(is_early || is_late ? kSpreadTemplates : kTemplates);
    if (options.variant == "long") form = draw.pick(kOpenings) + form;
    const auto people = draw.pick(names, 5);  // IO, S, and three for the partner
    const bool abba = is_early || options.variant == "abba" ||
                      (!is_late && options.variant != "baba" && draw.below(2) == 0);
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
    } else if (options.corruption == "random-s1") {
      prompt.corruptions = {{sentence(people[0], people[2], people[1]), " " + people[0]}};
    } else if (options.corruption == "random-io") {
      prompt.corruptions = {{sentence(people[2], people[1], people[1]), " " + people[2]}};
    } else if (options.corruption == "swap") {  // The two names of the first clause change places.
      prompt.corruptions = {{sentence(people[1], people[0], people[1]), " " + people[0]}};
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
