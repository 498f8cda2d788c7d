#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "weir/subnet/subnetwork.h"

namespace weir {

/// How many entries two masks share, and how many chance would have them share, in closed form.
/// Two nulls, both within a matrix: entries drawn at random (hypergeometric), and rows shuffled
/// with each row kept whole (what the paper's script does; a row is one output). Of T entries in R
/// rows, with n0 and n1 active, and x, y the masks as R x (T / R) matrices centred by column:
///
///   entries: mean n0 n1 / T, variance n0 n1 (T - n0) (T - n1) / (T^2 (T - 1))
///   rows:    mean sum_j n0_j n1_j / R over columns j, variance |x y^T|^2 / (R - 1)
struct OverlapCount {
  std::string block;  ///< "0.q"; "" of the whole
  int64_t size = 0, a = 0, b = 0, both = 0;
  double mean = 0, variance = 0;          ///< Of `both`, entries drawn at random.
  double p_at_least = 1;                  ///< P(as many or more); of blocks only
  double row_mean = 0, row_variance = 0;  ///< Rows shuffled.

  double ratio() const { return static_cast<double>(both) / mean; }
  double z() const;
  double row_z() const;
  double share_of_a() const { return static_cast<double>(both) / static_cast<double>(a); }
};

struct Overlap {
  std::vector<OverlapCount> blocks;
  OverlapCount total;  ///< Sums; blocks are independent.
};

/// kInvalidArgument unless both are masks of weights of one model.
Overlap overlap(const Subnetwork& a, const Subnetwork& b);

/// P(X >= k) for X hypergeometric: k of `drawn` out of `size` with `marked`.
double hypergeometric_tail(int64_t k, int64_t size, int64_t marked, int64_t drawn);

}  // namespace weir
