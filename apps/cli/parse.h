#pragma once

#include <string>
#include <vector>

#include "apps/cli/verb.h"

namespace weir::cli {

/// The verb that the first words name, and the words after its name.
struct VerbCall {
  const Verb* verb = nullptr;
  std::vector<std::string> words;
};
/// The deepest verb that is named; what follows is not looked at.
VerbCall find_verb(const Verb& weir, const std::vector<std::string>& words);

enum class Wanted { kWork, kHelp, kVersion };

/// Checks every word of a call and stores it in its place. UsageError when the verb is not named to
/// the end, or a word is unknown, missing, given twice or out of its range.
Wanted parse(const VerbCall& call);

}  // namespace weir::cli
