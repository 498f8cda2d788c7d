#include "apps/cli/help.h"

#include <algorithm>
#include <sstream>
#include <utility>

#include "weir/base/terminal.h"

namespace weir::cli {
namespace {

constexpr size_t kIndent = 4, kOptionIndent = 8, kNameColumns = 12;

// Words of `text` in lines of at most `width` columns, each after `indent` spaces.
std::string wrapped(const std::string& text, size_t indent, size_t width) {
  std::istringstream words(text);
  std::string out, line, word;
  while (words >> word) {
    if (!line.empty() && indent + line.size() + 1 + word.size() > width) {
      out += std::string(indent, ' ') + line + "\n";
      line.clear();
    }
    line += (line.empty() ? "" : " ") + word;
  }
  return line.empty() ? out : out + std::string(indent, ' ') + line + "\n";
}

std::string synopsis(const Verb& verb) {
  std::string out = verb.full_name();
  for (const VerbOption& option : verb.options()) {
    if (!option.is_argument()) continue;
    const std::string name = option.name + (option.repeats ? "..." : "");
    out += option.is_required ? " " + name : " [" + name + "]";
  }
  if (verb.does_work()) out += " [OPTION]...";
  if (verb.is_group())
    out += verb.does_work() ? ", " + verb.full_name() + " VERB ..." : " VERB ...";
  return out;
}

std::string verb_lines(const Verb& group, Heading heading, size_t width) {
  std::string out;
  for (const auto& verb : group.verbs()) {
    if (verb->is_hidden() || verb->heading() != heading) continue;
    const std::string text = wrapped(verb->text().summary, kIndent + kNameColumns, width);
    std::string name = std::string(kIndent, ' ') + verb->text().name;
    name.resize(std::max(kIndent + kNameColumns, name.size() + 1), ' ');
    out += name + text.substr(std::min(text.size(), kIndent + kNameColumns));
  }
  return out;
}

// The command's own verbs under three headings; those of a group are few, and stand under one.
std::string verbs(const Verb& group, size_t width) {
  if (!group.is_group()) return "";
  std::string out = "\nVERBS\n";
  const std::pair<Heading, const char*> headings[] = {
      {Heading::kLook, "LOOK at what a model holds and computes"},
      {Heading::kChange, "CHANGE what it computes"},
      {Heading::kMake, "MAKE text, models and scripts"}};
  for (const auto& [heading, title] : headings) {
    const std::string lines = verb_lines(group, heading, width);
    if (lines.empty()) continue;
    out += (group.is_top() ? std::string("\n  ") + title + "\n" : "") + lines;
  }
  return out + "\n    " + group.full_name() + " VERB --help says more of each.\n";
}

std::string option_lines(const std::string& heading, const std::string& help, size_t width) {
  return std::string(kIndent, ' ') + heading + "\n" + wrapped(help, kOptionIndent, width);
}

std::string options(const Verb& verb, size_t width) {
  std::string out = "\nOPTIONS\n" + option_lines("-h --help", "Print this text", width);
  if (verb.is_top()) out += option_lines("--version", "Print the version", width);
  for (const VerbOption& option : verb.options()) {
    if (option.is_hidden()) continue;
    std::string heading = option.name + (option.value.empty() ? "" : " " + option.value);
    if (!option.initial.empty()) heading += " (default " + option.initial + ")";
    out += option_lines(heading, option.help, width);
  }
  return out;
}

}  // namespace

std::string manual(const Verb& verb) {
  const size_t width = std::min(terminal_width(), 100);
  const VerbText& text = verb.text();
  std::string out = "NAME\n" + wrapped(verb.full_name() + " - " + text.summary, kIndent, width);
  out += "\nSYNOPSIS\n" + wrapped(synopsis(verb), kIndent, width);
  if (!text.description.empty()) {
    out += "\nDESCRIPTION\n" + wrapped(text.description, kIndent, width);
  }
  out += verbs(verb, width) + options(verb, width);
  if (!text.examples.empty()) out += "\nEXAMPLES\n";
  for (const std::string& example : text.examples) out += "    " + example + "\n";
  return out;
}

}  // namespace weir::cli
