#include <algorithm>

#include <fmt/format.h>

#include "weir/report/display_text.h"
#include "weir/report/screen.h"

namespace weir::report {
namespace {

constexpr int kWidestLabel = 14;
constexpr int kGap = 2;
constexpr size_t kRulerStep = 5;

/// The part of each head's matrix that is drawn: the last tokens that fit.
struct Window {
  size_t begin = 0, end = 0;
  int cell_width = 2;  ///< Two characters are about as wide as one is tall.
  int label_width = 0;
  size_t heads_abreast = 1;

  int matrix_width() const { return static_cast<int>(end - begin) * cell_width; }
};

std::vector<std::string> token_labels(const AttentionBlock& attention) {
  std::vector<std::string> labels;
  for (size_t i = 0; i < attention.tokens.size(); ++i) {
    labels.push_back(fmt::format("{} {}", visible(attention.tokens[i], Spaces::kMarked), i));
  }
  return labels;
}

Window window_of(size_t n, int widest_label, const Screen& screen) {
  Window window;
  window.label_width = std::min({widest_label, kWidestLabel, screen.width / 3});
  const int room = screen.width - window.label_width - 1;
  window.end = n;
  if (n * 2 > static_cast<size_t>(room)) window.cell_width = 1;
  const size_t most = static_cast<size_t>(room / window.cell_width);
  window.begin = n > most ? n - most : 0;
  const int more = window.matrix_width() + kGap;
  window.heads_abreast = static_cast<size_t>(std::max(1, (room + kGap) / more));
  return window;
}

std::string cell(double value, const ColorScale& scale, const Window& window,
                 const Screen& screen) {
  if (screen.has_color) {
    return screen.on(std::string(static_cast<size_t>(window.cell_width), ' '), scale.color(value));
  }
  return repeated(shade(scale.position(value)), window.cell_width);
}

// Marks every fifth key below a matrix.
std::string ruler(const Window& window) {
  std::string line;
  for (size_t key = window.begin; key < window.end; ++key) {
    const size_t place = (key - window.begin) * static_cast<size_t>(window.cell_width);
    if (key % kRulerStep == 0 && (line.empty() || line.size() < place)) {
      line += std::string(place - line.size(), ' ') + std::to_string(key);
    }
  }
  return fitted(line, window.matrix_width());
}

// Heads [first, last) side by side.
std::string heads_row(const AttentionBlock& attention, size_t first, size_t last,
                      const Window& window, const ColorScale& scale, const Screen& screen,
                      const std::vector<std::string>& labels) {
  const std::string indent(static_cast<size_t>(window.label_width + 1), ' ');
  const std::string gap(kGap, ' ');
  std::string names = indent, rulers = indent, lines;
  for (size_t head = first; head < last; ++head) {
    if (head > first) names += gap, rulers += gap;
    names += fitted(visible(attention.heads[head]), window.matrix_width());
    rulers += ruler(window);
  }
  for (size_t query = window.begin; query < window.end; ++query) {
    lines += screen.dim(fitted(labels[query], window.label_width, Align::kRight)) + ' ';
    for (size_t head = first; head < last; ++head) {
      if (head > first) lines += gap;
      for (size_t key = window.begin; key < window.end; ++key) {
        lines += cell(attention.patterns[head][query][key], scale, window, screen);
      }
    }
    lines += '\n';
  }
  return names + '\n' + lines + screen.dim(rulers) + '\n';
}

}  // namespace

std::string draw(const AttentionBlock& attention, const Screen& screen) {
  const size_t n = attention.tokens.size();
  if (n == 0 || attention.heads.empty()) return screen.note("(no values)");
  const std::vector<std::string> labels = token_labels(attention);
  const Window window = window_of(n, display_width(labels), screen);
  const ColorScale scale = attention_scale(attention);
  std::string lines = screen.note("queries down, keys across");
  if (window.begin > 0) {
    lines += screen.note(
        fmt::format("tokens 0 to {} of {} are left out here; they are in the HTML, JSON and CSV "
                    "forms",
                    window.begin - 1, n));
  }
  for (size_t first = 0; first < attention.heads.size(); first += window.heads_abreast) {
    const size_t last = std::min(attention.heads.size(), first + window.heads_abreast);
    lines += heads_row(attention, first, last, window, scale, screen, labels);
  }
  return lines + legend(screen, scale, "attention");
}

}  // namespace weir::report
