#include "weir/sae/training/sparse_choice.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "weir/sae/training/chosen_rows.h"

namespace weir {
namespace {

// Pre-activations of a block: what two cores' caches hold together.
constexpr int64_t kBlockNumbers = int64_t{1} << 21;
constexpr int64_t kFewestRows = 64;
constexpr double kSlack = 4;  // Times more candidates of a batch than are chosen.

template <class T>
class Chooser {
 public:
  Chooser(const ChoiceInput& input, ChoiceRule rule, double k)
      : input_(input), rule_(rule), k_(k), n_(input.encoder.size(0)), n_rows_(input.x.size(0)) {
    result_.kept = at::empty({n_rows_, static_cast<int64_t>(input.kept.size())}, input.x.options());
    if (rule == ChoiceRule::kBatch) {
      rows_.resize(static_cast<size_t>(n_rows_));
    } else {
      const auto each = static_cast<int64_t>(k);
      result_.chosen.start.resize(static_cast<size_t>(n_rows_ + 1));
      for (int64_t t = 0; t <= n_rows_; ++t)
        result_.chosen.start[static_cast<size_t>(t)] = t * each;
      resize(n_rows_ * each);
    }
  }

  ChoiceResult<T> run() {
    each_block([this](int64_t first, const at::Tensor& pre) { choose(first, pre); });
    if (rule_ == ChoiceRule::kBatch) cut();
    return std::move(result_);
  }

 private:
  struct Candidate {
    int32_t id;
    T score, pre;
  };

  void resize(int64_t n) {
    result_.chosen.ids.resize(static_cast<size_t>(n));
    result_.chosen.pre.resize(static_cast<size_t>(n));
  }

  template <class Use>
  void each_block(const Use& use) {
    const int64_t block = std::max(kFewestRows, kBlockNumbers / n_);
    at::Tensor buffer = at::empty({std::min(block, n_rows_), n_}, input_.x.options());
    const at::Tensor weight = input_.encoder.t();
    for (int64_t first = 0; first < n_rows_; first += block) {
      const int64_t n = std::min(block, n_rows_ - first);
      at::Tensor pre = buffer.narrow(0, 0, n);
      at::addmm_out(pre, input_.bias, input_.x.narrow(0, first, n), weight);
      use(first, pre);
    }
  }

  // Ranks in place of pre-activations, and those of latents that are kept.
  void choose(int64_t first, const at::Tensor& block) {
    const T* norms = input_.norms.defined() ? input_.norms.data_ptr<T>() : nullptr;
    if (rule_ == ChoiceRule::kBatch && !has_bound_) find_bound(block, norms);
    at::parallel_for(0, block.size(0), 1, [&](int64_t begin, int64_t end) {
      TopOfRow<T> top(n_);
      std::vector<T> sizes(rule_ == ChoiceRule::kRowsBySize ? static_cast<size_t>(n_) : 0);
      std::vector<int32_t> ids(static_cast<size_t>(n_));
      for (int64_t i = begin; i < end; ++i) {
        T* z = block.data_ptr<T>() + i * n_;
        if (norms != nullptr) {
          for (int64_t j = 0; j < n_; ++j) z[j] *= norms[j];
        }
        T* kept = result_.kept.template data_ptr<T>() + (first + i) * result_.kept.size(1);
        for (size_t j = 0; j < input_.kept.size(); ++j) kept[j] = z[input_.kept[j]];
        if (rule_ == ChoiceRule::kBatch) {
          offer(first + i, z, norms, &ids);
        } else {
          choose_row(first + i, z, norms, &top, &sizes);
        }
      }
    });
  }

  void choose_row(int64_t row, const T* z, const T* norms, TopOfRow<T>* top,
                  std::vector<T>* sizes) {
    const auto k = static_cast<int64_t>(k_);
    int32_t* ids = result_.chosen.ids.data() + row * k;
    if (rule_ == ChoiceRule::kGroups) {
      const int64_t group = n_ / k;
      for (int64_t g = 0; g < k; ++g) {
        const T* start = z + g * group;
        // ReLU comes first: where all are 0 the first is chosen.
        const T* best = std::max_element(start, start + group);
        ids[g] = static_cast<int32_t>(*best > 0 ? best - z : g * group);
      }
    } else if (rule_ == ChoiceRule::kRowsBySize) {
      for (int64_t j = 0; j < n_; ++j) (*sizes)[static_cast<size_t>(j)] = std::abs(z[j]);
      top->find(sizes->data(), n_, k, ids);
    } else {
      top->find(z, n_, k, ids);
    }
    T* pre = result_.chosen.pre.data() + row * k;
    for (int64_t i = 0; i < k; ++i)
      pre[i] = norms == nullptr ? z[ids[i]] : z[ids[i]] / norms[ids[i]];
  }

  // A bound above which a few times more numbers of the first rows lie than will be chosen.
  void find_bound(const at::Tensor& block, const T* norms) {
    const int64_t rows = std::min<int64_t>(block.size(0), 64);
    std::vector<T> all;
    for (int64_t i = 0; i < rows; ++i) {
      const T* z = block.data_ptr<T>() + i * n_;
      for (int64_t j = 0; j < n_; ++j) {
        const T score = norms == nullptr ? z[j] : z[j] * norms[j];
        if (score > 0) all.push_back(score);
      }
    }
    const auto n = static_cast<size_t>(kSlack * k_ * static_cast<double>(rows));
    has_bound_ = true;
    if (n >= all.size()) return;
    std::nth_element(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(n), all.end(),
                     std::greater<T>());
    bound_ = all[n];
  }

  void offer(int64_t row, const T* z, const T* norms, std::vector<int32_t>* ids) {
    const int64_t n = find_greater(z, n_, bound_, ids->data());
    std::vector<Candidate>& own = rows_[static_cast<size_t>(row)];
    own.clear();
    for (int64_t i = 0; i < n; ++i) {
      const int32_t id = (*ids)[static_cast<size_t>(i)];
      own.push_back({id, z[id], norms == nullptr ? z[id] : z[id] / norms[id]});
    }
  }

  // The highest floor(k B) of all candidates; of equal ones the first.
  void cut() {
    const auto wanted = static_cast<int64_t>(k_ * static_cast<double>(n_rows_));
    std::vector<T> scores = all_scores();
    if (static_cast<int64_t>(scores.size()) < wanted && bound_ > 0) {
      bound_ = 0;  // The first rows were unlike the others: all that are positive.
      each_block([this](int64_t first, const at::Tensor& pre) { choose(first, pre); });
      scores = all_scores();
    }
    T least = 0;
    int64_t equal = 0;
    if (static_cast<int64_t>(scores.size()) > wanted && wanted > 0) {
      const auto last = scores.begin() + static_cast<std::ptrdiff_t>(wanted - 1);
      std::nth_element(scores.begin(), last, scores.end(), std::greater<T>());
      least = *last;
      equal = wanted - std::count_if(scores.begin(), last, [&](T v) { return v > least; });
    }
    SparseChoice<T>& chosen = result_.chosen;
    chosen.start.push_back(0);
    for (const std::vector<Candidate>& row : rows_) {
      for (const Candidate& of : row) {
        if (of.score < least || (of.score == least && equal-- <= 0)) continue;
        chosen.ids.push_back(of.id);
        chosen.pre.push_back(of.pre);
      }
      chosen.start.push_back(static_cast<int64_t>(chosen.ids.size()));
    }
  }

  std::vector<T> all_scores() const {
    std::vector<T> scores;
    for (const std::vector<Candidate>& row : rows_) {
      for (const Candidate& of : row) scores.push_back(of.score);
    }
    return scores;
  }

  const ChoiceInput& input_;
  ChoiceRule rule_;
  double k_;
  int64_t n_, n_rows_;
  T bound_ = 0;
  bool has_bound_ = false;
  std::vector<std::vector<Candidate>> rows_;
  ChoiceResult<T> result_;
};

}  // namespace

template <class T>
ChoiceResult<T> choose_latents(const ChoiceInput& input, ChoiceRule rule, double k) {
  return Chooser<T>(input, rule, k).run();
}

template ChoiceResult<float> choose_latents<float>(const ChoiceInput&, ChoiceRule, double);
template ChoiceResult<double> choose_latents<double>(const ChoiceInput&, ChoiceRule, double);

}  // namespace weir
