#include "weir/sae/eval/reconstruction.h"

#include <numeric>

#include <ATen/ATen.h>

#include "weir/base/error.h"
#include "weir/tensor/convert.h"

namespace weir {
namespace {

double mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double total(const at::Tensor& values) { return values.sum().item<double>(); }

}  // namespace

void ReconstructionSums::add(const at::Tensor& x_in, const at::Tensor& x_hat_in,
                             const at::Tensor& mask_in) {
  require(x_in.dim() == 3 && x_in.sizes() == x_hat_in.sizes(),
          "reconstruction: expected activations and reconstructions of one shape [B, T, D]");
  const at::Tensor x = x_in.detach().to(at::kCPU, at::kDouble);
  const at::Tensor x_hat = x_hat_in.detach().to(at::kCPU, at::kDouble);
  const at::Tensor kept = mask_in.defined() ? mask_in.to(at::kCPU, at::kDouble)
                                            : at::ones({x.size(0), x.size(1)}, x.options());
  const double n = total(kept);
  if (n == 0) return;
  // What is not kept counts as nothing; [B, T] quantities are summed over T.
  const auto by_prompt = [&](const at::Tensor& values) {
    return at::where(kept > 0, values, 0.0).sum(1);
  };
  const at::Tensor batch_mean = (x * kept.unsqueeze(-1)).sum(at::IntArrayRef{0, 1}) / n;
  if (!shift_.defined()) {
    shift_ = batch_mean;
    error_sum_ = at::zeros_like(shift_);
  }
  const at::Tensor error = x - x_hat;
  const at::Tensor residual = error.square().sum(-1), square = x.square().sum(-1);
  const at::Tensor norm_in = square.sqrt(), norm_out = x_hat.square().sum(-1).sqrt();
  const at::Tensor dot = (x * x_hat).sum(-1);
  const at::Tensor shifted = x - shift_;
  n_.push_back(kept.sum(1));
  residual_.push_back(by_prompt(residual));
  square_.push_back(by_prompt(square));
  cosine_.push_back(by_prompt(dot / (norm_in * norm_out)));
  ratio_.push_back(by_prompt(norm_out / at::where(norm_in < 1e-4, 1.0, norm_in)));
  norm_in_.push_back(by_prompt(norm_in));
  norm_out_.push_back(by_prompt(norm_out));
  legacy_.push_back(by_prompt(1 - residual / (x - batch_mean).square().sum(-1)));
  shifted_square_.push_back(by_prompt(shifted.square().sum(-1)));
  shifted_sum_.push_back((shifted * kept.unsqueeze(-1)).sum(1));
  error_sum_ += (error * kept.unsqueeze(-1)).sum(at::IntArrayRef{0, 1});
  const double out_square = total(by_prompt(norm_out.square())), dots = total(by_prompt(dot));
  out_square_ += out_square;
  dot_ += dots;
  batch_residual_.push_back(total(residual_.back()) / n);
  batch_square_.push_back(total(square_.back()) / n);
  batch_bias_.push_back(out_square / dots);
  batch_mse_.push_back(total(residual_.back()) / n);
}

at::Tensor ReconstructionSums::column(const std::vector<at::Tensor>& parts) const {
  require(!parts.empty(), "reconstruction: expected at least one kept token, got none");
  return at::cat(parts);
}

at::Tensor ReconstructionSums::mean() const {
  return shift_ + column(shifted_sum_).sum(0) / column(n_).sum();
}

/// Of each prompt: sum |x - x_bar|^2, from sums about the shift s: |x - s|^2 less twice the part
/// along x_bar - s. Exact, and s is close to x_bar, so that no digits are lost.
at::Tensor ReconstructionSums::squares_about_mean() const {
  const at::Tensor sums = column(shifted_sum_), n = column(n_);
  const at::Tensor offset = mean() - shift_;
  return column(shifted_square_) - 2 * sums.matmul(offset) + n * offset.square().sum();
}

ReconstructionScores ReconstructionSums::scores() const {
  ReconstructionScores scores;
  const double n = total(column(n_)), residual = total(column(residual_));
  const double variation = total(squares_about_mean());
  const auto d = static_cast<double>(shift_.numel());
  scores.n_tokens = static_cast<int64_t>(n);
  scores.ev_total = 1 - residual / variation;
  scores.ev_legacy = total(column(legacy_)) / n;
  const double S = weir::mean(batch_square_), R = weir::mean(batch_residual_);
  scores.ev_saebench = 1 - R / (S - (S / d) * (S / d));
  scores.ev_centred = 1 - (residual - total(error_sum_.square()) / n) / variation;
  scores.ev_uncentred = 1 - residual / total(column(square_));
  scores.mse_sum = residual / n;
  scores.mse_mean = residual / n / d;
  double per_batch = 0;  // each token of a batch of b tokens counts |e|^2 / b
  for (size_t i = 0; i < n_.size(); ++i) per_batch += batch_mse_[i];
  scores.mse_saebench = per_batch / n;
  scores.cossim = total(column(cosine_)) / n;
  scores.l2_norm_in = total(column(norm_in_)) / n;
  scores.l2_norm_out = total(column(norm_out_)) / n;
  scores.l2_ratio = total(column(ratio_)) / n;
  scores.relative_reconstruction_bias = weir::mean(batch_bias_);
  scores.relative_bias_total = out_square_ / dot_;
  return scores;
}

std::map<std::string, PromptRatio> ReconstructionSums::by_prompt() const {
  const at::Tensor variation = squares_about_mean();
  const std::vector<double> n = to_doubles(column(n_));
  return {{"ev_total", {to_doubles(variation - column(residual_)), to_doubles(variation)}},
          {"mse_sum", {to_doubles(column(residual_)), n}},
          {"cossim", {to_doubles(column(cosine_)), n}},
          {"l2_ratio", {to_doubles(column(ratio_)), n}}};
}

}  // namespace weir
