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
  const auto name = environment("WEIR_KERNELS");
  if (!name) GTEST_SKIP() << "not asked for";
  EXPECT_EQ(to_string(best().isa), *name);  // throws where this CPU cannot
}

}  // namespace
}  // namespace weir::kernels
