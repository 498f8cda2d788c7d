#pragma once

#include <optional>
#include <string>

#include "weir/rl/verify/rational.h"

namespace weir::rl {

/// A number as people write it: "1,234", "-3.50", "$18", "3/4", "20%" (as 20). Nothing for others.
std::optional<Rational> read_plain_number(const std::string& text);
/// The last number in a text, "" when there is none.
std::string last_number(const std::string& text);

/// The answer of a solution in GSM8K's form: the number after the last "####"; without such a line
/// the one after the last "answer is", else the last number of all. What follows a new "Question:"
/// is not read. "" when there is none.
std::string gsm8k_answer(const std::string& text);

/// What verl 0.9.1 (reward_score/gsm8k.py) reads, which is compared as a string: of the last 300
/// characters, the number after "#### " (strict), or the last number, with its commas and points
/// (flexible).
std::optional<std::string> gsm8k_strict(const std::string& text);
std::optional<std::string> gsm8k_flexible(const std::string& text);

}  // namespace weir::rl
