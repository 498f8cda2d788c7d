#pragma once

#include <functional>
#include <string>

#include <gtest/gtest.h>

#include "weir/base/error.h"

namespace weir::testing {

/// The message with which `call` refuses its arguments (kInvalidArgument); "" when it does not.
inline std::string refusal(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument) << error.what();
    return error.what();
  }
  return "";
}

}  // namespace weir::testing
