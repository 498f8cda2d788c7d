#pragma once

#include <string>

namespace weir {

/// Threads this process may use: the CPUs it is allowed on.
int hardware_threads();
/// The most that may be asked for, 16 a CPU: thousands of threads that wait for each other on a few
/// CPUs do not end.
int most_threads();

/// Sets how many threads OpenMP and OpenBLAS use from now on. One policy for all pools: the same
/// number everywhere. Weir's `tensor` module sets ATen from it too (tensor/threads.h).
void set_blas_threads(int n_threads);

/// What does matrix multiplication here, for reports: "OpenBLAS 0.3.21 ... SkylakeX", or
/// "unknown" when another BLAS is linked.
std::string blas_description();

}  // namespace weir
