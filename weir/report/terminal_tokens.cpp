#include <algorithm>
#include <cmath>

#include "weir/report/display_text.h"
#include "weir/report/number_text.h"
#include "weir/report/screen.h"

namespace weir::report {
namespace {

struct TokenCell {
  std::string token, value;
  int width = 0;
};

std::vector<TokenCell> cells_of(const TokenStripBlock& strip, const NumberFormat& format,
                                int most) {
  std::vector<TokenCell> cells;
  for (size_t i = 0; i < strip.tokens.size(); ++i) {
    TokenCell cell;
    cell.token = truncated(visible(strip.tokens[i], Spaces::kMarked), most);
    const bool has_value = !strip.values.empty() && !std::isnan(strip.values[i]);
    if (has_value) cell.value = format(strip.values[i]);
    cell.width = std::max(display_width(cell.token), display_width(cell.value));
    cells.push_back(std::move(cell));
  }
  return cells;
}

// A line of tokens and, below it, the line of their values.
class PairedLines {
 public:
  PairedLines(const Screen& screen, bool has_values) : screen_(screen), has_values_(has_values) {}

  bool has_room(int width) const { return used_ == 0 || used_ + 1 + width <= screen_.width; }

  void add(const TokenCell& cell, const std::string& painted) {
    if (used_ > 0) {
      tokens_ += ' ';
      values_ += ' ';
      ++used_;
    }
    tokens_ += painted;
    values_ += fitted(cell.value, cell.width);
    used_ += cell.width;
  }

  std::string finished() {
    std::string lines = tokens_ + '\n';
    if (has_values_) lines += screen_.dim(values_) + '\n';
    tokens_.clear();
    values_.clear();
    used_ = 0;
    return lines;
  }

 private:
  const Screen& screen_;
  bool has_values_;
  std::string tokens_, values_;
  int used_ = 0;
};

}  // namespace

std::string draw(const TokenStripBlock& strip, const Screen& screen) {
  if (strip.tokens.empty()) return screen.note("(no tokens)");
  const ColorScale scale(strip.values, strip.range, ColorRamp::kSequential);
  const std::vector<TokenCell> cells = cells_of(strip, scale.number_format(), screen.width);
  std::string lines;
  PairedLines pair(screen, !strip.values.empty());
  for (size_t i = 0; i < cells.size(); ++i) {
    if (!pair.has_room(cells[i].width)) lines += pair.finished();
    const std::string text = fitted(cells[i].token, cells[i].width);
    pair.add(cells[i], strip.values.empty() ? text : screen.on(text, scale.color(strip.values[i])));
  }
  lines += pair.finished();
  if (!strip.values.empty()) lines += legend(screen, scale, strip.value_label);
  if (!strip.details.empty()) lines += screen.note("details are in the HTML, JSON and CSV forms");
  return lines;
}

}  // namespace weir::report
