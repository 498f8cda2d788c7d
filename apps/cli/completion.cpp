#include <CLI/CLI.hpp>

#include "apps/cli/command.h"
#include "apps/cli/help.h"
#include "apps/cli/verbs.h"
#include "weir/base/error.h"

namespace weir::cli {
namespace {

// Where a TAB finds model names: without starting the command again.
constexpr char kModelNames[] =
    "$(ls \"${WEIR_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/weir}/models\" 2>/dev/null)";

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : " ") + word;
  return out;
}

std::string child_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* child : app.get_subcommands({})) names.push_back(child->get_name());
  return joined(names);
}

// Sets `words` and `is_verb` for what stands at word `depth` of the line or after it.
std::string bash_case(const CLI::App& app, int depth) {
  const std::string pad(static_cast<size_t>(depth) * 2, ' '), place = std::to_string(depth);
  std::string out = pad + "if [[ $COMP_CWORD -eq " + place + " ]]; then\n" + pad + "  words=\"" +
                    child_names(app) + " " + joined(long_options(app)) + "\" is_verb=1\n" + pad +
                    "else\n" + pad + "  case \"${COMP_WORDS[" + place + "]}\" in\n";
  for (const CLI::App* verb : app.get_subcommands({})) {
    out += pad + "  " + verb->get_name() + ")";
    out += verb->get_subcommands({}).empty() ? " words=\"" + joined(long_options(*verb)) + "\" ;;\n"
                                             : "\n" + bash_case(*verb, depth + 1) + pad + "  ;;\n";
  }
  return out + pad + "  esac\n" + pad + "fi\n";
}

std::string bash_script(const CLI::App& app) {
  return "_weir() {\n"
         "  local cur=${COMP_WORDS[COMP_CWORD]} words=\"\" is_verb=\"\"\n" +
         bash_case(app, 1) +
         "  if [[ -n $is_verb || $cur == -* ]]; then\n"
         "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
         "  else\n"
         "    compopt -o filenames 2>/dev/null\n"
         "    mapfile -t COMPREPLY < <(compgen -W \"" +
         std::string(kModelNames) +
         "\" -- \"$cur\"; compgen -f -- \"$cur\")\n"
         "  fi\n"
         "}\n"
         "complete -F _weir weir\n";
}

// Text inside a single-quoted zsh specification.
std::string zsh_text(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\'') {
      out += "'\\''";
    } else if (c == '[' || c == ']' || c == ':') {
      out += std::string("\\") + c;
    } else {
      out += c;
    }
  }
  return out;
}

std::string zsh_options(const CLI::App& verb) {
  std::string out = "_arguments";
  for (const CLI::Option* option : verb.get_options()) {
    if (option->get_group().empty()) continue;
    for (const std::string& name : option->get_lnames()) {
      out += " '--" + name + "[" + zsh_text(option->get_description()) + "]";
      if (takes_value(*option)) out += ":" + zsh_text(option->get_type_name()) + ":_files";
      out += "'";
    }
  }
  return out + " '*:argument:_weir_argument'";
}

// Completes a verb of `app`, then goes on to what follows it. _arguments drops the words before.
std::string zsh_verbs(const CLI::App& app) {
  std::string out = "  verbs=(";
  for (const CLI::App* verb : app.get_subcommands({})) {
    out += "\n    '" + verb->get_name() + ":" + zsh_text(verb->get_description()) + "'";
  }
  out +=
      ")\n"
      "  state=\n"
      "  _arguments -C '1:verb:->verb' '*::argument:->rest'\n"
      "  case $state in\n"
      "  verb) _describe verb verbs ;;\n"
      "  rest)\n"
      "    case $words[1] in\n";
  for (const CLI::App* verb : app.get_subcommands({})) {
    const bool is_leaf = verb->get_subcommands({}).empty();
    out += "    " + verb->get_name() + ")\n" +
           (is_leaf ? "      " + zsh_options(*verb) + "\n" : zsh_verbs(*verb)) + "      ;;\n";
  }
  return out + "    esac ;;\n  esac\n";
}

// An autoloaded file is the function itself, called the first time it is read; a sourced one only
// announces it.
std::string zsh_script(const CLI::App& app) {
  return "#compdef weir\n"
         "_weir_argument() {\n"
         "  local -a models\n"
         "  models=(${(f)\"" +
         std::string(kModelNames) +
         "\"})\n"
         "  (( $#models )) && compadd -a models\n"
         "  _files\n"
         "}\n"
         "_weir() {\n"
         "  local curcontext=\"$curcontext\" context state state_descr line\n"
         "  local -A opt_args\n"
         "  local -a verbs\n" +
         zsh_verbs(app) +
         "}\n"
         "if [ \"$funcstack[1]\" = \"_weir\" ]; then\n"
         "  _weir \"$@\"\n"
         "else\n"
         "  compdef _weir weir\n"
         "fi\n";
}

}  // namespace

void add_completion(CLI::App& app) {
  auto shell = std::make_shared<std::string>();
  CLI::App* command = add_verb(
      app, {"completion",
            "prints a completion script for bash or zsh",
            "Source it from the shell's start-up file (of zsh: after compinit), or save zsh's as "
            "_weir in a folder of $fpath.",
            {"source <(weir completion bash)", "weir completion zsh > ~/.zfunc/_weir"}});
  command->add_option("SHELL", *shell, "bash or zsh")->required();
  command->callback([shell, &app] {
    require(*shell == "bash" || *shell == "zsh", "completion: expected bash or zsh, got '{}'",
            *shell);
    print(*shell == "bash" ? bash_script(app) : zsh_script(app));
  });
}

}  // namespace weir::cli
