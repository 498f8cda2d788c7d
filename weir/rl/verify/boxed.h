#pragma once

#include <optional>
#include <string>

namespace weir::rl {

/// The content of the last \boxed{...}, \fbox{...} or "\boxed x" (up to $ or the end of the line);
/// nothing where no box was closed or it is empty.
std::optional<std::string> last_boxed(const std::string& text);

/// What the string rule of the Hendrycks MATH benchmark, as verl 0.9.1 has it
/// (reward_score/math_reward.py), reads and compares. For rewards that are to be comparable with
/// other people's; its false negatives are many (1.0 is not 1).
namespace hendrycks {

/// Of the last \boxed; nothing also for \fbox, which that code finds but cannot open.
std::optional<std::string> last_boxed(const std::string& text);
/// Nothing where that code fails.
std::optional<std::string> normalised(const std::string& answer);
bool is_equal(const std::string& answer, const std::string& gold);

}  // namespace hendrycks
}  // namespace weir::rl
