// Seeds LibTorch's generator before every test, so that what a test draws does not depend on which
// tests ran before it: alone, in a shard and in another order it sees the same numbers.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace {

class SeedEachTest : public testing::EmptyTestEventListener {
  void OnTestStart(const testing::TestInfo&) override { at::manual_seed(1); }
};

const bool is_listening = [] {
  testing::UnitTest::GetInstance()->listeners().Append(new SeedEachTest);  // which it then owns
  return true;
}();

}  // namespace
