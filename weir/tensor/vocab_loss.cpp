#include "weir/tensor/vocab_loss.h"

#include <cmath>
#include <memory>
#include <type_traits>
#include <vector>

#include <ATen/ATen.h>

#include "weir/base/error.h"
#include "weir/tensor/hand_gradient.h"
#include "weir/tensor/kernels/kernels.h"
#include "weir/tensor/vocab_targets.h"
#include "weir/tensor/vocab_tiles.h"

namespace weir {
namespace {

using vocab::each_row;
using vocab::kFewRows;
using vocab::kRowsAtOnce;

constexpr int kLogProb = 0, kEntropy = 1, kLogsumexp = 2;

void score_gradient(float* z, int64_t n, const kernels::ScoreGradient& of) {
  kernels::best().score_gradient(z, n, of);
}

// The same in float64; `of` with members of that type.
struct ExactGradient {
  double logsumexp, constant, slope, target;
  const double* weights;
  double softcap;
};
void score_gradient(double* z, int64_t n, const ExactGradient& of) {
  for (int64_t i = 0; i < n; ++i) {
    const double capped = of.softcap > 0 ? z[i] / of.softcap : 0;
    double g = std::exp(z[i] - of.logsumexp) * (of.constant - of.slope * z[i]);
    if (of.weights != nullptr) g += of.target * of.weights[i];
    z[i] = g * (1 - capped * capped);
  }
}
template <typename Scalar>
using GradientOf =
    std::conditional_t<std::is_same_v<Scalar, float>, kernels::ScoreGradient, ExactGradient>;

/// One use of the distributions: x and the bias are already divided by the temperature, and so is
/// the cap, which makes the logits those over the temperature.
template <typename Scalar>
class ScorePass {
 public:
  ScorePass(const at::Tensor& x, const Matrix& W_U, const at::Tensor& b_U, double softcap,
            const vocab::TargetRows& targets)
      : x_(x),
        softcap_(softcap),
        targets_(targets),
        n_vocabulary_(W_U.n_out()),
        tiles_(W_U, b_U, softcap, x.scalar_type()) {}

  /// [3, N]: log_prob, entropy, logsumexp.
  at::Tensor scores() {
    std::vector<vocab::RunningSums> sums(x_.size(0));
    std::vector<double> expected(x_.size(0), 0);  // sum of q t
    each_tile([&](int64_t i, Scalar* z) {
      const double max = tiles_.finish(z);
      sums[i].template add<Scalar>(z, tiles_.width(), max, nullptr);
      expected[i] += weighted_sum(i, z);
    });
    const at::Tensor out = at::empty({3, x_.size(0)}, at::kDouble);
    auto rows = out.accessor<double, 2>();
    for (int64_t i = 0; i < x_.size(0); ++i) {
      rows[kLogProb][i] = expected[i] - targets_.total(i) * sums[i].logsumexp();
      rows[kEntropy][i] = sums[i].entropy();
      rows[kLogsumexp][i] = sums[i].logsumexp();
    }
    return out;
  }

  /// d / dx [N, D], d / dW_U as `W_U` lies in memory, d / db_U [V]; undefined where not defined
  /// in `into`.
  struct Into {
    at::Tensor x, W_U, b_U;
  };
  void gradients(const at::Tensor& scores, const at::Tensor& incoming, const Into& into) {
    const auto s = scores.accessor<double, 2>(), g = incoming.accessor<double, 2>();
    each_tile(
        [&](int64_t i, Scalar* z) {
          tiles_.finish(z);
          const double L = s[kLogsumexp][i], H = s[kEntropy][i];
          const double constant =
              g[kLogsumexp][i] - g[kLogProb][i] * targets_.total(i) + g[kEntropy][i] * (L - H);
          row_gradient(i, z, L, constant, g[kEntropy][i], g[kLogProb][i]);
        },
        [&](int64_t first_row, const at::Tensor& z) { take_in(into, first_row, z); });
  }

 private:
  // row(i, z) for each row of each tile, then block(first row, z [rows, width]).
  template <typename Row>
  void each_tile(const Row& row) {
    each_tile(row, [](int64_t, const at::Tensor&) {});
  }
  template <typename Row, typename Block>
  void each_tile(const Row& row, const Block& block) {
    const int64_t n = x_.size(0), rows = std::min(n, kRowsAtOnce), width = vocab::tile_width(rows);
    const at::Tensor room = at::empty({rows * width}, x_.options().device(at::kCPU));
    for (int64_t first = 0; first < n_vocabulary_; first += width) {
      tiles_.set(first, std::min(width, n_vocabulary_ - first), n > kFewRows || is_exact());
      for (int64_t begin = 0; begin < n; begin += rows) {
        const int64_t count = std::min(rows, n - begin);
        const at::Tensor z = room.slice(0, 0, count * tiles_.width()).view({count, tiles_.width()});
        tiles_.multiply(x_.slice(0, begin, begin + count), z);
        Scalar* logits = z.template data_ptr<Scalar>();
        each_row(count, [&](int64_t i) { row(begin + i, logits + i * tiles_.width()); });
        block(begin, z);
      }
    }
  }
  static constexpr bool is_exact() { return std::is_same_v<Scalar, double>; }

  double weighted_sum(int64_t i, const Scalar* z) const {
    double sum = 0;
    targets_.each_listed(i, tiles_.first(), tiles_.width(),
                         [&](int64_t token, double weight) { sum += weight * z[token]; });
    if (const Scalar* weights = targets_.template dense<Scalar>(i, tiles_.first())) {
      for (int64_t v = 0; v < tiles_.width(); ++v) {
        sum += static_cast<double>(weights[v]) * static_cast<double>(z[v]);
      }
    }
    return sum;
  }

  void row_gradient(int64_t i, Scalar* z, double L, double constant, double slope, double target) {
    // Listed tokens first: z is overwritten.
    std::vector<std::pair<int64_t, double>> listed;
    targets_.each_listed(i, tiles_.first(), tiles_.width(), [&](int64_t token, double weight) {
      const double capped = softcap_ > 0 ? z[token] / softcap_ : 0;
      listed.emplace_back(token, target * weight * (1 - capped * capped));
    });
    GradientOf<Scalar> of;
    of.logsumexp = static_cast<Scalar>(L);
    of.constant = static_cast<Scalar>(constant);
    of.slope = static_cast<Scalar>(slope);
    of.target = static_cast<Scalar>(target);
    of.weights = targets_.template dense<Scalar>(i, tiles_.first());
    of.softcap = static_cast<Scalar>(softcap_);
    score_gradient(z, tiles_.width(), of);
    for (const auto& [token, more] : listed) z[token] += static_cast<Scalar>(more);
  }

  void take_in(const Into& into, int64_t first_row, const at::Tensor& on_cpu) const {
    const at::Tensor g = on_cpu.to(x_.device());
    const int64_t last_row = first_row + g.size(0), first = tiles_.first();
    const at::Tensor x = x_.slice(0, first_row, last_row);
    if (into.x.defined()) into.x.slice(0, first_row, last_row).addmm_(g, tiles_.dense().t());
    if (into.b_U.defined()) into.b_U.slice(0, first, first + g.size(1)).add_(g.sum(0));
    if (!into.W_U.defined()) return;
    at::Tensor part = into.W_U.slice(1, first, first + g.size(1));
    // Written the way it lies, so that nothing is copied.
    if (part.stride(0) == 1) {
      part.t().addmm_(g.t(), x);
    } else {
      part.addmm_(x.t(), g);
    }
  }

  const at::Tensor x_;
  double softcap_;
  const vocab::TargetRows& targets_;
  int64_t n_vocabulary_;
  vocab::Tiles tiles_;
};

/// What forward and backward of one call share.
struct Call {
  Matrix blocks;  ///< Of a quantised W_U, which gets no gradient.
  bool has_bias = false;
  double temperature = 1, softcap = 0;
  std::unique_ptr<const vocab::TargetRows> targets;
  at::Tensor scores;  ///< [3, N], left by forward.

  Matrix W_U(const std::vector<at::Tensor>& inputs) const {
    return blocks.defined() ? blocks : Matrix(inputs[1]);
  }
  at::Tensor b_U(const std::vector<at::Tensor>& inputs) const {
    return has_bias ? inputs.back() : at::Tensor();
  }
  template <typename Scalar>
  ScorePass<Scalar> pass(const std::vector<at::Tensor>& inputs, const Matrix& W_U,
                         const at::Tensor& scaled_bias) const {
    return {(inputs[0] / temperature).contiguous(), W_U, scaled_bias, softcap / temperature,
            *targets};
  }
  at::Tensor scaled_bias(const std::vector<at::Tensor>& inputs) const {
    return has_bias ? inputs.back().to(inputs[0].scalar_type()) / temperature : at::Tensor();
  }

  at::Tensor forward(const std::vector<at::Tensor>& inputs) {
    const Matrix matrix = W_U(inputs);
    const at::Tensor bias = scaled_bias(inputs);
    const at::Tensor result = inputs[0].scalar_type() == at::kDouble
                                  ? pass<double>(inputs, matrix, bias).scores()
                                  : pass<float>(inputs, matrix, bias).scores();
    // Detached: the node of the graph holds this object, and the output its node; had it the output
    // itself, none of them would ever be freed.
    scores = result.detach();
    return result.to(inputs[0].options());
  }

  std::vector<at::Tensor> backward(const std::vector<at::Tensor>& inputs,
                                   const at::Tensor& gradient, const std::vector<bool>& wanted) {
    const Matrix matrix = W_U(inputs);
    const at::Tensor bias = scaled_bias(inputs);
    const at::Tensor incoming = gradient.to(at::kCPU, at::kDouble).contiguous();
    std::vector<at::Tensor> found(inputs.size());
    for (size_t i = 0; i < inputs.size(); ++i) {
      // zeros_like keeps a transposed table's layout.
      if (wanted[i]) found[i] = at::zeros_like(inputs[i], inputs[0].scalar_type());
    }
    const at::Tensor of_W_U = blocks.defined() ? at::Tensor() : found[1];
    const at::Tensor of_b_U = has_bias ? found.back() : at::Tensor();
    if (inputs[0].scalar_type() == at::kDouble) {
      pass<double>(inputs, matrix, bias).gradients(scores, incoming, {found[0], of_W_U, of_b_U});
    } else {
      pass<float>(inputs, matrix, bias).gradients(scores, incoming, {found[0], of_W_U, of_b_U});
    }
    if (found[0].defined() && temperature != 1) found[0].div_(temperature);
    if (of_b_U.defined() && temperature != 1) of_b_U.div_(temperature);
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (found[i].defined()) found[i] = found[i].to(inputs[i].scalar_type());
    }
    return found;
  }

  at::Tensor composed(const std::vector<at::Tensor>& inputs) const {
    const at::ScalarType dtype = inputs[0].scalar_type();
    at::Tensor z = at::matmul(inputs[0], W_U(inputs).dense(dtype));
    if (has_bias) z = z + b_U(inputs).to(dtype);
    if (softcap > 0) z = (z / softcap).tanh() * softcap;
    z = z / temperature;
    const at::Tensor log_p = z.log_softmax(1), L = z.logsumexp(1);
    const at::Tensor q = targets->table(z.size(0), z.size(1), dtype).to(z.device());
    return at::stack({(q * log_p).sum(1), -(log_p.exp() * log_p).sum(1), L});
  }
};

void check(const at::Tensor& x, const Matrix& W_U, const at::Tensor& b_U,
           const VocabScoreOptions& options) {
  require(x.dim() == 2 && x.size(1) == W_U.n_in(),
          "vocabulary scores: expected rows [N, {}], got {}", W_U.n_in(), c10::str(x.sizes()));
  require(!b_U.defined() || (b_U.dim() == 1 && b_U.size(0) == W_U.n_out()),
          "vocabulary scores: expected a bias [{}], got {}", W_U.n_out(),
          b_U.defined() ? c10::str(b_U.sizes()) : "");
  require(options.temperature > 0 && options.softcap >= 0,
          "vocabulary scores: expected a temperature above 0 and a cap of 0 or more, got {} and {}",
          options.temperature, options.softcap);
  require(options.n_vocabulary >= 0 && options.n_vocabulary <= W_U.n_out(),
          "vocabulary scores: expected from 0 to {} tokens, got {}", W_U.n_out(),
          options.n_vocabulary);
  const at::Tensor& ids = options.vocabulary;
  if (!ids.defined()) return;
  require(options.n_vocabulary == 0 && ids.dim() == 1 && ids.numel() > 0 &&
              ids.scalar_type() == at::kLong,
          "vocabulary scores: expected the vocabulary as int64 [n] or as a count");
  const bool rises = ids.size(0) == 1 || (ids.slice(0, 1) > ids.slice(0, 0, -1)).all().item<bool>();
  require(rises && ids[0].item<int64_t>() >= 0 && ids[-1].item<int64_t>() < W_U.n_out(),
          "vocabulary scores: expected ascending token ids from 0 to {}", W_U.n_out() - 1);
}

// The part of W_U that is left, through the graph.
Matrix cut(const Matrix& W_U, const VocabScoreOptions& options) {
  const at::Tensor& ids = options.vocabulary;
  if (ids.defined()) {
    return W_U.is_quantised()
               ? W_U.select_out(ids.cpu())
               : Matrix(W_U.storage().index_select(1, ids.to(W_U.storage().device())));
  }
  return options.n_vocabulary > 0 ? W_U.slice_out(0, options.n_vocabulary) : W_U;
}

at::Tensor cut(const at::Tensor& b_U, const VocabScoreOptions& options) {
  if (!b_U.defined()) return b_U;
  if (options.vocabulary.defined()) {
    return b_U.index_select(0, options.vocabulary.to(b_U.device()));
  }
  return options.n_vocabulary > 0 ? b_U.slice(0, 0, options.n_vocabulary) : b_U;
}

}  // namespace

VocabScores vocab_scores(const at::Tensor& x, const Matrix& W_U, const at::Tensor& b_U,
                         const VocabScoreOptions& options) {
  check(x, W_U, b_U, options);
  const Matrix left = cut(W_U, options);
  const at::Tensor rows = x.scalar_type() == at::kDouble ? x : x.to(at::kFloat);
  const auto call = std::make_shared<Call>();
  call->temperature = options.temperature;
  call->softcap = options.softcap;
  call->has_bias = b_U.defined();
  call->targets = std::make_unique<const vocab::TargetRows>(
      options, x.size(0), left.n_out(),
      options.vocabulary.defined() ? options.vocabulary.cpu().contiguous() : at::Tensor(),
      rows.scalar_type());
  std::vector<at::Tensor> inputs = {rows};
  if (left.is_quantised()) {
    call->blocks = left;
  } else {
    inputs.push_back(left.storage());
  }
  if (b_U.defined()) inputs.push_back(cut(b_U, options));
  const at::Tensor scores = with_gradient(
      inputs,
      {[call](const auto& in) { return call->forward(in); },
       [call](const auto& in, const auto& g, const auto& w) { return call->backward(in, g, w); },
       [call](const auto& in) { return call->composed(in); }});
  VocabScores result{{}, scores[kEntropy], scores[kLogsumexp]};
  if (call->targets->any()) result.log_prob = scores[kLogProb];
  return result;
}

}  // namespace weir
