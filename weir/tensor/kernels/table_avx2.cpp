#include "weir/tensor/kernels/table.h"
#include "weir/tensor/kernels/vector_avx2.h"

namespace weir::kernels {

KernelTable avx2_table() { return make_table<Avx2>(Isa::kAvx2); }

}  // namespace weir::kernels
