#pragma once

#include <string>
#include <vector>

#include <CLI/App.hpp>
#include <CLI/Formatter.hpp>

namespace weir::cli {

/// `--help` in the form of a manual page: NAME, SYNOPSIS, DESCRIPTION, VERBS, OPTIONS, EXAMPLES,
/// wrapped to the terminal.
class ManualFormatter final : public CLI::Formatter {
 public:
  std::string make_help(const CLI::App* app, std::string name,
                        CLI::AppFormatMode mode) const override;
};

/// The part of the footer that add_verb keeps for the manual page: description, then examples.
std::string manual_footer(const std::string& description, const std::vector<std::string>& examples);

/// False for flags.
bool takes_value(const CLI::Option& option);

/// "--json" and the like: the long names of the options that are not hidden (by an empty group).
std::vector<std::string> long_options(const CLI::App& verb);

/// One line for a command line that cannot be parsed, naming the verb and the near misses.
std::string usage_error(const CLI::App& app, const std::string& message);

}  // namespace weir::cli
