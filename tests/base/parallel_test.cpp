#include "weir/base/parallel.h"

#include <gtest/gtest.h>
#include <sched.h>

namespace weir {
namespace {

TEST(Parallel, CountsTheCpusThisProcessMayUse) {
  cpu_set_t before;
  ASSERT_EQ(sched_getaffinity(0, sizeof(before), &before), 0);
  EXPECT_EQ(hardware_threads(), CPU_COUNT(&before));
  cpu_set_t one;
  CPU_ZERO(&one);
  for (int cpu = 0; CPU_COUNT(&one) == 0; ++cpu) {
    if (CPU_ISSET(cpu, &before)) CPU_SET(cpu, &one);
  }
  ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
  EXPECT_EQ(hardware_threads(), 1);
  sched_setaffinity(0, sizeof(before), &before);
}

TEST(Parallel, DoesWithoutABlas) {
  set_blas_threads(2);
  EXPECT_EQ(blas_description(), "unknown");
}

}  // namespace
}  // namespace weir
