#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace weir {

/// Shows how far long work has come, on stderr.
///
/// On a terminal: one line, redrawn at most ten times a second. Elsewhere: a line every 30 s.
/// Work shorter than half a second shows nothing. Also the place where Ctrl-C is noticed:
/// `advance` throws kInterrupted once the user asked to stop (see interrupt.h).
class Progress {
 public:
  /// `total` in units of `unit` ("B" is shown as MB); 0 when unknown.
  Progress(std::string label, uint64_t total, std::string unit = "");
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void advance(uint64_t amount = 1);
  /// Sets the absolute position, for work that resumes.
  void set(uint64_t done);
  /// What stands at the end of the line from the next drawing on.
  void note(std::string text) { note_ = std::move(text); }

 private:
  void draw(bool last);

  std::string label_;
  std::string unit_;
  std::string note_;
  uint64_t total_;
  uint64_t done_ = 0;
  uint64_t first_ = 0;
  bool is_terminal_;
  bool has_drawn_ = false;
  std::chrono::steady_clock::time_point start_;
  std::chrono::steady_clock::time_point last_draw_;
};

/// Turns progress lines off or on for the whole process (`--quiet`).
void set_progress_enabled(bool enabled);

}  // namespace weir
