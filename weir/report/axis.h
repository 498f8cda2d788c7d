#pragma once

#include <string>
#include <vector>

namespace weir::report {

struct Tick {
  double position = 0;  ///< 0 at the low end of the axis, 1 at the high end.
  std::string label;
};

/// One axis of a plot: where a value lies between its ends, and which values to mark.
class Axis {
 public:
  /// Spans the finite values (the positive ones when `is_log`), widened so that something can be
  /// drawn when they are all the same.
  static Axis of(const std::vector<double>& values, bool is_log = false);

  double low() const { return low_; }
  double high() const { return high_; }
  bool is_log() const { return is_log_; }
  /// Moves the ends outwards to a whole step of about `count` ticks.
  Axis rounded(int count) const;

  /// 0 to 1; NaN for what cannot be drawn (not finite, or not positive on a logarithmic axis).
  double position(double value) const;
  /// At most about `count` round values, lowest first.
  std::vector<Tick> ticks(int count) const;

 private:
  std::vector<Tick> log_ticks(int count) const;

  double low_ = 0, high_ = 1;
  bool is_log_ = false;
};

}  // namespace weir::report
