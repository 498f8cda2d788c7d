#pragma once

namespace weir {

/// One number of threads for ATen, OpenMP and OpenBLAS; 0 means every CPU the process may use.
/// kInvalidArgument for less than 0 or more than 16 a CPU.
/// Returns the number set. Programs call it once at start; the library never does.
int set_threads(int n_threads);

}  // namespace weir
