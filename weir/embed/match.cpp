#include "weir/embed/match.h"

#include <cmath>

#include <ATen/ATen.h>

#include "weir/base/error.h"
#include "weir/embed/assignment.h"
#include "weir/embed/unit_rows.h"

namespace weir {
namespace {

at::Tensor matrix(const at::Tensor& values) {
  require(values.dim() == 2, "expected features as a matrix, found {} dimensions", values.dim());
  return values.to(at::kCPU, at::kDouble);
}

/// Columns as rows of unit length about their mean; those that are constant up to rounding are 0.
at::Tensor standard_columns(const at::Tensor& values) {
  const at::Tensor columns = matrix(values).t();
  const at::Tensor centred = columns - columns.mean(1, true);
  const at::Tensor is_constant = centred.norm(2, 1, true) <= 1e-12 * columns.norm(2, 1, true);
  return unit_rows(centred.masked_fill(is_constant, 0));
}

}  // namespace

DictionaryMatch match(const at::Tensor& similarity) {
  const at::Tensor values = matrix(similarity);
  require(values.numel() > 0, "expected features on both sides, found {} x {}", values.size(0),
          values.size(1));
  DictionaryMatch found;
  found.partner = cheapest_assignment(values.neg());
  found.similarity = at::full({values.size(0)}, NAN, at::kDouble);
  int64_t n_pairs = 0;
  for (size_t i = 0; i < found.partner.size(); ++i) {
    if (found.partner[i] < 0) continue;
    const auto row = static_cast<int64_t>(i);
    const double of_pair = values[row][found.partner[i]].item<double>();
    found.similarity[row] = of_pair;
    found.mcc += of_pair;
    ++n_pairs;
  }
  found.mcc /= static_cast<double>(n_pairs);
  found.best_of_a = std::get<0>(values.max(1));
  found.best_of_b = std::get<0>(values.max(0));
  return found;
}

at::Tensor cosines(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor left = matrix(a), right = matrix(b);
  require(left.size(1) == right.size(1),
          "expected features of one space, found {} and {} dimensions", left.size(1),
          right.size(1));
  return at::mm(unit_rows(left), unit_rows(right).t());
}

at::Tensor correlations(const at::Tensor& a, const at::Tensor& b) {
  require(a.dim() == 2 && b.dim() == 2 && a.size(0) == b.size(0) && a.size(0) >= 2,
          "expected values of both dictionaries on the same samples, at least two");
  return at::mm(standard_columns(a), standard_columns(b).t());
}

}  // namespace weir
