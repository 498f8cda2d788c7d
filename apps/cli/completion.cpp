#include "apps/cli/command.h"
#include "apps/cli/verbs.h"

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

std::vector<const Verb*> shown_verbs(const Verb& group) {
  std::vector<const Verb*> shown;
  for (const auto& verb : group.verbs()) {
    if (!verb->is_hidden()) shown.push_back(verb.get());
  }
  return shown;
}

std::string verb_names(const Verb& group) {
  std::vector<std::string> names;
  for (const Verb* verb : shown_verbs(group)) names.push_back(verb->text().name);
  return joined(names);
}

// Sets `words` and `is_verb` for what stands at word `depth` of the line or after it.
std::string bash_case(const Verb& group, int depth) {
  const std::string pad(static_cast<size_t>(depth) * 2, ' '), place = std::to_string(depth);
  std::string out = pad + "if [[ $COMP_CWORD -eq " + place + " ]]; then\n" + pad + "  words=\"" +
                    verb_names(group) + " " + joined(group.option_names()) + "\" is_verb=1\n" +
                    pad + "else\n" + pad + "  case \"${COMP_WORDS[" + place + "]}\" in\n";
  for (const Verb* verb : shown_verbs(group)) {
    out += pad + "  " + verb->text().name + ")";
    out += verb->is_group() ? "\n" + bash_case(*verb, depth + 1) + pad + "  ;;\n"
                            : " words=\"" + joined(verb->option_names()) + "\" ;;\n";
  }
  if (group.does_work()) out += pad + "  *) words=\"" + joined(group.option_names()) + "\" ;;\n";
  return out + pad + "  esac\n" + pad + "fi\n";
}

std::string bash_script(const Verb& weir) {
  return "_weir() {\n"
         "  local cur=${COMP_WORDS[COMP_CWORD]} words=\"\" is_verb=\"\"\n" +
         bash_case(weir, 1) +
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

std::string zsh_options(const Verb& verb) {
  std::string out = "_arguments '--help[Print this text]'";
  for (const VerbOption& option : verb.options()) {
    if (option.is_argument() || option.is_hidden()) continue;
    out += " '" + option.name + "[" + zsh_text(option.help) + "]";
    if (!option.is_flag()) out += ":" + zsh_text(option.value) + ":_files";
    out += "'";
  }
  return out + " '*:argument:_weir_argument'";
}

// Completes a verb of `group`, then goes on to what follows it. _arguments drops the words before.
std::string zsh_verbs(const Verb& group) {
  std::string out = "  verbs=(";
  for (const Verb* verb : shown_verbs(group)) {
    out += "\n    '" + verb->text().name + ":" + zsh_text(verb->text().summary) + "'";
  }
  out +=
      ")\n"
      "  state=\n"
      "  _arguments -C '1:verb:->verb' '*::argument:->rest'\n"
      "  case $state in\n"
      "  verb) _describe verb verbs ;;\n"
      "  rest)\n"
      "    case $words[1] in\n";
  for (const Verb* verb : shown_verbs(group)) {
    out += "    " + verb->text().name + ")\n" +
           (verb->is_group() ? zsh_verbs(*verb) : "      " + zsh_options(*verb) + "\n") +
           "      ;;\n";
  }
  return out + "    esac ;;\n  esac\n";
}

// An autoloaded file is the function itself, called the first time it is read; a sourced one only
// announces it.
std::string zsh_script(const Verb& weir) {
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
         zsh_verbs(weir) +
         "}\n"
         "if [ \"$funcstack[1]\" = \"_weir\" ]; then\n"
         "  _weir \"$@\"\n"
         "else\n"
         "  compdef _weir weir\n"
         "fi\n";
}

}  // namespace

void add_completion(Verb& weir) {
  auto shell = std::make_shared<std::string>();
  Verb& verb = weir.verb(
      Heading::kMake,
      {"completion",
       "prints a completion script for bash or zsh",
       "Source it from the shell's start-up file (of zsh: after compinit), or save zsh's as _weir "
       "in a folder of $fpath.",
       {"source <(weir completion bash)", "weir completion zsh > ~/.zfunc/_weir"}});
  verb.choice("SHELL", shell.get(), {"bash", "zsh"}, "bash or zsh").required();
  verb.run([shell, &weir] { print(*shell == "bash" ? bash_script(weir) : zsh_script(weir)); });
}

}  // namespace weir::cli
