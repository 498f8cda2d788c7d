// Which kernels are used. ctest runs this also with $WEIR_KERNELS set (CMakeLists.txt).
#include <gtest/gtest.h>

#include "weir/base/paths.h"
#include "weir/tensor/kernels/kernels.h"

namespace weir::kernels {
namespace {

TEST(KernelChoice, BestIsTheLastThatIsAvailable) {
  if (environment("WEIR_KERNELS")) GTEST_SKIP() << "another was asked for";
  ASSERT_FALSE(available().empty());
  EXPECT_EQ(available().front()->isa, Isa::kScalar);
  EXPECT_EQ(best().isa, available().back()->isa);
}

TEST(KernelChoice, EnvironmentChooses) {
  if (environment("WEIR_KERNELS") != "scalar") GTEST_SKIP() << "not asked for";
  EXPECT_EQ(best().isa, Isa::kScalar);
}

}  // namespace
}  // namespace weir::kernels
