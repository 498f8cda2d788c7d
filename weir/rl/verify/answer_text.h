#pragma once

#include <string>
#include <string_view>
#include <vector>

/// What stands around the mathematics of an answer: words, units, separators.
namespace weir::rl {

/// The pieces of `text` between separators outside all brackets, trimmed; `found` receives which
/// separator stood after each piece but the last. Of several that fit the first counts.
std::vector<std::string> split_top(std::string_view text,
                                   const std::vector<std::string>& separators,
                                   std::vector<std::string>* found = nullptr);
/// Position after the bracket that closes the first one, of whichever kind ((1, 2] is whole).
size_t closing_of(std::string_view text);

/// An answer without decoration: clean_latex, no final point, no "the answer is", \text{ and } as
/// a comma, no commas between thousands of a number that stands outside brackets. `is_words`: all
/// of it was a \text{...} of words, which are returned.
std::string plain_answer(const std::string& text, bool* is_words);
/// Without \text{} and spaces, and words alone in lower case: "\text{Yes}" as "yes".
std::string plain_words(std::string text);
/// "B" of "(B)", "\text{(B)}", "\textbf{B.}"; "" for what is no choice from A to J.
std::string choice_letter(const std::string& text);
bool is_empty_set(const std::string& text);

/// A number apart from its unit.
struct Measured {
  std::string value, unit;  ///< "12", "cm^2"; units by one name each, "" for "units".
  bool is_percent = false;
};
Measured take_unit(std::string text);

}  // namespace weir::rl
