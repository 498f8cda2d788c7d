#include "weir/sae/eval/gradient_probe.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <ATen/ATen.h>

#include "weir/base/draw.h"
#include "weir/base/error.h"
#include "weir/base/interrupt.h"
#include "weir/train/adam.h"

namespace weir {
namespace {

/// Uniform in +-1 / sqrt(F), as torch.nn.Linear starts.
at::Tensor initial(int64_t n, double limit, Draw& draw) {
  at::Tensor values = at::empty({n}, at::kFloat);
  for (int64_t i = 0; i < n; ++i) {
    const double unit = static_cast<double>(draw.next() >> 11) * 0x1p-53;
    values.data_ptr<float>()[i] = static_cast<float>((2 * unit - 1) * limit);
  }
  return values;
}

at::Tensor order_of(int64_t n, Draw& draw) {
  std::vector<int64_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  draw.shuffle(order);
  return at::tensor(order, at::kLong);
}

double accuracy(const at::Tensor& logits, const at::Tensor& y) {
  return ((logits > 0) == (y > 0.5)).to(at::kDouble).mean().item<double>();
}

}  // namespace

GradientProbe train_probe(const at::Tensor& x_in, const at::Tensor& y_in, const at::Tensor& x_test,
                          const at::Tensor& y_test, const GradientProbeOptions& options) {
  require(options.orders.empty() || static_cast<int64_t>(options.orders.size()) >= options.epochs,
          "probe: expected an order for each of {} epochs", options.epochs);
  const at::Tensor x = x_in.detach().to(at::kFloat), y = y_in.to(at::kFloat);
  const at::Tensor test = x_test.detach().to(at::kFloat), labels = y_test.to(at::kFloat);
  const int64_t n = x.size(0), f = x.size(1);
  Draw draw(options.seed);
  const double limit = 1 / std::sqrt(static_cast<double>(f));
  at::Tensor weight = options.weight.defined() ? options.weight.to(at::kFloat).flatten().clone()
                                               : initial(f, limit, draw);
  at::Tensor bias = options.bias.defined() ? options.bias.to(at::kFloat).flatten().clone()
                                           : initial(1, limit, draw);
  AdamOptions adam;
  adam.weight_decay = options.weight_decay;
  adam.decoupled = true;
  Adam optimizer({weight, bias}, adam);
  GradientProbe best{{}, -1};
  int64_t since_best = 0;
  for (int64_t epoch = 0; epoch < options.epochs; ++epoch) {
    throw_if_interrupted();
    const at::Tensor order =
        options.orders.empty() ? order_of(n, draw) : options.orders[static_cast<size_t>(epoch)];
    for (int64_t i = 0; i < n; i += options.batch) {
      const at::Tensor rows = order.slice(0, i, std::min(n, i + options.batch));
      const at::Tensor batch = x.index_select(0, rows);
      // d loss / d logit of the mean logistic loss.
      const at::Tensor slope =
          (at::sigmoid(batch.mv(weight) + bias) - y.index_select(0, rows)) / rows.numel();
      at::Tensor gradient = batch.t().mv(slope);
      if (options.l1 != 0) gradient += options.l1 * weight.sign();
      optimizer.step({gradient, slope.sum(0, /*keepdim=*/true)}, options.learning_rate);
    }
    const double found = accuracy(test.mv(weight) + bias, labels);
    ++since_best;
    if (found > best.test_accuracy) {
      best = {{weight.to(at::kDouble, /*non_blocking=*/false, /*copy=*/true), bias.item<double>()},
              found};
      since_best = 0;
    }
    if (options.patience > 0 && since_best >= options.patience) break;
  }
  return best;
}

}  // namespace weir
