#include "weir/base/paths.h"

#include <stdlib.h>

#include <gtest/gtest.h>

namespace weir {
namespace {

TEST(Paths, HomeFollowsTheEnvironment) {
  for (const char* name : {"HF_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"}) unsetenv(name);
  setenv("WEIR_HOME", "/data/weir", 1);
  EXPECT_EQ(home_directory(), "/data/weir");
  unsetenv("WEIR_HOME");
  setenv("XDG_CACHE_HOME", "/cache", 1);
  EXPECT_EQ(home_directory(), "/cache/weir");
  EXPECT_EQ(hugging_face_cache(), "/cache/huggingface/hub");
  setenv("HF_HOME", "/hf", 1);
  EXPECT_EQ(hugging_face_cache(), "/hf/hub");
  unsetenv("HF_HOME");
  unsetenv("XDG_CACHE_HOME");
}

}  // namespace
}  // namespace weir
