#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "bench/measure.h"

namespace weir::bench {

Result bench_gemm(const Options& options) {
  constexpr int64_t kSize = 2048;
  const at::NoGradGuard no_grad;
  at::manual_seed(0);
  const at::Tensor a = at::randn({kSize, kSize}), b = at::randn({kSize, kSize});
  at::Tensor c = at::empty({kSize, kSize});
  Result result;
  result.name = "gemm";
  result.work = "C[2048, 2048] = A[2048, 2048] B[2048, 2048], float32";
  result.seconds = measure(options.runs, [&] { at::mm_out(c, a, b); });
  result.flops = 2.0 * kSize * kSize * kSize;
  result.amount = result.flops / 1e9;
  result.unit = "GFLOP/s";
  result.peak_rss = peak_rss();
  const at::Tensor exact = at::matmul(a.slice(0, 0, 8).to(at::kDouble), b.to(at::kDouble));
  // Sums of 2048 products of unit size: float32 keeps them to about 1e-4.
  result.check = checked("eight rows and their float64 values",
                         (c.slice(0, 0, 8) - exact).abs().max().item<double>(), 1e-3);
  return result;
}

}  // namespace weir::bench
