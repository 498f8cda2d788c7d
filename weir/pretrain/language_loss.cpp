#include "weir/pretrain/language_loss.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include "weir/base/error.h"
#include "weir/lm/unembedding.h"
#include "weir/tensor/vocab_cross_entropy.h"

namespace weir {
namespace {

using Tensors = std::vector<at::Tensor>;

// One batch on its way through the model. The last token of a row is read by nobody.
class BatchPass {
 public:
  BatchPass(const Transformer& model, const Weights& weights, const data::Batch& batch,
            const LanguageLossOptions& options)
      : options_(options), model_(model), weights_(for_computing_in(weights, model.dtype())) {
    require(
        batch.ids.dim() == 2 && batch.ids.size(1) > 1 && batch.labels.sizes() == batch.ids.sizes(),
        "language loss: expected rows of at least two tokens with as many labels");
    input_.tokens = batch.ids.slice(1, 0, -1);
    if (batch.document.defined()) input_.segments = batch.document.slice(1, 0, -1);
    input_.logits = LogitsAt::kNone;
    labels_ = batch.labels.slice(1, 1).reshape({-1});
  }

  int64_t n_layers() const { return model_.config().n_layers; }

  /// The stream entering block `to`, from the tokens or from the stream entering block `from`.
  at::Tensor stream(const at::Tensor& residual, int64_t from, int64_t to) const {
    ForwardInput input = input_;
    if (residual.defined()) {
      input.tokens = at::Tensor();
      input.residual = residual;
      input.start_layer = from;
    }
    input.stop_at_layer = to;
    return model_.forward(weights_, input).residual;
  }

  CrossEntropy loss(const at::Tensor& residual) const {
    const at::Tensor x = final_normed(model_.config(), weights_, residual);
    CrossEntropyOptions of{options_.label_smoothing, options_.z_loss,
                           model_.config().logit_softcap};
    return vocab_cross_entropy(x.flatten(0, 1), weights_.W_U, weights_.b_U, labels_, of);
  }

 private:
  LanguageLossOptions options_;
  const Transformer& model_;
  Weights weights_;
  ForwardInput input_;
  at::Tensor labels_;  ///< int64 [B (T - 1)]
};

LanguageLoss sums_of(const CrossEntropy& of) {
  return {of.loss, of.squared_logsumexp, of.n_counted, of.n_correct};
}

void add(Tensors& sums, const Tensors& more) {
  for (size_t i = 0; i < sums.size(); ++i) {
    if (!more[i].defined()) continue;
    if (sums[i].defined()) {
      sums[i].add_(more[i]);
    } else {
      sums[i] = more[i];
    }
  }
}

// d (outputs . gradient) / d of each of `inputs`, undefined where there is none.
Tensors gradients_of(const at::Tensor& output, const at::Tensor& gradient, const Tensors& inputs) {
  if (!output.requires_grad()) return Tensors(inputs.size());
  // The graph is kept for casts of weights that several parts share; each part's own is freed with
  // its output.
  return torch::autograd::grad({output}, inputs, {gradient}, /*retain_graph=*/true,
                               /*create_graph=*/false, /*allow_unused=*/true);
}

Tensors checkpointed(const BatchPass& pass, const Tensors& leaves, double divisor,
                     LanguageLoss* sums) {
  const int64_t n_layers = pass.n_layers();
  Tensors streams;  // Entering each block, and leaving the last one.
  {
    const at::NoGradGuard no_grad;
    at::Tensor stream = pass.stream({}, 0, 0);
    streams.push_back(stream);
    for (int64_t layer = 0; layer < n_layers; ++layer) {
      streams.push_back(pass.stream(streams.back(), layer, layer + 1));
    }
  }
  Tensors found(leaves.size());
  // Takes in what `output` gives to the leaves; returns what it gives to the stream it came from.
  const auto take = [&](const at::Tensor& output, const at::Tensor& gradient,
                        const at::Tensor& stream) {
    Tensors inputs = leaves;
    inputs.push_back(stream);
    Tensors more = gradients_of(output, gradient, inputs);
    const at::Tensor of_stream = more.back();
    more.pop_back();
    add(found, more);
    return of_stream;
  };
  const auto leaf = [&] {
    const at::Tensor stream = streams.back().detach().requires_grad_(true);
    streams.pop_back();
    return stream;
  };
  at::Tensor stream = leaf();
  const CrossEntropy loss = pass.loss(stream);
  *sums = sums_of(loss);
  at::Tensor gradient =
      take(loss.objective, at::scalar_tensor(1 / divisor, loss.objective.options()), stream);
  for (int64_t layer = n_layers - 1; layer >= 0; --layer) {
    stream = leaf();
    gradient = take(pass.stream(stream, layer, layer + 1), gradient, stream);
  }
  add(found, gradients_of(pass.stream({}, 0, 0), gradient, leaves));
  return found;
}

}  // namespace

LanguageLoss& LanguageLoss::operator+=(const LanguageLoss& more) {
  loss += more.loss;
  squared_logsumexp += more.squared_logsumexp;
  n_counted += more.n_counted;
  n_correct += more.n_correct;
  return *this;
}

LanguageLoss language_loss(const Transformer& model, const Weights& weights,
                           const data::Batch& batch) {
  const at::NoGradGuard no_grad;
  const BatchPass pass(model, weights, batch, {});
  return sums_of(pass.loss(pass.stream({}, 0, pass.n_layers())));
}

LanguageGradients language_gradients(const Transformer& model, const Weights& weights,
                                     const std::vector<at::Tensor>& leaves,
                                     const data::Batch& batch, double divisor,
                                     const LanguageLossOptions& options) {
  const BatchPass pass(model, weights, batch, options);
  LanguageGradients result;
  if (options.checkpoint) {
    result.gradients = checkpointed(pass, leaves, divisor, &result.sums);
    return result;
  }
  const CrossEntropy loss = pass.loss(pass.stream({}, 0, pass.n_layers()));
  result.sums = sums_of(loss);
  result.gradients = torch::autograd::grad(
      {loss.objective}, leaves, {at::scalar_tensor(1 / divisor, loss.objective.options())},
      /*retain_graph=*/false, /*create_graph=*/false, /*allow_unused=*/true);
  return result;
}

}  // namespace weir
