#include <CLI/CLI.hpp>

#include "apps/cli/command.h"
#include "apps/cli/verbs.h"
#include "weir/base/error.h"

namespace weir::cli {
namespace {

// Where a TAB finds model names: without starting the command again.
constexpr char kModelNames[] =
    "$(ls \"${WEIR_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/weir}/models\" 2>/dev/null)";

std::string long_options(const CLI::App* verb) {
  std::string out;
  for (const CLI::Option* option : verb->get_options()) {
    for (const std::string& name : option->get_lnames()) out += (out.empty() ? "--" : " --") + name;
  }
  return out;
}

std::string child_names(const CLI::App* app) {
  std::string out;
  for (const CLI::App* child : app->get_subcommands({})) {
    out += (out.empty() ? "" : " ") + child->get_name();
  }
  return out;
}

std::string bash_script(const CLI::App& app) {
  std::string out =
      "_weir() {\n"
      "  local cur=${COMP_WORDS[COMP_CWORD]} words=\"\"\n"
      "  if [[ $COMP_CWORD -eq 1 ]]; then\n"
      "    COMPREPLY=($(compgen -W \"" +
      child_names(&app) +
      "\" -- \"$cur\"))\n"
      "    return\n"
      "  fi\n"
      "  case \"${COMP_WORDS[1]}\" in\n";
  for (const CLI::App* verb : app.get_subcommands({})) {
    const std::string children = child_names(verb);
    out += "    " + verb->get_name() + ") words=\"" + long_options(verb);
    out += (children.empty() ? "" : " " + children) + "\" ;;\n";
  }
  out +=
      "  esac\n"
      "  [[ $cur == -* ]] || words+=\" " +
      std::string(kModelNames) +
      "\"\n"
      "  COMPREPLY=($(compgen -W \"$words\" -- \"$cur\") $(compgen -f -- \"$cur\"))\n"
      "}\n"
      "complete -o filenames -F _weir weir\n";
  return out;
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

std::string zsh_verb(const CLI::App* verb) {
  std::string out = "      " + verb->get_name() + ")\n        _arguments";
  for (const CLI::Option* option : verb->get_options()) {
    for (const std::string& name : option->get_lnames()) {
      out += " \\\n          '--" + name + "[" + zsh_text(option->get_description()) + "]";
      if (option->get_type_size() != 0) out += ":" + zsh_text(option->get_type_name()) + ":_files";
      out += "'";
    }
  }
  const std::string children = child_names(verb);
  out += children.empty()
             ? " \\\n          '*:argument:_weir_arguments'"
             : " \\\n          '1:verb:(" + children + ")' '*:argument:_weir_arguments'";
  return out + " ;;\n";
}

std::string zsh_script(const CLI::App& app) {
  std::string out =
      "#compdef weir\n"
      "_weir_arguments() { compadd -- " +
      std::string(kModelNames) +
      "; _files }\n"
      "_weir() {\n"
      "  local state\n"
      "  local -a verbs=(\n";
  for (const CLI::App* verb : app.get_subcommands({})) {
    out += "    '" + verb->get_name() + ":" + zsh_text(verb->get_description()) + "'\n";
  }
  out +=
      "  )\n"
      "  _arguments -C '1:verb:->verb' '*::argument:->rest'\n"
      "  case $state in\n"
      "  verb) _describe verb verbs ;;\n"
      "  rest)\n"
      "    case $words[1] in\n";
  for (const CLI::App* verb : app.get_subcommands({})) out += zsh_verb(verb);
  out +=
      "    esac ;;\n"
      "  esac\n"
      "}\n"
      "compdef _weir weir\n";
  return out;
}

}  // namespace

void add_completion(CLI::App& app) {
  auto shell = std::make_shared<std::string>();
  CLI::App* command =
      add_verb(app, {"completion",
                     "prints a completion script for bash or zsh",
                     "Source it from the shell's start-up file.",
                     {"source <(weir completion bash)", "weir completion zsh > ~/.zfunc/_weir"}});
  command->add_option("SHELL", *shell, "bash or zsh")->required();
  command->callback([shell, &app] {
    require(*shell == "bash" || *shell == "zsh", "completion: expected bash or zsh, got '{}'",
            *shell);
    print(*shell == "bash" ? bash_script(app) : zsh_script(app));
  });
}

}  // namespace weir::cli
