// What an independent look with PyTorch found on this model (100 prompts "When A and B went to the
// P, B gave a O to"), and what this library has to come to by itself: movers 23.0, 23.1, 23.2, 23.7
// (and 23.3), inhibition 20.0 and 19.2, duplicate token 8.1, 2.4, 9.2, previous token 16.0, 11.1,
// induction 17.4, 17.5, accuracy 1, logit difference about 5.
#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/real_models.h"
#include "weir/channels/channels.h"
#include "weir/channels/find_heads.h"
#include "weir/tasks/task.h"

namespace weir {
namespace {

std::vector<std::string> names(const std::vector<FoundHead>& heads) {
  std::vector<std::string> list;
  for (const FoundHead& found : heads) list.push_back(found.head.name());
  return list;
}

TEST(GoldenChannelsSmollm2, HeadsAndTheChannelBetweenThem) {
  const auto path = testing::stored_model("smollm2-135m");
  if (!path) GTEST_SKIP() << "not in the store; get it by: weir models pull smollm2-135m";
  const LanguageModel lm = LanguageModel::load(*path);
  TaskOptions task;
  task.n = 24;
  task.variant = "one-template";
  task.corruption = "flip";
  const IoiHeads heads = find_ioi_heads(lm, make_task("ioi", task, lm.tokenizer()));
  EXPECT_GT(heads.accuracy.mean, 0.95);
  EXPECT_NEAR(heads.logit_diff.mean, 5.2, 0.8);
  using ::testing::Contains;
  for (const char* head : {"23.0", "23.1", "23.2", "23.7"})
    EXPECT_THAT(names(heads.movers), Contains(head));
  EXPECT_THAT(names(heads.negative), Contains("24.4"));
  ASSERT_GE(heads.inhibitors.size(), 2U);
  EXPECT_EQ(heads.inhibitors[0].head.name(), "20.0");
  EXPECT_EQ(heads.inhibitors[1].head.name(), "19.2");
  for (const char* head : {"8.1", "2.4", "9.2"})
    EXPECT_THAT(names(heads.duplicate), Contains(head));
  for (const char* head : {"16.0", "11.1"}) EXPECT_THAT(names(heads.previous), Contains(head));
  for (const char* head : {"17.4", "17.5"}) EXPECT_THAT(names(heads.induction), Contains(head));

  // From the weights alone: of all that 20.0 writes, component 0 is what the movers' queries read.
  ChannelOptions options;
  options.writer = HeadId{20, 0};
  options.n_links = 4;
  const Channels channels = find_channels(lm, options);
  for (const ChannelLink& link : channels.tables[0].links) {
    EXPECT_EQ(link.component, 0);
    EXPECT_EQ(link.reader.layer, 23);
    EXPECT_TRUE(link.is_discovery);
    EXPECT_GT(link.z, 8);
  }
}

}  // namespace
}  // namespace weir
