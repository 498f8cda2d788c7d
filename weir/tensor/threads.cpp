#include "weir/tensor/threads.h"

#include <ATen/Parallel.h>

#include "weir/base/error.h"
#include "weir/base/parallel.h"

namespace weir {

int set_threads(int n_threads) {
  const int most = most_threads();
  require(n_threads >= 0 && n_threads <= most,
          "threads: expected 0 (all) to {} (16 for each CPU), got {}", most, n_threads);
  const int count = n_threads == 0 ? hardware_threads() : n_threads;
  at::set_num_threads(count);
  set_blas_threads(count);
  return count;
}

}  // namespace weir
