#include "weir/tensor/kernels/kernels.h"

#include "weir/base/error.h"
#include "weir/base/paths.h"
#include "weir/tensor/kernels/table.h"

namespace weir::kernels {
namespace {

std::vector<KernelTable> make_tables() {
  std::vector<KernelTable> tables = {scalar_table()};
#ifdef WEIR_X86_KERNELS
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
      __builtin_cpu_supports("f16c")) {
    tables.push_back(avx2_table());
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
      tables.push_back(avx512_table());
    }
  }
#endif
  return tables;
}

const std::vector<KernelTable>& tables() {
  static const std::vector<KernelTable> made = make_tables();
  return made;
}

const KernelTable& chosen() {
  const std::optional<std::string> name = environment("WEIR_KERNELS");
  if (!name) return tables().back();
  std::string names;
  for (const KernelTable& table : tables()) {
    if (*name == to_string(table.isa)) return table;
    names += (names.empty() ? "" : ", ") + std::string(to_string(table.isa));
  }
  fail(ErrorCode::kInvalidArgument, "WEIR_KERNELS: expected one of {} on this CPU, got '{}'", names,
       *name);
}

}  // namespace

const FormatKernels* KernelTable::format(io::DType dtype) const {
  switch (dtype) {
    case io::DType::kF32:
      return &f32;
    case io::DType::kF16:
      return &f16;
    case io::DType::kBF16:
      return &bf16;
    case io::DType::kQ4_0:
      return &q4_0;
    case io::DType::kQ4_1:
      return &q4_1;
    case io::DType::kQ5_0:
      return &q5_0;
    case io::DType::kQ5_1:
      return &q5_1;
    case io::DType::kQ8_0:
      return &q8_0;
    case io::DType::kQ2_K:
      return &q2_k;
    case io::DType::kQ3_K:
      return &q3_k;
    case io::DType::kQ4_K:
      return &q4_k;
    case io::DType::kQ5_K:
      return &q5_k;
    case io::DType::kQ6_K:
      return &q6_k;
    default:
      return nullptr;
  }
}

const KernelTable& best() {
  static const KernelTable& table = chosen();
  return table;
}

std::vector<const KernelTable*> available() {
  std::vector<const KernelTable*> all;
  for (const KernelTable& table : tables()) all.push_back(&table);
  return all;
}

std::string_view to_string(Isa isa) {
  switch (isa) {
    case Isa::kScalar:
      return "scalar";
    case Isa::kAvx2:
      return "AVX2";
    case Isa::kAvx512:
      return "AVX-512";
  }
  return "unknown";
}

}  // namespace weir::kernels
