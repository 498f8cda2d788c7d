#include "weir/tensor/threads.h"

#include <mutex>
#include <set>
#include <thread>

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include "weir/base/error.h"

namespace weir {
namespace {

// Compiled without OpenMP, at::parallel_for runs on one thread and says nothing.
TEST(Threads, ParallelForUsesThem) {
  set_threads(2);
  std::mutex mutex;
  std::set<std::thread::id> seen;
  at::parallel_for(0, 2, 1, [&](int64_t, int64_t) {
    const std::lock_guard<std::mutex> lock(mutex);
    seen.insert(std::this_thread::get_id());
  });
  EXPECT_EQ(seen.size(), 2U);
  EXPECT_EQ(set_threads(0), at::get_num_threads());
}

TEST(Threads, RefusesNumbersThatCannotBe) {
  EXPECT_THROW(set_threads(-1), Error);
  EXPECT_THROW(set_threads(1000000), Error);
}

}  // namespace
}  // namespace weir
