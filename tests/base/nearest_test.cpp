#include "weir/base/nearest.h"

#include <gtest/gtest.h>

namespace weir {
namespace {

const std::vector<std::string> kNames = {"blocks.0.hook_resid_pre", "blocks.0.hook_resid_post",
                                         "hook_embed", "ln_final.hook_scale"};

TEST(NearestNames, FindsASlip) {
  EXPECT_EQ(nearest_names("hook_embd", kNames), std::vector<std::string>{"hook_embed"});
}

TEST(NearestNames, CountsAPartOfANameAsNear) {
  EXPECT_EQ(nearest_names("resid_pre", kNames).at(0), "blocks.0.hook_resid_pre");
}

TEST(NearestNames, OffersNothingForAStranger) {
  EXPECT_TRUE(nearest_names("xyzzy", kNames).empty());
  EXPECT_EQ(did_you_mean("xyzzy", kNames), "");
}

TEST(NearestNames, ReadsAsASentence) {
  EXPECT_EQ(did_you_mean("hook_embd", kNames), "; did you mean hook_embed?");
  EXPECT_EQ(did_you_mean("hook_resid", kNames),
            "; did you mean blocks.0.hook_resid_pre or blocks.0.hook_resid_post?");
}

}  // namespace
}  // namespace weir
