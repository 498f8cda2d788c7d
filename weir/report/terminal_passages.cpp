#include "weir/report/color_scale.h"
#include "weir/report/display_text.h"
#include "weir/report/passages.h"
#include "weir/report/screen.h"

namespace weir::report {

// A line each, cut at the screen's edge. Without colours the tokens with a value stand in brackets.
std::string draw(const PassagesBlock& block, const Screen& screen) {
  if (block.passages.empty()) return screen.note("(no passages)");
  const double end = scale_end(block);
  std::string lines;
  for (const Passage& passage : block.passages) {
    const std::string note = visible(passage.note);
    const std::string head = truncated(note.empty() ? "" : note + "  ", screen.width);
    std::string line = head;
    int left = screen.width - display_width(head);
    for (size_t i = 0; i < passage.tokens.size() && left > 0; ++i) {
      const double part = share(passage.values[i], end);
      std::string token = visible(passage.tokens[i]);
      if (part > 0 && !screen.has_color) token = "[" + token + "]";
      token = truncated(token, left);
      left -= display_width(token);
      line += part > 0 ? screen.on(token, ramp_color(ColorRamp::kSequential, part)) : token;
    }
    lines += line + '\n';
  }
  return lines;
}

}  // namespace weir::report
