#include "weir/tensor/compat.h"

#include <string>

#include <c10/util/Exception.h>
#include <gtest/gtest.h>

#include "weir/base/log.h"

namespace weir {
namespace {

TEST(TorchWarnings, GoToTheLog) {
  std::string seen;
  log::set_sink([&](log::Level level, std::string_view message) {
    if (level == log::Level::kWarn) seen += message;
  });
  route_torch_warnings();
  TORCH_WARN("something odd");
  log::set_sink({});
  EXPECT_NE(seen.find("LibTorch: something odd"), std::string::npos) << seen;
}

}  // namespace
}  // namespace weir
