#include "weir/rl/evaluation.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>

#include <fmt/format.h>

#include "weir/base/draw.h"
#include "weir/base/error.h"

namespace weir::rl {
namespace {

constexpr int kDraws = 10000;

double mean_of(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return values.empty() ? 0 : sum / static_cast<double>(values.size());
}

double pass_of(const JudgedProblem& problem, int64_t k) {
  return pass_at_k(static_cast<int64_t>(problem.scores.size()), problem.n_right(), k);
}

double vote_of(const JudgedProblem& problem, int64_t k) {
  const std::vector<std::string> first(problem.answers.begin(), problem.answers.begin() + k);
  return problem.scores[static_cast<size_t>(majority(first))];
}

std::vector<double> differences(const std::vector<JudgedProblem>& first,
                                const std::vector<JudgedProblem>& second,
                                const std::function<double(const JudgedProblem&)>& of) {
  std::vector<double> result;
  for (size_t i = 0; i < first.size(); ++i) result.push_back(of(second[i]) - of(first[i]));
  return result;
}

double sign_flip_p(const std::vector<double>& differences) {
  double observed = 0;
  for (const double of : differences) observed += of;
  Draw draw(0x519f);
  int as_far = 0;
  for (int i = 0; i < kDraws; ++i) {
    double sum = 0;
    for (const double of : differences) sum += (draw.next() >> 63) != 0 ? of : -of;
    if (std::fabs(sum) >= std::fabs(observed) - 1e-12) ++as_far;
  }
  return (1.0 + as_far) / (1.0 + kDraws);
}

}  // namespace

double pass_at_k(int64_t n, int64_t c, int64_t k) {
  require(n > 0 && c >= 0 && c <= n && k > 0 && k <= n,
          "pass@k: expected 0 <= c <= n and 0 < k <= n, got n = {}, c = {}, k = {}", n, c, k);
  double none = 1;
  for (int64_t i = n - c + 1; i <= n; ++i) {
    none *= std::max(0.0, 1 - static_cast<double>(k) / static_cast<double>(i));
  }
  return 1 - none;
}

int64_t majority(const std::vector<std::string>& answers) {
  std::map<std::string, int64_t> votes;
  for (const std::string& answer : answers) {
    if (!answer.empty()) ++votes[answer];
  }
  int64_t best = 0, most = 0;
  for (size_t i = 0; i < answers.size(); ++i) {
    const auto found = votes.find(answers[i]);
    if (found == votes.end() || found->second <= most) continue;
    most = found->second;
    best = static_cast<int64_t>(i);
  }
  return best;
}

int64_t JudgedProblem::n_right() const {
  return std::count_if(scores.begin(), scores.end(), [](double score) { return score > 1 - 1e-9; });
}

EvaluationResult evaluate(const std::vector<JudgedProblem>& problems,
                          const std::vector<int64_t>& k) {
  require(!problems.empty() && !problems[0].scores.empty(),
          "evaluation: expected at least one problem with an answer");
  EvaluationResult result;
  result.n = static_cast<int64_t>(problems[0].scores.size());
  for (const JudgedProblem& problem : problems) {
    require(static_cast<int64_t>(problem.scores.size()) == result.n,
            "evaluation: expected {} answers to every problem, got {}", result.n,
            problem.scores.size());
  }
  std::vector<double> averages;
  for (const JudgedProblem& problem : problems) averages.push_back(mean_of(problem.scores));
  result.average = bootstrap_mean(averages);
  for (const int64_t at : k) {
    if (at < 1 || at > result.n) continue;
    std::vector<double> passes, votes;
    for (const JudgedProblem& problem : problems) {
      passes.push_back(pass_of(problem, at));
      votes.push_back(vote_of(problem, at));
    }
    result.k.push_back(at);
    result.pass.push_back(bootstrap_mean(passes));
    result.vote.push_back(bootstrap_mean(votes));
  }
  return result;
}

PairedComparison compare(const std::vector<JudgedProblem>& first,
                         const std::vector<JudgedProblem>& second, const std::vector<int64_t>& k) {
  require(first.size() == second.size(), "comparison: expected the same problems, got {} and {}",
          first.size(), second.size());
  PairedComparison result;
  const auto averages =
      differences(first, second, [](const JudgedProblem& of) { return mean_of(of.scores); });
  result.average = bootstrap_mean(averages);
  result.p = sign_flip_p(averages);
  for (const int64_t at : k) {
    if (at < 1 || at > static_cast<int64_t>(first[0].scores.size())) continue;
    result.pass.push_back(bootstrap_mean(
        differences(first, second, [at](const JudgedProblem& of) { return pass_of(of, at); })));
  }
  return result;
}

std::vector<Block> evaluation_blocks(const std::vector<std::string>& names,
                                     const std::vector<EvaluationResult>& results) {
  TableBlock table{"Share of problems solved", {"measure"}, {}, "95 % intervals over problems"};
  for (const std::string& name : names) table.columns.push_back(name);
  const auto add = [&](const std::string& measure, const auto& of) {
    std::vector<Cell> row = {measure};
    for (const EvaluationResult& result : results) row.push_back(interval_text(of(result), 3));
    table.rows.push_back(std::move(row));
  };
  add(fmt::format("Avg@{}", results[0].n), [](const EvaluationResult& of) { return of.average; });
  CurvesBlock ladder;
  ladder.title = "Pass@k";
  ladder.x_label = "k";
  ladder.y_label = "share of problems";
  for (size_t i = 0; i < results[0].k.size(); ++i) {
    const int64_t k = results[0].k[i];
    ladder.x.push_back(static_cast<double>(k));
    add(fmt::format("Pass@{}", k), [i](const EvaluationResult& of) { return of.pass[i]; });
    if (k > 1)
      add(fmt::format("Maj@{}", k), [i](const EvaluationResult& of) { return of.vote[i]; });
  }
  for (size_t m = 0; m < results.size(); ++m) {
    Series series{names[m], {}};
    for (const MeanInterval& at : results[m].pass) {
      series.y.push_back(at.mean);
      series.lower.push_back(at.low);
      series.upper.push_back(at.high);
    }
    ladder.series.push_back(std::move(series));
  }
  std::vector<Block> blocks;
  blocks.emplace_back(std::move(table));
  if (ladder.x.size() > 1) blocks.emplace_back(std::move(ladder));
  return blocks;
}

}  // namespace weir::rl
