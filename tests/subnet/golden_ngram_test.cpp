// Counts and back-off against the paper's own code (the golden topic `subnet`): counts are exact,
// probabilities are single quotients of them, 1e-12.
#include "tests/subnet/golden_subnet.h"
#include "weir/subnet/ngram_counter.h"

namespace weir::testing {
namespace {

constexpr double kQuotient = 1e-12;

class GoldenSubnetNgram : public ::testing::TestWithParam<std::string> {
 protected:
  GoldenSubnetNgram() : golden_("ngram_" + GetParam()) {}
  int64_t vocabulary() const { return golden_.notes["vocab"]; }
  NgramModel counted(int64_t order) const {
    NgramCountOptions options;
    options.order = order;
    options.vocabulary = vocabulary();
    NgramCounter counter(options);
    counter.add_rows(golden_.at("train"));
    return counter.finish();
  }
  void expect_predictions(const NgramModel& model, const std::string& tag) const {
    const at::Tensor& eval = golden_.at("eval");
    EXPECT_LT(max_difference(model.probabilities(eval), golden_.at(tag + ".prob_of_eval_token")),
              kQuotient)
        << tag;
    const at::Tensor& expected = golden_.at(tag + ".next_token_distribution");  // float32
    const TargetRows rows = model.next_token(eval.slice(0, 0, expected.size(0)));
    EXPECT_LT(max_difference(NgramModel::dense(rows, vocabulary()).to(at::kFloat).view_as(expected),
                             expected),
              1e-7)
        << tag;
  }
  SubnetGolden golden_;
};

TEST_P(GoldenSubnetNgram, CountsBigramsExactly) {
  const NgramModel model = counted(2);
  const NgramLevel& bigrams = model.level(2);
  EXPECT_TRUE(bigrams.id.to(at::kLong).equal(golden_.at("bigram.ids")));
  EXPECT_TRUE(bigrams.count.to(at::kLong).equal(golden_.at("bigram.count")));
  EXPECT_TRUE(bigrams.total.equal(
      golden_.at("bigram.row_total").index_select(0, bigrams.context).to(at::kDouble)));
  EXPECT_EQ(bigrams.n_contexts(), golden_.notes["bigram_contexts"].get<int64_t>());
  const at::Tensor unigrams = model.level(1).count.to(at::kDouble) / model.level(1).total;
  EXPECT_LT(max_difference(golden_.at("unigram.prob").index_select(0, model.level(1).id), unigrams),
            kQuotient);
}

TEST_P(GoldenSubnetNgram, BacksOffAsThePaper) {
  const NgramModel trigrams = counted(3);
  EXPECT_EQ(trigrams.level(3).n_contexts(), golden_.notes["trigram_contexts"].get<int64_t>());
  expect_predictions(trigrams, "trigram");
  expect_predictions(trigrams.shortened(2), "bigram");
  const NgramModel frequent = trigrams.pruned(2);
  EXPECT_EQ(frequent.level(3).n_contexts(), golden_.notes["trigram_min2_contexts"].get<int64_t>());
  expect_predictions(frequent, "trigram_min2");
}

TEST_P(GoldenSubnetNgram, AddsToCounts) {
  const at::Tensor& expected = golden_.at("bigram_add0.5.prob_of_eval_token");
  const NgramModel model = counted(2).smoothed({0.5});
  EXPECT_LT(
      max_difference(model.probabilities(golden_.at("eval")).slice(1, 1), expected.slice(1, 1)),
      kQuotient);
  const at::Tensor sums =
      NgramModel::dense(model.next_token(golden_.at("eval")), vocabulary()).sum(1);
  EXPECT_LT(max_difference(sums, at::ones_like(sums)), kQuotient);
}

TEST_P(GoldenSubnetNgram, ReadsTheReferencesFile) {
  const NgramModel model = NgramModel::load(subnet_file("ngram_" + GetParam() + ".safetensors"));
  expect_predictions(model.shortened(2), "bigram");
}

TEST(GoldenSubnetNgramFolder, HasCases) { EXPECT_FALSE(subnet_cases("ngram").empty()); }
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(GoldenSubnetNgram);
INSTANTIATE_TEST_SUITE_P(Cases, GoldenSubnetNgram, ::testing::ValuesIn(subnet_cases("ngram")),
                         [](const auto& instance) { return case_name(instance.param); });

}  // namespace
}  // namespace weir::testing
