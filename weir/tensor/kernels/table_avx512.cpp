#include "weir/tensor/kernels/table.h"
#include "weir/tensor/kernels/vector_avx512.h"

namespace weir::kernels {

KernelTable avx512_table() { return make_table<Avx512>(Isa::kAvx512); }

}  // namespace weir::kernels
