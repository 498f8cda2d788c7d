#pragma once

#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "weir/tensor/kernels/kernels.h"

namespace weir::kernels {

/// A test that runs for every instruction set this CPU has.
class IsaTest : public testing::TestWithParam<const KernelTable*> {
 protected:
  const KernelTable& table() const { return *GetParam(); }

  std::vector<float> normal(int64_t n, float deviation = 1) {
    std::normal_distribution<float> draw(0, deviation);
    std::vector<float> values(n);
    for (float& value : values) value = draw(random_);
    return values;
  }
  std::mt19937& random() { return random_; }

 private:
  std::mt19937 random_{7};
};

inline std::string isa_name(const testing::TestParamInfo<const KernelTable*>& info) {
  switch (info.param->isa) {
    case Isa::kScalar:
      return "Scalar";
    case Isa::kAvx2:
      return "Avx2";
    case Isa::kAvx512:
      return "Avx512";
  }
  return "Unknown";
}

}  // namespace weir::kernels
