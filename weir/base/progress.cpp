#include "weir/base/progress.h"

#include <atomic>
#include <cstdio>
#include <unistd.h>

#include <fmt/format.h>

#include "weir/base/interrupt.h"

namespace weir {
namespace {

using Clock = std::chrono::steady_clock;
std::atomic<bool> g_enabled{true};

double seconds_between(Clock::time_point a, Clock::time_point b) {
  return std::chrono::duration<double>(b - a).count();
}

std::string amount(uint64_t value, const std::string& unit) {
  if (unit == "B") return fmt::format("{:.1f} MB", static_cast<double>(value) / 1e6);
  return unit.empty() ? fmt::format("{}", value) : fmt::format("{} {}", value, unit);
}

}  // namespace

void set_progress_enabled(bool enabled) { g_enabled = enabled; }

Progress::Progress(std::string label, uint64_t total, std::string unit)
    : label_(std::move(label)),
      unit_(std::move(unit)),
      total_(total),
      is_terminal_(isatty(STDERR_FILENO) == 1),
      start_(Clock::now()),
      last_draw_(start_) {}

Progress::~Progress() {
  if (has_drawn_ && is_terminal_) draw(true);
}

void Progress::advance(uint64_t amount) {
  done_ += amount;
  throw_if_interrupted();
  if (!g_enabled) return;
  const Clock::time_point now = Clock::now();
  const double wait = is_terminal_ ? (has_drawn_ ? 0.1 : 0.5) : 30.0;
  if (seconds_between(last_draw_, now) < wait) return;
  last_draw_ = now;
  draw(false);
}

void Progress::set(uint64_t done) {
  done_ = done;
  first_ = done;
}

void Progress::draw(bool last) {
  has_drawn_ = true;
  const double elapsed = seconds_between(start_, Clock::now());
  const double rate = elapsed > 0 ? static_cast<double>(done_ - first_) / elapsed : 0;
  std::string line = fmt::format("{}: {}", label_, amount(done_, unit_));
  if (total_ > 0) {
    line += fmt::format(" of {} ({:.0f} %)", amount(total_, unit_), 100.0 * done_ / total_);
  }
  if (rate >= 10) line += fmt::format(", {}/s", amount(static_cast<uint64_t>(rate), unit_));
  if (rate > 0 && rate < 10 && unit_ != "B") line += fmt::format(", {:.2g} {}/s", rate, unit_);
  if (rate > 0 && total_ > done_) line += fmt::format(", {:.0f} s left", (total_ - done_) / rate);
  if (!note_.empty()) line += ", " + note_;
  const char* end = is_terminal_ && !last ? "" : "\n";
  fmt::print(stderr, "{}{}{}", is_terminal_ ? "\r\x1b[K" : "", line, end);
  std::fflush(stderr);
}

}  // namespace weir
