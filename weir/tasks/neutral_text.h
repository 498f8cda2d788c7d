#pragma once

#include <string>

namespace weir {

/// Some 420 tokens of plain prose of several kinds, on which the cost of an intervention is
/// measured when the user has no text of their own.
const std::string& default_neutral_text();

}  // namespace weir
