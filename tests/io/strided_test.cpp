#include "weir/io/strided.h"

#include <cstring>
#include <numeric>

#include <gtest/gtest.h>

#include "corruption.h"

namespace weir::io {
namespace {

using Sizes = std::vector<int64_t>;

template <typename Element>
std::vector<Element> gathered(const Sizes& shape, const Sizes& strides) {
  std::vector<Element> source(64);
  std::iota(source.begin(), source.end(), Element{0});
  const auto bytes = gather_strided(reinterpret_cast<const std::byte*>(source.data()),
                                    sizeof(Element), shape, strides);
  int64_t count = 1;
  for (const int64_t size : shape) count *= size;
  std::vector<Element> result(static_cast<size_t>(count));
  if (count > 0) std::memcpy(result.data(), bytes.get(), result.size() * sizeof(Element));
  return result;
}

template <typename Element>
class GatherStrided : public testing::Test {};
using Elements = testing::Types<uint8_t, uint16_t, uint32_t, uint64_t>;
TYPED_TEST_SUITE(GatherStrided, Elements);

TYPED_TEST(GatherStrided, FollowsTheStrides) {
  using Values = std::vector<TypeParam>;
  EXPECT_EQ(gathered<TypeParam>({2, 3}, {1, 2}), (Values{0, 2, 4, 1, 3, 5}));
  EXPECT_EQ(gathered<TypeParam>({2, 2, 2}, {1, 2, 4}), (Values{0, 4, 2, 6, 1, 5, 3, 7}));
  EXPECT_EQ(gathered<TypeParam>({3}, {5}), (Values{0, 5, 10}));
  EXPECT_EQ(gathered<TypeParam>({2, 2}, {0, 1}), (Values{0, 1, 0, 1}));
  EXPECT_EQ(gathered<TypeParam>({2, 0, 3}, {9, 9, 9}), Values{});
}

TEST(Strided, KnowsWhatIsInCOrder) {
  EXPECT_TRUE(is_c_order({2, 3}, {3, 1}));
  EXPECT_TRUE(is_c_order({}, {}));
  EXPECT_TRUE(is_c_order({2, 1, 3}, {3, 77, 1}));  // The stride of a single element is moot.
  EXPECT_TRUE(is_c_order({0, 3}, {7, 7}));
  EXPECT_FALSE(is_c_order({2, 3}, {1, 2}));
  EXPECT_FALSE(is_c_order({2, 3}, {4, 1}));
  EXPECT_FALSE(is_c_order({2}, {0}));
}

TEST(Strided, TheFirstIndexRunsFastestInFortranOrder) {
  EXPECT_EQ(fortran_order_strides({2, 3, 4}), (Sizes{1, 2, 6}));
  EXPECT_EQ(fortran_order_strides({}), Sizes{});
}

TEST(Strided, RefusesElementsOfOddSizes) {
  const std::byte source[16] = {};
  EXPECT_EQ(error_of([&] { gather_strided(source, 3, {1}, {1}); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(error_of([&] { gather_strided(source, 4, {1}, {}); }), ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace weir::io
