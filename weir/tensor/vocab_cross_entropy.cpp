#include "weir/tensor/vocab_cross_entropy.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include <ATen/ATen.h>

#include "weir/base/error.h"
#include "weir/tensor/half_precision.h"
#include "weir/tensor/hand_gradient.h"
#include "weir/tensor/kernels/kernels.h"
#include "weir/tensor/vocab_tiles.h"

namespace weir {
namespace {

using Tensors = std::vector<at::Tensor>;

constexpr int64_t kLogitsAtOnce = 16 << 20;  // 64 MB of float32

// All sums of one call, in float64.
struct Sums {
  double objective = 0, loss = 0, squared_logsumexp = 0;
  int64_t n_correct = 0;
};

// Some rows of logits on their way from products to the gradient of the objective, in place.
class Rows {
 public:
  Rows(const at::Tensor& b_U, const CrossEntropyOptions& options, int64_t n_vocabulary)
      : options_(options),
        n_(n_vocabulary),
        bias_(b_U.defined() ? b_U.to(at::kFloat).contiguous() : b_U) {
    if (options.label_smoothing > 0) {
      uniform_ = at::full({n_}, 1.0 / static_cast<double>(n_), at::kFloat);
    }
  }

  /// From products z [rows, V]; z is the gradient afterwards, if that is wanted.
  Sums take(at::Tensor z, const int64_t* labels, bool wants_gradient) const {
    std::vector<Sums> of_rows(z.size(0));
    vocab::each_row(z.size(0), [&](int64_t i) {
      of_rows[i] = row(z.data_ptr<float>() + i * n_, labels[i], wants_gradient);
    });
    Sums sums;
    for (const Sums& one : of_rows) {
      sums.objective += one.objective;
      sums.loss += one.loss;
      sums.squared_logsumexp += one.squared_logsumexp;
      sums.n_correct += one.n_correct;
    }
    return sums;
  }

 private:
  Sums row(float* z, int64_t label, bool wants_gradient) const {
    const auto& kernel = kernels::best();
    const float* bias = bias_.defined() ? bias_.data_ptr<float>() : nullptr;
    const auto cap = static_cast<float>(options_.softcap);
    const float largest = kernel.finish_logits(z, n_, bias, cap);
    const double L = largest + std::log(vocab::exponential_sums(z, n_, largest, nullptr).sum);
    const double e = options_.label_smoothing, target = z[label];
    Sums sums;
    sums.loss = L - target;
    sums.squared_logsumexp = L * L;
    sums.n_correct = z[label] == largest ? 1 : 0;
    sums.objective = L - (1 - e) * target + options_.z_loss * L * L;
    if (e > 0) sums.objective -= e * kernel.dot(z, uniform_.data_ptr<float>(), n_);
    if (!wants_gradient) return sums;
    const double bent = options_.softcap > 0 ? target / options_.softcap : 0;
    kernels::ScoreGradient of;
    of.logsumexp = static_cast<float>(L);
    of.constant = static_cast<float>(1 + 2 * options_.z_loss * L);
    of.target = static_cast<float>(-e);
    of.weights = e > 0 ? uniform_.data_ptr<float>() : nullptr;
    of.softcap = cap;
    kernel.score_gradient(z, n_, of);
    z[label] -= static_cast<float>((1 - e) * (1 - bent * bent));
    return sums;
  }

  CrossEntropyOptions options_;
  int64_t n_;
  at::Tensor bias_, uniform_;
};

/// One call: inputs are x [N, D] (rows that count), W_U and, if there is one, b_U.
struct Call {
  CrossEntropyOptions options;
  at::Tensor labels;  ///< int64 [N]
  Matrix blocks;      ///< A quantised W_U, which is no input and gets no gradient.
  bool has_bias = false;
  Sums sums;
  Tensors gradients;  ///< Of the objective, made by forward.

  at::Tensor W_U(const Tensors& inputs) const {
    return blocks.defined() ? blocks.dense(inputs[0].scalar_type()) : inputs[1];
  }
  at::Tensor b_U(const Tensors& inputs) const { return has_bias ? inputs.back() : at::Tensor(); }

  at::Tensor forward(const Tensors& inputs, const std::vector<bool>& wanted) {
    const at::Tensor x = inputs[0].contiguous(), table = W_U(inputs);
    const int64_t n = x.size(0), n_vocabulary = table.size(1);
    const int64_t most = std::max<int64_t>(1, kLogitsAtOnce / n_vocabulary);
    const int64_t n_parts = (n + most - 1) / most, step = (n + n_parts - 1) / n_parts;
    for (size_t i = 0; i < inputs.size(); ++i) {
      gradients.push_back(wanted[i] ? at::zeros_like(inputs[i]) : at::Tensor());
    }
    const bool wants_any = std::find(wanted.begin(), wanted.end(), true) != wanted.end();
    const Rows rows(b_U(inputs), options, n_vocabulary);
    const at::Tensor room = at::empty({step, n_vocabulary}, x.options());
    for (int64_t first = 0; first < n; first += step) {
      const int64_t last = std::min(n, first + step);
      at::Tensor z = room.slice(0, 0, last - first);
      const at::Tensor part = x.slice(0, first, last);
      at::mm_out(z, part, table);
      const Sums more = rows.take(z, labels.data_ptr<int64_t>() + first, wants_any);
      sums.objective += more.objective;
      sums.loss += more.loss;
      sums.squared_logsumexp += more.squared_logsumexp;
      sums.n_correct += more.n_correct;
      if (wants_any) take_in(part, z, table, first);
    }
    return at::scalar_tensor(sums.objective, x.options());
  }

  // Adds what rows with the gradient z [rows, V] of their logits give.
  void take_in(const at::Tensor& x, const at::Tensor& z, const at::Tensor& table, int64_t first) {
    if (gradients[0].defined()) {
      at::Tensor of_x = gradients[0].slice(0, first, first + x.size(0));
      at::mm_out(of_x, z, table.t());
    }
    if (has_bias && gradients.back().defined()) gradients.back().add_(z.sum(0));
    if (blocks.defined() || !gradients[1].defined()) return;
    // Written the way it lies, so that nothing is copied.
    if (gradients[1].stride(0) == 1) {
      gradients[1].t().addmm_(z.t(), x);
    } else {
      gradients[1].addmm_(x.t(), z);
    }
  }

  // Gives the gradients away, so that whoever adds to them may do it in place.
  Tensors backward(const at::Tensor& gradient) {
    require(!gradients.empty(), "cross-entropy: a second backward through one forward");
    const double factor = gradient.item<double>();
    Tensors found = std::move(gradients);
    gradients.clear();
    for (at::Tensor& made : found) {
      if (made.defined() && factor != 1) made.mul_(factor);
    }
    return found;
  }

  // The plain form, for other types and second derivatives.
  at::Tensor composed(const Tensors& inputs) {
    at::Tensor z = at::mm(inputs[0], W_U(inputs));
    if (has_bias) z = z + inputs.back();
    if (options.softcap > 0) z = (z / options.softcap).tanh() * options.softcap;
    const at::Tensor L = z.logsumexp(1), log_p = z - L.unsqueeze(1);
    const at::Tensor of_label = log_p.gather(1, labels.unsqueeze(1)).squeeze(1);
    const double e = options.label_smoothing;
    const at::Tensor square = L.square();
    sums.loss = -of_label.sum().item<double>();
    sums.squared_logsumexp = square.sum().item<double>();
    sums.n_correct = (of_label == std::get<0>(log_p.max(1))).sum().item<int64_t>();
    at::Tensor each = of_label * (e - 1);
    if (e > 0) each = each - e * log_p.mean(1);
    if (options.z_loss != 0) each = each + options.z_loss * square;
    return each.sum();
  }
};

at::Tensor differentiable(const std::shared_ptr<Call>& call, const Tensors& inputs) {
  std::vector<bool> wanted;
  for (const at::Tensor& input : inputs) wanted.push_back(needs_graph({input}));
  HandGradient operation;
  operation.forward = [call, wanted](const Tensors& in) { return call->forward(in, wanted); };
  operation.backward = [call](const Tensors&, const at::Tensor& gradient, const auto&) {
    return call->backward(gradient);
  };
  operation.composed = [call](const Tensors& in) { return call->composed(in); };
  const bool wants_any = std::find(wanted.begin(), wanted.end(), true) != wanted.end();
  return wants_any ? with_gradient(inputs, std::move(operation)) : call->forward(inputs, wanted);
}

void check(const at::Tensor& x, const Matrix& W_U, const at::Tensor& b_U,
           const at::Tensor& labels) {
  require(x.dim() == 2 && x.size(1) == W_U.n_in() && labels.dim() == 1 &&
              labels.size(0) == x.size(0) && labels.scalar_type() == at::kLong,
          "cross-entropy: expected rows [N, {}] with int64 labels [N], got {} and {}", W_U.n_in(),
          c10::str(x.sizes()), c10::str(labels.sizes()));
  require(!b_U.defined() || (b_U.dim() == 1 && b_U.size(0) == W_U.n_out()),
          "cross-entropy: expected a bias [{}], got {}", W_U.n_out(),
          b_U.defined() ? c10::str(b_U.sizes()) : "");
}

}  // namespace

CrossEntropy vocab_cross_entropy(const at::Tensor& x, const Matrix& W_U, const at::Tensor& b_U,
                                 const at::Tensor& labels, const CrossEntropyOptions& options) {
  check(x, W_U, b_U, labels);
  const auto call = std::make_shared<Call>();
  call->options = options;
  call->has_bias = b_U.defined();
  const at::Tensor counted = (labels != kNotCounted).nonzero().squeeze(1);
  call->labels = labels.index_select(0, counted).contiguous();
  CrossEntropy result;
  result.n_counted = counted.numel();
  if (result.n_counted == 0) {
    result.objective = x.sum() * 0;
    return result;
  }
  const int64_t least = call->labels.min().item<int64_t>(),
                most = call->labels.max().item<int64_t>();
  require(least >= 0 && most < W_U.n_out(),
          "cross-entropy: expected labels from 0 to {} or {}, got {}", W_U.n_out() - 1, kNotCounted,
          least < 0 ? least : most);
  at::Tensor rows = widened(x);
  if (result.n_counted < x.size(0)) rows = rows.index_select(0, counted.to(x.device()));
  Tensors inputs = {rows};
  if (W_U.is_quantised()) {
    call->blocks = W_U;
  } else {
    inputs.push_back(W_U.dense(rows.scalar_type()));
  }
  if (b_U.defined()) inputs.push_back(b_U.to(rows.scalar_type()));
  const bool is_plain = rows.device().is_cpu() && rows.scalar_type() == at::kFloat;
  if (!is_plain) call->labels = call->labels.to(rows.device());
  result.objective = is_plain ? differentiable(call, inputs) : call->composed(inputs);
  result.loss = call->sums.loss;
  result.squared_logsumexp = call->sums.squared_logsumexp;
  result.n_correct = call->sums.n_correct;
  return result;
}

}  // namespace weir
