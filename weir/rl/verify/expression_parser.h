#pragma once

#include <string>
#include <string_view>

#include "weir/rl/verify/expression.h"

namespace weir::rl {

/// One formula of LaTeX or of plain text ("2\sqrt{3}", "1/2 x", "sqrt(2)"): numbers, variables,
/// + - * / ^ !, fractions, mixed numbers, roots, functions, binomials, absolute values, +-.
/// Juxtaposition multiplies; a function without brackets takes the product that follows it. Null
/// for what is no such formula. Spacing commands and \left, \right must be gone (clean_latex).
ExpressionPtr parse_expression(std::string_view text);

/// Without what only says how a formula looks: \left, \right, \displaystyle, thin spaces, \mathrm
/// around what is no word, $ around everything; dfrac, tfrac and cfrac become frac.
std::string clean_latex(std::string text);

/// Position after the bracket that closes the one at `open` ('{' with '}', ...), or npos.
size_t after_closing(std::string_view text, size_t open);

/// Every `from` in `text` becomes `to`.
void replace_all(std::string* text, std::string_view from, std::string_view to);
std::string trimmed(std::string_view text);

}  // namespace weir::rl
