#include "apps/cli/help.h"

#include <algorithm>
#include <sstream>

#include "weir/base/nearest.h"
#include "weir/base/terminal.h"

namespace weir::cli {
namespace {

constexpr char kExamplesMark[] = "\x1f";  // Between description and examples in a footer.
constexpr size_t kIndent = 4, kOptionIndent = 8;

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

bool is_hidden(const CLI::Option& option) { return option.get_group().empty(); }

std::string full_name(const CLI::App* app) {
  if (app->get_parent() == nullptr) return app->get_name();
  return full_name(app->get_parent()) + " " + app->get_name();
}

std::string option_heading(const CLI::Option* option) {
  const bool is_positional = option->get_positional();
  std::string heading =
      is_positional ? option->get_name(true, false) : option->get_name(false, true);
  std::replace(heading.begin(), heading.end(), ',', ' ');
  if (!is_positional && takes_value(*option)) heading += " " + option->get_type_name();
  if (!option->get_default_str().empty() && takes_value(*option)) {
    heading += " (default " + option->get_default_str() + ")";
  }
  return heading;
}

std::string synopsis(const CLI::App* app) {
  std::string out = full_name(app);
  for (const CLI::Option* option : app->get_options()) {
    if (!option->get_positional()) continue;
    const std::string name = option->get_name(true, false);
    out += option->get_required() ? " " + name : " [" + name + "]";
  }
  const bool has_verbs = !app->get_subcommands({}).empty();
  return out + (has_verbs ? " VERB ..." : " [OPTION]...");
}

std::string verbs(const CLI::App* app, size_t width) {
  const std::vector<const CLI::App*> all = app->get_subcommands({});
  if (all.empty()) return "";
  std::string out = "\nVERBS\n";
  for (const CLI::App* verb : all) {
    const std::string text = wrapped(verb->get_description(), kIndent + 12, width);
    std::string name = std::string(kIndent, ' ') + verb->get_name();
    name.resize(std::max<size_t>(kIndent + 12, name.size() + 1), ' ');
    out += name + text.substr(std::min(text.size(), kIndent + 12));
  }
  return out + "\n    weir VERB --help says more of each.\n";
}

std::string options(const CLI::App* app, size_t width) {
  std::string out = "\nOPTIONS\n";
  for (const CLI::Option* option : app->get_options()) {
    if (is_hidden(*option)) continue;
    out += std::string(kIndent, ' ') + option_heading(option) + "\n" +
           wrapped(option->get_description(), kOptionIndent, width);
  }
  return out;
}

}  // namespace

std::string manual_footer(const std::string& description,
                          const std::vector<std::string>& examples) {
  std::string out = description + kExamplesMark;
  for (const std::string& example : examples) out += "    " + example + "\n";
  return out;
}

std::string ManualFormatter::make_help(const CLI::App* app, std::string /*name*/,
                                       CLI::AppFormatMode /*mode*/) const {
  const size_t width = std::min(terminal_width(), 100);
  const std::string footer = app->get_footer();
  const size_t mark = footer.find(kExamplesMark);
  const std::string description = footer.substr(0, mark);
  const std::string examples = mark == std::string::npos ? "" : footer.substr(mark + 1);
  std::string out =
      "NAME\n" + wrapped(full_name(app) + " - " + app->get_description(), kIndent, width);
  out += "\nSYNOPSIS\n" + wrapped(synopsis(app), kIndent, width);
  if (!description.empty()) out += "\nDESCRIPTION\n" + wrapped(description, kIndent, width);
  out += verbs(app, width) + options(app, width);
  if (!examples.empty()) out += "\nEXAMPLES\n" + examples;
  return out;
}

bool takes_value(const CLI::Option& option) { return option.get_expected_max() != 0; }

std::vector<std::string> long_options(const CLI::App& verb) {
  std::vector<std::string> names;
  for (const CLI::Option* option : verb.get_options()) {
    if (is_hidden(*option)) continue;
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

std::string usage_error(const CLI::App& app, const std::string& message) {
  const CLI::App* verb = &app;
  while (!verb->get_subcommands().empty()) verb = verb->get_subcommands().front();
  std::string line = message;
  std::replace(line.begin(), line.end(), '\n', ' ');
  std::vector<std::string> known;
  for (const CLI::App* child : verb->get_subcommands({})) known.push_back(child->get_name());
  for (const std::string& name : long_options(*verb)) known.push_back(name);
  const std::vector<std::string> left = verb->remaining();
  const bool lacks_verb = !verb->get_subcommands({}).empty();
  if (lacks_verb && !left.empty() && left[0][0] != '-') {
    line = "there is no verb '" + left[0] + "'" + did_you_mean(left[0], known);
  } else if (!left.empty() && left[0][0] == '-') {
    line += did_you_mean(left[0], known);
  }
  return line + " (see " + full_name(verb) + " --help)";
}

}  // namespace weir::cli
