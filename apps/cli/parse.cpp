#include "apps/cli/parse.h"

#include <algorithm>
#include <map>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "weir/base/nearest.h"

// CLI11 tells options, values and arguments apart; what they mean and what is said of a wrong one
// is ours, so that every verb speaks in one voice.
namespace weir::cli {
namespace {

using Words = std::vector<std::string>;

bool holds(const Words& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

Words verb_names(const Verb& group) {
  Words names;
  for (const auto& verb : group.verbs()) {
    if (!verb->is_hidden()) names.push_back(verb->text().name);
  }
  return names;
}

[[noreturn]] void refuse_option(const Verb& verb, const std::string& word) {
  const std::string name = word.substr(0, word.find('='));
  throw UsageError("there is no option '" + name + "'" + did_you_mean(name, verb.option_names()));
}

Wanted parse_group(const VerbCall& call) {
  const std::string word = call.words.empty() ? "" : call.words[0];
  if (word == "--help" || word == "-h") return Wanted::kHelp;
  const Words names = verb_names(*call.verb);
  require_usage(!word.empty(), fmt::format("expected a verb: {}", fmt::join(names, ", ")));
  if (word[0] == '-') refuse_option(*call.verb, word);
  throw UsageError("there is no verb '" + word + "'" + did_you_mean(word, names));
}

void require_value(bool has_value, const VerbOption& option, const std::string& after = "") {
  const std::string found = after.empty() ? "nothing after it" : "'" + after + "'";
  require_usage(has_value,
                fmt::format("{}: expected {}, found {}", option.name,
                            option.value.empty() ? "a value" : "a value " + option.value, found));
}

// CLI11 takes the next word whatever it is, also that of an empty "--name=".
void require_values(const Verb& verb, const Words& words) {
  for (const VerbOption& option : verb.options()) {
    if (option.is_argument() || option.is_flag()) continue;
    const auto end = std::find(words.begin(), words.end(), "--");
    for (auto word = words.begin(); word != end; ++word) {
      require_usage(*word != option.name + "=", option.name + ": expected a value after '='");
      if (*word != option.name) continue;
      const auto next = std::next(word);
      require_value(next != words.end(), option);
      require_value(!holds(verb.option_names(), *next), option, *next);
    }
  }
}

void take(const VerbOption& option, const Words& values) {
  require_usage(option.repeats || values.size() <= 1,
                fmt::format("{}: expected once, found {} times", option.name, values.size()));
  for (const std::string& value : values) {
    require_usage(!option.is_flag() || value == "true",
                  fmt::format("{}: expected no value, found '{}'", option.name, value));
    try {
      option.take(value);
    } catch (const UsageError& error) {
      throw UsageError(option.name + ": " + error.what());
    }
  }
}

CLI::Option* add(CLI::App& app, const VerbOption& option) {
  if (option.is_flag()) return app.add_flag(option.name);
  CLI::Option* added =
      app.add_option(option.name)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  const bool takes_all = option.is_argument() && option.repeats;
  return takes_all ? added->expected(-1) : added->allow_extra_args(false);
}

}  // namespace

VerbCall find_verb(const Verb& weir, const Words& words) {
  VerbCall call{&weir, words};
  while (!call.words.empty()) {
    const auto& verbs = call.verb->verbs();
    const auto found = std::find_if(verbs.begin(), verbs.end(), [&](const auto& verb) {
      return verb->text().name == call.words[0];
    });
    if (found == verbs.end()) break;
    call.verb = found->get();
    call.words.erase(call.words.begin());
  }
  return call;
}

Wanted parse(const VerbCall& call) {
  const Verb& verb = *call.verb;
  if (verb.is_top() && !call.words.empty() && call.words[0] == "--version") {
    return Wanted::kVersion;
  }
  if (verb.is_group() && !verb.does_work()) return parse_group(call);
  require_values(verb, call.words);
  CLI::App app;
  app.set_help_flag("-h,--help");
  app.allow_extras();
  std::vector<CLI::Option*> parsed;
  for (const VerbOption& option : verb.options()) parsed.push_back(add(app, option));
  try {
    app.parse(Words(call.words.rbegin(), call.words.rend()));
  } catch (const CLI::CallForHelp&) {
    return Wanted::kHelp;
  } catch (const CLI::ParseError& error) {  // All that can be foreseen was checked before.
    throw UsageError(error.what());
  }
  for (const std::string& word : app.remaining()) {
    if (word == "--") continue;
    if (word[0] == '-' && word.size() > 1) refuse_option(verb, word);
    throw UsageError(fmt::format("'{}' is one argument too many", word));
  }
  for (size_t i = 0; i < parsed.size(); ++i) take(verb.options()[i], parsed[i]->results());
  for (size_t i = 0; i < parsed.size(); ++i) {
    const VerbOption& option = verb.options()[i];
    require_usage(!option.is_required || parsed[i]->count() > 0, "expected " + option.name);
  }
  return Wanted::kWork;
}

}  // namespace weir::cli
