#include <vector>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "weir/embed/repulsion.h"

namespace weir {

Repulsion exact_repulsion(const at::Tensor& y) {
  const int64_t n = y.size(0);
  const at::Tensor x0 = y.select(1, 0).contiguous(), x1 = y.select(1, 1).contiguous();
  const double *a = x0.data_ptr<double>(), *b = x1.data_ptr<double>();
  Repulsion found{at::empty({n, 2}, at::kDouble), 0};
  double* force = found.force.data_ptr<double>();
  std::vector<double> row_z(n);
  at::parallel_for(0, n, 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      double z = 0, f0 = 0, f1 = 0;
      for (int64_t j = 0; j < n; ++j) {
        const double d0 = a[i] - a[j], d1 = b[i] - b[j];
        const double k = 1 / (1 + d0 * d0 + d1 * d1);
        z += k;
        f0 += k * k * d0;
        f1 += k * k * d1;
      }
      row_z[i] = z - 1;  // j = i
      force[2 * i] = f0;
      force[2 * i + 1] = f1;
    }
  });
  for (double z : row_z) found.z += z;
  return found;
}

}  // namespace weir
