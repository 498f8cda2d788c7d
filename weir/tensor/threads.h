#pragma once

namespace weir {

/// One number of threads for ATen, OpenMP and OpenBLAS; 0 means every CPU the process may use.
/// Returns the number set. Programs call it once at start; the library never does.
int set_threads(int n_threads);

}  // namespace weir
