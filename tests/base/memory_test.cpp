#include "weir/base/memory.h"

#include <sys/resource.h>

#include <gtest/gtest.h>

#include "weir/base/error.h"

namespace weir {
namespace {

TEST(Memory, TellsWhatIsNeededAndWhatIsThere) {
  EXPECT_NO_THROW(require_memory(1e6, "a row"));
  try {
    require_memory(3.25e15, "a thousand rows");
    FAIL() << "no machine has that";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnavailable);
    EXPECT_NE(std::string(error.what()).find("a thousand rows: needs 3250000.0 GB"),
              std::string::npos)
        << error.what();
  }
}

TEST(Memory, HonoursTheProcesssOwnLimit) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_AS, &before), 0);
  const int64_t all = available_memory();
  rlimit limited = before;
  limited.rlim_cur = rlim_t{1} << 30;
  ASSERT_EQ(::setrlimit(RLIMIT_AS, &limited), 0);
  const int64_t left = available_memory();
  ASSERT_EQ(::setrlimit(RLIMIT_AS, &before), 0);
  EXPECT_LT(left, int64_t{1} << 30);
  EXPECT_GT(all, 0);
}

TEST(Memory, IsWrittenInUnitsThatFit) {
  EXPECT_EQ(memory_text(5.12e8), "512 MB");
  EXPECT_EQ(memory_text(19.66e9), "19.7 GB");
}

}  // namespace
}  // namespace weir
