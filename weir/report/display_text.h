#pragma once

#include <string>
#include <string_view>
#include <vector>

/// Text from anywhere (tokens, names, file contents) made fit to be looked at, and measured in
/// columns of a terminal. Every string that a renderer shows passes through `visible` first, so
/// that no escape sequence, bidi override or broken byte reaches a terminal or a page.
namespace weir::report {

enum class Spaces {
  kPlain,
  kMarked,  ///< Those at either end become U+2423: " the" and "the" must look different.
};

/// One line of well-formed UTF-8 without control characters: a newline becomes a return arrow, a
/// tab an arrow, other C0 characters their pictures (U+2400...), broken bytes U+FFFD; what would
/// not be seen (C1, no-break and other special spaces, zero-width and direction marks, joiners that
/// join nothing) "<U+202E>". A combining mark at the start gets a dotted circle to sit on.
std::string visible(std::string_view text, Spaces spaces = Spaces::kPlain);
std::vector<std::string> visible(const std::vector<std::string>& texts,
                                 Spaces spaces = Spaces::kPlain);
/// The lines of a longer text, each made visible. A last newline ends a line; it starts none.
std::vector<std::string> visible_lines(std::string_view text);

// The functions below take text that `visible` has made.

/// Columns the text takes in a terminal.
int display_width(std::string_view text);
int display_width(const std::vector<std::string>& texts);  ///< Of the widest; 0 for none.

/// The text, cut with an ellipsis when it takes more than `width` columns (at least 0).
std::string truncated(std::string_view text, int width);

enum class Align { kLeft, kRight, kCenter };

/// Exactly `width` columns: truncated, then filled with spaces.
std::string fitted(std::string_view text, int width, Align align = Align::kLeft);

/// Lines of at most `width` columns, broken at spaces where there are any. At least one line.
std::vector<std::string> wrapped(std::string_view text, int width);

/// `count` copies of `piece`; none when `count` is negative.
std::string repeated(std::string_view piece, int count);

}  // namespace weir::report
