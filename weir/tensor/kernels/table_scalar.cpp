#include "weir/tensor/kernels/table.h"
#include "weir/tensor/kernels/vector_scalar.h"

namespace weir::kernels {

KernelTable scalar_table() { return make_table<Scalar>(Isa::kScalar); }

}  // namespace weir::kernels
